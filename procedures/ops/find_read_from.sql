-- Purpose: The record time after which a source table's changes are to be read: the newest one seen
--   in landing, never the clock, less a look-back of ten minutes for what landed out of order.
--   What is read twice changes nothing, since merges write differences only.
-- Grain: one source table
-- Reads: ops.watermarks
-- Writes: nothing
-- Params: run_pipeline; source_table; rebuild: read everything; since_time: gives back the time
-- Schedule: none, called by the curated refreshes
-- Owner: data engineering
create or replace procedure ops.find_read_from(
    run_pipeline varchar(64),
    source_table varchar(128),
    rebuild boolean,
    inout since_time timestamp
)
as $$
declare
    seen_to timestamp;
begin
    since_time := timestamp '0001-01-01 00:00:00';
    if not rebuild then
        select max(read_to) into seen_to
        from ops.watermarks
        where pipeline = run_pipeline and table_name = source_table;
        if seen_to is not null then
            since_time := dateadd(minute, -10, seen_to);
        end if;
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.find_read_from('rental', 'bookings', false, since_time);
