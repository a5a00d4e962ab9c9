-- Purpose: Record how a run has ended and give its lease back, unless another has it by now.
-- Grain: one run
-- Reads: nothing
-- Writes: ops.runs, ops.leases
-- Params: run_pipeline; this_run; end_state: succeeded or duplicate; end_note: what people should
--   know about it, else NULL
-- Schedule: none, called by ops.publish_run, ops.run_rental and ops.backfill_rental
-- Owner: data engineering
create or replace procedure ops.end_run(
    run_pipeline varchar(64),
    this_run varchar(64),
    end_state varchar(32),
    end_note varchar(4096)
)
as $$
declare
    ended timestamp;
begin
    call ops.read_clock(ended);
    update ops.runs
    set state = end_state, finished_at = ended, error = end_note
    where run_id = this_run;
    update ops.leases
    set token = null, expires_at = null, touched_at = null, session_id = null, started_by = null
    where pipeline = run_pipeline and token = this_run;
end;
$$ language plpgsql;
-- Usage: call ops.end_run('rental', this_run, 'succeeded', null);
