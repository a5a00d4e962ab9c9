-- Purpose: The present attributes of listings of the source.
--   Landing may hold a row more than once (zero-ETL resyncs tables "affected by duplicate
--   rows"), so the newest version of each key is taken.
-- Grain: id
-- Reads: rental_landing.rental.apartment_attributes
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".apartment_attributes as
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
    _record_create_time
from (
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
        _record_create_time,
        row_number() over (
            partition by id
            order by _record_create_time desc
        ) as version_rank
    from rental_landing.rental.apartment_attributes
    where _record_is_active
) as present
where version_rank = 1
with no schema binding;
