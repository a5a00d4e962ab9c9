"""A refresh guards several landing tables, while somebody reads them in another order: nobody is ended for it. And who
counts them is not disturbed by a table that goes or is made anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import pytest

from deployer.local.environment import Status
from deployer.local.replication import landing, monitor, sources, tables
from deployer.local.replication.copy import TableChanged
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
    """A session, with the landing tables a and b in sync. It takes a deadlock for one later than others do: a machine
    that stands still for a second would else decide who is the first to give way.
    """
    state = State(SETTINGS)
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        state.announce(connection)
        state.set_position(connection, "s", Position("log.1", 1), None, 0)
        for place in PLACES:
            definition = TableDefinition(*place, (ColumnDefinition("id", "int"),), ("id",))
            landing.create(connection, SETTINGS.landing, definition, True)
            state.save_table(connection, Replicated(place, SYNCED, "", definition), None)
    with psycopg.connect(engine_dsn) as connection:
        assert connection.execute("show deadlock_timeout").fetchone() == ("1s",)
        connection.execute("set deadlock_timeout = '20s'")
        connection.commit()
        yield connection


def test_nothing_is_waited_for_until_a_reader_takes_it_for_a_deadlock(
    reader: psycopg.Connection[Any],
) -> None:
    (found,) = reader.execute(
        "select proconfig from pg_proc where oid = 'zeroshift.guard_tables'::regproc"
    ).fetchone() or ([],)
    assert f"lock_timeout={tables._LOCK_WAIT}" in found and tables._LOCK_WAIT == "500ms"


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
        thread.join(120)
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


@dataclass
class Counted:
    """A snapshot of the source with a row in each table."""

    position: Position = Position("log.1", 1)
    tables: dict[Place, None] = field(default_factory=lambda: dict.fromkeys(PLACES))

    def count(self, table: None) -> int:
        return 1


@pytest.fixture
def a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source's tables are being altered when it is looked at first."""
    tries = []

    @contextmanager
    def snapshot(settings: Settings) -> Iterator[Counted]:
        tries.append(settings)
        if len(tries) == 1:
            raise TableChanged
        yield Counted()

    monkeypatch.setattr(sources, "snapshot", snapshot)


def test_a_table_that_goes_before_it_is_counted(
    reader: psycopg.Connection[Any], engine_dsn: str, a_snapshot: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, looks = State.tables, []

    def then_it_goes(self: State, connection: psycopg.Connection[Any]) -> dict[Place, Replicated]:
        found = look(self, connection)
        if not looks:
            reader.execute('drop table "rental_landing.rental".a')
            self.forget_table(reader, PLACES[0])
            reader.commit()
        looks.append(found)
        return found

    monkeypatch.setattr(State, "tables", then_it_goes)
    assert monitor.compare(engine_dsn, SETTINGS, 60) == [
        (*PLACES[0], "", 1, None), (*PLACES[1], SYNCED, 1, 0),
    ]  # fmt: skip


def test_a_table_that_would_be_made_anew_while_it_is_counted(
    reader: psycopg.Connection[Any], engine_dsn: str, a_snapshot: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows would be younger than the snapshot: it would seem empty."""
    reader.execute('insert into "rental_landing.rental".a values (1, true, now(), null)')
    reader.commit()
    load, waited = State.load, []

    def meanwhile(self: State, connection: psycopg.Connection[Any]) -> Any:
        found = load(self, connection)
        reader.execute("set local lock_timeout = '100ms'")
        try:
            reader.execute('truncate "rental_landing.rental".a')
            reader.commit()
        except psycopg.errors.LockNotAvailable as error:
            waited.append(error)
            reader.rollback()
        return found

    monkeypatch.setattr(State, "load", meanwhile)
    assert monitor.compare(engine_dsn, SETTINGS, 60)[0] == (*PLACES[0], SYNCED, 1, 1)
    assert waited
