-- Databases made FROM INTEGRATION: DG "CREATE DATABASE", "ALTER DATABASE", "DROP DATABASE". The integrations themselves are
-- the local AWS's; deployer/local/gateway/mirror.py copies what it says of them.
create table if not exists zeroshift.aws_integrations (
    integration_id text primary key,
    source text not null,
    status text not null,
    creation_time timestamp not null
);

-- Make the copy equal to what the local AWS has: an object of id -> {source, status, created}.
create or replace function zeroshift.mirror_integrations(given jsonb) returns void
language plpgsql set search_path = pg_catalog as $$
begin
    delete from zeroshift.aws_integrations where not given ? integration_id;
    insert into zeroshift.aws_integrations
    select key, value ->> 'source', value ->> 'status',
           to_timestamp((value ->> 'created')::double precision) at time zone 'UTC'
    from jsonb_each(given)
    on conflict (integration_id) do update set status = excluded.status where aws_integrations.status <> excluded.status;
    -- "If the state column has a value of ErrorState, it means something's wrong" (Aurora guide, zero-etl.troubleshooting).
    update zeroshift.integrations i set state = case when a.status = 'failed' then 'ErrorState' else 'CdcRefreshState' end
    from zeroshift.aws_integrations a
    where i.from_aws and i.integration_id = a.integration_id
      and (a.status = 'failed' and i.state <> 'ErrorState' or a.status = 'active' and i.state = 'ErrorState');
end $$;
revoke execute on function zeroshift.mirror_integrations(jsonb) from public;

create or replace function zeroshift.require_interval(seconds integer) returns integer
language plpgsql immutable set search_path = pg_catalog as $$
begin
    if seconds not between 0 and 432000 then
        raise exception 'REFRESH_INTERVAL must be between 0 and 432000 seconds' using errcode = '22023';
    end if;
    return seconds;
end $$;

-- The words of these errors are ours: the documentation shows none. An Aurora cluster of the local AWS is a record without
-- tables, so the database has everything of its source at once; rows come from `zeroshift local load` or replication.
create or replace function zeroshift.create_integration_database(name text, id text, source_database text, settings jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
    found zeroshift.aws_integrations;
    other text;
begin
    perform zeroshift.require_superuser('CREATE DATABASE ... FROM INTEGRATION');
    if name = current_database() or exists (select from zeroshift.integrations i where i.target_database = name) then
        raise exception 'database "%" already exists', name using errcode = '42P04';
    end if;
    select * into found from zeroshift.aws_integrations a where a.integration_id = id;
    if found is null then
        raise exception 'integration "%" does not exist', id using errcode = '42704';
    elsif found.status <> 'active' then
        -- MG zero-etl-using.creating-db: the integration must be Active.
        raise exception 'integration "%" is not active: its status is %', id, found.status using errcode = '55000';
    end if;
    select i.target_database into other from zeroshift.integrations i where i.integration_id = id;
    if other is not null then
        raise exception 'integration "%" has the destination database "%" already', id, other using errcode = '55000';
    end if;
    if found.source = 'PostgreSQL' and source_database is null then
        raise exception 'the integration''s source is PostgreSQL: the clause DATABASE is missing' using errcode = '42601';
    elsif found.source = 'MySQL' and source_database is not null then
        raise exception 'the clause DATABASE is for sources of PostgreSQL, this one is MySQL' using errcode = '42601';
    elsif (select count(*) from zeroshift.integrations) >= 59 then
        raise exception 'there can be 60 databases' using errcode = '54000';
    end if;
    insert into zeroshift.integrations (integration_id, target_database, source, source_database, state, is_history_mode,
        refresh_interval, creation_time, from_aws, query_all_states, acceptinvchars, truncatecolumns, auto_remediation)
    values (id, name, found.source, coalesce(source_database, ''), 'CdcRefreshState',
        coalesce((settings ->> 'history_mode')::boolean, false),
        zeroshift.require_interval(coalesce((settings ->> 'refresh_interval')::integer, 0)),
        found.creation_time, true,
        coalesce((settings ->> 'query_all_states')::boolean, false),
        coalesce((settings ->> 'acceptinvchars')::boolean, false),
        coalesce((settings ->> 'truncatecolumns')::boolean, false),
        coalesce((settings ->> 'auto_remediation')::boolean, false));
end $$;

create or replace function zeroshift.require_integration_database(name text) returns zeroshift.integrations
language plpgsql stable security definer set search_path = pg_catalog as $$
declare
    found zeroshift.integrations;
begin
    select * into found from zeroshift.integrations i where i.target_database = name;
    if found is null then
        raise exception 'database "%" is not created from a zero-ETL integration', name using errcode = '55000';
    elsif not found.from_aws then
        raise exception 'database "%" is fed by a local source: its settings stand in zeroshift.toml', name
            using errcode = '0A000';
    end if;
    return found;
end $$;

-- HISTORY_MODE of a database that has tables. MG zero-etl-history-mode: turned off, each is renamed to
-- TABLE_historical_TIMESTAMP (how that is written is not documented: to the second, in UTC) and a plain one is loaded; turned
-- on, it gets the columns. "Only for tables in the Synced state" (MG zero-etl.reqs-lims). What was dropped at the source stays.
create or replace function zeroshift.turn_history(id text, wanted boolean) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    one record;
    seq bigint;
    at timestamp;
    landed text;
    aside text;
    columns text;
    granted record;
begin
    select t.schema_name, t.table_name, t.table_state into one from zeroshift.integration_tables t
    where t.integration_id = id and t.table_state not in ('Synced', 'DroppedSource') limit 1;
    if found then
        raise exception 'history mode can be turned on or off only for tables in the state Synced: %.% is %',
            one.schema_name, one.table_name, one.table_state using errcode = '55000';
    end if;
    update zeroshift.integrations i set txn_seq = i.txn_seq + 1 where i.integration_id = id
    returning i.txn_seq, coalesce(i.last_applied_at, now() at time zone 'UTC') into seq, at;
    for one in select t.schema_name, t.table_name, format('%s.%s', i.target_database, t.schema_name) as place
               from zeroshift.integration_tables t join zeroshift.integrations i using (integration_id)
               where t.integration_id = id and t.table_state = 'Synced' and t.is_history_mode <> wanted loop
        landed := format('%I.%I', one.place, one.table_name);
        if wanted then
            execute format('alter table %s add column _record_is_active boolean not null default true,'
                ' add column _record_create_time timestamp not null default %L, add column _record_delete_time timestamp',
                landed, at);
            execute format('alter table %s alter column _record_is_active drop default,'
                ' alter column _record_create_time drop default', landed);
        else
            aside := left(one.table_name, 37) || '_historical_' || to_char(clock_timestamp() at time zone 'UTC',
                'YYYYMMDDHH24MISS');
            select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns from pg_attribute a
            where a.attrelid = landed::regclass and a.attnum > 0 and not a.attisdropped
              and a.attname not in ('_record_is_active', '_record_create_time', '_record_delete_time');
            execute format('alter table %s rename to %I', landed, aside);
            execute format('create table %s (like %I.%I)', landed, one.place, aside);
            execute format('alter table %s drop column _record_is_active, drop column _record_create_time,'
                ' drop column _record_delete_time', landed);
            execute format('insert into %s (%s) select %s from %I.%I where _record_is_active', landed, columns, columns,
                one.place, aside);
            for granted in select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as who,
                                  case when a.is_grantable then ' with grant option' else '' end as passing
                           from pg_class c, aclexplode(c.relacl) a
                           where c.oid = format('%I.%I', one.place, aside)::regclass and a.privilege_type = 'SELECT'
                             and a.grantee <> c.relowner loop
                execute format('grant select on %s to %s%s', landed, granted.who, granted.passing);
            end loop;
        end if;
        execute format('update zeroshift.integration_tables set is_history_mode = $1, txn_seq = $2, copied_at = $3,'
            ' last_updated_timestamp = $3, table_rows = (select count(*) from %s)'
            ' where integration_id = $4 and schema_name = $5 and table_name = $6', landed)
        using wanted, seq, at, id, one.schema_name, one.table_name;
    end loop;
end $$;
revoke execute on function zeroshift.turn_history(text, boolean) from public;

create or replace function zeroshift.alter_integration_database(name text, settings jsonb) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
    found zeroshift.integrations;
    wanted boolean := (settings ->> 'history_mode')::boolean;
begin
    perform zeroshift.require_superuser('ALTER DATABASE');
    found := zeroshift.require_integration_database(name);
    if wanted <> found.is_history_mode then
        perform zeroshift.turn_history(found.integration_id, wanted);
    end if;
    update zeroshift.integrations i set
        is_history_mode = coalesce(wanted, i.is_history_mode),
        refresh_interval = zeroshift.require_interval(coalesce((settings ->> 'refresh_interval')::integer, i.refresh_interval)),
        query_all_states = coalesce((settings ->> 'query_all_states')::boolean, i.query_all_states),
        acceptinvchars = coalesce((settings ->> 'acceptinvchars')::boolean, i.acceptinvchars),
        truncatecolumns = coalesce((settings ->> 'truncatecolumns')::boolean, i.truncatecolumns),
        auto_remediation = coalesce((settings ->> 'auto_remediation')::boolean, i.auto_remediation)
    where i.integration_id = found.integration_id;
end $$;

-- A resync of a table that `zeroshift local load` fills: the present rows stay, as of the last load, and nothing is known of
-- before (MG zero-etl-history-mode). As deployer/local/landing/resync.py does it for tests.
create or replace function zeroshift.copy_again(id text, schema_name text, name text) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    at timestamp;
    seq bigint;
    landed text;
    columns text;
    copied bigint;
begin
    update zeroshift.integrations i set txn_seq = i.txn_seq + 1 where i.integration_id = id
    returning i.last_applied_at, i.txn_seq, format('%I.%I', i.target_database || '.' || copy_again.schema_name, name)
    into at, seq, landed;
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns from pg_attribute a
    where a.attrelid = landed::regclass and a.attnum > 0 and not a.attisdropped
      and a.attname not in ('_record_is_active', '_record_create_time', '_record_delete_time');
    if (select t.is_history_mode from zeroshift.integration_tables t
        where t.integration_id = id and t.schema_name = copy_again.schema_name and t.table_name = name) then
        execute format('with gone as (delete from %s returning *) insert into %s (%s, _record_is_active,'
            ' _record_create_time, _record_delete_time) select %s, true, $1, null from gone where _record_is_active',
            landed, landed, columns, columns) using at;
        get diagnostics copied = row_count;
    else
        execute format('select count(*) from %s', landed) into copied;
    end if;
    update zeroshift.integration_tables t
    set table_state = 'Synced', reason = '', last_updated_timestamp = at, txn_seq = seq, table_rows = copied, copied_at = at
    where t.integration_id = id and t.schema_name = copy_again.schema_name and t.table_name = name;
    insert into zeroshift.integration_activity (integration_id, schema_name, table_name, txn_seq, checkpoint_type,
        record_time, inserted_rows, updated_rows, deleted_rows, started_at, ended_at)
    values (id, copy_again.schema_name, name, seq, 'snapshot', at, copied, 0, 0,
        now() at time zone 'UTC', clock_timestamp() at time zone 'UTC');
end $$;
revoke execute on function zeroshift.copy_again(text, text, text) from public;

-- MG zero-etl.reqs-lims: "You must first delete any integrations that are associated with a destination database before
-- deleting the destination database".
create or replace function zeroshift.drop_integration_database(name text) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
    found zeroshift.integrations;
    one record;
begin
    perform zeroshift.require_superuser('DROP DATABASE');
    found := zeroshift.require_integration_database(name);
    if exists (select from zeroshift.aws_integrations a where a.integration_id = found.integration_id) then
        raise exception 'database "%" is the destination of the integration "%", which must be deleted first', name,
            found.integration_id using errcode = '55006';
    end if;
    for one in select n.nspname, c.relname from pg_namespace n join pg_class c on c.relnamespace = n.oid
               where n.nspname in (select name || '.' || t.schema_name from zeroshift.integration_tables t
                                   where t.integration_id = found.integration_id) and c.relkind = 'r' loop
        execute format('drop table %I.%I', one.nspname, one.relname);
    end loop;
    for one in select distinct name || '.' || t.schema_name as nspname from zeroshift.integration_tables t
               where t.integration_id = found.integration_id loop
        execute format('drop schema if exists %I', one.nspname);
    end loop;
    delete from zeroshift.integrations i where i.integration_id = found.integration_id;
end $$;

-- How far landing is behind: what its replicator told last, which looks every two seconds when the source is idle. Of one that
-- is away, or hangs, nobody knows what it has missed since.
create or replace function zeroshift.lag_of(told bigint, seen timestamptz) returns bigint
language sql stable set search_path = pg_catalog as $$
    select case when clock_timestamp() - seen < interval '5 seconds' then told
           else greatest(told, (extract(epoch from clock_timestamp() - seen) * 1000)::bigint) end
$$;

grant execute on function zeroshift.lag_of(bigint, timestamptz) to public;

-- "SVV_INTEGRATION", "visible only to superusers". Of the integrations of the local AWS also those that have no database yet,
-- and of those that have one only what still exists. When a change of the source was seen or shipped is not kept, and
-- duplicate rows are not mended by themselves.
create or replace view redshift_catalog.svv_integration as
select i.integration_id::character(128), i.target_database::character(128), i.source::character(128), i.state::character(128),
       coalesce((select zeroshift.lag_of(r.lag_ms, r.seen_at) from zeroshift.replications r
                 where r.integration_id = i.integration_id), 0) as current_lag,
       format('{"txn_seq":%s,"txn_id":%s}', i.txn_seq, i.txn_seq)::character(128) as last_replicated_checkpoint,
       (select count(*) from zeroshift.integration_tables t
        where t.integration_id = i.integration_id and t.table_state = 'Synced')::integer as total_tables_replicated,
       (select count(*) from zeroshift.integration_tables t
        where t.integration_id = i.integration_id and t.table_state = 'Failed')::integer as total_tables_failed,
       i.creation_time, i.refresh_interval, i.source_database::character(128), i.is_history_mode,
       null::timestamp as latest_detected_change_time,
       (select max(a.ended_at) from zeroshift.integration_activity a where a.integration_id = i.integration_id)
           as latest_applied_change_time,
       false as auto_remediation, null::timestamp as latest_shipped_source_commit_time
from zeroshift.integrations i
where not i.from_aws or exists (select from zeroshift.aws_integrations a where a.integration_id = i.integration_id)
union all
select a.integration_id::character(128), ''::character(128), a.source::character(128),
       case when a.status = 'failed' then 'ErrorState' else 'PendingDbConnectState' end::character(128), 0::bigint,
       '{"txn_seq":0,"txn_id":0}'::character(128), 0, 0, a.creation_time, 0, ''::character(128), false,
       null::timestamp, null::timestamp, false, null::timestamp
from zeroshift.aws_integrations a
where a.status <> 'creating' and not exists (select from zeroshift.integrations i where i.integration_id = a.integration_id);

grant select on redshift_catalog.svv_integration to zeroshift_superusers;
