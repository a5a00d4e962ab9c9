-- Purpose: Raise unless a pipeline is fresh at an instant: ops.assert_fresh with a clock of the
--   caller's, such as the time that a schedule was meant for. Only what was published counts: runs
--   that were skipped, superseded or duplicates are no success.
-- Grain: one call
-- Reads: ops.freshness, ops.runs, ops.leases
-- Writes: nothing
-- Params: run_pipeline; max_age_minutes: what is published may speak for an instant so long before
--   at_time and have been published so long before it; a run may be open so long by the
--   warehouse's own clock; at_time: UTC
-- Schedule: none, called by ops.assert_fresh
-- Owner: data engineering
create or replace procedure ops.assert_fresh_at(
    run_pipeline varchar(64),
    max_age_minutes integer,
    at_time timestamp
)
as $$
declare
    oldest timestamp;
    longest timestamp;
    known_count bigint;
    published_as_of timestamp;
    published_when timestamp;
    open_run varchar(64);
    open_since timestamp;
    last_run varchar(64);
    last_state varchar(32);
    last_error varchar(4096);
    last_told varchar(8192) := 'no run has been started since';
begin
    if max_age_minutes is null or max_age_minutes <= 0 then
        raise exception 'assert_fresh: % minutes is no age: pass a number above zero', max_age_minutes;
    end if;
    select count(*) into known_count from ops.leases where pipeline = run_pipeline;
    if known_count = 0 then
        raise exception 'assert_fresh: there is no pipeline %', run_pipeline;
    end if;
    oldest := dateadd(minute, -max_age_minutes, at_time);
    longest := dateadd(minute, -max_age_minutes, getdate());

    select run_id, started_at into open_run, open_since
    from ops.runs
    where pipeline = run_pipeline and state = 'running' and started_at < longest
    order by started_at
    limit 1;
    if open_run is not null then
        raise exception 'pipeline % is stuck: run % is open since % UTC, more than % minutes; see zeroshift status',
            run_pipeline, open_run, open_since, max_age_minutes;
    end if;

    select max(as_of), max(published_at) into published_as_of, published_when
    from ops.freshness
    where pipeline = run_pipeline;
    if published_as_of >= oldest and published_when >= oldest then
        return;
    end if;

    -- What has happened since, for whoever is woken by this.
    select run_id, state, coalesce(error, 'no error is recorded') into last_run, last_state, last_error
    from ops.runs
    where pipeline = run_pipeline and (published_when is null or started_at > published_when)
    order by started_at desc, run_id desc
    limit 1;
    if last_run is not null then
        last_told := 'the last run since, ' || last_run || ', is ' || last_state || ': ' || last_error;
    end if;
    if published_as_of is null then
        raise exception 'pipeline % is stale: nothing was ever published; %', run_pipeline, last_told;
    end if;
    raise exception 'pipeline % is stale: what is published is as of % UTC (published at % UTC), more than % minutes before % UTC; %',
        run_pipeline, published_as_of, published_when, max_age_minutes, at_time, last_told;
end;
$$ language plpgsql security definer;
-- Usage: call ops.assert_fresh_at('rental', 180, timestamp '2024-01-08 03:00:00');
