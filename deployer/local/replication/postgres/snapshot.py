"""A consistent copy of tables: what a replication slot exports as its beginning, read by COPY."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from deployer.local.replication.copy import TableChanged
from deployer.local.replication.ddl import Place
from deployer.local.replication.definition import TableDefinition
from deployer.local.replication.position import Position
from deployer.local.replication.postgres import definition, types
from deployer.local.replication.postgres.definition import PostgresTable
from deployer.local.replication.postgres.source import (
    Connection,
    Source,
    drop_slot,
    inspect,
    position,
    translated,
)
from deployer.local.replication.postgres.wire import Wire

_PIECE = 1 << 18
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


@dataclass(frozen=True)
class Snapshot:
    """The source at the position at which a slot begins. `at` is the instant by the source's own clock, UTC."""

    stamp: str
    position: Position
    at: datetime
    tables: dict[Place, PostgresTable]
    _connection: Connection
    _source: Source

    def lines(self, table: TableDefinition, ending: str | None) -> Generator[bytes, None, None]:
        """The table's rows as lines of COPY's text format, in large pieces; `ending` goes behind each row's values."""
        assert isinstance(table, PostgresTable)
        tail = b"\n" if ending is None else b"\t" + ending.encode() + b"\n"
        converters = [types.converter(column.type) for column in table.own]
        columns = sql.SQL(", ").join(map(sql.Identifier, table.names))
        # One table alone: those that inherit from it are tables of their own.
        statement = sql.SQL("copy {} ({}) to stdout").format(_name(table), columns)
        try:
            with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
                parts: list[bytes] = []
                size = 0
                for row in copy:
                    line = bytes(row)[:-1]
                    if any(converters):
                        line = _converted(line, converters)
                    parts.append(line)
                    size += len(line)
                    if size > _PIECE:
                        yield tail.join(parts) + tail
                        parts, size = [], 0
                if parts:
                    yield tail.join(parts) + tail
        except psycopg.Error as error:
            raise translated(error, self._source) from None

    def count(self, table: TableDefinition) -> int:
        """The table's rows."""
        try:
            row = self._connection.execute(
                sql.SQL("select count(*) from only {}").format(_name(table))
            ).fetchone()
        except psycopg.Error as error:
            raise translated(error, self._source) from None
        assert row is not None
        return int(row[0])


@contextmanager
def take(
    source: Source,
    lets_through: Callable[[Place], bool],
    wanted: Iterable[Place] | None,
    slot: str | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Snapshot]:
    """A snapshot of `wanted` tables (None: all) that pass, at a position of the WAL.

    With `slot` that slot is made anew, to stream from the position on; else a temporary one serves to find it. To begin
    a slot the source waits for its open transactions. Raises SourceLost, Unavailable, TableChanged.
    """
    connection = source.open()
    try:
        # No block around the yield: what is raised there is the engine's, too.
        try:
            stamp = inspect(connection, source)
            if slot is not None:
                drop_slot(connection, slot)
            with Wire(source, stopped) as wire:
                name = slot or f"zeroshift_copy_{os.getpid()}_{os.urandom(4).hex()}"
                kind = "" if slot else "TEMPORARY "
                _, begins, exported, _ = wire.command(
                    f"CREATE_REPLICATION_SLOT {name} {kind}LOGICAL pgoutput (SNAPSHOT 'export')"
                )[0]
                connection.execute("begin isolation level repeatable read")
                connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(exported)))
                # From here on the snapshot is ours.
                connection.execute("select 1")
            snapshot = _open(connection, source, stamp, position(begins), lets_through, wanted)
        except psycopg.errors.UndefinedTable:
            raise TableChanged from None
        except psycopg.Error as error:
            raise translated(error, source) from None
        yield snapshot
    finally:
        connection.close()


def _open(
    connection: Connection, source: Source, stamp: str, begins: Position, lets_through: Callable[[Place], bool],
    wanted: Iterable[Place] | None,
) -> Snapshot:  # fmt: skip
    """Hold the tables as they are. TRUNCATE and an ALTER that writes a table anew take its rows from older snapshots
    (PostgreSQL manual, "Caveats" of MVCC): after the lock, the table must be the one of the snapshot.
    """
    chosen = None if wanted is None else set(wanted)

    def passes(place: Place) -> bool:
        return (chosen is None or place in chosen) and lets_through(place)

    row = connection.execute("select clock_timestamp() at time zone 'UTC'").fetchone()
    assert row is not None
    found = {place: listed.table for place, listed in definition.read(connection, passes).items()}
    for table in found.values():
        connection.execute(sql.SQL("lock table only {} in access share mode").format(_name(table)))
    with source.connect() as other:
        now = {place: listed.table for place, listed in definition.read(other, found.__contains__).items()}
    if now != found:
        raise TableChanged
    return Snapshot(stamp, begins, row[0], found, connection, source)


def _name(table: TableDefinition) -> sql.Composed:
    return sql.SQL("{}.{}").format(sql.Identifier(table.schema), sql.Identifier(table.name))


def _converted(line: bytes, converters: list[types.Convert | None]) -> bytes:
    """A line of COPY with the values that land as another text."""
    values = line.split(b"\t")
    for place, convert in enumerate(converters):
        if convert is not None and values[place] != b"\\N":
            plain = _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), values[place]).decode()
            text = convert(plain).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
            values[place] = text.replace("\r", "\\r").encode()
    return b"\t".join(values)
