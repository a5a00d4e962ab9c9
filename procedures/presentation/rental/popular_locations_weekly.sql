-- Purpose: Stays booked each week, by location, and the rank of the location in the week.
-- Grain: week and location
-- Reads: metrics.popular_locations_weekly
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.popular_locations_weekly as
select
    week_start,
    state,
    cityname,
    bookings,
    nights,
    location_rank
from metrics.popular_locations_weekly;

comment on view presentation.popular_locations_weekly is 'Stays booked each week, by location, and the rank of the location in the week.';
comment on column presentation.popular_locations_weekly.week_start is 'Monday of the week in which the stays were booked';
comment on column presentation.popular_locations_weekly.state is 'State of the location';
comment on column presentation.popular_locations_weekly.cityname is 'City of the location';
comment on column presentation.popular_locations_weekly.bookings is 'Stays booked: confirmed and paid';
comment on column presentation.popular_locations_weekly.nights is 'All nights of these stays';
comment on column presentation.popular_locations_weekly.location_rank is 'Rank by bookings in the week; locations with as many share a rank';
