-- Purpose: Raise unless a pipeline is fresh now: what a second schedule calls, since a run that never
--   started tells nobody. The error is the statement's, so it reaches people as every failure does.
-- Grain: one call
-- Reads: ops.freshness, ops.runs
-- Writes: nothing
-- Params: run_pipeline; max_age_minutes: what is published may speak for an instant so long ago, and
--   a run may be open so long
-- Schedule: eventbridge
-- Owner: data engineering
create or replace procedure ops.assert_fresh(run_pipeline varchar(64), max_age_minutes integer)
as $$
begin
    call ops.assert_fresh_at(run_pipeline, max_age_minutes, getdate());
end;
$$ language plpgsql security definer;
-- Usage: call ops.assert_fresh('rental', 180);
