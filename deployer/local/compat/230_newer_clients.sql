-- What clients newer than PostgreSQL 8.0 ask of pg_catalog by name: psql since 15 asks every server as it would a 9.2.
-- Here are the relations and columns that such clients read and 8.0 does not have; they are found only where a query writes
-- pg_catalog in front of the name, and `*` leaves the columns out (deployer/local/gateway/catalog.py). A Redshift of
-- Amazon's has none of them: no pipeline should read them (docs/clients.md).
create schema if not exists redshift_newer;

create or replace view redshift_newer.pg_class as
select c.*, 0::oid as reloftype, coalesce(p.relpersistence, 'p'::"char") as relpersistence, null::text[] as reloptions,
       -- psql looks for foreign keys where a table has triggers, which is how PostgreSQL checks them.
       exists (select from redshift_catalog.pg_constraint k
               where k.contype = 'f' and c.oid in (k.conrelid, k.confrelid)) as relhastriggers
from redshift_catalog.pg_class c
left join pg_catalog.pg_class p on p.oid = c.oid;

create or replace view redshift_newer.pg_attribute as
select a.*, -1 as attstattarget, 0::oid as attcollation, zeroshift.acl_shown(p.attacl) as attacl, null::text[] as attoptions, null::text[] as attfdwoptions
from redshift_catalog.pg_attribute a
left join pg_catalog.pg_attribute p on p.attrelid = a.attrelid and p.attnum = a.attnum;

create or replace view redshift_newer.pg_type as
select t.*, 0::oid as typarray, 0::oid as typcollation, null::text[] as typacl
from redshift_catalog.pg_type t;

create or replace view redshift_newer.pg_constraint as
select k.*, coalesce(d.index_oid, 0::oid) as conindid, true as convalidated, true as connoinherit, true as conislocal,
       0::smallint as coninhcount
from redshift_catalog.pg_constraint k
join zeroshift.declared_keys d on d.oid = k.oid;

create or replace view redshift_newer.pg_proc as
select p.*, false as proisagg, false as proiswindow, false as proleakproof
from redshift_catalog.pg_proc p;

create or replace view redshift_newer.pg_language as
select l.*, 0::oid as laninline, 'pg_catalog.pg_language'::regclass::oid as tableoid from redshift_catalog.pg_language l;

create or replace view redshift_newer.pg_database as
select d.*, 'C'::name as datcollate, 'C.UTF-8'::name as datctype, 1663::oid as dattablespace, -1 as datconnlimit
from redshift_catalog.pg_database d;

-- Users, groups and roles. Their passwords are nobody's business, and neither is the engine's own superuser.
create or replace view redshift_newer.pg_roles as
select r.rolname, zeroshift.is_superuser(r.rolname) as rolsuper, true as rolinherit, r.rolcreaterole, r.rolcreatedb,
       r.rolcanlogin, false as rolreplication, r.rolconnlimit, '********'::text as rolpassword, r.rolvaliduntil, r.rolconfig, r.oid
from pg_catalog.pg_roles r
where r.rolname not like 'pg\_%' and r.rolname <> 'zeroshift_superusers';

create or replace view redshift_newer.pg_auth_members as
select m.roleid, m.member, m.grantor, m.admin_option
from pg_catalog.pg_auth_members m
where m.roleid in (select oid from redshift_newer.pg_roles) and m.member in (select oid from redshift_newer.pg_roles)
  -- PostgreSQL gives every new role to its maker, twice.
  and m.grantor not in (10, m.member);

-- The comment on a role says here what kind of thing it is (zeroshift.role_kind): nobody's but the engine's.
create or replace view redshift_newer.pg_shdescription as
select objoid, classoid, description from pg_catalog.pg_shdescription
where classoid = 'pg_catalog.pg_database'::regclass and objoid in (select oid from redshift_catalog.pg_database);

create or replace view redshift_newer.pg_db_role_setting as
select setdatabase, setrole, setconfig from pg_catalog.pg_db_role_setting
where setrole in (select oid from redshift_newer.pg_roles);

create or replace view redshift_newer.pg_tablespace as
select t.*, null::text[] as spcoptions from redshift_catalog.pg_tablespace t;

-- What Redshift has none of.
create or replace view redshift_newer.pg_am as
select oid, amname from pg_catalog.pg_am where amname = 'btree';
create or replace view redshift_newer.pg_index as
select i.*, false as indisexclusion, true as indimmediate, true as indisvalid, false as indcheckxmin, true as indisready,
       null::oidvector as indcollation, null::int2vector as indoption
from redshift_catalog.pg_index i;
create or replace view redshift_newer.pg_rewrite as
select w.*, 'O'::"char" as ev_enabled from redshift_catalog.pg_rewrite w;
create or replace view redshift_newer.pg_trigger as
select t.oid, t.tgrelid, t.tgname, t.tgfoid, t.tgtype, 'O'::"char" as tgenabled, false as tgisinternal, t.tgconstrrelid,
       0::oid as tgconstrindid, 0::oid as tgconstraint, t.tgdeferrable, t.tginitdeferred, t.tgnargs, t.tgattr, t.tgargs,
       null::text as tgqual
from redshift_catalog.pg_trigger t;
create or replace view redshift_newer.pg_collation as
select oid, collname, collnamespace, collowner, collencoding, collcollate, collctype from pg_catalog.pg_collation where false;
create or replace view redshift_newer.pg_extension as
select oid, extname, extowner, extnamespace, extrelocatable, extversion, extconfig, extcondition
from pg_catalog.pg_extension where false;
create or replace view redshift_newer.pg_foreign_table as
select ftrelid, ftserver, ftoptions from pg_catalog.pg_foreign_table where false;
create or replace view redshift_newer.pg_foreign_server as
select oid, srvname, srvowner, srvfdw, srvtype, srvversion, srvacl, srvoptions from pg_catalog.pg_foreign_server where false;
create or replace view redshift_newer.pg_foreign_data_wrapper as
select oid, fdwname, fdwowner, fdwhandler, fdwvalidator, fdwacl, fdwoptions
from pg_catalog.pg_foreign_data_wrapper where false;
create or replace view redshift_newer.pg_user_mappings as
select umid, srvid, srvname, umuser, usename, umoptions from pg_catalog.pg_user_mappings where false;
create or replace view redshift_newer.pg_largeobject_metadata as
select oid, lomowner, lomacl from pg_catalog.pg_largeobject_metadata where false;

create or replace view redshift_newer.pg_default_acl as
select d.*, d.defacluser::oid as defaclrole from redshift_catalog.pg_default_acl d;

grant usage on schema redshift_newer to public;
grant select on all tables in schema redshift_newer to public;
