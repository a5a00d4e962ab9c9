-- information_schema.routines, which Amazon's JDBC driver reads (RedshiftDatabaseMetaData.getFunctions): the columns of
-- PostgreSQL 8.0 that have something in them. No page of Redshift's describes it.
create or replace view redshift_information.routines as
select pg_catalog.current_database()::varchar as specific_catalog, n.nspname::varchar as specific_schema,
       (p.proname || '_' || p.oid)::varchar as specific_name, pg_catalog.current_database()::varchar as routine_catalog,
       n.nspname::varchar as routine_schema, p.proname::varchar as routine_name,
       (case p.prokind when 'p' then 'PROCEDURE' else 'FUNCTION' end)::varchar as routine_type,
       (case when p.prokind = 'f' then zeroshift.type_name(p.prorettype) end)::varchar as data_type,
       upper(l.lanname::text)::varchar as external_language
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
where p.prokind in ('f', 'p') and not zeroshift.is_internal(n.nspname)
  and n.nspname not in ('redshift_catalog', 'redshift_information') and n.nspname not like 'pg\_temp\_%'
  and strpos(n.nspname, '.') = 0 and p.prorettype <> 'event_trigger'::regtype
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, p.proowner, 'usage')
       or (pg_catalog.has_schema_privilege(current_user, n.oid, 'usage')
           and pg_catalog.has_function_privilege(current_user, p.oid, 'execute')));
grant select on redshift_information.routines to public;

-- What AWS's own v_generate_tbl_ddl (github.com/awslabs/amazon-redshift-utils) and DBeaver read for BACKUP NO, which has no
-- effect in Redshift Serverless: nothing. No page of Redshift's describes it.
create or replace view redshift_catalog.pg_conf as
select ''::text as key, ''::text as value where false;
grant select on redshift_catalog.pg_conf to public;
