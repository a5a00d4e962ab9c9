-- information_schema as the user of one database sees it; the schema's tables that are not here are refused.
create schema if not exists redshift_information;

create or replace view redshift_information.schemata as
select database_name::varchar as catalog_name, schema_name::varchar as schema_name,
       pg_catalog.pg_get_userbyid(nspowner)::varchar as schema_owner, null::varchar as default_character_set_catalog,
       null::varchar as default_character_set_schema, null::varchar as default_character_set_name, null::varchar as sql_path
from zeroshift.visible_schemas
where database_name = current_database();

create or replace view redshift_information.tables as
select database_name::varchar as table_catalog, schema_name::varchar as table_schema, relation_name::varchar as table_name,
       kind::varchar as table_type, null::varchar as self_referencing_column_name, null::varchar as reference_generation,
       null::varchar as user_defined_type_catalog, null::varchar as user_defined_type_schema,
       null::varchar as user_defined_type_name
from zeroshift.visible_relations
where database_name = current_database();

create or replace view redshift_information.columns as
select table_catalog::varchar, table_schema::varchar, table_name::varchar, column_name::varchar, ordinal_position,
       column_default::varchar, is_nullable::varchar, data_type::varchar, character_maximum_length,
       character_maximum_length as character_octet_length, numeric_precision, numeric_precision_radix, numeric_scale,
       datetime_precision
from zeroshift.catalog_columns
where (table_schema, table_name) in (
    select r.schema_name, r.relation_name from zeroshift.visible_relations r where r.database_name = current_database());

create or replace view redshift_information.views as
select pg_catalog.current_database()::varchar as table_catalog, schemaname::varchar as table_schema,
       viewname::varchar as table_name, definition::varchar as view_definition, 'NONE'::varchar as check_option,
       'NO'::varchar as is_updatable, 'NO'::varchar as is_insertable_into
from redshift_catalog.pg_views;

grant usage on schema redshift_information to public;
grant select on all tables in schema redshift_information to public;
