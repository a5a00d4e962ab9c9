-- Purpose: Share of the nights on offer that were booked, by month and location, until the night before as_of.
-- Grain: month and location
-- Reads: metrics.occupancy_rate_monthly
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.occupancy_rate_monthly as
select
    month_start,
    state,
    cityname,
    available_nights,
    booked_nights,
    occupancy_rate,
    overbooked_nights
from metrics.occupancy_rate_monthly;

comment on view presentation.occupancy_rate_monthly is 'Share of the nights on offer that were booked, by month and location, until the night before as_of.';
comment on column presentation.occupancy_rate_monthly.month_start is 'First day of the month';
comment on column presentation.occupancy_rate_monthly.state is 'State of the location';
comment on column presentation.occupancy_rate_monthly.cityname is 'City of the location';
comment on column presentation.occupancy_rate_monthly.available_nights is 'Nights of active listings: one for each listing and night';
comment on column presentation.occupancy_rate_monthly.booked_nights is 'Available nights with a stay; two stays on one night are one booked night';
comment on column presentation.occupancy_rate_monthly.occupancy_rate is 'booked_nights / available_nights, between 0 and 1, 6 decimals';
comment on column presentation.occupancy_rate_monthly.overbooked_nights is 'Available nights with two stays or more';
