-- What the SHOW commands list, in the columns and the order of the examples on their pages: DG "SHOW TABLES", "SHOW COLUMNS",
-- "SHOW GRANTS", "SHOW COLUMN GRANTS", "SHOW PROCEDURES", "SHOW FUNCTIONS", "SHOW PARAMETERS", "SHOW CONSTRAINTS". When a
-- table was altered or written last is not kept here: NULL.

create or replace view zeroshift.shown_tables as
select r.database_name::varchar(128), r.schema_name::varchar(128), r.relation_name::varchar(128) as table_name,
       (case when r.kind = 'VIEW' then 'VIEW' else 'TABLE' end)::varchar(128) as table_type,
       zeroshift.acl_text(r.relacl, r.relowner)::varchar(128) as table_acl, r.remarks::varchar(256) as remarks,
       zeroshift.owner_name(r.relowner)::varchar(128) as owner, null::timestamp as last_altered_time,
       null::timestamp as last_modified_time,
       (case when r.kind = 'VIEW' then null
             when coalesce(t.diststyle, 'AUTO') = 'KEY' then format('KEY(%s)', t.distkey)
             when coalesce(t.diststyle, 'AUTO') = 'AUTO' then 'AUTO (ALL)' else t.diststyle end)::varchar(128) as dist_style,
       (case when r.relkind = 'm' then 'MATERIALIZED VIEW' when l.oid is not null then 'LATE BINDING VIEW'
             when r.kind = 'VIEW' then 'REGULAR VIEW' else 'REGULAR TABLE' end)::varchar(128) as table_subtype
from zeroshift.visible_relations r
left join zeroshift.table_attributes t on t.oid = r.oid
left join zeroshift.late_binding_views l on l.oid = r.oid
union all
-- Of external tables the page names the type only.
select pg_catalog.current_database()::varchar(128), e.schema_name::varchar(128), e.name::varchar(128), 'EXTERNAL TABLE', null, null,
       zeroshift.owner_name(n.nspowner)::varchar(128), null, null, null, null
from zeroshift.visible_external_tables e join pg_catalog.pg_namespace n on n.oid = e.schema_oid;

-- The examples: sort_key_type for the columns of the sort key only, 1 or nothing as dist_key, RAW as raw, and a collation
-- for strings.
create or replace view zeroshift.shown_columns as
select c.database_name::varchar(128), c.schema_name::varchar(128), c.relation_name::varchar(128) as table_name,
       c.column_name::varchar(128), c.ordinal_position, c.column_default::varchar(4000),
       (case when c.attnotnull then 'NO' else 'YES' end)::varchar(3) as is_nullable, c.data_type::varchar(128),
       c.length::integer as character_maximum_length, c.precision::integer as numeric_precision,
       c.scale::integer as numeric_scale, c.column_remarks::varchar(256) as remarks,
       (case when c.column_name = any (t.sortkeys) then t.sortstyle end)::varchar(128) as sort_key_type,
       zeroshift.sort_order(t.sortkeys, t.sortstyle, c.column_name) as sort_key,
       case when t.distkey = c.column_name then 1 end as dist_key,
       (case when c.relkind in ('r', 'p') then replace(zeroshift.encoding_of(
            coalesce(t.encodings ->> c.column_name, 'auto'), c.atttypid,
            coalesce(c.column_name = any (t.sortkeys), false)), 'none', 'raw') end)::varchar(128) as encoding,
       (case when c.atttypid in (25, 1042, 1043) then
            case when a.attcollation = 'redshift.case_insensitive'::regcollation then 'case_insensitive' else 'default' end
        end)::varchar(128) as collation
from zeroshift.visible_columns c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = c.ordinal_position
left join zeroshift.table_attributes t on t.oid = c.oid
union all
select v.table_catalog::varchar(128), v.table_schema::varchar(128), v.table_name::varchar(128), v.column_name::varchar(128),
       v.ordinal_position, v.column_default, v.is_nullable, v.data_type::varchar(128), v.character_maximum_length, v.numeric_precision,
       v.numeric_scale, null, null, 0, null, null,
       case when v.data_type in ('character', 'character varying') then 'default' end
from zeroshift.late_binding_columns v
union all
select pg_catalog.current_database()::varchar(128), e.schema_name::varchar(128), e.name::varchar(128), e.column_name::varchar(128),
       e.place, null, null, regexp_replace(e.kind, '\(.*\)', '')::varchar(128), zeroshift.type_length(e.kind),
       zeroshift.type_precision(e.kind), zeroshift.type_scale(e.kind), null, null, null, null, null, null
from zeroshift.visible_external_columns e;

-- The functions and procedures that a user may see: "Be a superuser, be the owner, granted USAGE on the parent schema and
-- EXECUTE". OUT and INOUT arguments are what a procedure returns.
create or replace view zeroshift.shown_routines as
select pg_catalog.current_database()::varchar(128) as database_name, n.nspname::varchar(128) as schema_name,
       p.proname::varchar(128) as routine_name, p.prokind::text as kind, p.pronargs::integer as number_of_arguments,
       array_to_string(i.names, ', ')::varchar as argument_list,
       (case when p.prokind = 'f' then zeroshift.type_name(p.prorettype) else o.names end)::varchar as return_type,
       pg_catalog.obj_description(p.oid, 'pg_proc')::varchar as remarks, p.oid, i.names as input_types, n.nspname as place,
       p.proacl, p.proowner
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
cross join lateral (
    select coalesce(array_agg(zeroshift.type_name(t.kind) order by t.number), '{}') as names
    from unnest(p.proargtypes::oid[]) with ordinality t(kind, number)) i
cross join lateral (
    select string_agg(zeroshift.type_name(t.kind), ', ' order by t.number) as names
    from unnest(p.proallargtypes, p.proargmodes) with ordinality t(kind, mode, number) where t.mode in ('o', 'b')) o
where p.prokind in ('f', 'p') and not zeroshift.is_internal(n.nspname)
  and n.nspname not in ('redshift_catalog', 'redshift_information') and n.nspname not like 'pg\_temp\_%' and strpos(n.nspname, '.') = 0 and p.prorettype <> 'event_trigger'::regtype
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, p.proowner, 'usage')
       or (pg_catalog.has_schema_privilege(current_user, n.oid, 'usage')
           and pg_catalog.has_function_privilege(current_user, p.oid, 'execute')));

-- Lengths are those of CREATE PROCEDURE, where VARCHAR is VARCHAR(256) and DECIMAL is DECIMAL(18,0); functions do not keep
-- them (-1 in the example). A function's result comes first, as number 0.
create or replace view zeroshift.shown_parameters as
select r.database_name, r.schema_name, r.routine_name, r.kind, r.input_types, a.name::varchar(128) as parameter_name,
       a.number::integer as ordinal_position,
       (case a.mode when 'i' then 'IN' when 'o' then 'OUT' when 'b' then 'INOUT' else 'RETURN' end)::varchar(128) as parameter_type,
       zeroshift.type_name(a.type)::varchar(128) as data_type,
       case when a.type in (25, 1042, 1043) then
            case when r.kind = 'f' then -1 else coalesce(
                zeroshift.type_number(a.written, 1), case when a.type = 1042 then 1 else 256 end) end
       end as character_maximum_length,
       case a.type when 21 then 16 when 23 then 32 when 20 then 64 when 700 then 24 when 701 then 53
            when 1700 then case when r.kind = 'p' then coalesce(zeroshift.type_number(a.written, 1), 18) end
       end as numeric_precision,
       case when a.type in (20, 21, 23) then 0
            when a.type = 1700 and r.kind = 'p' then coalesce(zeroshift.type_number(a.written, 2), 0) end as numeric_scale
from zeroshift.shown_routines r
join pg_catalog.pg_proc p on p.oid = r.oid
left join zeroshift.procedures z on z.oid = r.oid
cross join lateral (
    select 0 as number, 'r' as mode, p.prorettype as type, null::text as name, null::text as written where p.prokind = 'f'
    union all
    select t.number, coalesce(p.proargmodes[t.number], 'i'), t.type,
           nullif(coalesce(z.arguments -> (t.number::integer - 1) ->> 'name', p.proargnames[t.number]), ''),
           replace(z.arguments -> (t.number::integer - 1) ->> 'type', ' ', '')
    from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality t(type, number)) a;

-- "privilege_scope" is the object itself: scoped permissions (GRANT ... FOR TABLES IN ...) are refused here. Of grants on
-- functions the page has no example. What an owner has is no grant.
create or replace view zeroshift.shown_grants as
select r.database_name::varchar(128), r.schema_name::varchar(128), r.relation_name::varchar(128) as object_name,
       'TABLE'::varchar(128) as object_type, p.privilege_type::varchar(128), p.grantee::integer as identity_id,
       zeroshift.identity_name(p.grantee)::varchar(128) as identity_name, zeroshift.identity_type(p.grantee)::varchar(128) as identity_type,
       p.is_grantable as admin_option, 'TABLE'::varchar(128) as privilege_scope,
       zeroshift.owner_name(p.grantor)::varchar(128) as grantor_name, r.oid as object_oid, null::text[] as input_types
from zeroshift.visible_relations r
cross join lateral pg_catalog.aclexplode(r.relacl) p
where p.grantee <> r.relowner and not r.is_system and p.privilege_type <> 'MAINTAIN' and zeroshift.sees_identity(p.grantee)
union all
select s.database_name, s.schema_name, s.schema_name, 'SCHEMA', p.privilege_type, p.grantee::integer,
       zeroshift.identity_name(p.grantee), zeroshift.identity_type(p.grantee), p.is_grantable, 'SCHEMA', zeroshift.owner_name(p.grantor),
       s.oid, null
from zeroshift.visible_schemas s
cross join lateral pg_catalog.aclexplode(s.nspacl) p
where p.grantee <> s.nspowner and zeroshift.sees_identity(p.grantee)
union all
select d.datname, null, d.datname, 'DATABASE', replace(p.privilege_type, 'TEMPORARY', 'TEMP'), p.grantee::integer,
       zeroshift.identity_name(p.grantee), zeroshift.identity_type(p.grantee), p.is_grantable, 'DATABASE', zeroshift.owner_name(p.grantor),
       d.oid, null
from pg_catalog.pg_database d
cross join lateral pg_catalog.aclexplode(d.datacl) p
where d.datname = pg_catalog.current_database() and p.grantee <> d.datdba and p.privilege_type <> 'CONNECT'
  and zeroshift.sees_identity(p.grantee)
  and (p.grantee = 0 or pg_catalog.pg_get_userbyid(p.grantee) <> 'zeroshift_superusers')
union all
select r.database_name, r.schema_name, r.routine_name, w.word, p.privilege_type, p.grantee::integer,
       zeroshift.identity_name(p.grantee), zeroshift.identity_type(p.grantee), p.is_grantable, w.word, zeroshift.owner_name(p.grantor),
       r.oid, r.input_types
from zeroshift.shown_routines r
cross join lateral (select case r.kind when 'f' then 'FUNCTION' else 'PROCEDURE' end as word) w
cross join lateral pg_catalog.aclexplode(r.proacl) p
where p.grantee <> r.proowner and zeroshift.sees_identity(p.grantee);

create or replace view zeroshift.shown_column_grants as
select c.database_name::varchar(128), c.schema_name::varchar(128), c.relation_name::varchar(128) as table_name,
       c.column_name::varchar(128), 'COLUMN'::varchar(128) as object_type, p.privilege_type::varchar(128),
       p.grantee::integer as identity_id, zeroshift.identity_name(p.grantee)::varchar(128) as identity_name,
       zeroshift.identity_type(p.grantee)::varchar(128) as identity_type, p.is_grantable as admin_option,
       'COLUMN'::varchar(128) as privilege_scope, zeroshift.owner_name(p.grantor)::varchar(128) as grantor_name
from zeroshift.visible_columns c
cross join lateral pg_catalog.aclexplode(c.attacl) p
where p.grantee <> c.relowner and not c.is_system and p.privilege_type in ('SELECT', 'UPDATE')
  and zeroshift.sees_identity(p.grantee);

create or replace view zeroshift.shown_keys as
select pg_catalog.current_database()::varchar(128) as database_name, n.nspname::varchar(128) as schema_name,
       c.relname::varchar(128) as table_name, col.name::varchar(128) as column_name, col.place::smallint as key_seq,
       k.name::varchar(128) as key_name, k.kind, rn.nspname::varchar(128) as pk_schema_name, rc.relname::varchar(128) as pk_table_name,
       (k.referenced_columns ->> (col.place::integer - 1))::varchar(128) as pk_column_name,
       (select p.name from zeroshift.declared_keys p
        where p.relation = k.referenced_relation and p.kind in ('p', 'u') and p.columns = k.referenced_columns
        order by p.kind limit 1)::varchar(128) as pk_name
from zeroshift.declared_keys k
join zeroshift.visible_relations v on v.oid = k.relation
join pg_catalog.pg_class c on c.oid = k.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral jsonb_array_elements_text(k.columns) with ordinality col(name, place)
left join pg_catalog.pg_class rc on rc.oid = k.referenced_relation
left join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace;

grant select on zeroshift.shown_tables, zeroshift.shown_columns, zeroshift.shown_grants, zeroshift.shown_routines,
    zeroshift.shown_parameters, zeroshift.shown_column_grants, zeroshift.shown_keys to public;

-- "SVV_DATABASE_PRIVILEGES".
create or replace view redshift_catalog.svv_database_privileges as
select object_name::text as database_name, privilege_type::text as privilege_type, identity_id,
       identity_name::text as identity_name, identity_type::text as identity_type, admin_option,
       privilege_scope::text as privilege_scope
from zeroshift.shown_grants where object_type = 'DATABASE';
grant select on redshift_catalog.svv_database_privileges to public;

-- Raises for a SHOW of what is not there, or what the user does not see.
create or replace function zeroshift.require_shown(what text, name text, is_there boolean) returns void
language plpgsql as $$
begin
    if not is_there then
        raise exception '% "%" does not exist', what, name
            using errcode = case what when 'database' then '3D000' when 'schema' then '3F000' when 'relation' then '42P01'
                            else '42883' end;
    end if;
end
$$;

-- The pages do not give the error's words.
create or replace function zeroshift.require_few(what text, most integer, counted bigint) returns void
language plpgsql as $$
begin
    if counted > most then
        raise exception '% would return more than % rows', what, most
            using errcode = '54000', hint = 'Give a LIMIT, or a pattern to LIKE where it takes one.';
    end if;
end
$$;

-- "To run SHOW GRANTS for a target user or role, the current user must be a superuser, the target user, the owner of the
-- target role, or granted the role." Roles belong to superusers here.
create or replace function zeroshift.require_identity(what text, name text) returns void
language plpgsql stable as $$
declare
    target oid := (select r.oid from pg_catalog.pg_roles r
                   where r.rolname = name and zeroshift.identity_type(r.oid) = what and name <> 'zeroshift_superusers');
begin
    if target is null then
        raise exception '% "%" does not exist', what, name using errcode = '42704';
    end if;
    if name <> current_user and not zeroshift.is_superuser(current_user)
       and not (what = 'role' and pg_catalog.pg_has_role(current_user, target, 'member')) then
        raise exception 'permission denied: SHOW GRANTS FOR another % is for superusers', what using errcode = '42501';
    end if;
end
$$;

-- "Only a superuser or a user with the sys:secadmin role on the database can view the results."
create or replace function zeroshift.require_policies_shown() returns void
language plpgsql stable as $$
begin
    if not zeroshift.is_secadmin(current_user) then
        raise exception 'permission denied: SHOW POLICIES is for superusers and the role sys:secadmin' using errcode = '42501';
    end if;
end
$$;

-- The relation that a name without a schema means.
create or replace function zeroshift.shown_on_path(name text) returns oid
language sql stable as $$
    select r.oid from zeroshift.visible_relations r
    where r.relation_name = name and r.physical_schema = any (pg_catalog.current_schemas(true))
    order by array_position(pg_catalog.current_schemas(true), r.physical_schema::name) limit 1
$$;
