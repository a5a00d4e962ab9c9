-- What ALTER TABLE may do: the limits of DG "ALTER TABLE", and the constraints, which are recorded and not enforced.

create or replace function zeroshift.altered_table(schema_name text, table_name text) returns oid
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', coalesce(schema_name, 'pg_temp'), table_name));
begin
    perform zeroshift.require_owner('relation', table_name, (select relowner from pg_class where oid = target));
    return target;
end
$$;

-- The name of each recorded constraint: one without a name has PostgreSQL 8.0's.
create or replace function zeroshift.named_constraints(target oid) returns jsonb
language sql stable security definer set search_path = pg_catalog
as $$
    select coalesce(jsonb_agg(
        k.value || jsonb_build_object(
            'name', coalesce(k.value ->> 'name', zeroshift.key_name(c.relname, k.value, k.place))) order by k.place), '[]')
    from zeroshift.table_attributes t
    join pg_class c on c.oid = t.oid
    cross join lateral jsonb_array_elements(t.constraints) with ordinality k(value, place)
    where t.oid = target
$$;

-- The columns that a foreign key of `schema` refers to: written, or those of the primary key.
create or replace function zeroshift.referred(key jsonb, referenced oid) returns jsonb
language sql stable security definer set search_path = pg_catalog
as $$
    select coalesce(nullif(key -> 'referenced', '[]'),
        (select one -> 'columns' from jsonb_array_elements(zeroshift.named_constraints(referenced)) one
         where one ->> 'type' = 'p'))
$$;

-- Raises what no later statement would: the table that a foreign key names is there, and has those columns as a key.
create or replace function zeroshift.check_foreign_key(key jsonb, schema_oid oid) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    referenced oid := zeroshift.referenced_table(key ->> 'references', schema_oid);
    columns jsonb;
begin
    if referenced is null then
        raise exception 'relation "%" does not exist', key ->> 'references' using errcode = '42P01';
    end if;
    columns := zeroshift.referred(key, referenced);
    if columns is null then
        raise exception 'there is no primary key for referenced table "%"', key ->> 'references' using errcode = '42704';
    end if;
    if not exists (
        select from jsonb_array_elements(zeroshift.named_constraints(referenced)) one
        where one ->> 'type' in ('p', 'u') and one -> 'columns' @> columns and columns @> (one -> 'columns')
    ) then
        raise exception 'there is no unique constraint matching given keys for referenced table "%"', key ->> 'references'
            using errcode = '42830';
    end if;
    if jsonb_array_length(columns) <> jsonb_array_length(key -> 'columns') then
        raise exception 'number of referencing and referenced columns for foreign key disagree' using errcode = '42830';
    end if;
end
$$;

create or replace function zeroshift.add_constraint(schema_name text, table_name text, key jsonb) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.altered_table(schema_name, table_name);
    known jsonb;
    name text;
    nullable text;
begin
    insert into zeroshift.table_attributes (oid) values (target) on conflict do nothing;
    known := zeroshift.named_constraints(target);
    -- One without a name gets the first that is free, as PostgreSQL 8.0 numbers them.
    select coalesce(key ->> 'name', zeroshift.key_name(table_name, key, 0) || coalesce(nullif(n, 0)::text, '')) into name
    from generate_series(0, jsonb_array_length(known)) n
    where key ? 'name' and key ->> 'name' is not null or not exists (
        select from jsonb_array_elements(known) one
        where one ->> 'name' = zeroshift.key_name(table_name, key, 0) || coalesce(nullif(n, 0)::text, ''))
    order by n limit 1;
    if exists (select from jsonb_array_elements(known) one where one ->> 'name' = name) then
        raise exception 'constraint "%" for relation "%" already exists', name, table_name using errcode = '42710';
    end if;
    if key ->> 'type' = 'p' then
        if exists (select from jsonb_array_elements(known) one where one ->> 'type' = 'p') then
            raise exception 'multiple primary keys for table "%" are not allowed', table_name using errcode = '42P16';
        end if;
        select a.attname into nullable from pg_attribute a
        where a.attrelid = target and not a.attnotnull and not a.attisdropped and key -> 'columns' ? a.attname::text;
        if nullable is not null then
            -- "You can't add a primary-key constraint to a nullable column." Its words are not documented.
            raise exception 'cannot add a primary key on the nullable column "%"', nullable
                using errcode = '42P16', hint = 'Only a column that was created NOT NULL can be part of a primary key.';
        end if;
    elsif key ->> 'type' = 'f' then
        perform zeroshift.check_foreign_key(key, (select relnamespace from pg_class where oid = target));
    end if;
    update zeroshift.table_attributes
    set constraints = known || jsonb_build_array(key || jsonb_build_object('name', name)) where oid = target;
end
$$;

-- CASCADE "removes the specified constraint and anything dependent on that constraint": the foreign keys that refer to it.
create or replace function zeroshift.drop_constraint(schema_name text, table_name text, name text, cascades boolean)
returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.altered_table(schema_name, table_name);
    known jsonb := zeroshift.named_constraints(target);
    gone jsonb;
    other record;
begin
    select one into gone from jsonb_array_elements(known) one where one ->> 'name' = name;
    if gone is null then
        raise exception 'constraint "%" of relation "%" does not exist', name, table_name using errcode = '42704';
    end if;
    if gone ->> 'type' in ('p', 'u') then
        for other in
            select t.oid, n.nspname, c.relname, one ->> 'name' as name
            from zeroshift.table_attributes t
            join pg_class c on c.oid = t.oid
            join pg_namespace n on n.oid = c.relnamespace
            cross join lateral jsonb_array_elements(zeroshift.named_constraints(t.oid)) one
            where one ->> 'type' = 'f' and zeroshift.referenced_table(one ->> 'references', c.relnamespace) = target
              and zeroshift.referred(one, target) @> (gone -> 'columns')
              and (gone -> 'columns') @> zeroshift.referred(one, target)
        loop
            if not cascades then
                raise exception 'cannot drop constraint % on table % because other objects depend on it', name, table_name
                    using errcode = '2BP01', hint = 'Use DROP ... CASCADE to drop the dependent objects too.',
                    detail = format('constraint %s on table %s depends on it', other.name, other.relname);
            end if;
            update zeroshift.table_attributes set constraints = (
                select coalesce(jsonb_agg(one order by place), '[]')
                from jsonb_array_elements(zeroshift.named_constraints(other.oid)) with ordinality e(one, place)
                where one ->> 'name' <> other.name
            ) where oid = other.oid;
        end loop;
        known := zeroshift.named_constraints(target);
    end if;
    update zeroshift.table_attributes set constraints = (
        select coalesce(jsonb_agg(one order by place), '[]') from jsonb_array_elements(known) with ordinality e(one, place)
        where one ->> 'name' <> name
    ) where oid = target;
end
$$;

-- The limits of ALTER COLUMN, DROP COLUMN, ALTER DISTSTYLE and ALTER ENCODE that hang on what the table is. The page names
-- them; their words are ours.
create or replace function zeroshift.check_alteration(schema_name text, table_name text, action text, subject text, value text)
returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.altered_table(schema_name, table_name);
    t zeroshift.table_attributes;
    written text;
    problem text;
begin
    select * into t from zeroshift.table_attributes where oid = target;
    written := coalesce(t.encodings ->> subject, 'auto');
    if action = 'type' then
        problem := case
            when written in ('bytedict', 'runlength', 'text255', 'text32k') then format('it has the encoding %s', upper(written))
            when exists (select from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
                         where d.adrelid = target and a.attname = subject) then 'it has a default value'
            when exists (select from jsonb_array_elements(coalesce(t.constraints, '[]')) one where one -> 'columns' ? subject)
                then 'it is part of a UNIQUE, PRIMARY KEY or FOREIGN KEY constraint' end;
    elsif action = 'encode' then
        problem := case
            when t.sortstyle = 'INTERLEAVED' then 'the table has an interleaved sort key'
            when written = value then format('it has the encoding %s already', upper(value)) end;
    elsif action = 'drop' then
        problem := case
            when t.distkey = subject then 'it is the distribution key'
            when subject = any (t.sortkeys) then 'it is part of the sort key' end;
    elsif t.sortstyle = 'INTERLEAVED' then
        raise exception 'the distribution of "%" cannot be altered: it has an interleaved sort key', table_name
            using errcode = '0A000';
    elsif schema_name is null and value in ('ALL', 'EVEN') then
        raise exception 'ALTER DISTSTYLE % is not supported for temporary tables', value using errcode = '0A000';
    end if;
    if problem is not null then
        raise exception 'cannot % column "%" of "%": %',
            case action when 'type' then 'alter the type of' when 'encode' then 'alter the encoding of' else 'drop' end,
            subject, table_name, problem using errcode = '0A000';
    end if;
end
$$;

-- Behind DROP COLUMN: what was recorded of it.
create or replace function zeroshift.forget_column(schema_name text, table_name text, gone text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.altered_table(schema_name, table_name);
begin
    update zeroshift.table_attributes set
        encodings = encodings - gone,
        constraints = (
            select coalesce(jsonb_agg(one order by place), '[]')
            from jsonb_array_elements(zeroshift.named_constraints(target)) with ordinality e(one, place)
            where not one -> 'columns' ? gone)
    where oid = target;
end
$$;

-- The rules of DG "ALTER TABLE APPEND": like-named columns have the same attributes, what only one table has is ignored or
-- filled. Raises unless they hold. The page does not print the errors.
create or replace function zeroshift.check_append(
    target_schema text, target_name text, source_schema text, source_name text, extras text
) returns void
language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    target oid := to_regclass(format('%I.%I', target_schema, target_name));
    source oid := to_regclass(format('%I.%I', source_schema, source_name));
    one zeroshift.table_attributes;
    other zeroshift.table_attributes;
    wrong text;
    only_source text;
    only_target text;
begin
    select * into one from zeroshift.table_attributes where oid = target;
    select * into other from zeroshift.table_attributes where oid = source;
    wrong := case
        when target = source then 'they are the same table'
        when coalesce(one.diststyle, 'AUTO') <> coalesce(other.diststyle, 'AUTO') then 'their distribution styles differ'
        when coalesce(one.distkey, '') <> coalesce(other.distkey, '') then 'their distribution keys differ'
        when coalesce(one.sortstyle, 'AUTO') <> coalesce(other.sortstyle, 'AUTO') then 'their sort styles differ'
        when coalesce(one.sortkeys, '{}') <> coalesce(other.sortkeys, '{}') then 'their sort keys differ'
        else (
            select format('column "%s" differs in its %s', a.attname, case
                when a.attidentity = 'a' and b.attidentity = 'a' then 'values: an identity column cannot be appended'
                when a.attidentity <> b.attidentity then 'IDENTITY'
                when a.atttypid <> b.atttypid then 'data type'
                when a.atttypmod <> b.atttypmod or a.attcollation <> b.attcollation then 'column size or collation'
                when a.attnotnull <> b.attnotnull then 'NOT NULL'
                else 'compression encoding' end)
            from pg_attribute a
            join pg_attribute b on b.attname = a.attname and b.attrelid = source and b.attnum > 0 and not b.attisdropped
            where a.attrelid = target and a.attnum > 0 and not a.attisdropped and (
                a.attidentity = 'a' and b.attidentity = 'a' or a.attidentity <> b.attidentity or a.atttypid <> b.atttypid
                or a.atttypmod <> b.atttypmod or a.attcollation <> b.attcollation or a.attnotnull <> b.attnotnull
                or zeroshift.encoding_of(coalesce(one.encodings ->> a.attname, 'auto'), a.atttypid,
                                         coalesce(a.attname = any (one.sortkeys), false))
                   <> zeroshift.encoding_of(coalesce(other.encodings ->> a.attname, 'auto'), a.atttypid,
                                            coalesce(a.attname = any (other.sortkeys), false)))
            order by a.attnum limit 1) end;
    select string_agg(a.attname, ', ' order by a.attnum) into only_source from pg_attribute a
    where a.attrelid = source and a.attnum > 0 and not a.attisdropped and not exists (
        select from pg_attribute b where b.attrelid = target and b.attname = a.attname and not b.attisdropped);
    select string_agg(a.attname, ', ' order by a.attnum) into only_target from pg_attribute a
    where a.attrelid = target and a.attnum > 0 and not a.attisdropped and not exists (
        select from pg_attribute b where b.attrelid = source and b.attname = a.attname and not b.attisdropped);
    wrong := coalesce(wrong, case
        when only_source is not null and only_target is not null then
            format('both have columns that the other has not (%s and %s)', only_source, only_target)
        when only_source is not null and extras <> 'ignoreextra' then
            format('the source has columns that the target has not (%s); use IGNOREEXTRA', only_source)
        when only_target is not null and extras <> 'filltarget' then
            format('the target has columns that the source has not (%s); use FILLTARGET', only_target) end);
    if wrong is not null then
        raise exception 'cannot append "%" to "%": %', source_name, target_name, wrong using errcode = '0A000';
    end if;
end
$$;

-- CREATE TABLE ... LIKE: "Distribution style, sort keys, BACKUP, and NULL properties are inherited by LIKE tables", keys are
-- not (DG "CREATE TABLE").
create or replace function zeroshift.copy_attributes(
    schema_name text, table_name text, source_schema text, source_name text
) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    target oid := zeroshift.altered_table(schema_name, table_name);
    source oid := to_regclass(format('%I.%I', coalesce(source_schema, 'pg_temp'), source_name));
begin
    insert into zeroshift.table_attributes (oid, diststyle, distkey, sortstyle, sortkeys, encodings, backup)
    select target, t.diststyle, t.distkey, t.sortstyle, t.sortkeys, t.encodings, t.backup
    from zeroshift.table_attributes t where t.oid = source
    on conflict (oid) do update set diststyle = excluded.diststyle, distkey = excluded.distkey,
        sortstyle = excluded.sortstyle, sortkeys = excluded.sortkeys, backup = excluded.backup,
        -- Of columns that were written beside LIKE.
        encodings = excluded.encodings || zeroshift.table_attributes.encodings;
end
$$;

-- MERGE ... REMOVE DUPLICATES, where a target row matches several source rows: the error of the long form (r_MERGE).
create or replace function redshift.found_multiple_matches() returns void
language plpgsql
as $$
begin
    raise exception 'Found multiple matches to update the same tuple.' using errcode = '21000';
end
$$;
