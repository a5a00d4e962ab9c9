-- What the translator's texts call beside the functions of Redshift: casts, and records of ALTER TABLE.

-- VARCHAR(n) counts bytes: the longest beginning of the value of at most n bytes, in whole characters.
create or replace function redshift.cut_long_bytes(value text, size integer) returns text
language plpgsql immutable strict parallel safe as $$
declare
    cut text := left(value, size);
begin
    while octet_length(cut) > size loop
        -- every character left over holds at least one of the bytes that are too many, and at most four
        cut := left(cut, char_length(cut) - greatest((octet_length(cut) - size) / 4, 1));
    end loop;
    return cut;
end
$$;

create or replace function redshift.cut_bytes(value text, size integer) returns text
language sql immutable strict parallel safe
return case when octet_length(value) <= size then value else redshift.cut_long_bytes(value, size) end;

-- What ALTER TABLE needs: encodings of some columns (those of the others stay), and the sort key's zone maps away.
create or replace function zeroshift.record_encodings(schema_name text, table_name text, attributes jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', coalesce(schema_name, 'pg_temp'), table_name));
begin
    perform zeroshift.record_table_attributes(schema_name, table_name, jsonb_build_object(
        'encodings',
        coalesce((select encodings from zeroshift.table_attributes where oid = target), '{}') || (attributes -> 'encodings')
    ));
end
$$;

create or replace function zeroshift.drop_zone_maps(schema_name text, table_name text)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', coalesce(schema_name, 'pg_temp'), table_name));
    zone_map regclass;
begin
    perform zeroshift.require_owner('relation', table_name, (select relowner from pg_class where oid = target));
    for zone_map in
        select i.indexrelid from pg_index i join pg_class c on c.oid = i.indexrelid
        where i.indrelid = target and c.relam = (select a.oid from pg_am a where a.amname = 'brin')
    loop
        execute format('drop index %s', zone_map);
    end loop;
end
$$;

-- A column's new name in what was recorded of its table.
create or replace function zeroshift.rename_recorded(schema_name text, table_name text, old text, new text)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', coalesce(schema_name, 'pg_temp'), table_name));
begin
    perform zeroshift.require_owner('relation', table_name, (select relowner from pg_class where oid = target));
    update zeroshift.table_attributes set
        distkey = case when distkey = old then new else distkey end,
        sortkeys = array_replace(sortkeys, old, new),
        encodings = case
            when encodings ? old then encodings - old || jsonb_build_object(new, encodings -> old) else encodings
        end,
        constraints = coalesce(
            (
                select jsonb_agg(
                    jsonb_set(one, '{columns}', (
                        select jsonb_agg(case when name = old then new else name end order by place)
                        from jsonb_array_elements_text(one -> 'columns') with ordinality as c (name, place)
                    ))
                    order by position
                )
                from jsonb_array_elements(constraints) with ordinality as e (one, position)
            ),
            '[]'
        )
    where oid = target;
end
$$;
