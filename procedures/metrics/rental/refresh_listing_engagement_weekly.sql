-- Purpose: Views each week by location: viewers, wishes, contacts, and how many stays were booked
--   there in that week for each view.
-- Grain: metrics.listing_engagement_weekly: week and location
-- Reads: curated.user_viewings, curated.listing_locations, metrics.popular_locations_weekly,
--   ops.dirty_work
-- Writes: metrics.listing_engagement_weekly, ops.run_steps
-- Params: this_run; run_as_of: the instant that the run speaks for
-- Schedule: none, called by metrics.refresh_rental
-- Owner: data engineering
create or replace procedure metrics.refresh_listing_engagement_weekly(
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
    where pipeline = 'rental' and metric = 'listing_engagement_weekly' and period_from is null;
    if whole_count > 0 then
        -- The whole range: what there is, and what was published.
        select min(low) into first_period
        from (
            select cast(date_trunc('week', min(viewed_at)) as date) as low from curated.user_viewings
            union all
            select min(week_start) as low from metrics.listing_engagement_weekly
        ) as lows;
        select case when max(week_start) > last_period then max(week_start) else last_period end
        into last_period
        from metrics.listing_engagement_weekly;
    end if;

    call ops.collect_dirty_periods('listing_engagement_weekly', 'week', first_period, last_period);
    drop table if exists viewed_periods;
    create temp table viewed_periods (period_start date);
    insert into viewed_periods (period_start)
    select period_start
    from dirty_periods;
    select min(period_start), max(period_start) into range_from, range_to from viewed_periods;
    low_time := range_from;
    high_time := dateadd(day, 7, range_to);

    -- Stays are counted as in metrics.popular_locations_weekly, which is refreshed before this.
    call ops.collect_dirty_periods('listing_engagement_bookings', 'week', first_period, last_period);
    insert into dirty_periods (period_start)
    select period_start
    from viewed_periods
    except
    select period_start
    from dirty_periods;
    select min(period_start), max(period_start) into range_from, range_to from dirty_periods;
    if range_from is null then
        call ops.log_step(this_run, 'metrics.listing_engagement_weekly', 0, 0, 0, step_started);
        return;
    end if;

    drop table if exists new_listing_engagement_weekly;
    create temp table new_listing_engagement_weekly (like metrics.listing_engagement_weekly);
    insert into new_listing_engagement_weekly (
        week_start, state, cityname, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate
    )
    -- The quotients of DECIMAL(25,7) and DECIMAL(12,0) are DECIMAL(38,20): exact enough that they are rounded once.
    select
        viewed.week_start,
        viewed.state,
        viewed.cityname,
        viewed.views,
        viewed.unique_viewers,
        round(cast(viewed.wishes as decimal(25, 7)) / cast(viewed.views as decimal(12, 0)), 6),
        round(cast(viewed.contacts as decimal(25, 7)) / cast(viewed.views as decimal(12, 0)), 6),
        coalesce(booked.bookings, 0),
        round(
            cast(coalesce(booked.bookings, 0) as decimal(25, 7)) / cast(viewed.views as decimal(12, 0)), 6
        )
    from (
        select
            seen.week_start,
            listing_locations.state,
            listing_locations.cityname,
            count(*) as views,
            count(distinct seen.user_id) as unique_viewers,
            sum(seen.is_wish) as wishes,
            sum(seen.is_contact) as contacts
        from (
            select
                apartment_id,
                user_id,
                case when is_wishlisted then 1 else 0 end as is_wish,
                case when call_to_action <> '' then 1 else 0 end as is_contact,
                cast(date_trunc('week', viewed_at) as date) as week_start
            from curated.user_viewings
            where viewed_at >= low_time
                and viewed_at < high_time
                and viewed_at <= run_as_of
        ) as seen
        join viewed_periods
            on seen.week_start = viewed_periods.period_start
        join curated.listing_locations
            on seen.apartment_id = listing_locations.apartment_id
        where listing_locations.cityname is not null
        group by seen.week_start, listing_locations.state, listing_locations.cityname
    ) as viewed
    left join metrics.popular_locations_weekly as booked
        on viewed.week_start = booked.week_start
        and viewed.state = booked.state
        and viewed.cityname = booked.cityname;

    -- Where only stays have changed, the views are those that were published.
    insert into new_listing_engagement_weekly (
        week_start, state, cityname, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate
    )
    select
        viewed.week_start,
        viewed.state,
        viewed.cityname,
        viewed.views,
        viewed.unique_viewers,
        viewed.wishlist_rate,
        viewed.contact_rate,
        coalesce(booked.bookings, 0),
        round(
            cast(coalesce(booked.bookings, 0) as decimal(25, 7)) / cast(viewed.views as decimal(12, 0)), 6
        )
    from metrics.listing_engagement_weekly as viewed
    join dirty_periods
        on viewed.week_start = dirty_periods.period_start
    left join viewed_periods
        on viewed.week_start = viewed_periods.period_start
    left join metrics.popular_locations_weekly as booked
        on viewed.week_start = booked.week_start
        and viewed.state = booked.state
        and viewed.cityname = booked.cityname
    where viewed.week_start between range_from and range_to
        and viewed_periods.period_start is null;
    get diagnostics read_count := row_count;

    -- What is new (+1) and what is no longer so (-1); rows that are equal cancel out.
    drop table if exists changed_listing_engagement_weekly;
    create temp table changed_listing_engagement_weekly (like metrics.listing_engagement_weekly);
    alter table changed_listing_engagement_weekly add column change bigint;
    insert into changed_listing_engagement_weekly (
        week_start, state, cityname, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate, change
    )
    select
        week_start, state, cityname, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate, sum(change)
    from (
        select
            week_start,
            state,
            cityname,
            views,
            unique_viewers,
            wishlist_rate,
            contact_rate,
            bookings,
            conversion_rate,
            1 as change
        from new_listing_engagement_weekly
        union all
        select
            listing_engagement_weekly.week_start,
            listing_engagement_weekly.state,
            listing_engagement_weekly.cityname,
            listing_engagement_weekly.views,
            listing_engagement_weekly.unique_viewers,
            listing_engagement_weekly.wishlist_rate,
            listing_engagement_weekly.contact_rate,
            listing_engagement_weekly.bookings,
            listing_engagement_weekly.conversion_rate,
            -1 as change
        from metrics.listing_engagement_weekly
        join dirty_periods
            on listing_engagement_weekly.week_start = dirty_periods.period_start
        where listing_engagement_weekly.week_start between range_from and range_to
    ) as both_sides
    group by week_start, state, cityname, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate
    having sum(change) <> 0;
    delete from metrics.listing_engagement_weekly
    using changed_listing_engagement_weekly
    where listing_engagement_weekly.week_start = changed_listing_engagement_weekly.week_start
        and listing_engagement_weekly.state = changed_listing_engagement_weekly.state
        and listing_engagement_weekly.cityname = changed_listing_engagement_weekly.cityname
        and changed_listing_engagement_weekly.change < 0
        and listing_engagement_weekly.week_start between range_from and range_to;
    get diagnostics deleted_count := row_count;

    insert into metrics.listing_engagement_weekly (
        week_start, state, cityname, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate
    )
    select
        week_start, state, cityname, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate
    from changed_listing_engagement_weekly
    where change > 0
    order by week_start, state, cityname;
    get diagnostics inserted_count := row_count;
    call ops.log_step(
        this_run,
        'metrics.listing_engagement_weekly',
        read_count,
        deleted_count + inserted_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call metrics.refresh_listing_engagement_weekly(this_run, getdate());
