-- Purpose: Queue what changes by nothing but the passing of time. Between the last published as_of
--   and the new one weeks end and new ones begin, nights and check-ins pass, and bookings and views
--   dated in between count from now on.
-- Grain: one run
-- Reads: curated.bookings, curated.listing_locations
-- Writes: ops.dirty_work
-- Params: last_as_of: the last published one; run_as_of: the new one, later
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure ops.mark_as_of_moved(last_as_of timestamp, run_as_of timestamp)
as $$
declare
    last_day date := cast(last_as_of as date);
    new_day date := cast(run_as_of as date);
    last_week date := cast(date_trunc('week', last_as_of) as date);
    new_week date := cast(date_trunc('week', run_as_of) as date);
begin
    -- The running week's snapshot, its views, and the window that ends today.
    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    values
        ('rental', 'average_listing_price_weekly', last_week, new_week),
        ('rental', 'listing_engagement_weekly', last_week, new_week),
        ('rental', 'repeat_customer_rate_daily', last_day, new_day);

    if last_day < new_day then
        insert into ops.dirty_work (pipeline, metric, period_from, period_to)
        values
            -- The nights from last_day to the one before new_day have passed.
            (
                'rental',
                'occupancy_rate_monthly',
                cast(date_trunc('month', last_day) as date),
                cast(date_trunc('month', new_day) as date)
            ),
            -- The check-ins of the days after last_day, until new_day.
            (
                'rental',
                'average_booking_duration_monthly',
                cast(date_trunc('month', last_day) as date),
                cast(date_trunc('month', new_day) as date)
            );
    end if;

    -- Bookings made in between count now; their stays may have begun long before (booked after check-in).
    insert into ops.dirty_work (pipeline, metric, period_from, period_to, user_id)
    select 'rental', 'bookings_per_user_weekly', week_start, week_start, user_id
    from (
        select distinct cast(date_trunc('week', booking_date) as date) as week_start, user_id
        from curated.bookings
        where booking_date > last_as_of and booking_date <= run_as_of
    ) as booked_users;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    select 'rental', metric_names.metric_name, booked_weeks.week_start, booked_weeks.week_start
    from (
        select distinct cast(date_trunc('week', booking_date) as date) as week_start
        from curated.bookings
        where is_stay and booking_date > last_as_of and booking_date <= run_as_of
    ) as booked_weeks
    cross join (
        select 'popular_locations_weekly' as metric_name
        union all
        select 'top_listings_weekly' as metric_name
        union all
        select 'listing_engagement_bookings' as metric_name
    ) as metric_names;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    select distinct
        'rental',
        'average_booking_duration_monthly',
        cast(date_trunc('month', checkin_date) as date),
        cast(date_trunc('month', checkin_date) as date)
    from curated.bookings
    where is_stay and booking_date > last_as_of and booking_date <= run_as_of;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to, state, cityname)
    select distinct
        'rental',
        'occupancy_rate_monthly',
        cast(date_trunc('month', bookings.checkin_date) as date),
        cast(date_trunc('month', bookings.checkout_date) as date),
        listing_locations.state,
        listing_locations.cityname
    from curated.bookings
    join curated.listing_locations
        on bookings.apartment_id = listing_locations.apartment_id
    where bookings.is_stay
        and bookings.booking_date > last_as_of
        and bookings.booking_date <= run_as_of
        and listing_locations.cityname is not null;
end;
$$ language plpgsql;
-- Usage: call ops.mark_as_of_moved(timestamp '2024-01-01', timestamp '2024-01-02');
