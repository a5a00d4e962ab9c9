-- Users and roles: what PostgreSQL's own commands do not do as Redshift documents (DG "CREATE USER", "ALTER USER",
-- "DROP ROLE").

-- Passwords that were given as a digest: md5 with the user's name, or SHA-256 with a salt. They count where the role has
-- no password of PostgreSQL's own.
create table if not exists zeroshift.password_digests (
    role oid primary key,
    digest text not null,
    salt text not null
);
revoke all on zeroshift.password_digests from public;

-- ALTER USER. `command` is the translator's. Superusers alter every user, whoever made it; others change their own
-- password, unless it is disabled ("Only a superuser can enable or disable passwords").
create or replace function zeroshift.alter_user(who text, command text, own boolean, disables boolean) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := (select oid from pg_roles where rolname = who);
begin
    perform zeroshift.require_kind('user', array[who]);
    if not zeroshift.is_superuser(session_user) and (
        not own or who <> session_user or (select rolpassword is null from pg_authid where oid = target)
        and not exists (select from zeroshift.password_digests where role = target)
    ) then
        raise exception 'permission denied to alter user "%"', who using errcode = '42501';
    end if;
    if (select rolsuper from pg_roles where oid = target) then
        raise exception 'permission denied to alter user "%"', who using errcode = '42501';
    end if;
    if disables and zeroshift.is_superuser(who) then
        raise exception 'the password of a superuser cannot be disabled' using errcode = '42501';
    end if;
    if command like 'ALTER ROLE % PASSWORD %' then
        delete from zeroshift.password_digests where role = target;
    end if;
    execute command;
end
$$;

create or replace function zeroshift.record_digest(who text, given_digest text, given_salt text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if not (zeroshift.is_superuser(session_user) or who = session_user) then
        raise exception 'permission denied to alter user "%"', who using errcode = '42501';
    end if;
    insert into zeroshift.password_digests select oid, given_digest, given_salt from pg_roles where rolname = who
    on conflict (role) do update set digest = given_digest, salt = given_salt;
end
$$;

-- What a password is checked against.
create or replace function zeroshift.stored_password(who text) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select coalesce(a.rolpassword, (select case when d.salt = '' then d.digest else 'sha256|' || d.digest || '|' || d.salt end
                                   from zeroshift.password_digests d where d.role = a.oid))
    from pg_authid a where a.rolname = who
$$;
revoke execute on function zeroshift.stored_password(text) from public;

-- DROP ROLE ... RESTRICT, the default, raises while a role is assigned (the first two texts are the page's); FORCE removes the assignments,
-- which is what PostgreSQL's DROP ROLE does.
create or replace function zeroshift.check_drop_role(names text[], forced boolean) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
begin
    perform zeroshift.require_kind('role', array(
        select n from unnest(names) n where exists (select from pg_roles where rolname = n)));
    if forced then
        return;
    end if;
    if exists (select from pg_auth_members m join pg_roles r on r.oid = m.roleid join pg_roles u on u.oid = m.member
               where r.rolname = any (names) and zeroshift.role_kind(u.oid) = 'user'
               -- PostgreSQL gives every new role to its maker, twice.
               and m.grantor not in (10, m.member)) then
        raise exception 'cannot drop this role since it has been granted on a user' using errcode = '2BP01';
    elsif exists (select from pg_auth_members m join pg_roles r on r.oid = m.member join pg_roles o on o.oid = m.roleid
                  where r.rolname = any (names) and zeroshift.role_kind(o.oid) = 'role' and m.grantor not in (10, m.member)) then
        raise exception 'cannot drop this role since it depends on another role' using errcode = '2BP01';
    elsif exists (select from pg_auth_members m join pg_roles r on r.oid = m.roleid join pg_roles o on o.oid = m.member
                  where r.rolname = any (names) and zeroshift.role_kind(o.oid) = 'role' and m.grantor not in (10, m.member)) then
        -- The page's examples have no text for this one.
        raise exception 'cannot drop this role since it has been granted on a role' using errcode = '2BP01';
    end if;
end
$$;
