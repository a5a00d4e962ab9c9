-- Purpose: Refuse a horizon that the refreshes could not honour, before anything of it is stored: rows
--   of the table before it will be deleted, and never be computed again. Which tables may lose rows,
--   and by which column, is known here and in ops.closed_periods: both dates of a booking must have
--   passed, and a metric goes by whole periods. All that is closed must have been published, as of an
--   instant when it was over. While a run is at work it is refused; and no run begins until the caller's
--   transaction, which stores the horizon, has ended: none goes on with a horizon that it has not seen.
-- Grain: one horizon
-- Reads: ops.freshness, ops.dirty_work, ops.watermarks
-- Writes: ops.leases
-- Params: of_table: schema.table; period_column: what the policy goes by; horizon_day: rows before it go
-- Schedule: none, called by `zeroshift archive run`
-- Owner: data engineering
create or replace procedure archive.check_horizon(
    of_table varchar(255),
    period_column varchar(128),
    horizon_day date
)
as $$
declare
    of_schema varchar(128) := split_part(of_table, '.', 1);
    wanted varchar(128) := '';
    holder varchar(64) := '';
    holder_touched timestamp;
    refusal varchar(1024) := '';
    run_state varchar(32) := '';
    pending_count bigint;
    published_as_of timestamp;
    published_text varchar(32);
begin
    if of_schema not in ('curated', 'metrics', 'ops', 'raw', 'archive') then
        -- Not this project's pipeline.
        return;
    end if;
    if of_table = 'curated.bookings' then
        wanted := 'closed_on';
    elsif of_table = 'curated.user_viewings' then
        wanted := 'viewed_at';
    elsif of_schema = 'metrics' then
        wanted := case
            when right(of_table, 7) = '_weekly' then 'week_start'
            when right(of_table, 8) = '_monthly' then 'month_start'
            when right(of_table, 6) = '_daily' then 'day'
            else ''
        end;
    end if;
    if wanted = '' then
        raise exception 'rows of % are never deleted: the refreshes need all of them, or would bring them back',
            of_table;
    end if;
    if period_column <> wanted then
        raise exception 'rows of % may be deleted by the period % alone: % does not tell when a row is closed',
            of_table, wanted, period_column;
    end if;

    call ops.find_holder('rental', holder, holder_touched, refusal, run_state);
    if run_state = 'skipped' then
        raise exception 'what is before % cannot be closed now: %', horizon_day, refusal;
    end if;
    -- The row's write lock keeps runs out until the caller commits; a run that committed since our snapshot is a
    -- conflict, and the caller repeats. A holder that only seems to be dead finds its lease gone and stops.
    update ops.leases
    set token = null, expires_at = null, touched_at = null, session_id = null, started_by = null
    where pipeline = 'rental';

    select max(as_of), coalesce(cast(max(as_of) as varchar(32)), 'never')
    into published_as_of, published_text
    from ops.freshness
    where pipeline = 'rental';
    if published_as_of is null or published_as_of < dateadd(day, 31, horizon_day) then
        raise exception 'what is before % cannot be closed yet: the rental pipeline is published as of % UTC, and that must be 31 days later; run it first',
            horizon_day, published_text;
    end if;
    select count(*) into pending_count from ops.dirty_work where pipeline = 'rental';
    if pending_count = 0 then
        select count(*) into pending_count
        from ops.watermarks
        where pipeline = 'rental'
            and read_to is not null
            and (published_to is null or published_to <> read_to);
    end if;
    if pending_count > 0 then
        raise exception 'what is before % cannot be closed yet: a run of the rental pipeline has failed before it published; run it first',
            horizon_day;
    end if;
end;
$$ language plpgsql;
-- Usage: call archive.check_horizon('curated.bookings', 'closed_on', date '2022-01-01');
