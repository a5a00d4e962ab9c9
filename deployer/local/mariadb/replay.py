"""Writes a marketplace's snapshots to the source as the history that they are: each one transaction at its own instant.

A server's log tells the instant of each commit by the session's clock, which SET TIMESTAMP sets; mysqlbinlog replays a
log in the same way (MariaDB Knowledge Base, "Server System Variables", timestamp). History mode then shows the
marketplace's two years, not the minute in which they were written.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployer.local.landing.tables import SOURCE_DATABASE, TABLES, Table
from deployer.local.mariadb.schema import ADMIN
from deployer.local.mariadb.server import LocalSource

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Written:
    """What one snapshot changed in one table."""

    table: str
    inserted: int
    updated: int
    deleted: int
    unchanged: int


class Replay:
    """The writer of a source that was empty before. Remembers the rows, to write only what changes."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._rows: dict[Table, dict[Row, Row]] = {table: {} for table in TABLES}

    def write(self, directory: Path, at: datetime) -> tuple[Written, ...]:
        """Make the source equal to the directory's CSV files, in one transaction that commits at `at` (UTC)."""
        found = []
        with self._connection.cursor() as cursor:
            set_clock(cursor, at)
            for table in TABLES:
                path = directory / f"{table.name}.csv"
                if path.exists():
                    found.append(self._table(cursor, table, path))
            self._connection.commit()
        return tuple(found)

    def _table(self, cursor: Any, table: Table, path: Path) -> Written:
        places = [table.names.index(name) for name in table.key]
        before, after = self._rows[table], dict[Row, Row]()
        inserted, updated = [], []
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            assert tuple(next(reader)) == table.names
            for values in reader:
                row = tuple([value if value != "" else None for value in values])
                key = tuple([row[place] for place in places])
                after[key] = row
                old = before.get(key)
                if old is None:
                    inserted.append(row)
                elif old != row:
                    updated.append(row)
        deleted = list(before.keys() - after.keys())
        _upsert(cursor, table, inserted + updated)
        condition = " and ".join(f"`{name}` = %s" for name in table.key)
        cursor.executemany(f"delete from {_name(table)} where {condition}", deleted)
        self._rows[table] = after
        return Written(
            table.name,
            len(inserted),
            len(updated),
            len(deleted),
            len(after) - len(inserted) - len(updated),
        )


def set_clock(cursor: Any, at: datetime) -> None:
    """What the session's next transactions carry as their instant; UTC, whole seconds."""
    cursor.execute("set timestamp = %s", (int(at.replace(tzinfo=UTC).timestamp()),))


@contextmanager
def clock(source: LocalSource, at: datetime) -> Iterator[None]:
    """Let the clock of every session that begins meanwhile stand at `at`: that of the first copy, too.

    A copy carries the instant of its session, and what follows in the log is never shown as older. Accounts with
    CONNECTION ADMIN do not run init_connect (MariaDB Knowledge Base, "init_connect"); the replicator's has it not.
    """
    seconds = int(at.replace(tzinfo=UTC).timestamp())
    with source.connect(ADMIN, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("set global init_connect = %s", (f"set timestamp = {seconds}",))
        try:
            yield
        finally:
            cursor.execute("set global init_connect = ''")


def is_empty(source: LocalSource) -> bool:
    """Whether the source's tables hold no row; the source must run. Tables that somebody else made count as rows."""
    with source.connect(ADMIN, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.tables where table_schema = %s", (SOURCE_DATABASE,)
        )
        if {name for (name,) in cursor.fetchall()} != {table.name for table in TABLES}:
            return False
        for table in TABLES:
            cursor.execute(f"select exists (select 1 from {_name(table)})")
            if cursor.fetchone()[0]:
                return False
    return True


def _upsert(cursor: Any, table: Table, rows: Sequence[Row]) -> None:
    names = ", ".join(f"`{name}`" for name in table.names)
    values = ", ".join(["%s"] * len(table.names))
    others = ", ".join(f"`{name}` = values(`{name}`)" for name in table.names if name not in table.key)
    cursor.executemany(
        f"insert into {_name(table)} ({names}) values ({values}) on duplicate key update {others}", rows
    )


def _name(table: Table) -> str:
    return f"`{SOURCE_DATABASE}`.`{table.name}`"
