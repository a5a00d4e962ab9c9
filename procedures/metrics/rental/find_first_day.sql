-- Purpose: The first day that any metric has or could have something for: a backfill has nothing to do
--   before it.
-- Grain: one day
-- Reads: curated.*, metrics.*
-- Writes: nothing
-- Params: first_day: gives the day back, NULL when there is nothing at all
-- Schedule: none, called by ops.backfill_rental
-- Owner: data engineering
create or replace procedure metrics.find_first_day(inout first_day date)
as $$
begin
    select min(low) into first_day
    from (
        select cast(min(valid_from) as date) as low from curated.listing_versions
        union all
        select cast(min(booking_date) as date) as low from curated.bookings
        union all
        select min(checkin_date) as low from curated.bookings
        union all
        select cast(min(viewed_at) as date) as low from curated.user_viewings
        union all
        select min(week_start) as low from metrics.average_listing_price_weekly
        union all
        select min(month_start) as low from metrics.occupancy_rate_monthly
        union all
        select min(week_start) as low from metrics.popular_locations_weekly
        union all
        select min(week_start) as low from metrics.top_listings_weekly
        union all
        select min(week_start) as low from metrics.bookings_per_user_weekly
        union all
        select min(month_start) as low from metrics.average_booking_duration_monthly
        union all
        select min(day) as low from metrics.repeat_customer_rate_daily
        union all
        select min(week_start) as low from metrics.listing_engagement_weekly
    ) as lows;
end;
$$ language plpgsql;
-- Usage: call metrics.find_first_day(first_day);
