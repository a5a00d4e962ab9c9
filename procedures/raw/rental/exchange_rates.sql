-- Purpose: The present exchange rates (US dollars for one unit of a currency, by day) of the source.
--   Landing may hold a row more than once (zero-ETL resyncs tables "affected by duplicate
--   rows"), so the newest version of each key is taken.
-- Grain: currency, rate_date
-- Reads: rental_landing.rental.exchange_rates
-- Writes: nothing
-- Params: none
-- Schedule: none, a view
-- Owner: data engineering
create or replace view "raw".exchange_rates as
select
    currency,
    rate_date,
    usd_per_unit,
    _record_create_time
from (
    select
        currency,
        rate_date,
        usd_per_unit,
        _record_create_time,
        row_number() over (
            partition by currency, rate_date
            order by _record_create_time desc
        ) as version_rank
    from rental_landing.rental.exchange_rates
    where _record_is_active
) as present
where version_rank = 1
with no schema binding;
