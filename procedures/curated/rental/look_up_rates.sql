-- Purpose: Find for each pair of currency and day the latest rate on or before the day; US dollars
--   themselves are 1. Reads the temporary table needed_rates (currency, rate_day) and writes
--   found_rates (currency, rate_day, usd_per_unit); pairs without a rate are missing from it.
-- Grain: one row a currency and day
-- Reads: curated.exchange_rates
-- Writes: a temporary table
-- Params: none
-- Schedule: none, called by whoever converts amounts
-- Owner: data engineering
create or replace procedure curated.look_up_rates()
as $$
declare
    last_day date;
begin
    drop table if exists found_rates;
    create temp table found_rates (
        currency varchar(12),
        rate_day date,
        usd_per_unit decimal(18, 8)
    );
    select max(rate_day) into last_day from needed_rates;

    -- Questions and rates on one time line: each question takes the last rate before it. No join of days with
    -- ranges of days.
    insert into found_rates (currency, rate_day, usd_per_unit)
    select timeline.currency, timeline.rate_day, rates.usd_per_unit
    from (
        select
            marks.currency,
            marks.rate_day,
            marks.is_question,
            max(marks.known_day) over (
                partition by marks.currency
                order by marks.rate_day, marks.is_question
                rows unbounded preceding
            ) as known_day
        from (
            select distinct currency, rate_day, cast(null as date) as known_day, 1 as is_question
            from needed_rates
            where currency <> 'USD'
            union all
            select currency, rate_date as rate_day, rate_date as known_day, 0 as is_question
            from curated.exchange_rates
            where rate_date <= last_day
        ) as marks
    ) as timeline
    join curated.exchange_rates as rates
        on timeline.currency = rates.currency and timeline.known_day = rates.rate_date
    where timeline.is_question = 1
    union all
    select distinct currency, rate_day, cast(1 as decimal(18, 8)) as usd_per_unit
    from needed_rates
    where currency = 'USD';
end;
$$ language plpgsql;
-- Usage: call curated.look_up_rates();
