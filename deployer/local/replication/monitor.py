"""Questions about a replicator that SQL of the warehouse does not answer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from deployer.errors import Unavailable
from deployer.local.replication import landing, sources
from deployer.local.replication.copy import TableChanged
from deployer.local.replication.ddl import Place
from deployer.local.replication.position import Position, SourceLost
from deployer.local.replication.settings import Settings
from deployer.local.replication.state import CONNECTING, READABLE, Replicated, State, integration_id

_TRIES = 10
_LOCK_WAIT = "1s"

Row = tuple[str, str, str, int, int | None]


@contextmanager
def _engine(dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection to the engine. Raises Unavailable when it goes away, which may be noticed here before a session of
    the warehouse breaks.
    """
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Unavailable(
            f"the local engine cannot be reached or went away ({first}); start it with `zeroshift local up` and repeat"
        ) from None


def message(dsn: str, database: str) -> str:
    """What the replicator says is wrong; "" when nothing is. Raises Unavailable."""
    with _engine(dsn) as connection:
        row = connection.execute(
            "select message from zeroshift.replicators where integration_id = %s", (integration_id(database),)
        ).fetchone()
    return "" if row is None else str(row[0])


def refused(dsn: str, database: str) -> bool:
    """Whether the replicator says that its source refuses it (source.translated, of either kind of source)."""
    return " refuses: " in message(dsn, database)


def expect(dsn: str, database: str) -> None:
    """Forget what the last replicator said: another one is about to be started, and no other runs."""
    with _engine(dsn) as connection:
        connection.execute(
            "update zeroshift.integrations set state = %s where integration_id = %s",
            (CONNECTING, integration_id(database)),
        )
        connection.execute(
            "update zeroshift.replicators set message = '' where integration_id = %s",
            (integration_id(database),),
        )


def compare(dsn: str, settings: Settings, seconds: float) -> list[Row]:
    """Schema, table, state and the present rows of each table, in a snapshot of the source and in landing, as soon as
    that has everything up to the snapshot. None: landing has no such table. Raises Unavailable.
    """
    position, counted = _source_rows(settings)
    deadline = time.monotonic() + seconds
    with _engine(dsn) as connection:
        connection.execute("select set_config('lock_timeout', %s, false)", (_LOCK_WAIT,))
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        while True:
            # A table may go, or be copied anew, at any moment: then it is looked again.
            with contextlib.suppress(
                psycopg.errors.UndefinedTable,
                psycopg.errors.LockNotAvailable,
                psycopg.errors.DeadlockDetected,
            ):
                found = _landed(connection, settings, position, counted)
                if found is not None:
                    return found
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"landing does not reach the source's position within {seconds:.0f} s;"
                    " `zeroshift integration status` says why"
                )
            time.sleep(0.1)


def _source_rows(settings: Settings) -> tuple[Position, dict[Place, int]]:
    """The source's tables and their rows, at one position."""
    try:
        for _ in range(_TRIES):
            with contextlib.suppress(TableChanged), sources.snapshot(settings) as taken:
                return taken.position, {place: taken.count(table) for place, table in taken.tables.items()}
    except SourceLost as error:
        raise Unavailable(f"{error}; start it and repeat") from None
    raise Unavailable("the source's tables are altered all the time: repeat when that is done")


def _landed(
    connection: psycopg.Connection[tuple[Any, ...]],
    settings: Settings,
    position: Position,
    counted: dict[Place, int],
) -> list[Row] | None:
    """What `compare` returns; None where landing is not as far as that, or is changed just now."""
    state = State(settings)

    def readable(tables: dict[Place, Replicated]) -> set[Place]:
        return {place for place in counted if place in tables and tables[place].state in READABLE}

    there = readable(state.tables(connection))
    with connection.transaction():
        # Before the snapshot, which the first query takes: a table that is made anew behind it would seem empty.
        if there:
            names = [landing.name_of(settings.landing, *place) for place in sorted(there)]
            connection.execute(
                sql.SQL("lock table {} in access share mode").format(sql.SQL(", ").join(names))
            )
        known = state.load(connection)
        if known is None or known.position is None or known.position < position:
            return None
        now = readable(known.tables)
        if not now <= there:
            return None
        return [
            (
                *place,
                known.tables[place].state if place in known.tables else "",
                rows,
                _count(connection, settings, place) if place in now else None,
            )
            for place, rows in sorted(counted.items())
        ]


def _count(
    connection: psycopg.Connection[tuple[Any, ...]], settings: Settings, place: tuple[str, str]
) -> int:
    row = connection.execute(
        sql.SQL("select count(*) from {}{}").format(
            landing.name_of(settings.landing, *place),
            sql.SQL(" where _record_is_active" if settings.history_mode else ""),
        )
    ).fetchone()
    assert row is not None
    return int(row[0])
