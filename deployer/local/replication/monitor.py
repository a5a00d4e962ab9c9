"""Questions about a replicator that SQL of the warehouse does not answer."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import sql

from deployer.errors import Unavailable
from deployer.local.replication import landing, sources
from deployer.local.replication.position import SourceLost
from deployer.local.replication.settings import Settings
from deployer.local.replication.state import CONNECTING, READABLE, State, integration_id

Row = tuple[str, str, str, int, int | None]


def message(dsn: str, database: str) -> str:
    """What the replicator says is wrong; "" when nothing is."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(
            "select message from zeroshift.replicators where integration_id = %s", (integration_id(database),)
        ).fetchone()
    return "" if row is None else str(row[0])


def refused(dsn: str, database: str) -> bool:
    """Whether the replicator says that its source refuses it (source.translated, of either kind of source)."""
    return " refuses: " in message(dsn, database)


def expect(dsn: str, database: str) -> None:
    """Forget what the last replicator said: another one is about to be started, and no other runs."""
    with psycopg.connect(dsn, autocommit=True) as connection:
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
    state = State(settings)
    try:
        with sources.snapshot(settings) as taken:
            counted = {place: taken.count(table) for place, table in taken.tables.items()}
    except SourceLost as error:
        raise Unavailable(f"{error}; start it and repeat") from None
    deadline = time.monotonic() + seconds
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        while True:
            with connection.transaction():
                known = state.load(connection)
                there = known.position if known is not None else None
                if there is not None and there >= taken.position:
                    assert known is not None
                    return [
                        (
                            *place,
                            known.tables[place].state if place in known.tables else "",
                            rows,
                            _count(connection, settings, place)
                            if place in known.tables and known.tables[place].state in READABLE
                            else None,
                        )
                        for place, rows in sorted(counted.items())
                    ]
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"landing does not reach the source's position within {seconds:.0f} s;"
                    " `zeroshift integration status` says why"
                )
            time.sleep(0.1)


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
