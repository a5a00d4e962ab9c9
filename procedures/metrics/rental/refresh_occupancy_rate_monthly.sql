-- Purpose: Nights on which listings could be booked, were booked, and were booked twice, by month
--   and location, until the night before as_of. No night is written down: each listing has one time
--   line on which versions and stays begin and end; between two marks nothing changes. A location's
--   marks are then summed by month: what goes on from before, times the month's length, plus what each
--   mark adds for the rest of its month.
-- Grain: metrics.occupancy_rate_monthly: month and location
-- Reads: curated.listing_versions, curated.bookings, curated.listing_locations,
--   ops.dirty_work
-- Writes: metrics.occupancy_rate_monthly, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_occupancy_rate_monthly(
    this_run varchar(64),
    run_as_of timestamp
)
as $$
declare
    step_started timestamp := getdate();
    first_period date;
    last_period date := cast(date_trunc('month', run_as_of) as date);
    whole_count bigint;
    open_from date;
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
    where pipeline = 'rental' and metric = 'occupancy_rate_monthly' and period_from is null;
    if whole_count > 0 then
        -- The whole range: what there is, and what was published.
        select min(low) into first_period
        from (
            select cast(date_trunc('month', min(valid_from)) as date) as low
            from curated.listing_versions
            union all
            select min(month_start) as low from metrics.occupancy_rate_monthly
        ) as lows;
        select case when max(month_start) > last_period then max(month_start) else last_period end
        into last_period
        from metrics.occupancy_rate_monthly;
    end if;

    call ops.collect_dirty_areas('occupancy_rate_monthly', first_period, last_period);
    select min(period_from), max(period_to) into range_from, range_to from dirty_areas;
    if whole_count > 0 then
        -- Also where nothing is left to compute: what was published there goes, unless it is closed.
        call ops.find_open_period('occupancy_rate_monthly', open_from);
        range_from := case when first_period < open_from then open_from else first_period end;
        range_to := last_period;
    end if;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.occupancy_rate_monthly', 0, 0, 0, step_started);
        return;
    end if;
    range_end := cast(dateadd(month, 1, range_to) as date);
    if run_day < range_end then
        range_end := run_day;
    end if;

    -- The listings of the dirty locations, each with the half-open range of nights that counts.
    drop table if exists dirty_listings;
    create temp table dirty_listings (
        apartment_id bigint,
        state varchar(400),
        cityname varchar(400),
        low_night date,
        high_night date
    );
    insert into dirty_listings (apartment_id, state, cityname, low_night, high_night)
    select
        listing_locations.apartment_id,
        listing_locations.state,
        listing_locations.cityname,
        dirty_areas.period_from,
        case
            when dateadd(month, 1, dirty_areas.period_to) > run_day then run_day
            else cast(dateadd(month, 1, dirty_areas.period_to) as date)
        end
    from curated.listing_locations
    join dirty_areas
        on listing_locations.state = dirty_areas.state
        and listing_locations.cityname = dirty_areas.cityname;

    -- Half-open spans of nights: active versions (the version of [from, to) is in force at the end of the days
    -- from that of `from` until before that of `to`) and stays, cut off at the listing's range.
    drop table if exists night_spans;
    create temp table night_spans (
        apartment_id bigint,
        span_from date,
        span_to date,
        versions integer,
        stays integer
    );
    insert into night_spans (apartment_id, span_from, span_to, versions, stays)
    select
        apartment_id,
        case when from_day > low_night then from_day else low_night end,
        case when to_day < high_night then to_day else high_night end,
        1,
        0
    from (
        select
            dirty_listings.apartment_id,
            dirty_listings.low_night,
            dirty_listings.high_night,
            cast(listing_versions.valid_from as date) as from_day,
            coalesce(cast(listing_versions.valid_to as date), cast('9999-12-31' as date)) as to_day
        from curated.listing_versions
        join dirty_listings
            on listing_versions.apartment_id = dirty_listings.apartment_id
        where listing_versions.is_active
    ) as versions
    where from_day < high_night and to_day > low_night and from_day < to_day and low_night < high_night;
    insert into night_spans (apartment_id, span_from, span_to, versions, stays)
    select
        dirty_listings.apartment_id,
        case
            when bookings.checkin_date > dirty_listings.low_night then bookings.checkin_date
            else dirty_listings.low_night
        end,
        case
            when bookings.checkout_date < dirty_listings.high_night then bookings.checkout_date
            else dirty_listings.high_night
        end,
        0,
        1
    from curated.bookings
    join dirty_listings
        on bookings.apartment_id = dirty_listings.apartment_id
    where bookings.is_stay
        and bookings.booking_date <= run_as_of
        and bookings.checkin_date < range_end
        and bookings.checkout_date > range_from
        and bookings.checkin_date < dirty_listings.high_night
        and bookings.checkout_date > dirty_listings.low_night
        and dirty_listings.low_night < dirty_listings.high_night;

    -- Each listing's time line: from a mark to the next one, so many versions and stays hold.
    drop table if exists night_marks;
    create temp table night_marks (
        apartment_id bigint,
        night date,
        is_available integer,
        is_booked integer,
        is_overbooked integer
    );
    insert into night_marks (apartment_id, night, is_available, is_booked, is_overbooked)
    select
        apartment_id,
        night,
        case when versions > 0 then 1 else 0 end,
        case when versions > 0 and stays > 0 then 1 else 0 end,
        case when versions > 0 and stays > 1 then 1 else 0 end
    from (
        select
            marks.apartment_id,
            marks.night,
            sum(marks.versions) over (
                partition by marks.apartment_id
                order by marks.night
                rows unbounded preceding
            ) as versions,
            sum(marks.stays) over (
                partition by marks.apartment_id
                order by marks.night
                rows unbounded preceding
            ) as stays
        from (
            select apartment_id, night, sum(versions) as versions, sum(stays) as stays
            from (
                select apartment_id, span_from as night, versions, stays
                from night_spans
                union all
                select apartment_id, span_to as night, -versions as versions, -stays as stays
                from night_spans
            ) as ends
            group by apartment_id, night
        ) as marks
    ) as depths;

    -- What each mark changes, by location and month; an empty row for each month, so that none is skipped.
    drop table if exists night_months;
    create temp table night_months (
        month_start date,
        state varchar(400),
        cityname varchar(400),
        available_change bigint,
        booked_change bigint,
        overbooked_change bigint,
        available_rest bigint,
        booked_rest bigint,
        overbooked_rest bigint
    );
    insert into night_months (
        month_start, state, cityname, available_change, booked_change, overbooked_change,
        available_rest, booked_rest, overbooked_rest
    )
    select
        month_start,
        state,
        cityname,
        sum(available_change),
        sum(booked_change),
        sum(overbooked_change),
        sum(available_change * rest_nights),
        sum(booked_change * rest_nights),
        sum(overbooked_change * rest_nights)
    from (
        select
            dirty_listings.state,
            dirty_listings.cityname,
            cast(date_trunc('month', steps.night) as date) as month_start,
            datediff(day, steps.night, dateadd(month, 1, date_trunc('month', steps.night))) as rest_nights,
            steps.available_change,
            steps.booked_change,
            steps.overbooked_change
        from (
            select
                apartment_id,
                night,
                is_available - coalesce(
                    lag(is_available) over (partition by apartment_id order by night), 0
                ) as available_change,
                is_booked - coalesce(
                    lag(is_booked) over (partition by apartment_id order by night), 0
                ) as booked_change,
                is_overbooked - coalesce(
                    lag(is_overbooked) over (partition by apartment_id order by night), 0
                ) as overbooked_change
            from night_marks
        ) as steps
        join dirty_listings
            on steps.apartment_id = dirty_listings.apartment_id
    ) as located
    group by month_start, state, cityname;
    if range_from <= range_to then
        call ops.list_periods('month', range_from, range_to);
        insert into night_months (
            month_start, state, cityname, available_change, booked_change, overbooked_change,
            available_rest, booked_rest, overbooked_rest
        )
        select periods.period_start, dirty_areas.state, dirty_areas.cityname, 0, 0, 0, 0, 0, 0
        from dirty_areas
        join periods
            on periods.period_start between dirty_areas.period_from and dirty_areas.period_to;
    end if;

    -- The quotient of DECIMAL(25,7) and DECIMAL(12,0) is DECIMAL(38,20): exact enough that it is rounded once.
    drop table if exists new_occupancy_rate_monthly;
    create temp table new_occupancy_rate_monthly (like metrics.occupancy_rate_monthly);
    insert into new_occupancy_rate_monthly (
        month_start, state, cityname, available_nights, booked_nights, occupancy_rate, overbooked_nights
    )
    select
        month_start,
        state,
        cityname,
        available_nights,
        booked_nights,
        round(cast(booked_nights as decimal(25, 7)) / cast(available_nights as decimal(12, 0)), 6),
        overbooked_nights
    from (
        select
            running.month_start,
            running.state,
            running.cityname,
            cast(
                running.available_rest + running.month_nights * (running.available_now - running.available_change)
                as bigint
            ) as available_nights,
            cast(
                running.booked_rest + running.month_nights * (running.booked_now - running.booked_change)
                as bigint
            ) as booked_nights,
            cast(
                running.overbooked_rest
                + running.month_nights * (running.overbooked_now - running.overbooked_change)
                as bigint
            ) as overbooked_nights
        from (
            select
                monthly.month_start,
                monthly.state,
                monthly.cityname,
                monthly.available_change,
                monthly.booked_change,
                monthly.overbooked_change,
                monthly.available_rest,
                monthly.booked_rest,
                monthly.overbooked_rest,
                datediff(day, monthly.month_start, dateadd(month, 1, monthly.month_start)) as month_nights,
                sum(monthly.available_change) over (
                    partition by monthly.state, monthly.cityname
                    order by monthly.month_start
                    rows unbounded preceding
                ) as available_now,
                sum(monthly.booked_change) over (
                    partition by monthly.state, monthly.cityname
                    order by monthly.month_start
                    rows unbounded preceding
                ) as booked_now,
                sum(monthly.overbooked_change) over (
                    partition by monthly.state, monthly.cityname
                    order by monthly.month_start
                    rows unbounded preceding
                ) as overbooked_now
            from (
                select
                    month_start,
                    state,
                    cityname,
                    sum(available_change) as available_change,
                    sum(booked_change) as booked_change,
                    sum(overbooked_change) as overbooked_change,
                    sum(available_rest) as available_rest,
                    sum(booked_rest) as booked_rest,
                    sum(overbooked_rest) as overbooked_rest
                from night_months
                group by month_start, state, cityname
            ) as monthly
        ) as running
    ) as nights
    where available_nights > 0;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_occupancy_rate_monthly;
    create temp table changed_occupancy_rate_monthly (like metrics.occupancy_rate_monthly);
    alter table changed_occupancy_rate_monthly add column change bigint;
    insert into changed_occupancy_rate_monthly (
        month_start, state, cityname, available_nights, booked_nights, occupancy_rate, overbooked_nights, change
    )
    select
        month_start, state, cityname, available_nights, booked_nights, occupancy_rate, overbooked_nights, sum(change)
    from (
        select
            month_start,
            state,
            cityname,
            available_nights,
            booked_nights,
            occupancy_rate,
            overbooked_nights,
            1 as change
        from new_occupancy_rate_monthly
        union all
        select
            occupancy_rate_monthly.month_start,
            occupancy_rate_monthly.state,
            occupancy_rate_monthly.cityname,
            occupancy_rate_monthly.available_nights,
            occupancy_rate_monthly.booked_nights,
            occupancy_rate_monthly.occupancy_rate,
            occupancy_rate_monthly.overbooked_nights,
            -1 as change
        from metrics.occupancy_rate_monthly
        left join dirty_areas
            on occupancy_rate_monthly.state = dirty_areas.state
            and occupancy_rate_monthly.cityname = dirty_areas.cityname
            and occupancy_rate_monthly.month_start between dirty_areas.period_from and dirty_areas.period_to
        where occupancy_rate_monthly.month_start between range_from and range_to
            and (whole_count > 0 or dirty_areas.cityname is not null)
    ) as both_sides
    group by month_start, state, cityname, available_nights, booked_nights, occupancy_rate, overbooked_nights
    having sum(change) <> 0;
    delete from metrics.occupancy_rate_monthly
    using changed_occupancy_rate_monthly
    where occupancy_rate_monthly.month_start = changed_occupancy_rate_monthly.month_start
        and occupancy_rate_monthly.state = changed_occupancy_rate_monthly.state
        and occupancy_rate_monthly.cityname = changed_occupancy_rate_monthly.cityname
        and changed_occupancy_rate_monthly.change < 0
        and occupancy_rate_monthly.month_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.occupancy_rate_monthly (
        month_start, state, cityname, available_nights, booked_nights, occupancy_rate, overbooked_nights
    )
    select
        month_start, state, cityname, available_nights, booked_nights, occupancy_rate, overbooked_nights
    from changed_occupancy_rate_monthly
    where change > 0
    order by month_start, state, cityname;
    get diagnostics inserted_count := row_count;
    call ops.log_step(
        this_run,
        'metrics.occupancy_rate_monthly',
        read_count,
        deleted_count + inserted_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_occupancy_rate_monthly(this_run, getdate());
