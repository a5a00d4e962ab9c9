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
