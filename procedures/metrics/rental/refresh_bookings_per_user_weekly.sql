-- Purpose: Bookings each week by user: stays, all curated bookings, and the dollars of the stays:
--   0 without stays, NULL when there are some and none can be converted.
-- Grain: metrics.bookings_per_user_weekly: week and user
-- Reads: curated.bookings, ops.dirty_work
-- Writes: metrics.bookings_per_user_weekly, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_bookings_per_user_weekly(
    this_run varchar(64),
    run_as_of timestamp
)
as $$
declare
    step_started timestamp := getdate();
    first_period date;
    last_period date := cast(date_trunc('week', run_as_of) as date);
    whole_count bigint;
    range_from date;
    range_to date;
    low_time timestamp;
    high_time timestamp;
    read_count bigint := 0;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
begin
    select count(*) into whole_count
    from ops.dirty_work
    where pipeline = 'rental' and metric = 'bookings_per_user_weekly' and period_from is null;
    if whole_count > 0 then
        -- The whole range: what there is, and what was published.
        select min(low) into first_period
        from (
            select cast(date_trunc('week', min(booking_date)) as date) as low from curated.bookings
            union all
            select min(week_start) as low from metrics.bookings_per_user_weekly
        ) as lows;
        select case when max(week_start) > last_period then max(week_start) else last_period end
        into last_period
        from metrics.bookings_per_user_weekly;
    end if;

    call ops.collect_dirty_periods('bookings_per_user_weekly', 'week', first_period, last_period);
    select min(period_start), max(period_start) into range_from, range_to from dirty_periods;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.bookings_per_user_weekly', 0, 0, 0, step_started);
        return;
    end if;
    low_time := range_from;
    high_time := dateadd(day, 7, range_to);

    drop table if exists new_bookings_per_user_weekly;
    create temp table new_bookings_per_user_weekly (like metrics.bookings_per_user_weekly);
    insert into new_bookings_per_user_weekly (
        week_start, user_id, bookings, all_bookings, spend_usd
    )
    select
        booked.week_start,
        booked.user_id,
        sum(booked.stay_count),
        count(*),
        case
            when sum(booked.stay_count) = 0 then 0
            else cast(round(sum(booked.stay_usd), 2) as decimal(30, 2))
        end
    from (
        select
            user_id,
            case when is_stay then 1 else 0 end as stay_count,
            case when is_stay then total_price_usd end as stay_usd,
            cast(date_trunc('week', booking_date) as date) as week_start
        from curated.bookings
        where booking_date >= low_time
            and booking_date < high_time
            and booking_date <= run_as_of
    ) as booked
    join dirty_periods
        on booked.week_start = dirty_periods.period_start
    group by booked.week_start, booked.user_id;
    get diagnostics read_count := row_count;

    drop table if exists old_bookings_per_user_weekly;
    create temp table old_bookings_per_user_weekly (like metrics.bookings_per_user_weekly);
    insert into old_bookings_per_user_weekly (
        week_start, user_id, bookings, all_bookings, spend_usd
    )
    select
        bookings_per_user_weekly.week_start,
        bookings_per_user_weekly.user_id,
        bookings_per_user_weekly.bookings,
        bookings_per_user_weekly.all_bookings,
        bookings_per_user_weekly.spend_usd
    from metrics.bookings_per_user_weekly
    join dirty_periods
        on bookings_per_user_weekly.week_start = dirty_periods.period_start
    where bookings_per_user_weekly.week_start between range_from and range_to;

    drop table if exists gone_bookings_per_user_weekly;
    create temp table gone_bookings_per_user_weekly (like metrics.bookings_per_user_weekly);
    insert into gone_bookings_per_user_weekly (
        week_start, user_id, bookings, all_bookings, spend_usd
    )
    select
        week_start, user_id, bookings, all_bookings, spend_usd
    from old_bookings_per_user_weekly
    except
    select
        week_start, user_id, bookings, all_bookings, spend_usd
    from new_bookings_per_user_weekly;
    delete from metrics.bookings_per_user_weekly
    using gone_bookings_per_user_weekly
    where bookings_per_user_weekly.week_start = gone_bookings_per_user_weekly.week_start
        and bookings_per_user_weekly.user_id = gone_bookings_per_user_weekly.user_id
        and bookings_per_user_weekly.week_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.bookings_per_user_weekly (
        week_start, user_id, bookings, all_bookings, spend_usd
    )
    select
        week_start, user_id, bookings, all_bookings, spend_usd
    from (
        select
            week_start, user_id, bookings, all_bookings, spend_usd
        from new_bookings_per_user_weekly
        except
        select
            week_start, user_id, bookings, all_bookings, spend_usd
        from old_bookings_per_user_weekly
    ) as fresh
    order by week_start, user_id;
    get diagnostics inserted_count := row_count;
    call ops.log_step(
        this_run,
        'metrics.bookings_per_user_weekly',
        read_count,
        deleted_count + inserted_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_bookings_per_user_weekly(this_run, getdate());
