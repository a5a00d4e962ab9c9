-- SYS_PROCEDURE_CALL: DG "SYS_PROCEDURE_CALL". The gateway notes the calls of a CALL when it has ended, over its own
-- connection, so that a rollback does not take them back. Kept for seven days, as SYS views keep their rows.
create table if not exists zeroshift.procedure_calls (
    query_id integer primary key,
    session_user_name text not null,
    security_user_name text not null,
    query_text text not null,
    start_time timestamp not null,
    end_time timestamp not null,
    status text not null,
    caller_procedure_query_id integer
);
create index if not exists procedure_calls_by_time on zeroshift.procedure_calls using brin (start_time);
drop sequence if exists zeroshift.query_ids;

create or replace function zeroshift.note_calls(session_user_name text, calls json) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    delete from zeroshift.procedure_calls where start_time < (now() at time zone 'UTC') - interval '7 days';

    -- The gateway numbers them, with the queries of SYS_QUERY_HISTORY.
    insert into zeroshift.procedure_calls
    select c.number, session_user_name, c.user_name, c.query, c.started, c.ended, c.status, c.caller
    from json_to_recordset(calls) as c(
        number integer, caller integer, user_name text, query text, started timestamp, ended timestamp, status text
    )
    on conflict (query_id) do nothing;
$$;
revoke all on function zeroshift.note_calls(text, json) from public;

-- The messages of RAISE: SYS_PROCEDURE_MESSAGES and SVL_STORED_PROC_MESSAGES (249_query_logs.sql).
create table if not exists zeroshift.procedure_messages (
    number bigint generated always as identity primary key,
    query_id integer not null,
    record_time timestamp not null,
    level text not null,
    message text not null,
    line integer not null
);
revoke all on zeroshift.procedure_messages from public;

create or replace function zeroshift.note_messages(messages json) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    delete from zeroshift.procedure_messages where record_time < (now() at time zone 'UTC') - interval '7 days';
    insert into zeroshift.procedure_messages (query_id, record_time, level, message, line)
    select m.query, m.recorded, m.level, m.message, m.line
    from json_to_recordset(messages) as m(query integer, recorded timestamp, level text, message text, line integer);
$$;
revoke all on function zeroshift.note_messages(json) from public;

create or replace view redshift_catalog.sys_procedure_call as
select s.usesysid::integer as session_user_id, d.usesysid::integer as security_user_id, c.query_id,
       c.query_text::character(4000) as query_text, c.start_time, c.end_time, c.status::character(10) as status,
       c.caller_procedure_query_id, zeroshift.query_uuid(c.query_id)::character(36) as query_uuid
from zeroshift.procedure_calls c
left join pg_catalog.pg_user s on s.usename = c.session_user_name
left join pg_catalog.pg_user d on d.usename = c.security_user_name
where (select zeroshift.is_superuser(current_user)) or c.session_user_name = current_user;

grant select on redshift_catalog.sys_procedure_call to public;
