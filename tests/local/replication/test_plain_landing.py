"""history_mode = false: landing has the present rows, and the source's columns alone."""

from __future__ import annotations

from collections.abc import Iterator
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
    turned = Replica(source_server, engine_dsn).start()
    with pytest.raises(Unsafe, match="was made without history mode"):
        turned.until(lambda: False, "the refusal")
    turned.close()


@pytest.mark.slow
def test_a_postgresql_without_history(other_replica: Replica, postgres_source: Postgres) -> None:
    follow(other_replica, postgres_source)
