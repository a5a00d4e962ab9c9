-- Purpose: Stays booked each week by location, their nights and the location's rank. A rank
--   needs the whole week, so a dirty week is computed whole.
-- Grain: metrics.popular_locations_weekly: week and location
-- Reads: curated.bookings, curated.listing_locations, ops.dirty_work
-- Writes: metrics.popular_locations_weekly, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_popular_locations_weekly(
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
    where pipeline = 'rental' and metric = 'popular_locations_weekly' and period_from is null;
    if whole_count > 0 then
        -- The whole range: what there is, and what was published.
        select min(low) into first_period
        from (
            select cast(date_trunc('week', min(booking_date)) as date) as low from curated.bookings
            union all
            select min(week_start) as low from metrics.popular_locations_weekly
        ) as lows;
        select case when max(week_start) > last_period then max(week_start) else last_period end
        into last_period
        from metrics.popular_locations_weekly;
    end if;

    call ops.collect_dirty_periods('popular_locations_weekly', 'week', first_period, last_period);
    select min(period_start), max(period_start) into range_from, range_to from dirty_periods;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.popular_locations_weekly', 0, 0, 0, step_started);
        return;
    end if;
    low_time := range_from;
    high_time := dateadd(day, 7, range_to);

    drop table if exists new_popular_locations_weekly;
    create temp table new_popular_locations_weekly (like metrics.popular_locations_weekly);
    insert into new_popular_locations_weekly (
        week_start, state, cityname, bookings, nights, location_rank
    )
    select
        week_start,
        state,
        cityname,
        bookings,
        nights,
        rank() over (
            partition by week_start
            order by bookings desc
        )
    from (
        select
            stays.week_start,
            listing_locations.state,
            listing_locations.cityname,
            count(*) as bookings,
            cast(sum(stays.nights) as bigint) as nights
        from (
            select
                apartment_id,
                cast(date_trunc('week', booking_date) as date) as week_start,
                datediff(day, checkin_date, checkout_date) as nights
            from curated.bookings
            where is_stay
                and booking_date >= low_time
                and booking_date < high_time
                and booking_date <= run_as_of
        ) as stays
        join dirty_periods
            on stays.week_start = dirty_periods.period_start
        join curated.listing_locations
            on stays.apartment_id = listing_locations.apartment_id
        where listing_locations.cityname is not null
        group by stays.week_start, listing_locations.state, listing_locations.cityname
    ) as counted;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_popular_locations_weekly;
    create temp table changed_popular_locations_weekly (like metrics.popular_locations_weekly);
    alter table changed_popular_locations_weekly add column change bigint;
    insert into changed_popular_locations_weekly (
        week_start, state, cityname, bookings, nights, location_rank, change
    )
    select
        week_start, state, cityname, bookings, nights, location_rank, sum(change)
    from (
        select
            week_start,
            state,
            cityname,
            bookings,
            nights,
            location_rank,
            1 as change
        from new_popular_locations_weekly
        union all
        select
            popular_locations_weekly.week_start,
            popular_locations_weekly.state,
            popular_locations_weekly.cityname,
            popular_locations_weekly.bookings,
            popular_locations_weekly.nights,
            popular_locations_weekly.location_rank,
            -1 as change
        from metrics.popular_locations_weekly
        join dirty_periods
            on popular_locations_weekly.week_start = dirty_periods.period_start
        where popular_locations_weekly.week_start between range_from and range_to
    ) as both_sides
    group by week_start, state, cityname, bookings, nights, location_rank
    having sum(change) <> 0;
    delete from metrics.popular_locations_weekly
    using changed_popular_locations_weekly
    where popular_locations_weekly.week_start = changed_popular_locations_weekly.week_start
        and popular_locations_weekly.state = changed_popular_locations_weekly.state
        and popular_locations_weekly.cityname = changed_popular_locations_weekly.cityname
        and changed_popular_locations_weekly.change < 0
        and popular_locations_weekly.week_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.popular_locations_weekly (
        week_start, state, cityname, bookings, nights, location_rank
    )
    select
        week_start, state, cityname, bookings, nights, location_rank
    from changed_popular_locations_weekly
    where change > 0
    order by week_start, state, cityname;
    get diagnostics inserted_count := row_count;
    call ops.log_step(
        this_run,
        'metrics.popular_locations_weekly',
        read_count,
        deleted_count + inserted_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_popular_locations_weekly(this_run, getdate());
