-- Purpose: Periods that a metric must have rows for, as of what is published, and has none: what
--   `zeroshift status` shows, and a backfill mends. Reads the curated layer's dates in full.
-- Grain: metric and period
-- Reads: ops.freshness, ops.numbers, ops.closed_periods, curated.*, metrics.*
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view ops.metric_gaps as
with published as (
    select
        cast(max(as_of) as date) as run_day,
        cast(date_trunc('week', max(as_of)) as date) as run_week,
        cast(date_trunc('month', max(as_of)) as date) as run_month,
        max(as_of) as as_of
    from ops.freshness
    where pipeline = 'rental'
),

located as (
    select apartment_id
    from curated.listing_locations
    where cityname is not null
),

-- Active versions of listings with a location, from the day that they begin until the one that they end on.
active as (
    select
        cast(versions.valid_from as date) as from_day,
        coalesce(cast(versions.valid_to as date), cast('9999-12-01' as date)) as to_day
    from curated.listing_versions as versions
    inner join located
        on versions.apartment_id = located.apartment_id
    where versions.is_active
),

-- At the end of how many weeks each version is in force; an empty mark for each week, so that none is skipped.
active_weeks as (
    select
        week_start,
        sum(sum(change)) over (order by week_start rows unbounded preceding) as versions
    from (
        select
            cast(date_trunc('week', from_day) as date) as week_start,
            1 as change
        from active
        union all
        select
            cast(date_trunc('week', to_day) as date) as week_start,
            -1 as change
        from active
        union all
        select
            cast(dateadd(day, 7 * numbers.n, date_trunc('week', first.from_day)) as date) as week_start,
            0 as change
        from ops.numbers
        cross join (select min(from_day) as from_day from active) as first
        cross join published
        where dateadd(day, 7 * numbers.n, first.from_day) < published.run_week
    ) as marks
    group by week_start
),

active_months as (
    select
        month_start,
        sum(sum(change)) over (order by month_start rows unbounded preceding) as versions
    from (
        select
            cast(date_trunc('month', from_day) as date) as month_start,
            1 as change
        from active
        where from_day < to_day
        union all
        select
            cast(dateadd(month, 1, date_trunc('month', dateadd(day, -1, to_day))) as date) as month_start,
            -1 as change
        from active
        where from_day < to_day
        union all
        select
            cast(dateadd(month, numbers.n, date_trunc('month', first.from_day)) as date) as month_start,
            0 as change
        from ops.numbers
        cross join (select min(from_day) as from_day from active) as first
        cross join published
        where numbers.n <= datediff(month, first.from_day, published.run_day)
    ) as marks
    group by month_start
),

booked as (
    select
        cast(date_trunc('week', bookings.booking_date) as date) as week_start,
        cast(date_trunc('month', bookings.checkin_date) as date) as month_start,
        bookings.is_stay,
        located.apartment_id is not null as is_located,
        bookings.checkin_date <= published.run_day as has_begun
    from curated.bookings
    cross join published
    left join located
        on bookings.apartment_id = located.apartment_id
    where bookings.booking_date <= published.as_of
),

first_stay as (
    select cast(min(bookings.booking_date) as date) as day
    from curated.bookings
    cross join published
    where bookings.is_stay and bookings.booking_date <= published.as_of
),

wanted as (
    select
        cast('average_listing_price_weekly' as varchar(64)) as metric,
        active_weeks.week_start as period_start
    from active_weeks
    cross join published
    where active_weeks.versions > 0 and active_weeks.week_start < published.run_week
    union all
    select
        cast('occupancy_rate_monthly' as varchar(64)) as metric,
        active_months.month_start as period_start
    from active_months
    cross join published
    where active_months.versions > 0 and active_months.month_start < published.run_month
    union all
    select distinct
        cast('popular_locations_weekly' as varchar(64)) as metric,
        week_start as period_start
    from booked
    where is_stay and is_located
    union all
    select distinct
        cast('top_listings_weekly' as varchar(64)) as metric,
        week_start as period_start
    from booked
    where is_stay
    union all
    select distinct
        cast('bookings_per_user_weekly' as varchar(64)) as metric,
        week_start as period_start
    from booked
    union all
    select distinct
        cast('average_booking_duration_monthly' as varchar(64)) as metric,
        month_start as period_start
    from booked
    where is_stay and is_located and has_begun
    union all
    select
        cast('repeat_customer_rate_daily' as varchar(64)) as metric,
        cast(dateadd(day, thousands.n * 1000 + units.n, first_stay.day) as date) as period_start
    from ops.numbers as thousands
    cross join ops.numbers as units
    cross join published
    cross join first_stay
    where
        units.n < 1000
        and thousands.n <= 100
        and thousands.n * 1000 + units.n <= datediff(day, first_stay.day, published.run_day)
    union all
    select distinct
        cast('listing_engagement_weekly' as varchar(64)) as metric,
        cast(date_trunc('week', viewings.viewed_at) as date) as period_start
    from curated.user_viewings as viewings
    inner join located
        on viewings.apartment_id = located.apartment_id
    cross join published
    where viewings.viewed_at <= published.as_of
),

computed as (
    select distinct
        cast('average_listing_price_weekly' as varchar(64)) as metric,
        week_start as period_start
    from metrics.average_listing_price_weekly
    union all
    select distinct
        cast('occupancy_rate_monthly' as varchar(64)) as metric,
        month_start as period_start
    from metrics.occupancy_rate_monthly
    union all
    select distinct
        cast('popular_locations_weekly' as varchar(64)) as metric,
        week_start as period_start
    from metrics.popular_locations_weekly
    union all
    select distinct
        cast('top_listings_weekly' as varchar(64)) as metric,
        week_start as period_start
    from metrics.top_listings_weekly
    union all
    select distinct
        cast('bookings_per_user_weekly' as varchar(64)) as metric,
        week_start as period_start
    from metrics.bookings_per_user_weekly
    union all
    select distinct
        cast('average_booking_duration_monthly' as varchar(64)) as metric,
        month_start as period_start
    from metrics.average_booking_duration_monthly
    union all
    select
        cast('repeat_customer_rate_daily' as varchar(64)) as metric,
        day as period_start
    from metrics.repeat_customer_rate_daily
    union all
    select distinct
        cast('listing_engagement_weekly' as varchar(64)) as metric,
        week_start as period_start
    from metrics.listing_engagement_weekly
)

-- What the archive has closed cannot be computed any more.
select
    wanted.metric,
    wanted.period_start
from wanted
inner join ops.closed_periods
    on wanted.metric = closed_periods.metric
where closed_periods.closed_before is null or wanted.period_start >= closed_periods.closed_before
except
select
    metric,
    period_start
from computed;
