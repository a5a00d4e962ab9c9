-- The gateway's own schema: what Redshift knows of an object and PostgreSQL has no place for. Users have no right on
-- any of these tables. Statements that run as the user record their facts through the functions below, which
-- act as the engine's superuser and check that the user owns the object.
create schema if not exists zeroshift;

-- A late-binding view is a stub view without columns (its name, owner and grants) and this Redshift query text.
create table if not exists zeroshift.late_binding_views (
    oid oid primary key,
    definition text not null
);

-- The Redshift text of an ordinary view, as the user wrote it: what pg_get_viewdef and SHOW VIEW answer.
create table if not exists zeroshift.view_texts (
    oid oid primary key,
    definition text not null
);

-- Distribution, sort keys, encodings, and the constraints that Redshift records and does not enforce.
create table if not exists zeroshift.table_attributes (
    oid oid primary key,
    diststyle text not null default 'AUTO' check (diststyle in ('AUTO', 'EVEN', 'KEY', 'ALL')),
    distkey text,
    sortstyle text not null default 'AUTO' check (sortstyle in ('AUTO', 'COMPOUND', 'INTERLEAVED', 'NONE')),
    sortkeys text[] not null default '{}',
    -- column -> encoding as written: {"id": "az64"}; a column without one is AUTO
    encodings jsonb not null default '{}',
    -- [{"name": ..., "type": "p|u|f", "columns": [...], "references": "schema.table", "referenced": [...]}]
    constraints jsonb not null default '[]',
    backup boolean not null default true
);

-- What CREATE PROCEDURE says and the stub procedure in pg_proc cannot hold.
create table if not exists zeroshift.procedures (
    oid oid primary key,
    security_definer boolean not null default false,
    nonatomic boolean not null default false,
    -- SET name TO value, as written: {"search_path=curated"}
    settings text[] not null default '{}'
);

-- Key and value of the engine itself, e.g. the checksum of the compatibility files that it was started with.
create table if not exists zeroshift.engine_state (
    name text primary key,
    value text not null
);

-- Members are superusers as Redshift has them: they see every object and every system view's rows.
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'zeroshift_superusers') then
        create role zeroshift_superusers nologin;
    end if;
end
$$;

create or replace function zeroshift.is_superuser(who text default session_user) returns boolean
language sql stable security definer set search_path = pg_catalog
as $$
    select exists (select from pg_roles r where r.rolname = who
                   and (r.rolsuper or pg_has_role(r.oid, 'zeroshift_superusers', 'member')))
$$;

-- What Redshift takes a PostgreSQL role for. CREATE GROUP marks a group by a comment, which users cannot write.
create or replace function zeroshift.role_kind(role oid) returns text
language sql stable
as $$
    select case when rolcanlogin then 'user' when pg_catalog.shobj_description(oid, 'pg_authid') = 'group' then 'group'
                else 'role' end
    from pg_catalog.pg_roles where oid = role
$$;

-- Raises 42704 unless each of `names` is a user, a role or a group, whichever `kind` says: on Redshift they are three
-- kinds of things, and GRANT ... TO analyst does not find the role of that name.
create or replace function zeroshift.require_kind(kind text, names text[]) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    one text;
begin
    foreach one in array names loop
        if (select zeroshift.role_kind(oid) from pg_roles where rolname = one) is distinct from kind then
            raise exception '% "%" does not exist', kind, one using errcode = '42704';
        end if;
    end loop;
end
$$;

-- Before the first default privilege on procedures of an owner: PostgreSQL would add it to EXECUTE for PUBLIC, which
-- new procedures do not have on Redshift (DG "Security and privileges for stored procedures").
create or replace function zeroshift.close_new_procedures(owner text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    who oid := (select oid from pg_roles where rolname = owner);
begin
    perform zeroshift.require_owner('user', owner, who);
    if not exists (select from pg_default_acl where defaclrole = who and defaclobjtype = 'f' and defaclnamespace = 0) then
        execute format('alter default privileges for role %I revoke execute on routines from public', owner);
    end if;
end
$$;

-- Raises 42501 unless the session's user may alter objects of this owner.
create or replace function zeroshift.require_owner(kind text, name text, owner oid) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
begin
    if owner is null then
        raise exception '% % does not exist', kind, name using errcode = '42P01';
    end if;
    if not (pg_has_role(session_user, owner, 'usage') or zeroshift.is_superuser(session_user)) then
        raise exception 'must be owner of % %', kind, name using errcode = '42501';
    end if;
end
$$;

-- The recording functions. Each takes the physical PostgreSQL name, replaces what was recorded, and is to be called
-- in the transaction of the statement that made the object:
--   select zeroshift.record_late_binding_view('raw', 'bookings', 'select ...')
create or replace function zeroshift.record_late_binding_view(schema_name text, view_name text, query text)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', schema_name, view_name));
begin
    perform zeroshift.require_owner('relation', view_name, (select relowner from pg_class where oid = target));
    insert into zeroshift.late_binding_views values (target, query)
    on conflict (oid) do update set definition = excluded.definition;
end
$$;

create or replace function zeroshift.record_view_text(schema_name text, view_name text, query text)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', schema_name, view_name));
begin
    perform zeroshift.require_owner('relation', view_name, (select relowner from pg_class where oid = target));
    delete from zeroshift.late_binding_views where oid = target;
    insert into zeroshift.view_texts values (target, query)
    on conflict (oid) do update set definition = excluded.definition;
end
$$;

-- `attributes` holds any of the columns of zeroshift.table_attributes as JSON; those left out keep their value.
-- The schema is NULL for a temporary table.
create or replace function zeroshift.record_table_attributes(schema_name text, table_name text, attributes jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', coalesce(schema_name, 'pg_temp'), table_name));
    kept zeroshift.table_attributes;
begin
    perform zeroshift.require_owner('relation', table_name, (select relowner from pg_class where oid = target));
    insert into zeroshift.table_attributes (oid) values (target) on conflict do nothing;
    select * into kept from zeroshift.table_attributes where oid = target;
    kept := jsonb_populate_record(kept, attributes - 'oid');
    update zeroshift.table_attributes set
        diststyle = kept.diststyle, distkey = kept.distkey, sortstyle = kept.sortstyle, sortkeys = kept.sortkeys,
        encodings = kept.encodings, constraints = kept.constraints, backup = kept.backup
    where oid = target;
end
$$;

-- `signature` is what regprocedure reads: "curated"."load"(timestamp, character varying).
create or replace function zeroshift.record_procedure(
    signature text, security_definer boolean, nonatomic boolean, settings text[]
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regprocedure(signature);
begin
    perform zeroshift.require_owner('procedure', signature, (select proowner from pg_proc where oid = target));
    insert into zeroshift.procedures values (target, security_definer, nonatomic, settings)
    on conflict (oid) do update set
        security_definer = excluded.security_definer,
        nonatomic = excluded.nonatomic,
        settings = excluded.settings;
end
$$;

-- Forgets what was recorded of dropped objects, in the transaction that drops them: object ids are used again.
create or replace function zeroshift.forget_dropped() returns event_trigger
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    gone oid[] := array(select objid from pg_event_trigger_dropped_objects()
                        where classid in ('pg_class'::regclass, 'pg_proc'::regclass) and objsubid = 0);
begin
    if gone = '{}' then
        return;
    end if;
    delete from zeroshift.late_binding_views where oid = any (gone);
    delete from zeroshift.view_texts where oid = any (gone);
    delete from zeroshift.table_attributes where oid = any (gone);
    delete from zeroshift.procedures where oid = any (gone);
end
$$;

drop event trigger if exists zeroshift_forget_dropped;
create event trigger zeroshift_forget_dropped on sql_drop execute function zeroshift.forget_dropped();

-- What the translator must know of every relation that has one of these names: one call for a whole statement. Runs
-- as the engine's superuser, since a user may be told the columns of a table that he may not read (the error for
-- that is "permission denied", not "does not exist"). `temp` is the temporary schema of the session that asks: the
-- call may come over another connection. Not STABLE: it has to see what the statements before it have made.
drop function if exists zeroshift.relations(text[], oid);
create or replace function zeroshift.relations(wanted text[], temp oid)
returns table (schema_name text, relation_name text, kind text, temporary boolean,
               column_names text[], column_types text[], definition text)
language sql security definer set search_path = pg_catalog
as $$
    select n.nspname, c.relname,
           case when l.oid is not null then 'late_binding_view' when c.relkind = 'm' then 'materialized_view'
                when c.relkind = 'v' then 'view' else 'table' end,
           c.relpersistence = 't',
           coalesce(a.names, '{}'), coalesce(a.types, '{}'), l.definition
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join zeroshift.late_binding_views l on l.oid = c.oid
    left join lateral (
        select array_agg(attname::text order by attnum) as names,
               array_agg(format_type(atttypid, atttypmod) || case when attcollation = (
                   select l.oid from pg_collation l join pg_namespace s on s.oid = l.collnamespace
                   where l.collname = 'case_insensitive' and s.nspname = 'redshift') then ' collate ci' else '' end
                   order by attnum) as types
        from pg_attribute
        where attrelid = c.oid and attnum > 0 and not attisdropped
    ) a on true
    -- $1, since "names" would be the column of a.
    where c.relname = any ($1)
      and c.relkind in ('r', 'v', 'm', 'p', 'f')
      and (c.relpersistence <> 't' or n.oid = $2)
      and n.nspname not in ('zeroshift', 'information_schema', 'pg_toast')
$$;

-- The sessions of the gateway, for stv_sessions and `zeroshift local status`. Emptied when the gateway starts.
create unlogged table if not exists zeroshift.sessions (
    pid integer primary key,
    user_name text not null,
    remote text not null,
    application text not null,
    started timestamp not null default (now() at time zone 'UTC')
);
-- What the client has said of itself, and its timeout (240_sessions.sql).
alter table zeroshift.sessions add column if not exists told jsonb not null default '{}';

revoke all on all tables in schema zeroshift from public;
-- The functions are reached by statements that run as the user; the tables are not.
grant usage on schema zeroshift to public;

-- pg_cancel_backend and pg_terminate_backend: users their own sessions, superusers all of them. PostgreSQL itself takes
-- every session of the gateway for one of the engine's superuser. A cancel goes by way of the gateway, which this INFO
-- tells (session.CANCEL_ASKED): PostgreSQL ignores one that finds the other session between two of its statements.
create or replace function zeroshift.signal_session(session_pid integer, ending boolean) returns boolean
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    owner text := (select s.user_name from zeroshift.sessions s where s.pid = session_pid);
begin
    if owner is null then
        raise warning 'PID % is not a PostgreSQL server process', session_pid;
        return false;
    end if;
    if owner <> session_user and not zeroshift.is_superuser(session_user) then
        raise exception 'must be superuser to signal other server processes' using errcode = '42501';
    end if;
    if ending then
        return pg_terminate_backend(session_pid);
    elsif session_pid = pg_backend_pid() then
        return pg_cancel_backend(session_pid);
    end if;
    raise info using errcode = 'ZS001', message = session_pid::text;
    return true;
end
$$;

-- After a large write: Redshift has its zone maps up to date and analyzes by itself. Runs in the writer's transaction;
-- gives up at once when another transaction is doing the same, since waiting could end in a deadlock.
create or replace function zeroshift.after_write(schema_name text, table_name text) returns void
language plpgsql security definer set search_path = pg_catalog set lock_timeout = '20ms'
as $$
declare
    target regclass := to_regclass(format('%I.%I', schema_name, table_name));
    index_oid oid;
begin
    if target is null then
        return;
    end if;
    for index_oid in
        select i.indexrelid from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
        where i.indrelid = target and a.amname = 'brin'
    loop
        perform brin_summarize_new_values(index_oid::regclass);
    end loop;
    execute format('analyze %s', target);
exception
    when lock_not_available then
        null;
end
$$;
