-- Purpose: Stays booked each week by listing, and their revenue in US dollars: 0 for stays of
--   price 0, NULL when no price can be converted. Its rank is added by the view: one booking more
--   would shift it in most of the week's rows.
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
    week_count bigint;
    open_from date;
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
    call ops.find_open_period('top_listings_weekly', open_from);
    -- Single listings of other weeks: one booking does not make its whole week be computed anew.
    drop table if exists dirty_listing_weeks;
    create temp table dirty_listing_weeks (week_start date, apartment_id bigint);
    insert into dirty_listing_weeks (week_start, apartment_id)
    select distinct dirty_work.period_from, dirty_work.apartment_id
    from ops.dirty_work
    left join dirty_periods
        on dirty_work.period_from = dirty_periods.period_start
    where dirty_work.pipeline = 'rental'
        and dirty_work.metric = 'top_listings_weekly'
        and dirty_work.apartment_id is not null
        and dirty_work.period_from >= open_from
        and dirty_work.period_from <= last_period
        and dirty_periods.period_start is null;

    select min(week_start), max(week_start) into range_from, range_to
    from (
        select period_start as week_start from dirty_periods
        union all
        select week_start from dirty_listing_weeks
    ) as dirty_weeks;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.top_listings_weekly', 0, 0, 0, step_started);
        return;
    end if;
    low_time := range_from;
    high_time := dateadd(day, 7, range_to);

    drop table if exists new_top_listings_weekly;
    create temp table new_top_listings_weekly (like metrics.top_listings_weekly);
    select count(*) into week_count from dirty_periods;
    if week_count > 0 then
        insert into new_top_listings_weekly (
            week_start, apartment_id, bookings, revenue_usd, unconverted_bookings
        )
        select
            stays.week_start,
            stays.apartment_id,
            count(*),
            cast(round(sum(stays.total_price_usd), 2) as decimal(30, 2)),
            count(*) - count(stays.total_price_usd)
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
        group by stays.week_start, stays.apartment_id;
    end if;
    insert into new_top_listings_weekly (
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings
    )
    select
        stays.week_start,
        stays.apartment_id,
        count(*),
        cast(round(sum(stays.total_price_usd), 2) as decimal(30, 2)),
        count(*) - count(stays.total_price_usd)
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
    join dirty_listing_weeks
        on stays.week_start = dirty_listing_weeks.week_start
        and stays.apartment_id = dirty_listing_weeks.apartment_id
    group by stays.week_start, stays.apartment_id;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_top_listings_weekly;
    create temp table changed_top_listings_weekly (like metrics.top_listings_weekly);
    alter table changed_top_listings_weekly add column change bigint;
    insert into changed_top_listings_weekly (
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, change
    )
    select
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, sum(change)
    from (
        select
            week_start,
            apartment_id,
            bookings,
            revenue_usd,
            unconverted_bookings,
            1 as change
        from new_top_listings_weekly
        union all
        select
            top_listings_weekly.week_start,
            top_listings_weekly.apartment_id,
            top_listings_weekly.bookings,
            top_listings_weekly.revenue_usd,
            top_listings_weekly.unconverted_bookings,
            -1 as change
        from metrics.top_listings_weekly
        left join dirty_periods
            on top_listings_weekly.week_start = dirty_periods.period_start
        left join dirty_listing_weeks
            on top_listings_weekly.week_start = dirty_listing_weeks.week_start
            and top_listings_weekly.apartment_id = dirty_listing_weeks.apartment_id
        where top_listings_weekly.week_start between range_from and range_to
            and (dirty_periods.period_start is not null or dirty_listing_weeks.apartment_id is not null)
    ) as both_sides
    group by week_start, apartment_id, bookings, revenue_usd, unconverted_bookings
    having sum(change) <> 0;
    delete from metrics.top_listings_weekly
    using changed_top_listings_weekly
    where top_listings_weekly.week_start = changed_top_listings_weekly.week_start
        and top_listings_weekly.apartment_id = changed_top_listings_weekly.apartment_id
        and changed_top_listings_weekly.change < 0
        and top_listings_weekly.week_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.top_listings_weekly (
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings
    )
    select
        week_start, apartment_id, bookings, revenue_usd, unconverted_bookings
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
