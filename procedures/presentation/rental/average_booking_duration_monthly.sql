-- Purpose: How long stays last, by the month of check-in and location.
-- Grain: month and location
-- Reads: metrics.average_booking_duration_monthly
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.average_booking_duration_monthly as
select
    month_start,
    state,
    cityname,
    stays,
    total_nights,
    avg_nights
from metrics.average_booking_duration_monthly;

comment on view presentation.average_booking_duration_monthly is 'How long stays last, by the month of check-in and location.';
comment on column presentation.average_booking_duration_monthly.month_start is 'First day of the month of check-in';
comment on column presentation.average_booking_duration_monthly.state is 'State of the location';
comment on column presentation.average_booking_duration_monthly.cityname is 'City of the location';
comment on column presentation.average_booking_duration_monthly.stays is 'Stays that have begun by the day of as_of: confirmed and paid';
comment on column presentation.average_booking_duration_monthly.total_nights is 'All nights of these stays';
comment on column presentation.average_booking_duration_monthly.avg_nights is 'total_nights / stays, 2 decimals';
