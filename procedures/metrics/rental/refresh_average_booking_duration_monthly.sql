-- Purpose: Stays by the month of their check-in and location, with the mean of their nights.
-- Grain: metrics.average_booking_duration_monthly: month and location
-- Reads: curated.bookings, curated.listing_locations, ops.dirty_work
-- Writes: metrics.average_booking_duration_monthly, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_average_booking_duration_monthly(
    this_run varchar(64),
    run_as_of timestamp
)
as $$
declare
    step_started timestamp := getdate();
    first_period date;
    last_period date := cast(date_trunc('month', run_as_of) as date);
    whole_count bigint;
    range_from date;
    range_to date;
    range_end date;
    run_day date := cast(run_as_of as date);
    read_count bigint := 0;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
begin
    select count(*) into whole_count
    from ops.dirty_work
    where pipeline = 'rental' and metric = 'average_booking_duration_monthly' and period_from is null;
    if whole_count > 0 then
        -- The whole range: what there is, and what was published.
        select min(low) into first_period
        from (
            select cast(date_trunc('month', min(checkin_date)) as date) as low from curated.bookings
            union all
            select min(month_start) as low from metrics.average_booking_duration_monthly
        ) as lows;
        select case when max(month_start) > last_period then max(month_start) else last_period end
        into last_period
        from metrics.average_booking_duration_monthly;
    end if;

    call ops.collect_dirty_periods('average_booking_duration_monthly', 'month', first_period, last_period);
    select min(period_start), max(period_start) into range_from, range_to from dirty_periods;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.average_booking_duration_monthly', 0, 0, 0, step_started);
        return;
    end if;
    range_end := cast(dateadd(month, 1, range_to) as date);

    drop table if exists new_average_booking_duration_monthly;
    create temp table new_average_booking_duration_monthly (like metrics.average_booking_duration_monthly);
    insert into new_average_booking_duration_monthly (
        month_start, state, cityname, stays, total_nights, avg_nights
    )
    -- The quotient of DECIMAL(25,4) and DECIMAL(12,0) is DECIMAL(38,17): exact enough that it is rounded once.
    select
        month_start,
        state,
        cityname,
        stays,
        total_nights,
        cast(
            round(cast(total_nights as decimal(25, 4)) / cast(stays as decimal(12, 0)), 2)
            as decimal(18, 2)
        )
    from (
        select
            begun.month_start,
            listing_locations.state,
            listing_locations.cityname,
            count(*) as stays,
            cast(sum(begun.nights) as bigint) as total_nights
        from (
            select
                apartment_id,
                cast(date_trunc('month', checkin_date) as date) as month_start,
                datediff(day, checkin_date, checkout_date) as nights
            from curated.bookings
            where is_stay
                and checkin_date >= range_from
                and checkin_date < range_end
                and checkin_date <= run_day
                and booking_date <= run_as_of
        ) as begun
        join dirty_periods
            on begun.month_start = dirty_periods.period_start
        join curated.listing_locations
            on begun.apartment_id = listing_locations.apartment_id
        where listing_locations.cityname is not null
        group by begun.month_start, listing_locations.state, listing_locations.cityname
    ) as counted;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_average_booking_duration_monthly;
    create temp table changed_average_booking_duration_monthly (like metrics.average_booking_duration_monthly);
    alter table changed_average_booking_duration_monthly add column change bigint;
    insert into changed_average_booking_duration_monthly (
        month_start, state, cityname, stays, total_nights, avg_nights, change
    )
    select
        month_start, state, cityname, stays, total_nights, avg_nights, sum(change)
    from (
        select
            month_start,
            state,
            cityname,
            stays,
            total_nights,
            avg_nights,
            1 as change
        from new_average_booking_duration_monthly
        union all
        select
            average_booking_duration_monthly.month_start,
            average_booking_duration_monthly.state,
            average_booking_duration_monthly.cityname,
            average_booking_duration_monthly.stays,
            average_booking_duration_monthly.total_nights,
            average_booking_duration_monthly.avg_nights,
            -1 as change
        from metrics.average_booking_duration_monthly
        join dirty_periods
            on average_booking_duration_monthly.month_start = dirty_periods.period_start
        where average_booking_duration_monthly.month_start between range_from and range_to
    ) as both_sides
    group by month_start, state, cityname, stays, total_nights, avg_nights
    having sum(change) <> 0;
    delete from metrics.average_booking_duration_monthly
    using changed_average_booking_duration_monthly
    where average_booking_duration_monthly.month_start = changed_average_booking_duration_monthly.month_start
        and average_booking_duration_monthly.state = changed_average_booking_duration_monthly.state
        and average_booking_duration_monthly.cityname = changed_average_booking_duration_monthly.cityname
        and changed_average_booking_duration_monthly.change < 0
        and average_booking_duration_monthly.month_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.average_booking_duration_monthly (
        month_start, state, cityname, stays, total_nights, avg_nights
    )
    select
        month_start, state, cityname, stays, total_nights, avg_nights
    from changed_average_booking_duration_monthly
    where change > 0
    order by month_start, state, cityname;
    get diagnostics inserted_count := row_count;
    call ops.log_step(
        this_run,
        'metrics.average_booking_duration_monthly',
        read_count,
        deleted_count + inserted_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_average_booking_duration_monthly(this_run, getdate());
