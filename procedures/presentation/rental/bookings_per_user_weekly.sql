-- Purpose: Bookings of each week, by user.
-- Grain: week and user
-- Reads: metrics.bookings_per_user_weekly
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.bookings_per_user_weekly as
select
    week_start,
    user_id,
    bookings,
    all_bookings,
    spend_usd
from metrics.bookings_per_user_weekly;

comment on view presentation.bookings_per_user_weekly is 'Bookings of each week, by user.';
comment on column presentation.bookings_per_user_weekly.week_start is 'Monday of the week in which the bookings were made';
comment on column presentation.bookings_per_user_weekly.user_id is 'The user';
comment on column presentation.bookings_per_user_weekly.bookings is 'Stays booked: confirmed and paid';
comment on column presentation.bookings_per_user_weekly.all_bookings is 'Bookings of any status';
comment on column presentation.bookings_per_user_weekly.spend_usd is 'Prices of the stays in US dollars at the rates of their booking days, 2 decimals; 0 without stays, NULL when none can be converted';
