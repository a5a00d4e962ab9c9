-- Purpose: The first half of a run: take in what changed in landing, and queue the periods that this
--   touches. One transaction with the queue, so nothing is lost when publishing fails afterwards.
-- Grain: one run
-- Reads: raw.*, ops.*
-- Writes: curated.*, ops.dirty_work, ops.watermarks, ops.accounts, ops.run_accounts, ops.run_steps
-- Params: this_run; run_mode: incremental, full, rewind or accept_reseed
-- Schedule: none, called by ops.run_rental
-- Owner: data engineering
create or replace procedure curated.refresh_rental(this_run varchar(64), run_mode varchar(32))
as $$
declare
    rebuild boolean := run_mode <> 'incremental';
    rates_since timestamp;
    versions_since timestamp;
    locations_since timestamp;
    bookings_since timestamp;
    viewings_since timestamp;
begin
    if run_mode <> 'accept_reseed' then
        call ops.check_epochs();
    end if;
    call curated.find_changes(
        rebuild, rates_since, versions_since, locations_since, bookings_since, viewings_since
    );
    -- Rates before bookings, which are converted as they come in; versions before locations, since what
    -- a version touches is queued for the old location, and a new location queues all of a listing's
    -- history for both; listings before what refers to them.
    call curated.refresh_exchange_rates(this_run, rates_since, rebuild);
    call curated.refresh_listing_versions(this_run, versions_since, rebuild);
    call curated.refresh_listing_locations(this_run, locations_since, rebuild);
    call curated.refresh_bookings(this_run, bookings_since, rebuild);
    call curated.refresh_user_viewings(this_run, viewings_since, rebuild);
    if rebuild then
        -- What the refreshes have queued is part of it.
        call ops.mark_everything();
    end if;
end;
$$ language plpgsql;
-- Usage: call curated.refresh_rental(this_run, 'incremental');
