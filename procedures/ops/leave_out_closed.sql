-- Purpose: Take out of the queue what is closed (ops.closed_periods): late changes do not reach it.
--   Metrics that are queued as a whole stay: each computes from its first open period on.
-- Grain: one pipeline
-- Reads: ops.closed_periods
-- Writes: ops.dirty_work
-- Params: none
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure ops.leave_out_closed()
as $$
declare
    closed_count bigint;
begin
    select count(*) into closed_count from ops.closed_periods where closed_before is not null;
    if closed_count = 0 then
        return;
    end if;
    delete from ops.dirty_work
    using ops.closed_periods
    where dirty_work.pipeline = 'rental'
        and closed_periods.metric
            = case
                when dirty_work.metric = 'listing_engagement_bookings' then 'listing_engagement_weekly'
                else dirty_work.metric
            end
        and dirty_work.period_to < closed_periods.closed_before;
    update ops.dirty_work
    set period_from = closed_periods.closed_before
    from ops.closed_periods
    where dirty_work.pipeline = 'rental'
        and closed_periods.metric
            = case
                when dirty_work.metric = 'listing_engagement_bookings' then 'listing_engagement_weekly'
                else dirty_work.metric
            end
        and dirty_work.period_from < closed_periods.closed_before;
end;
$$ language plpgsql;
-- Usage: call ops.leave_out_closed();
