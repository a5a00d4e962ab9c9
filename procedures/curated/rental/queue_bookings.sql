-- Purpose: Queue the periods that changed bookings touch, as they were and as they are. Reads the
--   temporary tables gone_bookings and fresh_bookings.
-- Grain: one row a metric and period
-- Reads: curated.listing_locations
-- Writes: ops.dirty_work
-- Params: none
-- Schedule: none, called by curated.refresh_bookings
-- Owner: data engineering
create or replace procedure curated.queue_bookings()
as $$
begin
    drop table if exists changed_bookings;
    create temp table changed_bookings (
        user_id bigint,
        apartment_id bigint,
        booking_day date,
        checkin_date date,
        checkout_date date,
        is_stay boolean
    );
    insert into changed_bookings (
        user_id, apartment_id, booking_day, checkin_date, checkout_date, is_stay
    )
    select user_id, apartment_id, cast(booking_date as date), checkin_date, checkout_date, is_stay
    from gone_bookings
    union
    select user_id, apartment_id, cast(booking_date as date), checkin_date, checkout_date, is_stay
    from fresh_bookings;

    drop table if exists changed_weeks;
    create temp table changed_weeks (week_start date);
    insert into changed_weeks (week_start)
    select distinct cast(date_trunc('week', booking_day) as date)
    from changed_bookings
    where is_stay;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    select 'rental', metric_names.metric_name, changed_weeks.week_start, changed_weeks.week_start
    from changed_weeks
    cross join (
        select 'popular_locations_weekly' as metric_name
        union all
        select 'listing_engagement_bookings' as metric_name
    ) as metric_names;
    insert into ops.dirty_work (pipeline, metric, period_from, period_to, apartment_id)
    select
        'rental',
        'top_listings_weekly',
        week_start,
        week_start,
        apartment_id
    from (
        select distinct cast(date_trunc('week', booking_day) as date) as week_start, apartment_id
        from changed_bookings
        where is_stay
    ) as changed_listings;
    insert into ops.dirty_work (pipeline, metric, period_from, period_to, user_id)
    select
        'rental',
        'bookings_per_user_weekly',
        week_start,
        week_start,
        user_id
    from (
        select distinct cast(date_trunc('week', booking_day) as date) as week_start, user_id
        from changed_bookings
    ) as changed_users;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    select distinct
        'rental',
        'average_booking_duration_monthly',
        cast(date_trunc('month', checkin_date) as date),
        cast(date_trunc('month', checkin_date) as date)
    from changed_bookings
    where is_stay;

    -- A stay is in the windows of its booking day and of the 29 days after it.
    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    select distinct
        'rental',
        'repeat_customer_rate_daily',
        booking_day,
        cast(dateadd(day, 29, booking_day) as date)
    from changed_bookings
    where is_stay;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to, state, cityname)
    select distinct
        'rental',
        'occupancy_rate_monthly',
        cast(date_trunc('month', changed_bookings.checkin_date) as date),
        cast(date_trunc('month', changed_bookings.checkout_date) as date),
        listing_locations.state,
        listing_locations.cityname
    from changed_bookings
    join curated.listing_locations
        on changed_bookings.apartment_id = listing_locations.apartment_id
    where changed_bookings.is_stay and listing_locations.cityname is not null;
end;
$$ language plpgsql;
-- Usage: call curated.queue_bookings();
