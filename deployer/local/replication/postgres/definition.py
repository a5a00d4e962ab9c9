"""Tables of a PostgreSQL as they are defined, and how zero-ETL lands them or why it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from deployer.local.replication.ddl import Place
from deployer.local.replication.definition import (
    BYTES_PER_CHARACTER,
    NO_PRIMARY_KEY,
    ColumnDefinition,
    TableDefinition,
)
from deployer.local.replication.landing import HISTORY
from deployer.local.replication.postgres import types
from deployer.local.replication.postgres.messages import RelationColumn
from deployer.local.replication.postgres.source import PUBLICATION, Connection

_INDEX, _NOTHING = "i", "n"


@dataclass(frozen=True)
class PostgresColumn(ColumnDefinition):
    """One source column. `type` is pg_type's name, with a dot in it where the type is not PostgreSQL's own; `number` is
    its attnum, which stays when it is renamed; `altered` the transaction that last changed its definition.
    """

    number: int = 0
    type_id: int = 0
    modifier: int = -1
    altered: str = ""

    @property
    def landing_type(self) -> str | None:
        return types.landing_type(self.type, self.modifier)

    @property
    def most_bytes(self) -> int | None:
        landing = self.landing_type or ""
        if landing.startswith("char("):
            # A CHAR counts bytes, too, and PostgreSQL's characters.
            return int(landing[5:-1])
        return int(landing[8:-1]) if landing.startswith("varchar(") else None

    @property
    def can_be_longer(self) -> bool:
        # What else lands as text is ASCII, whose length PostgreSQL's own VARCHAR holds.
        if self.type == "varchar" and self.modifier >= 0:
            return (self.modifier - types.HEADER) * BYTES_PER_CHARACTER > types.LONGEST_TEXT
        return self.type in ("varchar", "text", "xml", "tsvector", "bpchar")

    @property
    def condition(self) -> str:
        return types.condition(self.type)

    @property
    def written(self) -> str:
        """The type for a message."""
        return self.type[1:] + "[]" if self.type.startswith("_") else self.type.rpartition(".")[2]


@dataclass(frozen=True)
class PostgresTable(TableDefinition):
    """One source table. `file` changes when its rows are written anew, 0 when that is not known; `numbers` is how many
    columns it has ever had; `ghosts` are columns that were dropped again before landing came to them; `published`
    changes when the publication is altered, after which nobody knows whether it was whole all the time.
    """

    oid: int = 0
    file: int = 0
    numbers: int = 0
    ghosts: tuple[RelationColumn, ...] = ()
    published: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "oid": self.oid, "file": self.file, "numbers": self.numbers,
            "ghosts": [[ghost.name, ghost.type_id, ghost.modifier] for ghost in self.ghosts],
            "published": self.published,
            "key": list(self.key),
            "columns": [[c.name, c.type, c.number, c.type_id, c.modifier, c.altered] for c in self.own],
        }  # fmt: skip

    @property
    def own(self) -> tuple[PostgresColumn, ...]:
        """The columns, as what they are."""
        return tuple(column for column in self.columns if isinstance(column, PostgresColumn))


def from_json(schema: str, name: str, value: dict[str, Any]) -> PostgresTable:
    """What `as_json` has made."""
    columns = tuple(
        PostgresColumn(column, kind, number=number, type_id=type_id, modifier=modifier, altered=altered)
        for column, kind, number, type_id, modifier, altered in value["columns"]
    )
    return PostgresTable(
        schema, name, columns, tuple(value["key"]), "", value["oid"], value["file"], value["numbers"],
        # An older zeroshift kept their names alone, which is not enough to know them by.
        tuple(RelationColumn(*ghost) for ghost in value["ghosts"] if isinstance(ghost, list)),
        value.get("published", ""),
    )  # fmt: skip


@dataclass(frozen=True)
class Added:
    """What a column that was added gives to the rows that were there. `missing`: its constant default, kept by the
    server; `computed`: it has a default that is not kept so.
    """

    missing: str | None
    has_missing: bool
    computed: bool


@dataclass(frozen=True)
class Listed:
    """A table as the catalog has it now, and what its columns would give to rows if they were added."""

    table: PostgresTable
    added: dict[int, Added]
    hidden: frozenset[int]
    """Generated columns, which the source does not send."""
    dropped: dict[int, int] = field(default_factory=dict)
    """Columns that are gone: their type's modifier, the one trait of a type that the catalog keeps of them."""


_TABLES = (
    "select n.nspname, c.relname, c.oid, c.relfilenode, c.relnatts, c.relreplident, array(select k.attname"
    " from pg_index as i, unnest(i.indkey) with ordinality as u (attnum, place)"
    " join pg_attribute as k on k.attnum = u.attnum where k.attrelid = c.oid and i.indrelid = c.oid and i.indisprimary"
    " order by u.place), concat_ws('/', b.oid, b.xmin, (select l.oid from pg_publication_rel as l"
    " where l.prpubid = b.oid and l.prrelid = c.oid), (select s.oid from pg_publication_namespace as s"
    " where s.pnpubid = b.oid and s.pnnspid = n.oid)) from pg_publication_tables as p"
    " join pg_publication as b on b.pubname = p.pubname"
    " join pg_namespace as n on n.nspname = p.schemaname"
    " join pg_class as c on c.relnamespace = n.oid and c.relname = p.tablename"
    f" where p.pubname = '{PUBLICATION}' and c.relkind = 'r'"
)
_COLUMNS = (
    "select a.attrelid, a.attname, case when t.typnamespace = 'pg_catalog'::regnamespace then '' else 'user.' end"
    " || t.typname, a.attnum, a.atttypid, a.atttypmod, a.xmin::text, a.attgenerated <> '', a.atthasmissing,"
    " (a.attmissingval::text::text[])[1], a.atthasdef or a.attidentity <> '',"
    " a.attisdropped from pg_attribute as a left join pg_type as t on t.oid = a.atttypid"
    " where a.attrelid = any (%s) and a.attnum > 0 order by a.attrelid, a.attnum"
)


def read(connection: Connection, wanted: Callable[[Place], bool]) -> dict[Place, Listed]:
    """The published tables that are `wanted`, as the connection's snapshot has them."""
    return _listed(connection, connection.execute(_TABLES).fetchall(), wanted)


def read_one(connection: Connection, oid: int) -> Listed | None:
    """One table as it is now; None when it is gone, or is not published any more."""
    found = _listed(connection, connection.execute(_TABLES + " and c.oid = %s", (oid,)).fetchall())
    return next(iter(found.values()), None)


def _listed(
    connection: Connection,
    rows: Iterable[tuple[Any, ...]],
    wanted: Callable[[Place], bool] = lambda place: True,
) -> dict[Place, Listed]:
    tables = {row[2]: row for row in rows if wanted((row[0], row[1]))}
    columns: dict[int, list[PostgresColumn]] = {oid: [] for oid in tables}
    added: dict[int, dict[int, Added]] = {oid: {} for oid in tables}
    hidden: dict[int, set[int]] = {oid: set() for oid in tables}
    dropped: dict[int, dict[int, int]] = {oid: {} for oid in tables}
    for (
        oid,
        name,
        kind,
        number,
        type_id,
        modifier,
        altered,
        generated,
        has,
        missing,
        default,
        is_dropped,
    ) in connection.execute(_COLUMNS, (list(tables),)):
        if is_dropped:
            dropped[oid][number] = modifier
            continue
        if generated:
            hidden[oid].add(number)
            continue
        columns[oid].append(
            PostgresColumn(name, kind, number=number, type_id=type_id, modifier=modifier, altered=altered)
        )
        added[oid][number] = Added(missing, has, default and not has)
    found = {}
    for oid, (schema, name, _, file, numbers, identity, key, published) in tables.items():
        table = PostgresTable(
            schema, name, tuple(columns[oid]), tuple(key), "", oid, file, numbers, published=published
        )
        found[schema, name] = Listed(
            replace(table, problem=_problem(table, identity)),
            added[oid],
            frozenset(hidden[oid]),
            dropped[oid],
        )
    return found


def _problem(table: PostgresTable, identity: str) -> str:
    """Why zero-ETL does not replicate the table, "" when it does."""
    if not table.key:
        return NO_PRIMARY_KEY
    for column in table.own:
        if column.landing_type is None:
            return f"The column {column.name} has the unsupported data type {column.written.upper()}"
        if column.name in HISTORY:
            return f"The column {column.name} has a name of history mode's own columns"
    if identity in (_INDEX, _NOTHING):
        return "The table's replica identity is neither its primary key nor FULL"
    missing = [name for name in table.key if name not in table.names]
    return f"The column {missing[0]} of the primary key is generated" if missing else ""
