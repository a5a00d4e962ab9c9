-- The external data catalog, and the schemas that stand for its databases: Redshift Spectrum.
-- Source: Redshift Database Developer Guide, "CREATE EXTERNAL SCHEMA", "CREATE EXTERNAL TABLE", "ALTER TABLE examples for
-- external tables", "DROP SCHEMA". On AWS the catalog is AWS Glue's; here it lies beside the warehouse (decision 0016).
-- External tables are no relations of PostgreSQL's, as on Redshift they are none of PG_CLASS. Users reach the catalog by
-- the functions below, which check their rights: USAGE of the schema to read, its ownership to change.

create table if not exists zeroshift.external_databases (
    name text primary key,
    created timestamp not null default (now() at time zone 'UTC')
);

-- One for each schema made by CREATE EXTERNAL SCHEMA; `oid` is pg_namespace's.
create table if not exists zeroshift.external_schemas (
    oid oid primary key,
    database text not null,
    role text not null,
    options jsonb not null default '{}'
);

-- `columns` and `partition_keys`: [{"name": "id", "type": "integer"}], types as format_type() writes them.
-- `format` is parquet or textfile; `delimiter` and `line_end` belong to the latter.
create table if not exists zeroshift.external_tables (
    id bigint generated always as identity primary key,
    database text not null references zeroshift.external_databases,
    name text not null,
    columns jsonb not null,
    partition_keys jsonb not null default '[]',
    format text not null check (format in ('parquet', 'textfile')),
    delimiter text not null default E'\001',
    line_end text not null default E'\n',
    location text not null,
    properties jsonb not null default '{}',
    unique (database, name)
);

-- `keys` are the values of the partition keys in their order, as text; a NULL is the NULL partition.
create table if not exists zeroshift.external_partitions (
    table_id bigint not null references zeroshift.external_tables,
    keys jsonb not null,
    location text not null,
    primary key (table_id, keys)
);

-- What was read from S3, for SYS_EXTERNAL_QUERY_DETAIL. Written by the gateway's own connection.
create table if not exists zeroshift.external_scans (
    user_name text not null,
    query_id bigint not null,
    segment_id integer not null,
    start_time timestamp not null,
    end_time timestamp not null,
    table_name text not null,
    total_partitions integer not null,
    qualified_partitions integer not null,
    scanned_files bigint not null,
    returned_rows bigint not null,
    returned_bytes bigint not null,
    file_format text not null,
    file_location text not null
);

-- The schema's row. Raises 42501 unless the session's user owns the schema, 42P01 where it is no external schema.
create or replace function zeroshift.own_external_schema(schema_name text) returns zeroshift.external_schemas
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    found zeroshift.external_schemas;
begin
    select e.* into found from zeroshift.external_schemas e
    join pg_namespace n on n.oid = e.oid where n.nspname = schema_name;
    if found.oid is null then
        raise exception 'schema "%" is not an external schema', schema_name using errcode = '42P01';
    end if;
    perform zeroshift.require_owner('schema', schema_name, (select nspowner from pg_namespace where oid = found.oid));
    return found;
end
$$;

create or replace function zeroshift.own_external_table(schema_name text, table_name text)
returns zeroshift.external_tables
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    place zeroshift.external_schemas := zeroshift.own_external_schema(schema_name);
    found zeroshift.external_tables;
begin
    select * into found from zeroshift.external_tables t where t.database = place.database and t.name = table_name;
    if found.id is null then
        raise exception 'relation "%.%" does not exist', schema_name, table_name using errcode = '42P01';
    end if;
    return found;
end
$$;

-- After CREATE SCHEMA, in its transaction. `making`: CREATE EXTERNAL DATABASE IF NOT EXISTS.
create or replace function zeroshift.create_external_schema(
    schema_name text, database_name text, role_name text, given jsonb, making boolean
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    place pg_namespace;
begin
    select * into place from pg_namespace where nspname = schema_name;
    perform zeroshift.require_owner('schema', schema_name, place.nspowner);
    if exists (select from zeroshift.external_schemas where oid = place.oid) then
        return;
    end if;
    if exists (select from pg_class where relnamespace = place.oid) then
        raise exception 'schema "%" already exists', schema_name using errcode = '42P06';
    end if;
    if not exists (select from zeroshift.external_databases where name = database_name) then
        if not making then
            -- What Redshift says when the schema is made no page tells; a schema over nothing would fail later.
            raise exception 'external database "%" does not exist', database_name using errcode = '3D000',
                hint = 'Add CREATE EXTERNAL DATABASE IF NOT EXISTS.';
        end if;
        insert into zeroshift.external_databases (name) values (database_name) on conflict do nothing;
    elsif making then
        raise info 'external database "%" already exists', database_name;
    end if;
    insert into zeroshift.external_schemas values (place.oid, database_name, role_name, given);
end
$$;

create or replace function zeroshift.create_external_table(schema_name text, table_name text, given jsonb) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    place zeroshift.external_schemas := zeroshift.own_external_schema(schema_name);
begin
    if exists (select from zeroshift.external_tables t where t.database = place.database and t.name = table_name) then
        raise exception 'relation "%.%" already exists', schema_name, table_name using errcode = '42P07';
    end if;
    insert into zeroshift.external_tables
        (database, name, columns, partition_keys, format, delimiter, line_end, location, properties)
    values (place.database, table_name, given -> 'columns', given -> 'partition_keys', given ->> 'format',
            given ->> 'delimiter', given ->> 'line_end', given ->> 'location', given -> 'properties');
end
$$;

create or replace function zeroshift.drop_external_table(schema_name text, table_name text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target zeroshift.external_tables := zeroshift.own_external_table(schema_name, table_name);
begin
    delete from zeroshift.external_partitions where table_id = target.id;
    delete from zeroshift.external_tables where id = target.id;
end
$$;

-- The values of a PARTITION clause in the order of the table's keys, each as its type writes it: '1' and '01' are one
-- integer. Raises unless each key has a value that its type can read.
create or replace function zeroshift.partition_keys(target zeroshift.external_tables, given jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog
as $$
declare
    key jsonb;
    value text;
    found jsonb := '[]';
begin
    for key in select one from jsonb_array_elements(target.partition_keys) one loop
        if not given ? (key ->> 'name') then
            raise exception 'the partition of "%" needs a value for its key "%"', target.name, key ->> 'name'
                using errcode = '42601';
        end if;
        value := given ->> (key ->> 'name');
        if value = '__HIVE_DEFAULT_PARTITION__' then
            value := null;
        end if;
        if value is not null then
            begin
                execute format('select (%L::%s)::text', value, key ->> 'type') into value;
            exception
                when data_exception or invalid_text_representation or datetime_field_overflow then
                    raise exception 'the value ''%'' of the partition key "%" is no %', value, key ->> 'name', key ->> 'type'
                        using errcode = '22023';
            end;
        end if;
        found := found || coalesce(to_jsonb(value), 'null');
        given := given - (key ->> 'name');
    end loop;
    if given <> '{}' then
        raise exception 'column "%" is no partition key of "%"', (select k from jsonb_object_keys(given) k limit 1), target.name
            using errcode = '42703';
    end if;
    return found;
end
$$;

-- `given`: [{"keys": {"year": "2024"}, "location": "s3://..."}]. The same partition twice is an error without IF NOT EXISTS.
create or replace function zeroshift.add_partitions(schema_name text, table_name text, quietly boolean, given jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target zeroshift.external_tables := zeroshift.own_external_table(schema_name, table_name);
    one jsonb;
    wanted jsonb;
begin
    if target.partition_keys = '[]' then
        raise exception 'table "%.%" is not partitioned', schema_name, table_name using errcode = '42809';
    end if;
    for one in select p from jsonb_array_elements(given) p loop
        wanted := zeroshift.partition_keys(target, one -> 'keys');
        insert into zeroshift.external_partitions values (target.id, wanted, one ->> 'location') on conflict do nothing;
        if not found and not quietly then
            raise exception 'partition % of "%.%" already exists', wanted, schema_name, table_name using errcode = '42710',
                hint = 'Write ADD IF NOT EXISTS PARTITION.';
        end if;
    end loop;
end
$$;

create or replace function zeroshift.drop_partition(schema_name text, table_name text, given jsonb) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target zeroshift.external_tables := zeroshift.own_external_table(schema_name, table_name);
    wanted jsonb := zeroshift.partition_keys(target, given);
begin
    delete from zeroshift.external_partitions where table_id = target.id and keys = wanted;
    if not found then
        raise exception 'partition % of "%.%" does not exist', wanted, schema_name, table_name using errcode = '42704';
    end if;
end
$$;

-- SET LOCATION of a partition, or of the table where `given` is NULL.
create or replace function zeroshift.set_external_location(
    schema_name text, table_name text, given jsonb, new_location text
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target zeroshift.external_tables := zeroshift.own_external_table(schema_name, table_name);
    wanted jsonb;
begin
    if given is null then
        update zeroshift.external_tables set location = new_location where id = target.id;
        return;
    end if;
    wanted := zeroshift.partition_keys(target, given);
    update zeroshift.external_partitions set location = new_location where table_id = target.id and keys = wanted;
    if not found then
        raise exception 'partition % of "%.%" does not exist', wanted, schema_name, table_name using errcode = '42704';
    end if;
end
$$;

-- SET TABLE PROPERTIES, SET FILE FORMAT, and changes of the columns. `changed` has any of the table's own columns.
create or replace function zeroshift.alter_external_table(schema_name text, table_name text, changed jsonb) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target zeroshift.external_tables := zeroshift.own_external_table(schema_name, table_name);
begin
    update zeroshift.external_tables set
        columns = coalesce(changed -> 'columns', columns),
        partition_keys = coalesce(changed -> 'partition_keys', partition_keys),
        format = coalesce(changed ->> 'format', format),
        properties = properties || coalesce(changed -> 'properties', '{}')
    where id = target.id;
end
$$;

-- Before DROP SCHEMA: raises where a list of schemas with DROP EXTERNAL DATABASE has one that is none, and drops the
-- databases. Their tables go with CASCADE only. Without the clause the catalog keeps everything.
create or replace function zeroshift.drop_external_databases(schemas text[], cascading boolean) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    one text;
    place zeroshift.external_schemas;
begin
    foreach one in array schemas loop
        if to_regnamespace(quote_ident(one)) is null then
            continue;
        end if;
        place := zeroshift.own_external_schema(one);
        if not exists (select from zeroshift.external_databases where name = place.database) then
            raise info 'external database "%" does not exist', place.database;
            continue;
        end if;
        if not cascading and exists (select from zeroshift.external_tables t where t.database = place.database) then
            raise exception 'cannot drop external database "%" because other objects depend on it', place.database
                using errcode = '2BP01', hint = 'Use DROP SCHEMA ... DROP EXTERNAL DATABASE CASCADE to drop its tables too.';
        end if;
        delete from zeroshift.external_partitions p using zeroshift.external_tables t
        where p.table_id = t.id and t.database = place.database;
        delete from zeroshift.external_tables t where t.database = place.database;
        delete from zeroshift.external_databases where name = place.database;
    end loop;
end
$$;

-- A schema that is dropped takes its record along: object ids are used again.
create or replace function zeroshift.forget_external_schemas() returns event_trigger
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from zeroshift.external_schemas where oid in (
        select objid from pg_event_trigger_dropped_objects() where classid = 'pg_namespace'::regclass);
end
$$;

drop event trigger if exists zeroshift_forget_external_schemas;
create event trigger zeroshift_forget_external_schemas on sql_drop
    when tag in ('DROP SCHEMA', 'DROP OWNED') execute function zeroshift.forget_external_schemas();

-- What zeroshift.guarded_relations() adds for the translator: the external tables that have one of these names. The id in
-- the definition tells a table from a later one of its name.
create or replace function zeroshift.external_relations(wanted text[])
returns table (schema_name text, relation_name text, kind text, temporary boolean,
               column_names text[], column_types text[], definition text)
language sql stable security definer set search_path = pg_catalog
as $$
    select n.nspname::text, t.name, 'external_table', false,
           array(select c ->> 'name' from jsonb_array_elements(t.columns || t.partition_keys) with ordinality e(c, place)
                 order by place),
           array(select c ->> 'type' from jsonb_array_elements(t.columns || t.partition_keys) with ordinality e(c, place)
                 order by place),
           to_jsonb(t)::text || coalesce(e.role, '')
    from zeroshift.external_tables t
    join zeroshift.external_schemas e on e.database = t.database
    join pg_namespace n on n.oid = e.oid
    where t.name = any (wanted)
$$;

-- What a scan needs. Raises 42501 unless the session's user may use the schema: there are no privileges on the table.
create or replace function zeroshift.external_scan(schema_name text, table_name text)
returns table (description jsonb, role text, partitions jsonb)
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if not has_schema_privilege(session_user, quote_ident(schema_name)::regnamespace, 'usage') then
        raise exception 'permission denied for schema %', schema_name using errcode = '42501';
    end if;
    return query
    select to_jsonb(t), e.role,
           coalesce((select jsonb_agg(jsonb_build_object('keys', p.keys, 'location', p.location) order by p.location)
                     from zeroshift.external_partitions p where p.table_id = t.id), '[]')
    from zeroshift.external_tables t
    join zeroshift.external_schemas e on e.database = t.database
    join pg_namespace n on n.oid = e.oid
    where n.nspname = schema_name and t.name = table_name;
end
$$;

revoke all on zeroshift.external_databases, zeroshift.external_schemas, zeroshift.external_tables,
    zeroshift.external_partitions, zeroshift.external_scans from public;

-- The rows of one scan; old ones go, as Redshift keeps seven days of them.
create or replace function zeroshift.record_external_scan(
    who text, query bigint, started float8, ended float8, named text, total integer, qualified integer,
    files bigint, rows_read bigint, bytes_read bigint, form text, place text
) returns void
language sql set search_path = pg_catalog
as $$
    delete from zeroshift.external_scans where start_time < (now() at time zone 'UTC') - interval '7 days';
    insert into zeroshift.external_scans
    select who, query, (select count(*) from zeroshift.external_scans s where s.query_id = query)::integer,
           to_timestamp(started) at time zone 'UTC', to_timestamp(ended) at time zone 'UTC', named, total, qualified,
           files, rows_read, bytes_read, form, place
$$;
revoke execute on function zeroshift.record_external_scan from public;

-- An external schema holds external tables and nothing else.
create or replace function zeroshift.keep_external_schemas() returns event_trigger
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    wrong record;
begin
    if not exists (select from zeroshift.external_schemas) then
        return;
    end if;
    select c.object_identity, c.object_type, c.schema_name into wrong from pg_event_trigger_ddl_commands() c
    join pg_namespace n on n.nspname = c.schema_name join zeroshift.external_schemas e on e.oid = n.oid limit 1;
    if found then
        raise exception 'cannot create % %: % is an external schema', wrong.object_type, wrong.object_identity, wrong.schema_name
            using errcode = '0A000', hint = 'Use CREATE EXTERNAL TABLE, or another schema.';
    end if;
end
$$;

drop event trigger if exists zeroshift_keep_external_schemas;
create event trigger zeroshift_keep_external_schemas on ddl_command_end
    when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW', 'CREATE PROCEDURE', 'CREATE FUNCTION',
                 'CREATE MATERIALIZED VIEW')
    execute function zeroshift.keep_external_schemas();
