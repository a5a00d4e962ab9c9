-- Purpose: Remember the newest record time that the curated layer has taken in from a source table.
-- Grain: one source table
-- Reads: nothing
-- Writes: ops.watermarks
-- Params: run_pipeline; source_table; rebuild: forget the old mark, all was read;
--   newest_created, newest_deleted: the newest record times seen, NULL for none
-- Schedule: none, called by the curated refreshes
-- Owner: data engineering
create or replace procedure ops.move_watermark(
    run_pipeline varchar(64),
    source_table varchar(128),
    rebuild boolean,
    newest_created timestamp,
    newest_deleted timestamp
)
as $$
declare
    newest timestamp;
    seen_to timestamp;
    mark_count bigint;
begin
    newest := newest_created;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;

    select count(*), max(read_to) into mark_count, seen_to
    from ops.watermarks
    where pipeline = run_pipeline and table_name = source_table;
    if mark_count = 0 then
        insert into ops.watermarks (pipeline, table_name, read_to)
        values (run_pipeline, source_table, newest);
    elsif rebuild or seen_to is null or newest > seen_to then
        update ops.watermarks
        set read_to = newest
        where pipeline = run_pipeline and table_name = source_table;
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.move_watermark('rental', 'bookings', false, newest_created, newest_deleted);
