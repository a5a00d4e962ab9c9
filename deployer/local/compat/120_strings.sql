-- String functions. Source: Redshift Database Developer Guide, String_functions_header and the function's page.

-- Upper and lower case of all letters of UTF-8: the database's own collation is byte order, which knows ASCII only.
do $do$
declare
    letters text := (
        select format('pg_catalog.%I', c.collname)
        from pg_catalog.pg_collation c
        where c.collname in ('pg_c_utf8', 'und-x-icu')
        order by c.collname
        limit 1
    );
    name text;
begin
    foreach name in array array['upper', 'lower', 'initcap']
    loop
        execute format(
            'create or replace function redshift.%1$I(value text) returns text
             language sql immutable parallel safe return pg_catalog.%1$I(value collate %2$s) collate "default"',
            name, coalesce(letters, '"default"')
        );
    end loop;
end
$do$;

-- A VARCHAR holds 65535 bytes at most in a table, and 16000000 in memory (r_Character_types).
create or replace function redshift.fits(value text) returns text
language plpgsql immutable parallel safe as $$
begin
    if octet_length(value) > 16000000 then
        raise exception using errcode = '22001', message = 'Result size exceeds varchar limit of 16000000 bytes';
    end if;
    return value;
end
$$;

create or replace function redshift.repeat(value text, times integer) returns text
language plpgsql immutable parallel safe as $$
begin
    if octet_length(value)::bigint * greatest(times, 0) > 16000000 then
        raise exception using errcode = '22001', message = 'Result size exceeds varchar limit of 16000000 bytes';
    end if;
    return pg_catalog.repeat(value, times);
end
$$;

-- LEFT and RIGHT take a positive number; PostgreSQL's negative numbers ("all but the last n") are not Redshift's.
create or replace function redshift.left_part(value text, size integer) returns text
language sql immutable parallel safe
return case
    when size < 0 and redshift.fail('LEFT: the number of characters must not be negative' || repeat(' ', size * 0)) then null
    else pg_catalog.left(value, size)
end;

create or replace function redshift.right_part(value text, size integer) returns text
language sql immutable parallel safe
return case
    when size < 0 and redshift.fail('RIGHT: the number of characters must not be negative' || repeat(' ', size * 0)) then null
    else pg_catalog.right(value, size)
end;

-- CHR knows ASCII; NULL for any other number.
create or replace function redshift.chr(code integer) returns text
language sql immutable parallel safe
return case when code between 0 and 127 then pg_catalog.chr(code) end;

create or replace function redshift.split_part(value text, delimiter text, part integer) returns text
language sql immutable parallel safe
return case
    when part <= 0 and redshift.fail('SPLIT_PART: field position must be greater than zero' || repeat(' ', part * 0)) then null
    else pg_catalog.split_part(value, delimiter, part)
end;

create or replace function redshift.octetindex(part text, value text) returns integer
language sql immutable parallel safe
return position(convert_to(part, 'UTF8') in convert_to(value, 'UTF8'));

-- QUOTE_IDENT quotes what is not a plain lower-case identifier, and reserved words (r_pg_keywords).
create or replace function redshift.quote_ident(value text) returns text
language sql immutable parallel safe
return case
    when value in (
        'aes128', 'aes256', 'all', 'allowoverwrite', 'analyse', 'analyze', 'and', 'any', 'array', 'as',
        'asc', 'authorization', 'az64', 'backup', 'between', 'binary', 'blanksasnull', 'both', 'bytedict',
        'bzip2', 'case', 'cast', 'check', 'collate', 'column', 'connect', 'constraint', 'create',
        'credentials', 'cross', 'current_date', 'current_time', 'current_timestamp', 'current_user',
        'current_user_id', 'default', 'deferrable', 'deflate', 'defrag', 'delta', 'delta32k', 'desc',
        'disable', 'distinct', 'do', 'else', 'emptyasnull', 'enable', 'encode', 'encrypt', 'encryption',
        'end', 'except', 'explicit', 'false', 'for', 'foreign', 'freeze', 'from', 'full', 'globaldict256',
        'globaldict64k', 'grant', 'group', 'gzip', 'having', 'identity', 'ignore', 'ilike', 'in',
        'initially', 'inner', 'intersect', 'interval', 'into', 'is', 'isnull', 'join', 'language',
        'leading', 'left', 'like', 'limit', 'localtime', 'localtimestamp', 'lun', 'luns', 'lzo', 'lzop',
        'minus', 'mostly16', 'mostly32', 'mostly8', 'natural', 'new', 'not', 'notnull', 'null', 'nulls',
        'off', 'offline', 'offset', 'oid', 'old', 'on', 'only', 'open', 'or', 'order', 'outer', 'overlaps',
        'parallel', 'partition', 'percent', 'permissions', 'pivot', 'placing', 'primary', 'raw',
        'readratio', 'recover', 'references', 'rejectlog', 'resort', 'respect', 'restore', 'right',
        'select', 'session_user', 'similar', 'snapshot', 'some', 'start', 'sysdate', 'system', 'table',
        'tag', 'tdes', 'text255', 'text32k', 'then', 'timestamp', 'to', 'top', 'trailing', 'true',
        'truncatecolumns', 'union', 'unique', 'unnest', 'unpivot', 'user', 'using', 'verbose', 'wallet',
        'when', 'where', 'with', 'without'
    ) then '"' || value || '"'
    else pg_catalog.quote_ident(value)
end;

-- BPCHARCMP: by bytes, without trailing blanks.
create or replace function redshift.bpcharcmp(a text, b text) returns integer
language sql immutable parallel safe
return case
    when rtrim(a, ' ') collate "C" < rtrim(b, ' ') collate "C" then -1
    when rtrim(a, ' ') collate "C" > rtrim(b, ' ') collate "C" then 1
    when rtrim(a, ' ') = rtrim(b, ' ') then 0
end;

-- American Soundex (SOUNDEX): letters of one code with H or W between them count once, vowels part them.
create or replace function redshift.soundex(value text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    letters text := pg_catalog.upper(regexp_replace(value, '[^A-Za-z]', '', 'g'));
    result text := left(letters, 1);
    code text;
    previous text;
    letter text;
begin
    if letters = '' then
        return '';
    end if;
    previous := translate(result, 'BFPVCGJKQSXZDTLMNRAEIOUYHW', '11112222222233455600000000');
    for i in 2 .. length(letters) loop
        letter := substr(letters, i, 1);
        continue when letter in ('H', 'W');
        code := translate(letter, 'BFPVCGJKQSXZDTLMNRAEIOUY', '111122222222334556000000');
        if code <> '0' and code <> previous then
            result := result || code;
        end if;
        previous := code;
        exit when length(result) = 4;
    end loop;
    return rpad(result, 4, '0');
end
$$;

-- DIFFERENCE: how many of the four places of the two codes agree.
create or replace function redshift.difference(a text, b text) returns integer
language sql immutable strict parallel safe
return (
    select case
        when redshift.soundex(a) = '' and redshift.soundex(b) = '' then 1
        when redshift.soundex(a) = '' or redshift.soundex(b) = '' then 0
        else (select count(*)::integer from generate_series(1, 4) as i
              where substr(redshift.soundex(a), i, 1) = substr(redshift.soundex(b), i, 1))
    end
);

-- Regular expressions. A position before the first character is the first, one behind the last finds nothing.
create or replace function redshift.has_group(pattern text) returns boolean
language sql immutable strict parallel safe
return pg_catalog.regexp_replace(pattern, '\\.', '', 'g') ~ '\((?!\?)';

create or replace function redshift.regexp_count(value text, pattern text, start integer, flags text) returns integer
language sql immutable strict parallel safe
return pg_catalog.regexp_count(value, pattern, greatest(start, 1), flags);

create or replace function redshift.regexp_instr(
    value text, pattern text, start integer, occurrence integer, after integer, flags text, group_only boolean
) returns integer
language sql immutable strict parallel safe
return case
    when occurrence < 1 then 0
    else pg_catalog.regexp_instr(
        value, pattern, greatest(start, 1), occurrence, case when after = 0 then 0 else 1 end, flags,
        case when group_only and redshift.has_group(pattern) then 1 else 0 end
    )
end;

-- No match gives the empty string, an occurrence that cannot be NULL.
create or replace function redshift.regexp_substr(
    value text, pattern text, start integer, occurrence integer, flags text, group_only boolean
) returns text
language sql immutable strict parallel safe
return case
    when occurrence between 1 and length(value) then coalesce(pg_catalog.regexp_substr(
        value, pattern, greatest(start, 1), occurrence, flags,
        case when group_only and redshift.has_group(pattern) then 1 else 0 end
    ), '')
    when value = '' then ''
end;

-- REGEXP_REPLACE replaces every match from `start` on. Of the replacement, \1 (and $1 with the p parameter) is a
-- group; PostgreSQL's own \& is not Redshift's.
create or replace function redshift.regexp_replace(
    value text, pattern text, replacement text, start integer, flags text, pcre boolean
) returns text
language sql immutable strict parallel safe
return pg_catalog.regexp_replace(
    value,
    pattern,
    case when pcre then pg_catalog.regexp_replace(replacement, '\$(\d)', '\\\1', 'g')
        else pg_catalog.replace(replacement, '\&', '\\&') end,
    greatest(start, 1),
    0,
    flags
);

-- STRTOL: a number in base 2 to 36; the empty string is 0.
create or replace function redshift.strtol_digits(digits text, base integer) returns bigint
language plpgsql immutable strict parallel safe as $$
declare
    rest text := lower(btrim(digits));
    negative boolean := false;
    total numeric := 0;
    place integer;
begin
    if base < 2 or base > 36 then
        raise exception using errcode = '22023', message = 'STRTOL: the base must be between 2 and 36';
    end if;
    if left(rest, 1) in ('-', '+') then
        negative := left(rest, 1) = '-';
        rest := substr(rest, 2);
    end if;
    if base = 16 and left(rest, 2) = '0x' then
        rest := substr(rest, 3);
    end if;
    if rest = '' then
        return 0;
    end if;
    for i in 1 .. length(rest) loop
        place := strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(rest, i, 1)) - 1;
        if place < 0 or place >= base then
            raise exception using errcode = '22P02',
                message = 'The input ' || digits || ' is not valid to be converted to base ' || base;
        end if;
        total := total * base + place;
    end loop;
    return case when negative then -total else total end::bigint;
end
$$;

-- Pieces of hashes come by the million when an archive is checked: they are read in one step.
create or replace function redshift.strtol(digits text, base integer) returns bigint
language sql immutable parallel safe
return case
    when base = 16 and digits ~ '^[0-9a-f]{1,15}$' then ('x' || pg_catalog.lpad(digits, 16, '0'))::bit(64)::bigint
    else redshift.strtol_digits(digits, base)
end;
