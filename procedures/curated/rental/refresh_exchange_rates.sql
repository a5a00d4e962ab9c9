-- Purpose: Take in changed exchange rates, and queue what they change: until the next rate, the
--   dollars of bookings (kept on the booking) and of average prices. A NULL rate is no rate.
-- Grain: curated.exchange_rates: currency (trimmed, upper case) and day
-- Reads: raw.exchange_rates_history, raw.exchange_rates
-- Writes: curated.exchange_rates, curated.bookings, ops.dirty_work, ops.run_steps
-- Params: this_run; since_time: read landing's changes after this record time; rebuild: all of it is read
-- Schedule: none, called by curated.refresh_rental
-- Owner: data engineering
create or replace procedure curated.refresh_exchange_rates(
    this_run varchar(64),
    since_time timestamp,
    rebuild boolean
)
as $$
declare
    step_started timestamp := getdate();
    blanks varchar(8) := ' ' || chr(9) || chr(10) || chr(13);
    low_day date;
    high_day date;
    read_count bigint;
    deleted_count bigint := 0;
    inserted_count bigint := 0;
    repriced_count bigint := 0;
begin

    drop table if exists touched_rates;
    create temp table touched_rates (currency varchar(12), rate_date date);
    insert into touched_rates (currency, rate_date)
    select upper(btrim(currency, blanks)), rate_date
    from "raw".exchange_rates_history
    where _record_create_time > since_time
    union
    select upper(btrim(currency, blanks)), rate_date
    from "raw".exchange_rates_history
    where not _record_is_active and _record_create_time <= since_time and _record_delete_time > since_time;
    if rebuild then
        insert into touched_rates (currency, rate_date)
        select currency, rate_date
        from curated.exchange_rates
        except
        select currency, rate_date
        from touched_rates;
    end if;
    select count(*), min(rate_date), max(rate_date)
    into read_count, low_day, high_day
    from touched_rates;

    if read_count = 0 then
        call ops.log_step(this_run, 'curated.exchange_rates', 0, 0, 0, step_started);
        return;
    end if;

    -- Two source keys may be one currency after trimming and upper-casing: the newest row wins.
    drop table if exists new_rates;
    create temp table new_rates (currency varchar(12), rate_date date, usd_per_unit decimal(18, 8));
    insert into new_rates (currency, rate_date, usd_per_unit)
    select currency, rate_date, usd_per_unit
    from (
        select
            touched_rates.currency,
            touched_rates.rate_date,
            present.usd_per_unit,
            row_number() over (
                partition by touched_rates.currency, touched_rates.rate_date
                order by present._record_create_time desc, present.usd_per_unit desc
            ) as version_rank
        from "raw".exchange_rates as present
        join touched_rates
            on touched_rates.currency = upper(btrim(present.currency, blanks))
            and touched_rates.rate_date = present.rate_date
        where present.rate_date between low_day and high_day
            and present.usd_per_unit is not null
    ) as ranked
    where version_rank = 1;

    drop table if exists old_rates;
    create temp table old_rates (currency varchar(12), rate_date date, usd_per_unit decimal(18, 8));
    insert into old_rates (currency, rate_date, usd_per_unit)
    select exchange_rates.currency, exchange_rates.rate_date, exchange_rates.usd_per_unit
    from curated.exchange_rates
    join touched_rates
        on exchange_rates.currency = touched_rates.currency
        and exchange_rates.rate_date = touched_rates.rate_date
    where exchange_rates.rate_date between low_day and high_day;

    drop table if exists gone_rates;
    create temp table gone_rates (currency varchar(12), rate_date date, usd_per_unit decimal(18, 8));
    insert into gone_rates (currency, rate_date, usd_per_unit)
    select currency, rate_date, usd_per_unit
    from old_rates
    except
    select currency, rate_date, usd_per_unit
    from new_rates;

    drop table if exists fresh_rates;
    create temp table fresh_rates (currency varchar(12), rate_date date, usd_per_unit decimal(18, 8));
    insert into fresh_rates (currency, rate_date, usd_per_unit)
    select currency, rate_date, usd_per_unit
    from new_rates
    except
    select currency, rate_date, usd_per_unit
    from old_rates;

    delete from curated.exchange_rates
    using gone_rates
    where exchange_rates.currency = gone_rates.currency
        and exchange_rates.rate_date = gone_rates.rate_date;
    get diagnostics deleted_count := row_count;
    insert into curated.exchange_rates (currency, rate_date, usd_per_unit)
    select currency, rate_date, usd_per_unit
    from fresh_rates
    order by rate_date, currency;
    get diagnostics inserted_count := row_count;

    if deleted_count + inserted_count > 0 then
        call curated.reprice_bookings(repriced_count);
    end if;
    call ops.log_step(
        this_run,
        'curated.exchange_rates',
        read_count,
        deleted_count + inserted_count + repriced_count,
        0,
        step_started
    );
end;
$$ language plpgsql;
-- Usage: call curated.refresh_exchange_rates(this_run, since_time, false);
