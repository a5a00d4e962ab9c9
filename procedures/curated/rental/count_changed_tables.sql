-- Purpose: In how many source tables landing has changed since it was last read, also out of order.
--   Moves the watermarks of those tables: whoever goes on to read them rolls that back first.
-- Grain: one count
-- Reads: ops.watermarks, raw.*
-- Writes: ops.watermarks, a temporary table
-- Params: changed_count: gives the number back
-- Schedule: none, called by ops.run_rental
-- Owner: data engineering
create or replace procedure curated.count_changed_tables(inout changed_count bigint)
as $$
declare
    rates_since timestamp;
    versions_since timestamp;
    locations_since timestamp;
    bookings_since timestamp;
    viewings_since timestamp;
begin
    drop table if exists known_watermarks;
    create temp table known_watermarks (like ops.watermarks);
    insert into known_watermarks (pipeline, table_name, read_to, window_created, window_deleted, published_to)
    select pipeline, table_name, read_to, window_created, window_deleted, published_to
    from ops.watermarks
    where pipeline = 'rental';
    call curated.find_changes(
        false, rates_since, versions_since, locations_since, bookings_since, viewings_since
    );
    -- A table that was not read before moves no watermark while it is empty.
    select count(*) into changed_count
    from (
        select table_name, read_to, window_created, window_deleted
        from ops.watermarks
        where pipeline = 'rental'
        except
        select table_name, read_to, window_created, window_deleted
        from known_watermarks
    ) as moved;
end;
$$ language plpgsql;
-- Usage: call curated.count_changed_tables(changed_count);
