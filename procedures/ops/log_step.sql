-- Purpose: Record one step of a run. Only ever inserts, so it collides with nobody. Steps follow one
--   another: a step begins when the one before it has ended, or later when step_started says so,
--   which counts whole seconds. So durations are finer than those.
-- Grain: run and step
-- Reads: ops.run_steps
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
declare
    last_end timestamp;
    step_ended timestamp;
begin
    select max(finished_at) into last_end from ops.run_steps where run_id = this_run;
    call ops.read_clock(step_ended);
    if last_end > step_started and last_end <= step_ended then
        step_started := last_end;
    end if;
    insert into ops.run_steps (
        run_id, step, rows_read, rows_written, rows_rejected, started_at, finished_at
    )
    values (
        this_run, step_name, read_count, written_count, rejected_count, step_started, step_ended
    );
end;
$$ language plpgsql;
-- Usage: call ops.log_step(this_run, 'curated.bookings', 10, 9, 1, getdate());
