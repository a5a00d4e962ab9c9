-- What SHOW TABLES, SHOW COLUMNS and their like list beside the columns of the SVV_ALL views. DG "SHOW TABLES",
-- "SHOW COLUMNS", "SHOW GRANTS", "SHOW PROCEDURES", "SHOW CONSTRAINTS". When a table was altered or written last is not
-- kept here: NULL.
create or replace view zeroshift.shown_tables as
select r.database_name::varchar(128), r.schema_name::varchar(128), r.relation_name::varchar(128) as table_name,
       (case when r.kind = 'VIEW' then 'VIEW' else 'TABLE' end)::varchar(128) as table_type,
       zeroshift.acl_shown(r.relacl)::varchar(128) as table_acl, r.remarks::varchar(256) as remarks,
       zeroshift.owner_name(r.relowner)::varchar(128) as owner, null::timestamp as last_altered_time,
       null::timestamp as last_modified_time,
       (case when r.kind = 'VIEW' then null
             when coalesce(t.diststyle, 'AUTO') = 'KEY' then format('KEY(%s)', t.distkey)
             when coalesce(t.diststyle, 'AUTO') = 'AUTO' then 'AUTO (ALL)' else t.diststyle end)::varchar(128) as dist_style,
       (case when r.relkind = 'm' then 'MATERIALIZED VIEW' when l.oid is not null then 'LATE BINDING VIEW'
             when r.kind = 'VIEW' then 'REGULAR VIEW' else 'REGULAR TABLE' end)::varchar(128) as table_subtype
from zeroshift.visible_relations r
left join zeroshift.table_attributes t on t.oid = r.oid
left join zeroshift.late_binding_views l on l.oid = r.oid;

create or replace view zeroshift.shown_columns as
select c.database_name::varchar(128), c.schema_name::varchar(128), c.relation_name::varchar(128) as table_name,
       c.column_name::varchar(128), c.ordinal_position, c.column_default::varchar(4000),
       (case when c.attnotnull then 'NO' else 'YES' end)::varchar(3) as is_nullable, c.data_type::varchar(128),
       c.length::integer as character_maximum_length, c.precision::integer as numeric_precision,
       c.scale::integer as numeric_scale, c.column_remarks::varchar(256) as remarks,
       (case when cardinality(t.sortkeys) > 0 then t.sortstyle end)::varchar(128) as sort_key_type,
       zeroshift.sort_order(t.sortkeys, t.sortstyle, c.column_name) as sort_key,
       (case when t.distkey = c.column_name then 1 else 0 end) as dist_key,
       (case when c.relkind in ('r', 'p') then zeroshift.encoding_of(coalesce(t.encodings ->> c.column_name, 'auto'), c.atttypid,
            coalesce(c.column_name = any (t.sortkeys), false)) end)::varchar(128) as encoding,
       null::varchar(128) as collation
from zeroshift.visible_columns c
left join zeroshift.table_attributes t on t.oid = c.oid
union all
select pg_catalog.current_database()::varchar(128), view_schema::varchar(128), view_name::varchar(128), col_name::varchar(128), col_num,
       null, 'YES', regexp_replace(col_type, '\(.*\)', ''),
       case when col_type like 'character%(%' then zeroshift.type_number(col_type, 1) end,
       case when col_type like 'numeric%' then zeroshift.type_number(col_type, 1) end,
       case when col_type like 'numeric%' then zeroshift.type_number(col_type, 2) end, null, null, 0, 0, null, null
from zeroshift.pg_get_late_binding_view_cols();

create or replace view zeroshift.shown_grants as
select r.database_name::varchar(128), r.schema_name::varchar(128), r.relation_name::varchar(128) as object_name,
       'TABLE'::varchar(128) as object_type, p.privilege_type::varchar(128), p.grantee::integer as identity_id,
       zeroshift.identity_name(p.grantee)::varchar(128) as identity_name, zeroshift.identity_type(p.grantee)::varchar(128) as identity_type,
       p.is_grantable as admin_option, 'TABLE'::varchar(128) as privilege_scope,
       zeroshift.owner_name(p.grantor)::varchar(128) as grantor_name
from zeroshift.visible_relations r
cross join lateral pg_catalog.aclexplode(r.relacl) p
where p.grantee <> r.relowner and not r.is_system
  and p.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRUNCATE') and zeroshift.sees_identity(p.grantee)
union all
select s.database_name, s.schema_name, s.schema_name, 'SCHEMA', p.privilege_type, p.grantee::integer,
       zeroshift.identity_name(p.grantee), zeroshift.identity_type(p.grantee), p.is_grantable, 'SCHEMA', zeroshift.owner_name(p.grantor)
from zeroshift.visible_schemas s
cross join lateral pg_catalog.aclexplode(s.nspacl) p
where p.grantee <> s.nspowner and zeroshift.sees_identity(p.grantee)
union all
select d.datname, null, d.datname, 'DATABASE', replace(p.privilege_type, 'TEMPORARY', 'TEMP'), p.grantee::integer,
       zeroshift.identity_name(p.grantee), zeroshift.identity_type(p.grantee), p.is_grantable, 'DATABASE', zeroshift.owner_name(p.grantor)
from pg_catalog.pg_database d
cross join lateral pg_catalog.aclexplode(d.datacl) p
where d.datname = pg_catalog.current_database() and p.grantee <> d.datdba and p.privilege_type <> 'CONNECT'
  and zeroshift.sees_identity(p.grantee)
  and (p.grantee = 0 or pg_catalog.pg_get_userbyid(p.grantee) <> 'zeroshift_superusers');

create or replace view zeroshift.shown_procedures as
select pg_catalog.current_database()::varchar(128) as database_name, n.nspname::varchar(128) as schema_name,
       p.proname::varchar(128) as procedure_name, p.pronargs::integer as number_of_arguments,
       redshift.pg_get_function_arguments(p.oid)::varchar as argument_list,
       (case when p.prorettype <> 'void'::regtype::oid then zeroshift.type_name(p.prorettype) end)::varchar(128) as return_type,
       pg_catalog.obj_description(p.oid, 'pg_proc')::varchar as remarks
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.prokind = 'p' and not zeroshift.is_internal(n.nspname)
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, p.proowner, 'usage')
       or pg_catalog.has_function_privilege(current_user, p.oid, 'execute'));

create or replace view zeroshift.shown_keys as
select pg_catalog.current_database()::varchar(128) as database_name, n.nspname::varchar(128) as schema_name,
       c.relname::varchar(128) as table_name, col.name::varchar(128) as column_name, col.place::smallint as key_seq,
       k.name::varchar(128) as key_name, k.kind, rn.nspname::varchar(128) as pk_schema_name, rc.relname::varchar(128) as pk_table_name,
       (k.referenced_columns ->> (col.place::integer - 1))::varchar(128) as pk_column_name
from zeroshift.declared_keys k
join zeroshift.visible_relations v on v.oid = k.relation
join pg_catalog.pg_class c on c.oid = k.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral jsonb_array_elements_text(k.columns) with ordinality col(name, place)
left join pg_catalog.pg_class rc on rc.oid = k.referenced_relation
left join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace;

grant select on zeroshift.shown_tables, zeroshift.shown_columns, zeroshift.shown_grants, zeroshift.shown_procedures,
    zeroshift.shown_keys to public;

-- "SVV_DATABASE_PRIVILEGES".
create or replace view redshift_catalog.svv_database_privileges as
select object_name::text as database_name, privilege_type::text as privilege_type, identity_id,
       identity_name::text as identity_name, identity_type::text as identity_type, admin_option
from zeroshift.shown_grants where object_type = 'DATABASE';
grant select on redshift_catalog.svv_database_privileges to public;

-- Raises for a SHOW of what is not there, or what the user does not see.
create or replace function zeroshift.require_shown(what text, name text, is_there boolean) returns void
language plpgsql as $$
begin
    if not is_there then
        raise exception '% "%" does not exist', what, name
            using errcode = case what when 'database' then '3D000' when 'schema' then '3F000' else '42P01' end;
    end if;
end
$$;
