-- Purpose: The present bookings of the source.
--   Landing may hold a row more than once (zero-ETL resyncs tables "affected by duplicate
--   rows"), so the newest version of each key is taken.
-- Grain: booking_id
-- Reads: rental_landing.rental.bookings
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".bookings as
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
    _record_create_time
from (
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
        _record_create_time,
        row_number() over (
            partition by booking_id
            order by _record_create_time desc
        ) as version_rank
    from rental_landing.rental.bookings
    where _record_is_active
) as present
where version_rank = 1
with no schema binding;
