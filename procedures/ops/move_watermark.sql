-- Purpose: Remember how far a source table has been read: the newest record time that was seen in
--   landing, and how many versions began and ended in the ten minutes before it.
-- Grain: one source table
-- Reads: nothing
-- Writes: ops.watermarks
-- Params: run_pipeline; source_table; newest: NULL for an empty table; created_now, deleted_now
-- Schedule: none, called by curated.find_changes
-- Owner: data engineering
create or replace procedure ops.move_watermark(
    run_pipeline varchar(64),
    source_table varchar(128),
    newest timestamp,
    created_now bigint,
    deleted_now bigint
)
as $$
declare
    moved_count bigint;
begin
    update ops.watermarks
    set read_to = newest, window_created = created_now, window_deleted = deleted_now
    where pipeline = run_pipeline and table_name = source_table;
    get diagnostics moved_count := row_count;
    if moved_count = 0 then
        insert into ops.watermarks (pipeline, table_name, read_to, window_created, window_deleted)
        values (run_pipeline, source_table, newest, created_now, deleted_now);
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.move_watermark('rental', 'bookings', getdate(), 10, 0);
