-- Aggregates and what they end in. Source: Redshift Database Developer Guide, c_Aggregate_Functions,
-- c_Window_functions and the function's page.

create or replace function redshift.first_of(state anyelement, value anyelement) returns anyelement
language sql immutable strict parallel safe as 'select $1';

create or replace function redshift.last_of(state anyelement, value anyelement) returns anyelement
language sql immutable strict parallel safe as 'select $2';

-- A strict transition function skips NULLs: these are FIRST_VALUE and LAST_VALUE with IGNORE NULLS, and ANY_VALUE.
create or replace aggregate redshift.first_value(anyelement) (sfunc = redshift.first_of, stype = anyelement);
create or replace aggregate redshift.last_value(anyelement) (sfunc = redshift.last_of, stype = anyelement);
create or replace aggregate redshift.any_value(anyelement) (sfunc = redshift.first_of, stype = anyelement);

-- LAG with IGNORE NULLS: the place counted from the end of the values before the row.
create or replace function redshift.from_end(items anyarray, place integer) returns anyelement
language sql immutable parallel safe
as 'select $1[pg_catalog.cardinality($1) - $2 + 1]';

-- LISTAGG.
create or replace function redshift.listagg_limit(value text) returns text
language plpgsql immutable parallel safe as $$
begin
    if octet_length(value) > 65535 then
        raise exception using errcode = '22001', message = 'Result size exceeds LISTAGG limit';
    end if;
    return value;
end
$$;

-- DISTINCT: the first of equal values stays in its place; trailing blanks do not count in the comparison.
create or replace function redshift.listagg_distinct(items text[], delimiter text) returns text
language sql immutable parallel safe
return redshift.listagg_limit((
    select string_agg(value, delimiter order by place)
    from (
        select distinct on (rtrim(value, ' ')) value, place
        from unnest(items) with ordinality as item(value, place)
        order by rtrim(value, ' '), place
    ) as firsts
));

-- PERCENTILE_CONT and MEDIAN over the sorted values without NULLs: row number RN = 1 + P * (N - 1), and between the
-- two rows around it (CRN - RN) * floor row + (RN - FRN) * ceiling row.
create or replace function redshift.interpolate_exact(items numeric[], percentile numeric) returns numeric
language sql immutable strict parallel safe
return (
    select case
        when cardinality(items) = 0 then null
        when rn = floor(rn) then items[rn::integer]
        else (ceil(rn) - rn) * items[floor(rn)::integer] + (rn - floor(rn)) * items[ceil(rn)::integer]
    end
    from (select 1 + percentile * (cardinality(items) - 1) as rn) as place
);

-- The guide does not say how digits behind the scale of the result are rounded, so they are an error here.
create or replace function redshift.interpolate(items numeric[], percentile numeric, scale integer) returns numeric
language plpgsql immutable strict parallel safe as $$
declare
    exact numeric := redshift.interpolate_exact(items, percentile);
begin
    if exact <> trunc(exact, scale) then
        raise exception using errcode = '22003',
            message = format('the percentile %s needs more than %s decimals', trim_scale(exact), scale),
            hint = 'How Redshift rounds it is not documented: cast the expression to DOUBLE PRECISION or to a '
                'DECIMAL with a larger scale.';
    end if;
    return round(exact, scale);
end
$$;

create or replace function redshift.interpolate_double(items double precision[], percentile double precision)
returns double precision
language sql immutable strict parallel safe
return (
    select case
        when cardinality(items) = 0 then null
        when rn = floor(rn) then items[rn::integer]
        else (ceil(rn) - rn) * items[floor(rn)::integer] + (rn - floor(rn)) * items[ceil(rn)::integer]
    end
    from (select 1 + percentile * (cardinality(items) - 1) as rn) as place
);

create or replace function redshift.interpolate_date(items date[], percentile numeric) returns date
language plpgsql immutable strict parallel safe as $$
declare
    exact numeric := redshift.interpolate_exact(
        array(select (item - date '2000-01-01')::numeric from unnest(items) with ordinality as u(item, n) order by n),
        percentile
    );
begin
    if exact <> trunc(exact) then
        raise exception using errcode = '22003',
            message = 'the percentile lies between two days',
            hint = 'How Redshift rounds it is not documented: cast the expression to TIMESTAMP.';
    end if;
    return date '2000-01-01' + exact::integer;
end
$$;

create or replace function redshift.interpolate_timestamp(items timestamp[], percentile numeric) returns timestamp
language plpgsql immutable strict parallel safe as $$
declare
    micros numeric := trunc(redshift.interpolate_exact(
        array(
            select extract(epoch from item - timestamp '2000-01-01')
            from unnest(items) with ordinality as u(item, n) order by n
        ),
        percentile
    ) * 1000000);
begin
    return timestamp '2000-01-01' + div(micros, 1000000)::double precision * interval '1 second'
        + mod(micros, 1000000)::double precision * interval '1 microsecond';
end
$$;

create or replace function redshift.interpolate_timestamptz(items timestamptz[], percentile numeric)
returns timestamptz
language sql immutable strict parallel safe
return redshift.interpolate_timestamp(
    array(select item at time zone 'UTC' from unnest(items) with ordinality as u(item, n) order by n), percentile
) at time zone 'UTC';

-- PERCENTILE_DISC: the first value whose cumulative distribution reaches the percentile.
create or replace function redshift.element_at(items anyarray, percentile numeric) returns anyelement
language sql immutable strict parallel safe
as 'select $1[greatest(pg_catalog.ceil($2 * pg_catalog.cardinality($1)), 1)::integer]';
