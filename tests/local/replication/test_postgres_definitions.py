"""Tables of a PostgreSQL that come, go, change, or cannot land."""

from __future__ import annotations

from typing import Any

import pytest
from postgres import Postgres
from replica import Replica, changed_filter

pytestmark = pytest.mark.slow


def test_states(postgres_replica: Replica, postgres_source: Postgres) -> None:
    replica, server = postgres_replica, postgres_source
    server.execute(
        "create type mood as enum ('a')",
        "create table keyless (a int)",
        "create table custom (id int primary key, m mood)",
        "create table free (id int primary key, n numeric)",
        "create table odd (id int primary key, n numeric(5,2), d timestamptz)",
        "create table parted (id int, d date, primary key (id, d)) partition by range (d)",
        "create table parted_2024 partition of parted for values from ('2024-01-01') to ('2025-01-01')",
        "create unlogged table fleeting (id int primary key)",
        "create table texts (id int primary key, t text)",
        "insert into parted values (1, '2024-05-05')",
    )
    replica.start()
    states = replica.until(lambda: len(replica.states()) == 6 and replica.states(), "six tables")
    replica.until_state("texts", "Synced")
    assert states["keyless"] == ("Failed", "The table has no primary key")
    assert states["custom"] == ("Failed", "The column m has the unsupported data type MOOD")
    assert states["free"] == ("Failed", "The column n has the unsupported data type NUMERIC")
    assert states["parted_2024"] == ("Synced", "")
    server.execute(
        "alter table keyless add primary key (a)",
        "insert into odd values (1, 'NaN', null)",
        "insert into parted values (2, '2024-06-06')",
        "insert into texts values (1, repeat('é', 32768))",
    )
    replica.until_state("keyless", "Synced")
    assert "NaN, infinity" in replica.until_state("odd", "Failed")
    assert "TRUNCATECOLUMNS is not set" in replica.until_state("texts", "Failed")
    server.execute("update odd set n = 1, d = 'infinity'")
    replica.engine.execute(
        "update zeroshift.integration_tables set table_state = 'ResyncInitiated' where table_name = 'odd'"
    )
    replica.until(lambda: replica.states()["odd"][0] == "Failed", "the second failure")
    server.execute("update odd set d = '9999-12-31 23:59:59+00'")
    replica.refresh("odd")
    replica.catch_up()
    assert [row[0] for row in replica.present("parted_2024")] == [1, 2]

    server.execute("drop table texts", "alter table odd rename to even", "drop table keyless")
    replica.until_state("odd", "DroppedSource")
    replica.until_state("even", "Synced")
    replica.until_state("keyless", "DroppedSource")
    server.execute("create table keyless (a int primary key)")
    replica.until(lambda: "of this name again" in replica.states()["keyless"][1], "the reason")
    replica.refresh("keyless")


def test_definitions_that_are_carried_over_and_those_that_are_not(
    postgres_replica: Replica, postgres_source: Postgres
) -> None:
    replica, server = postgres_replica, postgres_source
    server.execute("create table t (id int primary key, a int, b text)", "insert into t values (1, 1, 'x')")
    replica.start()
    replica.until_state("t", "Synced")
    first, file = replica.copied_at(), _file(replica)
    server.execute("vacuum full t")
    replica.until(lambda: _file(replica) != file, "a look")
    # Nobody writes to it: the catalog tells.
    server.execute("alter table t add column c int default 5")
    replica.until(lambda: replica.columns("t") == ["id", "a", "b", "c"], "the column")
    assert replica.present("t") == [(1, 1, "x", 5)]
    with server.connect() as connection, connection.transaction():
        # Rows before and after the definitions of one transaction.
        connection.execute("insert into t values (2, 2, 'y')")
        connection.execute("alter table t rename column a to z")
        connection.execute("alter table t add column d varchar(3) default 'q'")
        connection.execute("alter table t drop column b")
        connection.execute("insert into t (id, z) values (3, 3)")
    replica.catch_up()
    assert replica.columns("t") == ["id", "z", "c", "d"]
    assert replica.present("t") == [(1, 1, 5, "q"), (2, 2, 5, "q"), (3, 3, 5, "q")]
    server.execute("create index on t (z)", "analyze t", "alter table t alter z set default 4")
    server.execute("alter table t rename column id to key", "update t set z = 0 where key = 1")
    replica.catch_up()
    assert replica.present("t")[0] == (1, 0, 5, "q")
    replica.stop()
    # While nobody replicates: a column that comes and goes is never seen, and each row ends as it is.
    server.execute(
        "alter table t add column e int default 1", "update t set z = 8 where key = 2", "alter table t drop column e",
        "alter table t add column f bigint default 2", "update t set z = 9 where key = 3",
    )  # fmt: skip
    replica.start()
    replica.catch_up()
    replica.until(lambda: replica.columns("t") == ["key", "z", "c", "d", "f"], "the column f")
    assert [row[:2] + row[4:] for row in replica.present("t")] == [(1, 0, 2), (2, 8, 2), (3, 9, 2)]
    assert replica.copied_at() == first

    # What writes the table anew, or gives a name to another column, is copied.
    for statements in (
        ["alter table t add column g float default random()"],
        ["alter table t alter c type int using c + 1"],
        ["alter table t alter c type bigint"],
        ["alter table t drop column f, add column f int default 7"],
        ["alter table t add unique (z)", "alter table t drop constraint t_pkey, add primary key (z)"],
    ):
        server.execute(*statements)
        replica.until(lambda before=first: replica.copied_at() > before, f"the copy after {statements}")
        replica.until_state("t", "Synced")
        first = replica.copied_at()
    assert replica.columns("t") == ["key", "z", "c", "d", "g", "f"]
    assert [row[:4] for row in replica.present("t")] == [(1, 0, 6, "q"), (2, 8, 6, "q"), (3, 9, 6, "q")]
    server.execute("update t set key = 1 where z = 9")
    replica.catch_up()
    assert [row[0] for row in replica.present("t")] == [1, 1, 2]


def _file(replica: Replica) -> Any:
    row = replica.engine.execute("select definition -> 'file' from zeroshift.replicated_tables").fetchone()
    assert row is not None
    return row[0]


def test_a_changed_filter_ends_and_begins_tables(
    postgres_replica: Replica, postgres_source: Postgres, engine_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_filter(
        postgres_replica,
        postgres_source,
        engine_dsn,
        "include: rental.*.*, exclude: rental.public.one",
        monkeypatch,
    )
