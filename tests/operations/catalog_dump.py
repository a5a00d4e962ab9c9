"""All that a deployment can change in a warehouse, in a form that is equal for equal warehouses.

Without object ids, times and the numbers of deployments. Read from PostgreSQL itself, as its superuser.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

_QUERIES = {
    "schemas": """
        select n.nspname, (select array_agg(x::text order by x::text) from unnest(n.nspacl) x)
        from pg_namespace n where n.nspname = any (%(schemas)s)""",
    "roles": "select rolname, rolcanlogin from pg_roles where rolname !~ '^pg_'",
    "relations": """
        select n.nspname, c.relname, c.relkind::text, obj_description(c.oid, 'pg_class'),
            (select array_agg(x::text order by x::text) from unnest(c.relacl) x), c.relowner::regrole::text
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any (%(schemas)s) and c.relkind in ('r', 'v', 'm')""",
    "columns": """
        select n.nspname, c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            col_description(c.oid, a.attnum), (select array_agg(x::text order by x::text) from unnest(a.attacl) x)
        from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any (%(schemas)s) and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'v', 'm')""",
    "views": """
        select n.nspname, c.relname, v.definition from zeroshift.view_texts v join pg_class c on c.oid = v.oid
        join pg_namespace n on n.oid = c.relnamespace where n.nspname = any (%(schemas)s)""",
    "late-binding views": """
        select n.nspname, c.relname, v.definition from zeroshift.late_binding_views v join pg_class c on c.oid = v.oid
        join pg_namespace n on n.oid = c.relnamespace where n.nspname = any (%(schemas)s)""",
    "procedures": """
        select n.nspname, p.proname, oidvectortypes(p.proargtypes), p.prosrc,
            (select array_agg(x::text order by x::text) from unnest(p.proacl) x)
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any (%(schemas)s)""",
    "policies": "select kind, name, alias, columns, expression, outputs from zeroshift.policies",
    "policies' lookups": "select kind, policy, oid::regclass::text, columns, granted from zeroshift.policy_lookups",
    "row-level security": """
        select n.nspname, c.relname, r.is_on, r.conjunction, a.policy, a.grantee_kind, pg_get_userbyid(a.grantee)
        from zeroshift.rls_relations r join pg_class c on c.oid = r.oid join pg_namespace n on n.oid = c.relnamespace
        left join zeroshift.rls_attachments a on a.oid = r.oid where n.nspname = any (%(schemas)s)""",
    "masks": """
        select n.nspname, c.relname, a.policy, a.grantee_kind, pg_get_userbyid(a.grantee), a.priority, a.inputs,
            a.outputs
        from zeroshift.mask_attachments a join pg_class c on c.oid = a.oid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any (%(schemas)s)""",
    "deployed": """
        select kind, name, signature, path, checksum, late_binding, depends_on from zeroshift_deploy.objects""",
    "definitions": "select kind, name, part, text from zeroshift_deploy.definitions",
    "migrations": "select revision, path, checksum from zeroshift_deploy.applied",
    "head": "select version_num from zeroshift_deploy.migrations",
    "half-applied": "select * from zeroshift_deploy.steps",
    "texts": """
        select distinct on (kind, name, part) kind, name, part, action = 'drop', text
        from zeroshift_deploy.history order by kind, name, part, deployment_id desc""",
}


def dump(engine_dsn: str, *schemas: str) -> dict[str, list[str]]:
    """Catalog, ledger and the rows of all tables in `schemas`, as sorted texts by kind."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        for name, query in _QUERIES.items():
            found[name] = _rows(connection, sql.SQL(query), {"schemas": list(schemas)})
        tables = connection.execute(
            "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = any (%s) and c.relkind = 'r' order by 1, 2",
            [list(schemas)],
        ).fetchall()
        for schema, table in tables:
            query_all = sql.SQL("select * from {}").format(sql.Identifier(schema, table))
            found[f"rows of {schema}.{table}"] = _rows(connection, query_all, None)
    return found


def _rows(connection: psycopg.Connection[Any], query: Any, parameters: Any) -> list[str]:
    return sorted(repr(row) for row in connection.execute(query, parameters).fetchall())
