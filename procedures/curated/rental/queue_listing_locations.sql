-- Purpose: Queue all periods of the listings whose place changed, for the old place and the new one.
--   Reads the temporary table location_changes. New and changed bookings and views queue themselves;
--   here are those that stood already.
-- Grain: one row a location and period, or range of periods
-- Reads: curated.listing_versions, curated.bookings, curated.user_viewings
-- Writes: ops.dirty_work
-- Params: none
-- Schedule: none, called by curated.refresh_listing_locations
-- Owner: data engineering
create or replace procedure curated.queue_listing_locations()
as $$
begin
    drop table if exists moved_listings;
    create temp table moved_listings (apartment_id bigint, state varchar(400), cityname varchar(400));
    insert into moved_listings (apartment_id, state, cityname)
    select apartment_id, old_state, old_cityname
    from location_changes
    where old_cityname is not null
    union all
    select apartment_id, new_state, new_cityname
    from location_changes
    where new_cityname is not null;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to, state, cityname)
    select
        'rental',
        'average_listing_price_weekly',
        cast(date_trunc('week', min(listing_versions.valid_from)) as date),
        cast('9999-12-31' as date),
        moved_listings.state,
        moved_listings.cityname
    from moved_listings
    join curated.listing_versions
        on moved_listings.apartment_id = listing_versions.apartment_id
    group by moved_listings.state, moved_listings.cityname;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to, state, cityname)
    select
        'rental',
        'occupancy_rate_monthly',
        cast(date_trunc('month', min(listing_versions.valid_from)) as date),
        cast('9999-12-31' as date),
        moved_listings.state,
        moved_listings.cityname
    from moved_listings
    join curated.listing_versions
        on moved_listings.apartment_id = listing_versions.apartment_id
    group by moved_listings.state, moved_listings.cityname;

    drop table if exists moved_periods;
    create temp table moved_periods (metric varchar(64), period_start date);
    insert into moved_periods (metric, period_start)
    select distinct
        'popular_locations_weekly',
        cast(date_trunc('week', bookings.booking_date) as date)
    from curated.bookings
    join moved_listings
        on bookings.apartment_id = moved_listings.apartment_id
    where bookings.is_stay
    union all
    select distinct
        'average_booking_duration_monthly',
        cast(date_trunc('month', bookings.checkin_date) as date)
    from curated.bookings
    join moved_listings
        on bookings.apartment_id = moved_listings.apartment_id
    where bookings.is_stay
    union all
    select distinct
        'listing_engagement_weekly',
        cast(date_trunc('week', user_viewings.viewed_at) as date)
    from curated.user_viewings
    join moved_listings
        on user_viewings.apartment_id = moved_listings.apartment_id;
    insert into moved_periods (metric, period_start)
    select 'listing_engagement_weekly', period_start
    from moved_periods
    where metric = 'popular_locations_weekly';

    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    select distinct 'rental', metric, period_start, period_start
    from moved_periods;
end;
$$ language plpgsql;
-- Usage: call curated.queue_listing_locations();
