-- Purpose: Take in changed views of listings: keep the good ones, reject the others with every reason
--   that applies. Also judges again those of listings that became known or unknown (temporary table
--   listing_changes). Writes differences only, and queues the weeks of the rows as they were and as
--   they are. Good ones from before the archive's horizon are left out.
-- Grain: curated.user_viewings: viewing; curated.rejected_views: viewing and reason;
--   curated.rejected_view_rows: viewing
-- Reads: raw.user_viewing_history, raw.user_viewing, curated.listing_versions, archive.horizons
-- Writes: curated.user_viewings, curated.rejected_views, curated.rejected_view_rows, ops.dirty_work,
--   ops.accounts, ops.run_accounts, ops.run_steps
-- Params: this_run; since_time: read landing's changes after this record time; rebuild: all of it is read
-- Schedule: none, called by curated.refresh_rental
-- Owner: data engineering
create or replace procedure curated.refresh_user_viewings(
    this_run varchar(64),
    since_time timestamp,
    rebuild boolean
)
as $$
declare
    step_started timestamp := getdate();
    blanks varchar(8) := ' ' || chr(9) || chr(10) || chr(13);
    low_id bigint;
    high_id bigint;
    low_time timestamp;
    high_time timestamp;
    staged_count bigint;
    known_before bigint;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
    released_count bigint := 0;
    rejected_count bigint := 0;
    landing_count bigint;
    curated_count bigint;
    closed_before date;
    accounted_before date;
    left_out_count bigint := 0;
    moved_count bigint := 0;
begin
    -- As for bookings: what is before the archive's horizon is left out, and what is still there is left alone.
    call archive.find_horizon('curated.user_viewings', closed_before);
    select coalesce(max(archived_before), cast('0001-01-01' as date))
    into accounted_before
    from ops.accounts
    where pipeline = 'rental' and table_name = 'user_viewing';
    if accounted_before <> closed_before then
        select count(*) into curated_count from curated.user_viewings where viewed_at >= closed_before;
        call ops.move_account('user_viewing', closed_before, curated_count);
    end if;
    call curated.stage_user_viewings(since_time, rebuild);
    select count(*), min(viewing_id), max(viewing_id)
    into known_before, low_id, high_id
    from touched_viewings;
    if known_before = 0 then
        call ops.account(this_run, 'user_viewing', 0, 0, 0, rebuild);
        call ops.log_step(this_run, 'curated.user_viewings', 0, 0, 0, step_started);
        return;
    end if;
    select count(*) into staged_count from staged_viewings;

    drop table if exists new_view_rejections;
    create temp table new_view_rejections (viewing_id bigint, reason varchar(32));
    insert into new_view_rejections (viewing_id, reason)
    select viewing_id, 'missing_key'
    from staged_viewings
    where user_id is null or apartment_id is null or viewed_at is null
    union all
    select staged_viewings.viewing_id, 'unknown_listing'
    from staged_viewings
    left join (select distinct apartment_id from curated.listing_versions) as known
        on staged_viewings.apartment_id = known.apartment_id
    where known.apartment_id is null;

    drop table if exists new_viewings;
    create temp table new_viewings (like curated.user_viewings);
    insert into new_viewings (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select
        staged_viewings.viewing_id,
        staged_viewings.user_id,
        staged_viewings.apartment_id,
        staged_viewings.viewed_at,
        coalesce(staged_viewings.is_wishlisted, 0) <> 0,
        btrim(staged_viewings.call_to_action, blanks)
    from staged_viewings
    left join (select distinct viewing_id from new_view_rejections) as rejected
        on staged_viewings.viewing_id = rejected.viewing_id
    where rejected.viewing_id is null;
    delete from new_viewings where viewed_at < closed_before;
    get diagnostics left_out_count := row_count;

    drop table if exists old_viewings;
    create temp table old_viewings (like curated.user_viewings);
    insert into old_viewings (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select
        user_viewings.viewing_id,
        user_viewings.user_id,
        user_viewings.apartment_id,
        user_viewings.viewed_at,
        user_viewings.is_wishlisted,
        user_viewings.call_to_action
    from curated.user_viewings
    join touched_viewings
        on user_viewings.viewing_id = touched_viewings.viewing_id
    left join new_viewings
        on user_viewings.viewing_id = new_viewings.viewing_id
    where user_viewings.viewing_id between low_id and high_id
        -- One that was closed comes in when its time has moved.
        and (user_viewings.viewed_at >= closed_before or new_viewings.viewing_id is not null);
    select count(*) into moved_count from old_viewings where viewed_at < closed_before;

    drop table if exists gone_viewings;
    create temp table gone_viewings (like curated.user_viewings);
    insert into gone_viewings (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from old_viewings
    except
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from new_viewings;

    drop table if exists fresh_viewings;
    create temp table fresh_viewings (like curated.user_viewings);
    insert into fresh_viewings (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from new_viewings
    except
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from old_viewings;

    select min(viewed_at), max(viewed_at) into low_time, high_time from gone_viewings;
    delete from curated.user_viewings
    using gone_viewings
    where user_viewings.viewing_id = gone_viewings.viewing_id
        and user_viewings.viewed_at between low_time and high_time;
    get diagnostics deleted_count := row_count;
    insert into curated.user_viewings (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from fresh_viewings
    order by viewed_at, viewing_id;
    get diagnostics inserted_count := row_count;

    call curated.reject_views(released_count, rejected_count);
    if not rebuild then
        insert into ops.dirty_work (pipeline, metric, period_from, period_to)
        select 'rental', 'listing_engagement_weekly', week_start, week_start
        from (
            select cast(date_trunc('week', viewed_at) as date) as week_start
            from gone_viewings
            union
            select cast(date_trunc('week', viewed_at) as date) as week_start
            from fresh_viewings
        ) as changed_weeks;
    end if;

    if rebuild then
        select count(*) into landing_count from "raw".user_viewing;
        landing_count := landing_count - left_out_count;
        select count(*) into curated_count from curated.user_viewings where viewed_at >= closed_before;
        select count(distinct viewing_id) into rejected_count from curated.rejected_views;
        call ops.account(this_run, 'user_viewing', landing_count, curated_count, rejected_count, true);
    else
        select count(*) into known_before from old_viewings;
        landing_count := staged_count - left_out_count - (known_before - moved_count) - released_count;
        curated_count := inserted_count - (deleted_count - moved_count);
        rejected_count := rejected_count - released_count;
        call ops.account(this_run, 'user_viewing', landing_count, curated_count, rejected_count, false);
    end if;
    select count(distinct viewing_id) into rejected_count from new_view_rejections;
    call ops.log_step(
        this_run,
        'curated.user_viewings',
        staged_count,
        deleted_count + inserted_count,
        rejected_count,
        step_started
    );
    if left_out_count > 0 then
        call ops.log_step(
            this_run, 'curated.user_viewings: closed by the archive', left_out_count, 0, 0, step_started
        );
    end if;
end;
$$ language plpgsql;
-- Usage: call curated.refresh_user_viewings(this_run, since_time, false);
