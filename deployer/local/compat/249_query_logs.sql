-- More views of the log of statements (247_query_history.sql) and of the calls in it: DG "SVL_STATEMENTTEXT", "STL_DDLTEXT",
-- "STL_UTILITYTEXT", "SVL_QLOG", "STV_RECENTS", "STV_INFLIGHT", "SVV_QUERY_INFLIGHT", "SVL_STORED_PROC_CALL",
-- "SVL_STORED_PROC_MESSAGES", "SYS_PROCEDURE_MESSAGES", "SYS_TRANSACTION_HISTORY". What they tell of slices and of concurrency scaling is that there is one node.

-- "The union of all of the rows in STL_DDLTEXT, STL_QUERYTEXT and STL_UTILITYTEXT". A label that was not set is blank.
create or replace view redshift_catalog.svl_statementtext as
select q.user_id as userid, q.transaction_id as xid, q.session_id as pid, q.label::character(320) as label, q.start_time as starttime,
       q.end_time as endtime, p.sequence, zeroshift.statement_kind(q.query_type, q.query_text)::character varying(10) as type,
       p.part::character(200) as text
from zeroshift.visible_queries q, zeroshift.parts(zeroshift.written_out(q.query_text), 200) p
where q.end_time is not null;

create or replace view redshift_catalog.stl_ddltext as
select userid, xid, pid, label, starttime, endtime, sequence, text from redshift_catalog.svl_statementtext where type = 'DDL';

create or replace view redshift_catalog.stl_utilitytext as
select userid, xid, pid, label, starttime, endtime, sequence, text from redshift_catalog.svl_statementtext where type = 'UTILITY';

-- The statements inside a procedure are not logged by themselves: from_sp_call is NULL.
create or replace view redshift_catalog.svl_qlog as
select userid, query, xid, pid, starttime, endtime, (extract(epoch from endtime - starttime) * 1000000)::bigint as elapsed,
       aborted, label, left(querytxt, 60)::character(60) as substring, null::integer as source_query,
       'Ran on the main cluster'::text as concurrency_scaling_status_txt, null::integer as from_sp_call
from redshift_catalog.stl_query;

-- How many are recent the page does not say: the newest hundred. It says of duration "since the session started", and of
-- the view that "it also shows the duration a query has been running": here it is the query's.
create or replace view redshift_catalog.stv_recents as
select q.user_id as userid, (case when q.end_time is null then 'Running' else 'Done' end)::character(20) as status,
       q.start_time as starttime, least(zeroshift.microseconds(q.start_time, q.end_time), 2147483647)::integer as duration,
       left(q.user_name, 50)::character(50) as user_name, pg_catalog.current_database()::character(50) as db_name,
       left(zeroshift.written_out(q.query_text), 600)::character(600) as query,
       case when q.end_time is null then q.session_id else -1 end as pid
from zeroshift.visible_queries q
where q.end_time is null or q.query_id in (select n.query_id from zeroshift.visible_queries n order by n.query_id desc limit 100);

-- "Does not show leader-node only queries": those that read no user's table.
create or replace view redshift_catalog.stv_inflight as
select q.user_id as userid, 0 as slice, q.query_id::integer as query, q.label::character(320) as label, q.transaction_id as xid,
       q.session_id as pid, q.start_time as starttime, left(zeroshift.written_out(q.query_text), 100)::character(100) as text,
       0 as suspended, 0 as insert_pristine, 0 as concurrency_scaling_status
from zeroshift.visible_queries q
where q.end_time is null and q.compute and zeroshift.statement_kind(q.query_type, q.query_text) = 'QUERY';

create or replace view redshift_catalog.svv_query_inflight as
select i.userid, i.slice, i.query, i.pid, i.starttime, i.suspended, p.part::character(200) as text, p.sequence
from redshift_catalog.stv_inflight i
join zeroshift.visible_queries q on q.query_id = i.query,
     lateral zeroshift.parts(zeroshift.written_out(q.query_text), 200) p;

-- A call inside a procedure has the label, the transaction and the session of the outermost one.
create or replace view zeroshift.visible_calls as
with recursive calls as (
    select c.*, c.query_id as outermost from zeroshift.procedure_calls c where c.caller_procedure_query_id is null
    union all
    select c.*, o.outermost from zeroshift.procedure_calls c join calls o on c.caller_procedure_query_id = o.query_id
)
select c.*, d.usesysid::integer as security_user_id, s.usesysid::integer as session_user_id,
       coalesce(nullif(h.label, ''), 'default')::character(320) as label, h.transaction_id, h.session_id,
       case c.status when 'success' then 0 else 1 end as aborted
from calls c
left join zeroshift.query_history h on h.query_id = c.outermost
left join pg_catalog.pg_user s on s.usename = c.session_user_name
left join pg_catalog.pg_user d on d.usename = c.security_user_name
where (select zeroshift.is_superuser(current_user)) or c.session_user_name = current_user;

create or replace view redshift_catalog.svl_stored_proc_call as
select c.security_user_id as userid, c.session_user_id as session_userid, c.query_id as query, c.label,
       c.transaction_id as xid, c.session_id as pid, pg_catalog.current_database()::character(32) as database,
       c.query_text::character(4000) as querytxt, c.start_time as starttime, c.end_time as endtime, c.aborted,
       c.caller_procedure_query_id as from_sp_call
from zeroshift.visible_calls c;

create or replace view redshift_catalog.sys_procedure_messages as
select c.transaction_id, m.query_id, m.record_time, m.level::character(10) as log_level, m.message::character(1024) as message,
       m.line as line_number, zeroshift.query_uuid(m.query_id)::character(36) as query_uuid
from zeroshift.procedure_messages m join zeroshift.visible_calls c on c.query_id = m.query_id;

create or replace view redshift_catalog.svl_stored_proc_messages as
select c.security_user_id as userid, c.session_user_id as session_userid, c.session_id as pid, c.transaction_id as xid,
       m.query_id as query, m.record_time as recordtime,
       case m.level when 'LOG' then 20 when 'INFO' then 30 when 'NOTICE' then 40 when 'WARNING' then 50 else 60 end as loglevel,
       m.level::character(10) as loglevel_text, m.message::character(1024) as message, m.line as linenum,
       left(c.query_text, 500)::character(500) as querytext, c.label, c.aborted, c.transaction_id as message_xid
from zeroshift.procedure_messages m join zeroshift.visible_calls c on c.query_id = m.query_id;

-- Transactions are made out of their statements. One that BEGIN began has ended when COMMIT, END, ROLLBACK or ABORT has run,
-- or when its session has ended; any other one with its last statement. A statement that fails takes its transaction with
-- it. The examples show 2000-01-01 as the commit of one that was rolled back, and its own number as undone. A procedure
-- that commits shows as one transaction. Redshift counts blocks of its own storage: NULL.
create or replace view redshift_catalog.sys_transaction_history as
with told as (
    select q.*, q.query_type = 'UTILITY' and q.query_text ~* '^(\s|--[^\n]*\n|/\*.*?\*/)*(begin|start)\M' as begins,
           q.query_type = 'UTILITY' and q.query_text ~* '^(\s|--[^\n]*\n|/\*.*?\*/)*(commit|end)\M' as commits,
           q.query_type = 'UTILITY' and q.query_text ~* '^(\s|--[^\n]*\n|/\*.*?\*/)*(rollback|abort)\M' as undoes
    from zeroshift.query_history q
), summed as (
    select t.transaction_id, min(t.user_id) as user_id, min(t.session_id) as session_id, min(t.start_time) as started,
           max(t.end_time) as ended, bool_or(t.begins) as is_block, bool_or(t.commits) as commits, bool_or(t.undoes) as undoes,
           bool_or(t.status in ('failed', 'canceled')) as failed, bool_or(t.end_time is null) as running,
           max(t.start_time) filter (where t.commits) as commit_started
    from told t group by t.transaction_id
)
select s.user_id, s.transaction_id, 'Snapshot Isolation'::text as isolation_level, o.status, s.started as transaction_start_time,
       case when o.status = 'committed' then coalesce(s.commit_started, s.ended) else '2000-01-01'::timestamp end as commit_start_time,
       s.ended as commit_end_time, null::bigint as blocks_committed,
       case when o.status = 'committed' then -1 else s.transaction_id end as undo_transaction_id
from summed s
cross join lateral (
    select case when s.failed or s.undoes or (s.is_block and not s.commits) then 'rolledback' else 'committed' end::text as status) o
where not s.running
  and (not s.is_block or s.commits or s.undoes
       or not exists (select from zeroshift.sessions n where n.pid = s.session_id and n.started <= s.started));

grant select on redshift_catalog.svl_statementtext, redshift_catalog.stl_ddltext, redshift_catalog.stl_utilitytext,
    redshift_catalog.svl_qlog, redshift_catalog.stv_recents, redshift_catalog.stv_inflight, redshift_catalog.svv_query_inflight,
    redshift_catalog.svl_stored_proc_call, redshift_catalog.sys_procedure_messages, redshift_catalog.svl_stored_proc_messages
    to public;
revoke select on redshift_catalog.sys_transaction_history from public;
grant select on redshift_catalog.sys_transaction_history to zeroshift_superusers;
