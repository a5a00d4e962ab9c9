-- Purpose: Queue all metrics of the rental pipeline to be computed anew as a whole.
-- Grain: one row a metric
-- Reads: nothing
-- Writes: ops.dirty_work
-- Params: none
-- Schedule: none, called by a full refresh and before the first publication
-- Owner: data engineering
create or replace procedure ops.mark_everything()
as $$
begin
    delete from ops.dirty_work where pipeline = 'rental';
    insert into ops.dirty_work (pipeline, metric)
    values
        ('rental', 'average_listing_price_weekly'),
        ('rental', 'occupancy_rate_monthly'),
        ('rental', 'popular_locations_weekly'),
        ('rental', 'top_listings_weekly'),
        ('rental', 'bookings_per_user_weekly'),
        ('rental', 'average_booking_duration_monthly'),
        ('rental', 'repeat_customer_rate_daily'),
        ('rental', 'listing_engagement_weekly');
end;
$$ language plpgsql;
-- Usage: call ops.mark_everything();
