-- Purpose: Take the pipeline's lease and register a run; or find that it must not run (another one is at
--   work: skipped), need not (something later is published: superseded), or may have been done
--   already (the same run has succeeded: repeated).
--   The lease is fenced by its row's write lock: while a transaction of a run is open, nobody else
--   can write the row; between two of them whoever takes it over stops the old run, whose next
--   renewal finds another token. A run that died keeps nobody waiting; a deployment that takes the
--   lease leaves an expiry in the future. Of two that begin at the same instant one gets the lock
--   first, and the other finds that the lease has changed meanwhile: it is skipped.
--   The caller has called ops.find_holder, committed, and locked ops.leases as the first statement of
--   this transaction, so that what others committed while it waited is seen.
-- Grain: one run
-- Reads: ops.leases, ops.freshness, ops.runs, ops.watermarks, ops.dirty_work, archive.horizons
-- Writes: ops.leases, ops.runs
-- Params: run_pipeline; run_as_of; run_mode; seen_holder, seen_touched: what ops.find_holder gave;
--   this_run: gives back the new run's id; run_state: gives back running, repeated, skipped or
--   superseded
-- Schedule: none, called by ops.run_rental and ops.backfill_rental
-- Owner: data engineering
create or replace procedure ops.start_run(
    run_pipeline varchar(64),
    run_as_of timestamp,
    run_mode varchar(32),
    seen_holder varchar(64),
    seen_touched timestamp,
    inout this_run varchar(64),
    inout run_state varchar(32)
)
as $$
declare
    my_session integer := pg_backend_pid();
    my_user varchar(128) := session_user;
    holder varchar(64);
    holder_touched timestamp;
    refusal varchar(1024) := '';
    taken_count integer;
    last_as_of timestamp;
    found_count bigint;
begin
    select token, touched_at into holder, holder_touched from ops.leases where pipeline = run_pipeline;
    if coalesce(holder, '') <> coalesce(seen_holder, '')
        or (holder_touched is not null and seen_touched is null)
        or holder_touched <> seen_touched then
        refusal := 'lease held: run ' || coalesce(holder, seen_holder) || ' of pipeline ' || run_pipeline
            || ' was at work when this one began';
        call ops.skip_run(run_pipeline, run_as_of, run_mode, refusal);
        run_state := 'skipped';
        return;
    end if;

    -- GETDATE counts whole seconds; with microseconds the ids of runs within one second stand in their order, too.
    this_run := to_char(sysdate, 'YYYYMMDD-HH24MISS-US-')
        || substring(md5(cast(random() as varchar(32)) || cast(random() as varchar(32))), 1, 12);
    update ops.leases
    set token = this_run,
        expires_at = getdate(),
        touched_at = getdate(),
        session_id = my_session,
        started_by = my_user
    where pipeline = run_pipeline;
    get diagnostics taken_count := row_count;
    if taken_count <> 1 then
        raise exception 'pipeline % has % rows in ops.leases: one it must be', run_pipeline, taken_count;
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
        update ops.leases
        set token = null, expires_at = null, touched_at = null, session_id = null, started_by = null
        where pipeline = run_pipeline;
        return;
    end if;

    run_state := 'running';
    if run_as_of = last_as_of and run_mode <> 'backfill' then
        -- The same run has succeeded, and what it has published is what is published. Whether landing has changed
        -- since is the pipeline's to find out.
        select count(*) into found_count
        from ops.runs
        where pipeline = run_pipeline and as_of = run_as_of and mode = run_mode and state = 'succeeded';
        if found_count > 0 then
            run_state := 'repeated';
        end if;
        select count(*) into found_count from ops.dirty_work where pipeline = run_pipeline;
        if found_count > 0 then
            run_state := 'running';
        end if;
        select count(*) into found_count
        from ops.watermarks
        where pipeline = run_pipeline
            and read_to is not null
            and (published_to is null or published_to <> read_to);
        if found_count > 0 then
            run_state := 'running';
        end if;
        -- The archive has taken something, or given it back.
        select count(*) into found_count
        from archive.horizons
        where changed_at >= (
            select date_trunc('second', max(started_at))
            from ops.runs
            where pipeline = run_pipeline and state = 'succeeded'
        );
        if found_count > 0 then
            run_state := 'running';
        end if;
    end if;
    insert into ops.runs (run_id, pipeline, as_of, mode, state, started_at)
    values (this_run, run_pipeline, run_as_of, run_mode, 'running', sysdate);
end;
$$ language plpgsql;
-- Usage: call ops.start_run('rental', run_as_of, 'incremental', holder, holder_touched, this_run, run_state);
