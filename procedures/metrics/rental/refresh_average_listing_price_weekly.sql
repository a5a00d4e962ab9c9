-- Purpose: Active listings each week by location and currency, at the end of the Sunday (in the
--   running week at as_of), with their mean price, in US dollars too, and those listed that week.
--   No listing is counted week by week: a version adds its listing at its first week's end and takes
--   it away after its last one, and a running sum over the weeks gives what is there.
-- Grain: metrics.average_listing_price_weekly: week, location and currency
-- Reads: curated.listing_versions, curated.listing_locations, curated.exchange_rates,
--   ops.dirty_work
-- Writes: metrics.average_listing_price_weekly, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_average_listing_price_weekly(
    this_run varchar(64),
    run_as_of timestamp
)
as $$
declare
    step_started timestamp := getdate();
    first_period date;
    last_period date := cast(date_trunc('week', run_as_of) as date);
    whole_count bigint;
    open_from date;
    range_from date;
    range_to date;
    running_week date := cast(date_trunc('week', run_as_of) as date);
    last_full_week date;
    read_count bigint := 0;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
begin
    select count(*) into whole_count
    from ops.dirty_work
    where pipeline = 'rental' and metric = 'average_listing_price_weekly' and period_from is null;
    if whole_count > 0 then
        -- The whole range: what there is, and what was published.
        select min(low) into first_period
        from (
            select cast(date_trunc('week', min(valid_from)) as date) as low
            from curated.listing_versions
            union all
            select min(week_start) as low from metrics.average_listing_price_weekly
        ) as lows;
        select case when max(week_start) > last_period then max(week_start) else last_period end
        into last_period
        from metrics.average_listing_price_weekly;
    end if;

    call ops.collect_dirty_areas('average_listing_price_weekly', first_period, last_period);
    select min(period_from), max(period_to) into range_from, range_to from dirty_areas;
    if whole_count > 0 then
        -- Also where nothing is left to compute: what was published there goes, unless it is closed.
        call ops.find_open_period('average_listing_price_weekly', open_from);
        range_from := case when first_period < open_from then open_from else first_period end;
        range_to := last_period;
    end if;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.average_listing_price_weekly', 0, 0, 0, step_started);
        return;
    end if;
    last_full_week := cast(dateadd(day, -7, running_week) as date);
    if last_full_week > range_to then
        last_full_week := range_to;
    end if;

    -- Active versions with the half-open range of weeks, [first_week, end_week), at whose ends they are in force: a
    -- version of [from, to) is in force at the end of the Sundays of the weeks from that of `from` until before that
    -- of `to`. Only full weeks, and only those of the location's range.
    drop table if exists priced_versions;
    create temp table priced_versions (
        state varchar(400),
        cityname varchar(400),
        currency varchar(12),
        price decimal(12, 2),
        first_week date,
        end_week date,
        created_week date,
        runs_now boolean
    );
    insert into priced_versions (
        state, cityname, currency, price, first_week, end_week, created_week, runs_now
    )
    select
        state,
        cityname,
        currency,
        price,
        case when from_week > period_from then from_week else period_from end,
        case
            when to_week <= running_week and to_week <= period_end then to_week
            when running_week <= period_end then running_week
            else period_end
        end,
        created_week,
        runs_now and running_week < period_end
    from (
        select
            dirty_areas.state,
            dirty_areas.cityname,
            dirty_areas.period_from,
            cast(dateadd(day, 7, dirty_areas.period_to) as date) as period_end,
            listing_versions.currency,
            listing_versions.price,
            cast(date_trunc('week', listing_versions.valid_from) as date) as from_week,
            coalesce(
                cast(date_trunc('week', listing_versions.valid_to) as date), cast('9999-12-31' as date)
            ) as to_week,
            cast(date_trunc('week', listing_versions.listing_created_on) as date) as created_week,
            listing_versions.valid_from <= run_as_of
                and (listing_versions.valid_to is null or listing_versions.valid_to > run_as_of) as runs_now
        from curated.listing_versions
        join curated.listing_locations
            on listing_versions.apartment_id = listing_locations.apartment_id
        join dirty_areas
            on listing_locations.state = dirty_areas.state
            and listing_locations.cityname = dirty_areas.cityname
        where listing_versions.is_active
            and (listing_versions.valid_to is null or listing_versions.valid_to >= range_from)
    ) as located
    where (to_week > period_from and from_week < period_end) or (runs_now and running_week < period_end);

    -- What each week adds to the one before it, by group; an empty row for each week, so that none is skipped.
    drop table if exists price_weeks;
    create temp table price_weeks (
        week_start date,
        state varchar(400),
        cityname varchar(400),
        currency varchar(12),
        active_listings bigint,
        priced_listings bigint,
        price_sum decimal(24, 2),
        new_listings bigint,
        new_priced_listings bigint,
        new_price_sum decimal(24, 2)
    );
    if range_from <= last_full_week then
        call ops.list_periods('week', range_from, last_full_week);
        insert into price_weeks (
            week_start, state, cityname, currency, active_listings, priced_listings, price_sum,
            new_listings, new_priced_listings, new_price_sum
        )
        select
            week_start,
            state,
            cityname,
            currency,
            active_listings,
            priced_listings,
            price_sum,
            new_listings,
            new_priced_listings,
            new_price_sum
        from (
            select
                weekly.week_start,
                weekly.state,
                weekly.cityname,
                weekly.currency,
                sum(weekly.listing_change) over (
                    partition by weekly.state, weekly.cityname, weekly.currency
                    order by weekly.week_start
                    rows unbounded preceding
                ) as active_listings,
                sum(weekly.priced_change) over (
                    partition by weekly.state, weekly.cityname, weekly.currency
                    order by weekly.week_start
                    rows unbounded preceding
                ) as priced_listings,
                sum(weekly.price_change) over (
                    partition by weekly.state, weekly.cityname, weekly.currency
                    order by weekly.week_start
                    rows unbounded preceding
                ) as price_sum,
                weekly.new_listings,
                weekly.new_priced_listings,
                weekly.new_price_sum
            from (
                select
                    week_start,
                    state,
                    cityname,
                    currency,
                    sum(listing_change) as listing_change,
                    sum(priced_change) as priced_change,
                    sum(price_change) as price_change,
                    sum(new_listing) as new_listings,
                    sum(new_priced) as new_priced_listings,
                    sum(new_price) as new_price_sum
                from (
                    select
                        first_week as week_start,
                        state,
                        cityname,
                        currency,
                        1 as listing_change,
                        case when price is null then 0 else 1 end as priced_change,
                        coalesce(price, cast(0 as decimal(12, 2))) as price_change,
                        0 as new_listing,
                        0 as new_priced,
                        cast(0 as decimal(12, 2)) as new_price
                    from priced_versions
                    where first_week < end_week
                    union all
                    select
                        end_week as week_start,
                        state,
                        cityname,
                        currency,
                        -1 as listing_change,
                        case when price is null then 0 else -1 end as priced_change,
                        -coalesce(price, cast(0 as decimal(12, 2))) as price_change,
                        0 as new_listing,
                        0 as new_priced,
                        cast(0 as decimal(12, 2)) as new_price
                    from priced_versions
                    where first_week < end_week
                    union all
                    select
                        created_week as week_start,
                        state,
                        cityname,
                        currency,
                        0 as listing_change,
                        0 as priced_change,
                        cast(0 as decimal(12, 2)) as price_change,
                        1 as new_listing,
                        case when price is null then 0 else 1 end as new_priced,
                        coalesce(price, cast(0 as decimal(12, 2))) as new_price
                    from priced_versions
                    where created_week >= first_week and created_week < end_week
                    union all
                    select
                        periods.period_start as week_start,
                        price_groups.state,
                        price_groups.cityname,
                        price_groups.currency,
                        0 as listing_change,
                        0 as priced_change,
                        cast(0 as decimal(12, 2)) as price_change,
                        0 as new_listing,
                        0 as new_priced,
                        cast(0 as decimal(12, 2)) as new_price
                    from (
                        select state, cityname, currency, min(first_week) as low_week, max(end_week) as end_week
                        from priced_versions
                        where first_week < end_week
                        group by state, cityname, currency
                    ) as price_groups
                    join periods
                        on periods.period_start >= price_groups.low_week
                        and periods.period_start < price_groups.end_week
                ) as changes
                group by week_start, state, cityname, currency
            ) as weekly
        ) as running
        where active_listings > 0;
    end if;

    insert into price_weeks (
        week_start, state, cityname, currency, active_listings, priced_listings, price_sum,
        new_listings, new_priced_listings, new_price_sum
    )
    select
        running_week,
        state,
        cityname,
        currency,
        count(*),
        count(price),
        coalesce(sum(price), 0),
        sum(case when created_week = running_week then 1 else 0 end),
        sum(case when created_week = running_week and price is not null then 1 else 0 end),
        coalesce(sum(case when created_week = running_week then price end), 0)
    from priced_versions
    where runs_now
    group by state, cityname, currency;

    drop table if exists needed_rates;
    create temp table needed_rates (currency varchar(12), rate_day date);
    insert into needed_rates (currency, rate_day)
    select distinct
        currency,
        case
            when week_start = running_week then cast(run_as_of as date)
            else cast(dateadd(day, 6, week_start) as date)
        end
    from price_weeks
    where currency ~ '^[A-Z][A-Z][A-Z]$';
    call curated.look_up_rates();

    -- The quotient of DECIMAL(25,4) and DECIMAL(12,0) is DECIMAL(38,17), that of DECIMAL(27,10) and DECIMAL(10,0) is
    -- DECIMAL(38,21): exact enough that they are rounded once.
    drop table if exists new_average_listing_price_weekly;
    create temp table new_average_listing_price_weekly (like metrics.average_listing_price_weekly);
    insert into new_average_listing_price_weekly (
        week_start, state, cityname, currency, active_listings, avg_price, avg_price_usd, new_listings, new_listing_avg_price
    )
    select
        price_weeks.week_start,
        price_weeks.state,
        price_weeks.cityname,
        price_weeks.currency,
        price_weeks.active_listings,
        case
            when price_weeks.priced_listings > 0 then cast(
                round(
                    cast(price_weeks.price_sum as decimal(25, 4))
                    / cast(price_weeks.priced_listings as decimal(12, 0)),
                    2
                )
                as decimal(18, 2)
            )
        end,
        case
            when price_weeks.priced_listings > 0 then cast(
                round(
                    cast(
                        cast(price_weeks.price_sum as decimal(19, 2)) * found_rates.usd_per_unit
                        as decimal(27, 10)
                    )
                    / cast(price_weeks.priced_listings as decimal(10, 0)),
                    2
                )
                as decimal(28, 2)
            )
        end,
        price_weeks.new_listings,
        case
            when price_weeks.new_priced_listings > 0 then cast(
                round(
                    cast(price_weeks.new_price_sum as decimal(25, 4))
                    / cast(price_weeks.new_priced_listings as decimal(12, 0)),
                    2
                )
                as decimal(18, 2)
            )
        end
    from price_weeks
    left join found_rates
        on price_weeks.currency = found_rates.currency
        and case
            when price_weeks.week_start = running_week then cast(run_as_of as date)
            else cast(dateadd(day, 6, price_weeks.week_start) as date)
        end = found_rates.rate_day;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_average_listing_price_weekly;
    create temp table changed_average_listing_price_weekly (like metrics.average_listing_price_weekly);
    alter table changed_average_listing_price_weekly add column change bigint;
    insert into changed_average_listing_price_weekly (
        week_start, state, cityname, currency, active_listings, avg_price, avg_price_usd, new_listings, new_listing_avg_price, change
    )
    select
        week_start, state, cityname, currency, active_listings, avg_price, avg_price_usd, new_listings, new_listing_avg_price, sum(change)
    from (
        select
            week_start,
            state,
            cityname,
            currency,
            active_listings,
            avg_price,
            avg_price_usd,
            new_listings,
            new_listing_avg_price,
            1 as change
        from new_average_listing_price_weekly
        union all
        select
            average_listing_price_weekly.week_start,
            average_listing_price_weekly.state,
            average_listing_price_weekly.cityname,
            average_listing_price_weekly.currency,
            average_listing_price_weekly.active_listings,
            average_listing_price_weekly.avg_price,
            average_listing_price_weekly.avg_price_usd,
            average_listing_price_weekly.new_listings,
            average_listing_price_weekly.new_listing_avg_price,
            -1 as change
        from metrics.average_listing_price_weekly
        left join dirty_areas
            on average_listing_price_weekly.state = dirty_areas.state
            and average_listing_price_weekly.cityname = dirty_areas.cityname
            and average_listing_price_weekly.week_start between dirty_areas.period_from and dirty_areas.period_to
        where average_listing_price_weekly.week_start between range_from and range_to
            and (whole_count > 0 or dirty_areas.cityname is not null)
    ) as both_sides
    group by week_start, state, cityname, currency, active_listings, avg_price, avg_price_usd, new_listings, new_listing_avg_price
    having sum(change) <> 0;
    delete from metrics.average_listing_price_weekly
    using changed_average_listing_price_weekly
    where average_listing_price_weekly.week_start = changed_average_listing_price_weekly.week_start
        and average_listing_price_weekly.state = changed_average_listing_price_weekly.state
        and average_listing_price_weekly.cityname = changed_average_listing_price_weekly.cityname
        and (
            average_listing_price_weekly.currency = changed_average_listing_price_weekly.currency
            or (average_listing_price_weekly.currency is null and changed_average_listing_price_weekly.currency is null)
        )
        and changed_average_listing_price_weekly.change < 0
        and average_listing_price_weekly.week_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.average_listing_price_weekly (
        week_start, state, cityname, currency, active_listings, avg_price, avg_price_usd, new_listings, new_listing_avg_price
    )
    select
        week_start, state, cityname, currency, active_listings, avg_price, avg_price_usd, new_listings, new_listing_avg_price
    from changed_average_listing_price_weekly
    where change > 0
    order by week_start, state, cityname, currency;
    get diagnostics inserted_count := row_count;
    call ops.log_step(
        this_run,
        'metrics.average_listing_price_weekly',
        read_count,
        deleted_count + inserted_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_average_listing_price_weekly(this_run, getdate());
