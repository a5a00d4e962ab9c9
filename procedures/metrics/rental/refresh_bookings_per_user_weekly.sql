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
    week_count bigint;
    open_from date;
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
    call ops.find_open_period('bookings_per_user_weekly', open_from);
    -- Single users of other weeks: one booking does not make its whole week be computed anew.
    drop table if exists dirty_users;
    create temp table dirty_users (week_start date, user_id bigint);
    insert into dirty_users (week_start, user_id)
    select distinct dirty_work.period_from, dirty_work.user_id
    from ops.dirty_work
    left join dirty_periods
        on dirty_work.period_from = dirty_periods.period_start
    where dirty_work.pipeline = 'rental'
        and dirty_work.metric = 'bookings_per_user_weekly'
        and dirty_work.user_id is not null
        and dirty_work.period_from >= open_from
        and dirty_work.period_from <= last_period
        and dirty_periods.period_start is null;

    select min(week_start), max(week_start) into range_from, range_to
    from (
        select period_start as week_start from dirty_periods
        union all
        select week_start from dirty_users
    ) as dirty_weeks;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.bookings_per_user_weekly', 0, 0, 0, step_started);
        return;
    end if;
    low_time := range_from;
    high_time := dateadd(day, 7, range_to);

    drop table if exists new_bookings_per_user_weekly;
    create temp table new_bookings_per_user_weekly (like metrics.bookings_per_user_weekly);
    select count(*) into week_count from dirty_periods;
    if week_count > 0 then
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
    end if;
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
    join dirty_users
        on booked.week_start = dirty_users.week_start
        and booked.user_id = dirty_users.user_id
    group by booked.week_start, booked.user_id;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_bookings_per_user_weekly;
    create temp table changed_bookings_per_user_weekly (like metrics.bookings_per_user_weekly);
    alter table changed_bookings_per_user_weekly add column change bigint;
    insert into changed_bookings_per_user_weekly (
        week_start, user_id, bookings, all_bookings, spend_usd, change
    )
    select
        week_start, user_id, bookings, all_bookings, spend_usd, sum(change)
    from (
        select
            week_start,
            user_id,
            bookings,
            all_bookings,
            spend_usd,
            1 as change
        from new_bookings_per_user_weekly
        union all
        select
            bookings_per_user_weekly.week_start,
            bookings_per_user_weekly.user_id,
            bookings_per_user_weekly.bookings,
            bookings_per_user_weekly.all_bookings,
            bookings_per_user_weekly.spend_usd,
            -1 as change
        from metrics.bookings_per_user_weekly
        left join dirty_periods
            on bookings_per_user_weekly.week_start = dirty_periods.period_start
        left join dirty_users
            on bookings_per_user_weekly.week_start = dirty_users.week_start
            and bookings_per_user_weekly.user_id = dirty_users.user_id
        where bookings_per_user_weekly.week_start between range_from and range_to
            and (dirty_periods.period_start is not null or dirty_users.user_id is not null)
    ) as both_sides
    group by week_start, user_id, bookings, all_bookings, spend_usd
    having sum(change) <> 0;
    delete from metrics.bookings_per_user_weekly
    using changed_bookings_per_user_weekly
    where bookings_per_user_weekly.week_start = changed_bookings_per_user_weekly.week_start
        and bookings_per_user_weekly.user_id = changed_bookings_per_user_weekly.user_id
        and changed_bookings_per_user_weekly.change < 0
        and bookings_per_user_weekly.week_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.bookings_per_user_weekly (
        week_start, user_id, bookings, all_bookings, spend_usd
    )
    select
        week_start, user_id, bookings, all_bookings, spend_usd
    from changed_bookings_per_user_weekly
    where change > 0
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
