-- Purpose: Queue the weeks of average prices and the months of occupancy that changed versions touch.
--   Reads the temporary tables gone_versions and fresh_versions. A version that only ended, or
--   lived on, touches the time in which it differs, not all of its life.
-- Grain: one row a location and range of periods
-- Reads: curated.listing_locations
-- Writes: ops.dirty_work
-- Params: none
-- Schedule: none, called by curated.refresh_listing_versions
-- Owner: data engineering
create or replace procedure curated.queue_listing_versions()
as $$
begin
    drop table if exists version_spans;
    create temp table version_spans (apartment_id bigint, span_from timestamp, span_to timestamp);
    insert into version_spans (apartment_id, span_from, span_to)
    select
        apartment_id,
        case when gone_count = 1 and fresh_count = 1 then shorter_to else valid_from end,
        longer_to
    from (
        -- Versions of the same beginning and content fall together; an open end is the end of time.
        select
            apartment_id,
            valid_from,
            price,
            currency,
            is_active,
            listing_created_on,
            sum(is_gone) as gone_count,
            sum(1 - is_gone) as fresh_count,
            min(ends_at) as shorter_to,
            max(ends_at) as longer_to
        from (
            select
                apartment_id,
                valid_from,
                price,
                currency,
                is_active,
                listing_created_on,
                coalesce(valid_to, cast('9999-12-31' as timestamp)) as ends_at,
                1 as is_gone
            from gone_versions
            union all
            select
                apartment_id,
                valid_from,
                price,
                currency,
                is_active,
                listing_created_on,
                coalesce(valid_to, cast('9999-12-31' as timestamp)) as ends_at,
                0 as is_gone
            from fresh_versions
        ) as changed
        group by apartment_id, valid_from, price, currency, is_active, listing_created_on
    ) as paired;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to, state, cityname)
    select
        'rental',
        'average_listing_price_weekly',
        cast(date_trunc('week', min(version_spans.span_from)) as date),
        cast(date_trunc('week', max(version_spans.span_to)) as date),
        listing_locations.state,
        listing_locations.cityname
    from version_spans
    join curated.listing_locations
        on version_spans.apartment_id = listing_locations.apartment_id
    where listing_locations.cityname is not null
    group by listing_locations.state, listing_locations.cityname;

    insert into ops.dirty_work (pipeline, metric, period_from, period_to, state, cityname)
    select
        'rental',
        'occupancy_rate_monthly',
        cast(date_trunc('month', min(version_spans.span_from)) as date),
        cast(date_trunc('month', max(version_spans.span_to)) as date),
        listing_locations.state,
        listing_locations.cityname
    from version_spans
    join curated.listing_locations
        on version_spans.apartment_id = listing_locations.apartment_id
    where listing_locations.cityname is not null
    group by listing_locations.state, listing_locations.cityname;
end;
$$ language plpgsql;
-- Usage: call curated.queue_listing_versions();
