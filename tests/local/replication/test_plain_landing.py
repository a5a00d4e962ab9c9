"""history_mode = false: landing has the present rows, and the source's columns alone; and what turning it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
from mariadb import MariaDb
from postgres import Postgres
from replica import Replica

from deployer.errors import Unsafe
from deployer.local.replication import monitor

CHANGES = (
    "insert into notes values (3, 'c'), (4, 'd')",
    "update notes set note = 'x' where id = 1",
    "update notes set id = 9 where id = 2",
    "delete from notes where id = 3",
    "alter table notes add column stars int default 5",
    "update notes set stars = 1 where id = 9",
)


@pytest.fixture
def maria_replica(source_server: MariaDb, engine_dsn: str, fresh_database: Any) -> Iterator[Replica]:
    made = Replica(source_server, engine_dsn, history_mode=False)
    yield made
    made.close()


@pytest.fixture
def other_replica(postgres_source: Postgres, engine_dsn: str, fresh_database: Any) -> Iterator[Replica]:
    made = Replica(postgres_source, engine_dsn, history_mode=False)
    yield made
    made.close()


def follow(replica: Replica, server: Any) -> None:
    server.execute(
        "create table notes (id int primary key, note varchar(9))",
        "insert into notes values (1, 'a'), (2, 'b')",
        "create table others (id int primary key)",
    )
    replica.start()
    replica.until_state("others", "Synced")
    assert replica.columns("notes") == ["id", "note"]
    assert replica.present("notes") == [(1, "a"), (2, "b")]
    server.execute(*CHANGES)
    replica.catch_up()
    assert replica.present("notes") == [(1, "x", 5), (4, "d", 5), (9, "b", 1)]
    rows = replica.engine.execute(
        "select trim(table_name), table_rows, is_history_mode from redshift_catalog.svv_integration_table_state"
        " order by 1"
    ).fetchall()
    assert rows == [("notes", 3, False), ("others", 0, False)]
    assert {row[3:] for row in monitor.compare(replica.dsn, replica.settings, 60)} == {(0, 0), (3, 3)}
    replica.engine.execute(
        "select zeroshift.refresh_integration('rental_landing', 'table', array[%s, 'notes'])",
        (replica.server.schema,),
    )
    replica.until_state("notes", "Synced")
    assert replica.present("notes") == [(1, "x", 5), (4, "d", 5), (9, "b", 1)]
    server.execute("truncate table notes", "insert into notes values (7, 'g', 0)", "drop table others")
    replica.catch_up()
    replica.until(lambda: "others" not in replica.states(), "others to go")
    assert replica.present("notes") == [(7, "g", 0)]
    found = replica.engine.execute(
        "select to_regclass(%s)", (f'"rental_landing.{replica.server.schema}".others',)
    ).fetchone()
    assert found == (None,)
    server.execute("create table others (id int primary key)", "insert into others values (1)")
    replica.until_state("others", "Synced")
    replica.catch_up()
    assert replica.present("others") == [(1,)]


@pytest.mark.slow
def test_a_mariadb_without_history(maria_replica: Replica, source_server: MariaDb, engine_dsn: str) -> None:
    follow(maria_replica, source_server)
    maria_replica.stop()
    # What the filter no longer lets through goes; with history it would stay, ended.
    without = Replica(
        source_server, engine_dsn, "include: rental.*, exclude: rental.notes", history_mode=False
    )
    without.start()
    without.until(lambda: set(without.states()) == {"others"}, "notes to go")
    without.close()


@pytest.mark.slow
def test_a_postgresql_without_history(other_replica: Replica, postgres_source: Postgres) -> None:
    follow(other_replica, postgres_source)


def turned(replica: Replica, history: bool) -> None:
    """Wait until the table notes was copied in its other form."""
    statement = (
        "select from zeroshift.integration_tables where table_name = 'notes' and table_state = 'Synced'"
        " and is_history_mode = %s"
    )
    replica.until(lambda: replica.engine.execute(statement, (history,)).fetchone() is not None, "the copy")


def turn(made: Callable[..., Replica], server: Any) -> None:
    """History mode off and on again, while the source goes on."""
    server.execute(
        "create table notes (id int primary key, note varchar(9))", "insert into notes values (1, 'a')",
        "create table gone (id int primary key)", "create table keyless (id int)",
    )  # fmt: skip
    kept = made().start()
    kept.until_state("notes", "Synced")
    kept.until_state("gone", "Synced")
    kept.until_state("keyless", "Failed")
    kept.engine.execute(
        f'create role reader; grant select on "rental_landing.{server.schema}".notes to reader'
    )
    server.execute("update notes set note = 'b' where id = 1", "drop table gone")
    kept.catch_up()
    kept.until_state("gone", "DroppedSource")
    kept.close()
    server.execute("insert into notes values (2, 'x')")

    plain = made(history_mode=False).start()
    turned(plain, False)
    plain.catch_up()
    assert plain.present("notes") == [(1, "b"), (2, "x")]
    names = [
        name
        for (name,) in plain.engine.execute(
            "select tablename from pg_tables where schemaname = %s and tablename like %s",
            (f"rental_landing.{server.schema}", "notes%"),
        )
    ]
    (aside,) = set(names) - {"notes"}
    assert aside.startswith("notes_historical_2")
    assert [row[:2] for row in plain.versions(aside)] == [(1, "a"), (1, "b")]
    for name in names:
        found = plain.engine.execute(
            "select has_table_privilege('reader', %s, 'select')",
            (f'"rental_landing.{server.schema}"."{name}"',),
        ).fetchone()
        assert found == (True,), name
    # What the source had dropped before keeps its history.
    assert plain.states()["gone"] == ("DroppedSource", "")
    shown = dict(
        plain.engine.execute(
            "select trim(table_name), is_history_mode from redshift_catalog.svv_integration_table_state"
        ).fetchall()
    )
    assert (shown["notes"], shown["gone"]) == (False, True)
    server.execute("update notes set note = 'y' where id = 2")
    plain.catch_up()
    assert plain.present("notes") == [(1, "b"), (2, "y")]
    plain.engine.execute(
        "update zeroshift.integration_tables set table_state = 'Failed' where table_name = 'notes'"
    )
    plain.close()

    refused = made()
    with pytest.raises(
        Unsafe, match=r"can be turned on only while its tables are Synced, but \w+.notes is Failed"
    ):
        refused.start().until(lambda: False, "the refusal")
    refused.engine.execute(
        "update zeroshift.integration_tables set table_state = 'Synced' where table_name = 'notes'"
    )
    refused.close()
    again = made().start()
    turned(again, True)
    server.execute("update notes set note = 'z' where id = 2")
    again.catch_up()
    assert again.present("notes") == [(1, "b"), (2, "z")]
    assert sorted(row[:3] for row in again.versions("notes")) == [
        (1, "b", True), (2, "y", False), (2, "z", True),
    ]  # fmt: skip
    again.engine.execute("drop owned by reader; drop role reader")
    again.close()


@contextmanager
def replicas(server: Any, dsn: str) -> Iterator[Callable[..., Replica]]:
    """Makes replicas, and closes them whatever happens: they hold a lock of the warehouse."""
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(closing(Replica(server, dsn, **more)))


@pytest.mark.slow
def test_history_of_a_mariadb_is_turned_off_and_on(
    source_server: MariaDb, engine_dsn: str, fresh_database: Any
) -> None:
    with replicas(source_server, engine_dsn) as made:
        turn(made, source_server)


@pytest.mark.slow
def test_history_of_a_postgresql_is_turned_off_and_on(
    postgres_source: Postgres, engine_dsn: str, fresh_database: Any
) -> None:
    with replicas(postgres_source, engine_dsn) as made:
        turn(made, postgres_source)
