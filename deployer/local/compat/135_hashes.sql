-- MURMUR3_32_HASH and FARMFINGERPRINT64. Source: Redshift Database Developer Guide, MURMUR3_32_HASH (Murmur3A over the
-- bytes of the Apache Iceberg specification, appendix B) and r_FARMFINGERPRINT64 (FarmHash's Fingerprint64).

create or replace function redshift.multiplied32(a bigint, b bigint) returns bigint
language sql immutable strict parallel safe
return ((a & 65535) * b + (((a >> 16) * b & 65535) << 16)) & 4294967295;

create or replace function redshift.rotated32(value bigint, places integer) returns bigint
language sql immutable strict parallel safe
return ((value << places) | (value >> (32 - places))) & 4294967295;

create or replace function redshift.murmur3_32(data bytea, seed integer) returns integer
language plpgsql immutable strict parallel safe as $$
declare
    size constant integer := length(data);
    hash bigint := seed::bigint & 4294967295;
    block bigint;
    tail integer := size - size % 4;
begin
    for i in 0 .. size / 4 - 1 loop
        block := get_byte(data, i * 4)::bigint | (get_byte(data, i * 4 + 1)::bigint << 8)
            | (get_byte(data, i * 4 + 2)::bigint << 16) | (get_byte(data, i * 4 + 3)::bigint << 24);
        block := redshift.multiplied32(redshift.rotated32(redshift.multiplied32(block, 3432918353), 15), 461845907);
        hash := (redshift.multiplied32(redshift.rotated32(hash # block, 13), 5) + 3864292196) & 4294967295;
    end loop;
    if tail < size then
        block := 0;
        for i in reverse size - 1 .. tail loop
            block := block << 8 | get_byte(data, i);
        end loop;
        block := redshift.multiplied32(redshift.rotated32(redshift.multiplied32(block, 3432918353), 15), 461845907);
        hash := hash # block;
    end if;
    hash := hash # size;
    hash := redshift.multiplied32(hash # (hash >> 16), 2246822507);
    hash := redshift.multiplied32(hash # (hash >> 13), 3266489909);
    hash := hash # (hash >> 16);
    return (case when hash > 2147483647 then hash - 4294967296 else hash end)::integer;
end
$$;

-- The shortest two's complement of an unscaled DECIMAL, highest byte first: the bytes that Iceberg hashes.
create or replace function redshift.decimal_bytes(value numeric) returns bytea
language plpgsql immutable strict parallel safe as $$
declare
    whole numeric := (value * power(10::numeric, scale(value)))::numeric(76,0);
    size integer := 1;
    result bytea := '';
begin
    while whole < -(128 * power(256::numeric, size - 1)) or whole >= 128 * power(256::numeric, size - 1) loop
        size := size + 1;
    end loop;
    whole := mod(whole + power(256::numeric, size), power(256::numeric, size));
    for i in 1 .. size loop
        result := set_byte('\x00'::bytea, 0, mod(whole, 256)::integer) || result;
        whole := div(whole, 256);
    end loop;
    return result;
end
$$;

-- FarmHash: unsigned numbers of 64 bits as NUMERIC, as for fnv_hash.
create or replace function redshift.wrapped(value numeric) returns numeric
language sql immutable strict parallel safe return mod(value, 18446744073709551616);

create or replace function redshift.signed64(value numeric) returns bigint
language sql immutable strict parallel safe
return (case when value >= 9223372036854775808 then value - 18446744073709551616 else value end)::bigint;

create or replace function redshift.xor64(a numeric, b numeric) returns numeric
language sql immutable strict parallel safe
return mod((redshift.signed64(a) # redshift.signed64(b))::numeric + 18446744073709551616, 18446744073709551616);

create or replace function redshift.rotated64(value numeric, places integer) returns numeric
language sql immutable strict parallel safe
return div(value, power(2::numeric, places)) + mod(value * power(2::numeric, 64 - places), 18446744073709551616);

create or replace function redshift.mixed64(value numeric) returns numeric
language sql immutable strict parallel safe
return redshift.xor64(value, div(value, 140737488355328));

create or replace function redshift.fetched(data bytea, place integer, size integer) returns numeric
language plpgsql immutable strict parallel safe as $$
declare
    result numeric := 0;
begin
    for i in reverse place + size - 1 .. place loop
        result := result * 256 + get_byte(data, i);
    end loop;
    return result;
end
$$;

create or replace function redshift.farm_pair(u numeric, v numeric, factor numeric) returns numeric
language plpgsql immutable strict parallel safe as $$
declare
    a numeric := redshift.mixed64(redshift.wrapped(redshift.xor64(u, v) * factor));
    b numeric := redshift.mixed64(redshift.wrapped(redshift.xor64(v, a) * factor));
begin
    return redshift.wrapped(b * factor);
end
$$;

create or replace function redshift.farm_weak(data bytea, place integer, seed_a numeric, seed_b numeric) returns numeric[]
language plpgsql immutable strict parallel safe as $$
declare
    z numeric := redshift.fetched(data, place + 24, 8);
    a numeric := redshift.wrapped(seed_a + redshift.fetched(data, place, 8));
    b numeric := redshift.rotated64(redshift.wrapped(seed_b + a + z), 21);
    c numeric := a;
begin
    a := redshift.wrapped(a + redshift.fetched(data, place + 8, 8) + redshift.fetched(data, place + 16, 8));
    b := redshift.wrapped(b + redshift.rotated64(a, 44));
    return array[redshift.wrapped(a + z), redshift.wrapped(b + c)];
end
$$;

create or replace function redshift.farmfingerprint64(data bytea) returns bigint
language plpgsql immutable strict parallel safe as $$
declare
    k0 constant numeric := 14097894508562428199;
    k1 constant numeric := 13011662864482103923;
    k2 constant numeric := 11160318154034397263;
    size constant integer := length(data);
    factor numeric := k2 + size * 2;
    a numeric; b numeric; c numeric; d numeric; e numeric; f numeric; g numeric; h numeric;
    x numeric; y numeric; z numeric; v numeric[]; w numeric[];
    place integer := 0; stop integer; times integer := 1;
begin
    if size = 0 then
        return redshift.signed64(k2);
    elsif size < 4 then
        y := get_byte(data, 0) + get_byte(data, size >> 1) * 256;
        z := size + get_byte(data, size - 1) * 4;
        x := redshift.mixed64(redshift.xor64(redshift.wrapped(y * k2), redshift.wrapped(z * k0)));
        return redshift.signed64(redshift.wrapped(x * k2));
    elsif size < 8 then
        return redshift.signed64(redshift.farm_pair(
            size + redshift.fetched(data, 0, 4) * 8, redshift.fetched(data, size - 4, 4), factor));
    elsif size <= 16 then
        a := redshift.wrapped(redshift.fetched(data, 0, 8) + k2);
        b := redshift.fetched(data, size - 8, 8);
        c := redshift.wrapped(redshift.rotated64(b, 37) * factor + a);
        d := redshift.wrapped((redshift.rotated64(a, 25) + b) * factor);
        return redshift.signed64(redshift.farm_pair(c, d, factor));
    elsif size <= 64 then
        a := redshift.wrapped(redshift.fetched(data, 0, 8) * case when size <= 32 then k1 else k2 end);
        b := redshift.fetched(data, 8, 8);
        c := redshift.wrapped(redshift.fetched(data, size - 8, 8) * factor);
        d := redshift.wrapped(redshift.fetched(data, size - 16, 8) * k2);
        y := redshift.wrapped(redshift.rotated64(redshift.wrapped(a + b), 43) + redshift.rotated64(c, 30) + d);
        z := redshift.farm_pair(
            y, redshift.wrapped(a + redshift.rotated64(redshift.wrapped(b + k2), 18) + c), factor);
        if size <= 32 then
            return redshift.signed64(z);
        end if;
        e := redshift.wrapped(redshift.fetched(data, 16, 8) * factor);
        f := redshift.fetched(data, 24, 8);
        g := redshift.wrapped((y + redshift.fetched(data, size - 32, 8)) * factor);
        h := redshift.wrapped((z + redshift.fetched(data, size - 24, 8)) * factor);
        return redshift.signed64(redshift.farm_pair(
            redshift.wrapped(redshift.rotated64(redshift.wrapped(e + f), 43) + redshift.rotated64(g, 30) + h),
            redshift.wrapped(e + redshift.rotated64(redshift.wrapped(f + a), 18) + g), factor));
    end if;
    y := redshift.wrapped(81 * k1 + 113);
    z := redshift.wrapped(redshift.mixed64(redshift.wrapped(y * k2 + 113)) * k2);
    v := array[0, 0]; w := array[0, 0];
    x := redshift.wrapped(81 * k2 + redshift.fetched(data, 0, 8));
    stop := (size - 1) / 64 * 64;
    factor := k1;
    loop
        x := redshift.wrapped(
            redshift.rotated64(redshift.wrapped(x + y + v[1] + redshift.fetched(data, place + 8, 8)), 37) * factor);
        y := redshift.wrapped(
            redshift.rotated64(redshift.wrapped(y + v[2] + redshift.fetched(data, place + 48, 8)), 42) * factor);
        x := redshift.xor64(x, redshift.wrapped(w[2] * times));
        y := redshift.wrapped(
            y + v[1] * times + redshift.fetched(data, place + 40, 8));
        z := redshift.wrapped(redshift.rotated64(redshift.wrapped(z + w[1]), 33) * factor);
        v := redshift.farm_weak(data, place, redshift.wrapped(v[2] * factor), redshift.wrapped(x + w[1]));
        w := redshift.farm_weak(data, place + 32, redshift.wrapped(z + w[2]),
                                redshift.wrapped(y + redshift.fetched(data, place + 16, 8)));
        a := z; z := x; x := a;
        exit when times = 9;
        place := place + 64;
        if place = stop then
            -- the last turn goes over the last 64 bytes, with a factor of its own
            factor := redshift.wrapped(k1 + mod(z, 256) * 2);
            times := 9;
            place := size - 64;
            w[1] := redshift.wrapped(w[1] + ((size - 1) & 63));
            v[1] := redshift.wrapped(v[1] + w[1]);
            w[1] := redshift.wrapped(w[1] + v[1]);
        end if;
    end loop;
    return redshift.signed64(redshift.farm_pair(
        redshift.wrapped(redshift.farm_pair(v[1], w[1], factor) + redshift.mixed64(y) * k0 + z),
        redshift.wrapped(redshift.farm_pair(v[2], w[2], factor) + x), factor));
end
$$;
