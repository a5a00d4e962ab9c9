-- Purpose: Of each metric the first period that is still open. Those before it are closed: the archive
--   may have deleted rows that they were computed from, or their own, so they are neither computed
--   again nor taken away. Bookings before their horizon have both dates before it; the window of
--   metric 7 reaches 29 days back.
-- Grain: metric
-- Reads: archive.horizons
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view ops.closed_periods as
with sources as (
    select
        'average_listing_price_weekly' as metric,
        '' as source_table,
        0 as reach
    union all
    select
        'occupancy_rate_monthly' as metric,
        'curated.bookings' as source_table,
        0 as reach
    union all
    select
        'popular_locations_weekly' as metric,
        'curated.bookings' as source_table,
        0 as reach
    union all
    select
        'top_listings_weekly' as metric,
        'curated.bookings' as source_table,
        0 as reach
    union all
    select
        'bookings_per_user_weekly' as metric,
        'curated.bookings' as source_table,
        0 as reach
    union all
    select
        'average_booking_duration_monthly' as metric,
        'curated.bookings' as source_table,
        0 as reach
    union all
    select
        'repeat_customer_rate_daily' as metric,
        'curated.bookings' as source_table,
        29 as reach
    union all
    select
        'listing_engagement_weekly' as metric,
        'curated.bookings' as source_table,
        0 as reach
    union all
    select
        'listing_engagement_weekly' as metric,
        'curated.user_viewings' as source_table,
        0 as reach
    union all
    -- Its stays are counted from this one.
    select
        'listing_engagement_weekly' as metric,
        'metrics.popular_locations_weekly' as source_table,
        0 as reach
),

horizons as (
    select
        table_name,
        max(horizon) as horizon
    from archive.horizons
    where horizon > '0001-01-01'
    group by table_name
),

closed as (
    select
        sources.metric,
        case
            when horizons.table_name = 'metrics.' || sources.metric then horizons.horizon
            else cast(dateadd(day, sources.reach, horizons.horizon) as date)
        end as closed_before
    from sources
    left join horizons
        on
            sources.source_table = horizons.table_name
            or horizons.table_name = 'metrics.' || sources.metric
),

latest as (
    select
        metric,
        max(closed_before) as closed_before
    from closed
    group by metric
)

-- Up to the next beginning of a period.
select
    metric,
    cast(
        case
            when right(metric, 7) = '_weekly' then date_trunc('week', dateadd(day, 6, closed_before))
            when right(metric, 8) = '_monthly'
                then dateadd(month, 1, date_trunc('month', dateadd(day, -1, closed_before)))
            else closed_before
        end as date
    ) as closed_before
from latest;
