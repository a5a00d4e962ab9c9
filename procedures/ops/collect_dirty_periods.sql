-- Purpose: The periods that a metric must compute anew, from the queue, in a temporary table,
--   dirty_periods (period_start date). Later ones than last_period are left out: nothing of them
--   counts yet, and the run whose as_of reaches them queues them again. Work for single users or
--   listings is left to the metric.
-- Grain: one row a period
-- Reads: ops.dirty_work, ops.numbers
-- Writes: temporary tables
-- Params: metric_name; period_unit: week, month or day; first_period, last_period: the whole range
--   of the metric, for when all of it is dirty
-- Schedule: none, called by the metric refreshes
-- Owner: data engineering
create or replace procedure ops.collect_dirty_periods(
    metric_name varchar(64),
    period_unit varchar(8),
    first_period date,
    last_period date
)
as $$
declare
    everything integer;
    low_period date;
    high_period date;
    open_from date;
begin
    drop table if exists dirty_periods;
    create temp table dirty_periods (period_start date);

    select max(case when period_from is null then 1 else 0 end), min(period_from), max(period_to)
    into everything, low_period, high_period
    from ops.dirty_work
    where pipeline = 'rental' and metric = metric_name
        and user_id is null and apartment_id is null;
    if everything is null then
        return;
    end if;
    if everything = 1 then
        low_period := first_period;
        high_period := last_period;
    elsif high_period > last_period then
        high_period := last_period;
    end if;
    call ops.find_open_period(metric_name, open_from);
    if low_period < open_from then
        low_period := open_from;
    end if;
    if low_period is null or high_period is null or low_period > high_period then
        return;
    end if;

    call ops.list_periods(period_unit, low_period, high_period);
    if everything = 1 then
        insert into dirty_periods (period_start)
        select period_start
        from periods;
    else
        insert into dirty_periods (period_start)
        select distinct periods.period_start
        from periods
        join ops.dirty_work
            on periods.period_start between dirty_work.period_from and dirty_work.period_to
        where dirty_work.pipeline = 'rental'
            and dirty_work.metric = metric_name
            and dirty_work.user_id is null
            and dirty_work.apartment_id is null;
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.collect_dirty_periods('top_listings_weekly', 'week', null, date '2024-12-30');
