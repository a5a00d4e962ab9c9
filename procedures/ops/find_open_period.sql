-- Purpose: The first period of a metric that is still open (ops.closed_periods). A metric that the view
--   does not know is the project's own: it may read all that is curated, a daily one 29 days back.
-- Grain: one metric
-- Reads: ops.closed_periods, archive.horizons
-- Writes: nothing
-- Params: metric_name: as in ops.dirty_work; open_from: gives the day back, 0001-01-01 when all is open
-- Schedule: none, called by ops.collect_dirty_periods, ops.collect_dirty_areas and metrics.*
-- Owner: data engineering
create or replace procedure ops.find_open_period(metric_name varchar(64), inout open_from date)
as $$
declare
    of_metric varchar(64) := metric_name;
    known_count bigint;
begin
    if metric_name = 'listing_engagement_bookings' then
        of_metric := 'listing_engagement_weekly';
    end if;
    select count(*), max(closed_before) into known_count, open_from
    from ops.closed_periods
    where metric = of_metric;
    if known_count = 0 then
        select max(
            case
                when right(of_metric, 6) = '_daily' and left(table_name, 8) = 'curated.' then dateadd(day, 29, horizon)
                else horizon
            end
        )
        into open_from
        from archive.horizons
        where table_name in ('curated.bookings', 'curated.user_viewings', 'metrics.' || of_metric)
            and horizon > '0001-01-01';
        -- Up to the next beginning of a period.
        if right(of_metric, 7) = '_weekly' then
            open_from := date_trunc('week', dateadd(day, 6, open_from));
        elsif right(of_metric, 8) = '_monthly' then
            open_from := dateadd(month, 1, date_trunc('month', dateadd(day, -1, open_from)));
        end if;
    end if;
    if open_from is null then
        open_from := cast('0001-01-01' as date);
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.find_open_period('top_listings_weekly', open_from);
