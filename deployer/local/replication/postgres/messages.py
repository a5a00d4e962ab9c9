"""pgoutput's messages: PostgreSQL manual, "Logical Replication Message Formats", protocol version 1."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta

_EPOCH = datetime(2000, 1, 1)

UNCHANGED = "\0unchanged"
"""Stands for a TOASTed value that an update has left alone, which is not sent. No text of PostgreSQL holds a zero."""

Values = list[str | None]


@dataclass(frozen=True)
class RelationColumn:
    """A column as the source had it when the rows that follow were written."""

    name: str
    type_id: int
    modifier: int


@dataclass(frozen=True, eq=False)
class Relation:
    """A table as the source had it; each message makes a new one, which is compared by identity."""

    oid: int
    schema: str
    name: str
    columns: tuple[RelationColumn, ...]

    @property
    def place(self) -> tuple[str, str]:
        return self.schema, self.name


@dataclass(frozen=True)
class Change:
    """A row's change. `old` is None unless it was sent: `whole` with REPLICA IDENTITY FULL, else with the key alone."""

    kind: str
    old: Values | None
    whole: bool
    new: Values | None


def relation(data: bytes) -> Relation:
    """R: Relation."""
    (oid,) = struct.unpack_from("!I", data, 1)
    schema, at = _string(data, 5)
    name, at = _string(data, at)
    (count,) = struct.unpack_from("!H", data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        column, at = _string(data, at + 1)
        columns.append(RelationColumn(column, *struct.unpack_from("!Ii", data, at)))
        at += 8
    # An empty name is pg_catalog, which is not replicated.
    return Relation(oid, schema, name, tuple(columns))


def committed(data: bytes) -> tuple[int, datetime]:
    """C: Commit. The end of the transaction in the WAL, and its time, UTC."""
    _, _, end, micros = struct.unpack_from("!BQQq", data, 1)
    return end, _EPOCH + timedelta(microseconds=micros)


def truncated(data: bytes) -> tuple[int, ...]:
    """T: Truncate. The tables' oids."""
    (count,) = struct.unpack_from("!I", data, 1)
    return struct.unpack_from(f"!{count}I", data, 6)


def oid_of(data: bytes) -> int:
    """I, U, D: the table's oid."""
    return int.from_bytes(data[1:5], "big")


def change(data: bytes) -> Change:
    """I, U, D: Insert, Update, Delete."""
    kind = chr(data[0])
    mark = data[5]
    if mark == 78:  # N
        return Change(kind, None, False, _values(data, 6)[0])
    old, at = _values(data, 6)
    new = _values(data, at + 1)[0] if kind == "U" else None
    return Change(kind, old, mark == 79, new)  # O


def _values(data: bytes, at: int) -> tuple[Values, int]:
    count = data[at] << 8 | data[at + 1]
    at += 2
    found: Values = []
    append = found.append
    for _ in range(count):
        mark = data[at]
        if mark == 116:  # t
            start = at + 5
            at = start + int.from_bytes(data[at + 1 : start], "big")
            append(str(data[start:at], "utf-8"))
        else:
            append(None if mark == 110 else UNCHANGED)  # n, u
            at += 1
    return found, at


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1
