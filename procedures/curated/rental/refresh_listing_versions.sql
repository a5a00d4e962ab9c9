-- Purpose: Merge the versions that landing knows into the record of history. A version is known by
--   its listing and the time at which landing recorded it. What landing no longer knows stays; what
--   it knows replaces what was known. Of several changes at one instant the last one stays. Only the
--   very first version of a listing is extended back to its own listing_created_on.
--   Queues the weeks and months in which a listing's state differs, and leaves the listings that
--   became known or unknown in the temporary table listing_changes (apartment_id, is_known).
-- Grain: curated.listing_versions: listing and version, half-open [valid_from, valid_to)
-- Reads: raw.apartments_history, curated.listing_locations
-- Writes: curated.listing_versions, ops.dirty_work, ops.run_steps
-- Params: this_run; since_time: read landing's changes after this record time; rebuild: all of it is read
-- Schedule: none, called by curated.refresh_rental
-- Owner: data engineering
create or replace procedure curated.refresh_listing_versions(
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
    read_count bigint;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
begin
    -- One row for each listing and record time. Two ranges of times rather than one OR, so that zone maps hold.
    drop table if exists staged_versions;
    create temp table staged_versions (
        apartment_id bigint,
        recorded_from timestamp,
        recorded_to timestamp,
        price decimal(12, 2),
        currency varchar(12),
        is_active boolean,
        listing_created_on timestamp
    );
    insert into staged_versions (
        apartment_id, recorded_from, recorded_to, price, currency, is_active, listing_created_on
    )
    select apartment_id, recorded_from, recorded_to, price, currency, is_active, listing_created_on
    from (
        select
            changed.apartment_id,
            changed.recorded_from,
            changed.recorded_to,
            changed.price,
            upper(btrim(changed.currency, blanks)) as currency,
            coalesce(changed.is_active, 0) <> 0 as is_active,
            changed.listing_created_on,
            row_number() over (
                partition by changed.apartment_id, changed.recorded_from
                order by changed.closed, changed.recorded_to desc, changed.price, changed.currency
            ) as version_rank
        from (
            select
                id as apartment_id,
                price,
                currency,
                is_active,
                listing_created_on,
                _record_create_time as recorded_from,
                case when not _record_is_active then _record_delete_time end as recorded_to,
                case when _record_is_active then 0 else 1 end as closed
            from "raw".apartments_history
            where _record_create_time > since_time
            union all
            select
                id as apartment_id,
                price,
                currency,
                is_active,
                listing_created_on,
                _record_create_time as recorded_from,
                _record_delete_time as recorded_to,
                1 as closed
            from "raw".apartments_history
            where not _record_is_active
                and _record_delete_time > since_time
                and _record_create_time <= since_time
        ) as changed
    ) as ranked
    where version_rank = 1;
    get diagnostics read_count := row_count;

    drop table if exists listing_changes;
    create temp table listing_changes (apartment_id bigint, is_known boolean);
    if read_count = 0 then
        call ops.log_step(this_run, 'curated.listing_versions', 0, 0, 0, step_started);
        return;
    end if;

    drop table if exists touched_listings;
    create temp table touched_listings (apartment_id bigint);
    insert into touched_listings (apartment_id)
    select distinct apartment_id
    from staged_versions;
    select min(apartment_id), max(apartment_id) into low_id, high_id from touched_listings;

    drop table if exists old_versions;
    create temp table old_versions (like curated.listing_versions);
    insert into old_versions (
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    )
    select
        listing_versions.apartment_id,
        listing_versions.valid_from,
        listing_versions.valid_to,
        listing_versions.price,
        listing_versions.currency,
        listing_versions.is_active,
        listing_versions.listing_created_on,
        listing_versions.recorded_from,
        listing_versions.recorded_to
    from curated.listing_versions
    join touched_listings
        on listing_versions.apartment_id = touched_listings.apartment_id
    where listing_versions.apartment_id between low_id and high_id;

    -- A version ends when landing says so, or when the listing's next one begins: a copy of landing made anew
    -- begins versions without having ended those before.
    drop table if exists merged_versions;
    create temp table merged_versions (like curated.listing_versions);
    insert into merged_versions (
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    )
    select
        apartment_id,
        case
            when version_number = 1 and listing_created_on < recorded_from then listing_created_on
            else recorded_from
        end,
        case
            when recorded_to is null or next_from < recorded_to then next_from
            else recorded_to
        end,
        price,
        currency,
        is_active,
        listing_created_on,
        recorded_from,
        recorded_to
    from (
        select
            known.apartment_id,
            known.price,
            known.currency,
            known.is_active,
            known.listing_created_on,
            known.recorded_from,
            known.recorded_to,
            row_number() over (
                partition by known.apartment_id
                order by known.recorded_from
            ) as version_number,
            lead(known.recorded_from) over (
                partition by known.apartment_id
                order by known.recorded_from
            ) as next_from
        from (
            select
                apartment_id, price, currency, is_active, listing_created_on, recorded_from, recorded_to
            from staged_versions
            -- Versions of no length are dropped.
            where recorded_to is null or recorded_to > recorded_from
            union all
            select
                old_versions.apartment_id,
                old_versions.price,
                old_versions.currency,
                old_versions.is_active,
                old_versions.listing_created_on,
                old_versions.recorded_from,
                old_versions.recorded_to
            from old_versions
            left join staged_versions
                on old_versions.apartment_id = staged_versions.apartment_id
                and old_versions.recorded_from = staged_versions.recorded_from
            where staged_versions.apartment_id is null
        ) as known
    ) as numbered;

    drop table if exists gone_versions;
    create temp table gone_versions (like curated.listing_versions);
    insert into gone_versions (
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    )
    select
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    from old_versions
    except
    select
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    from merged_versions;

    drop table if exists fresh_versions;
    create temp table fresh_versions (like curated.listing_versions);
    insert into fresh_versions (
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    )
    select
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    from merged_versions
    except
    select
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    from old_versions;

    delete from curated.listing_versions
    using gone_versions
    where listing_versions.apartment_id = gone_versions.apartment_id
        and listing_versions.recorded_from = gone_versions.recorded_from
        and listing_versions.apartment_id between low_id and high_id;
    get diagnostics deleted_count := row_count;
    insert into curated.listing_versions (
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    )
    select
        apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on,
        recorded_from, recorded_to
    from fresh_versions
    order by apartment_id, recorded_from;
    get diagnostics inserted_count := row_count;

    if deleted_count + inserted_count > 0 and not rebuild then
        insert into listing_changes (apartment_id, is_known)
        select merged.apartment_id, true
        from (select distinct apartment_id from merged_versions) as merged
        left join (select distinct apartment_id from old_versions) as known_before
            on merged.apartment_id = known_before.apartment_id
        where known_before.apartment_id is null
        union all
        select known_before.apartment_id, false
        from (select distinct apartment_id from old_versions) as known_before
        left join (select distinct apartment_id from merged_versions) as merged
            on known_before.apartment_id = merged.apartment_id
        where merged.apartment_id is null;
        call curated.queue_listing_versions();
    end if;
    call ops.log_step(
        this_run, 'curated.listing_versions', read_count, deleted_count + inserted_count, 0, step_started
    );
end;
$$ language plpgsql;
-- Usage: call curated.refresh_listing_versions(this_run, since_time, false);
