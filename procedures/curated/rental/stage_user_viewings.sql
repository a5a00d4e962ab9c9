-- Purpose: Gather the views that a run must judge, in two temporary tables: touched_viewings
--   (viewing_id) has every key that may differ from what is curated, staged_viewings the present
--   source row of those that still exist.
-- Grain: viewing
-- Reads: raw.user_viewing_history, raw.user_viewing, curated.user_viewings,
--   curated.rejected_view_rows
-- Writes: temporary tables
-- Params: since_time: read landing's changes after this record time; rebuild: all of it is read
-- Schedule: none, called by curated.refresh_user_viewings
-- Owner: data engineering
create or replace procedure curated.stage_user_viewings(since_time timestamp, rebuild boolean)
as $$
declare
    change_count bigint;
    unknown_count bigint;
begin
    drop table if exists staged_viewings;
    create temp table staged_viewings (
        viewing_id bigint,
        user_id bigint,
        apartment_id bigint,
        viewed_at timestamp,
        is_wishlisted smallint,
        call_to_action varchar(200)
    );
    insert into staged_viewings (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    from (
        select
            viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action,
            row_number() over (
                partition by viewing_id
                order by _record_create_time desc
            ) as version_rank
        from "raw".user_viewing_history
        where _record_is_active and _record_create_time > since_time
    ) as present
    where version_rank = 1;

    drop table if exists touched_viewings;
    create temp table touched_viewings (viewing_id bigint);
    insert into touched_viewings (viewing_id)
    select viewing_id
    from "raw".user_viewing_history
    where _record_create_time > since_time
    union
    select viewing_id
    from "raw".user_viewing_history
    where not _record_is_active and _record_create_time <= since_time and _record_delete_time > since_time;

    if rebuild then
        insert into touched_viewings (viewing_id)
        select viewing_id
        from (
            select viewing_id from curated.user_viewings
            union
            select viewing_id from curated.rejected_view_rows
        ) as known
        except
        select viewing_id
        from touched_viewings;
        return;
    end if;

    select count(*), coalesce(sum(case when is_known then 0 else 1 end), 0)
    into change_count, unknown_count
    from listing_changes;
    if change_count = 0 then
        return;
    end if;
    drop table if exists viewed_again;
    create temp table viewed_again (like staged_viewings);
    insert into viewed_again (
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
    join listing_changes
        on quarantine.apartment_id = listing_changes.apartment_id;
    if unknown_count > 0 then
        -- As for bookings: a listing inserted and deleted at one instant, with a run in between.
        insert into viewed_again (
            viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
        )
        select
            present.viewing_id,
            present.user_id,
            present.apartment_id,
            present.viewed_at,
            present.is_wishlisted,
            present.call_to_action
        from "raw".user_viewing as present
        join listing_changes
            on present.apartment_id = listing_changes.apartment_id
        left join curated.rejected_view_rows as quarantine
            on present.viewing_id = quarantine.viewing_id
        where not listing_changes.is_known and quarantine.viewing_id is null;
    end if;
    insert into staged_viewings (
        viewing_id, user_id, apartment_id, viewed_at, is_wishlisted, call_to_action
    )
    select
        viewed_again.viewing_id,
        viewed_again.user_id,
        viewed_again.apartment_id,
        viewed_again.viewed_at,
        viewed_again.is_wishlisted,
        viewed_again.call_to_action
    from viewed_again
    left join touched_viewings
        on viewed_again.viewing_id = touched_viewings.viewing_id
    where touched_viewings.viewing_id is null;
    insert into touched_viewings (viewing_id)
    select viewing_id
    from staged_viewings
    except
    select viewing_id
    from touched_viewings;
end;
$$ language plpgsql;
-- Usage: call curated.stage_user_viewings(since_time, false);
