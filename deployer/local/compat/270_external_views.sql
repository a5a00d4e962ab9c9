-- What Redshift shows of external schemas and tables: DG "SVV_EXTERNAL_SCHEMAS", "SVV_EXTERNAL_DATABASES",
-- "SVV_EXTERNAL_TABLES", "SVV_EXTERNAL_COLUMNS", "SVV_EXTERNAL_PARTITIONS", "PG_EXTERNAL_SCHEMA",
-- "SYS_EXTERNAL_QUERY_DETAIL". "Superusers can see all rows; regular users can see only metadata to which they have access":
-- here the schemas that they may use.

create or replace view zeroshift.visible_external_tables as
select n.oid as schema_oid, n.nspname::text as schema_name, t.*,
       -- The classes as SHOW EXTERNAL TABLE prints them for Parquet; those of text are Hive's.
       case t.format when 'parquet' then 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat'
            else 'org.apache.hadoop.mapred.TextInputFormat' end as input_format,
       case t.format when 'parquet' then 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'
            else 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat' end as output_format,
       case t.format when 'parquet' then 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
            else 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' end as serialization_lib,
       case t.format when 'parquet' then '{"serialization.format":"1"}'
            else json_build_object('field.delim', t.delimiter, 'serialization.format', t.delimiter)::text end as serde_parameters,
       case when coalesce(t.properties ->> 'compression_type', 'none') = 'none' then 0 else 1 end as compressed
from zeroshift.external_tables t
join zeroshift.external_schemas e on e.database = t.database
join pg_catalog.pg_namespace n on n.oid = e.oid
where (select zeroshift.is_superuser(current_user)) or pg_catalog.has_schema_privilege(current_user, n.oid, 'usage');

-- A type as the data catalog writes it, in Hive's words.
create or replace function zeroshift.external_type(kind text) returns text
language sql immutable
as $$
    select case kind when 'integer' then 'int' when 'real' then 'float' when 'double precision' then 'double'
                     when 'timestamp without time zone' then 'timestamp' when 'bytea' then 'binary'
                     else regexp_replace(regexp_replace(replace(kind, 'numeric', 'decimal'), 'character varying', 'varchar'),
                                         '^character', 'char') end
$$;

create or replace view zeroshift.visible_external_columns as
select t.schema_name, t.name, c.value ->> 'name' as column_name, c.value ->> 'type' as kind, c.place::integer as place,
       greatest(c.place::integer - jsonb_array_length(t.columns), 0) as part_key
from zeroshift.visible_external_tables t,
     jsonb_array_elements(t.columns || t.partition_keys) with ordinality as c(value, place);

create or replace view redshift_catalog.svv_external_schemas as
select e.oid as esoid, 1::smallint as eskind, n.nspname as schemaname, n.nspowner::bigint::integer as esowner,
       e.database as databasename, e.options::text as esoptions
from zeroshift.external_schemas e join pg_catalog.pg_namespace n on n.oid = e.oid
where (select zeroshift.is_superuser(current_user)) or pg_catalog.has_schema_privilege(current_user, n.oid, 'usage');

create or replace view redshift_catalog.pg_external_schema as
select esoid, eskind::integer as eskind, databasename as esdbname, esoptions from redshift_catalog.svv_external_schemas;

create or replace view redshift_catalog.svv_external_databases as
select 1 as eskind, '{}'::text as esoptions, d.name as databasename, ''::text as location, '{}'::text as parameters
from zeroshift.external_databases d
where (select zeroshift.is_superuser(current_user))
   or d.name in (select s.databasename from redshift_catalog.svv_external_schemas s);

create or replace view redshift_catalog.svv_external_tables as
select pg_catalog.current_database()::text as redshift_database_name, schema_name as schemaname, name as tablename,
       'TABLE'::text as tabletype, location, input_format, output_format, serialization_lib, serde_parameters, compressed,
       properties::text as parameters
from zeroshift.visible_external_tables;

create or replace view redshift_catalog.svv_external_columns as
select pg_catalog.current_database()::text as redshift_database_name, schema_name as schemaname, name as tablename,
       column_name as columnname, zeroshift.external_type(kind) as external_type, place as columnnum, part_key,
       ''::text as is_nullable
from zeroshift.visible_external_columns;

create or replace view redshift_catalog.svv_external_partitions as
select t.schema_name as schemaname, t.name as tablename,
       -- ["2008-01"], as "Creating external tables for Redshift Spectrum" prints it.
       (select '[' || string_agg(coalesce(to_json(k.value)::text, '"__HIVE_DEFAULT_PARTITION__"'), ',' order by k.place) || ']'
        from jsonb_array_elements_text(p.keys) with ordinality as k(value, place)) as values,
       left(p.location, 128) as location, t.input_format, t.output_format, t.serialization_lib, t.serde_parameters,
       t.compressed, '{}'::text as parameters
from zeroshift.visible_external_tables t join zeroshift.external_partitions p on p.table_id = t.id;

create or replace view redshift_catalog.sys_external_query_detail as
select u.usesysid::bigint::integer as user_id, s.query_id, h.transaction_id, 0 as child_query_sequence, s.segment_id,
       'S3'::character(32) as source_type, s.start_time, s.end_time,
       zeroshift.microseconds(s.start_time, s.end_time) as duration, s.total_partitions, s.qualified_partitions,
       s.scanned_files, s.returned_rows, s.returned_bytes, s.file_format, s.file_location, ''::text as external_query_text,
       null::character(4000) as warning_message, left(s.table_name, 136)::character(136) as table_name,
       -- Every file below the location is read; nested columns are refused.
       't'::character(1) as is_recursive, 'f'::character(1) as is_nested, null::bigint as s3list_time,
       null::bigint as get_partition_time, zeroshift.query_uuid(s.query_id)::character(36) as query_uuid
from zeroshift.external_scans s
left join zeroshift.query_history h on h.query_id = s.query_id
left join pg_catalog.pg_user u on u.usename = s.user_name
where (select zeroshift.is_superuser(current_user)) or s.user_name = current_user;

create or replace view redshift_catalog.svv_all_schemas as
select database_name::varchar(128), schema_name::varchar(128),
       -- The owner of public is the engine's, as in PG_NAMESPACE.
       (case when pg_catalog.pg_get_userbyid(nspowner) = 'pg_database_owner' then 10::oid else nspowner end)::integer as schema_owner,
       (case when e.oid is null then 'local' else 'external' end)::varchar(128) as schema_type,
       zeroshift.acl_text(nspacl)::varchar(128) as schema_acl, e.database::varchar(128) as source_database,
       e.options::text::varchar(256) as schema_option
from zeroshift.visible_schemas s left join zeroshift.external_schemas e on e.oid = s.oid;

create or replace view redshift_catalog.svv_all_tables as
select database_name::varchar(128), schema_name::varchar(128), relation_name::varchar(128) as table_name,
       zeroshift.acl_text(relacl, relowner)::varchar(128) as table_acl, (case when kind = 'VIEW' then 'VIEW' else 'TABLE' end)::varchar(128) as table_type,
       remarks::varchar(256)
from zeroshift.visible_relations
union all
-- The type's word for an external table is the one of SHOW TABLES; the page of the view has none.
select pg_catalog.current_database()::varchar(128), schema_name::varchar(128), name::varchar(128), null::varchar(128),
       'EXTERNAL TABLE'::varchar(128), null::varchar(256)
from zeroshift.visible_external_tables;

-- The views of what is Redshift's own leave them out.
create or replace view redshift_catalog.svv_redshift_schemas as
select database_name, schema_name, schema_owner, schema_type::varchar(16), schema_acl, schema_option::varchar(128)
from redshift_catalog.svv_all_schemas where schema_type <> 'external';

create or replace view redshift_catalog.svv_redshift_tables as
select database_name::varchar(128), schema_name::varchar(128), relation_name::varchar(128) as table_name,
       (case when kind = 'VIEW' then 'VIEW' else 'TABLE' end)::varchar(128) as table_type,
       zeroshift.acl_text(relacl, relowner)::varchar(128) as table_acl, remarks::varchar(128),
       zeroshift.owner_name(relowner)::varchar(128) as table_owner
from zeroshift.visible_relations;

-- "Tables in local and external catalogs", "the columns of local and external tables and views", "the consolidated list of
-- all external columns". The type's word in SVV_TABLES is the one of SHOW TABLES; its page has none.
create or replace view redshift_catalog.svv_tables as
select database_name as table_catalog, schema_name as table_schema, relation_name as table_name, kind as table_type,
       remarks
from zeroshift.all_relations
where database_name = current_database()
union all
select pg_catalog.current_database()::text, schema_name, name, 'EXTERNAL TABLE', null
from zeroshift.visible_external_tables;

create or replace view redshift_catalog.svv_columns as
select * from zeroshift.catalog_columns
union all
select pg_catalog.current_database()::text as table_catalog, schema_name as table_schema, name as table_name, column_name,
       place as ordinal_position, null::text as column_default, ''::text as is_nullable,
       regexp_replace(kind, '\(.*\)', '') as data_type, zeroshift.type_length(kind) as character_maximum_length,
       zeroshift.type_precision(kind) as numeric_precision,
       case when kind like 'numeric%' then 10 when zeroshift.type_precision(kind) is not null then 2 end as numeric_precision_radix,
       zeroshift.type_scale(kind) as numeric_scale, case when kind like 'time%' then 6 end, null, null,
       null, null, null, null, null, null, null, null
from zeroshift.visible_external_columns;

create or replace view redshift_catalog.svv_all_columns as
select database_name::varchar(128), schema_name::varchar(128), relation_name::varchar(128) as table_name,
       column_name::varchar(128), ordinal_position, column_default::varchar(4000),
       (case when attnotnull then 'NO' else 'YES' end)::varchar(3) as is_nullable, data_type::varchar(128),
       length as character_maximum_length, precision as numeric_precision, scale as numeric_scale,
       column_remarks::varchar(256) as remarks
from zeroshift.visible_columns
union all
select pg_catalog.current_database()::varchar(128), schema_name::varchar(128), name::varchar(128), column_name::varchar(128), place,
       null::varchar(4000), ''::varchar(3), regexp_replace(kind, '\(.*\)', '')::varchar(128), zeroshift.type_length(kind),
       zeroshift.type_precision(kind), zeroshift.type_scale(kind), null::varchar(256)
from zeroshift.visible_external_columns;

grant select on redshift_catalog.svv_tables, redshift_catalog.svv_columns, redshift_catalog.svv_all_columns,
    redshift_catalog.svv_all_schemas, redshift_catalog.svv_all_tables, redshift_catalog.svv_redshift_schemas,
    redshift_catalog.svv_redshift_tables to public;

grant select on redshift_catalog.svv_external_schemas, redshift_catalog.pg_external_schema,
    redshift_catalog.svv_external_databases, redshift_catalog.svv_external_tables, redshift_catalog.svv_external_columns,
    redshift_catalog.svv_external_partitions, redshift_catalog.sys_external_query_detail to public;
