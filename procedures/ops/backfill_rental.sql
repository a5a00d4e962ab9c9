-- Purpose: Compute all metrics of the rental pipeline anew for the weeks, months and days that a range
--   of dates touches, from the curated layer, as of what is published. In slices of a month, each
--   published by itself, so that it may be killed anywhere: the same call again goes on behind the
--   last slice that was published. ops.backfills has the progress. Rows that come out the same are
--   not written. Skipped, with the reason, while a run is at work, and keeps runs out meanwhile.
-- Grain: one call, one run of mode backfill
-- Reads: curated.*, ops.*, archive.horizons
-- Writes: metrics.*, ops.*
-- Params: from_date, to_date: both included; what lies before all data or after the instant that is
--   published is nothing to do; refused before the archive's horizon
-- Schedule: none, `zeroshift run rental --from D --to D`
-- Owner: data engineering
create or replace procedure ops.backfill_rental(from_date date, to_date date)
as $$
declare
    run_as_of timestamp;
    this_run varchar(64) := '';
    run_state varchar(32) := '';
    holder varchar(64) := '';
    holder_touched timestamp;
    refusal varchar(1024) := '';
    backfill varchar(64);
    slice_from date;
    slice_to date;
    first_day date;
    is_empty boolean;
    is_pending boolean := false;
    end_day date;
    done_day date;
    pending_count bigint;
    closed_before date;
    closed_table varchar(255);
begin
    if from_date is null or to_date is null or from_date > to_date then
        raise exception 'backfill from % to %: two dates, the earlier one first', from_date, to_date;
    end if;
    select max(as_of) into run_as_of from ops.freshness where pipeline = 'rental';
    if run_as_of is null then
        raise exception 'nothing of pipeline rental is published yet: a run computes all of it';
    end if;
    call ops.find_holder('rental', holder, holder_touched, refusal, run_state);
    if run_state = 'skipped' then
        call ops.skip_run('rental', run_as_of, 'backfill', refusal);
        commit;
        return;
    end if;
    commit;
    -- First in its transaction: the snapshot is taken when the lock has been waited for.
    lock ops.leases;
    -- Whoever stores a horizon holds this lock, or finds our run.
    select horizon, table_name into closed_before, closed_table
    from archive.horizons
    where split_part(table_name, '.', 1) in ('curated', 'metrics')
    order by horizon desc, table_name
    limit 1;
    if from_date < closed_before then
        raise exception 'backfill from %: the archive has closed % before %; begin there, or bring it back first (zeroshift archive restore)',
            from_date, closed_table, closed_before;
    end if;
    select max(as_of) into run_as_of from ops.freshness where pipeline = 'rental';
    call ops.start_run('rental', run_as_of, 'backfill', holder, holder_touched, this_run, run_state);
    commit;
    if run_state <> 'running' then
        return;
    end if;

    call ops.renew_lease('rental', this_run);
    select count(*) into pending_count from ops.dirty_work where pipeline = 'rental';
    if pending_count > 0 then
        is_pending := true;
    end if;
    if is_pending then
        -- A run that failed has left it.
        call metrics.refresh_rental(this_run, run_as_of);
        call ops.publish_changes('rental', this_run, run_as_of);
    end if;
    select backfill_id, done_to into backfill, done_day
    from ops.backfills
    where pipeline = 'rental' and first_date = from_date and last_date = to_date and finished_at is null
    order by started_at desc
    limit 1;
    if backfill is null then
        backfill := this_run;
        insert into ops.backfills (backfill_id, pipeline, first_date, last_date, as_of, done_to, started_at, finished_at)
        values (backfill, 'rental', from_date, to_date, run_as_of, null, sysdate, null);
    end if;
    call metrics.find_first_day(first_day);
    call ops.renew_lease('rental', this_run);
    commit;

    slice_from := from_date;
    if done_day >= from_date then
        slice_from := dateadd(day, 1, done_day);
    end if;
    end_day := to_date;
    if end_day > run_as_of then
        end_day := cast(run_as_of as date);
    end if;
    while slice_from <= end_day loop
        slice_to := last_day(slice_from);
        if slice_to > end_day then
            slice_to := end_day;
        end if;
        is_empty := true;
        if slice_to >= first_day then
            is_empty := false;
        end if;
        if not is_empty then
            call ops.renew_lease('rental', this_run);
            call ops.backfill_slice(this_run, run_as_of, slice_from, slice_to);
            update ops.backfills set done_to = slice_to where backfill_id = backfill;
            call ops.renew_lease('rental', this_run);
            commit;
        end if;
        slice_from := dateadd(day, 1, slice_to);
    end loop;

    call ops.renew_lease('rental', this_run);
    update ops.backfills set finished_at = getdate() where backfill_id = backfill;
    call ops.end_run('rental', this_run, 'succeeded', null);
    commit;
end;
$$ language plpgsql security definer;
-- Usage: call ops.backfill_rental(date '2024-01-01', date '2024-06-30');
