-- Numbers and hashes. Source: Redshift Database Developer Guide, Math_functions, hash-functions and the function's
-- page.

-- ROUND and TRUNC of floating point with a number of decimals; the halves go away from zero.
create or replace function redshift.round_double(value double precision, places integer) returns double precision
language sql immutable parallel safe
return case
    when value in ('NaN', 'Infinity', '-Infinity') then value
    else pg_catalog.round(value::numeric, places)::double precision
end;

create or replace function redshift.trunc_double(value double precision, places integer) returns double precision
language sql immutable parallel safe
return case
    when value in ('NaN', 'Infinity', '-Infinity') then value
    else pg_catalog.trunc(value::numeric, places)::double precision
end;

-- TEXT_TO_INT_ALT and TEXT_TO_NUMERIC_ALT: Teradata's implicit conversions. The insertion characters / , : % do not
-- count (r_Numeric-format-teradata), a sign may stand behind the digits, and blanks are 0 (r_TEXT_TO_INT_ALT).
create or replace function redshift.text_to_numeric_alt(value text) returns numeric
language plpgsql immutable strict parallel safe as $$
declare
    text_value text := translate(btrim(value), '/,:%', '');
begin
    if text_value = '' then
        return 0;
    end if;
    if text_value ~ '^[0-9.].*[0-9.][+-]$' then
        text_value := right(text_value, 1) || left(text_value, -1);
    end if;
    if text_value ~ '^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$' then
        return text_value::numeric;
    end if;
    raise exception using errcode = '22P02', message = 'invalid input syntax for a number: "' || value || '"';
end
$$;

-- A value midway between two is rounded to the even one (r_TEXT_TO_NUMERIC_ALT).
create or replace function redshift.round_half_even(value numeric, places integer) returns numeric
language sql immutable strict parallel safe
return case
    when abs(value * 10::numeric ^ places) % 1 = 0.5 and trunc(abs(value * 10::numeric ^ places)) % 2 = 0
        then trunc(value, places)
    else round(value, places)
end;

create or replace function redshift.text_to_int_alt(value text) returns integer
language sql immutable parallel safe
return pg_catalog.trunc(redshift.text_to_numeric_alt(value))::integer;

-- Hashes.
create or replace function redshift.rotate_left(word bigint, bits integer) returns bigint
language sql immutable strict parallel safe
return ((word << bits) | (word >> (32 - bits))) & 4294967295;

-- SHA-1 (FIPS 180-4), which PostgreSQL has only in an extension.
create or replace function redshift.sha1(data bytea) returns text
language plpgsql immutable strict parallel safe as $$
declare
    message bytea;
    size integer := length(data);
    w bigint[];
    h0 bigint := 1732584193;
    h1 bigint := 4023233417;
    h2 bigint := 2562383102;
    h3 bigint := 271733878;
    h4 bigint := 3285377520;
    a bigint;
    b bigint;
    c bigint;
    d bigint;
    e bigint;
    f bigint;
    k bigint;
    t bigint;
    at integer;
begin
    message := data || '\x80'::bytea || decode(repeat('00', (119 - size % 64) % 64), 'hex') || int8send(size::bigint * 8);
    for chunk in 0 .. length(message) / 64 - 1 loop
        w := array_fill(0::bigint, array[80]);
        for i in 0 .. 15 loop
            at := chunk * 64 + i * 4;
            w[i + 1] := (get_byte(message, at)::bigint << 24) | (get_byte(message, at + 1) << 16)
                | (get_byte(message, at + 2) << 8) | get_byte(message, at + 3);
        end loop;
        for i in 17 .. 80 loop
            w[i] := redshift.rotate_left(w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16], 1);
        end loop;
        a := h0; b := h1; c := h2; d := h3; e := h4;
        for i in 1 .. 80 loop
            if i <= 20 then
                f := (b & c) | ((~b & 4294967295) & d); k := 1518500249;
            elsif i <= 40 then
                f := b # c # d; k := 1859775393;
            elsif i <= 60 then
                f := (b & c) | (b & d) | (c & d); k := 2400959708;
            else
                f := b # c # d; k := 3395469782;
            end if;
            t := (redshift.rotate_left(a, 5) + f + e + k + w[i]) & 4294967295;
            e := d; d := c; c := redshift.rotate_left(b, 30); b := a; a := t;
        end loop;
        h0 := (h0 + a) & 4294967295;
        h1 := (h1 + b) & 4294967295;
        h2 := (h2 + c) & 4294967295;
        h3 := (h3 + d) & 4294967295;
        h4 := (h4 + e) & 4294967295;
    end loop;
    return lpad(to_hex(h0), 8, '0') || lpad(to_hex(h1), 8, '0') || lpad(to_hex(h2), 8, '0')
        || lpad(to_hex(h3), 8, '0') || lpad(to_hex(h4), 8, '0');
end
$$;

create or replace function redshift.reverse_bytes(data bytea) returns bytea
language sql immutable strict parallel safe
return (
    select string_agg(substring(data from i for 1), ''::bytea order by i desc)
    from generate_series(1, length(data)) as i
);

-- FNV-1a of 64 bits; the seed takes the place of the offset basis. NUMERIC holds the products beyond 63 bits.
create or replace function redshift.fnv_hash(data bytea, seed bigint) returns bigint
language plpgsql immutable parallel safe as $$
declare
    modulus constant numeric := 18446744073709551616;
    state numeric := case
        when seed is null then 14695981039346656037
        when seed < 0 then seed + 18446744073709551616
        else seed
    end;
    low integer;
begin
    if data is null then
        return null;
    end if;
    for i in 0 .. length(data) - 1 loop
        low := mod(state, 256)::integer;
        state := mod((state - low + (low # get_byte(data, i))) * 1099511628211, modulus);
    end loop;
    return case when state >= 9223372036854775808 then state - modulus else state end::bigint;
end
$$;

-- "based on the CRC-32C polynomial", here with its bits in reverse.
create or replace function redshift.crc32(value text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    data bytea := convert_to(value, 'UTF8');
    state bigint := 4294967295;
begin
    for i in 0 .. length(data) - 1 loop
        state := state # get_byte(data, i);
        for j in 1 .. 8 loop
            state := case when state & 1 = 1 then (state >> 1) # 2197175160 else state >> 1 end;
        end loop;
    end loop;
    return lpad(to_hex(state # 4294967295), 8, '0');
end
$$;
