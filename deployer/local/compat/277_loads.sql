-- What COPY and UNLOAD leave behind: DG "STL_LOAD_ERRORS", "SYS_LOAD_ERROR_DETAIL", "SYS_LOAD_HISTORY", "STL_LOAD_COMMITS",
-- "STL_UNLOAD_LOG", "SYS_UNLOAD_HISTORY", "SYS_UNLOAD_DETAIL", "PG_LAST_COPY_ID" and its like. The gateway writes it over a
-- connection of its own (gateway/loads.py): a load that failed is rolled back, its errors are not. Who ran a statement, when
-- and with what end is in the log of statements, whose rows go after seven days.
create table if not exists zeroshift.loads (
    query_id bigint primary key,
    table_id oid not null,
    table_name text not null,
    source text not null,
    file_format text not null,
    loaded_rows bigint not null,
    loaded_bytes bigint not null,
    files integer not null,
    file_bytes bigint not null,
    errors bigint not null
);

create table if not exists zeroshift.load_errors (
    query_id bigint not null,
    table_id oid not null,
    start_time timestamp not null,
    file_name text not null,
    line_number bigint,
    column_name text not null,
    column_type text not null,
    column_length text not null,
    raw_line text not null,
    raw_value text not null,
    code integer not null,
    reason text not null
);

create table if not exists zeroshift.unloads (
    query_id bigint primary key,
    file_format text not null,
    compression text not null,
    location text not null,
    unloaded_rows bigint not null
);

create table if not exists zeroshift.unload_files (
    query_id bigint not null,
    path text not null,
    line_count bigint not null,
    size bigint not null
);

revoke all on zeroshift.loads, zeroshift.load_errors, zeroshift.unloads, zeroshift.unload_files from public;

create or replace function zeroshift.record_load(one jsonb, mistakes jsonb) returns void
language sql set search_path = pg_catalog
as $$
    delete from zeroshift.loads where query_id < (select min(query_id) from zeroshift.query_history);
    delete from zeroshift.load_errors where query_id < (select min(query_id) from zeroshift.query_history);
    insert into zeroshift.loads select * from jsonb_populate_record(null::zeroshift.loads, one)
    on conflict (query_id) do update set
        loaded_rows = excluded.loaded_rows, loaded_bytes = excluded.loaded_bytes, files = excluded.files,
        file_bytes = excluded.file_bytes, errors = excluded.errors;
    insert into zeroshift.load_errors select * from jsonb_populate_recordset(null::zeroshift.load_errors, mistakes);
$$;

create or replace function zeroshift.record_unload(one jsonb, written jsonb) returns void
language sql set search_path = pg_catalog
as $$
    delete from zeroshift.unloads where query_id < (select min(query_id) from zeroshift.query_history);
    delete from zeroshift.unload_files where query_id < (select min(query_id) from zeroshift.query_history);
    insert into zeroshift.unloads select * from jsonb_populate_record(null::zeroshift.unloads, one)
    on conflict (query_id) do update set unloaded_rows = excluded.unloaded_rows;
    insert into zeroshift.unload_files select * from jsonb_populate_recordset(null::zeroshift.unload_files, written);
$$;
revoke execute on function zeroshift.record_load, zeroshift.record_unload from public;

-- How these views word what the log calls success, failed, canceled and running.
create or replace function zeroshift.transfer_status(status text) returns text
language sql immutable
as $$ select case status when 'success' then 'completed' when 'running' then 'running' else 'aborted' end $$;

create or replace view redshift_catalog.sys_load_history as
select q.user_id, q.query_id, q.transaction_id, q.session_id, pg_catalog.current_database()::text as database_name,
       zeroshift.transfer_status(q.status) as status, l.table_name, q.start_time, q.end_time,
       zeroshift.microseconds(q.start_time, q.end_time) as duration, l.source as data_source, l.file_format, l.loaded_rows,
       l.loaded_bytes, l.files as source_file_count, l.file_bytes as source_file_bytes, l.files as file_count_scanned,
       l.file_bytes as file_bytes_scanned, l.errors as error_count, 0::bigint as copy_job_id
from zeroshift.loads l join zeroshift.visible_queries q on q.query_id = l.query_id;

create or replace view redshift_catalog.sys_load_error_detail as
select q.user_id, q.query_id, q.transaction_id, q.session_id, pg_catalog.current_database()::character(64) as database_name,
       e.table_id::bigint::integer as table_id, e.start_time, left(e.file_name, 256)::character(256) as file_name,
       e.line_number, e.column_name::character(127) as column_name, e.column_type::character(10) as column_type,
       e.column_length::character(10) as column_length, 0 as position, e.code as error_code,
       left(e.reason, 512)::character(512) as error_message
from zeroshift.load_errors e join zeroshift.visible_queries q on q.query_id = e.query_id;

create or replace view redshift_catalog.stl_load_errors as
select q.user_id as userid, 0 as slice, e.table_id::bigint::integer as tbl, e.start_time as starttime,
       q.session_id as session, e.query_id::integer as query, left(e.file_name, 256)::character(256) as filename,
       e.line_number, e.column_name::character(127) as colname, e.column_type::character(10) as type,
       e.column_length::character(10) as col_length, 0 as position,
       -- "Multibyte characters in the load data are replaced with a period."
       left(regexp_replace(e.raw_line, '[^\x01-\x7f]', '.', 'g'), 1024)::character(1024) as raw_line,
       left(regexp_replace(e.raw_value, '[^\x01-\x7f]', '.', 'g'), 1024)::character(1024) as raw_field_value,
       e.code as err_code, left(e.reason, 100)::character(100) as err_reason, 0 as is_partial, 0::bigint as start_offset,
       0::bigint as copy_job_id
from zeroshift.load_errors e join zeroshift.visible_queries q on q.query_id = e.query_id;

create or replace view redshift_catalog.sys_unload_history as
select q.user_id, q.query_id, q.transaction_id, q.session_id, pg_catalog.current_database()::text as database_name,
       zeroshift.transfer_status(q.status) as status, q.start_time, q.end_time,
       zeroshift.microseconds(q.start_time, q.end_time) as duration, u.file_format, u.compression as compression_type,
       u.location as unloaded_location, u.unloaded_rows,
       (select count(*) from zeroshift.unload_files f where f.query_id = u.query_id) as unloaded_files_count,
       (select coalesce(sum(f.size), 0)::bigint from zeroshift.unload_files f where f.query_id = u.query_id)
           as unloaded_files_size,
       q.error_message
from zeroshift.unloads u join zeroshift.visible_queries q on q.query_id = u.query_id;

create or replace view redshift_catalog.sys_unload_detail as
select q.user_id, q.query_id::integer as query_id, q.session_id, q.transaction_id, left(f.path, 1280)::character(1280) as file_name,
       q.start_time, q.end_time, f.line_count, f.size as transfer_size, u.file_format::character(10) as file_format
from zeroshift.unload_files f join zeroshift.unloads u on u.query_id = f.query_id
join zeroshift.visible_queries q on q.query_id = f.query_id;

create or replace view redshift_catalog.stl_unload_log as
select user_id as userid, query_id as query, 0 as slice, session_id as pid, file_name as path, start_time, end_time,
       line_count, transfer_size, file_format, query_id::bigint as user_query_id, transaction_id
from redshift_catalog.sys_unload_detail;

grant select on redshift_catalog.sys_load_history, redshift_catalog.sys_load_error_detail, redshift_catalog.stl_load_errors,
    redshift_catalog.sys_unload_history, redshift_catalog.sys_unload_detail, redshift_catalog.stl_unload_log to public;

-- The gateway says them to the session before a statement that asks.
create or replace function redshift.pg_last_copy_id() returns integer
language sql stable parallel safe
return coalesce(nullif(current_setting('zeroshift.last_copy_id', true), ''), '-1')::integer;

create or replace function redshift.pg_last_copy_count() returns bigint
language sql stable parallel safe
return coalesce(nullif(current_setting('zeroshift.last_copy_count', true), ''), '0')::bigint;

create or replace function redshift.pg_last_unload_id() returns integer
language sql stable parallel safe
return coalesce(nullif(current_setting('zeroshift.last_unload_id', true), ''), '-1')::integer;

create or replace function redshift.pg_last_unload_count() returns bigint
language sql stable parallel safe
return coalesce(nullif(current_setting('zeroshift.last_unload_count', true), ''), '0')::bigint;
