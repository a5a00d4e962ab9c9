-- SUPER values compared, sorted, grouped, cast and iterated. Source: Redshift Database Developer Guide, query-super
-- (dynamic typing, lax semantics, order by) and limitations-super (casting).

-- The total order of ORDER BY among types: boolean, number, string, array, object. JSON null stands behind all of
-- them, where NULL itself sorts, too.
create or replace function redshift.super_rank(value json) returns integer
language sql immutable strict parallel safe
return case json_typeof(value)
    when 'boolean' then 1 when 'number' then 2 when 'string' then 3 when 'array' then 4 when 'object' then 5 else 6 end;

create or replace function redshift.super_compare(a json, b json) returns integer
language plpgsql immutable strict parallel safe as $$
declare
    rank integer := redshift.super_rank(a);
    other integer := redshift.super_rank(b);
    x numeric; y numeric; s text; t text; result integer;
    left_items json[]; right_items json[]; left_keys text[]; right_keys text[];
begin
    if rank <> other then
        return case when rank < other then -1 else 1 end;
    end if;
    if rank = 1 then
        return (a::text::boolean)::integer - (b::text::boolean)::integer;
    elsif rank = 2 then
        x := a::text::numeric; y := b::text::numeric;
        return case when x < y then -1 when x > y then 1 else 0 end;
    elsif rank = 3 then
        -- "comparable as strings, including ignoring trailing white-space characters"
        s := rtrim(a #>> '{}', ' '); t := rtrim(b #>> '{}', ' ');
        return case when s collate "C" < t collate "C" then -1 when s collate "C" > t collate "C" then 1 else 0 end;
    elsif rank = 4 then
        left_items := array(select json_array_elements(a));
        right_items := array(select json_array_elements(b));
        for i in 1 .. least(cardinality(left_items), cardinality(right_items)) loop
            result := redshift.super_compare(left_items[i], right_items[i]);
            if result <> 0 then
                return result;
            end if;
        end loop;
        return sign(cardinality(left_items) - cardinality(right_items));
    elsif rank = 5 then
        left_keys := array(select k from json_object_keys(a) as o(k) order by k collate "C");
        right_keys := array(select k from json_object_keys(b) as o(k) order by k collate "C");
        for i in 1 .. least(cardinality(left_keys), cardinality(right_keys)) loop
            if left_keys[i] <> right_keys[i] then
                return case when left_keys[i] collate "C" < right_keys[i] collate "C" then -1 else 1 end;
            end if;
            result := redshift.super_compare(a -> left_keys[i], b -> left_keys[i]);
            if result <> 0 then
                return result;
            end if;
        end loop;
        return sign(cardinality(left_keys) - cardinality(right_keys));
    end if;
    return 0;
end
$$;

create or replace function redshift.super_same(a json, b json) returns boolean
language sql immutable strict parallel safe return redshift.super_compare(a, b) = 0;
create or replace function redshift.super_before(a json, b json) returns boolean
language sql immutable strict parallel safe return redshift.super_compare(a, b) < 0;
create or replace function redshift.super_not_after(a json, b json) returns boolean
language sql immutable strict parallel safe return redshift.super_compare(a, b) <= 0;
create or replace function redshift.super_after(a json, b json) returns boolean
language sql immutable strict parallel safe return redshift.super_compare(a, b) > 0;
create or replace function redshift.super_not_before(a json, b json) returns boolean
language sql immutable strict parallel safe return redshift.super_compare(a, b) >= 0;

-- With a class of operators PostgreSQL sorts, groups and tells apart values of json, on which SUPER is built.
do $do$
begin
    if to_regoperator('redshift.=(json,json)') is null then
        create operator redshift.= (leftarg = json, rightarg = json, function = redshift.super_same,
                                    commutator = operator(redshift.=));
        create operator redshift.< (leftarg = json, rightarg = json, function = redshift.super_before,
                                    commutator = operator(redshift.>));
        create operator redshift.<= (leftarg = json, rightarg = json, function = redshift.super_not_after,
                                     commutator = operator(redshift.>=));
        create operator redshift.> (leftarg = json, rightarg = json, function = redshift.super_after,
                                    commutator = operator(redshift.<));
        create operator redshift.>= (leftarg = json, rightarg = json, function = redshift.super_not_before,
                                     commutator = operator(redshift.<=));
        create operator class redshift.super_order default for type json using btree as
            operator 1 redshift.<, operator 2 redshift.<=, operator 3 redshift.=, operator 4 redshift.>=,
            operator 5 redshift.>, function 1 redshift.super_compare(json, json);
    end if;
end
$do$;

-- Predicates: "the equality sign evaluates to false" between different types, the other comparisons to NULL.
create or replace function redshift.super_equal(a json, b json) returns boolean
language sql immutable strict parallel safe
return case when json_typeof(a) = 'null' or json_typeof(b) = 'null' then null else redshift.super_compare(a, b) = 0 end;

create or replace function redshift.super_compared(a json, b json) returns integer
language sql immutable strict parallel safe
return case when redshift.super_rank(a) = redshift.super_rank(b) and redshift.super_rank(a) <= 3
    then redshift.super_compare(a, b) end;

create or replace function redshift.super_number(value json) returns numeric
language sql immutable strict parallel safe
return case json_typeof(value) when 'number' then value::text::numeric end;

create or replace function redshift.super_string(value json) returns text
language sql immutable strict parallel safe
return case json_typeof(value) when 'string' then value #>> '{}' end;

-- A condition that is a SUPER value: true and false as they are, anything else is mistyped and NULL.
create or replace function redshift.super_truth(value json) returns boolean
language sql immutable strict parallel safe
return case json_typeof(value) when 'boolean' then value::text::boolean end;

-- The text that a cast reads; "cast from non-scalar values (object and array) to string returns NULL".
create or replace function redshift.super_text(value json) returns text
language sql immutable strict parallel safe
return case json_typeof(value) when 'array' then null when 'object' then null else value #>> '{}' end;

-- Casts; what cannot be cast is NULL (cast_super_null_on_error). `target` is PostgreSQL's type.
create or replace function redshift.super_cast(value json, target text) returns text
language plpgsql stable strict parallel safe as $$
declare
    kind text := json_typeof(value);
    written text := redshift.super_text(value);
begin
    if written is null or kind = 'null' then
        return null;
    end if;
    case
        when target = 'boolean' then
            if kind = 'number' then
                return case when written ~ '^-?\d+$' then (written::numeric <> 0)::text end;
            end if;
            return written::boolean::text;
        when target in ('smallint', 'integer', 'bigint') then
            if kind = 'boolean' then
                return (written::boolean::integer)::text;
            elsif target = 'smallint' then
                return case kind when 'number' then written::numeric::smallint else written::smallint end::text;
            elsif target = 'integer' then
                return case kind when 'number' then written::numeric::integer else written::integer end::text;
            end if;
            return case kind when 'number' then written::numeric::bigint else written::bigint end::text;
        when target like 'numeric%' then
            return case when kind <> 'boolean' then redshift.typed(written, target) end;
        when target in ('real', 'double precision') then
            return case when kind <> 'boolean' then redshift.typed(written, target) end;
        else
            return case when kind = 'string' then redshift.typed(written, target) end;
    end case;
exception when data_exception then
    return null;
end
$$;

-- `value` read as the type `target` and written again.
create or replace function redshift.typed(value text, target text) returns text
language plpgsql stable strict parallel safe as $$
declare
    result text;
begin
    execute format('select %L::%s::text', value, target) into result;
    return result;
end
$$;

-- FROM: the elements of an array with their places from 0 on, the attributes of an object with their names. A value
-- of another kind has none of either: the guide does not say so, and lax navigation finds nothing in it, too.
create or replace function redshift.super_items(value json) returns table (item redshift.super, place bigint)
language sql immutable strict parallel safe rows 10
begin atomic
    select nullif(redshift.compact(e.item), 'null')::redshift.super, e.place - 1
    from json_array_elements(case json_typeof(value) when 'array' then value end) with ordinality as e(item, place);
end;

create or replace function redshift.super_attributes(value json) returns table (item redshift.super, name character varying)
language sql immutable strict parallel safe rows 10
begin atomic
    select nullif(redshift.compact(e.item), 'null')::redshift.super, e.name
    from json_each(case json_typeof(value) when 'object' then value end) as e(name, item);
end;

-- Arithmetic of SUPER (operators-functions): numbers give a number, whose scale follows from the digits of the operands;
-- + joins two strings; anything else is NULL. A number with an exponent is a floating-point one.
create or replace function redshift.super_arithmetic(op text, a json, b json) returns redshift.super
language plpgsql immutable strict parallel safe as $$
declare
    x numeric; y numeric; scale_of integer; result numeric; real_result double precision;
begin
    if op = '+' and json_typeof(a) = 'string' and json_typeof(b) = 'string' then
        return redshift.super_of_text((a #>> '{}') || (b #>> '{}'));
    elsif json_typeof(a) <> 'number' or json_typeof(b) <> 'number' then
        return null;
    end if;
    x := a::text::numeric; y := b::text::numeric;
    if (a::text || b::text) ~ '[eE]' and op <> '%' then
        real_result := case op when '+' then x::float8 + y::float8 when '-' then x::float8 - y::float8
            when '*' then x::float8 * y::float8 else x::float8 / y::float8 end;
        return to_json(real_result)::redshift.super;
    end if;
    case op
        when '+' then result := x + y;
        when '-' then result := x - y;
        when '*' then result := x * y;
        when '%' then result := mod(x, y);
        else
            -- as for DECIMAL: max(4, s1 + p2 - s2 + 1), with the digits that the divisor has
            scale_of := greatest(4, scale(x) + length(ltrim(regexp_replace(y::text, '[^0-9]', '', 'g'), '0')) - scale(y) + 1);
            result := round(x::numeric(76, 37) / y, least(scale_of, 37));
    end case;
    return result::text::redshift.super;
end
$$;

-- SUM and AVG of SUPER: what is no number counts like NULL, and AVG keeps the scale of its argument, here the largest
-- among the values (super-examples prints 2.71 for 2.50, 3.75 and 1.90).
create or replace function redshift.super_total(name text, items json[]) returns redshift.super
language sql immutable parallel safe
return (
    select case
        when bool_or(written ~ '[eE]') then
            to_json(case name when 'sum' then sum(written::float8) else avg(written::float8) end)::text
        when name = 'sum' then sum(written::numeric)::text
        else trunc(avg(written::numeric), max(scale(written::numeric)))::text
    end::redshift.super
    from (select item::text from unnest(items) as one(item) where json_typeof(item) = 'number') as number(written)
);

create or replace function redshift.super_rounded(name text, value json, places integer) returns redshift.super
language sql immutable strict parallel safe
return case when json_typeof(value) = 'number' then (case name
    when 'abs' then abs(value::text::numeric) when 'ceil' then ceil(value::text::numeric)
    when 'floor' then floor(value::text::numeric) when 'round' then round(value::text::numeric, places)
    else trunc(value::text::numeric, places) end)::text::redshift.super end;

-- TRY_CAST (r_TRY_CAST): NULL where the value cannot be read as the type.
create or replace function redshift.try_cast(value text, through text, target text) returns text
language plpgsql stable strict parallel safe as $$
declare
    result text;
begin
    execute format('select %L::%s::%s::text', value, through, target) into result;
    return result;
exception when data_exception then
    return null;
end
$$;

-- LOWER_ATTRIBUTE_NAMES and UPPER_ATTRIBUTE_NAMES: the names of all objects inside. Names that become the same are an
-- error, with the text of r_upper_attribute_names.
create or replace function redshift.renamed_attributes(value json, upper_case boolean) returns json
language plpgsql immutable strict parallel safe as $$
begin
    if json_typeof(value) = 'object' and exists (
        select 1 from json_object_keys(value) as k(key)
        group by case when upper_case then redshift.upper(key) else redshift.lower(key) end having count(distinct key) > 1
    ) then
        raise exception using errcode = 'XX000', message = 'Invalid input',
            detail = 'SUPER value has duplicate attributes after case conversion.';
    end if;
    return case json_typeof(value)
        when 'object' then (
            select ('{' || coalesce(string_agg(
                to_json(case when upper_case then redshift.upper(key) else redshift.lower(key) end)::text || ':'
                || redshift.renamed_attributes(item, upper_case)::text, ',' order by place), '') || '}')::json
            from json_each(value) with ordinality as o(key, item, place))
        when 'array' then (
            select ('[' || coalesce(string_agg(redshift.renamed_attributes(item, upper_case)::text, ',' order by place), '')
                || ']')::json
            from json_array_elements(value) with ordinality as e(item, place))
        else value end;
end
$$;
