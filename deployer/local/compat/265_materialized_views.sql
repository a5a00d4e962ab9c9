-- Materialized views: PostgreSQL's own, with what Redshift knows of them besides. DG "STV_MV_INFO", "SVV_MV_INFO",
-- "STV_MV_DEPS", "SVV_MV_DEPENDENCY", "SVL_MV_REFRESH_STATUS".
create table if not exists zeroshift.materialized_views (
    oid oid primary key,
    automatic boolean not null,
    -- 1: Redshift would refresh it incrementally, 0: it would compute it anew.
    state integer not null
);

-- Every computation of a view: the first one when it was created, which has no status. `seen` is what it saw.
create table if not exists zeroshift.materialized_refreshes (
    number bigint generated always as identity primary key,
    oid oid not null,
    user_name text not null,
    xid xid8 not null default pg_catalog.pg_current_xact_id(),
    seen pg_snapshot not null default pg_catalog.pg_current_snapshot(),
    started timestamp not null,
    ended timestamp not null,
    status text
);
create index if not exists materialized_refreshes_by_view on zeroshift.materialized_refreshes (oid, number);

-- The transactions that have written a table that a view reads, until a refresh has seen them. Rows are only added by
-- users' transactions, so that none waits for another or conflicts with it.
create table if not exists zeroshift.materialized_changes (
    oid oid not null,
    xid xid8 not null default pg_catalog.pg_current_xact_id(),
    primary key (oid, xid)
);

create or replace function zeroshift.note_change() returns trigger
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    insert into zeroshift.materialized_changes (oid)
    select distinct m.oid
    from zeroshift.materialized_views m
    join pg_rewrite r on r.ev_class = m.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
    where d.refclassid = 'pg_class'::regclass and d.refobjid = tg_relid
    on conflict do nothing;
    return null;
end
$$;

-- What a view reads.
create or replace function zeroshift.materialized_bases(target oid) returns setof oid
language sql stable security definer set search_path = pg_catalog
as $$
    select distinct d.refobjid
    from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
    where r.ev_class = target and d.refclassid = 'pg_class'::regclass and d.refobjid <> target
$$;

create or replace function zeroshift.record_materialized_view(
    schema_name text, view_name text, query text, is_automatic boolean, how integer
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', schema_name, view_name));
    base oid;
begin
    perform zeroshift.record_view_text(schema_name, view_name, query);
    insert into zeroshift.materialized_views values (target, is_automatic, how)
    on conflict (oid) do update set automatic = excluded.automatic, state = excluded.state;
    insert into zeroshift.materialized_refreshes (oid, user_name, started, ended)
    values (target, session_user, now() at time zone 'UTC', clock_timestamp() at time zone 'UTC');
    for base in select b from zeroshift.materialized_bases(target) b join pg_class c on c.oid = b where c.relkind in ('r', 'p')
    loop
        if not exists (select from pg_trigger where tgrelid = base and tgname = 'zeroshift_change') then
            begin
                execute format('create trigger zeroshift_change after insert or update or delete or truncate on %s'
                               ' for each statement execute function zeroshift.note_change()', base::regclass);
            exception when duplicate_object then
                -- Whoever made another view of the same table at the same time has made it.
                null;
            end;
        end if;
    end loop;
end
$$;

create or replace function zeroshift.alter_materialized_view(schema_name text, view_name text, is_automatic boolean) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', schema_name, view_name));
begin
    perform zeroshift.require_owner('relation', view_name, (select relowner from pg_class where oid = target));
    update zeroshift.materialized_views set automatic = is_automatic where oid = target;
end
$$;

create or replace function zeroshift.is_stale(target oid) returns boolean
language sql stable security definer set search_path = pg_catalog
as $$
    select exists (
        select from zeroshift.materialized_changes c
        where c.oid = target and not exists (
            select from (select r.seen, r.xid from zeroshift.materialized_refreshes r where r.oid = target
                         order by r.number desc limit 1) last
            where pg_visible_in_snapshot(c.xid, last.seen) or c.xid = last.xid))
$$;

-- "Only the owner of a materialized view can perform a REFRESH."
create or replace function zeroshift.check_refresh(schema_name text, view_name text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform zeroshift.require_owner(
        'relation', view_name,
        (select relowner from pg_class where oid = to_regclass(format('%I.%I', schema_name, view_name))));
    -- When it began, for the log: a statement's own time, within the transaction.
    perform set_config('zeroshift.refresh_began', (clock_timestamp() at time zone 'UTC')::text, true);
end
$$;

create or replace function zeroshift.note_refresh(schema_name text, view_name text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', schema_name, view_name));
begin
    insert into zeroshift.materialized_refreshes (oid, user_name, started, ended, status)
    values (target, session_user, current_setting('zeroshift.refresh_began')::timestamp, clock_timestamp() at time zone 'UTC',
            case when zeroshift.is_stale(target) then 'Refresh successfully recomputed MV from scratch'
                 else 'MV was already updated' end);
    -- What is made of this one is behind it now.
    insert into zeroshift.materialized_changes (oid)
    select distinct r.ev_class
    from pg_depend d join pg_rewrite r on r.oid = d.objid
    join zeroshift.materialized_views m on m.oid = r.ev_class
    where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = target
      and r.ev_class <> target
    on conflict do nothing;
end
$$;

-- For the gateway, from time to time: one view that is to be refreshed by itself, and what nobody needs any more.
create or replace function zeroshift.due_refresh(out schema_name text, out view_name text)
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from zeroshift.materialized_views m where not exists (select from pg_class c where c.oid = m.oid and c.relkind = 'm');
    delete from zeroshift.materialized_changes c
    where not exists (select from zeroshift.materialized_views m where m.oid = c.oid)
       or exists (select from (select r.seen from zeroshift.materialized_refreshes r where r.oid = c.oid
                               order by r.number desc limit 1) last where pg_visible_in_snapshot(c.xid, last.seen));
    delete from zeroshift.materialized_refreshes r
    where (r.ended < (now() at time zone 'UTC') - interval '7 days'
           and exists (select from zeroshift.materialized_refreshes n where n.oid = r.oid and n.number > r.number))
       or not exists (select from zeroshift.materialized_views m where m.oid = r.oid);
    select n.nspname, c.relname into schema_name, view_name
    from zeroshift.materialized_views m
    join pg_class c on c.oid = m.oid join pg_namespace n on n.oid = c.relnamespace
    where m.automatic and zeroshift.is_stale(m.oid)
    limit 1;
end
$$;
revoke all on function zeroshift.due_refresh() from public;

create or replace function zeroshift.auto_refresh(schema_name text, view_name text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    began timestamp := clock_timestamp() at time zone 'UTC';
    target oid := to_regclass(format('%I.%I', schema_name, view_name));
begin
    execute format('refresh materialized view %I.%I', schema_name, view_name);
    insert into zeroshift.materialized_refreshes (oid, user_name, started, ended, status)
    values (target, 'auto refresh', began, clock_timestamp() at time zone 'UTC',
            'Refresh successfully recomputed MV from scratch');
end
$$;
revoke all on function zeroshift.auto_refresh(text, text) from public;

-- ------------------------------------------------------------------------------------------------------- what shows them

create or replace view zeroshift.visible_materialized_views as
select m.oid, r.database_name, r.schema_name, r.relation_name, pg_catalog.pg_get_userbyid(r.relowner)::text as owner,
       m.state, case when m.automatic then 't' else 'f' end::character(1) as autorefresh,
       case when zeroshift.is_stale(m.oid) then 't' else 'f' end::character(1) as is_stale,
       (select max(f.xid::text::bigint) from zeroshift.materialized_refreshes f where f.oid = m.oid) as xid
from zeroshift.materialized_views m
join zeroshift.visible_relations r on r.oid = m.oid and r.relkind = 'm'
where (select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, r.relowner, 'usage');

-- Queries are not rewritten to use a view: autorewrite is f. The pages' tables say t, their examples 1 and 0; dbt-redshift
-- reads t and f. The order is that of the examples.
create or replace view redshift_catalog.stv_mv_info as
select database_name::character(128) as db_name, schema_name::character(128) as schema, relation_name::character(128) as name,
       xid as updated_upto_xid, is_stale, owner::character(128) as owner_user_name, state, autorefresh,
       'f'::character(1) as autorewrite
from zeroshift.visible_materialized_views;

create or replace view redshift_catalog.svv_mv_info as
select database_name::character(128) as database_name, schema_name::character(128) as schema_name,
       owner::character(128) as user_name, relation_name::character(128) as name, is_stale, state, autorefresh,
       'f'::character(1) as autorewrite
from zeroshift.visible_materialized_views;

create or replace view redshift_catalog.stv_mv_deps as
select v.database_name::character(128) as db_name, v.schema_name::character(128) as schema, v.relation_name::character(128) as name,
       r.schema_name::character(128) as ref_schema, r.relation_name::character(128) as ref_name,
       r.database_name::character(128) as ref_database_name
from zeroshift.visible_materialized_views v
cross join lateral zeroshift.materialized_bases(v.oid) b
join zeroshift.visible_relations r on r.oid = b and r.relkind = 'm';

create or replace view redshift_catalog.svv_mv_dependency as
select db_name::character(128) as database_name, schema::character(128) as schema_name,
       name::character(128) as name, ref_database_name::character(128) as dependent_database_name,
       ref_schema::character(128) as dependent_schema_name, ref_name::character(128) as dependent_name
from redshift_catalog.stv_mv_deps;

create or replace view redshift_catalog.svl_mv_refresh_status as
select r.database_name::character(128) as db_name, coalesce(u.usesysid::bigint, 1) as userid, r.schema_name::character(128) as schema_name,
       r.relation_name::character(128) as mv_name, f.xid::text::bigint as xid, f.started as starttime, f.ended as endtime,
       f.status::text as status,
       case when f.user_name = 'auto refresh' then 'Auto' else 'Manual' end::character(32) as refresh_type,
       null::character(12) as consumer_account, null::character(32) as consumer_region, null::character(36) as consumer_namespace
from zeroshift.materialized_refreshes f
join zeroshift.visible_relations r on r.oid = f.oid and r.relkind = 'm'
left join pg_catalog.pg_user u on u.usename = f.user_name
where f.status is not null
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, r.relowner, 'usage'));

-- The same as SYS view. The session that refreshed is not kept; a view that refreshes itself has none.
create or replace view redshift_catalog.sys_mv_refresh_history as
select coalesce(u.usesysid::bigint, 1)::integer as user_id, null::integer as session_id, f.xid::text::bigint as transaction_id,
       r.database_name::character(128) as database_name, r.schema_name::character(128) as schema_name, r.oid::bigint as mv_id,
       r.relation_name::character(128) as mv_name,
       case when f.user_name = 'auto refresh' then 'Auto' else 'Manual' end::character(32) as refresh_type,
       f.status::text as status, f.started as start_time, f.ended as end_time,
       (extract(epoch from f.ended - f.started) * 1000000)::bigint as duration,
       null::character(12) as consumer_account, null::character(32) as consumer_region, null::character(36) as consumer_namespace
from zeroshift.materialized_refreshes f
join zeroshift.visible_relations r on r.oid = f.oid and r.relkind = 'm'
left join pg_catalog.pg_user u on u.usename = f.user_name
where f.status is not null
  and ((select zeroshift.is_superuser(current_user)) or pg_catalog.pg_has_role(current_user, r.relowner, 'usage'));

grant select on redshift_catalog.sys_mv_refresh_history, redshift_catalog.stv_mv_info, redshift_catalog.svv_mv_info, redshift_catalog.stv_mv_deps,
    redshift_catalog.svv_mv_dependency, redshift_catalog.svl_mv_refresh_status to public;
