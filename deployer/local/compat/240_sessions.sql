-- Who is and was connected: DG "SYS_SESSION_HISTORY", "STL_SESSIONS", "SYS_CONNECTION_LOG", "STL_CONNECTION_LOG".
-- SYS_SESSION_HISTORY is what a run is known by to be alive, on provisioned warehouses and serverless ones alike.
create table if not exists zeroshift.connection_log (
    number bigint generated always as identity primary key,
    event text not null,
    record_time timestamp not null default (clock_timestamp() at time zone 'UTC'),
    user_name text not null,
    -- {"host", "port", "application", "driver", "os", "plugin", "ssl", "cipher"}
    told jsonb not null,
    session_id integer,
    -- Of an ended session: when it began, and why it ended, in the numbers of STL_SESSIONS.timed_out.
    started timestamp,
    ending integer
);
revoke all on zeroshift.connection_log from public;

-- Rows are kept for seven days, as of all STL and SYS views, and only so many. Looking for what is old reads all of them.
create or replace function zeroshift.prune_connections() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    delete from zeroshift.connection_log
    where number <= new.number - 20000 or record_time < (now() at time zone 'UTC') - interval '7 days';
    return null;
end
$$;
revoke all on function zeroshift.prune_connections() from public;
create or replace trigger prune_connections after insert on zeroshift.connection_log
for each row when (new.number % 1000 = 0) execute function zeroshift.prune_connections();

create or replace function zeroshift.refuse_connection(who text, told jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into zeroshift.connection_log (event, user_name, told) values ('authentication failure', who, told)
$$;

create or replace function zeroshift.begin_session(pid integer, who text, remote text, application text, told jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into zeroshift.sessions (pid, user_name, remote, application, told)
    values (pid, who, remote, application, told || jsonb_build_object('timeout', zeroshift.session_timeout(who)))
    on conflict (pid) do update set user_name = excluded.user_name, remote = excluded.remote,
        application = excluded.application, started = excluded.started, told = excluded.told;
    insert into zeroshift.connection_log (event, user_name, told, session_id)
    values ('authenticated', who, told, pid), ('initiating session', who, told, pid);
$$;

-- `ended` is NULL for all of them: the gateway has started anew.
create or replace function zeroshift.end_sessions(ended integer, why integer) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from zeroshift.sessions s where ended is null or s.pid = ended returning s.*)
    insert into zeroshift.connection_log (event, user_name, told, session_id, started, ending)
    select 'disconnecting session', g.user_name, g.told, g.pid, g.started, why from gone g;
$$;
revoke all on function zeroshift.refuse_connection(text, jsonb), zeroshift.begin_session(integer, text, text, text, jsonb),
    zeroshift.end_sessions(integer, integer) from public;

create or replace view zeroshift.ended_sessions as
select l.session_id, l.user_name, l.started, l.record_time as ended, l.ending, coalesce((l.told ->> 'timeout')::integer, 0) as timeout
from zeroshift.connection_log l
where l.event = 'disconnecting session'
  and ((select zeroshift.is_superuser(current_user)) or l.user_name = current_user);

-- The end of an active one is empty, as in the page's example.
create or replace view redshift_catalog.sys_session_history as
select u.usesysid::text::character(50) as user_id, s.pid as session_id, current_database()::character(50) as database_name,
       'active'::character(20) as status,
       coalesce((s.told ->> 'timeout')::integer, 0) as session_timeout, s.started as start_time, null::timestamp as end_time
from zeroshift.sessions s
left join pg_catalog.pg_user u on u.usename = s.user_name
where (select zeroshift.is_superuser(current_user)) or s.user_name = current_user
union all
select u.usesysid::text::character(50), e.session_id, current_database()::character(50),
       (case e.ending when 1 then 'timed out' else 'closed' end)::character(20), e.timeout, e.started, e.ended
from zeroshift.ended_sessions e
left join pg_catalog.pg_user u on u.usename = e.user_name;

-- "Session history, where STV_SESSIONS contains the current active sessions". timed_out 1: its
-- timeout ended it, 2: the client, 3: the server.
create or replace view redshift_catalog.stl_sessions as
select u.usesysid::bigint::integer as userid, e.started as starttime, e.ended as endtime, e.session_id as process,
       left(e.user_name, 50)::character(50) as user_name, current_database()::character(50) as db_name, e.timeout as timeout_sec,
       e.ending as timed_out
from zeroshift.ended_sessions e
left join pg_catalog.pg_user u on u.usename = e.user_name;

-- Passwords are the one way in, temporary ones of the Data API included. protocol_version is the base protocol. MTU, the
-- compression of SSL and a global number of a session are not known here.
create or replace view redshift_catalog.sys_connection_log as
select l.event::character(50) as event, l.record_time, left(l.told ->> 'host', 45)::character(45) as remote_host,
       left(l.told ->> 'port', 32)::character(32) as remote_port, l.session_id,
       current_database()::character(50) as database_name, left(l.user_name, 50)::character(50) as user_name,
       'password'::character(32) as auth_method,
       least(coalesce(extract(epoch from l.record_time - l.started) * 1000000, 0), 2147483647)::integer as duration,
       left(coalesce(l.told ->> 'ssl', ''), 50)::character(50) as ssl_version,
       left(coalesce(l.told ->> 'cipher', ''), 128)::character(128) as ssl_cipher, null::integer as mtu,
       null::character(64) as ssl_compression, null::character(64) as ssl_expansion, null::character(36) as iam_auth_guid,
       left(l.told ->> 'application', 250)::character(250) as application_name,
       left(coalesce(l.told ->> 'driver', ''), 64)::character(64) as driver_version,
       left(coalesce(l.told ->> 'os', ''), 64)::character(64) as os_version,
       left(coalesce(l.told ->> 'plugin', ''), 32)::character(32) as plugin_name, 0 as protocol_version,
       null::character(36) as global_session_id
from zeroshift.connection_log l;

create or replace view redshift_catalog.stl_connection_log as
select event, record_time as recordtime, remote_host as remotehost, remote_port as remoteport, session_id as pid,
       database_name as dbname, user_name as username, auth_method as authmethod, duration, ssl_version as sslversion,
       ssl_cipher as sslcipher, mtu, ssl_compression as sslcompression, ssl_expansion as sslexpansion,
       iam_auth_guid as iamauthguid, application_name, os_version, driver_version, plugin_name, protocol_version,
       global_session_id as sessionid, null::character(16) as compression
from redshift_catalog.sys_connection_log;

grant select on redshift_catalog.sys_session_history, redshift_catalog.stl_sessions to public;
revoke select on redshift_catalog.sys_connection_log, redshift_catalog.stl_connection_log from public;
grant select on redshift_catalog.sys_connection_log, redshift_catalog.stl_connection_log to zeroshift_superusers;

-- "Only one cursor at a time can be open per session" (DG "DECLARE"). The error's words are ours. One of the same name is
-- left to the DECLARE itself; portals of the gateway's own (zp1, or no name) are no cursors.
create or replace function zeroshift.require_no_cursor(declared text) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    open_one text := (select min(name) from pg_cursors where name !~ '^(zp[0-9]+)?$' and name <> declared);
begin
    if open_one is not null then
        raise exception using errcode = '0A000', message = format(
            'only one cursor can be open in a session on Redshift: close "%s" first', open_one);
    end if;
end
$$;
