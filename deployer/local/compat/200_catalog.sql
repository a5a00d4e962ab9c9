-- Redshift's catalog views, with the columns of their pages in the Redshift Database Developer Guide, "System tables and
-- views". Unqualified names are looked for here first. A landing database is a set of schemas named database.schema.
--
-- Views run with their owner's rights on what they read; current_user in them is the user who asks. "Superusers see
-- all rows, users only what they have access to" is the rule of every page here that says nothing else.
create schema if not exists redshift_catalog;

-- A home of an earlier version has these views with other columns, which CREATE OR REPLACE cannot take away. They are made
-- anew, unless a view of a user's stands on one of them.
do $$
begin
    if not exists (
        select from pg_catalog.pg_depend d
        join pg_catalog.pg_rewrite w on w.oid = d.objid and d.classid = 'pg_rewrite'::regclass
        join pg_catalog.pg_class v on v.oid = w.ev_class
        join pg_catalog.pg_namespace vn on vn.oid = v.relnamespace
        join pg_catalog.pg_class c on c.oid = d.refobjid and d.refclassid = 'pg_class'::regclass
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('redshift_catalog', 'redshift_information')
          and vn.nspname not in ('redshift_catalog', 'redshift_information', 'redshift_newer', 'zeroshift')
    ) then
        drop schema if exists redshift_newer, redshift_information cascade;
        drop schema redshift_catalog cascade;
        drop view if exists zeroshift.all_relations, zeroshift.all_columns, zeroshift.visible_relations, zeroshift.visible_columns,
            zeroshift.late_binding_columns, zeroshift.catalog_columns,
            zeroshift.visible_schemas, zeroshift.declared_keys, zeroshift.shown_procedures cascade;
        create schema redshift_catalog;
    end if;
end
$$;

-- ---------------------------------------------------------------------------------------- what the views are made of

create or replace function zeroshift.is_internal(schema_name text) returns boolean
language sql immutable
as $$
    select schema_name in ('zeroshift', 'redshift', 'redshift_newer', 'pg_toast', 'pg_catalog', 'information_schema')
        or schema_name like 'pg\_toast\_temp\_%'
$$;

-- The database that a schema belongs to, and its name in there.
create or replace function zeroshift.database_of(schema_name text) returns text
language sql stable
as $$
    select case when strpos(schema_name, '.') > 0 then split_part(schema_name, '.', 1)
                else pg_catalog.current_database()::text end
$$;

create or replace function zeroshift.schema_of(schema_name text) returns text
language sql immutable
as $$
    select case when schema_name = 'redshift_catalog' then 'pg_catalog'
                when schema_name = 'redshift_information' then 'information_schema'
                when strpos(schema_name, '.') > 0 then substr(schema_name, strpos(schema_name, '.') + 1)
                else schema_name end
$$;

-- A type without its length, and with it, as Redshift's views spell them.
create or replace function zeroshift.type_name(kind oid) returns text
language sql stable
as $$
    select case pg_catalog.format_type(kind, null)
               when 'redshift.super' then 'super' when 'json' then 'super' when 'jsonb' then 'super'
               when 'bytea' then 'binary varying' when 'text' then 'character varying'
               else pg_catalog.format_type(kind, null) end
$$;

create or replace function zeroshift.type_text(kind oid, modifier integer) returns text
language sql stable
as $$
    select case pg_catalog.format_type(kind, null)
               when 'redshift.super' then 'super' when 'json' then 'super' when 'jsonb' then 'super'
               when 'bytea' then 'binary varying' when 'text' then 'character varying(65535)'
               else pg_catalog.format_type(kind, modifier) end
$$;

-- The DEFAULT of a column as its user wrote it: the engine's own schemas are no part of it.
create or replace function zeroshift.default_text(expression text) returns text
language sql immutable
as $$
    select case expression when 'redshift.sysdate()' then '"sysdate"()'
           else regexp_replace(expression, $re$('(?:[^']|'')*')|\m(?:redshift|zeroshift|pg_catalog)\.$re$, '\1', 'g') end
$$;

-- The encoding of a column. DG "CREATE TABLE", ENCODE: where none was written sort keys, BOOLEAN, REAL and DOUBLE get RAW,
-- numbers and dates AZ64, CHAR and VARCHAR LZO. RAW shows as none.
create or replace function zeroshift.encoding_of(written text, kind oid, is_sortkey boolean) returns text
language sql immutable
as $$
    select case when written = 'raw' then 'none' when written <> 'auto' then written
                when is_sortkey then 'none'
                when kind in (20, 21, 23, 1700, 1082, 1083, 1266, 1114, 1184, 1186) then 'az64'
                when kind in (25, 1042, 1043, 17) then 'lzo' else 'none' end
$$;

-- How a column sorts: its place in the sort key, 0 for none. "If the table uses an interleaved sort key, each column that
-- is part of the sort key has alternately a positive or negative value" (PG_TABLE_DEF).
create or replace function zeroshift.sort_order(keys text[], style text, column_name text) returns integer
language sql immutable
as $$
    select coalesce(place * case when style = 'INTERLEAVED' and place % 2 = 0 then -1 else 1 end, 0)
    from (select array_position(keys, column_name) as place) p
$$;

-- Every relation of all databases, others' temporary ones excepted. `kind` as SVV_TABLES words it.
create or replace view zeroshift.all_relations as
select c.oid, n.oid as schema_oid, n.nspname::text as physical_schema,
       zeroshift.database_of(n.nspname) as database_name, zeroshift.schema_of(n.nspname) as schema_name,
       c.relname::text as relation_name, c.relkind, c.relowner, c.relacl, c.reltuples, c.relpersistence,
       case when c.relpersistence = 't' then 'LOCAL TEMPORARY'
            when c.relkind in ('v', 'm') then 'VIEW' else 'BASE TABLE' end as kind,
       pg_catalog.obj_description(c.oid, 'pg_class') as remarks,
       n.nspname in ('redshift_catalog', 'redshift_information') as is_system
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'p')
  and not zeroshift.is_internal(n.nspname)
  and (c.relpersistence <> 't' or pg_catalog.pg_table_is_visible(c.oid));

-- Those that the asking user has any right on: "regular users can see only their own data".
create or replace view zeroshift.visible_relations as
select * from zeroshift.all_relations r
where (select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, r.relowner, 'usage')
   or pg_catalog.has_table_privilege(current_user, r.oid, 'select, insert, update, delete, references')
   or pg_catalog.has_any_column_privilege(current_user, r.oid, 'select');

create or replace view zeroshift.all_columns as
select r.*, a.attnum::integer as ordinal_position, a.attname::text as column_name, a.atttypid, a.atttypmod,
       a.attnotnull, a.attidentity, a.attacl,
       case when a.attidentity <> '' then 'identity'
            else zeroshift.default_text(pg_catalog.pg_get_expr(d.adbin, d.adrelid)) end as column_default,
       zeroshift.type_name(a.atttypid) as data_type,
       case when a.atttypid in (1042, 1043) and a.atttypmod > 4 then a.atttypmod - 4
            when a.atttypid = 25 then 65535 end as length,
       case a.atttypid when 21 then 16 when 23 then 32 when 20 then 64 when 700 then 24 when 701 then 53
            when 1700 then ((a.atttypmod - 4) >> 16) & 65535 end as precision,
       case when a.atttypid in (20, 21, 23) then 0 when a.atttypid = 1700 then (a.atttypmod - 4) & 2047 end as scale,
       pg_catalog.col_description(r.oid, a.attnum) as column_remarks
from zeroshift.all_relations r
join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum;

create or replace view zeroshift.visible_columns as
select * from zeroshift.all_columns r
where (select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, r.relowner, 'usage')
   or pg_catalog.has_table_privilege(current_user, r.oid, 'select, insert, update, delete, references')
   or pg_catalog.has_any_column_privilege(current_user, r.oid, 'select');

create or replace view zeroshift.visible_schemas as
select n.oid, n.nspname::text as physical_schema, zeroshift.database_of(n.nspname) as database_name,
       zeroshift.schema_of(n.nspname) as schema_name, n.nspowner, n.nspacl
from pg_catalog.pg_namespace n
where not zeroshift.is_internal(n.nspname)
  and n.nspname not like 'pg\_temp\_%'
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, n.nspowner, 'usage')
       or pg_catalog.has_schema_privilege(current_user, n.oid, 'usage, create'));

-- The privileges that are granted, one row each; PUBLIC is identity 0.
create or replace function zeroshift.identity_type(grantee oid) returns text
language sql stable
as $$
    select case when grantee = 0 then 'public' else zeroshift.role_kind(grantee) end
$$;

create or replace function zeroshift.identity_name(grantee oid) returns text
language sql stable
as $$
    select case when grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(grantee)::text end
$$;

-- "Other users can only see identities they have access to or own", says each page about privileges.
create or replace function zeroshift.sees_identity(grantee oid) returns boolean
language sql stable
as $$
    select (select zeroshift.is_superuser(current_user)) or grantee = 0
        or pg_catalog.pg_has_role(current_user, grantee, 'member')
$$;

create or replace function zeroshift.owner_name(owner oid) returns text
language sql stable
as $$
    select case when name = 'pg_database_owner' then 'rdsdb' else pg_catalog.quote_ident(name) end
    from (select pg_catalog.pg_get_userbyid(owner)::text as name) n
$$;

-- Privileges as "PG_DEFAULT_ACL" writes them: user=letters/grantor, "group name=letters/grantor", letters in the order of
-- arwdRxtXUCTDPA with * for the grant option. PostgreSQL's D is TRUNCATE, Redshift's P. The role that makes a user a
-- superuser is the engine's own.
--
-- An owner may do what Redshift knows beside that, too: RULE, DROP and ALTER ("alice=arwdRxtDPA/alice", SHOW TABLES).
create or replace function zeroshift.acl_letters(acl aclitem[], owner oid) returns text[]
language sql stable
as $$
    select array_agg(grantee || '=' || letters || '/' || grantor order by place)
    from (
        select min(a.place) as place,
               case when a.grantee = 0 then '' when zeroshift.role_kind(a.grantee) = 'group' then 'group ' else '' end
               || case when a.grantee = 0 then '' else zeroshift.owner_name(a.grantee) end as grantee,
               string_agg(l.letter || case when a.is_grantable then '*' else '' end, '' order by l.place) as letters,
               zeroshift.owner_name(a.grantor) as grantor
        from (select *, row_number() over () as place from pg_catalog.aclexplode(acl)) a
        join (values ('INSERT', 'a', 1), ('SELECT', 'r', 2), ('UPDATE', 'w', 3), ('DELETE', 'd', 4), ('SELECT', 'R', 5),
                     ('REFERENCES', 'x', 6), ('TRIGGER', 't', 7), ('EXECUTE', 'X', 8), ('USAGE', 'U', 9), ('CREATE', 'C', 10),
                     ('TEMPORARY', 'T', 11), ('SELECT', 'D', 12), ('TRUNCATE', 'P', 13), ('SELECT', 'A', 14)
             ) l(privilege, letter, place)
            on l.privilege = a.privilege_type and (l.letter not in ('R', 'D', 'A') or a.grantee = owner)
        where a.grantee = 0 or pg_catalog.pg_get_userbyid(a.grantee) <> 'zeroshift_superusers'
        group by a.grantee, a.grantor
    ) g
$$;

create or replace function zeroshift.acl_shown(acl aclitem[]) returns text[]
language sql stable as $$ select zeroshift.acl_letters(acl, null) $$;

-- As the VARCHAR columns of SHOW and the SVV views have it: with ~ between the entries (SHOW SCHEMAS, SHOW TABLES).
create or replace function zeroshift.acl_text(acl aclitem[], owner oid default null) returns text
language sql stable as $$ select array_to_string(zeroshift.acl_letters(acl, owner), '~') $$;

-- ------------------------------------------------------------------------------------------------ tables and columns

-- The length, precision or scale in a type as the catalog writes it: numeric(10,2).
create or replace function zeroshift.type_number(kind text, place integer) returns integer
language sql immutable
as $$ select (regexp_match(kind, '\((\d+)(?:,(\d+))?\)'))[place]::integer $$;

-- The columns of late-binding views are found out by the gateway (gateway/late_binding.py), which says them to the session
-- before a statement that asks.
create or replace function zeroshift.pg_get_late_binding_view_cols()
returns table (view_schema name, view_name name, col_name name, col_type varchar, col_num integer)
language sql stable
as $$
    select (c.value ->> 0)::name, (c.value ->> 1)::name, (c.value ->> 2)::name, (c.value ->> 3)::varchar, (c.value ->> 4)::integer
    from jsonb_array_elements(
        coalesce(nullif(current_setting('zeroshift.late_binding_columns', true), ''), '[]')::jsonb) c
$$;

create or replace function zeroshift.late_binding_views_of(who text)
returns table (schema_name text, view_name text)
language sql security definer set search_path = pg_catalog
as $$
    select n.nspname, c.relname
    from zeroshift.late_binding_views l
    join pg_class c on c.oid = l.oid
    join pg_namespace n on n.oid = c.relnamespace
    where zeroshift.is_superuser(who) or pg_has_role(who, c.relowner, 'usage')
       or has_table_privilege(who, c.oid, 'select, insert, update, delete, references')
    order by 1, 2
$$;

create or replace function zeroshift.pg_get_cols(relation text)
returns table (view_schema name, view_name name, col_name name, col_type varchar, col_num integer)
language sql stable
as $$
    select c.schema_name::name, c.relation_name::name, c.column_name::name,
           zeroshift.type_text(c.atttypid, c.atttypmod)::varchar, c.ordinal_position
    from zeroshift.visible_columns c where c.oid = to_regclass(relation)
    union all
    select l.* from zeroshift.pg_get_late_binding_view_cols() l
    where to_regclass(format('%I.%I', l.view_schema, l.view_name)) = to_regclass(relation)
    order by 5
$$;

-- The length, precision and scale of a type that is known by its name.
create or replace function zeroshift.type_length(kind text) returns integer
language sql immutable
as $$ select case when kind like 'character%(%' then zeroshift.type_number(kind, 1) end $$;

create or replace function zeroshift.type_precision(kind text) returns integer
language sql immutable
as $$
    select case regexp_replace(kind, '\(.*\)', '')
               when 'smallint' then 16 when 'integer' then 32 when 'bigint' then 64 when 'real' then 24
               when 'double precision' then 53 when 'numeric' then zeroshift.type_number(kind, 1) end
$$;

create or replace function zeroshift.type_scale(kind text) returns integer
language sql immutable
as $$
    select case when kind in ('smallint', 'integer', 'bigint') then 0
                when kind like 'numeric%' then zeroshift.type_number(kind, 2) end
$$;

-- Columns of which only the type's name is known, in the columns of zeroshift.catalog_columns.
create or replace view zeroshift.late_binding_columns as
select current_database()::text as table_catalog, view_schema::text as table_schema, view_name::text as table_name,
       col_name::text as column_name, col_num as ordinal_position, null::text as column_default, 'YES'::text as is_nullable,
       regexp_replace(col_type, '\(.*\)', '') as data_type, zeroshift.type_length(col_type) as character_maximum_length,
       zeroshift.type_precision(col_type) as numeric_precision,
       case when col_type like 'numeric%' then 10
            when zeroshift.type_precision(col_type) is not null then 2 end as numeric_precision_radix,
       zeroshift.type_scale(col_type) as numeric_scale, case when col_type like 'time%' then 6 end as datetime_precision
from zeroshift.pg_get_late_binding_view_cols();
grant select on zeroshift.late_binding_columns to public;

-- SVV_COLUMNS without external tables (270_external_views.sql). "All users can see all rows from the system catalog tables."
create or replace view zeroshift.catalog_columns as
select database_name as table_catalog, schema_name as table_schema, relation_name as table_name, column_name,
       ordinal_position, column_default, case when attnotnull then 'NO' else 'YES' end as is_nullable, data_type,
       length as character_maximum_length, precision as numeric_precision,
       case when atttypid = 1700 then 10 when precision is not null then 2 end as numeric_precision_radix,
       scale as numeric_scale, case when atttypid in (1083, 1114, 1184, 1266) then 6 end as datetime_precision,
       null::text as interval_type, null::text as interval_precision, null::text as character_set_catalog,
       null::text as character_set_schema, null::text as character_set_name, null::text as collation_catalog,
       null::text as collation_schema, null::text as collation_name, null::text as domain_name,
       column_remarks as remarks
from zeroshift.all_columns
where database_name = current_database()
union all
-- "including late-binding views", says its page.
select l.*, null, null, null, null, null, null, null, null, null, null from zeroshift.late_binding_columns l;

create or replace view redshift_catalog.svv_redshift_columns as
select c.database_name::varchar(128), c.schema_name::varchar(128), c.relation_name::varchar(128) as table_name,
       c.column_name::varchar(128), c.ordinal_position, c.data_type::varchar(32), c.column_default::varchar(4000),
       (case when c.attnotnull then 'NO' else 'YES' end)::varchar(3) as is_nullable,
       (case when c.relkind in ('r', 'p') then zeroshift.encoding_of(coalesce(t.encodings ->> c.column_name, 'auto'), c.atttypid,
            coalesce(c.column_name = any (t.sortkeys), false)) else 'none' end)::varchar(128) as encoding,
       coalesce(t.distkey = c.column_name, false) as distkey,
       zeroshift.sort_order(t.sortkeys, t.sortstyle, c.column_name) as sortkey,
       zeroshift.acl_text(c.attacl)::varchar(128) as column_acl, c.column_remarks::varchar(256) as remarks
from zeroshift.visible_columns c
left join zeroshift.table_attributes t on t.oid = c.oid;

create or replace view redshift_catalog.svv_redshift_databases as
select datname::varchar(128) as database_name, datdba::integer as database_owner,
       'local'::varchar(32) as database_type, zeroshift.acl_text(datacl)::varchar(128) as database_acl,
       null::varchar(128) as database_options, 'Snapshot Isolation'::varchar(128) as database_isolation_level
from pg_catalog.pg_database where datname = current_database()
union all
select target_database::varchar(128), 10, 'local'::varchar(32), null::varchar(128), null::varchar(128), 'Snapshot Isolation'::varchar(128)
from zeroshift.integrations;

create or replace view redshift_catalog.svv_all_databases as
select * from redshift_catalog.svv_redshift_databases;

-- "SVV_REDSHIFT_FUNCTIONS": the stored procedures and user-defined functions that a user may call.
create or replace view redshift_catalog.svv_redshift_functions as
select pg_catalog.current_database()::varchar(128) as database_name, n.nspname::varchar(128) as schema_name,
       p.proname::varchar(128) as function_name,
       (case p.prokind when 'p' then 'STORED PROCEDURE' else 'REGULAR FUNCTION' end)::varchar(128) as function_type,
       coalesce((select string_agg(zeroshift.type_name(t.kind), ', ' order by t.number)
                 from unnest(p.proargtypes::oid[]) with ordinality t(kind, number)), '')::varchar(512) as argument_type,
       (case when p.prorettype <> 'void'::regtype::oid then zeroshift.type_name(p.prorettype) end)::varchar(128) as result_type
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.prokind in ('p', 'f') and not zeroshift.is_internal(n.nspname)
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, p.proowner, 'usage')
       or pg_catalog.has_function_privilege(current_user, p.oid, 'execute'));

-- "STL_ERROR" has the engine's own errors, "not SQL errors or messages": there are none.
create or replace view redshift_catalog.stl_error as
select 0 as userid, ''::character(12) as process, null::timestamp as recordtime, 0 as pid, 0 as errcode,
       ''::character(90) as file, 0 as linenum, ''::character(100) as context, ''::character(512) as error
where false;

-- Only the schemas of search_path, as its page warns.
create or replace view redshift_catalog.pg_table_def as
select c.schema_name::name as schemaname, c.relation_name::name as tablename, c.column_name::name as "column",
       zeroshift.type_text(c.atttypid, c.atttypmod)::text as type,
       zeroshift.encoding_of(coalesce(t.encodings ->> c.column_name, 'auto'), c.atttypid,
                             coalesce(c.column_name = any (t.sortkeys), false))::character(32) as encoding,
       coalesce(t.distkey = c.column_name, false) as distkey,
       zeroshift.sort_order(t.sortkeys, t.sortstyle, c.column_name) as sortkey,
       c.attnotnull as "notnull"
from zeroshift.visible_columns c
left join zeroshift.table_attributes t on t.oid = c.oid
where c.relkind in ('r', 'p') and c.physical_schema = any (current_schemas(false) || 'redshift_catalog'::name)
-- The guide's examples show the columns in the table's order, without asking for it.
order by c.schema_name, c.relation_name, c.ordinal_position;

-- Superusers only, and no table without rows, as its page says. There is one node here: nothing is skewed. Sizes are in
-- megabytes; rows are counted by the last analysis.
create or replace view redshift_catalog.svv_table_info as
select r.database_name as database, r.schema_name as schema, r.oid as table_id, r.relation_name as "table",
       case when t.encodings is null or t.encodings = '{}' then 'Y, AUTO(ENCODE)' else 'Y' end as encoded,
       case when coalesce(t.diststyle, 'AUTO') = 'KEY' then format('KEY(%s)', t.distkey)
            when coalesce(t.diststyle, 'AUTO') = 'AUTO' then 'AUTO(ALL)' else t.diststyle end as diststyle,
       case when cardinality(t.sortkeys) > 0 then t.sortkeys[1]
            when coalesce(t.sortstyle, 'AUTO') = 'AUTO' then 'AUTO(SORTKEY)' end as sortkey1,
       coalesce((select max(case when a.atttypid = 25 then 65535 else a.atttypmod - 4 end)
                 from pg_catalog.pg_attribute a
                 where a.attrelid = r.oid and a.atttypid in (25, 1043) and not a.attisdropped), 0) as max_varchar,
       (case when cardinality(t.sortkeys) > 0 then
           zeroshift.encoding_of(coalesce(t.encodings ->> t.sortkeys[1], 'auto'), 0, true) end)::character(32) as sortkey1_enc,
       coalesce(cardinality(t.sortkeys), 0) as sortkey_num,
       ceil(pg_catalog.pg_total_relation_size(r.oid) / 1048576.0)::bigint as size,
       null::numeric(10, 4) as pct_used, 0::bigint as empty, null::numeric(5, 2) as unsorted,
       case when r.reltuples < 0 then 100 else 0 end::numeric(5, 2) as stats_off,
       greatest(r.reltuples, 0)::numeric(38, 0) as tbl_rows, null::numeric(19, 2) as skew_sortkey1,
       null::numeric(19, 2) as skew_rows, greatest(r.reltuples, 0)::numeric(38, 0) as estimated_visible_rows,
       null::text as risk_event, null::numeric(12, 2) as vacuum_sort_benefit, null::timestamp as create_time
from zeroshift.visible_relations r
left join zeroshift.table_attributes t on t.oid = r.oid
where r.relkind in ('r', 'p', 'm') and not r.is_system and r.database_name = current_database()
  and r.reltuples <> 0;

-- ------------------------------------------------------------------------------------------------- users and privileges

create or replace view redshift_catalog.pg_user as
select rolname as usename, oid::integer as usesysid, rolcreatedb as usecreatedb,
       zeroshift.is_superuser(rolname) as usesuper, false as usecatupd, '********'::text as passwd,
       rolvaliduntil as valuntil, rolconfig as useconfig
from pg_catalog.pg_roles
where rolcanlogin;

-- CREATE USER's CONNECTION LIMIT, which shows as UNLIMITED where there is none.
create or replace view redshift_catalog.pg_user_info as
select u.usename, u.usesysid, u.usecreatedb, u.usesuper, u.usecatupd, u.passwd, u.valuntil, u.useconfig,
       case when r.rolconnlimit < 0 then 'UNLIMITED' else r.rolconnlimit::text end as useconnlimit
from redshift_catalog.pg_user u join pg_catalog.pg_roles r on r.oid = u.usesysid::oid;

-- CREATE USER's SESSION TIMEOUT in seconds, as deployer/local/translate/users.py keeps it; 0 for none.
create or replace function zeroshift.session_timeout(who text) returns integer
language sql stable
as $$
    select coalesce((
        select substring(c from '\d+')::integer
        from pg_catalog.pg_roles r, unnest(r.rolconfig) c where r.rolname = who and c like 'idle\_session\_timeout=%'), 0)
$$;

-- SYSLOG ACCESS UNRESTRICTED is refused: "RESTRICTED means that users that are not superusers can see their own records". When
-- a user ran DDL last is not kept.
create or replace view redshift_catalog.svv_user_info as
select usename::text as user_name, usesysid as user_id, usecreatedb as createdb, usesuper as superuser,
       usecatupd as catalog_update, useconnlimit as connection_limit,
       case when usesuper then 'UNRESTRICTED' else 'RESTRICTED' end as syslog_access, null::timestamp as last_ddl_timestamp,
       zeroshift.session_timeout(usename) as session_timeout, null::text as external_user_id
from redshift_catalog.pg_user_info
where (select zeroshift.is_superuser(current_user)) or usename = current_user;

create or replace view redshift_catalog.svl_user_info as
select user_name as usename, user_id as usesysid, createdb as usecreatedb, superuser as usesuper, catalog_update as usecatupd,
       connection_limit as useconnlimit, syslog_access as syslogaccess, last_ddl_timestamp as last_ddl_ts,
       session_timeout as sessiontimeout, external_user_id as external_id
from redshift_catalog.svv_user_info;

create or replace view redshift_catalog.svv_roles as
select oid::integer as role_id, rolname::text as role_name, 'rdsdb'::text as role_owner, null::text as external_id
from pg_catalog.pg_roles
where zeroshift.role_kind(oid) = 'role' and rolname not like 'pg\_%' and rolname <> 'zeroshift_superusers'
  -- Of the system-defined roles there is only sys:secadmin here.
  and rolname not like 'sys:%';

-- Its members are the users, as PostgreSQL 8.0 has it.
create or replace view redshift_catalog.pg_group as
select g.rolname as groname, g.oid::integer as grosysid,
       array(select m.member::integer from pg_catalog.pg_auth_members m join pg_catalog.pg_roles u on u.oid = m.member
             where m.roleid = g.oid and u.rolcanlogin and m.grantor not in (10, m.member) order by 1) as grolist
from pg_catalog.pg_roles g
where zeroshift.role_kind(g.oid) = 'group';

create or replace view redshift_catalog.svv_user_grants as
select m.member::integer as user_id, u.rolname::text as user_name, m.roleid::integer as role_id, r.rolname::text as role_name,
       m.admin_option
from pg_catalog.pg_auth_members m
join pg_catalog.pg_roles u on u.oid = m.member and u.rolcanlogin
join pg_catalog.pg_roles r on r.oid = m.roleid and zeroshift.role_kind(r.oid) = 'role'
where r.rolname not like 'pg\_%' and r.rolname <> 'zeroshift_superusers'
  -- PostgreSQL gives every new role to its maker, twice. The roles that Redshift itself has are given by grant_secadmin.
  and (m.grantor not in (10, m.member) or r.rolname like 'sys:%')
  and ((select zeroshift.is_superuser(current_user)) or u.rolname = current_user);

create or replace view redshift_catalog.svv_role_grants as
select m.member::integer as role_id, u.rolname::text as role_name, m.roleid::integer as granted_role_id,
       r.rolname::text as granted_role_name
from pg_catalog.pg_auth_members m
join pg_catalog.pg_roles u on u.oid = m.member and zeroshift.role_kind(u.oid) = 'role'
join pg_catalog.pg_roles r on r.oid = m.roleid and zeroshift.role_kind(r.oid) = 'role'
where u.rolname not like 'pg\_%' and r.rolname not like 'pg\_%'
  and (m.grantor not in (10, m.member) or r.rolname like 'sys:%')
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, u.oid, 'member'));

create or replace view redshift_catalog.svv_relation_privileges as
select r.schema_name as namespace_name, r.relation_name, p.privilege_type, p.grantee::integer as identity_id,
       zeroshift.identity_name(p.grantee) as identity_name, zeroshift.identity_type(p.grantee) as identity_type,
       p.is_grantable as admin_option
from zeroshift.visible_relations r
cross join lateral pg_catalog.aclexplode(r.relacl) p
where p.grantee <> r.relowner and not r.is_system and r.database_name = current_database()
  and p.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRUNCATE')
  and zeroshift.sees_identity(p.grantee);

create or replace view redshift_catalog.svv_column_privileges as
select c.schema_name as namespace_name, c.relation_name, c.column_name, p.privilege_type,
       p.grantee::integer as identity_id, zeroshift.identity_name(p.grantee) as identity_name,
       zeroshift.identity_type(p.grantee) as identity_type
from zeroshift.visible_columns c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = c.ordinal_position
cross join lateral pg_catalog.aclexplode(a.attacl) p
where p.grantee <> c.relowner and not c.is_system and c.database_name = current_database()
  and p.privilege_type in ('SELECT', 'UPDATE') and zeroshift.sees_identity(p.grantee);

create or replace view redshift_catalog.svv_schema_privileges as
select s.schema_name as namespace_name, p.privilege_type, p.grantee::integer as identity_id,
       zeroshift.identity_name(p.grantee) as identity_name, zeroshift.identity_type(p.grantee) as identity_type,
       p.is_grantable as admin_option,
       -- Scoped permissions (GRANT ... FOR TABLES IN SCHEMA) are refused.
       'SCHEMA'::text as privilege_scope
from zeroshift.visible_schemas s
cross join lateral pg_catalog.aclexplode(s.nspacl) p
where p.grantee <> s.nspowner and s.database_name = current_database() and zeroshift.sees_identity(p.grantee);

create or replace view redshift_catalog.svv_function_privileges as
select n.nspname::text as namespace_name, p.proname::text as function_name,
       -- "The string that represents the type of input argument": no names, no modes, nothing of OUT arguments.
       coalesce((select string_agg(zeroshift.type_name(t.kind), ', ' order by t.number)
                 from unnest(p.proargtypes::oid[]) with ordinality t(kind, number)), '') as argument_types,
       a.privilege_type,
       a.grantee::integer as identity_id, zeroshift.identity_name(a.grantee) as identity_name,
       zeroshift.identity_type(a.grantee) as identity_type, a.is_grantable as admin_option
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
cross join lateral pg_catalog.aclexplode(p.proacl) a
where a.grantee <> p.proowner and not zeroshift.is_internal(n.nspname)
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, p.proowner, 'usage')
       or pg_catalog.has_function_privilege(current_user, p.oid, 'execute'))
  and zeroshift.sees_identity(a.grantee);

-- What ALTER DEFAULT PRIVILEGES has said. Its page does not say what schema_name is where no schema was named: NULL here.
create or replace view redshift_catalog.svv_default_privileges as
select n.nspname::text as schema_name,
       case d.defaclobjtype when 'r' then 'RELATION' else 'PROCEDURE' end as object_type,
       d.defaclrole::integer as owner_id, pg_catalog.pg_get_userbyid(d.defaclrole)::text as owner_name,
       'user'::text as owner_type, p.privilege_type, p.grantee::integer as grantee_id,
       zeroshift.identity_name(p.grantee) as grantee_name, zeroshift.identity_type(p.grantee) as grantee_type,
       p.is_grantable as admin_option
from pg_catalog.pg_default_acl d
left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
cross join lateral pg_catalog.aclexplode(d.defaclacl) p
where d.defaclobjtype in ('r', 'f') and p.grantee <> d.defaclrole
  and p.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRUNCATE', 'EXECUTE')
  -- "Other users can only see default permissions granted to them."
  and zeroshift.sees_identity(p.grantee)
union all
select n.nspname::text, 'FUNCTION', f.owner::integer, pg_catalog.pg_get_userbyid(f.owner)::text, 'user', 'EXECUTE', f.grantee::integer,
       zeroshift.identity_name(f.grantee), zeroshift.identity_type(f.grantee), f.grantable
from zeroshift.function_defaults f
left join pg_catalog.pg_namespace n on n.oid = f.schema
where not f.closed and (f.grantee = 0 or exists (select from pg_catalog.pg_roles where oid = f.grantee))
  and zeroshift.sees_identity(f.grantee);

-- "PG_DEFAULT_ACL": superusers see all rows, others their own. Default privileges on procedures are p.
create or replace view redshift_catalog.pg_default_acl as
select defaclrole::integer as defacluser, defaclnamespace, (case defaclobjtype when 'f' then 'p' else defaclobjtype end)::"char" as defaclobjtype,
       zeroshift.acl_shown(defaclacl) as defaclacl
from pg_catalog.pg_default_acl
where defaclobjtype in ('r', 'f')
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, defaclrole, 'usage'));

-- --------------------------------------------------------------------------------------------------------- sessions

create or replace view redshift_catalog.stv_sessions as
select started as starttime, pid as process, user_name::character(50) as user_name,
       current_database()::character(50) as db_name, coalesce((told ->> 'timeout')::integer, 0) as timeout_sec
from zeroshift.sessions
where (select zeroshift.is_superuser(current_user)) or user_name = current_user;

create or replace view redshift_catalog.stv_db_isolation_level as
select database_name::character(128) as db_name, database_isolation_level::character(20) as isolation_level
from redshift_catalog.svv_redshift_databases;

-- PostgreSQL tells a user nothing of others' transactions, Redshift's superusers see all.
create or replace function zeroshift.open_transactions()
returns table (user_name text, xid bigint, pid integer, started timestamp, mode text, kind text, relation oid,
               granted boolean)
language sql stable security definer set search_path = pg_catalog
as $$
    select s.user_name, a.backend_xid::text::bigint, a.pid, a.xact_start at time zone 'UTC', l.mode, l.locktype,
           l.relation, l.granted
    from pg_stat_activity a
    join zeroshift.sessions s on s.pid = a.pid
    left join pg_locks l
        on l.pid = a.pid and l.locktype in ('relation', 'transactionid')
       and (l.relation is null or exists (
            select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.oid = l.relation and n.nspname not in ('pg_catalog', 'redshift_catalog', 'zeroshift', 'pg_toast')))
    where a.xact_start is not null
$$;

create or replace view redshift_catalog.svv_transactions as
select user_name as txn_owner, current_database()::text as txn_db, xid, pid, started as txn_start, mode as lock_mode,
       kind as lockable_object_type, relation::integer as relation, granted
from zeroshift.open_transactions()
where (select zeroshift.is_superuser(current_user)) or user_name = current_user;

-- ---------------------------------------------------------------------------------------------------- zero-ETL (superuser)

create or replace view redshift_catalog.svv_integration_table_state as
select t.integration_id::character(128), i.target_database::character(128), t.schema_name::character(128),
       t.table_name::character(128), t.table_state::character(128),
       format('{"txn_seq":%s,"txn_id":%s}', t.txn_seq, t.txn_seq)::character(128) as table_last_replicated_checkpoint,
       t.reason::character(256), t.last_updated_timestamp, t.table_rows,
       coalesce(ceil(pg_total_relation_size(to_regclass(format('%I.%I', i.target_database || '.' || t.schema_name, t.table_name)))
                     / 1048576.0), 0)::bigint as table_size,
       t.is_history_mode
from zeroshift.integration_tables t
join zeroshift.integrations i using (integration_id);

create or replace view redshift_catalog.sys_integration_activity as
select a.integration_id::character(128), i.target_database::character(128), i.source::character(128),
       (a.integration_id || '_' || a.txn_seq)::character(128) as checkpoint_name,
       a.checkpoint_type::character(16), null::bigint as checkpoint_bytes, max(a.record_time) as last_commit_timestamp,
       count(*)::integer as modified_tables, min(a.started_at) as integration_start_time,
       max(a.ended_at) as integration_end_time
from zeroshift.integration_activity a
join zeroshift.integrations i using (integration_id)
group by a.integration_id, i.target_database, i.source, a.txn_seq, a.checkpoint_type;

create or replace view redshift_catalog.sys_integration_table_activity as
select a.integration_id::character(128), (a.integration_id || '_' || a.txn_seq)::character(128) as checkpoint_name,
       i.target_database::character(128), a.schema_name::character(128), a.table_name::character(128),
       to_regclass(format('%I.%I', i.target_database || '.' || a.schema_name, a.table_name))::oid::integer as table_id,
       a.record_time, a.txn_seq as transaction_id, a.inserted_rows, a.deleted_rows, a.updated_rows,
       null::bigint as bytes_ingested
from zeroshift.integration_activity a
join zeroshift.integrations i using (integration_id);

-- -------------------------------------------------------------------------- PostgreSQL's own, without what is ours alone

-- Redshift's own type numbers (deployer/local/gateway/types.py): a TEXT is a VARCHAR.
create or replace function zeroshift.shown_type(kind oid) returns oid
language sql stable
as $$
    select (case when kind = 25 then 1043 when kind in (114, 3802) then 4000 when kind = 17 then 6551
                 when kind = pg_catalog.to_regtype('redshift.super') then 4000 else kind end)::oid
$$;

create or replace function redshift.format_type(kind oid, modifier integer) returns text
language sql stable
as $$
    select case kind when 4000 then 'super' when 6551 then 'binary varying'
                else case when modifier is null then zeroshift.type_name(kind) else zeroshift.type_text(kind, modifier) end end
$$;

-- What a foreign key names: an unqualified name is one of its own schema, else of the search path.
create or replace function zeroshift.referenced_table(written text, schema_oid oid) returns oid
language sql stable
as $$
    select coalesce(
        (select c.oid from pg_catalog.pg_class c
         where strpos(written, '.') = 0 and c.relname = written and c.relnamespace = schema_oid),
        (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname = split_part(written, '.', 1) and c.relname = substr(written, strpos(written, '.') + 1)),
        to_regclass(quote_ident(written)))
$$;

create or replace function zeroshift.column_numbers(relation oid, names jsonb) returns smallint[]
language sql stable
as $$
    select array_agg(a.attnum order by n.place)
    from jsonb_array_elements_text(names) with ordinality n(name, place)
    join pg_catalog.pg_attribute a on a.attrelid = relation and a.attname = n.name and not a.attisdropped
$$;

create or replace function zeroshift.constraint_oid(relation oid, place bigint) returns oid
language sql immutable
as $$
    -- At most 64 keys a table; the engine's own numbers do not come here before two thousand million objects.
    select (2147483648 + (relation::bigint * 64 + place) % 2147483648)::oid
$$;

-- The name that PostgreSQL 8.0 gives a key without one.
create or replace function zeroshift.key_name(relation_name text, key jsonb, place bigint) returns text
language sql immutable
as $$
    select relation_name || case key ->> 'type'
        when 'p' then '_pkey'
        when 'u' then '_' || (key -> 'columns' ->> 0) || '_key'
        else '_' || (key -> 'columns' ->> 0) || '_fkey' end
$$;

create or replace view redshift_catalog.pg_namespace as
select oid, zeroshift.schema_of(nspname)::name as nspname,
       case when pg_catalog.pg_get_userbyid(nspowner) = 'pg_database_owner' then 10::oid else nspowner end as nspowner,
       zeroshift.acl_shown(nspacl) as nspacl
from pg_catalog.pg_namespace
where not zeroshift.is_internal(nspname) and strpos(nspname, '.') = 0;

-- The keys that CREATE TABLE declared. They have no number in the engine: one is made of the table's and the key's place,
-- above those that the engine gives; `index_oid` is another one.
create or replace view zeroshift.declared_keys as
select zeroshift.constraint_oid(t.oid, k.place) as oid, t.oid as relation, c.relnamespace, c.relowner,
       k.value ->> 'type' as kind,
       coalesce(k.value ->> 'name', zeroshift.key_name(c.relname, k.value, k.place)) as name,
       k.value -> 'columns' as columns, r.oid as referenced_relation,
       case when k.value ->> 'type' = 'f' then coalesce(
           nullif(k.value -> 'referenced', '[]'),
           (select p.value -> 'columns' from zeroshift.table_attributes rt, jsonb_array_elements(rt.constraints) p
            where rt.oid = r.oid and p.value ->> 'type' = 'p')) end as referenced_columns,
       case when k.value ->> 'type' in ('p', 'u') then zeroshift.constraint_oid(t.oid, k.place + 32) end as index_oid
from zeroshift.table_attributes t
join pg_catalog.pg_class c on c.oid = t.oid
cross join lateral jsonb_array_elements(t.constraints) with ordinality k(value, place)
left join pg_catalog.pg_class r on r.oid = zeroshift.referenced_table(k.value ->> 'references', c.relnamespace)
where c.relnamespace in (select oid from redshift_catalog.pg_namespace);

-- PostgreSQL 8.0's columns and Redshift's RELDISTSTYLE. "PG_CLASS_INFO": 0 EVEN, 1 KEY, 8 ALL; 9 is AUTO in its example.
-- Nothing has a trigger or a check: byte limits and zone maps are the local engine's own. A primary or unique key shows as
-- an index of its name, where drivers of Redshift's look for it (redshift_connector's get_primary_keys).
create or replace view redshift_catalog.pg_class as
select c.oid, c.relname, c.relnamespace, c.reltype, c.relowner, c.relam, c.relfilenode, c.reltablespace, c.relpages,
       greatest(c.reltuples, 0) as reltuples, 0::oid as reltoastrelid, 0::oid as reltoastidxid,
       coalesce(t.constraints @> '[{"type": "p"}]' or t.constraints @> '[{"type": "u"}]', false) as relhasindex,
       c.relisshared, case c.relkind when 'm' then 'v' else c.relkind end as relkind, c.relnatts,
       (case coalesce(t.diststyle, case when c.relkind in ('r', 'p') then 'AUTO' end)
             when 'KEY' then 1 when 'ALL' then 8 when 'AUTO' then 9 else 0 end)::smallint as reldiststyle,
       0::smallint as relchecks, 0::smallint as reltriggers,
       coalesce((select count(*) from jsonb_array_elements(t.constraints) k where k.value ->> 'type' = 'u'), 0)::smallint as relukeys,
       coalesce((select count(*) from jsonb_array_elements(t.constraints) k where k.value ->> 'type' = 'f'), 0)::smallint as relfkeys,
       0::smallint as relrefs, false as relhasoids,
       coalesce(t.constraints @> '[{"type": "p"}]', false) as relhaspkey, c.relhasrules, c.relhassubclass,
       zeroshift.acl_letters(c.relacl, c.relowner) as relacl
from pg_catalog.pg_class c
left join zeroshift.table_attributes t on t.oid = c.oid
where c.relkind in ('r', 'v', 'm', 'p')
  and c.relnamespace in (select oid from redshift_catalog.pg_namespace)
union all
-- A materialized view is a view on a table of this name, which clients ask for its keys (dbt-redshift).
select c.reltype, left('mv_tbl__' || c.relname || '__0', 63)::name, c.relnamespace, 0::oid, c.relowner, 0::oid, 0::oid, 0::oid,
       c.relpages, greatest(c.reltuples, 0), 0::oid, 0::oid, false, false, 'r'::"char", c.relnatts,
       (case t.diststyle when 'KEY' then 1 when 'ALL' then 8 when 'AUTO' then 9 else 0 end)::smallint, 0::smallint, 0::smallint,
       0::smallint, 0::smallint, 0::smallint, false, false, false, false, null
from pg_catalog.pg_class c
left join zeroshift.table_attributes t on t.oid = c.oid
where c.relkind = 'm' and c.relnamespace in (select oid from redshift_catalog.pg_namespace)
union all
select k.index_oid, k.name::name, k.relnamespace, 0::oid, k.relowner, 403::oid, 0::oid, 0::oid, 0, 0::real, 0::oid, 0::oid, false,
       false, 'i'::"char", jsonb_array_length(k.columns)::smallint, 0::smallint, 0::smallint, 0::smallint, 0::smallint,
       0::smallint, 0::smallint, false, false, false, false, null
from zeroshift.declared_keys k
where k.index_oid is not null;

-- "PG_CLASS_INFO": reloid rather than oid; superusers see all rows, others their own. The engine does not keep when a
-- table was made: NULL. AUTO shows as AUTO(ALL), which is how the page says it begins.
create or replace view redshift_catalog.pg_class_info as
select oid as reloid, relname, relnamespace, reltype, relowner, relam, relfilenode, reltablespace, relpages, reltuples,
       reltoastrelid, reltoastidxid, relhasindex, relisshared, relkind, relnatts, reldiststyle, relchecks, reltriggers,
       relukeys, relfkeys, relrefs, relhasoids, relhaspkey, relhasrules, relhassubclass, relacl,
       null::timestamp as relcreationtime, case reldiststyle when 9 then 10 else reldiststyle end as releffectivediststyle
from redshift_catalog.pg_class
where (select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, relowner, 'usage');

-- The numbers are ours: the documentation shows encodings by name only.
create or replace function redshift.format_encoding(number integer) returns text
language sql immutable
as $$
    select (array['none', 'az64', 'bytedict', 'delta', 'delta32k', 'lzo', 'mostly8', 'mostly16', 'mostly32', 'runlength',
                  'text255', 'text32k', 'zstd'])[number + 1]
$$;

create or replace function zeroshift.encoding_number(name text) returns smallint
language sql immutable
as $$
    select (array_position(array['none', 'az64', 'bytedict', 'delta', 'delta32k', 'lzo', 'mostly8', 'mostly16', 'mostly32',
                                 'runlength', 'text255', 'text32k', 'zstd'], name) - 1)::smallint
$$;

-- 8.0's columns and Redshift's own three, which clients read (sqlalchemy-redshift, amazon-redshift-utils).
create or replace view redshift_catalog.pg_attribute as
select a.attrelid, a.attname, zeroshift.shown_type(a.atttypid) as atttypid, a.attlen, a.attnum, a.attndims,
       -- A VARCHAR without a length is VARCHAR(65535).
       case when a.atttypid = 25 then 65539 else a.atttypmod end as atttypmod, a.attbyval,
       a.attstorage, a.attalign, a.attnotnull, a.atthasdef or a.attidentity <> '' as atthasdef, a.attisdropped, a.attislocal,
       a.attinhcount, coalesce(t.distkey = a.attname, false) as attisdistkey,
       zeroshift.sort_order(t.sortkeys, t.sortstyle, a.attname)::smallint as attsortkeyord,
       zeroshift.encoding_number(
           case when c.relkind in ('r', 'p') then
               zeroshift.encoding_of(coalesce(t.encodings ->> a.attname, 'auto'), a.atttypid,
                                     coalesce(a.attname = any (t.sortkeys), false))
           else 'none' end) as attencodingtype
from pg_catalog.pg_attribute a
join redshift_catalog.pg_class c on c.oid = a.attrelid
left join zeroshift.table_attributes t on t.oid = a.attrelid
where a.attnum > 0
union all
select c.reltype, a.attname, zeroshift.shown_type(a.atttypid), a.attlen, a.attnum, a.attndims,
       case when a.atttypid = 25 then 65539 else a.atttypmod end, a.attbyval, a.attstorage, a.attalign, false, false, false, true,
       0::smallint, coalesce(t.distkey = a.attname, false), zeroshift.sort_order(t.sortkeys, t.sortstyle, a.attname)::smallint,
       zeroshift.encoding_number(
           zeroshift.encoding_of('auto', a.atttypid, coalesce(a.attname = any (t.sortkeys), false)))
from pg_catalog.pg_class c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join zeroshift.table_attributes t on t.oid = c.oid
where c.relkind = 'm' and c.relnamespace in (select oid from redshift_catalog.pg_namespace)
union all
select k.index_oid, a.attname, zeroshift.shown_type(a.atttypid), a.attlen, n.place::smallint, a.attndims,
       case when a.atttypid = 25 then 65539 else a.atttypmod end, a.attbyval, a.attstorage, a.attalign, false, false, false, true,
       0::smallint, false, 0::smallint, 0::smallint
from zeroshift.declared_keys k
cross join lateral jsonb_array_elements_text(k.columns) with ordinality n(name, place)
join pg_catalog.pg_attribute a on a.attrelid = k.relation and a.attname = n.name and not a.attisdropped
where k.index_oid is not null;

-- "PG_ATTRIBUTE_INFO": PG_ATTRIBUTE and the privileges on columns.
create or replace view redshift_catalog.pg_attribute_info as
select p.*, zeroshift.acl_shown(a.attacl) as attacl
from redshift_catalog.pg_attribute p
left join pg_catalog.pg_attribute a on a.attrelid = p.attrelid and a.attnum = p.attnum;

-- IDENTITY shows as a default in the form that sqlalchemy-redshift and amazon-redshift-utils read.
create or replace view redshift_catalog.pg_attrdef as
select coalesce(d.oid, 0::oid) as oid, a.attrelid as adrelid, a.attnum as adnum,
       v.source as adbin, v.source as adsrc
from pg_catalog.pg_attribute a
join redshift_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
cross join lateral (
    select case when a.attidentity = '' then zeroshift.default_text(pg_catalog.pg_get_expr(d.adbin, d.adrelid))
           else (select format('%s(%s, %s, ''%s,%s''::text)',
                               case a.attidentity when 'a' then '"identity"' else 'default_identity' end,
                               a.attrelid, a.attnum - 1, s.seqstart, s.seqincrement)
                 from pg_catalog.pg_depend p
                 join pg_catalog.pg_sequence s on s.seqrelid = p.objid
                 where p.classid = 'pg_class'::regclass and p.refclassid = 'pg_class'::regclass
                   and p.refobjid = a.attrelid and p.refobjsubid = a.attnum and p.deptype = 'i') end as source) v
where a.attnum > 0 and not a.attisdropped and v.source is not null;

create or replace view redshift_catalog.pg_constraint as
select oid, name::name as conname, relnamespace as connamespace, kind::"char" as contype, false as condeferrable,
       false as condeferred, relation as conrelid, 0::oid as contypid, coalesce(referenced_relation, 0::oid) as confrelid,
       (case kind when 'f' then 'a' else ' ' end)::"char" as confupdtype,
       (case kind when 'f' then 'a' else ' ' end)::"char" as confdeltype,
       (case kind when 'f' then 'u' else ' ' end)::"char" as confmatchtype,
       zeroshift.column_numbers(relation, columns) as conkey,
       zeroshift.column_numbers(referenced_relation, referenced_columns) as confkey, null::text as conbin,
       null::text as consrc
from zeroshift.declared_keys;

create or replace function zeroshift.quoted_list(names jsonb) returns text
language sql immutable
as $$
    select string_agg(pg_catalog.quote_ident(n.name), ', ' order by n.place)
    from jsonb_array_elements_text(names) with ordinality n(name, place)
$$;

-- Reads zeroshift's own tables for whoever asks; pg_catalog shows everybody the same.
create or replace function redshift.pg_get_constraintdef(key oid, pretty boolean default false) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select case kind when 'p' then 'PRIMARY KEY (' when 'u' then 'UNIQUE (' else 'FOREIGN KEY (' end
           || zeroshift.quoted_list(columns) || ')'
           || case when kind = 'f' then
                  coalesce(' REFERENCES ' || referenced_relation::regclass || '(' || zeroshift.quoted_list(referenced_columns)
                           || ')', '') else '' end
    from zeroshift.declared_keys where oid = key
$$;

create or replace function redshift.pg_get_indexdef(index oid) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select format('CREATE UNIQUE INDEX %I ON %s USING btree (%s)', name, relation::regclass, zeroshift.quoted_list(columns))
    from zeroshift.declared_keys where index_oid = index
$$;

-- The whole definition, or the one column that is asked for.
create or replace function redshift.pg_get_indexdef(index oid, place integer, pretty boolean) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select case when place = 0 then redshift.pg_get_indexdef(index) else pg_catalog.quote_ident(columns ->> (place - 1)) end
    from zeroshift.declared_keys where index_oid = index
$$;

-- pg_attrdef holds the text itself.
create or replace function redshift.pg_get_expr(expression text, relation oid, pretty boolean default false) returns text
language sql immutable
as $$ select expression $$;

-- A view as its user wrote it, a late-binding one with the words that make it one.
create or replace function redshift.pg_get_viewdef(relation oid, pretty boolean default false) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select coalesce(
        (select definition || ' with no schema binding' from zeroshift.late_binding_views v where v.oid = relation),
        (select definition from zeroshift.view_texts v where v.oid = relation),
        (select case when c.relkind not in ('v', 'm') then 'Not a view' end from pg_class c where c.oid = relation))
$$;

create or replace function redshift.pg_get_viewdef(relation text, pretty boolean default false) returns text
language sql stable
as $$ select redshift.pg_get_viewdef(relation::regclass::oid, pretty) $$;

-- The arguments as CREATE PROCEDURE declared them, without their lengths, which pg_proc does not keep.
create or replace function redshift.pg_get_function_arguments(routine oid) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select coalesce((
        select string_agg(
            concat_ws(' ', nullif(upper(a.value ->> 'mode'), 'IN'), nullif(pg_catalog.quote_ident(a.value ->> 'name'), '""'),
                      regexp_replace(a.value ->> 'type', ' *\([0-9, ]*\)', '')), ', ' order by a.ordinality)
        from zeroshift.procedures z, jsonb_array_elements(z.arguments) with ordinality a
        where z.oid = routine), '')
$$;

-- A relation of pg_catalog is always found without its schema.
create or replace function redshift.pg_table_is_visible(relation oid) returns boolean
language sql stable
as $$
    select pg_catalog.pg_table_is_visible(relation) or exists (
        select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.oid = relation and n.nspname = 'redshift_catalog')
$$;

-- The comment on a role says what kind of thing it is here (zeroshift.role_kind): nobody else's.
create or replace function redshift.shobj_description(object oid, catalog text) returns text
language sql stable
as $$ select case when catalog = 'pg_database' then pg_catalog.shobj_description(object, 'pg_database') end $$;

-- Names of system views mean what they mean in FROM: they are found without a schema, and behind pg_catalog.
create or replace function redshift.relation_named(name text) returns oid
language sql stable
as $$
    select coalesce(
        (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'redshift_catalog' and c.relname = regexp_replace(lower(name), '^pg_catalog\.', '')),
        name::regclass::oid)
$$;

create or replace function redshift.has_table_privilege(who name, relation text, privilege text) returns boolean
language sql stable
as $$ select pg_catalog.has_table_privilege(who, redshift.relation_named(relation), privilege) $$;

create or replace function redshift.has_table_privilege(relation text, privilege text) returns boolean
language sql stable
as $$ select pg_catalog.has_table_privilege(redshift.relation_named(relation), privilege) $$;

create or replace function redshift.has_table_privilege(who name, relation oid, privilege text) returns boolean
language sql stable
as $$ select pg_catalog.has_table_privilege(who, relation, privilege) $$;

create or replace function redshift.has_table_privilege(relation oid, privilege text) returns boolean
language sql stable
as $$ select pg_catalog.has_table_privilege(relation, privilege) $$;

-- The types that Redshift has, by its own numbers, and the row types of tables.
create or replace view redshift_catalog.pg_type as
select case t.typname when 'super' then 4000::oid when 'bytea' then 6551::oid else t.oid end as oid,
       (case t.typname when 'bytea' then 'varbyte' else t.typname end)::name as typname,
       case when n.nspname in ('pg_catalog', 'redshift') then (select cn.oid from pg_catalog.pg_namespace cn where cn.nspname = 'redshift_catalog')
            else t.typnamespace end as typnamespace,
       t.typowner, t.typlen, t.typbyval, (case when t.typname = 'super' then 'b' else t.typtype end)::"char" as typtype,
       t.typisdefined, t.typdelim, t.typrelid, t.typelem,
       t.typinput, t.typoutput, t.typreceive, t.typsend, t.typanalyze, t.typalign, t.typstorage, t.typnotnull,
       (case when t.typname = 'super' then 0 else t.typbasetype end)::oid as typbasetype, t.typtypmod, t.typndims,
       null::text as typdefaultbin, null::text as typdefault
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where n.nspname = 'pg_catalog' and ltrim(t.typname, '_') in (
          'bool', 'bytea', 'char', 'name', 'int8', 'int2', 'int2vector', 'int4', 'regproc', 'text', 'oid', 'tid', 'xid', 'cid',
          'oidvector', 'float4', 'float8', 'unknown', 'aclitem', 'bpchar', 'varchar', 'date', 'time', 'timestamp',
          'timestamptz', 'interval', 'timetz', 'numeric', 'refcursor', 'regprocedure', 'regoper', 'regoperator', 'regclass',
          'regtype', 'record', 'cstring', 'any', 'anyarray', 'void', 'trigger', 'internal', 'anyelement')
   or n.nspname = 'redshift' and t.typname = 'super'
   or t.typrelid in (select c.oid from redshift_catalog.pg_class c join redshift_catalog.pg_namespace cn
                     on cn.oid = c.relnamespace where cn.nspname <> 'pg_catalog');

-- Only the comments on what is shown.
create or replace view redshift_catalog.pg_description as
select d.objoid, d.classoid, d.objsubid, d.description
from pg_catalog.pg_description d
where d.objoid in (select oid from redshift_catalog.pg_class)
   or d.objoid in (select oid from redshift_catalog.pg_namespace)
   or d.classoid = 'pg_catalog.pg_proc'::regclass and d.objoid in
      (select p.oid from pg_catalog.pg_proc p where p.pronamespace in (select oid from redshift_catalog.pg_namespace));

create or replace view redshift_catalog.pg_language as
select oid, lanname, lanowner, lanispl, lanpltrusted, lanplcallfoid, lanvalidator, zeroshift.acl_shown(lanacl) as lanacl
from pg_catalog.pg_language
where lanname in ('internal', 'c', 'sql', 'plpgsql');

create or replace view redshift_catalog.pg_proc as
select p.oid, p.proname, p.pronamespace, p.proowner, p.prolang, p.proisstrict, p.proretset, p.provolatile, p.pronargs,
       p.prorettype, p.proargtypes, p.proallargtypes, p.proargmodes,
       -- The procedure in pg_proc has no names, and is never a definer's (docs/decisions/0002).
       case when z.arguments <> '[]' then
           array(select a.value ->> 'name' from pg_catalog.jsonb_array_elements(z.arguments) with ordinality a
                 order by a.ordinality)
       end as proargnames,
       coalesce(f.body, p.prosrc) as prosrc, zeroshift.acl_shown(p.proacl) as proacl, p.prokind,
       coalesce(z.security_definer, false) as prosecdef
from pg_catalog.pg_proc p
left join zeroshift.procedures z on z.oid = p.oid
left join zeroshift.functions f on f.oid = p.oid
where p.pronamespace in (select oid from redshift_catalog.pg_namespace) and (p.prokind = 'p' or f.oid is not null);

-- Redshift's own: prooid rather than oid, prokind p for procedures.
create or replace view redshift_catalog.pg_proc_info as
select oid as prooid, proname, pronamespace, proowner, prolang, proisstrict, proretset, provolatile, pronargs, prorettype,
       proargtypes, proallargtypes, proargmodes, proargnames, prosrc, proacl, prokind, prosecdef
from redshift_catalog.pg_proc;

create or replace view redshift_catalog.pg_database as
select oid, datname, datdba, encoding, datistemplate, datallowconn,
       zeroshift.acl_shown(datacl) as datacl
from pg_catalog.pg_database where datname = current_database()
union all
-- A landing database is a set of schemas, and has no number of its own.
select (2147483648 + (hashtext(target_database) & 2147483647))::oid, target_database::name, 10::oid, 6, false, true, null
from zeroshift.integrations;

-- "PG_DATABASE_INFO": datid rather than oid. "A value of -1 means no limit."
create or replace view redshift_catalog.pg_database_info as
select oid as datid, datname, datdba, encoding, datistemplate, datallowconn, datacl, '-1'::text as datconnlimit
from redshift_catalog.pg_database;

create or replace view redshift_catalog.pg_tables as
select schema_name::name as schemaname, relation_name::name as tablename,
       pg_catalog.pg_get_userbyid(relowner) as tableowner, null::name as tablespace, false as hasindexes, false as hasrules,
       false as hastriggers
from zeroshift.visible_relations
where relkind in ('r', 'p') and database_name = current_database();

-- The text of a view is what the user wrote.
create or replace view redshift_catalog.pg_views as
select r.schema_name::name as schemaname, r.relation_name::name as viewname,
       pg_catalog.pg_get_userbyid(r.relowner) as viewowner,
       coalesce(l.definition || ' with no schema binding', v.definition) as definition
from zeroshift.visible_relations r
left join zeroshift.late_binding_views l on l.oid = r.oid
left join zeroshift.view_texts v on v.oid = r.oid
where r.relkind in ('v', 'm') and r.database_name = current_database() and not r.is_system;

-- What a view reads, as PostgreSQL keeps it: pg_depend names the view's rule, pg_rewrite the view.
create or replace view redshift_catalog.pg_rewrite as
select w.oid, w.rulename, w.ev_class, (-1)::smallint as ev_attr, w.ev_type, w.is_instead, null::text as ev_qual,
       null::text as ev_action
from pg_catalog.pg_rewrite w
where w.ev_class in (select oid from redshift_catalog.pg_class);

create or replace view redshift_catalog.pg_depend as
select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, d.deptype
from pg_catalog.pg_depend d
where d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
  and d.objid in (select oid from redshift_catalog.pg_rewrite)
  and d.refobjid in (select oid from redshift_catalog.pg_class)
union all
-- A foreign key depends on the index of the key that it names: so Amazon's JDBC driver finds imported and exported keys.
select 'pg_catalog.pg_constraint'::regclass, f.oid, 0, 'pg_catalog.pg_class'::regclass, k.index_oid, 0, 'n'
from zeroshift.declared_keys f
join zeroshift.declared_keys k on k.relation = f.referenced_relation and k.columns = f.referenced_columns
where f.kind = 'f' and k.index_oid is not null;

create or replace view redshift_catalog.pg_tablespace as
select oid, spcname, spcowner, ''::text as spclocation, zeroshift.acl_shown(spcacl) as spcacl from pg_catalog.pg_tablespace;

create or replace view redshift_catalog.pg_index as
select k.index_oid as indexrelid, k.relation as indrelid,
       array_to_string(zeroshift.column_numbers(k.relation, k.columns), ' ')::int2vector as indkey, ''::oidvector as indclass,
       jsonb_array_length(k.columns)::smallint as indnatts, true as indisunique, k.kind = 'p' as indisprimary,
       false as indisclustered, null::text as indexprs, null::text as indpred
from zeroshift.declared_keys k
where k.index_oid is not null;

-- Redshift has no inheritance or triggers.

create or replace view redshift_catalog.pg_inherits as
select inhrelid, inhparent, inhseqno from pg_catalog.pg_inherits where false;

create or replace view redshift_catalog.pg_trigger as
select oid, tgrelid, tgname, tgfoid, tgtype, true as tgenabled, false as tgisconstraint, ''::name as tgconstrname,
       tgconstrrelid, tgdeferrable, tginitdeferred, tgnargs, tgattr, tgargs
from pg_catalog.pg_trigger where false;

grant usage on schema redshift_catalog to public;
grant select on all tables in schema redshift_catalog to public;
revoke select on redshift_catalog.pg_user_info, redshift_catalog.svv_table_info,
    redshift_catalog.svv_integration_table_state, redshift_catalog.sys_integration_activity,
    redshift_catalog.sys_integration_table_activity from public;
grant select on redshift_catalog.pg_user_info, redshift_catalog.svv_table_info,
    redshift_catalog.svv_integration_table_state, redshift_catalog.sys_integration_activity,
    redshift_catalog.sys_integration_table_activity to zeroshift_superusers;
