-- Purpose: Keep the account of a source table: present landing rows = curated rows + rejected rows.
--   Incrementally from the rows that the run touched, by a full count after a full refresh; raises
--   when it does not come out.
-- Grain: run and source table
-- Reads: ops.accounts
-- Writes: ops.accounts, ops.run_accounts
-- Params: this_run; source_table; landing_count, curated_count, rejected_count: the numbers, or
--   by how much they changed; counted: they are full counts
-- Schedule: none, called by the curated refreshes
-- Owner: data engineering
create or replace procedure ops.account(
    this_run varchar(64),
    source_table varchar(128),
    landing_count bigint,
    curated_count bigint,
    rejected_count bigint,
    counted boolean
)
as $$
declare
    landing_total bigint := 0;
    curated_total bigint := 0;
    rejected_total bigint := 0;
    closed_before date;
begin
    if not counted then
        select coalesce(max(landing_rows), 0), coalesce(max(curated_rows), 0), coalesce(max(rejected_rows), 0)
        into landing_total, curated_total, rejected_total
        from ops.accounts
        where pipeline = 'rental' and table_name = source_table;
    end if;
    landing_total := landing_total + landing_count;
    curated_total := curated_total + curated_count;
    rejected_total := rejected_total + rejected_count;
    if landing_total <> curated_total + rejected_total then
        raise exception 'account of %: % rows in landing, but % curated and % rejected; run with mode full',
            source_table, landing_total, curated_total, rejected_total;
    end if;

    select max(archived_before) into closed_before
    from ops.accounts
    where pipeline = 'rental' and table_name = source_table;
    delete from ops.accounts where pipeline = 'rental' and table_name = source_table;
    insert into ops.accounts (
        pipeline, table_name, landing_rows, curated_rows, rejected_rows, archived_before
    )
    values ('rental', source_table, landing_total, curated_total, rejected_total, closed_before);
    insert into ops.run_accounts (
        run_id, table_name, landing_rows, curated_rows, rejected_rows, counted_in_full, recorded_at
    )
    values (this_run, source_table, landing_total, curated_total, rejected_total, counted, getdate());
end;
$$ language plpgsql;
-- Usage: call ops.account(this_run, 'bookings', 10, 9, 1, true);
