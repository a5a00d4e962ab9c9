-- Purpose: Who has a pipeline's lease, and whether that one is at work. A run that died could not note
--   it, so its session is asked for: a session that has ended has no run any more. Where sessions
--   are not to be seen (another user's), a run that has committed within the last five seconds counts
--   as alive, and for an older one its lock is the proof, which the caller then waits for.
--   Waits for nobody.
-- Grain: one pipeline
-- Reads: ops.leases, ops.runs, sys_session_history, svv_transactions
-- Writes: nothing
-- Params: run_pipeline; holder, holder_touched: give back the lease's token and when its holder last
--   committed, NULL when it is free; refusal: gives back why the caller must not run; run_state:
--   gives back skipped then, and is left alone when the caller may try
-- Schedule: none, called by ops.run_rental and ops.backfill_rental
-- Owner: data engineering
create or replace procedure ops.find_holder(
    run_pipeline varchar(64),
    inout holder varchar(64),
    inout holder_touched timestamp,
    inout refusal varchar(1024),
    inout run_state varchar(32)
)
as $$
declare
    my_session integer := pg_backend_pid();
    my_user varchar(128) := session_user;
    held_until timestamp;
    holder_session integer;
    holder_user varchar(128);
    holder_state varchar(32);
    holder_as_of timestamp;
    begun_before timestamp;
    found_count bigint;
begin
    refusal := '';
    select token, touched_at, expires_at, session_id, started_by
    into holder, holder_touched, held_until, holder_session, holder_user
    from ops.leases
    where pipeline = run_pipeline;
    if holder is null then
        return;
    end if;
    select state, as_of into holder_state, holder_as_of from ops.runs where run_id = holder;
    if holder_state is null then
        -- No run: somebody who keeps runs out until the expiry.
        if held_until > getdate() then
            run_state := 'skipped';
            refusal := 'lease held: pipeline ' || run_pipeline || ' is held by ' || holder || ' until ' || held_until || ' UTC';
        end if;
        return;
    end if;
    -- A session has one statement at a time: a run of this one has ended.
    if holder_state <> 'running' or holder_session = my_session then
        return;
    end if;

    select count(*) into found_count
    from sys_session_history
    where session_id = my_session and trim(status) = 'active';
    if found_count > 0 and holder_user = my_user then
        -- Our own session is shown, and so is the holder's, whose user is the same and which is older. Process ids
        -- are used again: only a session from before counts. GETDATE, which wrote touched_at, has no fractions.
        begun_before := dateadd(second, 1, holder_touched);
        select count(*) into found_count
        from sys_session_history
        where session_id = holder_session and trim(status) = 'active' and start_time <= begun_before;
        if found_count = 0 then
            return;
        end if;
        select count(*) into found_count from svv_transactions where pid = holder_session;
    else
        found_count := 0;
    end if;
    if found_count > 0 or holder_touched > dateadd(second, -5, getdate()) then
        run_state := 'skipped';
        refusal := 'lease held: run ' || holder || ' of pipeline ' || run_pipeline || ' as of ' || holder_as_of
            || ' UTC is at work';
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.find_holder('rental', holder, holder_touched, refusal, run_state);
