-- Purpose: All versions of the source's bookings, as history
--   mode keeps them. Not deduplicated, so that a range of record times reads only its own
--   blocks; whoever reads it takes the newest version of each key.
-- Grain: version of a row; landing may hold one more than once
-- Reads: rental_landing.rental.bookings
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".bookings_history as
select
    booking_id,
    user_id,
    apartment_id,
    booking_date,
    checkin_date,
    checkout_date,
    total_price,
    currency,
    booking_status,
    payment_status,
    num_guests,
    _record_is_active,
    _record_create_time,
    _record_delete_time
from rental_landing.rental.bookings
with no schema binding;
