-- Purpose: Stays booked each week, by listing, with their revenue and its rank in the week.
-- Grain: week and listing
-- Reads: metrics.top_listings_weekly
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.top_listings_weekly as
select
    week_start,
    apartment_id,
    bookings,
    revenue_usd,
    unconverted_bookings,
    case
        when revenue_usd is not null then rank() over (
            partition by week_start
            order by case when revenue_usd is null then 1 else 0 end, revenue_usd desc
        )
    end as revenue_rank
from metrics.top_listings_weekly;

comment on view presentation.top_listings_weekly is 'Stays booked each week, by listing, with their revenue and its rank in the week.';
comment on column presentation.top_listings_weekly.week_start is 'Monday of the week in which the stays were booked';
comment on column presentation.top_listings_weekly.apartment_id is 'The listing';
comment on column presentation.top_listings_weekly.bookings is 'Stays booked: confirmed and paid';
comment on column presentation.top_listings_weekly.revenue_usd is 'Their prices in US dollars at the rates of their booking days, 2 decimals; NULL when none can be converted';
comment on column presentation.top_listings_weekly.unconverted_bookings is 'Stays whose price cannot be converted: no rate is known on or before the day';
comment on column presentation.top_listings_weekly.revenue_rank is 'Rank by revenue_usd in the week; the same revenue shares a rank, NULL has none';
