-- SQL user-defined functions (DG "CREATE FUNCTION"). The function in pg_proc is the real one: name, overloads, owner,
-- EXECUTE, volatility, what depends on it. Its text there is the translated one, and its types have no lengths; both
-- stand here as the user wrote them.
create table if not exists zeroshift.functions (
    oid oid primary key,
    -- {"character varying(256)", "numeric(8,2)"}
    arguments text[] not null,
    result text not null,
    body text not null
);
revoke all on zeroshift.functions from public;

-- PostgreSQL takes the function whose types fit best out of all schemas of the search path, pg_catalog included, where
-- Redshift looks into pg_catalog first: a user's length(varchar) would stand in the way of our own SQL.
create or replace function zeroshift.check_function_name(function_name text) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
begin
    if exists (select from pg_proc where proname = function_name
               and pronamespace in ('pg_catalog'::regnamespace, 'redshift'::regnamespace)) then
        raise exception 'a user-defined function called % like a built-in one is not supported by the local Redshift',
            function_name using errcode = '0A000', hint = 'Amazon recommends, and reserves, names that begin with f_.';
    end if;
end
$$;

-- After CREATE [OR REPLACE] FUNCTION. Of a new one everybody has EXECUTE (DG "UDF security and privileges"), whatever
-- default privileges say of procedures, which are the same thing to PostgreSQL.
create or replace function zeroshift.record_function(
    schema_name text, function_name text, inputs text, arguments text[], result text, body text
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regprocedure(format('%I.%I(%s)', schema_name, function_name, inputs));
    receiver oid;
begin
    perform zeroshift.require_owner('function', function_name, (select proowner from pg_proc where oid = target));
    update zeroshift.functions f set arguments = $4, result = $5, body = $6 where f.oid = target;
    if found then
        return;
    end if;
    insert into zeroshift.functions values (target, $4, $5, $6);
    for receiver in
        select distinct a.grantee from pg_proc p, aclexplode(p.proacl) a where p.oid = target and a.grantee not in (0, p.proowner)
    loop
        execute format('revoke all on function %s from %I', target::regprocedure, pg_get_userbyid(receiver));
    end loop;
    execute format('grant execute on function %s to public', target::regprocedure);
end
$$;

-- What zeroshift.guarded_relations() adds for the translator: the user-defined functions that have one of these names.
create or replace function zeroshift.user_functions(wanted text[])
returns table (schema_name text, relation_name text, kind text, temporary boolean,
               column_names text[], column_types text[], definition text)
language sql stable security definer set search_path = pg_catalog
as $$
    select n.nspname::text, p.proname::text, 'function', false, array_fill(''::text, array[cardinality(f.arguments)]),
           f.arguments, f.result
    from zeroshift.functions f
    join pg_proc p on p.oid = f.oid
    join pg_namespace n on n.oid = p.pronamespace
    where p.proname = any (wanted)
$$;

-- A text argument or result that is longer than its declared type.
create or replace function redshift.too_long(size integer) returns text
language plpgsql immutable parallel safe
as $$
begin
    raise exception 'value too long for type character varying(%)', size using errcode = '22001';
end
$$;

create or replace function redshift.at_most_bytes(value text, size integer) returns text
language sql immutable strict parallel safe
return case when octet_length(value) <= size then value else redshift.too_long(size) end;

-- Forgets dropped functions, in the transaction that drops them.
create or replace function zeroshift.forget_functions() returns event_trigger
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from zeroshift.functions where oid in (
        select objid from pg_event_trigger_dropped_objects() where classid = 'pg_proc'::regclass);
end
$$;

drop event trigger if exists zeroshift_forget_functions;
create event trigger zeroshift_forget_functions on sql_drop
    when tag in ('DROP FUNCTION', 'DROP ROUTINE', 'DROP SCHEMA', 'DROP OWNED') execute function zeroshift.forget_functions();

-- GRANT and REVOKE of USAGE ON LANGUAGE: who may create functions and procedures. The languages belong to the engine's own
-- superuser. `command` is the translator's, never a user's text.
create or replace function zeroshift.language_usage(command text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform zeroshift.require_superuser('GRANT or REVOKE of USAGE ON LANGUAGE');
    if command !~ '^(GRANT|REVOKE) ([A-Z ]*)USAGE ON LANGUAGE [a-z, ]+ (TO|FROM) ' or command ~ ';' then
        raise exception 'not a command on languages' using errcode = '42501';
    end if;
    execute command;
end
$$;

-- "Only a superuser can change the owner of a function" (DG "ALTER FUNCTION"), who needs no rights of the new owner's.
create or replace function zeroshift.own_function(signature text, owner text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform zeroshift.require_superuser('ALTER FUNCTION ... OWNER TO');
    if not exists (select from zeroshift.functions where oid = to_regprocedure(signature)) then
        raise exception 'function % does not exist', signature using errcode = '42883';
    end if;
    execute format('alter function %s owner to %I', to_regprocedure(signature), owner);
end
$$;
