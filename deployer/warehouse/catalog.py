"""What the deployer asks the warehouse's catalog: what exists, views' columns, grants."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.sql.names import quote_ident
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Grant:
    """One privilege on a relation, as SVV_RELATION_PRIVILEGES shows it. `grantee_type`: user, role, group,
    public.
    """

    privilege: str
    grantee: str
    grantee_type: str
    with_grant_option: bool

    def sql(self, schema: str, name: str) -> str:
        """The statement that gives it again."""
        to = {"role": "role ", "group": "group "}.get(self.grantee_type, "") + quote_ident(self.grantee)
        if self.grantee_type == "public":
            to = "public"
        option = " with grant option" if self.with_grant_option else ""
        return f"grant {self.privilege} on {quote_ident(schema)}.{quote_ident(name)} to {to}{option}"


def view_names(session: Session) -> set[str]:
    """All views as schema.name."""
    found = session.execute(
        "select n.nspname, c.relname from pg_catalog.pg_class as c"
        " join pg_catalog.pg_namespace as n on n.\"oid\" = c.relnamespace where c.relkind = 'v'"
    )
    return {f"{schema}.{name}" for schema, name in found.rows}


def procedure_names(session: Session) -> set[str]:
    """All procedures (and functions) as schema.name, system ones left out."""
    found = session.execute(
        "select n.nspname, p.proname from pg_catalog.pg_proc as p"
        ' join pg_catalog.pg_namespace as n on n."oid" = p.pronamespace'
        " where n.nspname <> 'pg_catalog' and n.nspname <> 'information_schema'"
    )
    return {f"{schema}.{name}" for schema, name in found.rows}


def columns(session: Session, schema: str, name: str) -> tuple[tuple[object, ...], ...]:
    """A relation's columns in order: name, type, and length or precision and scale."""
    found = session.execute(
        "select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale"
        " from svv_columns where table_schema = %s and table_name = %s order by ordinal_position",
        (schema, name),
    )
    return found.rows


def grants(session: Session, schema: str, name: str) -> tuple[Grant, ...]:
    """Who may do what with a relation, its owner (the current user, who replaces it) left out."""
    found = session.execute(
        "select privilege_type, identity_name, identity_type, admin_option from svv_relation_privileges"
        " where namespace_name = %s and relation_name = %s and identity_name <> current_user",
        (schema, name),
    )
    return tuple(
        Grant(str(privilege).strip().lower(), str(grantee).strip(), str(kind).strip().lower(), bool(option))
        for privilege, grantee, kind, option in found.rows
    )


def definitions(session: Session) -> dict[str, str]:
    """What the warehouse holds of every view and procedure: {"view shown.totals": text, ...}.

    Redshift rewrites what it is given, so a text is to be compared only with one that was read in the same way.
    A view's is its query (SHOW VIEW shows the same; PG_VIEWS answers for all in one question). A procedure's is its
    arguments, its rights and its body, from PG_PROC_INFO, for SHOW PROCEDURE answers for one at a time; overloads of
    one name stand in one text, so that one which somebody added shows.
    """
    return _views(session, None) | _procedures(session, None)


def definition(session: Session, kind: str, name: str, signature: str = "") -> str | None:
    """The same for one object, None when it does not exist; `signature`, `(bigint)`, picks one of the overloads."""
    if kind == "view":
        return _views(session, name).get(f"view {name}")
    text = _procedures(session, name).get(f"procedure {name}")
    if text is None or not signature:
        return text
    overloads = text.split(_BETWEEN_OVERLOADS)
    return next((found for found in overloads if _same_signature(found, signature)), None)


_BETWEEN_OVERLOADS = "\n--\n"


def _views(session: Session, name: str | None) -> dict[str, str]:
    narrowed, values = _named("schemaname", "viewname", name)
    found = session.execute(
        f"select schemaname, viewname, definition from pg_catalog.pg_views where {narrowed}", values
    )
    return {f"view {schema}.{view}": str(text or "").strip() for schema, view, text in found.rows}


def _procedures(session: Session, name: str | None) -> dict[str, str]:
    narrowed, values = _named("n.nspname", "p.proname", name)
    found = session.execute(
        "select n.nspname, p.proname, oidvectortypes(p.proargtypes), array_to_string(p.proargnames, ', '),"
        " p.prosecdef, p.prosrc from pg_catalog.pg_proc_info as p"
        ' join pg_catalog.pg_namespace as n on n."oid" = p.pronamespace'
        f" where p.prokind = 'p' and {narrowed}",
        values,
    )
    texts: dict[str, list[str]] = {}
    for schema, procedure, types, names, is_definer, body in found.rows:
        head = f"({types})\nnames ({names or ''})\nsecurity {'definer' if is_definer else 'invoker'}\n"
        texts.setdefault(f"procedure {schema}.{procedure}", []).append(head + str(body))
    return {key: _BETWEEN_OVERLOADS.join(sorted(overloads)) for key, overloads in texts.items()}


def _named(schema_column: str, name_column: str, name: str | None) -> tuple[str, tuple[str, ...]]:
    """A condition for one object's name, or for all that are not the system's; both have values to bind."""
    if name is not None:
        schema, _, bare = name.partition(".")
        return f"{schema_column} = %s and {name_column} = %s", (schema, bare)
    return f"{schema_column} not in (%s, %s)", ("pg_catalog", "information_schema")


def _same_signature(text: str, signature: str) -> bool:
    """Whether a definition is that of the procedure with these input types, however they are spelled."""
    listed = text.partition("\n")[0].strip("()").split(", ")
    wanted = signature.strip("()").split(", ")
    return [_SPELLING.get(kind, kind) for kind in listed] == wanted


_SPELLING = {
    "character varying": "varchar",
    "character": "char",
    "numeric": "decimal",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
}
"""PostgreSQL's names of types, which the catalog shows, as project files and DROP PROCEDURE are read."""
