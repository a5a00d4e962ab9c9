-- How the states of replicated tables changed: DG "SYS_INTEGRATION_TABLE_STATE_CHANGE". Written wherever a state is, by whom
-- ever: replication, a load, ALTER DATABASE ... INTEGRATION REFRESH. Rows are kept for seven days, as of all SYS views.
create table if not exists zeroshift.integration_state_changes (
    integration_id text not null references zeroshift.integrations on delete cascade,
    schema_name text not null,
    table_name text not null,
    new_state text not null,
    txn_seq bigint not null,
    reason text not null,
    record_time timestamp not null default (clock_timestamp() at time zone 'UTC')
);

create or replace function zeroshift.log_table_state() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into zeroshift.integration_state_changes (integration_id, schema_name, table_name, new_state, txn_seq, reason)
    values (new.integration_id, new.schema_name, new.table_name, new.table_state, new.txn_seq, new.reason);
    return null;
end $$;

create or replace trigger table_state_changed after update on zeroshift.integration_tables
for each row when (old.table_state is distinct from new.table_state) execute function zeroshift.log_table_state();
create or replace trigger table_state_made after insert on zeroshift.integration_tables
for each row execute function zeroshift.log_table_state();

-- The page's values of new_state have no DroppedSource, which SVV_INTEGRATION_TABLE_STATE has; it is shown as there.
create or replace view redshift_catalog.sys_integration_table_state_change as
select c.integration_id::character(128), i.target_database::character(128) as database_name, c.schema_name::character(128),
       c.table_name::character(128), c.new_state::character(128),
       format('{"txn_seq":%s,"txn_id":%s}', c.txn_seq, c.txn_seq)::character(128) as table_last_replicated_checkpoint,
       c.reason::character(256) as state_change_reason, c.record_time
from zeroshift.integration_state_changes c
join zeroshift.integrations i using (integration_id);

-- "A superuser can see all rows": nothing is said of others, who see none.
revoke select on redshift_catalog.sys_integration_table_state_change from public;
grant select on redshift_catalog.sys_integration_table_state_change to zeroshift_superusers;
