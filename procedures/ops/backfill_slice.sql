-- Purpose: Compute and publish all metrics for the periods that a range of dates touches. A metric's
--   periods are known by the end of its name; one of another name is computed as a whole.
-- Grain: one slice of a backfill
-- Reads: curated.*, ops.*
-- Writes: metrics.*, ops.*
-- Params: this_run; run_as_of: what is published; slice_from, slice_to: both included
-- Schedule: none, called by ops.backfill_rental
-- Owner: data engineering
create or replace procedure ops.backfill_slice(
    this_run varchar(64),
    run_as_of timestamp,
    slice_from date,
    slice_to date
)
as $$
declare
    step_started timestamp := getdate();
    step_name varchar(128) := 'backfill ' || slice_from || ' to ' || slice_to;
    written_before bigint;
    written_after bigint;
begin
    select coalesce(sum(rows_written), 0) into written_before from ops.run_steps where run_id = this_run;
    -- The queue is empty: all metrics are put into it, and then cut down to the slice.
    call ops.mark_everything();
    update ops.dirty_work
    set period_from = case
            when right(metric, 7) = '_weekly' then cast(date_trunc('week', slice_from) as date)
            when right(metric, 8) = '_monthly' then cast(date_trunc('month', slice_from) as date)
            when right(metric, 6) = '_daily' then slice_from
        end,
        period_to = case
            when right(metric, 7) = '_weekly' then cast(date_trunc('week', slice_to) as date)
            when right(metric, 8) = '_monthly' then cast(date_trunc('month', slice_to) as date)
            when right(metric, 6) = '_daily' then slice_to
        end
    where pipeline = 'rental';
    call metrics.refresh_rental(this_run, run_as_of);
    call ops.publish_changes('rental', this_run, run_as_of);
    select coalesce(sum(rows_written), 0) into written_after from ops.run_steps where run_id = this_run;
    call ops.log_step(this_run, step_name, 0, written_after - written_before, 0, step_started);
end;
$$ language plpgsql;
-- Usage: call ops.backfill_slice(this_run, run_as_of, date '2024-01-01', date '2024-01-31');
