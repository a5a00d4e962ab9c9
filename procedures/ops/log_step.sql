-- Purpose: Record one step of a run. Only ever inserts, so it collides with nobody.
-- Grain: run and step
-- Reads: nothing
-- Writes: ops.run_steps
-- Params: this_run; step_name; read_count, written_count, rejected_count: rows; step_started
-- Schedule: none, called by every refresh
-- Owner: data engineering
create or replace procedure ops.log_step(
    this_run varchar(64),
    step_name varchar(128),
    read_count bigint,
    written_count bigint,
    rejected_count bigint,
    step_started timestamp
)
as $$
begin
    insert into ops.run_steps (
        run_id, step, rows_read, rows_written, rows_rejected, started_at, finished_at
    )
    values (
        this_run, step_name, read_count, written_count, rejected_count, step_started, getdate()
    );
end;
$$ language plpgsql;
-- Usage: call ops.log_step(this_run, 'curated.bookings', 10, 9, 1, getdate());
