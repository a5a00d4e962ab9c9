-- Purpose: Record a run that must not run, with the reason. Only inserts, so it waits for nobody and
--   collides with nobody.
-- Grain: one run
-- Reads: nothing
-- Writes: ops.runs
-- Params: run_pipeline; run_as_of; run_mode; refusal: why
-- Schedule: none, called by ops.start_run, ops.run_rental and ops.backfill_rental
-- Owner: data engineering
create or replace procedure ops.skip_run(
    run_pipeline varchar(64),
    run_as_of timestamp,
    run_mode varchar(32),
    refusal varchar(1024)
)
as $$
declare
    this_run varchar(64);
begin
    this_run := to_char(sysdate, 'YYYYMMDD-HH24MISS-US-')
        || substring(md5(cast(random() as varchar(32)) || cast(random() as varchar(32))), 1, 12);
    insert into ops.runs (run_id, pipeline, as_of, mode, state, started_at, finished_at, error)
    values (this_run, run_pipeline, run_as_of, run_mode, 'skipped', sysdate, sysdate, refusal);
end;
$$ language plpgsql;
-- Usage: call ops.skip_run('rental', run_as_of, 'incremental', refusal);
