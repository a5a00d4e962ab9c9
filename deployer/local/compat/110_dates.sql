-- Date and time functions. Source: Redshift Database Developer Guide, Date_functions_header and the function's page.

-- GETDATE: the start of the statement, without fractions of a second? The guide shows whole seconds; SYSDATE has
-- microseconds. Both are in the session's time zone, which is UTC unless it was set.
create or replace function redshift.getdate() returns timestamp
language sql stable parallel safe
return date_trunc('second', statement_timestamp()::timestamp);

create or replace function redshift.sysdate() returns timestamp
language sql stable parallel safe
return transaction_timestamp()::timestamp;

create or replace function redshift.today() returns date
language sql stable parallel safe
return transaction_timestamp()::date;

create or replace function redshift.timeofday() returns text
language sql stable parallel safe
return to_char(statement_timestamp(), 'Dy Mon DD HH24:MI:SS.US YYYY TZ');

-- DATEADD. Months and quarters clip the day to the month's length; years do not: February 29 plus one year is
-- March 1 (r_DATEADD_function, usage notes).
create or replace function redshift.add_years(years bigint, moment timestamp) returns timestamp
language sql immutable parallel safe
return moment + make_interval(months => (years * 12)::integer)
    + case
        when extract(month from moment) = 2 and extract(day from moment) = 29
            and extract(day from moment + make_interval(months => (years * 12)::integer)) <> 29
            then interval '1 day'
        else interval '0'
    end;

create or replace function redshift.add_years(years bigint, moment timestamptz) returns timestamptz
language sql stable parallel safe
return redshift.add_years(years, moment::timestamp)::timestamptz;

do $do$
declare
    part record;
    kind text;
begin
    for part in
        select * from (values
            ('millennium', 'redshift.add_years(n * 1000, moment)', true),
            ('century', 'redshift.add_years(n * 100, moment)', true),
            ('decade', 'redshift.add_years(n * 10, moment)', true),
            ('year', 'redshift.add_years(n, moment)', true),
            ('quarter', 'moment + make_interval(months => (n * 3)::integer)', true),
            ('month', 'moment + make_interval(months => n::integer)', true),
            ('week', 'moment + make_interval(days => (n * 7)::integer)', true),
            ('day', 'moment + make_interval(days => n::integer)', true),
            ('hour', 'moment + n * interval ''1 hour''', false),
            ('minute', 'moment + n * interval ''1 minute''', false),
            ('second', 'moment + n * interval ''1 second''', false),
            ('millisecond', 'moment + n * interval ''1 millisecond''', false),
            ('microsecond', 'moment + n * interval ''1 microsecond''', false)
        ) as parts(name, body, of_date)
    loop
        foreach kind in array array['timestamp', 'timestamptz', 'time', 'timetz']
        loop
            continue when part.of_date and kind in ('time', 'timetz');
            execute format(
                'create or replace function redshift.dateadd_%s(n bigint, moment %s) returns %s
                 language sql %s parallel safe return %s',
                part.name, kind, kind, case kind when 'timestamptz' then 'stable' else 'immutable' end, part.body
            );
        end loop;
    end loop;
    -- DATEDIFF: the boundaries crossed, i.e. the difference of the numbers of the units that hold the moments.
    -- A decade begins with a year ####0, a century with ###1, a millennium with #001.
    for part in
        select * from (values
            ('millennium', 'div(extract(year from %1$s)::bigint - 1, 1000)'),
            ('century', 'div(extract(year from %1$s)::bigint - 1, 100)'),
            ('decade', 'div(extract(year from %1$s)::bigint, 10)'),
            ('year', 'extract(year from %1$s)::bigint'),
            ('quarter', 'extract(year from %1$s)::bigint * 4 + extract(quarter from %1$s)::bigint'),
            ('month', 'extract(year from %1$s)::bigint * 12 + extract(month from %1$s)::bigint'),
            ('week', 'floor((%1$s::date - date ''0001-01-01'') / 7.0)::bigint'),
            ('day', '(%1$s::date - date ''0001-01-01'')::bigint'),
            ('hour', 'floor(extract(epoch from %1$s) / 3600)::bigint'),
            ('minute', 'floor(extract(epoch from %1$s) / 60)::bigint'),
            ('second', 'floor(extract(epoch from %1$s))::bigint'),
            ('millisecond', 'floor(extract(epoch from %1$s) * 1000)::bigint'),
            ('microsecond', '(extract(epoch from %1$s) * 1000000)::bigint')
        ) as parts(name, ordinal)
    loop
        execute format(
            'create or replace function redshift.datediff_%s(earlier timestamp, later timestamp) returns bigint
             language sql immutable parallel safe return (%s) - (%s)',
            part.name, format(part.ordinal, 'later'), format(part.ordinal, 'earlier')
        );
    end loop;
    -- The *_CMP functions: -1, 0 or 1.
    foreach kind in array array['date', 'timestamp', 'timestamptz', 'interval']
    loop
        execute format(
            'create or replace function redshift.compare(a %1$s, b %1$s) returns integer
             language sql immutable parallel safe return case when a < b then -1 when a > b then 1 when a = b then 0 end',
            kind
        );
    end loop;
end
$do$;

create or replace function redshift.last_day(moment timestamp) returns date
language sql immutable parallel safe
return (date_trunc('month', moment) + interval '1 month - 1 day')::date;

-- ADD_MONTHS: the last day of a month stays the last day (unlike DATEADD(month, ...)).
create or replace function redshift.add_months(moment timestamp, months integer) returns timestamp
language sql immutable parallel safe
return case
    when moment::date = redshift.last_day(moment)
        then redshift.last_day(date_trunc('month', moment) + make_interval(months => months)) + moment::time
    else moment + make_interval(months => months)
end;

-- MONTHS_BETWEEN: whole when both fall on the same day of the month or on the last one; else the fraction counts
-- days and times of a 31-day month.
create or replace function redshift.months_between(a timestamp, b timestamp) returns double precision
language sql immutable parallel safe
return (
    (extract(year from a) - extract(year from b)) * 12 + (extract(month from a) - extract(month from b))
    + case
        when extract(day from a) = extract(day from b)
            or (a::date = redshift.last_day(a) and b::date = redshift.last_day(b)) then 0
        else (
            extract(day from a) - extract(day from b) + (extract(epoch from a::time) - extract(epoch from b::time)) / 86400
        ) / 31
    end
)::double precision;

create or replace function redshift.next_day(moment timestamp, weekday text) returns date
language sql immutable parallel safe
return (
    select moment::date + ((wanted - extract(dow from moment)::integer + 6) % 7 + 1)
    from (
        select case
            when lower(weekday) in ('sunday', 'su', 'sun') then 0
            when lower(weekday) in ('monday', 'm', 'mo', 'mon') then 1
            when lower(weekday) in ('tuesday', 'tu', 'tues', 'tue') then 2
            when lower(weekday) in ('wednesday', 'w', 'we', 'wed') then 3
            when lower(weekday) in ('thursday', 'th', 'thu', 'thurs') then 4
            when lower(weekday) in ('friday', 'f', 'fr', 'fri') then 5
            when lower(weekday) in ('saturday', 'sa', 'sat') then 6
            when weekday is not null
                then redshift.fail('NEXT_DAY: "' || weekday || '" is not the name of a day')::integer
        end as wanted
    ) as day
);

-- TO_DATE and TO_TIMESTAMP. Without is_strict, a field that is out of range overflows into the next one
-- (June 31 is July 1, hour 24 the next day), which PostgreSQL refuses.
create or replace function redshift.to_timestamp(value text, format text, strict boolean) returns timestamp
language plpgsql stable parallel safe as $$
declare
    token text;
    pattern text := '';
    names text[] := '{}';
    parts text[];
    y integer := 1;
    mo integer := 1;
    d integer := 1;
    h integer := 0;
    mi integer := 0;
    s integer := 0;
    rest text;
begin
    if value is null or format is null then
        return null;
    end if;
    if format !~* '[AP]\.?M|"' then
        -- r_DATEADD_function reads 00:00:00 with HH:MI:SS: without AM or PM the hours of HH are those of the day.
        format := regexp_replace(format, 'HH(12|24)?', 'HH24', 'gi');
    end if;
    rest := upper(format);
    if value = '' then
        return timestamp '0001-01-01 00:00:00';
    end if;
    if rest ~ '(TZ|OF)' then
        raise exception using errcode = '22023', message = 'TO_TIMESTAMP: a format with a time zone is not supported as input';
    end if;
    begin
        return pg_catalog.to_timestamp(value, format)::timestamp;
    exception when datetime_field_overflow then
        null;
    end;
    -- Only formats of plain numbers can overflow in a known way. The two messages are those of r_TO_TIMESTAMP and
    -- r_TO_DATE_function.
    while rest <> '' loop
        token := substring(rest from '^(YYYY|MM|DD|HH24|MI|SS)');
        if token is not null then
            pattern := pattern || case token when 'YYYY' then '(\d{4})' else '(\d{1,2})' end;
            names := names || token;
            rest := substr(rest, length(token) + 1);
        elsif rest ~ '^[^A-Z0-9"]' then
            pattern := pattern || '\W+';
            rest := regexp_replace(rest, '^[^A-Z0-9"]+', '');
        else
            raise exception using errcode = '22008', message = 'date/time field value out of range: "' || value || '"';
        end if;
    end loop;
    parts := regexp_match(value, '^\s*' || pattern);
    if parts is null then
        raise exception using errcode = '22008', message = 'date/time field value out of range: "' || value || '"';
    end if;
    for i in 1 .. cardinality(names) loop
        case names[i]
            when 'YYYY' then y := parts[i]::integer;
            when 'MM' then mo := parts[i]::integer;
            when 'DD' then d := parts[i]::integer;
            when 'HH24' then h := parts[i]::integer;
            when 'MI' then mi := parts[i]::integer;
            else s := parts[i]::integer;
        end case;
    end loop;
    if strict then
        raise exception using errcode = '22008', message = 'date/time field ' || case
            when h > 23 or mi > 59 or s > 59 then
                concat('time value out of range: ', h, ':', lpad(mi::text, 2, '0'), ':', lpad(s::text, 2, '0'), '.0')
            else concat('date value out of range: ', y, '-', mo, '-', d)
        end;
    end if;
    return make_date(y, 1, 1)::timestamp + make_interval(months => mo - 1)
        + make_interval(days => d - 1, hours => h, mins => mi, secs => s);
end
$$;
