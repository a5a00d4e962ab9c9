-- Purpose: Bring the rejected views up to what was judged. Reads the temporary tables
--   touched_viewings, staged_viewings and new_view_rejections.
-- Grain: curated.rejected_views: viewing and reason; curated.rejected_view_rows: viewing
-- Reads: curated.rejected_views, curated.rejected_view_rows
-- Writes: curated.rejected_views, curated.rejected_view_rows
-- Params: released_count: gives back how many of the touched views were rejected before;
--   rejected_count: how many are now
-- Schedule: none, called by curated.refresh_user_viewings
-- Owner: data engineering
create or replace procedure curated.reject_views(
    inout released_count bigint,
    inout rejected_count bigint
)
as $$
declare
    low_id bigint;
    high_id bigint;
begin
    select min(viewing_id), max(viewing_id) into low_id, high_id from touched_viewings;

    drop table if exists old_view_rejections;
    create temp table old_view_rejections (viewing_id bigint, reason varchar(32));
    insert into old_view_rejections (viewing_id, reason)
    select rejected_views.viewing_id, rejected_views.reason
    from curated.rejected_views
    join touched_viewings
        on rejected_views.viewing_id = touched_viewings.viewing_id
    where rejected_views.viewing_id between low_id and high_id;

    select count(distinct viewing_id) into released_count from old_view_rejections;
    select count(distinct viewing_id) into rejected_count from new_view_rejections;
    if released_count = 0 and rejected_count = 0 then
        return;
    end if;

    drop table if exists gone_view_rejections;
    create temp table gone_view_rejections (viewing_id bigint, reason varchar(32));
    insert into gone_view_rejections (viewing_id, reason)
    select viewing_id, reason from old_view_rejections
    except
    select viewing_id, reason from new_view_rejections;
    delete from curated.rejected_views
    using gone_view_rejections
    where rejected_views.viewing_id = gone_view_rejections.viewing_id
        and rejected_views.reason = gone_view_rejections.reason;
    insert into curated.rejected_views (viewing_id, reason)
    select viewing_id, reason
    from (
        select viewing_id, reason from new_view_rejections
        except
        select viewing_id, reason from old_view_rejections
    ) as fresh
    order by viewing_id, reason;

    drop table if exists old_rejected_views;
    create temp table old_rejected_views (like staged_viewings);
    insert into old_rejected_views (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select
        quarantine.viewing_id,
        quarantine.user_id,
        quarantine.apartment_id,
        quarantine.viewed_at,
        quarantine.is_wishlisted,
        quarantine.call_to_action
    from curated.rejected_view_rows as quarantine
    join touched_viewings
        on quarantine.viewing_id = touched_viewings.viewing_id
    where quarantine.viewing_id between low_id and high_id;

    drop table if exists new_rejected_views;
    create temp table new_rejected_views (like staged_viewings);
    insert into new_rejected_views (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select
        staged_viewings.viewing_id,
        staged_viewings.user_id,
        staged_viewings.apartment_id,
        staged_viewings.viewed_at,
        staged_viewings.is_wishlisted,
        staged_viewings.call_to_action
    from staged_viewings
    join (select distinct viewing_id from new_view_rejections) as rejected
        on staged_viewings.viewing_id = rejected.viewing_id;

    drop table if exists gone_rejected_views;
    create temp table gone_rejected_views (like staged_viewings);
    insert into gone_rejected_views (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from old_rejected_views
    except
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from new_rejected_views;
    delete from curated.rejected_view_rows
    using gone_rejected_views
    where rejected_view_rows.viewing_id = gone_rejected_views.viewing_id;
    insert into curated.rejected_view_rows (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from (
        select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
        from new_rejected_views
        except
        select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
        from old_rejected_views
    ) as fresh
    order by viewing_id;
end;
$$ language plpgsql;
-- Usage: call curated.reject_views(released_count, rejected_count);
