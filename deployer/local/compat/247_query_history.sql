-- The log of statements: DG "SYS_QUERY_HISTORY", "SYS_QUERY_TEXT", "STL_QUERY", "STL_QUERYTEXT" and the pages of the views
-- in 249_query_logs.sql. The gateway writes it (deployer/local/gateway/history.py) over a connection of its own, so that a
-- rollback does not take it back. Rows are kept for seven days, and only so many.
create table if not exists zeroshift.query_history (
    query_id bigint primary key,
    user_name text not null,
    user_id integer,
    session_id integer not null,
    transaction_id bigint not null,
    label text not null,
    query_type text not null,
    status text not null,
    start_time timestamp not null,
    end_time timestamp,
    error_message text not null,
    returned_rows bigint not null,
    returned_bytes bigint not null,
    query_text text not null,
    compute boolean not null
);

-- The gateway has started: nothing of the one before is running any more. Returns the last numbers.
create or replace function zeroshift.continue_query_history(out query_id bigint, out transaction_id bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update zeroshift.query_history set status = 'canceled', end_time = start_time where status = 'running';
    select coalesce(greatest(max(h.query_id), (select max(c.query_id) from zeroshift.procedure_calls c)), 0),
           coalesce(max(h.transaction_id), 0)
    into query_id, transaction_id from zeroshift.query_history h;
end
$$;
revoke all on function zeroshift.continue_query_history() from public;

-- `kept` is given from time to time: looking for what is old reads all rows.
create or replace function zeroshift.note_queries(entries jsonb, kept bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    delete from zeroshift.query_history
    where kept is not null
      and (query_id <= (select max(query_id) from zeroshift.query_history) - kept
           or start_time < (now() at time zone 'UTC') - interval '7 days');

    insert into zeroshift.query_history
    select (e ->> 0)::bigint, e ->> 1, u.usesysid::bigint::integer, (e ->> 2)::integer, (e ->> 3)::bigint, e ->> 4, e ->> 5,
           e ->> 6, (e ->> 7)::timestamp, (e ->> 8)::timestamp, e ->> 9, (e ->> 10)::bigint, (e ->> 11)::bigint, e ->> 12,
           (e ->> 13)::boolean
    from jsonb_array_elements(entries) as e
    left join pg_catalog.pg_user u on u.usename = e ->> 1
    on conflict (query_id) do update set
        status = excluded.status, end_time = excluded.end_time, error_message = excluded.error_message,
        returned_rows = excluded.returned_rows, returned_bytes = excluded.returned_bytes, compute = excluded.compute;
$$;
revoke all on function zeroshift.note_queries(jsonb, bigint) from public;

-- "Superusers can see all rows; regular users can see only their own data." A role granted sys:monitor is not known here.
create or replace view zeroshift.visible_queries as
select * from zeroshift.query_history
where (select zeroshift.is_superuser(current_user)) or user_name = current_user;

-- "This field might contain special characters such as backslash (\\) and newline (\n)": the examples show them written out.
create or replace function zeroshift.written_out(query text) returns text
language sql immutable
as $$ select replace(replace(replace(query, '\', '\\'), E'\n', '\n'), E'\r', '\r') $$;

-- Where a statement belongs: the pages of STL_QUERYTEXT, STL_DDLTEXT and STL_UTILITYTEXT list them. DDL is what concerns
-- schemas, tables and views; everything that none of the lists names is a utility here.
create or replace function zeroshift.statement_kind(query_type text, query text) returns text
language sql immutable
as $$
    select case when query_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'COPY', 'UNLOAD', 'CTAS') then 'QUERY'
                when query_type = 'DDL' and query ~* ('^(\s|--[^\n]*\n|/\*.*?\*/)*(create|drop|alter)\s+'
                    || '(or\s+replace\s+|external\s+|materialized\s+|temp\s+|temporary\s+|local\s+)*(schema|table|view)\M')
                then 'DDL' else 'UTILITY' end
$$;

-- In the form of the page's example: eight bytes in base64.
create or replace function zeroshift.query_hash(query text) returns text
language sql immutable
as $$ select encode(substring(decode(pg_catalog.md5(query), 'hex') for 8), 'base64') $$;

create or replace function zeroshift.microseconds(started timestamp, ended timestamp) returns bigint
language sql stable as $$
    select (extract(epoch from coalesce(ended, clock_timestamp() at time zone 'UTC') - started) * 1000000)::bigint
$$;

-- A text without the strings and numbers in it.
create or replace function zeroshift.without_literals(query text) returns text
language sql immutable as $$
    select regexp_replace(query, $re$'(?:[^']|'')*'|\m[0-9]+(?:\.[0-9]+)?\M$re$, '?', 'g')
$$;

create or replace function zeroshift.parts(query text, size integer, out sequence integer, out part text) returns setof record
language sql immutable as $$
    select n, substr(query, n * size + 1, size) from generate_series(0, greatest(char_length(query) - 1, 0) / size) as n
$$;

-- There are no queues, no compilation and no result cache here: their times are zero, and service classes and priorities
-- are as on Redshift Serverless, -1 and empty. The hashes are made of the text; Amazon's are not documented well enough to
-- be the same.
create or replace view redshift_catalog.sys_query_history as
select q.user_id, q.query_id, coalesce(nullif(q.label, ''), 'default')::character(320) as query_label, q.transaction_id,
       q.session_id, pg_catalog.current_database()::character(128) as database_name,
       q.query_type::character(32) as query_type, q.status::character(10) as status, false as result_cache_hit,
       q.start_time, q.end_time, zeroshift.microseconds(q.start_time, q.end_time) as elapsed_time, 0::bigint as queue_time,
       zeroshift.microseconds(q.start_time, q.end_time) as execution_time,
       q.error_message::character(512) as error_message, q.returned_rows, q.returned_bytes,
       left(zeroshift.written_out(q.query_text), 4000)::character(4000) as query_text,
       'Redshift 1.0.0-zeroshift'::character(256) as redshift_version, null::character(150) as usage_limit,
       case when q.compute then 'primary' end::character varying(32) as compute_type, 0::bigint as compile_time,
       0::bigint as planning_time, 0::bigint as lock_wait_time, -1 as service_class_id,
       ''::character(64) as service_class_name, ''::character(20) as query_priority, ''::character(10) as short_query_accelerated,
       zeroshift.query_hash(q.query_text)::character(40) as user_query_hash,
       zeroshift.query_hash(zeroshift.without_literals(q.query_text))::character(40) as generic_query_hash,
       1 as query_hash_version, 0 as result_cache_query_id, left(q.user_name, 128)::character(128) as username,
       -- Not on the page, but named by the Data API's model of RedshiftQueryUuid, and in SYS_QUERY_TEXT: its place is a guess.
       zeroshift.query_uuid(q.query_id)::character(36) as query_uuid
from zeroshift.visible_queries q;

-- "Up to 4000 characters" in a row.
create or replace view redshift_catalog.sys_query_text as
select q.user_id, q.query_id, q.transaction_id, q.session_id, q.start_time, p.sequence, p.part::character(4000) as text,
       zeroshift.query_uuid(q.query_id)::character(36) as query_uuid
from zeroshift.visible_queries q, zeroshift.parts(zeroshift.written_out(q.query_text), 4000) p;

create or replace view redshift_catalog.stl_query as
select q.user_id as userid, q.query_id::integer as query, coalesce(nullif(q.label, ''), 'default')::character(320) as label,
       q.transaction_id as xid, q.session_id as pid, pg_catalog.current_database()::character(32) as database,
       left(zeroshift.written_out(q.query_text), 4000)::character(4000) as querytxt, q.start_time as starttime, q.end_time as endtime,
       case q.status when 'success' then 0 else 1 end as aborted, 0 as insert_pristine, 0 as concurrency_scaling_status
from zeroshift.visible_queries q
where zeroshift.statement_kind(q.query_type, q.query_text) = 'QUERY' and q.end_time is not null;

create or replace view redshift_catalog.stl_querytext as
select q.user_id as userid, q.transaction_id as xid, q.session_id as pid, q.query_id::integer as query, p.sequence,
       p.part::character(200) as text, q.query_id as user_query_id, 1 as child_query_sequence,
       zeroshift.query_uuid(q.query_id)::character(36) as query_uuid
from zeroshift.visible_queries q, zeroshift.parts(zeroshift.written_out(q.query_text), 200) p
where zeroshift.statement_kind(q.query_type, q.query_text) = 'QUERY' and q.end_time is not null;

grant select on redshift_catalog.sys_query_history, redshift_catalog.sys_query_text, redshift_catalog.stl_query,
    redshift_catalog.stl_querytext to public;
