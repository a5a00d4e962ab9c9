-- Purpose: The second half of a run: every metric computes its dirty periods anew and writes what
--   differs. One transaction with the freshness, so analysts see a run whole.
-- Grain: one run
-- Reads: ops.freshness, ops.dirty_work, curated.*
-- Writes: metrics.*, ops.dirty_work, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by ops.run_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_rental(this_run varchar(64), run_as_of timestamp)
as $$
declare
    last_as_of timestamp;
begin
    select max(as_of) into last_as_of from ops.freshness where pipeline = 'rental';
    if last_as_of is null or run_as_of < last_as_of then
        call ops.mark_everything();
    elsif run_as_of > last_as_of then
        call ops.mark_as_of_moved(last_as_of, run_as_of);
    end if;

    call metrics.refresh_average_listing_price_weekly(this_run, run_as_of);
    call metrics.refresh_occupancy_rate_monthly(this_run, run_as_of);
    call metrics.refresh_popular_locations_weekly(this_run, run_as_of);
    call metrics.refresh_top_listings_weekly(this_run, run_as_of);
    call metrics.refresh_bookings_per_user_weekly(this_run, run_as_of);
    call metrics.refresh_average_booking_duration_monthly(this_run, run_as_of);
    call metrics.refresh_repeat_customer_rate_daily(this_run, run_as_of);
    call metrics.refresh_listing_engagement_weekly(this_run, run_as_of);
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_rental(this_run, getdate());
