-- JSON functions on strings, and functions of SUPER. Source: Redshift Database Developer Guide, json-functions,
-- c_Array_Functions, Object_Functions, Type_Info_Functions and the function's page.

-- JSON text as Redshift prints it: without blanks between the tokens, in the order and with the digits given.
create or replace function redshift.compact(value json) returns text
language plpgsql immutable strict parallel safe as $$
declare
    result text := '';
    raw text := value::text;
    part text;
begin
    for part in select m[1] from regexp_matches(raw, '("(?:[^"\\]|\\.)*"|[^"\s]+)', 'g') as m loop
        result := result || part;
    end loop;
    return result;
end
$$;

create or replace function redshift.super_of_json(value json) returns redshift.super
language sql immutable parallel safe
return redshift.compact(value)::redshift.super;

create or replace function redshift.super_of_text(value text) returns redshift.super
language sql immutable parallel safe
return to_json(value)::redshift.super;

-- "is json" came with PostgreSQL 16; before, the cast is tried.
do $do$
begin
    if current_setting('server_version_num')::integer >= 160000 then
        execute 'create or replace function redshift.is_json(value text) returns boolean
                 language sql immutable parallel safe return value is json';
    else
        execute 'create or replace function redshift.is_json(value text) returns boolean
                 language plpgsql immutable strict parallel safe as $$
                 begin perform value::json; return true;
                 exception when invalid_text_representation then return false; end $$';
    end if;
end
$do$;

create or replace function redshift.is_valid_json(value text) returns boolean
language sql immutable parallel safe
return case when redshift.is_json(value) then json_typeof(value::json) = 'object' when value is not null then false end;

create or replace function redshift.is_valid_json_array(value text) returns boolean
language sql immutable parallel safe
return case when redshift.is_json(value) then json_typeof(value::json) = 'array' when value is not null then false end;

create or replace function redshift.can_json_parse(value text) returns boolean
language sql immutable parallel safe
return redshift.is_json(value);

do $do$
begin
    if current_setting('server_version_num')::integer >= 160000 then
        execute 'create or replace function redshift.has_unique_keys(value text) returns boolean
                 language sql immutable parallel safe return value is json with unique keys';
    else
        execute 'create or replace function redshift.has_unique_keys(value text) returns boolean
                 language sql immutable parallel safe return true';
    end if;
end
$do$;

-- What JSON_PARSE makes of attributes that occur twice in one object, and of strings longer than 16000000 bytes: an error, or
-- the last occurrence and the beginning (super-configurations, "Parsing options for SUPER").
create or replace function redshift.parsed_json(value json, dedup boolean, truncate_strings boolean) returns json
language plpgsql immutable parallel safe as $$
declare
    whole text;
begin
    case json_typeof(value)
        when 'object' then
            if not dedup and (select count(*) > count(distinct key) from json_object_keys(value) as k(key)) then
                raise exception using errcode = '22P02',
                    message = 'Invalid JSON: an attribute name appears more than once in an object',
                    hint = 'SET json_parse_dedup_attributes TO ON keeps the last one.';
            end if;
            return (
                select ('{' || coalesce(string_agg(
                    to_json(last.key)::text || ':' || redshift.parsed_json(last.value, dedup, truncate_strings)::text, ','
                    order by last.place), '') || '}')::json
                from (
                    select distinct on (one.key) one.key, one.value, one.place
                    from json_each(value) with ordinality as one(key, value, place) order by one.key, one.place desc
                ) as last
            );
        when 'array' then
            return (
                select ('[' || coalesce(string_agg(
                    redshift.parsed_json(one.value, dedup, truncate_strings)::text, ',' order by one.place), '') || ']')::json
                from json_array_elements(value) with ordinality as one(value, place)
            );
        when 'string' then
            whole := value #>> '{}';
            if octet_length(whole) > 16000000 then
                if not truncate_strings then
                    raise exception using errcode = '22001',
                        message = 'Invalid JSON: a string is longer than 16000000 bytes',
                        hint = 'SET json_parse_truncate_strings TO ON cuts it.';
                end if;
                return to_json(redshift.cut_bytes(whole, 16000000));
            end if;
            return value;
        else
            return value;
    end case;
end
$$;

create or replace function redshift.json_parse(value text) returns redshift.super
language plpgsql stable strict parallel safe as $$
declare
    found json;
begin
    if not redshift.is_json(value) then
        raise exception using errcode = '22P02', message = 'Invalid JSON: the string cannot be parsed';
    end if;
    found := value::json;
    if octet_length(value) > 16000000 or not redshift.has_unique_keys(value) then
        found := redshift.parsed_json(
            found, redshift.kept_setting('json_parse_dedup_attributes')::boolean,
            redshift.kept_setting('json_parse_truncate_strings')::boolean
        );
    end if;
    return nullif(redshift.compact(found), 'null')::redshift.super;
end
$$;

-- JSON null is NULL: super-examples finds it in IN (NULL) of PIVOT and not in UNPIVOT, and JSON_SERIALIZE writes NULL
-- as 'null'. Arrays and objects keep it; what is read out of them is this.
create or replace function redshift.super_part(value json) returns redshift.super
language sql immutable parallel safe
return case when json_typeof(value) <> 'null' then value end::redshift.super;

create or replace function redshift.json_serialize(value redshift.super) returns text
language plpgsql immutable parallel safe as $$
begin
    if octet_length(value::text) > 65535 then
        raise exception using errcode = '22001', message = 'JSON_SERIALIZE: the result is larger than 65535 bytes';
    end if;
    return coalesce(value::text, 'null');
end
$$;

create or replace function redshift.json_typeof(value redshift.super) returns text
language sql immutable parallel safe
return coalesce(json_typeof(value::json), 'null');

create or replace function redshift.json_size(value redshift.super) returns integer
language sql immutable parallel safe
return octet_length(coalesce(value::text, 'null'));

-- The functions on JSON strings. A missing key or element, and JSON null, is NULL.
create or replace function redshift.json_checked(value text, null_if_invalid boolean) returns json
language plpgsql immutable strict parallel safe as $$
begin
    if redshift.is_json(value) then
        return value::json;
    end if;
    if null_if_invalid then
        return null;
    end if;
    raise exception using errcode = '22P02', message = 'JSON parsing error', detail = 'invalid JSON: ' || left(value, 100);
end
$$;

create or replace function redshift.json_extract_path_text(value text, path text[], null_if_invalid boolean)
returns text
language plpgsql immutable parallel safe as $$
declare
    found json;
begin
    if array_position(path, null) is not null then
        -- NULL "regardless of the value of any other parameters" (JSON_EXTRACT_PATH_TEXT)
        return null;
    end if;
    found := redshift.json_checked(value, null_if_invalid) #> path;
    return case json_typeof(found)
        when 'object' then redshift.compact(found)
        when 'array' then redshift.compact(found)
        else found #>> '{}'
    end;
end
$$;

create or replace function redshift.json_extract_array_element_text(value text, place integer, null_if_invalid boolean)
returns text
language plpgsql immutable parallel safe as $$
declare
    list json;
    found json;
begin
    if place is null then
        return null;
    end if;
    list := redshift.json_checked(value, null_if_invalid);
    if list is null then
        return null;
    end if;
    if json_typeof(list) <> 'array' then
        if null_if_invalid then
            return null;
        end if;
        raise exception using errcode = '22P02', message = 'JSON parsing error: the string is no JSON array';
    end if;
    if place < 0 then
        return null;
    end if;
    found := list -> place;
    return case json_typeof(found)
        when 'object' then redshift.compact(found)
        when 'array' then redshift.compact(found)
        else found #>> '{}'
    end;
end
$$;

create or replace function redshift.json_array_length(value text, null_if_invalid boolean) returns integer
language plpgsql immutable parallel safe as $$
declare
    list json := redshift.json_checked(value, null_if_invalid);
begin
    if list is null then
        return null;
    end if;
    if json_typeof(list) <> 'array' then
        if null_if_invalid then
            return null;
        end if;
        raise exception using errcode = '22P02', message = 'JSON parsing error: the string is no JSON array';
    end if;
    return json_array_length(list);
end
$$;

-- Arrays and objects.
create or replace function redshift.super_array(items json[]) returns redshift.super
language sql immutable parallel safe
return (
    select '[' || coalesce(string_agg(coalesce(item::text, 'null'), ',' order by place), '') || ']'
    from unnest(items) with ordinality as element(item, place)
)::redshift.super;

create or replace function redshift.super_object(keys text[], items json[]) returns redshift.super
language sql immutable parallel safe
return (
    select '{' || string_agg(to_json(key)::text || ':' || coalesce(item::text, 'null'), ',' order by place) || '}'
    from unnest(keys, items) with ordinality as pair(key, item, place)
)::redshift.super;

-- OBJECT_TRANSFORM: a path put into an object in its place, or behind what is there.
create or replace function redshift.json_put(target json, path text[], put json) returns json
language plpgsql immutable parallel safe as $$
declare
    item record;
    result text := '';
    seen boolean := false;
begin
    if cardinality(path) = 0 then
        return coalesce(put, 'null');
    end if;
    if target is not null and json_typeof(target) = 'object' then
        for item in select key, value from json_each(target) loop
            if item.key = path[1] then
                seen := true;
                item.value := redshift.json_put(item.value, path[2:], put);
            end if;
            result := result || ',' || to_json(item.key)::text || ':' || item.value::text;
        end loop;
    end if;
    if not seen then
        result := result || ',' || to_json(path[1])::text || ':' || redshift.json_put(null, path[2:], put)::text;
    end if;
    return ('{' || substr(result, 2) || '}')::json;
end
$$;

-- `target` with the value that `source` has at the path, if it has one.
create or replace function redshift.object_kept(source redshift.super, target json, path text[]) returns json
language sql immutable parallel safe
return case
    when source::json #> path is null then target else redshift.json_put(target, path, source::json #> path)
end;

-- "If input is not a SUPER type object, OBJECT_TRANSFORM returns input."
create or replace function redshift.object_transformed(source redshift.super, result json) returns redshift.super
language sql immutable parallel safe
return case when json_typeof(source::json) = 'object' then redshift.compact(result)::redshift.super else source end;

create or replace function redshift.super_elements(list redshift.super) returns json[]
language plpgsql immutable strict parallel safe as $$
begin
    if json_typeof(list::json) <> 'array' then
        return null;
    end if;
    return array(
        select item from json_array_elements(list::json) with ordinality as element(item, place) order by place
    );
end
$$;

create or replace function redshift.get_array_length(list redshift.super) returns integer
language sql immutable parallel safe
return case when json_typeof(list::json) = 'array' then json_array_length(list::json) end;

create or replace function redshift.array_concat(a redshift.super, b redshift.super) returns redshift.super
language sql immutable strict parallel safe
return redshift.super_array(redshift.super_elements(a) || redshift.super_elements(b));

-- All levels: the page of operators and functions flattens [1,[2,[3,[]]]] to [1,2,3].
create or replace function redshift.array_flatten(list redshift.super) returns redshift.super
language plpgsql immutable strict parallel safe as $$
declare
    item json;
    result json[] := '{}';
begin
    foreach item in array redshift.super_elements(list) loop
        result := result || case json_typeof(item)
            when 'array' then redshift.super_elements(redshift.array_flatten(item::redshift.super))
            else array[item]
        end;
    end loop;
    return redshift.super_array(result);
end
$$;

create or replace function redshift.subarray(list redshift.super, start integer, size integer) returns redshift.super
language sql immutable parallel safe
return redshift.super_array(
    (redshift.super_elements(list))[start + 1 : start + coalesce(size, json_array_length(list::json))]
);

create or replace function redshift.split_to_array(value text, delimiter text) returns redshift.super
language sql immutable strict parallel safe
return redshift.super_array(array(
    select to_json(part) from unnest(string_to_array(value, delimiter)) with ordinality as p(part, place) order by place
));

-- Type information: of the value that a SUPER holds.
create or replace function redshift.is_array(value redshift.super) returns boolean
language sql immutable parallel safe
return coalesce(json_typeof(value::json) = 'array', false);

create or replace function redshift.is_object(value redshift.super) returns boolean
language sql immutable parallel safe
return coalesce(json_typeof(value::json) = 'object', false);

create or replace function redshift.is_scalar(value redshift.super) returns boolean
language sql immutable parallel safe
return coalesce(json_typeof(value::json) not in ('array', 'object', 'null'), false);

create or replace function redshift.is_boolean(value redshift.super) returns boolean
language sql immutable parallel safe
return coalesce(json_typeof(value::json) = 'boolean', false);

create or replace function redshift.is_varchar(value redshift.super) returns boolean
language sql immutable parallel safe
return coalesce(json_typeof(value::json) = 'string', false);

create or replace function redshift.is_char(value redshift.super) returns boolean
language sql immutable parallel safe
return coalesce(json_typeof(value::json) = 'string' and (value::json #>> '{}') !~ '[^\x01-\x7f]', false);

create or replace function redshift.is_whole(value redshift.super, low numeric, high numeric) returns boolean
language sql immutable parallel safe
return case
    when json_typeof(value::json) <> 'number' then false
    when value::text ~ '^-?\d+$' then value::text::numeric between low and high
    else false
end;

create or replace function redshift.is_smallint(value redshift.super) returns boolean
language sql immutable parallel safe
return redshift.is_whole(value, -32768, 32767);

create or replace function redshift.is_integer(value redshift.super) returns boolean
language sql immutable parallel safe
return redshift.is_whole(value, -2147483648, 2147483647);

create or replace function redshift.is_bigint(value redshift.super) returns boolean
language sql immutable parallel safe
return redshift.is_whole(value, -9223372036854775808, 9223372036854775807);

create or replace function redshift.is_decimal(value redshift.super) returns boolean
language sql immutable parallel safe
return coalesce(json_typeof(value::json) = 'number' and value::text ~ '^-?\d*\.?\d+$'
    and length(regexp_replace(value::text, '[^0-9]', '', 'g')) <= 38, false);

create or replace function redshift.is_float(value redshift.super) returns boolean
language sql immutable parallel safe
return coalesce(json_typeof(value::json) = 'number' and value::text ~ '[.eE]', false);

create or replace function redshift.decimal_precision(value redshift.super) returns integer
language sql immutable parallel safe
return case when redshift.is_decimal(value) then length(ltrim(regexp_replace(value::text, '[^0-9]', '', 'g'), '0')) end;

create or replace function redshift.decimal_scale(value redshift.super) returns integer
language sql immutable parallel safe
return case when redshift.is_decimal(value) then scale(value::text::numeric) end;
