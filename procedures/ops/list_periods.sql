-- Purpose: List the weeks, months or days between two of them in a temporary table, periods
--   (period_start date).
-- Grain: one row a period, both ends included
-- Reads: ops.numbers
-- Writes: a temporary table
-- Params: period_unit: week, month or day; first_period, last_period: starts of periods
-- Schedule: none, called by the metric refreshes
-- Owner: data engineering
create or replace procedure ops.list_periods(
    period_unit varchar(8),
    first_period date,
    last_period date
)
as $$
declare
    step_count bigint;
begin
    drop table if exists periods;
    create temp table periods (period_start date);
    -- Two digits of base 1000: enough days for all dates that there are, and few rows are read for few days.
    if period_unit = 'month' then
        step_count := datediff(month, first_period, last_period);
        insert into periods (period_start)
        select cast(dateadd(month, thousands.n * 1000 + units.n, first_period) as date)
        from ops.numbers as thousands
        cross join ops.numbers as units
        where units.n < 1000
            and thousands.n <= cast(step_count / 1000 as bigint)
            and thousands.n * 1000 + units.n <= step_count;
    elsif period_unit = 'week' then
        step_count := cast(datediff(day, first_period, last_period) / 7 as bigint);
        insert into periods (period_start)
        select cast(dateadd(day, 7 * (thousands.n * 1000 + units.n), first_period) as date)
        from ops.numbers as thousands
        cross join ops.numbers as units
        where units.n < 1000
            and thousands.n <= cast(step_count / 1000 as bigint)
            and thousands.n * 1000 + units.n <= step_count;
    else
        step_count := datediff(day, first_period, last_period);
        insert into periods (period_start)
        select cast(dateadd(day, thousands.n * 1000 + units.n, first_period) as date)
        from ops.numbers as thousands
        cross join ops.numbers as units
        where units.n < 1000
            and thousands.n <= cast(step_count / 1000 as bigint)
            and thousands.n * 1000 + units.n <= step_count;
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.list_periods('week', date '2024-01-01', date '2024-12-30');
