-- Stored procedures: the arguments as they were declared (pg_proc drops lengths and precisions), and the look-up
-- that CALL needs. The body stands in pg_proc.prosrc as the user wrote it.
alter table zeroshift.procedures add column if not exists arguments jsonb not null default '[]';

-- `arguments` is [{"name": ..., "mode": "in|out|inout", "type": ...}].
create or replace function zeroshift.record_procedure_arguments(signature text, arguments jsonb) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regprocedure(signature);
begin
    perform zeroshift.require_owner('procedure', signature, (select proowner from pg_proc where oid = target));
    update zeroshift.procedures p set arguments = $2 where p.oid = target;
end
$$;

-- The procedures of a name in one schema, for the user whose rights count. Not STABLE: it sees what the transaction made.
create or replace function zeroshift.find_procedures(schema_name text, procedure_name text, who text)
returns table (oid oid, name text, owner text, arguments text, body text, definer boolean, nonatomic boolean,
               settings text[], allowed boolean)
language sql security definer set search_path = pg_catalog
as $$
    select p.oid, p.proname::text, pg_get_userbyid(p.proowner)::text, z.arguments::text, p.prosrc, z.security_definer,
           z.nonatomic, z.settings,
           has_function_privilege(who, p.oid, 'execute') or zeroshift.is_superuser(who)
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    join zeroshift.procedures z on z.oid = p.oid
    where n.nspname = schema_name and p.proname = procedure_name and p.prokind = 'p'
      and (has_schema_privilege(who, n.oid, 'usage') or zeroshift.is_superuser(who))
$$;

-- A procedure that CREATE OR REPLACE has just made (its grants are still PostgreSQL's default) loses EXECUTE for PUBLIC.
create or replace function zeroshift.revoke_first_execute(signature text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regprocedure(signature);
begin
    perform zeroshift.require_owner('procedure', signature, (select proowner from pg_proc where oid = target));
    if (select proacl from pg_proc where oid = target) is null then
        execute format('revoke all on procedure %s from public', target::regprocedure);
    end if;
end
$$;
