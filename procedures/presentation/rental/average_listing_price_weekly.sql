-- Purpose: Active listings of each week and their mean price, by location and currency.
-- Grain: week, location and currency
-- Reads: metrics.average_listing_price_weekly
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.average_listing_price_weekly as
select
    week_start,
    state,
    cityname,
    currency,
    active_listings,
    avg_price,
    avg_price_usd,
    new_listings,
    new_listing_avg_price
from metrics.average_listing_price_weekly;

comment on view presentation.average_listing_price_weekly is 'Active listings of each week and their mean price, by location and currency.';
comment on column presentation.average_listing_price_weekly.week_start is 'Monday of the week';
comment on column presentation.average_listing_price_weekly.state is 'State of the location';
comment on column presentation.average_listing_price_weekly.cityname is 'City of the location';
comment on column presentation.average_listing_price_weekly.currency is 'Currency of the prices, trimmed and in upper case; NULL or no code: a group of its own';
comment on column presentation.average_listing_price_weekly.active_listings is 'Listings that were active at the end of the Sunday, in the running week at as_of';
comment on column presentation.average_listing_price_weekly.avg_price is 'Mean price of those that have one, in the currency, 2 decimals';
comment on column presentation.average_listing_price_weekly.avg_price_usd is 'The exact mean in US dollars at the rate of the Sunday, in the running week of as_of, 2 decimals; NULL without a rate';
comment on column presentation.average_listing_price_weekly.new_listings is 'Those of the active listings that were listed in the week';
comment on column presentation.average_listing_price_weekly.new_listing_avg_price is 'Mean price of the new listings that have one, 2 decimals';
