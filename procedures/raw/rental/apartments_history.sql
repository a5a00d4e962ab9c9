-- Purpose: All versions of the source's listings, as history
--   mode keeps them. Not deduplicated, so that a range of record times reads only its own
--   blocks; whoever reads it takes the newest version of each key.
-- Grain: version of a row; landing may hold one more than once
-- Reads: rental_landing.rental.apartments
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".apartments_history as
select
    id,
    title,
    source,
    price,
    currency,
    listing_created_on,
    is_active,
    last_modified_timestamp,
    _record_is_active,
    _record_create_time,
    _record_delete_time
from rental_landing.rental.apartments
with no schema binding;
