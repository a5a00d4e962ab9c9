-- The system views about security policies. Source: Redshift Database Developer Guide, the page of each view. Expressions
-- are shown as they were written, where Redshift shows its own spelling of them.

create or replace function zeroshift.columns_shown(columns jsonb) returns text
language sql immutable
as $$
    select '[' || coalesce(string_agg(format('{"colname":%s,"type":%s}', c -> 0, c -> 1), ',' order by place), '') || ']'
    from jsonb_array_elements(columns) with ordinality as e (c, place)
$$;

create or replace function zeroshift.relation_kind_shown(target oid) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select case when exists (select from zeroshift.late_binding_views where oid = target) then 'late binding view'
                when relkind = 'v' then 'view' else 'table' end
    from pg_class where oid = target
$$;

-- "Superusers can see all rows; regular users can see only their own data": the policies that they made.
create or replace function zeroshift.policies_shown(who text default current_user)
returns setof zeroshift.policies
language sql stable security definer set search_path = pg_catalog
as $$ select * from zeroshift.policies p where zeroshift.is_secadmin(who) or (p.kind = 'rls' and p.modified_by = who) $$;

create or replace function zeroshift.rls_relations_shown(who text default current_user)
returns table (schema_name text, relation_name text, kind text, is_on boolean, datashares boolean, conjunction text,
               datashare_conjunction text)
language sql stable security definer set search_path = pg_catalog
as $$
    select n.nspname::text, c.relname::text, zeroshift.relation_kind_shown(c.oid), r.is_on, r.datashares, r.conjunction,
           r.datashare_conjunction
    from zeroshift.rls_relations r join pg_class c on c.oid = r.oid join pg_namespace n on n.oid = c.relnamespace
    where zeroshift.is_secadmin(who) or c.relowner = (select oid from pg_roles where rolname = who)
$$;

create or replace function zeroshift.rls_attachments_shown(who text default current_user)
returns table (schema_name text, relation_name text, kind text, policy text, grantor text, grantee text,
               grantee_kind text, is_on boolean, conjunction text)
language sql stable security definer set search_path = pg_catalog
as $$
    select n.nspname::text, c.relname::text, zeroshift.relation_kind_shown(c.oid), a.policy, a.grantor,
           case a.grantee_kind when 'public' then 'public' else g.rolname::text end, a.grantee_kind,
           coalesce(r.is_on, false), coalesce(r.conjunction, 'and')
    from zeroshift.rls_attachments a join pg_class c on c.oid = a.oid join pg_namespace n on n.oid = c.relnamespace
    left join pg_roles g on g.oid = a.grantee
    left join zeroshift.rls_relations r on r.oid = a.oid
    where zeroshift.is_secadmin(who) and (a.grantee_kind = 'public' or g.oid is not null)
$$;

create or replace function zeroshift.mask_attachments_shown(who text default current_user)
returns table (policy text, schema_name text, relation_name text, kind text, grantor text, grantee text,
               grantee_kind text, priority integer, inputs text[], outputs text[])
language sql stable security definer set search_path = pg_catalog
as $$
    select a.policy, n.nspname::text, c.relname::text, zeroshift.relation_kind_shown(c.oid), a.grantor,
           case a.grantee_kind when 'public' then 'public' else g.rolname::text end, a.grantee_kind, a.priority,
           a.inputs, a.outputs
    from zeroshift.mask_attachments a join pg_class c on c.oid = a.oid join pg_namespace n on n.oid = c.relnamespace
    left join pg_roles g on g.oid = a.grantee
    where zeroshift.is_secadmin(who) and (a.grantee_kind = 'public' or g.oid is not null)
$$;

create or replace view redshift_catalog.svv_rls_policy as
select pg_catalog.current_database()::text as poldb, name as polname, nullif(alias, '') as polalias,
       zeroshift.columns_shown(columns) as polatts, expression as polqual, true as polenabled,
       modified_by as polmodifiedby, modified_time as polmodifiedtime
from zeroshift.policies_shown() where kind = 'rls';

create or replace view redshift_catalog.svv_rls_relation as
select pg_catalog.current_database()::text as datname, schema_name as relschema, relation_name as relname, kind as relkind,
       is_on as is_rls_on, datashares as is_rls_datashare_on, conjunction::character(3) as rls_conjunction_type,
       datashare_conjunction::character(3) as rls_datashare_conjunction_type
from zeroshift.rls_relations_shown();

create or replace view redshift_catalog.svv_rls_attached_policy as
select schema_name as relschema, relation_name as relname, kind as relkind, policy as polname, grantor, grantee,
       grantee_kind as granteekind, true as is_pol_on, is_on as is_rls_on, conjunction::character(3) as rls_conjunction_type
from zeroshift.rls_attachments_shown();

create or replace view redshift_catalog.svv_masking_policy as
select pg_catalog.current_database()::text as policy_database, name as policy_name,
       zeroshift.columns_shown(columns) as input_columns, expression as policy_expression,
       modified_by as policy_modified_by, modified_time as policy_modified_time
from zeroshift.policies_shown() where kind = 'masking';

create or replace view redshift_catalog.svv_attached_masking_policy as
select policy as policy_name, schema_name, relation_name as table_name, kind as table_type, grantor, grantee,
       grantee_kind as grantee_type, priority, to_json(inputs)::text as input_columns, to_json(outputs)::text as output_columns,
       true as is_masking_datashare_on
from zeroshift.mask_attachments_shown();

-- DG "SVV_SYSTEM_PRIVILEGES": the system privileges that were granted to roles. Those that Redshift's own roles (sys:...) come
-- with are not listed. "Other users can only see identities they have access to or own."
create or replace function zeroshift.system_privileges_shown(who text default current_user)
returns table (privilege text, role oid)
language sql stable security definer set search_path = pg_catalog
as $$
    select p.privilege, p.role from zeroshift.system_privileges p
    where zeroshift.is_superuser(who) or pg_has_role(who, p.role, 'member')
$$;

create or replace view redshift_catalog.svv_system_privileges as
select upper(p.privilege)::text as system_privilege, p.role::bigint::integer as identity_id,
       pg_catalog.pg_get_userbyid(p.role)::text as identity_name, 'role'::text as identity_type
from zeroshift.system_privileges_shown() p;
grant select on redshift_catalog.svv_system_privileges to public;

grant select on redshift_catalog.svv_rls_policy, redshift_catalog.svv_rls_relation, redshift_catalog.svv_rls_attached_policy,
    redshift_catalog.svv_masking_policy, redshift_catalog.svv_attached_masking_policy to public;

-- r_USER_IS_MEMBER_OF, r_ROLE_IS_MEMBER_OF: errors for names that do not exist, and for others' when one may not ask.
create or replace function redshift.user_is_member_of(user_name text, role_name text, who text default current_user)
returns boolean
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    member oid := (select oid from pg_roles where rolname = user_name and rolcanlogin);
    held oid := (select oid from pg_roles where rolname = role_name and not rolcanlogin);
begin
    if member is null then
        raise exception 'user "%" does not exist', user_name using errcode = '42704';
    end if;
    if held is null then
        raise exception 'role "%" does not exist', role_name using errcode = '42704';
    end if;
    if user_name <> who and not zeroshift.is_secadmin(who) then
        raise exception 'permission denied: only superusers and members of sys:secadmin can ask about other users'
            using errcode = '42501';
    end if;
    return zeroshift.is_member(member, held) or (role_name = 'sys:secadmin' and pg_has_role(member, held, 'member'));
end
$$;

create or replace function redshift.role_is_member_of(role_name text, granted_role_name text, who text default current_user)
returns boolean
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    member oid := (select oid from pg_roles where rolname = role_name and zeroshift.role_kind(oid) = 'role');
    held oid := (select oid from pg_roles where rolname = granted_role_name and zeroshift.role_kind(oid) = 'role');
    me oid := (select oid from pg_roles where rolname = who);
begin
    if member is null or held is null then
        raise exception 'role "%" does not exist', case when member is null then role_name else granted_role_name end
            using errcode = '42704';
    end if;
    if not (zeroshift.is_superuser(who) or (zeroshift.is_member(me, member) and zeroshift.is_member(me, held))) then
        raise exception 'permission denied: only superusers can ask about roles that they are no members of'
            using errcode = '42501';
    end if;
    return zeroshift.is_member(member, held);
end
$$;
