-- VARBYTE, which is bytea here. Source: Redshift Database Developer Guide, r_VARBYTE_type, varbyte-functions.

-- Casts: strings by their UTF-8 bytes, integers with the bytes of their own width.
create or replace function redshift.varbyte(value text) returns bytea
language sql immutable strict parallel safe
return convert_to(value, 'UTF8');

create or replace function redshift.varbyte(value smallint) returns bytea
language sql immutable strict parallel safe
return int2send(value);

create or replace function redshift.varbyte(value integer) returns bytea
language sql immutable strict parallel safe
return int4send(value);

create or replace function redshift.varbyte(value bigint) returns bytea
language sql immutable strict parallel safe
return int8send(value);

create or replace function redshift.bits(value bytea) returns text
language sql immutable strict parallel safe
return (
    select coalesce(string_agg((get_byte(value, i)::bit(8))::text, '' order by i), '')
    from generate_series(0, length(value) - 1) as i
);

create or replace function redshift.from_varbyte(value bytea, format text) returns text
language sql immutable strict parallel safe
return case format
    when 'hex' then encode(value, 'hex')
    when 'binary' then redshift.bits(value)
    else convert_from(value, 'UTF8')
end;

create or replace function redshift.to_varbyte(value text, format text) returns bytea
language plpgsql immutable strict parallel safe as $$
declare
    digits text := value;
begin
    if format = 'utf8' then
        return convert_to(value, 'UTF8');
    end if;
    if format = 'binary' then
        if digits !~ '^[01]*$' then
            raise exception using errcode = '22P02', message = 'invalid binary digits: "' || value || '"';
        end if;
        digits := lpad(digits, (length(digits) + 7) / 8 * 8, '0');
        return (
            select coalesce(string_agg(set_byte('\x00'::bytea, 0, substr(digits, i * 8 + 1, 8)::bit(8)::integer),
                                       ''::bytea order by i), ''::bytea)
            from generate_series(0, length(digits) / 8 - 1) as i
        );
    end if;
    if digits !~ '^[0-9A-Fa-f]*$' then
        raise exception using errcode = '22P02', message = 'invalid hexadecimal digits: "' || value || '"';
    end if;
    if length(digits) % 2 = 1 then
        digits := '0' || digits;
    end if;
    return decode(digits, 'hex');
end
$$;

-- Bit 0 is the rightmost one.
create or replace function redshift.getbit(value bytea, place integer) returns integer
language sql immutable strict parallel safe
return case
    when place < 0 or place >= length(value) * 8 then
        redshift.fail('GETBIT: the index is outside of the binary value' || repeat(' ', place * 0))::integer
    else (get_byte(value, length(value) - 1 - place / 8) >> (place % 8)) & 1
end;

-- The operators ~ & | # by bytes; both operands of one length.
create or replace function redshift.bitwise(op text, a bytea, b bytea) returns bytea
language plpgsql immutable strict parallel safe as $$
declare
    result bytea := a;
begin
    if op <> '~' and length(a) <> length(b) then
        raise exception using errcode = '22026', message = 'the binary values have different lengths';
    end if;
    for i in 0 .. length(a) - 1 loop
        result := set_byte(result, i, case op
            when '~' then 255 - get_byte(a, i)
            when '&' then get_byte(a, i) & get_byte(b, i)
            when '|' then get_byte(a, i) | get_byte(b, i)
            else get_byte(a, i) # get_byte(b, i)
        end);
    end loop;
    return result;
end
$$;
