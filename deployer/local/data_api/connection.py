"""A connection to the gateway, as any client of Redshift has one: all SQL goes through Redshift's own protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from deployer.local.data_api.encoding import NOT_NULL, NULLABLE, Origin
from deployer.local.gateway import codec
from deployer.local.gateway.backend import Backend, Row, ServerError, Target
from deployer.local.gateway.codec import Disconnected, message

APPLICATION = "redshift-data"

Passes = Callable[[str], str]
"""Gives a password that logs a database user in once, as GetClusterCredentials does."""


class Broken(Exception):
    """The connection is lost, and with it the statement."""


class Rows(Protocol):
    """Takes a result. What it raises ends the statement and the connection."""

    def columns(self, columns: Sequence[codec.Column]) -> None: ...

    def row(self, row: Row, size: int) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What a statement told: its command tag."""

    tag: str

    @property
    def affected(self) -> int:
        """The number of rows in the tag; 0 for commands that tell none."""
        found = re.search(r"(\d+)$", self.tag)
        return int(found.group(1)) if found else 0


class Connection:
    """One session of the warehouse. Raises ServerError (FATAL) or Broken when it cannot be made."""

    def __init__(self, host: str, port: int, database: str, user: str, passes: Passes) -> None:
        try:
            self._backend = Backend(Target(host, port, user, passes(user), database), APPLICATION)
        except Disconnected as error:
            # The words of a connection that breaks a moment later: both happen while the warehouse is restarted.
            raise Broken(
                f"the connection to the warehouse was lost while it was being made: {error}"
            ) from error
        self.usable = True
        self.uses = 0

    @property
    def pid(self) -> int:
        return self._backend.pid

    @property
    def in_transaction(self) -> bool:
        return self._backend.status != "I"

    @property
    def idle(self) -> bool:
        """Whether it can be used again."""
        return self.alive and not self.in_transaction

    @property
    def alive(self) -> bool:
        """Whether the other side has not ended it. To be asked while no statement runs."""
        return self.usable and not self._backend.has_ended()

    def run(self, sql: str, values: Sequence[str] = (), rows: Rows | None = None) -> Outcome:
        """Run one statement by the extended protocol; parameters have no declared types, so the statement gives
        them theirs.

        Raises ServerError with the warehouse's words, Broken, and what `rows` raises.
        """
        bind = codec.Bind("", "", (), tuple(value.encode() for value in values), ()).pack()
        try:
            self._backend.send(
                codec.pack_parse("", sql), bind, message(b"D", b"P", codec.text("")),
                message(b"E", codec.text(""), codec.int32(0)), message(b"S"),
            )  # fmt: skip
            tag, error = self._answer(rows)
        except (Disconnected, codec.Malformed) as gone:
            self.usable = False
            raise Broken(f"the connection to the warehouse was lost: {gone}") from gone
        except BaseException:
            # The rest of the answer is still on its way.
            self.usable = False
            raise
        if error is not None:
            raise error
        return Outcome(tag)

    def _answer(self, rows: Rows | None) -> tuple[str, ServerError | None]:
        tag, error = "", None
        while True:
            kind, data = self._backend.receive()
            if kind == b"D" and rows is not None:
                rows.row(codec.unpack_row(data), len(data))
            elif kind == b"T" and rows is not None:
                rows.columns(codec.unpack_columns(data))
            elif kind == b"C":
                tag = data[:-1].decode()
            elif kind == b"E":
                error = ServerError(codec.unpack_fields(data))
                if error.fields.get("S") == "FATAL":
                    # No ReadyForQuery follows.
                    self.usable = False
                    return tag, error
            elif kind == b"Z":
                return tag, error

    def fetch(self, sql: str, values: Sequence[str] = ()) -> list[tuple[str | None, ...]]:
        """Run a query and return its rows as texts. Raises as `run`."""
        found = _Gathered()
        self.run(sql, values, found)
        return found.rows

    def origins(self, columns: Sequence[codec.Column]) -> list[Origin | None]:
        """The table columns behind result columns, asked of the catalog as a JDBC driver does."""
        tables = sorted({column.table for column in columns if column.table})
        if not tables:
            return [None] * len(columns)
        rows = self.fetch(
            "select a.attrelid, a.attnum, n.nspname, c.relname, a.attnotnull from pg_catalog.pg_attribute a"
            " join pg_catalog.pg_class c on c.oid = a.attrelid"
            " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
            f" where a.attnum > 0 and a.attrelid in ({', '.join(map(str, tables))})"
        )
        known = {
            (row[0], row[1]): Origin(row[2] or "", row[3] or "", NOT_NULL if row[4] == "t" else NULLABLE)
            for row in rows
        }
        return [known.get((str(column.table), str(column.attribute))) for column in columns]

    def cancel(self) -> None:
        """Ask the warehouse to cancel what it does here; returns when it has been told. From any thread."""
        self._backend.cancel()

    def close(self) -> None:
        self.usable = False
        self._backend.close()


class _Gathered:
    def __init__(self) -> None:
        self.rows: list[tuple[str | None, ...]] = []

    def columns(self, columns: Sequence[codec.Column]) -> None:
        pass

    def row(self, row: Row, size: int) -> None:
        self.rows.append(tuple(None if value is None else value.decode() for value in row))


def told(error: ServerError | Broken) -> str:
    """An error as the JDBC driver's exceptions word it, which is what DescribeStatement shows: the guide prints
    `ERROR: syntax error at or near "FROM"` and `Position: 12` on a line of its own.
    """
    if isinstance(error, Broken):
        return f"ERROR: {error}"
    fields = error.fields
    lines = [f"{fields.get('S', 'ERROR')}: {fields.get('M', '')}"]
    for label, letter in (("Detail", "D"), ("Hint", "H"), ("Position", "P"), ("Where", "W")):
        if fields.get(letter):
            lines.append(f"  {label}: {fields[letter]}")
    return "\n".join(lines)
