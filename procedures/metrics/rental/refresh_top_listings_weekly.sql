-- Purpose: Stays booked each week by listing, their revenue in US dollars and its rank. The
--   revenue is 0 for stays of price 0, NULL when no price can be converted; NULL has no rank.
-- Grain: metrics.top_listings_weekly: week and listing
-- Reads: curated.bookings, ops.dirty_work
-- Writes: metrics.top_listings_weekly, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_top_listings_weekly(
    this_run varchar(64),
    run_as_of timestamp
)
as $$
declare
    step_started timestamp := getdate();
    first_period date;
    last_period date := cast(date_trunc('week', run_as_of) as date);
    whole_count bigint;
    range_from date;
    range_to date;
    low_time timestamp;
    high_time timestamp;
    read_count bigint := 0;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
begin
    select count(*) into whole_count
    from ops.dirty_work
    where pipeline = 'rental' and metric = 'top_listings_weekly' and period_from is null;
    if whole_count > 0 then
        -- The whole range: what there is, and what was published.
        select min(low) into first_period
        from (
            select cast(date_trunc('week', min(booking_date)) as date) as low from curated.bookings
            union all
            select min(week_start) as low from metrics.top_listings_weekly
        ) as lows;
        select case when max(week_start) > last_period then max(week_start) else last_period end
        into last_period
        from metrics.top_listings_weekly;
    end if;

    call ops.collect_dirty_periods('top_listings_weekly', 'week', first_period, last_period);
    select min(period_start), max(period_start) into range_from, range_to from dirty_periods;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.top_listings_weekly', 0, 0, 0, step_started);
        return;
    end if;
    low_time := range_from;
    high_time := dateadd(day, 7, range_to);

    drop table if exists new_top_listings_weekly;
    create temp table new_top_listings_weekly (like metrics.top_listings_weekly);
    insert into new_top_listings_weekly (
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, revenue_rank
    )
    select
        week_start,
        apartment_id,
        bookings,
        revenue_usd,
        unconverted_bookings,
        case
            when revenue_usd is not null then rank() over (
                partition by week_start
                order by case when revenue_usd is null then 1 else 0 end, revenue_usd desc
            )
        end
    from (
        select
            stays.week_start,
            stays.apartment_id,
            count(*) as bookings,
            cast(round(sum(stays.total_price_usd), 2) as decimal(30, 2)) as revenue_usd,
            count(*) - count(stays.total_price_usd) as unconverted_bookings
        from (
            select
                apartment_id,
                total_price_usd,
                cast(date_trunc('week', booking_date) as date) as week_start
            from curated.bookings
            where is_stay
                and booking_date >= low_time
                and booking_date < high_time
                and booking_date <= run_as_of
        ) as stays
        join dirty_periods
            on stays.week_start = dirty_periods.period_start
        group by stays.week_start, stays.apartment_id
    ) as summed;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_top_listings_weekly;
    create temp table changed_top_listings_weekly (like metrics.top_listings_weekly);
    alter table changed_top_listings_weekly add column change bigint;
    insert into changed_top_listings_weekly (
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, revenue_rank, change
    )
    select
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, revenue_rank, sum(change)
    from (
        select
            week_start,
            apartment_id,
            bookings,
            revenue_usd,
            unconverted_bookings,
            revenue_rank,
            1 as change
        from new_top_listings_weekly
        union all
        select
            top_listings_weekly.week_start,
            top_listings_weekly.apartment_id,
            top_listings_weekly.bookings,
            top_listings_weekly.revenue_usd,
            top_listings_weekly.unconverted_bookings,
            top_listings_weekly.revenue_rank,
            -1 as change
        from metrics.top_listings_weekly
        join dirty_periods
            on top_listings_weekly.week_start = dirty_periods.period_start
        where top_listings_weekly.week_start between range_from and range_to
    ) as both_sides
    group by week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, revenue_rank
    having sum(change) <> 0;
    delete from metrics.top_listings_weekly
    using changed_top_listings_weekly
    where top_listings_weekly.week_start = changed_top_listings_weekly.week_start
        and top_listings_weekly.apartment_id = changed_top_listings_weekly.apartment_id
        and changed_top_listings_weekly.change < 0
        and top_listings_weekly.week_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.top_listings_weekly (
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, revenue_rank
    )
    select
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, revenue_rank
    from changed_top_listings_weekly
    where change > 0
    order by week_start, apartment_id;
    get diagnostics inserted_count := row_count;
    call ops.log_step(
        this_run,
        'metrics.top_listings_weekly',
        read_count,
        deleted_count + inserted_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_top_listings_weekly(this_run, getdate());
