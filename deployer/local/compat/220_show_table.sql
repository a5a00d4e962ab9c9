-- What SHOW TABLE needs to know of a table, as JSON; NULL when there is none that `who` may know of. Its rows count as
-- the session's transaction sees them. SECURITY DEFINER, since users have no right on zeroshift's own tables.
create or replace function zeroshift.table_definition(schema_name text, table_name text, who text) returns text
language sql security definer set search_path = pg_catalog
as $$
    select jsonb_build_object(
        'schema', n.nspname,
        'name', c.relname,
        'columns', (
            select jsonb_agg(jsonb_build_object(
                'name', a.attname,
                'type', zeroshift.type_text(a.atttypid, a.atttypmod),
                'not_null', a.attnotnull,
                'default', case when a.attidentity = '' then pg_get_expr(d.adbin, d.adrelid) end,
                'identity', a.attidentity,
                'seed', s.seqstart,
                'step', s.seqincrement
            ) order by a.attnum)
            from pg_attribute a
            left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            left join pg_sequence s on a.attidentity <> ''
                and s.seqrelid = pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)::regclass
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        ),
        'diststyle', coalesce(t.diststyle, 'AUTO'),
        'distkey', t.distkey,
        'sortstyle', coalesce(t.sortstyle, 'AUTO'),
        'sortkeys', coalesce(to_jsonb(t.sortkeys), '[]'),
        'encodings', coalesce(t.encodings, '{}'),
        'constraints', coalesce(t.constraints, '[]'),
        'backup', coalesce(t.backup, true)
    )::text
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join zeroshift.table_attributes t on t.oid = c.oid
    where n.nspname = schema_name and c.relname = table_name and c.relkind in ('r', 'p')
      and not zeroshift.is_internal(n.nspname)
      and (zeroshift.is_superuser(who) or pg_has_role(who, c.relowner, 'usage')
           or (has_schema_privilege(who, n.oid, 'usage')
               and has_table_privilege(who, c.oid, 'select, insert, update, delete, references')))
$$;
