-- Purpose: Convert bookings again whose rate has changed: those of a changed rate's currency, from
--   its day until the day of the next rate. Reads the temporary tables gone_rates and fresh_rates.
--   Queues the weeks of revenue and spending that this changes, and the weeks of average prices
--   whose rate's day lies there.
-- Grain: booking
-- Reads: curated.exchange_rates, curated.bookings, archive.horizons
-- Writes: curated.bookings, ops.dirty_work
-- Params: repriced_count: gives back the number of bookings
-- Schedule: none, called by curated.refresh_exchange_rates
-- Owner: data engineering
create or replace procedure curated.reprice_bookings(inout repriced_count bigint)
as $$
declare
    low_day date;
    high_day date;
    low_time timestamp;
    high_time timestamp;
    closed_before date;
begin
    call archive.find_horizon('curated.bookings', closed_before);
    -- Half-open ranges of days. The next rate is looked for in the new rates: where that was deleted too,
    -- its own range follows.
    drop table if exists rate_spans;
    create temp table rate_spans (currency varchar(12), day_from date, day_to date);
    insert into rate_spans (currency, day_from, day_to)
    select
        changed.currency,
        changed.rate_date,
        coalesce(min(exchange_rates.rate_date), cast('9999-12-31' as date))
    from (
        select currency, rate_date from gone_rates
        union
        select currency, rate_date from fresh_rates
    ) as changed
    left join curated.exchange_rates
        on changed.currency = exchange_rates.currency and changed.rate_date < exchange_rates.rate_date
    where changed.currency <> 'USD'
    group by changed.currency, changed.rate_date;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    select distinct
        'rental',
        'average_listing_price_weekly',
        cast(date_trunc('week', day_from) as date),
        cast(date_trunc('week', day_to) as date)
    from rate_spans;

    -- Ranges that touch become one, so that a booking meets few of them when many rates come at once.
    drop table if exists rate_islands;
    create temp table rate_islands (currency varchar(12), day_from date, day_to date);
    insert into rate_islands (currency, day_from, day_to)
    select numbered.currency, min(numbered.day_from), max(numbered.day_to)
    from (
        select
            flagged.currency,
            flagged.day_from,
            flagged.day_to,
            sum(flagged.is_start) over (
                partition by flagged.currency
                order by flagged.day_from
                rows unbounded preceding
            ) as island
        from (
            select
                currency,
                day_from,
                day_to,
                case
                    when day_from <= max(day_to) over (
                        partition by currency
                        order by day_from
                        rows between unbounded preceding and 1 preceding
                    ) then 0
                    else 1
                end as is_start
            from rate_spans
        ) as flagged
    ) as numbered
    group by numbered.currency, numbered.island;

    select min(day_from), max(day_to) into low_day, high_day from rate_islands;
    drop table if exists repriced_bookings;
    create temp table repriced_bookings (
        booking_id bigint,
        booking_date timestamp,
        currency varchar(12),
        rate_day date,
        total_price decimal(12, 2),
        total_price_usd decimal(31, 10)
    );
    insert into repriced_bookings (
        booking_id, booking_date, currency, rate_day, total_price, total_price_usd
    )
    select
        bookings.booking_id,
        bookings.booking_date,
        bookings.currency,
        cast(bookings.booking_date as date),
        bookings.total_price,
        bookings.total_price_usd
    from curated.bookings
    join rate_islands
        on bookings.currency = rate_islands.currency
        and bookings.booking_date >= rate_islands.day_from
        and bookings.booking_date < rate_islands.day_to
    where bookings.booking_date >= low_day
        and bookings.booking_date < high_day
        -- What is closed stays as it was archived.
        and (bookings.closed_on >= closed_before or bookings.closed_on is null);

    drop table if exists needed_rates;
    create temp table needed_rates (currency varchar(12), rate_day date);
    insert into needed_rates (currency, rate_day)
    select distinct currency, rate_day
    from repriced_bookings;
    call curated.look_up_rates();

    drop table if exists changed_prices;
    create temp table changed_prices (
        booking_id bigint,
        booking_date timestamp,
        total_price_usd decimal(31, 10)
    );
    insert into changed_prices (booking_id, booking_date, total_price_usd)
    select
        repriced_bookings.booking_id,
        repriced_bookings.booking_date,
        cast(repriced_bookings.total_price * found_rates.usd_per_unit as decimal(31, 10))
    from repriced_bookings
    left join found_rates
        on repriced_bookings.currency = found_rates.currency
        and repriced_bookings.rate_day = found_rates.rate_day
    where repriced_bookings.total_price_usd
        <> cast(repriced_bookings.total_price * found_rates.usd_per_unit as decimal(31, 10))
        or (repriced_bookings.total_price_usd is null and found_rates.usd_per_unit is not null)
        or (repriced_bookings.total_price_usd is not null and found_rates.usd_per_unit is null);

    select min(booking_date), max(booking_date) into low_time, high_time from changed_prices;
    update curated.bookings
    set total_price_usd = changed_prices.total_price_usd
    from changed_prices
    where bookings.booking_id = changed_prices.booking_id
        and bookings.booking_date between low_time and high_time;
    get diagnostics repriced_count := row_count;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to)
    select distinct
        'rental',
        metric_names.metric_name,
        cast(date_trunc('week', changed_prices.booking_date) as date),
        cast(date_trunc('week', changed_prices.booking_date) as date)
    from changed_prices
    cross join (
        select 'top_listings_weekly' as metric_name
        union all
        select 'bookings_per_user_weekly' as metric_name
    ) as metric_names;
end;
$$ language plpgsql;
-- Usage: call curated.reprice_bookings(repriced_count);
