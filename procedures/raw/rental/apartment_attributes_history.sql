-- Purpose: All versions of the source's attributes of listings, as history
--   mode keeps them. Not deduplicated, so that a range of record times reads only its own
--   blocks; whoever reads it takes the newest version of each key.
-- Grain: version of a row; landing may hold one more than once
-- Reads: rental_landing.rental.apartment_attributes
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".apartment_attributes_history as
select
    id,
    category,
    body,
    amenities,
    bathrooms,
    bedrooms,
    fee,
    has_photo,
    pets_allowed,
    price_display,
    price_type,
    square_feet,
    address,
    cityname,
    state,
    latitude,
    longitude,
    _record_is_active,
    _record_create_time,
    _record_delete_time
from rental_landing.rental.apartment_attributes
with no schema binding;
