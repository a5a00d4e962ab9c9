-- What SVV_INTEGRATION, SVV_INTEGRATION_TABLE_STATE and SYS_INTEGRATION_* show: the local zero-ETL integrations.
-- Written only by deployer/local/landing; the catalog views read it. Times are UTC without zone, as everywhere.
create schema if not exists zeroshift;

create table if not exists zeroshift.integrations (
    integration_id text primary key,
    target_database text not null unique,
    source text not null check (source in ('MySQL', 'PostgreSQL')),
    source_database text not null,
    state text not null
        check (state in ('PendingDbConnectState', 'SchemaDiscoveryState', 'CdcRefreshState', 'ErrorState')),
    is_history_mode boolean not null,
    refresh_interval integer not null default 0,
    creation_time timestamp not null,
    -- The instant of the last load or resync: the next one must not precede it. NULL before the first.
    last_applied_at timestamp,
    -- Counts the source's commits, as txn_seq of the documented checkpoint does.
    txn_seq bigint not null default 0
);

create table if not exists zeroshift.integration_tables (
    integration_id text not null references zeroshift.integrations on delete cascade,
    schema_name text not null,
    table_name text not null,
    table_state text not null
        check (table_state in
            ('Synced', 'Failed', 'Deleted', 'ResyncRequired', 'ResyncInitiated', 'DroppedSource')),
    reason text not null default '',
    last_updated_timestamp timestamp,
    -- The checkpoint of the last commit that changed the table.
    txn_seq bigint not null default 0,
    table_rows bigint not null default 0,
    is_history_mode boolean not null,
    -- When the table was last copied whole (its first load, or a resync): its epoch.
    copied_at timestamp,
    primary key (integration_id, schema_name, table_name)
);

create table if not exists zeroshift.integration_activity (
    integration_id text not null references zeroshift.integrations on delete cascade,
    schema_name text not null,
    table_name text not null,
    txn_seq bigint not null,
    checkpoint_type text not null check (checkpoint_type in ('snapshot', 'cdc')),
    record_time timestamp not null,
    inserted_rows bigint not null,
    updated_rows bigint not null,
    deleted_rows bigint not null,
    started_at timestamp not null,
    ended_at timestamp not null
);

-- What CREATE DATABASE ... FROM INTEGRATION and ALTER DATABASE ... INTEGRATION SET keep (DG "CREATE DATABASE"), and whether
-- the integration is one of the local AWS rather than of a source that zeroshift.toml names.
alter table zeroshift.integrations
    add column if not exists from_aws boolean not null default false,
    add column if not exists query_all_states boolean not null default false,
    add column if not exists acceptinvchars boolean not null default false,
    add column if not exists truncatecolumns boolean not null default false,
    add column if not exists auto_remediation boolean not null default false;
