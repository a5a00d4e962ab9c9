-- Purpose: Take in changed bookings: judge them, keep the good ones in curated.bookings with their
--   dollars, the others in the quarantine with every reason that applies. Also judges again those of
--   listings that became known or unknown (temporary table listing_changes). Writes differences
--   only, and queues the periods of the rows as they were and as they are. Good ones that are closed
--   before the archive's horizon are left out.
-- Grain: curated.bookings: booking; curated.rejected_bookings: booking and reason;
--   curated.rejected_booking_rows: booking
-- Reads: raw.bookings_history, raw.bookings, curated.listing_versions, curated.exchange_rates,
--   archive.horizons
-- Writes: curated.bookings, curated.rejected_bookings, curated.rejected_booking_rows,
--   ops.dirty_work, ops.accounts, ops.run_accounts, ops.run_steps
-- Params: this_run; since_time: read landing's changes after this record time; rebuild: all of it is read
-- Schedule: none, called by curated.refresh_rental
-- Owner: data engineering
create or replace procedure curated.refresh_bookings(
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
    -- What is before the archive's horizon is left out, and what is still there is left alone.
    call archive.find_horizon('curated.bookings', closed_before);
    select coalesce(max(archived_before), cast('0001-01-01' as date))
    into accounted_before
    from ops.accounts
    where pipeline = 'rental' and table_name = 'bookings';
    if accounted_before <> closed_before then
        select count(*) into curated_count
        from curated.bookings
        where closed_on >= closed_before or closed_on is null;
        call ops.move_account('bookings', closed_before, curated_count);
    end if;
    call curated.stage_bookings(since_time, rebuild);
    select count(*), min(booking_id), max(booking_id)
    into known_before, low_id, high_id
    from touched_bookings;
    if known_before = 0 then
        call ops.account(this_run, 'bookings', 0, 0, 0, rebuild);
        call ops.log_step(this_run, 'curated.bookings', 0, 0, 0, step_started);
        return;
    end if;
    select count(*) into staged_count from staged_bookings;

    drop table if exists judged_bookings;
    create temp table judged_bookings (
        booking_id bigint,
        user_id bigint,
        apartment_id bigint,
        booking_date timestamp,
        checkin_date date,
        checkout_date date,
        total_price decimal(12, 2),
        currency varchar(12),
        booking_status varchar(80),
        payment_status varchar(80),
        num_guests integer,
        rate_day date,
        closed_on date,
        is_missing_key boolean,
        is_unknown_listing boolean,
        is_reversed_stay boolean,
        is_negative_price boolean,
        is_unknown_currency boolean,
        is_unknown_status boolean
    );
    insert into judged_bookings (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        currency, booking_status, payment_status, num_guests, rate_day, closed_on, is_missing_key,
        is_unknown_listing, is_reversed_stay, is_negative_price, is_unknown_currency, is_unknown_status
    )
    select
        cleaned.booking_id,
        cleaned.user_id,
        cleaned.apartment_id,
        cleaned.booking_date,
        cleaned.checkin_date,
        cleaned.checkout_date,
        cleaned.total_price,
        cleaned.currency,
        cleaned.booking_status,
        cleaned.payment_status,
        cleaned.num_guests,
        cast(cleaned.booking_date as date),
        case
            when cleaned.checkout_date > cast(cleaned.booking_date as date) then cleaned.checkout_date
            else cast(cleaned.booking_date as date)
        end,
        cleaned.user_id is null or cleaned.apartment_id is null or cleaned.booking_date is null
            or cleaned.checkin_date is null or cleaned.checkout_date is null,
        known.apartment_id is null,
        coalesce(cleaned.checkout_date <= cleaned.checkin_date, false),
        cleaned.total_price is null or cleaned.total_price < 0,
        cleaned.currency is null or not cleaned.currency ~ '^[A-Z][A-Z][A-Z]$',
        cleaned.booking_status is null
            or cleaned.booking_status not in ('confirmed', 'pending', 'canceled')
    from (
        select
            booking_id,
            user_id,
            apartment_id,
            booking_date,
            checkin_date,
            checkout_date,
            total_price,
            upper(btrim(currency, blanks)) as currency,
            lower(btrim(booking_status, blanks)) as booking_status,
            lower(btrim(payment_status, blanks)) as payment_status,
            num_guests
        from staged_bookings
    ) as cleaned
    left join (select distinct apartment_id from curated.listing_versions) as known
        on cleaned.apartment_id = known.apartment_id;

    drop table if exists needed_rates;
    create temp table needed_rates (currency varchar(12), rate_day date);
    insert into needed_rates (currency, rate_day)
    select distinct currency, rate_day
    from judged_bookings
    where rate_day is not null and not is_unknown_currency;
    call curated.look_up_rates();

    drop table if exists new_bookings;
    create temp table new_bookings (like curated.bookings);
    insert into new_bookings (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    )
    select
        judged_bookings.booking_id,
        judged_bookings.user_id,
        judged_bookings.apartment_id,
        judged_bookings.booking_date,
        judged_bookings.checkin_date,
        judged_bookings.checkout_date,
        judged_bookings.total_price,
        cast(judged_bookings.total_price * found_rates.usd_per_unit as decimal(31, 10)),
        judged_bookings.currency,
        judged_bookings.booking_status,
        judged_bookings.payment_status,
        judged_bookings.num_guests,
        judged_bookings.booking_status = 'confirmed'
            and (judged_bookings.payment_status is null or judged_bookings.payment_status = 'paid'),
        judged_bookings.rate_day > judged_bookings.checkin_date,
        judged_bookings.closed_on
    from judged_bookings
    left join found_rates
        on judged_bookings.currency = found_rates.currency
        and judged_bookings.rate_day = found_rates.rate_day
    where not (
        judged_bookings.is_missing_key
        or judged_bookings.is_unknown_listing
        or judged_bookings.is_reversed_stay
        or judged_bookings.is_negative_price
        or judged_bookings.is_unknown_currency
        or judged_bookings.is_unknown_status
    );
    delete from new_bookings where closed_on < closed_before;
    get diagnostics left_out_count := row_count;

    drop table if exists old_bookings;
    create temp table old_bookings (like curated.bookings);
    insert into old_bookings (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    )
    select
        bookings.booking_id,
        bookings.user_id,
        bookings.apartment_id,
        bookings.booking_date,
        bookings.checkin_date,
        bookings.checkout_date,
        bookings.total_price,
        bookings.total_price_usd,
        bookings.currency,
        bookings.booking_status,
        bookings.payment_status,
        bookings.num_guests,
        bookings.is_stay,
        bookings.is_booked_after_checkin,
        bookings.closed_on
    from curated.bookings
    join touched_bookings
        on bookings.booking_id = touched_bookings.booking_id
    left join new_bookings
        on bookings.booking_id = new_bookings.booking_id
    where bookings.booking_id between low_id and high_id
        and (
            bookings.closed_on >= closed_before
            or bookings.closed_on is null
            -- It was closed, and its dates have moved.
            or new_bookings.booking_id is not null
        );
    select count(*) into moved_count from old_bookings where closed_on < closed_before;

    drop table if exists gone_bookings;
    create temp table gone_bookings (like curated.bookings);
    insert into gone_bookings (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    )
    select
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    from old_bookings
    except
    select
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    from new_bookings;

    drop table if exists fresh_bookings;
    create temp table fresh_bookings (like curated.bookings);
    insert into fresh_bookings (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    )
    select
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    from new_bookings
    except
    select
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    from old_bookings;

    select min(booking_date), max(booking_date) into low_time, high_time from gone_bookings;
    delete from curated.bookings
    using gone_bookings
    where bookings.booking_id = gone_bookings.booking_id
        and bookings.booking_date between low_time and high_time;
    get diagnostics deleted_count := row_count;
    insert into curated.bookings (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    )
    select
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        total_price_usd, currency, booking_status, payment_status, num_guests, is_stay,
        is_booked_after_checkin, closed_on
    from fresh_bookings
    order by booking_date, checkin_date, checkout_date, booking_id;
    get diagnostics inserted_count := row_count;

    call curated.reject_bookings(released_count, rejected_count);
    if not rebuild then
        call curated.queue_bookings();
    end if;

    if rebuild then
        select count(*) into landing_count from "raw".bookings;
        landing_count := landing_count - left_out_count;
        select count(*) into curated_count
        from curated.bookings
        where closed_on >= closed_before or closed_on is null;
        select count(distinct booking_id) into rejected_count from curated.rejected_bookings;
        call ops.account(this_run, 'bookings', landing_count, curated_count, rejected_count, true);
    else
        -- Landing's change is counted from what was staged and what was there before, the other two from what was
        -- written.
        select count(*) into known_before from old_bookings;
        landing_count := staged_count - left_out_count - (known_before - moved_count) - released_count;
        curated_count := inserted_count - (deleted_count - moved_count);
        rejected_count := rejected_count - released_count;
        call ops.account(this_run, 'bookings', landing_count, curated_count, rejected_count, false);
    end if;
    select count(distinct booking_id) into rejected_count from new_rejections;
    call ops.log_step(
        this_run,
        'curated.bookings',
        staged_count,
        deleted_count + inserted_count,
        rejected_count,
        step_started
    );
    if left_out_count > 0 then
        call ops.log_step(
            this_run, 'curated.bookings: closed by the archive', left_out_count, 0, 0, step_started
        );
    end if;
end;
$$ language plpgsql;
-- Usage: call curated.refresh_bookings(this_run, since_time, false);
