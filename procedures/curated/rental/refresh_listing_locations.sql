-- Purpose: Take in changed attributes: the place of each listing from its present row or, once
--   deleted, its last. State and city are NULL where the location is not valid. A place that landing
--   no longer knows (copied anew) stays: a deleted listing keeps its past.
--   Where a listing's place changes, all of its history moves: its periods are queued for both.
-- Grain: curated.listing_locations: listing
-- Reads: raw.apartment_attributes_history, curated.listing_versions, curated.bookings,
--   curated.user_viewings
-- Writes: curated.listing_locations, ops.dirty_work, ops.run_steps
-- Params: this_run; since_time: read landing's changes after this record time; rebuild: all of it is read
-- Schedule: none, called by curated.refresh_rental
-- Owner: data engineering
create or replace procedure curated.refresh_listing_locations(
    this_run varchar(64),
    since_time timestamp,
    rebuild boolean
)
as $$
declare
    step_started timestamp := getdate();
    blanks varchar(8) := ' ' || chr(9) || chr(10) || chr(13);
    read_count bigint;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
begin
    drop table if exists staged_locations;
    create temp table staged_locations (apartment_id bigint, state varchar(400), cityname varchar(400));
    insert into staged_locations (apartment_id, state, cityname)
    select
        apartment_id,
        case when is_valid then state end,
        case when is_valid then cityname end
    from (
        select
            apartment_id,
            state,
            cityname,
            state <> '' and cityname <> ''
                and latitude between -90 and 90
                and longitude between -180 and 180
                and not (latitude = 0 and longitude = 0) as is_valid
        from (
            select
                changed.apartment_id,
                btrim(changed.state, blanks) as state,
                btrim(changed.cityname, blanks) as cityname,
                changed.latitude,
                changed.longitude,
                row_number() over (
                    partition by changed.apartment_id
                    order by changed.closed, changed.recorded_to desc, changed.recorded_from desc
                ) as version_rank
            from (
                select
                    id as apartment_id,
                    state,
                    cityname,
                    latitude,
                    longitude,
                    _record_create_time as recorded_from,
                    case when not _record_is_active then _record_delete_time end as recorded_to,
                    case when _record_is_active then 0 else 1 end as closed
                from "raw".apartment_attributes_history
                where _record_create_time > since_time
                union all
                select
                    id as apartment_id,
                    state,
                    cityname,
                    latitude,
                    longitude,
                    _record_create_time as recorded_from,
                    _record_delete_time as recorded_to,
                    1 as closed
                from "raw".apartment_attributes_history
                where not _record_is_active
                    and _record_delete_time > since_time
                    and _record_create_time <= since_time
            ) as changed
        ) as ranked
        where version_rank = 1
    ) as judged;
    get diagnostics read_count := row_count;
    if read_count = 0 then
        call ops.log_step(this_run, 'curated.listing_locations', 0, 0, 0, step_started);
        return;
    end if;

    drop table if exists location_changes;
    create temp table location_changes (
        apartment_id bigint,
        old_state varchar(400),
        old_cityname varchar(400),
        new_state varchar(400),
        new_cityname varchar(400)
    );
    insert into location_changes (apartment_id, old_state, old_cityname, new_state, new_cityname)
    select
        staged_locations.apartment_id,
        listing_locations.state,
        listing_locations.cityname,
        staged_locations.state,
        staged_locations.cityname
    from staged_locations
    left join curated.listing_locations
        on staged_locations.apartment_id = listing_locations.apartment_id
    where listing_locations.apartment_id is null
        or listing_locations.state <> staged_locations.state
        or listing_locations.cityname <> staged_locations.cityname
        or (listing_locations.state is null and staged_locations.state is not null)
        or (listing_locations.state is not null and staged_locations.state is null);

    delete from curated.listing_locations
    using location_changes
    where listing_locations.apartment_id = location_changes.apartment_id;
    get diagnostics deleted_count := row_count;
    insert into curated.listing_locations (apartment_id, state, cityname)
    select apartment_id, new_state, new_cityname
    from location_changes
    order by apartment_id;
    get diagnostics inserted_count := row_count;

    if inserted_count > 0 and not rebuild then
        call curated.queue_listing_locations();
    end if;
    call ops.log_step(
        this_run, 'curated.listing_locations', read_count, deleted_count + inserted_count, 0, step_started
    );
end;
$$ language plpgsql;
-- Usage: call curated.refresh_listing_locations(this_run, since_time, false);
