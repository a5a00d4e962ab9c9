-- Purpose: The archive's horizon of a table: rows before it may have been deleted, so whoever refreshes
--   the table leaves out what is before it, and leaves alone what is still there.
-- Grain: one table
-- Reads: archive.horizons
-- Writes: nothing
-- Params: of_table: schema.table; horizon_day: gives the day back, 0001-01-01 when there is no horizon
-- Schedule: none, called by the refreshes of tables that a policy may delete from
-- Owner: data engineering
create or replace procedure archive.find_horizon(of_table varchar(255), inout horizon_day date)
as $$
begin
    select coalesce(max(horizon), cast('0001-01-01' as date))
    into horizon_day
    from archive.horizons
    where table_name = of_table;
end;
$$ language plpgsql;
-- Usage: call archive.find_horizon('curated.bookings', horizon_day);
