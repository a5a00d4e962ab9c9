-- Purpose: The present views of listings of the source.
--   Landing may hold a row more than once (zero-ETL resyncs tables "affected by duplicate
--   rows"), so the newest version of each key is taken.
-- Grain: viewing_id
-- Reads: rental_landing.rental.user_viewing
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".user_viewing as
select
    viewing_id,
    user_id,
    apartment_id,
    viewed_at,
    is_wishlisted,
    call_to_action,
    _record_create_time
from (
    select
        viewing_id,
        user_id,
        apartment_id,
        viewed_at,
        is_wishlisted,
        call_to_action,
        _record_create_time,
        row_number() over (
            partition by viewing_id
            order by _record_create_time desc
        ) as version_rank
    from rental_landing.rental.user_viewing
    where _record_is_active
) as present
where version_rank = 1
with no schema binding;
