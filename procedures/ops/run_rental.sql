-- Purpose: Refresh the rental pipeline: curated layer, metrics and presentation, as of an instant.
--   In transactions: the run is registered; the curated layer takes in what changed in landing
--   and queues the periods that this touches; all metrics consume the queue and are published
--   together with their freshness. A run may be killed anywhere and started again.
--   One that comes while another is at work does nothing and is recorded as skipped, with the reason.
--   The same run again (as_of and mode), when it has succeeded and nothing has changed since, does
--   nothing and is recorded as duplicate.
-- Grain: one call, one run
-- Reads: raw.*, ops.*, archive.horizons
-- Writes: curated.*, metrics.*, ops.*
-- Params: as_of: the instant that the run speaks for, UTC; NULL is now. Earlier than the last
--   published one: nothing changes, the run is recorded as superseded.
--   mode: incremental (also NULL): what changed; full: everything anew from landing and the record
--   of history; rewind: full, and as_of may be earlier than the last one; accept_reseed: full, and
--   landing tables that were copied anew are accepted.
-- Schedule: eventbridge, or `zeroshift run rental`
-- Owner: data engineering
create or replace procedure ops.run_rental(as_of timestamp, mode varchar(32))
as $$
declare
    run_as_of timestamp := coalesce(as_of, getdate());
    run_mode varchar(32) := lower(coalesce(mode, 'incremental'));
    this_run varchar(64) := '';
    run_state varchar(32) := '';
    holder varchar(64) := '';
    holder_touched timestamp;
    refusal varchar(1024) := '';
    changed_count bigint;
    closed_before date;
begin
    if run_mode not in ('incremental', 'full', 'rewind', 'accept_reseed') then
        raise exception 'unknown mode %: use incremental, full, rewind or accept_reseed', run_mode;
    end if;
    call ops.find_holder('rental', holder, holder_touched, refusal, run_state);
    if run_state = 'skipped' then
        call ops.skip_run('rental', run_as_of, run_mode, refusal);
        commit;
        return;
    end if;
    commit;
    -- First in its transaction: the snapshot is taken when the lock has been waited for.
    lock ops.leases;
    if run_mode = 'rewind' then
        -- What the archive has closed speaks for a later instant, and is not computed again. All that it closes ends
        -- within a month behind its horizon. Whoever stores one holds this lock, or finds our run.
        select max(horizon) into closed_before
        from archive.horizons
        where split_part(table_name, '.', 1) in ('curated', 'metrics');
        if run_as_of < dateadd(day, 31, closed_before) then
            raise exception 'rewind to % UTC: the archive has closed what is before %; bring it back first (zeroshift archive restore), or rewind to 31 days after it at the earliest',
                run_as_of, closed_before;
        end if;
    end if;
    call ops.start_run('rental', run_as_of, run_mode, holder, holder_touched, this_run, run_state);
    commit;
    if run_state = 'superseded' or run_state = 'skipped' then
        return;
    end if;

    call ops.renew_lease('rental', this_run);
    if run_state = 'repeated' then
        call curated.count_changed_tables(changed_count);
        if changed_count = 0 then
            call ops.end_run(
                'rental', this_run, 'duplicate', 'the same run has succeeded, and nothing has changed since'
            );
            commit;
            return;
        end if;
        rollback;
        call ops.renew_lease('rental', this_run);
    end if;
    call curated.refresh_rental(this_run, run_mode);
    call ops.renew_lease('rental', this_run);
    commit;

    call ops.renew_lease('rental', this_run);
    call metrics.refresh_rental(this_run, run_as_of);
    call ops.publish_run('rental', this_run, run_as_of);
    commit;
end;
$$ language plpgsql security definer;
-- Usage: call ops.run_rental(null, 'incremental');
