"""A refresh guards several landing tables, while somebody reads them in another order: nobody is ended for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import pytest

from deployer.local.environment import Status
from deployer.local.replication import landing, tables
from deployer.local.replication.ddl import Place
from deployer.local.replication.definition import ColumnDefinition, TableDefinition
from deployer.local.replication.position import Position
from deployer.local.replication.settings import Settings
from deployer.local.replication.state import INITIATED, SYNCED, Replicated, State

SETTINGS = Settings("rental", "", 0, "", "", "rental", "rental_landing", "include: rental.*")
PLACES: list[Place] = [("rental", "a"), ("rental", "b")]

Guard = Callable[[psycopg.Connection[Any]], None]


@dataclass
class Stub:
    """As much of a worker as `tables.locked` needs."""

    connection: psycopg.Connection[Any]
    tables: dict[Place, Replicated] = field(default_factory=dict)
    last: datetime | None = None

    def may_go_on(self) -> None:
        """It always may."""


@pytest.fixture
def reader(engine_dsn: str, fresh_database: Status) -> Iterator[psycopg.Connection[Any]]:
    """A session, with the landing tables a and b in sync."""
    state = State(SETTINGS)
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        state.announce(connection)
        state.set_position(connection, "s", Position("log.1", 1), None, 0)
        for place in PLACES:
            definition = TableDefinition(*place, (ColumnDefinition("id", "int"),), ("id",))
            landing.create(connection, SETTINGS.landing, definition, True)
            state.save_table(connection, Replicated(place, SYNCED, "", definition), None)
    with psycopg.connect(engine_dsn) as connection:
        yield connection


def by_statement(connection: psycopg.Connection[Any]) -> None:
    connection.execute("select zeroshift.refresh_integration('rental_landing', 'all', '{}')")


def by_replicator(connection: psycopg.Connection[Any]) -> None:
    state = State(SETTINGS)

    def mark() -> None:
        for place in PLACES:
            state.save_table(connection, Replicated(place, INITIATED), None)

    tables.locked(Stub(connection), mark)  # type: ignore[arg-type]  # a part of it


@pytest.mark.parametrize("guard", [by_statement, by_replicator])
def test_who_reads_in_another_order_goes_on(
    reader: psycopg.Connection[Any], engine_dsn: str, guard: Guard
) -> None:
    reader.execute('select from "rental_landing.rental".b')
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        failed: list[BaseException] = []

        def work() -> None:
            try:
                guard(connection)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        _until_it_waits(reader, connection.info.backend_pid)
        # It has a, and waits for b, which this session has.
        reader.execute('select from "rental_landing.rental".a')
        assert thread.is_alive()
        reader.commit()
        thread.join(60)
        assert not thread.is_alive() and failed == []
        assert State(SETTINGS).initiated(connection) == set(PLACES)
        guarded = connection.execute(
            "select bool_and(relrowsecurity), count(*) from pg_class as c where c.relnamespace ="
            " '\"rental_landing.rental\"'::regnamespace and c.relkind = 'r'"
        ).fetchone()
        assert guarded == (True, 2)


def _until_it_waits(connection: psycopg.Connection[Any], pid: int) -> None:
    deadline = time.monotonic() + 60
    while not connection.execute(
        "select from pg_locks where pid = %s and not granted and relation is not null", (pid,)
    ).fetchall():
        assert time.monotonic() < deadline
        time.sleep(0.01)
