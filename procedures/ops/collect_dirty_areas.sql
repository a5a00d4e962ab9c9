-- Purpose: The locations that a metric must compute anew, and for each the range of periods, from
--   the queue, in a temporary table, dirty_areas (state, cityname, period_from, period_to). A range
--   covers all dirty periods of its location; what lies between them is computed too, comes out the
--   same and is not written.
-- Grain: one row a location
-- Reads: ops.dirty_work, curated.listing_locations
-- Writes: a temporary table
-- Params: metric_name; first_period, last_period: the whole range of the metric, for when all of it
--   is dirty; last_period also cuts ranges off
-- Schedule: none, called by the metric refreshes
-- Owner: data engineering
create or replace procedure ops.collect_dirty_areas(
    metric_name varchar(64),
    first_period date,
    last_period date
)
as $$
declare
    everything integer;
    open_from date;
    low_period date := first_period;
begin
    drop table if exists dirty_areas;
    create temp table dirty_areas (
        state varchar(400),
        cityname varchar(400),
        period_from date,
        period_to date
    );

    select max(case when period_from is null then 1 else 0 end)
    into everything
    from ops.dirty_work
    where pipeline = 'rental' and metric = metric_name;
    if everything is null then
        return;
    end if;
    call ops.find_open_period(metric_name, open_from);
    if everything = 1 then
        if low_period < open_from then
            low_period := open_from;
        end if;
        insert into dirty_areas (state, cityname, period_from, period_to)
        select distinct state, cityname, low_period, last_period
        from curated.listing_locations
        where cityname is not null and low_period <= last_period;
        return;
    end if;

    insert into dirty_areas (state, cityname, period_from, period_to)
    select
        ranges.state,
        ranges.cityname,
        case when min(ranges.period_from) < open_from then open_from else min(ranges.period_from) end,
        case when max(ranges.period_to) > last_period then last_period else max(ranges.period_to) end
    from (
        select state, cityname, period_from, period_to
        from ops.dirty_work
        where pipeline = 'rental' and metric = metric_name and state is not null
        union all
        select locations.state, locations.cityname, everywhere.period_from, everywhere.period_to
        from ops.dirty_work as everywhere
        cross join (
            select distinct state, cityname
            from curated.listing_locations
            where cityname is not null
        ) as locations
        where everywhere.pipeline = 'rental'
            and everywhere.metric = metric_name
            and everywhere.state is null
    ) as ranges
    where ranges.period_from <= last_period and ranges.period_to >= open_from
    group by ranges.state, ranges.cityname;
end;
$$ language plpgsql;
-- Usage: call ops.collect_dirty_areas('occupancy_rate_monthly', null, date '2024-12-01');
