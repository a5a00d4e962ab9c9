-- Purpose: All versions of the source's exchange rates (US dollars for one unit of a currency, by day), as history
--   mode keeps them. Not deduplicated, so that a range of record times reads only its own
--   blocks; whoever reads it takes the newest version of each key.
-- Grain: version of a row; landing may hold one more than once
-- Reads: rental_landing.rental.exchange_rates
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".exchange_rates_history as
select
    currency,
    rate_date,
    usd_per_unit,
    _record_is_active,
    _record_create_time,
    _record_delete_time
from rental_landing.rental.exchange_rates
with no schema binding;
