-- Purpose: Stop the run when landing was copied anew since the last one (a resync, a recreated
--   database, a failover): then it has lost versions, and somebody must look before the record of
--   history is continued from it. A table was copied anew when rows of it had been seen and none of
--   them, judged by record time, is there any more.
-- Grain: one check of all source tables
-- Reads: ops.watermarks, raw.apartments_history, raw.apartment_attributes_history,
--   raw.user_viewing_history, raw.bookings_history, raw.exchange_rates_history
-- Writes: nothing
-- Params: none
-- Schedule: none, called by every run that was not told to accept the reseed
-- Owner: data engineering
create or replace procedure ops.check_epochs()
as $$
declare
    seen_to timestamp;
    known_count bigint;
    copied varchar(1024) := '';
begin
    select max(read_to) into seen_to
    from ops.watermarks
    where pipeline = 'rental' and table_name = 'apartments';
    if seen_to is not null then
        select count(*) into known_count
        from (
            select 1 as one
            from "raw".apartments_history
            where _record_create_time <= seen_to
            limit 1
        ) as oldest;
        if known_count = 0 then
            copied := copied || ' apartments';
        end if;
    end if;

    select max(read_to) into seen_to
    from ops.watermarks
    where pipeline = 'rental' and table_name = 'apartment_attributes';
    if seen_to is not null then
        select count(*) into known_count
        from (
            select 1 as one
            from "raw".apartment_attributes_history
            where _record_create_time <= seen_to
            limit 1
        ) as oldest;
        if known_count = 0 then
            copied := copied || ' apartment_attributes';
        end if;
    end if;

    select max(read_to) into seen_to
    from ops.watermarks
    where pipeline = 'rental' and table_name = 'user_viewing';
    if seen_to is not null then
        select count(*) into known_count
        from (
            select 1 as one
            from "raw".user_viewing_history
            where _record_create_time <= seen_to
            limit 1
        ) as oldest;
        if known_count = 0 then
            copied := copied || ' user_viewing';
        end if;
    end if;

    select max(read_to) into seen_to
    from ops.watermarks
    where pipeline = 'rental' and table_name = 'bookings';
    if seen_to is not null then
        select count(*) into known_count
        from (
            select 1 as one
            from "raw".bookings_history
            where _record_create_time <= seen_to
            limit 1
        ) as oldest;
        if known_count = 0 then
            copied := copied || ' bookings';
        end if;
    end if;

    select max(read_to) into seen_to
    from ops.watermarks
    where pipeline = 'rental' and table_name = 'exchange_rates';
    if seen_to is not null then
        select count(*) into known_count
        from (
            select 1 as one
            from "raw".exchange_rates_history
            where _record_create_time <= seen_to
            limit 1
        ) as oldest;
        if known_count = 0 then
            copied := copied || ' exchange_rates';
        end if;
    end if;

    if copied <> '' then
        raise exception 'landing was copied anew:% of rental_landing.rental; versions may be missing. Check, then run with --accept-reseed (mode accept_reseed)',
            copied;
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.check_epochs();
