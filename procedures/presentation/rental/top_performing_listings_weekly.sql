-- Purpose: The ten listings of each week with the highest revenue.
-- Grain: week and listing
-- Reads: presentation.top_listings_weekly
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.top_performing_listings_weekly as
select
    week_start,
    apartment_id,
    bookings,
    revenue_usd,
    unconverted_bookings,
    revenue_rank
from presentation.top_listings_weekly
where revenue_rank <= 10;

comment on view presentation.top_performing_listings_weekly is 'The ten listings of each week with the highest revenue.';
comment on column presentation.top_performing_listings_weekly.week_start is 'Monday of the week in which the stays were booked';
comment on column presentation.top_performing_listings_weekly.apartment_id is 'The listing';
comment on column presentation.top_performing_listings_weekly.bookings is 'Stays booked: confirmed and paid';
comment on column presentation.top_performing_listings_weekly.revenue_usd is 'Their prices in US dollars at the rates of their booking days, 2 decimals';
comment on column presentation.top_performing_listings_weekly.unconverted_bookings is 'Stays whose price cannot be converted: no rate is known on or before the day';
comment on column presentation.top_performing_listings_weekly.revenue_rank is 'Rank by revenue_usd in the week, 1 to 10; the same revenue shares a rank';
