-- Purpose: The present listings of the source.
--   Landing may hold a row more than once (zero-ETL resyncs tables "affected by duplicate
--   rows"), so the newest version of each key is taken.
-- Grain: id
-- Reads: rental_landing.rental.apartments
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".apartments as
select
    id,
    title,
    source,
    price,
    currency,
    listing_created_on,
    is_active,
    last_modified_timestamp,
    _record_create_time
from (
    select
        id,
        title,
        source,
        price,
        currency,
        listing_created_on,
        is_active,
        last_modified_timestamp,
        _record_create_time,
        row_number() over (
            partition by id
            order by _record_create_time desc
        ) as version_rank
    from rental_landing.rental.apartments
    where _record_is_active
) as present
where version_rank = 1
with no schema binding;
