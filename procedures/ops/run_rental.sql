-- Purpose: Refresh the rental pipeline: curated layer, metrics and presentation, as of an instant.
--   Three transactions: the run is registered; the curated layer takes in what changed in landing
--   and queues the periods that this touches; all metrics consume the queue and are published
--   together with their freshness. A run may be killed anywhere and started again.
-- Grain: one call, one run
-- Reads: raw.*, ops.*
-- Writes: curated.*, metrics.*, ops.*
-- Params: as_of: the instant that the run speaks for, UTC; NULL is now. Earlier than the last
--   published one: nothing changes, the run is recorded as superseded.
--   mode: incremental (also NULL): what changed; full: everything anew from landing and the record
--   of history; rewind: full, and as_of may be earlier than the last one; accept_reseed: full, and
--   landing tables that were copied anew are accepted.
-- Schedule: eventbridge, or `zeroshift run rental`
-- Owner: data engineering
create or replace procedure ops.run_rental(as_of timestamp, mode varchar(32))
as $$
declare
    run_as_of timestamp := coalesce(as_of, getdate());
    run_mode varchar(32) := lower(coalesce(mode, 'incremental'));
    this_run varchar(64) := '';
    run_state varchar(32) := '';
begin
    call ops.start_run('rental', run_as_of, run_mode, this_run, run_state);
    commit;
    if run_state = 'superseded' then
        return;
    end if;

    call ops.renew_lease('rental', this_run);
    call curated.refresh_rental(this_run, run_mode);
    commit;

    call ops.renew_lease('rental', this_run);
    call metrics.refresh_rental(this_run, run_as_of);
    call ops.publish_run('rental', this_run, run_as_of);
    commit;
end;
$$ language plpgsql security definer;
-- Usage: call ops.run_rental(null, 'incremental');
