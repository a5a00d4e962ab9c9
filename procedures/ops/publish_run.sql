-- Purpose: End a run that has computed all it had to: publish it, record it as succeeded, give the
--   lease back.
-- Grain: one run
-- Reads: ops.*
-- Writes: ops.*
-- Params: run_pipeline; this_run; run_as_of
-- Schedule: none, called by ops.run_rental
-- Owner: data engineering
create or replace procedure ops.publish_run(
    run_pipeline varchar(64),
    this_run varchar(64),
    run_as_of timestamp
)
as $$
begin
    call ops.publish_changes(run_pipeline, this_run, run_as_of);
    call ops.end_run(run_pipeline, this_run, 'succeeded', null);
end;
$$ language plpgsql;
-- Usage: call ops.publish_run('rental', this_run, run_as_of);
