-- Purpose: What is known of a source table's last reading: the time ten minutes before the newest
--   record time that was seen in landing (never the clock), that time itself, and how many versions
--   began and ended in between.
-- Grain: one source table
-- Reads: ops.watermarks
-- Writes: nothing
-- Params: run_pipeline; source_table; rebuild: read everything, nothing is known; since_time,
--   seen_to, created_before, deleted_before: give these back; seen_to is NULL before the first reading
-- Schedule: none, called by curated.find_changes
-- Owner: data engineering
create or replace procedure ops.find_read_from(
    run_pipeline varchar(64),
    source_table varchar(128),
    rebuild boolean,
    inout since_time timestamp,
    inout seen_to timestamp,
    inout created_before bigint,
    inout deleted_before bigint
)
as $$
begin
    since_time := timestamp '0001-01-01 00:00:00';
    seen_to := null;
    if not rebuild then
        select read_to, window_created, window_deleted
        into seen_to, created_before, deleted_before
        from ops.watermarks
        where pipeline = run_pipeline and table_name = source_table;
        if seen_to is not null then
            since_time := dateadd(minute, -10, seen_to);
        end if;
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.find_read_from('rental', 'bookings', false, since_time, seen_to, created_before, deleted_before);
