-- SHOW EXTERNAL TABLE: the statements that make an external table again, in the form of the page's examples (types in lower
-- case, the classes of Hive). Of text files and of table properties it shows none: they are written as CREATE EXTERNAL TABLE
-- takes them.
create or replace function zeroshift.external_fields(columns jsonb, separator text, indent text) returns text
language sql immutable as $$
    select indent || string_agg(
        format('%I %s', c.value ->> 'name',
               case c.value ->> 'type' when 'real' then 'float4' when 'double precision' then 'float8'
                    else zeroshift.external_type(c.value ->> 'type') end), separator order by c.place)
    from jsonb_array_elements(columns) with ordinality c(value, place)
$$;

create or replace function zeroshift.external_definition(
    schema_name text, table_name text, database text, with_partitions boolean, who text
) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select format(E'CREATE EXTERNAL TABLE %s (\n%s\n)\n', n.title, zeroshift.external_fields(t.columns, E',\n    ', '    '))
        || case when t.partition_keys <> '[]' then
               format(E'PARTITIONED BY (%s)\n', zeroshift.external_fields(t.partition_keys, ', ', '')) else '' end
        || format('ROW FORMAT SERDE %L', t.serialization_lib)
        || case when t.format = 'textfile' then
               format(E'\nWITH SERDEPROPERTIES (''field.delim''=%L, ''serialization.format''=%1$L)', t.delimiter) else '' end
        || format(E'\nSTORED AS INPUTFORMAT %L\nOUTPUTFORMAT %L\nLOCATION %L', t.input_format, t.output_format, t.location)
        || coalesce((select format(E'\nTABLE PROPERTIES (%s)', string_agg(format('%L=%L', p.key, p.value), ', ' order by p.key))
                     from jsonb_each_text(t.properties) p having count(*) > 0), '')
        || ';'
        || case when with_partitions then coalesce((
               select string_agg(format(E'\nALTER TABLE %s ADD IF NOT EXISTS PARTITION (%s) LOCATION %L;', n.title, k.listed, p.location), ''
                                 order by p.keys)
               from zeroshift.external_partitions p
               cross join lateral (
                   select string_agg(format('%I=%L', c.value ->> 'name', coalesce(p.keys ->> (c.place::integer - 1),
                                                                                  '__HIVE_DEFAULT_PARTITION__')), ', ' order by c.place) as listed
                   from jsonb_array_elements(t.partition_keys) with ordinality c(value, place)) k
               where p.table_id = t.id), '') else '' end
    from zeroshift.visible_external_tables t
    cross join lateral (select coalesce(quote_ident($3) || '.', '') || format('%I.%I', t.schema_name, t.name) as title) n
    where t.schema_name = $1 and t.name = $2 and ($3 is null or t.database = $3)
      and (zeroshift.is_superuser(who) or has_schema_privilege(who, t.schema_oid, 'usage'))
$$;
