-- Purpose: Find for each source table the record time after which its changes are to be read, and move
--   its watermark to the newest one in landing. That is the time read to so far; ten minutes earlier
--   when landing has another number of versions in those minutes than it had: then some landed out
--   of order. What is read twice changes nothing, since merges write differences only.
-- Grain: one source table
-- Reads: raw.exchange_rates_history, raw.apartments_history, raw.apartment_attributes_history,
--   raw.bookings_history, raw.user_viewing_history, ops.watermarks
-- Writes: ops.watermarks
-- Params: rebuild: read everything; the others give back the time after which to read each table
-- Schedule: none, called by curated.refresh_rental
-- Owner: data engineering
create or replace procedure curated.find_changes(
    rebuild boolean,
    inout rates_since timestamp,
    inout versions_since timestamp,
    inout locations_since timestamp,
    inout bookings_since timestamp,
    inout viewings_since timestamp
)
as $$
declare
    seen_to timestamp;
    window_from timestamp;
    newest timestamp;
    newest_deleted timestamp;
    created_before bigint;
    deleted_before bigint;
    created_now bigint;
    deleted_now bigint;
begin
    -- Whatever ended after a time began before it or after it: with a bound on the beginning, zone maps leave out more.
    call ops.find_read_from('rental', 'exchange_rates', rebuild, rates_since, seen_to, created_before, deleted_before);
    if seen_to is not null then
        select count(*) into created_now
        from "raw".exchange_rates_history
        where _record_create_time > rates_since and _record_create_time <= seen_to;
        select count(*) into deleted_now
        from "raw".exchange_rates_history
        where not _record_is_active
            and _record_create_time <= seen_to
            and _record_delete_time > rates_since
            and _record_delete_time <= seen_to;
        if created_now = created_before and deleted_now = deleted_before then
            rates_since := seen_to;
        end if;
    end if;
    select max(_record_create_time), max(case when not _record_is_active then _record_delete_time end)
    into newest, newest_deleted
    from "raw".exchange_rates_history
    where _record_create_time > rates_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    select max(_record_delete_time) into newest_deleted
    from "raw".exchange_rates_history
    where not _record_is_active and _record_create_time <= rates_since and _record_delete_time > rates_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    if rebuild or newest is not null then
        window_from := dateadd(minute, -10, newest);
        select count(*) into created_now
        from "raw".exchange_rates_history
        where _record_create_time > window_from and _record_create_time <= newest;
        select count(*) into deleted_now
        from "raw".exchange_rates_history
        where not _record_is_active
            and _record_create_time <= newest
            and _record_delete_time > window_from
            and _record_delete_time <= newest;
        call ops.move_watermark('rental', 'exchange_rates', newest, created_now, deleted_now);
    end if;

    call ops.find_read_from('rental', 'apartments', rebuild, versions_since, seen_to, created_before, deleted_before);
    if seen_to is not null then
        select count(*) into created_now
        from "raw".apartments_history
        where _record_create_time > versions_since and _record_create_time <= seen_to;
        select count(*) into deleted_now
        from "raw".apartments_history
        where not _record_is_active
            and _record_create_time <= seen_to
            and _record_delete_time > versions_since
            and _record_delete_time <= seen_to;
        if created_now = created_before and deleted_now = deleted_before then
            versions_since := seen_to;
        end if;
    end if;
    select max(_record_create_time), max(case when not _record_is_active then _record_delete_time end)
    into newest, newest_deleted
    from "raw".apartments_history
    where _record_create_time > versions_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    select max(_record_delete_time) into newest_deleted
    from "raw".apartments_history
    where not _record_is_active and _record_create_time <= versions_since and _record_delete_time > versions_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    if rebuild or newest is not null then
        window_from := dateadd(minute, -10, newest);
        select count(*) into created_now
        from "raw".apartments_history
        where _record_create_time > window_from and _record_create_time <= newest;
        select count(*) into deleted_now
        from "raw".apartments_history
        where not _record_is_active
            and _record_create_time <= newest
            and _record_delete_time > window_from
            and _record_delete_time <= newest;
        call ops.move_watermark('rental', 'apartments', newest, created_now, deleted_now);
    end if;

    call ops.find_read_from('rental', 'apartment_attributes', rebuild, locations_since, seen_to, created_before, deleted_before);
    if seen_to is not null then
        select count(*) into created_now
        from "raw".apartment_attributes_history
        where _record_create_time > locations_since and _record_create_time <= seen_to;
        select count(*) into deleted_now
        from "raw".apartment_attributes_history
        where not _record_is_active
            and _record_create_time <= seen_to
            and _record_delete_time > locations_since
            and _record_delete_time <= seen_to;
        if created_now = created_before and deleted_now = deleted_before then
            locations_since := seen_to;
        end if;
    end if;
    select max(_record_create_time), max(case when not _record_is_active then _record_delete_time end)
    into newest, newest_deleted
    from "raw".apartment_attributes_history
    where _record_create_time > locations_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    select max(_record_delete_time) into newest_deleted
    from "raw".apartment_attributes_history
    where not _record_is_active and _record_create_time <= locations_since and _record_delete_time > locations_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    if rebuild or newest is not null then
        window_from := dateadd(minute, -10, newest);
        select count(*) into created_now
        from "raw".apartment_attributes_history
        where _record_create_time > window_from and _record_create_time <= newest;
        select count(*) into deleted_now
        from "raw".apartment_attributes_history
        where not _record_is_active
            and _record_create_time <= newest
            and _record_delete_time > window_from
            and _record_delete_time <= newest;
        call ops.move_watermark('rental', 'apartment_attributes', newest, created_now, deleted_now);
    end if;

    call ops.find_read_from('rental', 'bookings', rebuild, bookings_since, seen_to, created_before, deleted_before);
    if seen_to is not null then
        select count(*) into created_now
        from "raw".bookings_history
        where _record_create_time > bookings_since and _record_create_time <= seen_to;
        select count(*) into deleted_now
        from "raw".bookings_history
        where not _record_is_active
            and _record_create_time <= seen_to
            and _record_delete_time > bookings_since
            and _record_delete_time <= seen_to;
        if created_now = created_before and deleted_now = deleted_before then
            bookings_since := seen_to;
        end if;
    end if;
    select max(_record_create_time), max(case when not _record_is_active then _record_delete_time end)
    into newest, newest_deleted
    from "raw".bookings_history
    where _record_create_time > bookings_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    select max(_record_delete_time) into newest_deleted
    from "raw".bookings_history
    where not _record_is_active and _record_create_time <= bookings_since and _record_delete_time > bookings_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    if rebuild or newest is not null then
        window_from := dateadd(minute, -10, newest);
        select count(*) into created_now
        from "raw".bookings_history
        where _record_create_time > window_from and _record_create_time <= newest;
        select count(*) into deleted_now
        from "raw".bookings_history
        where not _record_is_active
            and _record_create_time <= newest
            and _record_delete_time > window_from
            and _record_delete_time <= newest;
        call ops.move_watermark('rental', 'bookings', newest, created_now, deleted_now);
    end if;

    call ops.find_read_from('rental', 'user_viewing', rebuild, viewings_since, seen_to, created_before, deleted_before);
    if seen_to is not null then
        select count(*) into created_now
        from "raw".user_viewing_history
        where _record_create_time > viewings_since and _record_create_time <= seen_to;
        select count(*) into deleted_now
        from "raw".user_viewing_history
        where not _record_is_active
            and _record_create_time <= seen_to
            and _record_delete_time > viewings_since
            and _record_delete_time <= seen_to;
        if created_now = created_before and deleted_now = deleted_before then
            viewings_since := seen_to;
        end if;
    end if;
    select max(_record_create_time), max(case when not _record_is_active then _record_delete_time end)
    into newest, newest_deleted
    from "raw".user_viewing_history
    where _record_create_time > viewings_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    select max(_record_delete_time) into newest_deleted
    from "raw".user_viewing_history
    where not _record_is_active and _record_create_time <= viewings_since and _record_delete_time > viewings_since;
    if newest is null or newest_deleted > newest then
        newest := newest_deleted;
    end if;
    if rebuild or newest is not null then
        window_from := dateadd(minute, -10, newest);
        select count(*) into created_now
        from "raw".user_viewing_history
        where _record_create_time > window_from and _record_create_time <= newest;
        select count(*) into deleted_now
        from "raw".user_viewing_history
        where not _record_is_active
            and _record_create_time <= newest
            and _record_delete_time > window_from
            and _record_delete_time <= newest;
        call ops.move_watermark('rental', 'user_viewing', newest, created_now, deleted_now);
    end if;
end;
$$ language plpgsql;
-- Usage: see curated.refresh_rental, which passes five variables.
