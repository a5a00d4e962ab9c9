-- Purpose: For every day since the first stay was booked: the users with a stay booked in the 30
--   days until then, and those with two or more. A user's stays are put in a row; each counts until
--   30 days have passed or the next one takes over, so each user counts once, and a running sum of
--   beginnings and ends gives every day.
-- Grain: metrics.repeat_customer_rate_daily: day
-- Reads: curated.bookings, ops.dirty_work, ops.numbers, archive.horizons
-- Writes: metrics.repeat_customer_rate_daily, ops.dirty_work, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_repeat_customer_rate_daily(
    this_run varchar(64),
    run_as_of timestamp
)
as $$
declare
    step_started timestamp := getdate();
    first_period date;
    last_period date := cast(date_trunc('day', run_as_of) as date);
    whole_count bigint;
    range_from date;
    range_to date;
    low_time timestamp;
    high_time timestamp;
    run_day date := cast(run_as_of as date);
    published_first date;
    open_from date;
    own_horizon date;
    first_day date;
    read_count bigint := 0;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
begin
    select count(*) into whole_count
    from ops.dirty_work
    where pipeline = 'rental' and metric = 'repeat_customer_rate_daily' and period_from is null;
    select min(day) into published_first from metrics.repeat_customer_rate_daily;
    select min(period_from) into range_from
    from ops.dirty_work
    where pipeline = 'rental' and metric = 'repeat_customer_rate_daily';
    if whole_count = 0 and range_from is null then
        call ops.log_step(this_run, 'metrics.repeat_customer_rate_daily', 0, 0, 0, step_started);
        return;
    end if;

    -- The first day of all. It can only have moved when something changed on it or before it.
    first_day := published_first;
    if whole_count > 0 or published_first is null or range_from <= published_first then
        select cast(min(booking_date) as date) into first_day
        from curated.bookings
        where is_stay and booking_date <= run_as_of;
        -- Where days are closed, the stays of the first one may have been archived, and the days, too.
        call ops.find_open_period('repeat_customer_rate_daily', open_from);
        call archive.find_horizon('metrics.repeat_customer_rate_daily', own_horizon);
        if published_first < open_from or own_horizon > '0001-01-01' then
            first_day := case when first_day < open_from then first_day else open_from end;
        end if;
        first_period := published_first;
        if first_period is null or first_day < first_period then
            first_period := first_day;
        end if;
        if whole_count = 0 and first_period is not null then
            -- Days before the first one go, days since it come.
            insert into ops.dirty_work (pipeline, metric, period_from, period_to)
            select
                'rental',
                'repeat_customer_rate_daily',
                first_period,
                case
                    when first_day is null or published_first is null then cast('9999-12-31' as date)
                    when first_day > published_first then first_day
                    else published_first
                end;
        end if;
    end if;
    if whole_count > 0 then
        select case when max(day) > last_period then max(day) else last_period end
        into last_period
        from metrics.repeat_customer_rate_daily;
    end if;
    call ops.collect_dirty_periods('repeat_customer_rate_daily', 'day', first_period, last_period);
    select min(period_start), max(period_start) into range_from, range_to from dirty_periods;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.repeat_customer_rate_daily', 0, 0, 0, step_started);
        return;
    end if;
    low_time := dateadd(day, -29, range_from);
    high_time := dateadd(day, 1, range_to);

    -- The stays in the windows of dirty days, with what the user's next two stays make of each.
    drop table if exists window_stays;
    create temp table window_stays (
        booking_day date,
        next_day date,
        thirty_days_on date,
        customer_until date,
        repeat_until date
    );
    insert into window_stays (booking_day, next_day, thirty_days_on, customer_until, repeat_until)
    select
        booking_day,
        next_day,
        thirty_days_on,
        case when next_day < thirty_days_on then next_day else thirty_days_on end,
        case when second_day < thirty_days_on then second_day else thirty_days_on end
    from (
        select
            stays.booking_day,
            window_days.thirty_days_on,
            lead(stays.booking_day, 1) over (partition by stays.user_id order by stays.booking_day) as next_day,
            lead(stays.booking_day, 2) over (partition by stays.user_id order by stays.booking_day) as second_day
        from (
            select user_id, cast(booking_date as date) as booking_day
            from curated.bookings
            where is_stay
                and booking_date >= low_time
                and booking_date < high_time
                and booking_date <= run_as_of
        ) as stays
        join (
            select
                days.window_day,
                cast(dateadd(day, 30, days.window_day) as date) as thirty_days_on
            from (
                select distinct cast(dateadd(day, -numbers.n, dirty_periods.period_start) as date) as window_day
                from dirty_periods
                cross join ops.numbers
                where numbers.n <= 29
            ) as days
        ) as window_days
            on stays.booking_day = window_days.window_day
    ) as neighbours;

    -- Beginnings (+1) and ends (-1). A user is a customer from a stay on until 30 days have passed or the next
    -- stay takes over; a repeat customer from the second of two stays on until 30 days after the first of them
    -- have passed or the next pair takes over.
    drop table if exists customer_changes;
    create temp table customer_changes (day date, customer_change bigint, repeat_change bigint);
    insert into customer_changes (day, customer_change, repeat_change)
    select booking_day, count(*), 0
    from window_stays
    group by booking_day
    union all
    select customer_until, -count(*), 0
    from window_stays
    group by customer_until
    union all
    select next_day, 0, count(*)
    from window_stays
    where next_day < thirty_days_on
    group by next_day
    union all
    select repeat_until, 0, -count(*)
    from window_stays
    where next_day < thirty_days_on
    group by repeat_until
    union all
    select period_start, 0, 0
    from dirty_periods;

    -- The quotient of DECIMAL(25,7) and DECIMAL(12,0) is DECIMAL(38,20): exact enough that it is rounded once.
    drop table if exists new_repeat_customer_rate_daily;
    create temp table new_repeat_customer_rate_daily (like metrics.repeat_customer_rate_daily);
    insert into new_repeat_customer_rate_daily (day, customers, repeat_customers, repeat_rate)
    select
        running.day,
        running.customers,
        running.repeat_customers,
        case
            when running.customers > 0 then round(
                cast(running.repeat_customers as decimal(25, 7)) / cast(running.customers as decimal(12, 0)), 6
            )
        end
    from (
        select
            daily.day,
            cast(
                sum(daily.customer_change) over (order by daily.day rows unbounded preceding) as bigint
            ) as customers,
            cast(
                sum(daily.repeat_change) over (order by daily.day rows unbounded preceding) as bigint
            ) as repeat_customers
        from (
            select day, sum(customer_change) as customer_change, sum(repeat_change) as repeat_change
            from customer_changes
            group by day
        ) as daily
    ) as running
    join dirty_periods
        on running.day = dirty_periods.period_start
    where running.day >= first_day and running.day <= run_day;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_repeat_customer_rate_daily;
    create temp table changed_repeat_customer_rate_daily (like metrics.repeat_customer_rate_daily);
    alter table changed_repeat_customer_rate_daily add column change bigint;
    insert into changed_repeat_customer_rate_daily (
        day, customers, repeat_customers, repeat_rate, change
    )
    select
        day, customers, repeat_customers, repeat_rate, sum(change)
    from (
        select
            day,
            customers,
            repeat_customers,
            repeat_rate,
            1 as change
        from new_repeat_customer_rate_daily
        union all
        select
            repeat_customer_rate_daily.day,
            repeat_customer_rate_daily.customers,
            repeat_customer_rate_daily.repeat_customers,
            repeat_customer_rate_daily.repeat_rate,
            -1 as change
        from metrics.repeat_customer_rate_daily
        join dirty_periods
            on repeat_customer_rate_daily.day = dirty_periods.period_start
        where repeat_customer_rate_daily.day between range_from and range_to
    ) as both_sides
    group by day, customers, repeat_customers, repeat_rate
    having sum(change) <> 0;
    delete from metrics.repeat_customer_rate_daily
    using changed_repeat_customer_rate_daily
    where repeat_customer_rate_daily.day = changed_repeat_customer_rate_daily.day
        and changed_repeat_customer_rate_daily.change < 0
        and repeat_customer_rate_daily.day between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.repeat_customer_rate_daily (
        day, customers, repeat_customers, repeat_rate
    )
    select
        day, customers, repeat_customers, repeat_rate
    from changed_repeat_customer_rate_daily
    where change > 0
    order by day;
    get diagnostics inserted_count := row_count;
    call ops.log_step(
        this_run,
        'metrics.repeat_customer_rate_daily',
        read_count,
        deleted_count + inserted_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_repeat_customer_rate_daily(this_run, getdate());
