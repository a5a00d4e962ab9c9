-- Purpose: The archive's horizon of a table has moved: what is before it leaves both sides of its
--   account, present landing rows = curated rows + rejected rows, and what is no longer before it
--   comes back. A full refresh counts both anew.
-- Grain: one source table
-- Reads: nothing
-- Writes: ops.accounts
-- Params: source_table; closed_before: the horizon; curated_count: curated rows that are not before it
-- Schedule: none, called by the curated refreshes
-- Owner: data engineering
create or replace procedure ops.move_account(
    source_table varchar(128),
    closed_before date,
    curated_count bigint
)
as $$
begin
    update ops.accounts
    set landing_rows = landing_rows - curated_rows + curated_count,
        curated_rows = curated_count,
        archived_before = closed_before
    where pipeline = 'rental' and table_name = source_table;
end;
$$ language plpgsql;
-- Usage: call ops.move_account('bookings', closed_before, 100);
