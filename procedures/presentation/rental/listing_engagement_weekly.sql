-- Purpose: Views of listings each week, by location, and what came of them.
-- Grain: week and location
-- Reads: metrics.listing_engagement_weekly
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.listing_engagement_weekly as
select
    week_start,
    state,
    cityname,
    views,
    unique_viewers,
    wishlist_rate,
    contact_rate,
    bookings,
    conversion_rate
from metrics.listing_engagement_weekly;

comment on view presentation.listing_engagement_weekly is 'Views of listings each week, by location, and what came of them.';
comment on column presentation.listing_engagement_weekly.week_start is 'Monday of the week of the views';
comment on column presentation.listing_engagement_weekly.state is 'State of the location';
comment on column presentation.listing_engagement_weekly.cityname is 'City of the location';
comment on column presentation.listing_engagement_weekly.views is 'Views of listings';
comment on column presentation.listing_engagement_weekly.unique_viewers is 'Users who viewed';
comment on column presentation.listing_engagement_weekly.wishlist_rate is 'Views that were put on a wish list / views, 6 decimals';
comment on column presentation.listing_engagement_weekly.contact_rate is 'Views with a call to action / views, 6 decimals';
comment on column presentation.listing_engagement_weekly.bookings is 'Stays booked in that week in that location';
comment on column presentation.listing_engagement_weekly.conversion_rate is 'bookings / views, 6 decimals; may exceed 1';
