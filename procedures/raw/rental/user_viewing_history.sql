-- Purpose: All versions of the source's views of listings, as history
--   mode keeps them. Not deduplicated, so that a range of record times reads only its own
--   blocks; whoever reads it takes the newest version of each key.
-- Grain: version of a row; landing may hold one more than once
-- Reads: rental_landing.rental.user_viewing
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".user_viewing_history as
select
    viewing_id,
    user_id,
    apartment_id,
    viewed_at,
    is_wishlisted,
    call_to_action,
    _record_is_active,
    _record_create_time,
    _record_delete_time
from rental_landing.rental.user_viewing
with no schema binding;
