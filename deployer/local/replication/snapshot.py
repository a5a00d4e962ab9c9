"""A consistent first copy: one snapshot of the source with its position in the binlog, read in bulk.

The server itself writes the lines that PostgreSQL's COPY reads, one column a row, so that neither side's values pass
through Python one by one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pymysql

from deployer.data_filter import DataFilter
from deployer.errors import Unavailable
from deployer.local.replication import definition, wire
from deployer.local.replication.copy import TableChanged
from deployer.local.replication.definition import TEXTS, ColumnDefinition, TableDefinition, quoted
from deployer.local.replication.position import Position
from deployer.local.replication.source import Server, Source, inspect, translated

_CHANGED = 1412
"""ER_TABLE_DEF_CHANGED: a table was altered after the snapshot was taken."""
_GONE = 1146
_TRIES = 10


@dataclass(frozen=True)
class Snapshot:
    """The source at one position. `at` is the instant by the source's own clock, UTC; `tables` all that pass."""

    server: Server
    position: Position
    at: datetime
    tables: dict[tuple[str, str], TableDefinition]
    _connection: Any

    @property
    def stamp(self) -> str:
        return self.server.stamp

    def lines(self, table: TableDefinition, ending: str | None) -> Generator[bytes, None, None]:
        """The table's rows as lines of COPY's text format, in large pieces; `ending` goes behind each row's values."""
        parts = [_expression(column) for column in table.columns]
        if ending is not None:
            parts.append(_literal(ending))
        with _unchanged():
            yield from self._connection.single_values(
                f"select concat_ws({_literal(chr(9))}, {', '.join(parts)}) from {_place(table.schema, table.name)}"
            )

    def count(self, table: TableDefinition) -> int:
        """The table's rows. Raises TableChanged."""
        with _unchanged(), self._connection.cursor() as cursor:
            cursor.execute(f"select count(*) from {_place(table.schema, table.name)}")
            return int(cursor.fetchone()[0])


@contextmanager
def _unchanged() -> Iterator[None]:
    """Raises TableChanged where the table is another one than the snapshot's."""
    try:
        yield
    except pymysql.MySQLError as error:
        if error.args[0] in (_CHANGED, _GONE):
            raise TableChanged from None
        raise


@contextmanager
def take(source: Source, data_filter: DataFilter, wanted: set[tuple[str, str]] | None) -> Iterator[Snapshot]:
    """A snapshot of `wanted` tables (None: all) that the filter lets through.

    Their definitions cannot change while it is open: each is read once, which holds its metadata lock.
    Raises SourceLost, Unavailable.
    """
    connection: Any = None
    try:
        for _ in range(_TRIES):
            connection = wire.Connection(**source.arguments)
            try:
                snapshot = _open(connection, data_filter, wanted)
                break
            except TableChanged:
                # The next one may not come about, and closing this one twice is an error.
                connection.close()
                connection = None
        else:
            raise Unavailable(
                "the source's tables are altered all the time: no snapshot of them can be taken"
            )
        yield snapshot
    except pymysql.MySQLError as error:
        raise translated(error, source) from None
    finally:
        if connection is not None:
            connection.close()


def _open(connection: Any, data_filter: DataFilter, wanted: set[tuple[str, str]] | None) -> Snapshot:
    with connection.cursor() as cursor:
        cursor.execute("set session sql_mode = '', time_zone = '+00:00'")
        cursor.execute("set session transaction isolation level repeatable read")
        server = inspect(connection)
        position = _begin(cursor, server)
        cursor.execute("select utc_timestamp(6)")
        (at,) = cursor.fetchone()
        names = {
            place: table
            for place, table in definition.read(connection, wanted, server.is_mariadb).items()
            if data_filter.lets_through(*place)
        }
        for schema, table in names:
            # A row of it, if it has any: without one the server does not look whether the table is the snapshot's.
            with _unchanged():
                cursor.execute(f"select 1 from {_place(schema, table)} limit 1")
        # Now that nothing can alter them, as they really are.
        found = definition.read(connection, set(names), server.is_mariadb)
    return Snapshot(server, position, at, found, connection)


def _begin(cursor: Any, server: Server) -> Position:
    """Begin the snapshot and tell its position. MariaDB tells it for the snapshot itself (Knowledge Base, "Enhancements
    for START TRANSACTION WITH CONSISTENT SNAPSHOT"); on MySQL writes are held for that moment.
    """
    if server.is_mariadb:
        cursor.execute("start transaction with consistent snapshot")
        cursor.execute(
            "show status where variable_name in ('binlog_snapshot_file', 'binlog_snapshot_position')"
        )
        found = {name.lower(): value for name, value in cursor.fetchall()}
        file, at = found["binlog_snapshot_file"], int(found["binlog_snapshot_position"])
        cursor.execute("select binlog_gtid_pos(%s, %s)", (file, at))
        return Position(file, at, cursor.fetchone()[0] or "")
    cursor.execute("flush tables with read lock")
    try:
        cursor.execute("start transaction with consistent snapshot")
        try:
            cursor.execute("show binary log status")
        except pymysql.err.ProgrammingError:
            cursor.execute("show master status")
        row = cursor.fetchone()
    finally:
        cursor.execute("unlock tables")
    return Position(row[0], int(row[1]), "")


def _expression(column: ColumnDefinition) -> str:
    """SQL of the source whose value is the column as COPY reads it: escaped text, or \\N."""
    name = quoted(column.name)
    if column.type in TEXTS or column.type == "json":
        text = f"convert({name} using utf8mb4) collate utf8mb4_bin"
        for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
            text = f"replace({text}, {_literal(plain)}, {_literal(escaped)})"
    elif column.type in ("binary", "varbinary"):
        text = f"concat({_literal(chr(92) * 2 + 'x')}, hex({name}))"
    elif column.type == "bit":
        text = (
            f"concat({_literal(chr(92) * 2 + 'x')}, lpad(hex({name} + 0), {(column.size + 7) // 8 * 2}, '0'))"
        )
    elif column.type == "float":
        # As text a FLOAT has six digits only.
        text = f"{name} + 0e0"
    else:
        text = name
    return f"ifnull({text}, {_literal(chr(92) + 'N')})"


def _literal(text: str) -> str:
    return f"_utf8mb4 X'{text.encode().hex()}'"


def _place(schema: str, table: str) -> str:
    return f"{quoted(schema)}.{quoted(table)}"
