-- Row-level security and dynamic data masking: policies, what they are attached to, and who is exempt. The translator
-- puts them into every statement and every view that reads a protected relation (docs/decisions/0008).
-- Source: Redshift Database Developer Guide, t_rls, t_rls_usage, t_rls_object_dependency, t_ddm-considerations,
-- t_ddm-hierarchy, r_roles-default, and the page of each command.

do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'sys:secadmin') then
        create role "sys:secadmin" nologin;
    end if;
end
$$;

-- `columns` is [["catgroup", "character varying(10)"], ...] as format_type() spells types; `outputs` are the types of a
-- masking policy's expressions, null where the translator cannot tell one. `expression` has its lookup tables qualified.
create table if not exists zeroshift.policies (
    kind text not null check (kind in ('rls', 'masking')),
    name text not null,
    alias text not null default '',
    columns jsonb not null,
    expression text not null,
    outputs jsonb not null default '[]',
    modified_by text not null default session_user,
    modified_time timestamp not null default (now() at time zone 'UTC'),
    primary key (kind, name)
);

-- A lookup table of a policy, with the columns that the policy reads. Once SELECT is granted to the policy there is a
-- view of them, by which everybody's queries read the table with the policy's right.
create table if not exists zeroshift.policy_lookups (
    kind text not null,
    policy text not null,
    oid oid not null,
    columns text[] not null,
    granted boolean not null default false,
    primary key (kind, policy, oid),
    foreign key (kind, policy) references zeroshift.policies (kind, name) on delete cascade
);

create table if not exists zeroshift.rls_relations (
    oid oid primary key,
    is_on boolean not null default false,
    conjunction text not null default 'and' check (conjunction in ('and', 'or')),
    datashares boolean not null default true,
    datashare_conjunction text not null default 'and' check (datashare_conjunction in ('and', 'or'))
);

create table if not exists zeroshift.rls_attachments (
    oid oid not null,
    policy text not null,
    grantee_kind text not null check (grantee_kind in ('user', 'role', 'public')),
    grantee oid not null,
    grantor text not null default session_user,
    primary key (oid, policy, grantee)
);

create table if not exists zeroshift.mask_attachments (
    oid oid not null,
    policy text not null,
    grantee_kind text not null check (grantee_kind in ('user', 'role', 'public')),
    grantee oid not null,
    priority integer not null,
    inputs text[] not null,
    outputs text[] not null,
    grantor text not null default session_user,
    primary key (oid, policy, outputs, grantee)
);

create table if not exists zeroshift.system_privileges (
    role oid not null,
    privilege text not null,
    primary key (role, privilege)
);

-- Counts the changes of policies. A statement that was prepared before the last one must not run.
create table if not exists zeroshift.policy_epoch (
    one boolean primary key default true check (one),
    epoch bigint not null default 0
);
insert into zeroshift.policy_epoch default values on conflict do nothing;

-- Of a view: the schemas its text was read with, and whether a policy was put into what PostgreSQL was given.
alter table zeroshift.view_texts add column if not exists path text[];
alter table zeroshift.view_texts add column if not exists guarded boolean not null default false;

revoke all on zeroshift.policies, zeroshift.policy_lookups, zeroshift.rls_relations, zeroshift.rls_attachments,
    zeroshift.mask_attachments, zeroshift.system_privileges, zeroshift.policy_epoch from public;

-- who

create or replace function zeroshift.is_secadmin(who text default current_user) returns boolean
language sql stable security definer set search_path = pg_catalog
as $$
    select zeroshift.is_superuser(who)
        or exists (select from pg_roles r join pg_roles s on s.rolname = 'sys:secadmin'
                   where r.rolname = who and pg_has_role(r.oid, s.oid, 'member'))
$$;

-- Whether one is a member of a role or group, through others too. Who creates a role becomes a member of it in PostgreSQL,
-- and not on Redshift: such a membership's grantor is PostgreSQL's first user.
create or replace function zeroshift.is_member(who oid, role oid) returns boolean
language sql stable security definer set search_path = pg_catalog
as $$
    with recursive held as (
        select who as oid
        union
        select m.roleid from held join pg_auth_members m on m.member = held.oid and m.grantor not in (10, m.member)
    )
    select exists (select from held where held.oid = is_member.role and held.oid <> who)
$$;

create or replace function zeroshift.has_system_privilege(privilege text, who text default current_user) returns boolean
language sql stable security definer set search_path = pg_catalog
as $$
    select zeroshift.is_secadmin(who)
        or exists (select from zeroshift.system_privileges p join pg_roles g on g.oid = p.role join pg_roles u on u.rolname = who
                   where p.privilege = $1 and zeroshift.is_member(u.oid, g.oid))
$$;

-- Whether the user who asks is one whom a policy is attached to.
create or replace function zeroshift.is_grantee(kind text, grantee oid, who text default current_user) returns boolean
language sql stable security definer set search_path = pg_catalog
as $$
    select kind = 'public' or exists (
        select from pg_roles r where r.rolname = who
        and case when kind = 'user' then r.oid = grantee
                 else zeroshift.is_member(r.oid, grantee) end)
$$;

create or replace function zeroshift.require_secadmin() returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
begin
    if not zeroshift.is_secadmin(session_user) then
        raise exception 'permission denied: security policies are managed by superusers and members of sys:secadmin'
            using errcode = '42501';
    end if;
end
$$;

create or replace function zeroshift.require_explain(privilege text, relation text, who text default current_user) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
begin
    if not zeroshift.has_system_privilege(privilege, who) then
        raise exception 'permission denied: the plan of a query over % shows a security policy; it takes the privilege %',
            relation, upper(privilege) using errcode = '42501';
    end if;
end
$$;

create or replace function zeroshift.deny_lookup(relation text) returns boolean
language plpgsql stable
as $$
begin
    raise exception 'permission denied for relation %', relation
        using errcode = '42501', hint = 'GRANT SELECT ON the lookup table TO RLS POLICY or MASKING POLICY.';
end
$$;

create or replace function zeroshift.grantee_oid(kind text, name text) returns oid
language plpgsql stable security definer set search_path = pg_catalog
as $$
begin
    if kind = 'public' then
        return 0;
    end if;
    perform zeroshift.require_kind(kind, array[name]);
    return (select oid from pg_roles where rolname = name);
end
$$;

-- GRANT ROLE sys:secadmin TO ...: the superusers' to give.
create or replace function zeroshift.grant_secadmin(giving boolean, kind text, receivers text[], admin boolean) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    one text;
begin
    if not zeroshift.is_superuser(session_user) then
        raise exception 'permission denied: only superusers grant the role sys:secadmin' using errcode = '42501';
    end if;
    perform zeroshift.require_kind(kind, receivers);
    foreach one in array receivers loop
        if giving then
            execute format('grant "sys:secadmin" to %I', one) || case when admin then ' with admin option' else '' end;
        else
            execute format('revoke "sys:secadmin" from %I', one);
        end if;
    end loop;
end
$$;

create or replace function zeroshift.grant_system(giving boolean, what text, receivers text[]) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform zeroshift.require_secadmin();
    perform zeroshift.require_kind('role', receivers);
    if giving then
        insert into zeroshift.system_privileges
        select oid, what from pg_roles where rolname = any (receivers) on conflict do nothing;
    else
        delete from zeroshift.system_privileges
        where privilege = what and role in (select oid from pg_roles where rolname = any (receivers));
    end if;
end
$$;

-- statements that were prepared

create or replace function zeroshift.policies_changed() returns void
language sql security definer set search_path = pg_catalog
as $$ update zeroshift.policy_epoch set epoch = epoch + 1 $$;

create or replace function zeroshift.current_epoch() returns bigint
language sql stable security definer set search_path = pg_catalog
as $$ select epoch from zeroshift.policy_epoch $$;

create or replace function zeroshift.note_prepared() returns void
language plpgsql
as $$
begin
    if coalesce(current_setting('zeroshift.prepared_epoch', true), '') = ''
       or (select count(*) from pg_catalog.pg_prepared_statements where from_sql) = 1 then
        perform set_config('zeroshift.prepared_epoch', zeroshift.current_epoch()::text, false);
    end if;
end
$$;

create or replace function zeroshift.check_prepared() returns void
language plpgsql
as $$
begin
    if coalesce(nullif(current_setting('zeroshift.prepared_epoch', true), ''), '0')::bigint <> zeroshift.current_epoch() then
        raise exception 'security policies have changed since the statement was prepared'
            using errcode = '0A000', hint = 'DEALLOCATE ALL, and prepare it again.';
    end if;
end
$$;

-- policies

create or replace function zeroshift.target_of(schema_name text, relation_name text) returns oid
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', schema_name, relation_name));
begin
    if target is null then
        raise exception 'relation "%.%" does not exist', schema_name, relation_name using errcode = '42P01';
    end if;
    return target;
end
$$;

create or replace function zeroshift.relation_label(target oid) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target
$$;

-- Which lookup tables a policy has. A table with RLS on, or with a policy attached, can be none.
create or replace function zeroshift.record_lookups(policy_kind text, policy_name text, lookups jsonb) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    one record;
begin
    for one in
        select zeroshift.target_of(l ->> 'schema', l ->> 'name') as oid,
               array(select jsonb_array_elements_text(l -> 'columns')) as columns
        from jsonb_array_elements(lookups) l
    loop
        if policy_kind = 'rls' and (
            exists (select from zeroshift.rls_relations r where r.oid = one.oid and r.is_on)
            or exists (select from zeroshift.rls_attachments a where a.oid = one.oid)
        ) then
            raise exception 'cannot use "%" as a lookup table: it is protected by row-level security itself',
                zeroshift.relation_label(one.oid) using errcode = '0A000';
        end if;
        insert into zeroshift.policy_lookups (kind, policy, oid, columns)
        values (policy_kind, policy_name, one.oid, one.columns)
        on conflict (kind, policy, oid) do update set columns = excluded.columns;
    end loop;
    delete from zeroshift.policy_lookups p
    where p.kind = policy_kind and p.policy = policy_name
      and p.oid not in (select zeroshift.target_of(l ->> 'schema', l ->> 'name') from jsonb_array_elements(lookups) l);
    perform zeroshift.make_lookup_views(policy_kind, policy_name);
end
$$;

create or replace function zeroshift.lookup_view(policy_kind text, policy_name text, target oid) returns text
language sql immutable
as $$ select 'lookup_' || pg_catalog.md5(policy_kind || ' ' || policy_name) || '_' || target::text $$;

-- The views by which granted lookup tables are read. They stay until the policy or its grant goes.
create or replace function zeroshift.make_lookup_views(policy_kind text, policy_name text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    one record;
    view_name text;
begin
    for one in select * from zeroshift.policy_lookups p where p.kind = policy_kind and p.policy = policy_name loop
        view_name := zeroshift.lookup_view(policy_kind, policy_name, one.oid);
        if one.granted then
            -- CREATE OR REPLACE takes no fewer columns: another predicate may read others.
            if to_regclass(format('zeroshift.%I', view_name)) is null or exists (
                select from unnest(one.columns) c
                where c not in (select attname from pg_attribute where attrelid = to_regclass(format('zeroshift.%I', view_name)))
            ) then
                execute format('create or replace view zeroshift.%I as select %s from %s', view_name, (
                    select string_agg(format('%I', attname), ', ' order by place)
                    from (
                        select attname, attnum - 10000 as place from pg_attribute
                        where attrelid = to_regclass(format('zeroshift.%I', view_name)) and attnum > 0
                        union all
                        select name, position from unnest(one.columns) with ordinality as u (name, position)
                        where name not in (
                            select attname from pg_attribute where attrelid = to_regclass(format('zeroshift.%I', view_name)))
                    ) listed
                ), one.oid::regclass);
            end if;
            execute format('grant select on zeroshift.%I to public', view_name);
        end if;
    end loop;
end
$$;

create or replace function zeroshift.create_policy(
    policy_kind text, policy_name text, policy_alias text, policy_columns jsonb, policy_expression text,
    policy_outputs jsonb, lookups jsonb, quietly boolean
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform zeroshift.require_secadmin();
    if exists (select from zeroshift.policies p where p.kind = policy_kind and p.name = policy_name) then
        if quietly then
            return;
        end if;
        raise exception '% policy "%" already exists', policy_kind, policy_name using errcode = '42710';
    end if;
    insert into zeroshift.policies (kind, name, alias, columns, expression, outputs)
    values (policy_kind, policy_name, policy_alias, policy_columns, policy_expression, policy_outputs);
    perform zeroshift.record_lookups(policy_kind, policy_name, lookups);
end
$$;

create or replace function zeroshift.require_policy(policy_kind text, policy_name text) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
begin
    if not exists (select from zeroshift.policies p where p.kind = policy_kind and p.name = policy_name) then
        raise exception '% policy "%" does not exist', policy_kind, policy_name using errcode = '42704';
    end if;
end
$$;

create or replace function zeroshift.alter_policy(
    policy_kind text, policy_name text, policy_expression text, policy_outputs jsonb, lookups jsonb
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform zeroshift.require_secadmin();
    perform zeroshift.require_policy(policy_kind, policy_name);
    perform zeroshift.policies_changed();
    update zeroshift.policies p
    set expression = policy_expression, outputs = policy_outputs, modified_by = session_user,
        modified_time = now() at time zone 'UTC'
    where p.kind = policy_kind and p.name = policy_name;
    perform zeroshift.record_lookups(policy_kind, policy_name, lookups);
    if policy_kind = 'masking' then
        perform zeroshift.check_outputs(a.oid, a.policy, a.outputs) from zeroshift.mask_attachments a where a.policy = policy_name;
    end if;
end
$$;

create or replace function zeroshift.drop_policy(policy_kind text, policy_name text, quietly boolean, cascading boolean)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    users text;
begin
    perform zeroshift.require_secadmin();
    if quietly and not exists (select from zeroshift.policies p where p.kind = policy_kind and p.name = policy_name) then
        return;
    end if;
    perform zeroshift.require_policy(policy_kind, policy_name);
    if not cascading then
        select string_agg(distinct zeroshift.relation_label(a.oid), ', ') into users
        from (select oid, policy from zeroshift.rls_attachments where policy_kind = 'rls'
              union all select oid, policy from zeroshift.mask_attachments where policy_kind = 'masking') a
        where a.policy = policy_name;
        if users is not null then
            raise exception 'cannot drop % policy "%": it is attached to %', policy_kind, policy_name, users
                using errcode = '2BP01';
        end if;
    end if;
    perform zeroshift.policies_changed();
    if policy_kind = 'rls' then
        delete from zeroshift.rls_attachments where policy = policy_name;
    else
        delete from zeroshift.mask_attachments where policy = policy_name;
    end if;
    delete from zeroshift.policies p where p.kind = policy_kind and p.name = policy_name;
end
$$;

-- After the views over protected relations are made anew: what no policy reads any more.
create or replace function zeroshift.drop_lookup_views() returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    one text;
begin
    for one in
        select relname from pg_class c where relnamespace = 'zeroshift'::regnamespace and relkind = 'v'
        and relname like 'lookup\_%'
        and not exists (select from zeroshift.policy_lookups p where p.granted
                        and zeroshift.lookup_view(p.kind, p.policy, p.oid) = relname)
    loop
        execute format('drop view zeroshift.%I', one);
    end loop;
end
$$;

create or replace function zeroshift.grant_lookup(
    giving boolean, policy_kind text, policy_name text, schema_name text, relation_name text
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.target_of(schema_name, relation_name);
begin
    perform zeroshift.require_policy(policy_kind, policy_name);
    -- Who may give SELECT away: the owner, whoever holds it with grant option, superusers; and the administrator of policies
    -- when the table is his to read (r_GRANT says no more than that GRANT needs the right to grant).
    if not (zeroshift.is_superuser(session_user)
            or has_table_privilege(session_user, target, 'select with grant option')) then
        raise exception 'permission denied for relation %', relation_name using errcode = '42501';
    end if;
    update zeroshift.policy_lookups p set granted = giving
    where p.kind = policy_kind and p.policy = policy_name and p.oid = target;
    if not found then
        raise exception '"%.%" is no lookup table of the % policy "%"', schema_name, relation_name, policy_kind, policy_name
            using errcode = '0A000';
    end if;
    perform zeroshift.policies_changed();
    perform zeroshift.make_lookup_views(policy_kind, policy_name);
end
$$;

-- attachments

-- The relation's columns as format_type() spells them; a late-binding view has none to check before it is read.
create or replace function zeroshift.column_type(target oid, column_name text) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select format_type(atttypid, atttypmod) from pg_attribute
    where attrelid = target and attname = column_name and attnum > 0 and not attisdropped
$$;

create or replace function zeroshift.base_type(name text) returns text
language sql immutable
as $$ select pg_catalog.regexp_replace(case when name = 'text' then 'character varying' else name end, '\([^)]*\)', '') $$;

create or replace function zeroshift.is_late_binding(target oid) returns boolean
language sql stable security definer set search_path = pg_catalog
as $$ select exists (select from zeroshift.late_binding_views where oid = target) $$;

-- What can carry a policy: tables and views of users.
create or replace function zeroshift.check_protectable(target oid, policy_kind text) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    label text := zeroshift.relation_label(target);
    lookup text;
begin
    if (select relkind not in ('r', 'p', 'v', 'm') or relpersistence = 't' from pg_class where oid = target)
       or label ~ '^(pg_|redshift_|redshift\.|information_schema|zeroshift)' then
        raise exception 'a % policy cannot be attached to "%"', policy_kind, label using errcode = '0A000';
    end if;
    select format('%s policy "%s"', kind, policy) into lookup from zeroshift.policy_lookups
    where oid = target and kind = 'rls' and policy_kind = 'rls' limit 1;
    if lookup is not null then
        raise exception 'cannot attach an RLS policy to "%": it is a lookup table of the %', label, lookup
            using errcode = '0A000';
    end if;
    if exists (
        select from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
            and d.refclassid = 'pg_class'::regclass and d.refobjid <> target
        join pg_class c on c.oid = d.refobjid join pg_namespace n on n.oid = c.relnamespace
        where r.ev_class = target and (n.nspname like 'pg\_%' or n.nspname like 'redshift%')
    ) then
        raise exception 'a % policy cannot be attached to the view "%", which reads system tables', policy_kind, label
            using errcode = '0A000';
    end if;
end
$$;

create or replace function zeroshift.attach_rls(
    policy_name text, schema_names text[], relation_names text[], grantee_kinds text[], grantee_names text[]
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid;
    who oid;
    one record;
    policy zeroshift.policies;
begin
    perform zeroshift.require_secadmin();
    perform zeroshift.require_policy('rls', policy_name);
    select * into policy from zeroshift.policies p where p.kind = 'rls' and p.name = policy_name;
    perform zeroshift.policies_changed();
    for place in 1 .. array_length(relation_names, 1) loop
        target := zeroshift.target_of(schema_names[place], relation_names[place]);
        perform zeroshift.check_protectable(target, 'rls');
        for one in select c ->> 0 as name, c ->> 1 as type from jsonb_array_elements(policy.columns) c loop
            continue when zeroshift.is_late_binding(target);
            if zeroshift.column_type(target, one.name) is null then
                raise exception 'relation "%" has no column "%", which the RLS policy "%" needs',
                    relation_names[place], one.name, policy_name using errcode = '42703';
            end if;
            if zeroshift.base_type(zeroshift.column_type(target, one.name)) <> zeroshift.base_type(one.type) then
                raise exception 'column "%" of "%" is %, where the RLS policy "%" has %', one.name, relation_names[place],
                    zeroshift.column_type(target, one.name), policy_name, one.type using errcode = '42804';
            end if;
        end loop;
        if exists (
            select from zeroshift.rls_attachments a join zeroshift.policies p on p.kind = 'rls' and p.name = a.policy
            where a.oid = target and p.alias <> policy.alias
        ) then
            raise exception 'all RLS policies of "%" must have the same table alias', relation_names[place]
                using errcode = '0A000';
        end if;
        for number in 1 .. array_length(grantee_kinds, 1) loop
            who := zeroshift.grantee_oid(grantee_kinds[number], grantee_names[number]);
            begin
                insert into zeroshift.rls_attachments (oid, policy, grantee_kind, grantee)
                values (target, policy_name, grantee_kinds[number], who);
            exception when unique_violation then
                raise exception 'RLS policy "%" is already attached to "%" for % %', policy_name, relation_names[place],
                    grantee_kinds[number], grantee_names[number] using errcode = '42710';
            end;
        end loop;
    end loop;
end
$$;

create or replace function zeroshift.detach_rls(
    policy_name text, schema_names text[], relation_names text[], grantee_kinds text[], grantee_names text[]
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid;
begin
    perform zeroshift.require_secadmin();
    perform zeroshift.require_policy('rls', policy_name);
    perform zeroshift.policies_changed();
    for place in 1 .. array_length(relation_names, 1) loop
        target := zeroshift.target_of(schema_names[place], relation_names[place]);
        for number in 1 .. array_length(grantee_kinds, 1) loop
            delete from zeroshift.rls_attachments a
            where a.oid = target and a.policy = policy_name
              and a.grantee = zeroshift.grantee_oid(grantee_kinds[number], grantee_names[number]);
            if not found then
                raise exception 'RLS policy "%" is not attached to "%" for % %', policy_name, relation_names[place],
                    grantee_kinds[number], grantee_names[number] using errcode = '42704';
            end if;
        end loop;
    end loop;
end
$$;

-- NULL leaves the conjunction as it is, or AND for a relation that never had one (r_ALTER_TABLE).
create or replace function zeroshift.alter_rls(
    schema_name text, relation_name text, turned_on boolean, chosen text, for_datashares boolean
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.target_of(schema_name, relation_name);
begin
    perform zeroshift.require_secadmin();
    perform zeroshift.check_protectable(target, 'rls');
    perform zeroshift.policies_changed();
    insert into zeroshift.rls_relations (oid) values (target) on conflict do nothing;
    if for_datashares then
        update zeroshift.rls_relations r
        set datashares = turned_on, datashare_conjunction = coalesce(chosen, datashare_conjunction) where r.oid = target;
    else
        update zeroshift.rls_relations r
        set is_on = turned_on, conjunction = coalesce(chosen, conjunction) where r.oid = target;
    end if;
end
$$;

-- A mask must give what the column can hold (t_ddm-considerations): no longer text, no wider integer; NUMERIC goes to
-- FLOAT. An expression whose type the translator cannot tell is cast.
create or replace function zeroshift.check_outputs(target oid, policy_name text, outputs text[]) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    given text;
    held text;
    fits boolean;
    numbers constant text[] := array['smallint', 'integer', 'bigint'];
begin
    if zeroshift.is_late_binding(target) then
        return;
    end if;
    for place in 1 .. array_length(outputs, 1) loop
        held := zeroshift.column_type(target, outputs[place]);
        given := (select p.outputs ->> (place - 1) from zeroshift.policies p where p.kind = 'masking' and p.name = policy_name);
        continue when given is null;
        if zeroshift.base_type(given) = zeroshift.base_type(held) and held like 'character%' then
            fits := coalesce(substring(given from '\((\d+)\)')::integer <= substring(held from '\((\d+)\)')::integer, true);
        elsif held = any (numbers) and given = any (numbers) then
            fits := array_position(numbers, given) <= array_position(numbers, held);
        elsif held in ('double precision', 'real') then
            fits := zeroshift.base_type(given) in ('numeric', held);
        else
            fits := zeroshift.base_type(given) = zeroshift.base_type(held);
        end if;
        if not fits then
            raise exception 'masking policy "%" gives %, which does not fit column "%" of "%": %', policy_name, given,
                outputs[place], zeroshift.relation_label(target), held using errcode = '42804';
        end if;
    end loop;
end
$$;

create or replace function zeroshift.attach_masking(
    policy_name text, schema_name text, relation_name text, output_columns text[], input_columns text[],
    who_kind text, who_name text, rank integer
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.target_of(schema_name, relation_name);
    who oid := zeroshift.grantee_oid(who_kind, who_name);
    policy zeroshift.policies;
    kind text;
    clash record;
begin
    perform zeroshift.require_secadmin();
    perform zeroshift.require_policy('masking', policy_name);
    select * into policy from zeroshift.policies p where p.kind = 'masking' and p.name = policy_name;
    perform zeroshift.check_protectable(target, 'masking');
    perform zeroshift.policies_changed();
    if jsonb_array_length(policy.columns) <> array_length(input_columns, 1) then
        raise exception 'masking policy "%" takes % columns, not %', policy_name, jsonb_array_length(policy.columns),
            array_length(input_columns, 1) using errcode = '42601';
    end if;
    if jsonb_array_length(policy.outputs) <> array_length(output_columns, 1) then
        raise exception 'masking policy "%" masks % columns, not %', policy_name, jsonb_array_length(policy.outputs),
            array_length(output_columns, 1) using errcode = '42601';
    end if;
    if not zeroshift.is_late_binding(target) then
        for place in 1 .. array_length(input_columns, 1) loop
            kind := zeroshift.column_type(target, input_columns[place]);
            if kind is null then
                raise exception 'column "%" of relation "%" does not exist', input_columns[place], relation_name
                    using errcode = '42703';
            end if;
            if zeroshift.base_type(kind) <> zeroshift.base_type(policy.columns -> (place - 1) ->> 1) then
                raise exception 'column "%" of "%" is %, where the masking policy "%" takes %', input_columns[place],
                    relation_name, kind, policy_name, policy.columns -> (place - 1) ->> 1 using errcode = '42804';
            end if;
        end loop;
        for place in 1 .. array_length(output_columns, 1) loop
            if zeroshift.column_type(target, output_columns[place]) is null then
                raise exception 'column "%" of relation "%" does not exist', output_columns[place], relation_name
                    using errcode = '42703';
            end if;
        end loop;
    end if;
    perform zeroshift.check_outputs(target, policy_name, output_columns);
    for clash in select * from zeroshift.mask_attachments a where a.oid = target and a.outputs && output_columns loop
        if clash.grantee = who then
            raise exception 'masking policy "%" is already attached to a column of "%" for % %', clash.policy, relation_name,
                who_kind, who_name using errcode = '42710';
        end if;
        if clash.priority = rank
           and (clash.policy, clash.outputs, clash.inputs) is distinct from (policy_name, output_columns, input_columns) then
            raise exception 'masking policy "%" is attached to a column of "%" with the same priority %; choose another one',
                clash.policy, relation_name, rank using errcode = '42710';
        end if;
    end loop;
    insert into zeroshift.mask_attachments (oid, policy, grantee_kind, grantee, priority, inputs, outputs)
    values (target, policy_name, who_kind, who, rank, input_columns, output_columns);
end
$$;

create or replace function zeroshift.detach_masking(
    policy_name text, schema_name text, relation_name text, output_columns text[], who_kind text, who_name text
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.target_of(schema_name, relation_name);
begin
    perform zeroshift.require_secadmin();
    perform zeroshift.require_policy('masking', policy_name);
    perform zeroshift.policies_changed();
    delete from zeroshift.mask_attachments a
    where a.oid = target and a.policy = policy_name and a.outputs = output_columns
      and a.grantee = zeroshift.grantee_oid(who_kind, who_name);
    if not found then
        raise exception 'masking policy "%" is not attached to these columns of "%" for % %', policy_name, relation_name,
            who_kind, who_name using errcode = '42704';
    end if;
end
$$;

-- "detaches the policy when you drop a target table"; "you can't drop a lookup table", and DROP SCHEMA CASCADE fails too
-- (t_rls_object_dependency).
create or replace function zeroshift.forget_protected() returns event_trigger
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    gone oid[] := array(select objid from pg_event_trigger_dropped_objects()
                        where classid = 'pg_class'::regclass and objsubid = 0);
    lookup record;
begin
    if gone = '{}' then
        return;
    end if;
    select p.kind, p.policy into lookup from zeroshift.policy_lookups p where p.oid = any (gone) limit 1;
    if found then
        raise exception 'cannot drop a lookup table of the % policy "%"; drop the policy first', lookup.kind, lookup.policy
            using errcode = '2BP01';
    end if;
    delete from zeroshift.rls_relations where oid = any (gone);
    delete from zeroshift.rls_attachments where oid = any (gone);
    delete from zeroshift.mask_attachments where oid = any (gone);
end
$$;

drop event trigger if exists zeroshift_forget_protected;
create event trigger zeroshift_forget_protected on sql_drop execute function zeroshift.forget_protected();

-- What the translator must know of a relation's policies, as JSON; NULL for one that no policy concerns.
create or replace function zeroshift.lookups_of(policy_kind text, policy_name text) returns jsonb
language sql stable security definer set search_path = pg_catalog
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'schema', n.nspname, 'name', c.relname, 'granted', p.granted, 'columns', to_jsonb(p.columns),
        'view', zeroshift.lookup_view(p.kind, p.policy, p.oid)) order by n.nspname, c.relname), '[]')
    from zeroshift.policy_lookups p join pg_class c on c.oid = p.oid join pg_namespace n on n.oid = c.relnamespace
    where p.kind = policy_kind and p.policy = policy_name
$$;

create or replace function zeroshift.protection(target oid) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select nullif(jsonb_strip_nulls(jsonb_build_object(
        'rls', (
            select jsonb_build_object('conjunction', r.conjunction, 'on', r.is_on)
            from zeroshift.rls_relations r where r.oid = target and r.is_on
        ),
        'policies', (
            select jsonb_agg(jsonb_build_object(
                'name', p.name, 'alias', p.alias, 'columns', p.columns, 'expression', p.expression,
                'lookups', zeroshift.lookups_of('rls', p.name), 'grantees', a.grantees) order by p.name)
            from (
                select policy, jsonb_agg(jsonb_build_array(grantee_kind, grantee::bigint) order by grantee) as grantees
                from zeroshift.rls_attachments a where a.oid = target group by policy
            ) a join zeroshift.policies p on p.kind = 'rls' and p.name = a.policy
        ),
        'masks', (
            select jsonb_agg(jsonb_build_object(
                'name', p.name, 'columns', p.columns, 'expression', p.expression, 'lookups', zeroshift.lookups_of('masking', p.name),
                'grantee', jsonb_build_array(a.grantee_kind, a.grantee::bigint),
                'inputs', to_jsonb(a.inputs), 'outputs', to_jsonb(a.outputs)) order by a.priority desc, a.grantee)
            from zeroshift.mask_attachments a join zeroshift.policies p on p.kind = 'masking' and p.name = a.policy
            where a.oid = target
        ),
        'guarded', (
            with recursive reads as (
                select target as oid
                union
                select d.refobjid from reads join pg_rewrite r on r.ev_class = reads.oid
                join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
                    and d.refclassid = 'pg_class'::regclass
            )
            select true from zeroshift.view_texts t join reads on reads.oid = t.oid where t.guarded limit 1
        ),
        'lookup_of', (
            select jsonb_agg(jsonb_build_array(p.kind, p.policy, to_jsonb(p.columns)) order by p.kind, p.policy)
            from zeroshift.policy_lookups p where p.oid = target
        )
    ))::text, '{}')
$$;

-- As zeroshift.relations, and what protects each of them. A warehouse without policies pays next to nothing.
create or replace function zeroshift.guarded_relations(wanted text[], temp oid)
returns table (schema_name text, relation_name text, kind text, temporary boolean,
               column_names text[], column_types text[], definition text, protection text)
language sql security definer set search_path = pg_catalog
as $$
    select r.*, case when not r.temporary and (
                        exists (select from zeroshift.policies) or exists (select from zeroshift.rls_relations where is_on))
                     then zeroshift.protection(to_regclass(format('%I.%I', r.schema_name, r.relation_name))) end
    from zeroshift.relations(wanted, temp) r
    union all
    -- A policy's own columns and alias, for ALTER ... POLICY: in the place of a relation of a database of that name.
    select 'zeroshift policies.' || p.kind, p.name, 'policy', false,
           array(select c ->> 0 from jsonb_array_elements(p.columns) c),
           array(select c ->> 1 from jsonb_array_elements(p.columns) c), p.alias, null
    from zeroshift.policies p where p.name = any (wanted)
    union all
    select e.*, null from zeroshift.external_relations(wanted) e
    union all
    select f.*, null from zeroshift.user_functions(wanted) f
$$;

-- The views whose texts have to be put to PostgreSQL again when policies change: those bound to a relation that a policy
-- concerns, and those that have one in them from before.
create or replace function zeroshift.bound_views()
returns table (oid oid, schema_name text, view_name text, column_names text[], definition text, path text[])
language sql security definer set search_path = pg_catalog
as $$
    select t.oid, n.nspname::text, c.relname::text,
           array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 order by attnum),
           t.definition, t.path
    from zeroshift.view_texts t join pg_class c on c.oid = t.oid and c.relkind = 'v'
    join pg_namespace n on n.oid = c.relnamespace
    where t.guarded or exists (
        select from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
            and d.refclassid = 'pg_class'::regclass
        where r.ev_class = t.oid and d.refobjid <> t.oid and d.refobjid in (
            select a.oid from zeroshift.rls_attachments a
            union select m.oid from zeroshift.mask_attachments m
            union select l.oid from zeroshift.rls_relations l)
    )
    order by t.oid
$$;

-- The relations of users that a view is bound to.
create or replace function zeroshift.bound_to(target oid) returns oid[]
language sql security definer set search_path = pg_catalog
as $$
    select array(
        select distinct d.refobjid from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass
            and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
        join pg_class c on c.oid = d.refobjid
        where r.ev_class = target and d.refobjid <> target and c.relnamespace <> 'zeroshift'::regnamespace
        order by 1)
$$;

-- Puts a view's text to PostgreSQL again, with the policies of now in it. Its owner, grants and comment stay. A text that
-- would now be bound to other relations than before (one was renamed since) is refused: the view is another one then.
create or replace function zeroshift.rebind_view(target oid, text_of_it text, has_guard boolean) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    before oid[] := zeroshift.bound_to(target);
begin
    perform zeroshift.require_secadmin();
    execute text_of_it;
    if zeroshift.bound_to(target) <> before then
        raise exception 'the view "%" reads a relation that was renamed since it was made; make the view anew first',
            zeroshift.relation_label(target) using errcode = '0A000';
    end if;
    update zeroshift.view_texts set guarded = has_guard where oid = target;
end
$$;

create or replace function zeroshift.record_view_text(
    schema_name text, view_name text, query text, schemas text[], has_guard boolean
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform zeroshift.record_view_text(schema_name, view_name, query);
    update zeroshift.view_texts set path = schemas, guarded = has_guard
    where oid = to_regclass(format('%I.%I', schema_name, view_name));
end
$$;

-- Regular users cannot replace a view that a policy is attached to (t_rls_usage, t_ddm-considerations).
create or replace function zeroshift.check_replaceable(schema_name text, view_name text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', schema_name, view_name));
begin
    if (exists (select from zeroshift.rls_attachments where oid = target)
        or exists (select from zeroshift.mask_attachments where oid = target))
       and not zeroshift.is_secadmin(session_user) then
        raise exception 'cannot replace the view "%.%": a security policy is attached to it', schema_name, view_name
            using errcode = '42501', hint = 'Detach its policies, replace it, and attach them again.';
    end if;
end
$$;
