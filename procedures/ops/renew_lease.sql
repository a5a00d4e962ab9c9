-- Purpose: Fence a run: the first statement of each of its transactions. Raises when another run or
--   a deployment has taken the lease over; else the row's write lock keeps everybody out until the
--   transaction ends. Again at the end of a transaction that another one follows: whoever takes the
--   lock in between sees that the run was at work a moment ago.
-- Grain: one pipeline
-- Reads: nothing
-- Writes: ops.leases
-- Params: run_pipeline; this_run: the run that must hold the lease
-- Schedule: none, called by ops.run_rental and ops.backfill_rental
-- Owner: data engineering
create or replace procedure ops.renew_lease(run_pipeline varchar(64), this_run varchar(64))
as $$
declare
    renewed_count integer;
begin
    update ops.leases
    set expires_at = getdate(), touched_at = getdate()
    where pipeline = run_pipeline and token = this_run;
    get diagnostics renewed_count := row_count;
    if renewed_count = 0 then
        raise exception 'lease lost: run % of pipeline % was taken over and changed nothing further',
            this_run, run_pipeline;
    end if;
end;
$$ language plpgsql;
-- Usage: call ops.renew_lease('rental', this_run);
