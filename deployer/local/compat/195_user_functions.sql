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

-- What ALTER DEFAULT PRIVILEGES says ON FUNCTIONS: PostgreSQL has one default for functions and procedures. `schema` is 0 for
-- all of the database, `grantee` 0 for PUBLIC. A row that is closed takes EXECUTE from PUBLIC, which has it by itself.
create table if not exists zeroshift.function_defaults (
    owner oid not null,
    schema oid not null,
    grantee oid not null,
    grantable boolean not null default false,
    closed boolean not null default false,
    primary key (owner, schema, grantee)
);
revoke all on zeroshift.function_defaults from public;

create or replace function zeroshift.default_on_functions(
    giving boolean, owner text, schemas text[], grantees text[], with_option boolean, option_only boolean
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    who oid := (select oid from pg_roles where rolname = owner);
    places oid[];
    receivers oid[] := array(select coalesce((select oid from pg_roles where rolname = g), 0) from unnest(grantees) g);
begin
    perform zeroshift.require_owner('user', owner, who);
    places := case when schemas = '{}' then array[0::oid]
              else array(select quote_ident(s)::regnamespace::oid from unnest(schemas) s) end;
    if giving then
        -- PUBLIC has it by itself.
        delete from zeroshift.function_defaults f
        where f.owner = who and f.schema = 0 and f.grantee = 0 and 0 = any (places) and 0 = any (receivers);
        insert into zeroshift.function_defaults
        select who, p, r, with_option, false from unnest(places) p, unnest(receivers) r where p <> 0 or r <> 0
        on conflict on constraint function_defaults_pkey
        do update set grantable = function_defaults.grantable or with_option, closed = false;
    elsif option_only then
        update zeroshift.function_defaults f set grantable = false
        where f.owner = who and f.schema = any (places) and f.grantee = any (receivers);
    else
        delete from zeroshift.function_defaults f
        where f.owner = who and f.schema = any (places) and f.grantee = any (receivers);
        -- In a schema there is nothing to take: what holds for the database stays.
        insert into zeroshift.function_defaults
        select who, 0, 0, false, true where 0 = any (places) and 0 = any (receivers);
    end if;
end
$$;

-- After CREATE [OR REPLACE] FUNCTION. Of a new one everybody has EXECUTE (DG "UDF security and privileges"), unless the
-- owner's default privileges on functions say otherwise; those on procedures are the same thing to PostgreSQL.
create or replace function zeroshift.record_function(
    schema_name text, function_name text, inputs text, arguments text[], result text, body text
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regprocedure(format('%I.%I(%s)', schema_name, function_name, inputs));
    receiver oid;
    grantable boolean;
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
    if exists (select from zeroshift.function_defaults f
               where f.owner = (select proowner from pg_proc where oid = target) and f.schema = 0 and f.closed) then
        execute format('revoke all on function %s from public', target::regprocedure);
    else
        execute format('grant execute on function %s to public', target::regprocedure);
    end if;
    for receiver, grantable in
        select f.grantee, f.grantable from zeroshift.function_defaults f join pg_proc p on p.oid = target and p.proowner = f.owner
        where f.schema in (0, p.pronamespace) and not f.closed
          and (f.grantee = 0 or exists (select from pg_roles where oid = f.grantee))
    loop
        execute format('grant execute on function %s to %s %s', target::regprocedure,
                       case when receiver = 0 then 'public' else quote_ident(pg_get_userbyid(receiver)) end,
                       case when grantable and receiver <> 0 then 'with grant option' else '' end);
    end loop;
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
