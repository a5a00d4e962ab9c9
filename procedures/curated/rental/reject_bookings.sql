-- Purpose: Bring the quarantine of bookings up to what was judged: one row a reason, and the whole
--   source row, as JSON too. Reads the temporary tables touched_bookings, staged_bookings and
--   judged_bookings; leaves new_rejections (booking_id, reason).
-- Grain: curated.rejected_bookings: booking and reason; curated.rejected_booking_rows: booking
-- Reads: curated.rejected_bookings, curated.rejected_booking_rows
-- Writes: curated.rejected_bookings, curated.rejected_booking_rows
-- Params: released_count: gives back how many of the touched bookings stood in the quarantine before;
--   rejected_count: how many do now
-- Schedule: none, called by curated.refresh_bookings
-- Owner: data engineering
create or replace procedure curated.reject_bookings(
    inout released_count bigint,
    inout rejected_count bigint
)
as $$
declare
    low_id bigint;
    high_id bigint;
begin
    select min(booking_id), max(booking_id) into low_id, high_id from touched_bookings;

    drop table if exists new_rejections;
    create temp table new_rejections (booking_id bigint, reason varchar(32));
    insert into new_rejections (booking_id, reason)
    select booking_id, 'missing_key' from judged_bookings where is_missing_key
    union all
    select booking_id, 'unknown_listing' from judged_bookings where is_unknown_listing
    union all
    select booking_id, 'reversed_stay' from judged_bookings where is_reversed_stay
    union all
    select booking_id, 'negative_price' from judged_bookings where is_negative_price
    union all
    select booking_id, 'unknown_currency' from judged_bookings where is_unknown_currency
    union all
    select booking_id, 'unknown_status' from judged_bookings where is_unknown_status;

    drop table if exists old_rejections;
    create temp table old_rejections (booking_id bigint, reason varchar(32));
    insert into old_rejections (booking_id, reason)
    select rejected_bookings.booking_id, rejected_bookings.reason
    from curated.rejected_bookings
    join touched_bookings
        on rejected_bookings.booking_id = touched_bookings.booking_id
    where rejected_bookings.booking_id between low_id and high_id;

    select count(distinct booking_id) into released_count from old_rejections;
    select count(distinct booking_id) into rejected_count from new_rejections;
    if released_count = 0 and rejected_count = 0 then
        return;
    end if;

    drop table if exists gone_rejections;
    create temp table gone_rejections (booking_id bigint, reason varchar(32));
    insert into gone_rejections (booking_id, reason)
    select booking_id, reason from old_rejections
    except
    select booking_id, reason from new_rejections;
    delete from curated.rejected_bookings
    using gone_rejections
    where rejected_bookings.booking_id = gone_rejections.booking_id
        and rejected_bookings.reason = gone_rejections.reason;
    insert into curated.rejected_bookings (booking_id, reason)
    select booking_id, reason
    from (
        select booking_id, reason from new_rejections
        except
        select booking_id, reason from old_rejections
    ) as fresh
    order by booking_id, reason;

    drop table if exists old_rejected_rows;
    create temp table old_rejected_rows (like staged_bookings);
    insert into old_rejected_rows (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        currency, booking_status, payment_status, num_guests
    )
    select
        quarantine.booking_id,
        quarantine.user_id,
        quarantine.apartment_id,
        quarantine.booking_date,
        quarantine.checkin_date,
        quarantine.checkout_date,
        quarantine.total_price,
        quarantine.currency,
        quarantine.booking_status,
        quarantine.payment_status,
        quarantine.num_guests
    from curated.rejected_booking_rows as quarantine
    join touched_bookings
        on quarantine.booking_id = touched_bookings.booking_id
    where quarantine.booking_id between low_id and high_id;

    drop table if exists new_rejected_rows;
    create temp table new_rejected_rows (like staged_bookings);
    insert into new_rejected_rows (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        currency, booking_status, payment_status, num_guests
    )
    select
        staged_bookings.booking_id,
        staged_bookings.user_id,
        staged_bookings.apartment_id,
        staged_bookings.booking_date,
        staged_bookings.checkin_date,
        staged_bookings.checkout_date,
        staged_bookings.total_price,
        staged_bookings.currency,
        staged_bookings.booking_status,
        staged_bookings.payment_status,
        staged_bookings.num_guests
    from staged_bookings
    join (select distinct booking_id from new_rejections) as rejected
        on staged_bookings.booking_id = rejected.booking_id;

    drop table if exists gone_rejected_rows;
    create temp table gone_rejected_rows (like staged_bookings);
    insert into gone_rejected_rows (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        currency, booking_status, payment_status, num_guests
    )
    select
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        currency, booking_status, payment_status, num_guests
    from old_rejected_rows
    except
    select
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        currency, booking_status, payment_status, num_guests
    from new_rejected_rows;
    delete from curated.rejected_booking_rows
    using gone_rejected_rows
    where rejected_booking_rows.booking_id = gone_rejected_rows.booking_id;

    insert into curated.rejected_booking_rows (
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        currency, booking_status, payment_status, num_guests, source_row
    )
    select
        booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
        currency, booking_status, payment_status, num_guests,
        object(
            'booking_id', booking_id,
            'user_id', user_id,
            'apartment_id', apartment_id,
            'booking_date', cast(booking_date as varchar(32)),
            'checkin_date', cast(checkin_date as varchar(32)),
            'checkout_date', cast(checkout_date as varchar(32)),
            'total_price', total_price,
            'currency', currency,
            'booking_status', booking_status,
            'payment_status', payment_status,
            'num_guests', num_guests
        )
    from (
        select
            booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
            currency, booking_status, payment_status, num_guests
        from new_rejected_rows
        except
        select
            booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price,
            currency, booking_status, payment_status, num_guests
        from old_rejected_rows
    ) as fresh
    order by booking_id;
end;
$$ language plpgsql;
-- Usage: call curated.reject_bookings(released_count, rejected_count);
