-- Functions that compare the elements of SUPER arrays. Source: Redshift Database Developer Guide, c_Array_Functions and
-- each function's page. They are NULL-safe: a null equals a null. Elements are equal as json values are: 1 and 1.0 are.
-- The order of a result is "not guaranteed"; here it is that of the first occurrences. What is no array gives NULL.
create or replace function redshift.array_items(list redshift.super)
returns table (place bigint, item json, compared jsonb, occurrence bigint)
language sql immutable parallel safe
as $$
    select ordinality - 1, value, value::jsonb, row_number() over (partition by value::jsonb order by ordinality)
    from json_array_elements(case when json_typeof(list::json) = 'array' then list::json else '[]' end)
        with ordinality as element(value, ordinality)
$$;

create or replace function redshift.super_null(value redshift.super) returns boolean
language sql immutable parallel safe
return value is null or json_typeof(value::json) = 'null';

-- The default of null_match is a configuration option, which is on by default.
create or replace function redshift.array_null_match() returns boolean
language sql stable parallel restricted
return redshift.kept_setting('default_array_search_null_handling')::boolean;

create or replace function redshift.array_positions(list redshift.super, wanted redshift.super, null_match boolean)
returns redshift.super
language sql immutable parallel safe
return case
    when list is null or json_typeof(list::json) <> 'array' or (not null_match and redshift.super_null(wanted)) then null
    else (
        select case
            when count(found.place) = 0 and not null_match and bool_or(found.blank) then null
            else ('[' || coalesce(string_agg(found.place::text, ',' order by found.place), '') || ']')::redshift.super
        end
        from (
            select
                case when items.compared = coalesce(wanted::jsonb, 'null') then items.place end as place,
                json_typeof(items.item) = 'null' as blank
            from redshift.array_items(list) as items
        ) as found
    )
end;

create or replace function redshift.array_position(list redshift.super, wanted redshift.super, null_match boolean)
returns integer
language sql immutable parallel safe
return (
    select coalesce((positions::json ->> 0)::integer, -1)
    from (select redshift.array_positions(list, wanted, null_match) as positions) as found
    where positions is not null
);

create or replace function redshift.array_contains(list redshift.super, wanted redshift.super, null_match boolean)
returns boolean
language sql immutable parallel safe
return redshift.array_position(list, wanted, null_match) >= 0;

create or replace function redshift.array_distinct(list redshift.super) returns redshift.super
language sql immutable parallel safe
return case
    when json_typeof(list::json) = 'array' then (
        select redshift.super_array(coalesce(array_agg(items.item order by items.place), '{}'))
        from redshift.array_items(list) as items
        where items.occurrence = 1
    )
end;

create or replace function redshift.array_union(a redshift.super, b redshift.super) returns redshift.super
language sql immutable parallel safe
return redshift.array_distinct(redshift.array_concat(a, b));

create or replace function redshift.array_except(a redshift.super, b redshift.super, only_distinct boolean)
returns redshift.super
language sql immutable parallel safe
return case
    when json_typeof(a::json) = 'array' and json_typeof(b::json) = 'array' then (
        select redshift.super_array(coalesce(array_agg(items.item order by items.place), '{}'))
        from redshift.array_items(a) as items
        left join (
            select other.compared, count(*) as times from redshift.array_items(b) as other group by other.compared
        ) as removed on removed.compared = items.compared
        where case
            when only_distinct then items.occurrence = 1 and removed.times is null
            else items.occurrence > coalesce(removed.times, 0)
        end
    )
end;

create or replace function redshift.array_intersection(a redshift.super, b redshift.super, only_distinct boolean)
returns redshift.super
language sql immutable parallel safe
return case
    when json_typeof(a::json) = 'array' and json_typeof(b::json) = 'array' then (
        select redshift.super_array(coalesce(array_agg(items.item order by items.place), '{}'))
        from redshift.array_items(a) as items
        join (
            select other.compared, count(*) as times from redshift.array_items(b) as other group by other.compared
        ) as kept on kept.compared = items.compared
        where items.occurrence <= case when only_distinct then 1 else kept.times end
    )
end;

create or replace function redshift.arrays_overlap(a redshift.super, b redshift.super) returns boolean
language sql immutable parallel safe
return case
    when json_typeof(a::json) = 'array' and json_typeof(b::json) = 'array' then exists (
        select 1 from redshift.array_items(a) as one join redshift.array_items(b) as other on one.compared = other.compared
    )
end;

-- Booleans before numbers, strings, arrays and objects; NULLs at the end, where the order descends at the beginning.
create or replace function redshift.array_sort(list redshift.super, ascending boolean, nulls_first boolean)
returns redshift.super
language sql immutable parallel safe
return case
    when json_typeof(list::json) = 'array' then (
        select redshift.super_array(coalesce(array_agg(ranked.item order by ranked.blank, ranked.turn), '{}'))
        from (
            select
                items.item,
                case when (json_typeof(items.item) = 'null') = coalesce(nulls_first, not ascending) then 0 else 1 end as blank,
                row_number() over (
                    order by pg_catalog.array_position(
                        array['boolean', 'number', 'string', 'array', 'object', 'null'], json_typeof(items.item)
                    ), items.compared
                ) * case when ascending then 1 else -1 end as turn
            from redshift.array_items(list) as items
        ) as ranked
    )
end;

create or replace function redshift.get_number_attributes(value redshift.super) returns integer
language sql immutable parallel safe
return case
    when json_typeof(value::json) = 'object' then (select count(*)::integer from json_object_keys(value::json))
end;
