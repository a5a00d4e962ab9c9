-- Purpose: Take the pipeline's lease and register a run, or find that it is superseded.
--   The lease is fenced by its row's write lock: while a transaction of a run is open, nobody else
--   can write the row; between two of them whoever takes it over stops the old run, whose next
--   renewal finds another token. So a run leaves an expiry that has passed, and a run that died
--   keeps nobody waiting; a deployment that takes the lease leaves one in the future.
-- Grain: one run
-- Reads: ops.leases, ops.freshness
-- Writes: ops.leases, ops.runs
-- Params: run_pipeline; run_as_of; run_mode; this_run: gives back the new run's id; run_state: gives
--   back running or superseded
-- Schedule: none, called by ops.run_rental
-- Owner: data engineering
create or replace procedure ops.start_run(
    run_pipeline varchar(64),
    run_as_of timestamp,
    run_mode varchar(32),
    inout this_run varchar(64),
    inout run_state varchar(32)
)
as $$
declare
    taken_count integer;
    holder varchar(64);
    held_until timestamp;
    last_as_of timestamp;
begin
    -- GETDATE counts whole seconds; with microseconds the ids of runs within one second stand in their order, too.
    this_run := to_char(sysdate, 'YYYYMMDD-HH24MISS-US-')
        || substring(md5(cast(random() as varchar(32)) || cast(random() as varchar(32))), 1, 12);

    update ops.leases
    set token = this_run, expires_at = getdate()
    where pipeline = run_pipeline
        and (token is null or expires_at is null or expires_at <= getdate());
    get diagnostics taken_count := row_count;
    if taken_count = 0 then
        select token, expires_at into holder, held_until
        from ops.leases
        where pipeline = run_pipeline;
        raise exception 'lease held: pipeline % is held by % until % UTC', run_pipeline, holder, held_until;
    end if;

    if run_mode not in ('incremental', 'full', 'rewind', 'accept_reseed') then
        raise exception 'unknown mode %: use incremental, full, rewind or accept_reseed', run_mode;
    end if;

    -- We hold the lease, so whatever still seems to run has died. There is no handler that could have told: on
    -- Redshift it would have rolled everything back first.
    update ops.runs
    set state = 'failed',
        finished_at = getdate(),
        error = 'the run ended without finishing; see the error of its statement'
    where pipeline = run_pipeline and state = 'running';

    -- SYSDATE has fractions of a second, which GETDATE lacks, so that runs are ordered by their start.
    select max(as_of) into last_as_of from ops.freshness where pipeline = run_pipeline;
    if run_mode <> 'rewind' and last_as_of is not null and run_as_of < last_as_of then
        -- A late retry must not turn presentation back.
        run_state := 'superseded';
        insert into ops.runs (run_id, pipeline, as_of, mode, state, started_at, finished_at)
        values (this_run, run_pipeline, run_as_of, run_mode, 'superseded', sysdate, sysdate);
        update ops.leases set token = null, expires_at = null where pipeline = run_pipeline;
    else
        run_state := 'running';
        insert into ops.runs (run_id, pipeline, as_of, mode, state, started_at)
        values (this_run, run_pipeline, run_as_of, run_mode, 'running', sysdate);
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.start_run('rental', run_as_of, 'incremental', this_run, run_state);
