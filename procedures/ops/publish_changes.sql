-- Purpose: What has been computed is what analysts see: the queue is done, the watermarks and the
--   freshness that analysts see follow. Part of the transaction that wrote the metrics, so metrics and
--   freshness become visible together. Freshness that says the same as before is left as it is:
--   running twice rewrites nothing.
-- Grain: one pipeline
-- Reads: ops.watermarks, ops.accounts, ops.run_steps
-- Writes: ops.dirty_work, ops.watermarks, ops.freshness
-- Params: run_pipeline; this_run; run_as_of
-- Schedule: none, called by ops.publish_run and ops.backfill_rental
-- Owner: data engineering
create or replace procedure ops.publish_changes(
    run_pipeline varchar(64),
    this_run varchar(64),
    run_as_of timestamp
)
as $$
declare
    newest timestamp;
    rejected_total bigint;
    written_total bigint;
    same_count bigint;
begin
    delete from ops.dirty_work where pipeline = run_pipeline;

    update ops.watermarks
    set published_to = read_to
    where pipeline = run_pipeline
        and read_to is not null
        and (published_to is null or published_to <> read_to);

    select max(published_to) into newest from ops.watermarks where pipeline = run_pipeline;
    select coalesce(sum(rejected_rows), 0) into rejected_total from ops.accounts where pipeline = run_pipeline;
    select coalesce(sum(rows_written), 0) into written_total from ops.run_steps where run_id = this_run;
    select count(*) into same_count
    from ops.freshness
    where pipeline = run_pipeline
        and as_of = run_as_of
        and rejected_rows = rejected_total
        and (newest_change_at = newest or (newest_change_at is null and newest is null));
    if same_count = 0 or written_total > 0 then
        delete from ops.freshness where pipeline = run_pipeline;
        insert into ops.freshness (pipeline, as_of, published_at, newest_change_at, rejected_rows)
        values (run_pipeline, run_as_of, getdate(), newest, rejected_total);
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.publish_changes('rental', this_run, run_as_of);
