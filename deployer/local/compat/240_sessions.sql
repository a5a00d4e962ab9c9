-- SYS_SESSION_HISTORY: what a run is known by to be alive, on provisioned warehouses and serverless ones alike.
-- Source: DG "SYS_SESSION_HISTORY". Sessions that have ended are not kept here, so `closed` and `timed out` do not occur,
-- and end_time, of which the page does not say what an active session has, is NULL.
create or replace view redshift_catalog.sys_session_history as
select u.usesysid::text::character(50) as user_id, s.pid as session_id, current_database()::character(50) as database_name,
       'active'::character(20) as status, 0 as session_timeout, s.started as start_time, null::timestamp as end_time
from zeroshift.sessions s
left join pg_catalog.pg_user u on u.usename = s.user_name
where (select zeroshift.is_superuser(current_user)) or s.user_name = current_user;

grant select on redshift_catalog.sys_session_history to public;
