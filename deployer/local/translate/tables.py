"""A table under construction, and the PostgreSQL statements that make it.

What PostgreSQL has no place for (distribution, sort keys, encodings, informational constraints) is recorded by
zeroshift.record_table_attributes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from deployer.local.translate.api import Relation
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context
from deployer.local.translate.datatypes import column_type
from deployer.sql.names import Name, quote_ident
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

_NOT_INDEXED = frozenset(["boolean", "super", "varbyte", "interval"])
"""Types without a BRIN operator class."""

LIKED = " LIKE"
"""Marks a column that PostgreSQL's own LIKE brings."""

PAGES_PER_RANGE = 16
"""128 kB of rows for one zone-map entry, as near to Redshift's 1 MB blocks as pays on small local tables."""


@dataclass
class Table:
    """A table under construction."""

    name: Name
    temporary: bool = False
    columns: list[tuple[str, RedshiftType, str]] = field(default_factory=list)
    """Name, type, and the rest of the column's definition."""
    diststyle: str = "AUTO"
    distkey: str | None = None
    sortstyle: str = "AUTO"
    sortkeys: list[str] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)
    constraints: list[dict[str, Any]] = field(default_factory=list)
    backup: bool = True
    likes: list[str] = field(default_factory=list)
    """The table whose columns LIKE copies, as PostgreSQL's clause."""
    parent: tuple[str, str] | None = None
    """Its PostgreSQL name: what was recorded of it is copied too."""
    attributed: bool = False
    """Something must be recorded."""

    def attributes(self) -> dict[str, Any]:
        return {
            "diststyle": self.diststyle,
            "distkey": self.distkey,
            "sortstyle": self.sortstyle,
            "sortkeys": self.sortkeys,
            "encodings": self.encodings,
            "constraints": self.constraints,
            "backup": self.backup,
        }


def new_name(name: Name, context: Context, pos: int) -> Name:
    """The name of an object to be made: it must be of this database, and #t is temporary."""
    local = context.local(name)
    if local.database is not None:
        raise Refused(
            f'cannot create "{name}": objects can be created in the session\'s own database only, and a zero-ETL '
            "integration's database is read-only",
            position=pos,
        )
    if local.schema is not None and local.schema in (
        "pg_catalog",
        "information_schema",
        "redshift",
        "zeroshift",
    ):
        raise Refused(
            f'permission denied to create "{name}": the schema is a system one',
            position=pos,
            sqlstate="42501",
        )
    return local


def target_sql(table: Table) -> str:
    """The table's name for PostgreSQL; a temporary one goes without a schema."""
    return quote_ident(table.name.name) if table.temporary else table.name.sql()


def create_sql(table: Table, quietly: bool = False) -> str:
    """CREATE TABLE for PostgreSQL, with the checks that count bytes."""
    parts = [f"LIKE {like}" for like in table.likes]
    parts += [
        f"{quote_ident(name)} {column_type(kind)}{rest}"
        for name, kind, rest in table.columns
        if rest != LIKED
    ]
    parts += [check for name, kind, _ in table.columns if (check := byte_check(name, kind))]
    temp = "TEMP " if table.temporary else ""
    exists = "IF NOT EXISTS " if quietly else ""
    return f"CREATE {temp}TABLE {exists}{target_sql(table)} ({', '.join(parts)})"


def byte_check(column: str, kind: RedshiftType) -> str:
    """The CHECK that holds CHAR(n) and VARCHAR(n) to n bytes; the gateway knows it by its name."""
    if kind.name not in ("varchar", "char") or not kind.length:
        return ""
    return (
        f"CONSTRAINT {check_name(column, kind)} CHECK (octet_length({quote_ident(column)}) <= {kind.length})"
    )


def check_name(column: str, kind: RedshiftType) -> str:
    """The name of a column's byte check. The gateway reads the length out of it."""
    return quote_ident(f"zs_bytes_{kind.length}_{column}".encode()[:63].decode(errors="ignore"))


def afterwards(table: Table) -> list[str]:
    """The zone map and the record of what PostgreSQL does not keep."""
    found = []
    index = zone_map(table)
    if index:
        found.append(index)
    if table.attributed:
        found.append(record(table, table.attributes()))
    if table.parent is not None:
        found.append(_copied(table, table.parent))
    return found


def _copied(table: Table, parent: tuple[str, str]) -> str:
    """The call that copies what was recorded of a LIKE's parent."""
    schema = "current_schema()" if table.name.schema is None else pg_literal(table.name.schema)
    source = "NULL" if parent[0].startswith("pg_temp") else pg_literal(parent[0])
    return (
        f"SELECT zeroshift.copy_attributes({'NULL' if table.temporary else schema}, {pg_literal(table.name.name)}, "
        f"{source}, {pg_literal(parent[1])})"
    )


def zone_map(table: Table) -> str:
    """A BRIN index over the sort key. VARCHAR is indexed as it is compared: without trailing blanks."""
    kinds = {name: kind for name, kind, _ in table.columns}
    return brin_sql(target_sql(table), [(name, kinds[name]) for name in table.sortkeys])


def brin_sql(target: str, columns: list[tuple[str, RedshiftType]]) -> str:
    keys = [
        f"(({quote_ident(name)})::bpchar)" if kind.name == "varchar" else quote_ident(name)
        for name, kind in columns
        if kind.name not in _NOT_INDEXED
    ]
    if not keys:
        return ""
    return (
        f"CREATE INDEX ON {target} USING brin ({', '.join(keys)}) WITH (pages_per_range = {PAGES_PER_RANGE})"
    )


def record(table: Table, attributes: dict[str, Any]) -> str:
    """The call that records `attributes` of a table that was just made."""
    if table.temporary:
        schema = "NULL"
    elif table.name.schema is None:
        schema = "current_schema()"
    else:
        schema = pg_literal(table.name.schema)
    return (
        f"SELECT zeroshift.record_table_attributes({schema}, {pg_literal(table.name.name)}, "
        f"{pg_literal(json.dumps(attributes))}::jsonb)"
    )


def existing(relation: Relation) -> Table:
    """A table of the catalog, to write statements about it."""
    temporary = relation.physical[0].startswith("pg_temp")
    name = Name(relation.physical[1], None if temporary else relation.physical[0])
    return Table(name, temporary, [(column, kind, "") for column, kind in relation.columns])
