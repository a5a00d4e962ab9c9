"""What becomes of replication when a PostgreSQL restarts, forgets, or is set up wrongly; what every type lands as."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from replica import Replica

from deployer.errors import Unavailable
from deployer.local.environment import Status
from deployer.local.replication.position import SourceLost

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs/local-replication-postgresql.md"

TYPES = """create table types (id bigserial primary key, si smallint, i integer, bi bigint, n numeric(12,2),
 n2 numeric(38,10), n3 numeric(5,0), f real, g double precision, m money, b boolean, c char(5), v varchar(20), t text,
 ts tsvector, u uuid, by bytea, b1 bit(1), b9 bit(9), vb bit varying(20), d date, t0 timestamp, t3 timestamp(3),
 tz timestamptz, tm time, tt timetz, iy interval year to month, ids interval day to second, j json, jb jsonb,
 ai int[], at text[], ab boolean[], aj jsonb[], ip inet, ci cidr, mac macaddr, o oid, nm name,
 x8 xid8, iv int2vector)"""

ROWS = (
    "insert into types values (default, -32768, -2147483648, -9223372036854775808, -9999999999.99,"
    " -1234567890123456789012345678.0123456789, -99999, 1.1, -1.5e300, '-1234.56',"
    " true, 'ab', e'hé\\t\\n\\\\\\r', '😀',"
    " 'a b:2', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\x00ff5c', b'1', b'100000001', b'10101',"
    " '2024-02-29', '9999-12-31 23:59:59.999999', '2024-02-29 23:59:59.001', '2024-01-01 00:00:00+05',"
    " '23:59:59.000001',"
    " '12:00:00+02', '-3 years 2 months', '1 day 02:03:04.5', '{\"a\":  [1, \"ä\"]}', '{\"a\": [1, \"ä\"]}',"
    " '{{1,null},{3,4}}', array['a,b', null, 'NULL', 'q\"\\\\', ''], '{t,f}', array['{\"a\":1}'::jsonb], '10.0.0.1/8',"
    " '10.0.0.0/8', '08:00:2b:01:02:03', 4294967295, 'nam', '18446744073709551615', '1 2')",
    "insert into types (id) values (default)",
    "insert into types (c, v, t, j, f, g, n2, at, vb) values ('a\\b', repeat('é', 20), repeat('x', 65535), 'null',"
    " 16777216, 0.1, 12345678901234567890.5, '{}', '')",
)


@pytest.mark.parametrize("identity", ["default", "full"])
def test_a_changed_row_lands_as_a_copied_one(
    postgres_replica: Replica, postgres_source: Postgres, identity: str
) -> None:
    """The server's own text (first copy) and pgoutput's of the same values, in every type."""
    replica, server = postgres_replica, postgres_source
    server.execute(TYPES, f"alter table types replica identity {identity}", *ROWS)
    replica.start()
    replica.until_state("types", "Synced")
    copied = [row[1:] for row in replica.present("types")]
    assert len(copied) == len(ROWS)
    server.execute("truncate types", *ROWS)
    replica.catch_up()
    streamed = [row[1:] for row in replica.present("types")]
    assert replica.states()["types"] == ("Synced", "")
    assert streamed == copied
    (first,) = [
        dict(zip(replica.columns("types"), row, strict=True))
        for row in replica.present("types")
        if row[1] == -32768
    ]
    assert (first["m"], first["b"], first["c"]) == (Decimal("-1234.560"), True, "ab   ")
    assert (first["by"], first["b1"], first["b9"]) == (b"\x00\xff\x5c", b"\x80", b"\x80\x80")
    assert first["x8"] == Decimal(2**64 - 1) and first["tt"] == "12:00:00+02"
    found = replica.engine.execute(
        'select ai::text, at::text, iv::text from "rental_landing.public".types where si is not null'
        " and _record_is_active"
    ).fetchone()
    assert found == ("[[1,null],[3,4]]", '["a,b",null,"NULL","q\\"\\\\\\\\",""]', "[1,2]")
    # What is not sent of a changed row is taken from landing, in the same words: nothing else of it may change.
    before = {row[0]: row for row in replica.present("types")}
    server.execute("update types set i = 7", "update types set v = 'z', id = id + 100 where bi is not null")
    replica.catch_up()
    after = {row[0] % 100: row for row in replica.present("types")}
    assert replica.states()["types"] == ("Synced", "")
    assert {row[0] > 100 for row in after.values()} == {True, False}
    for key, row in after.items():
        assert (row[1], row[2], row[3:12], row[13:]) == (
            before[key][1],
            7,
            before[key][3:12],
            before[key][13:],
        )


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("varchar(20)", ["'a'", "'ö '", "''"]),
        ("char(3)", ["'a'", "'b c'", "''"]),
        ("bytea", [r"'\x610000'", r"'\x00'", r"'\x616263'"]),
        ("numeric(20,5)", ["1.5", "-2", "12345678901234.12345"]),
        ("boolean", ["true", "false"]),
        ("timestamptz", ["'2024-01-01+00'", "'2024-01-01 00:00:00.000001+05'", "'2025-01-01 01:02:03+00'"]),
        ("date", ["'2024-01-01'", "'2024-01-02'", "'2025-01-01'"]),
        ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'"]),
        ("jsonb", ["'{\"a\": 1}'", "'[1]'"]),
        ("interval day to second", ["'1 day'", "'25 hours'"]),
    ],
)
def test_keys_of_every_kind(
    postgres_replica: Replica, postgres_source: Postgres, kind: str, values: list[str]
) -> None:
    replica, server = postgres_replica, postgres_source
    server.execute(f"create table k (a {kind}, b int, v int, primary key (b, a))")
    replica.start()
    replica.until_state("k", "Synced")
    server.execute(
        *[f"insert into k values ({value}, 1, 1)" for value in values],
        *[f"update k set v = 2 where a = {value}" for value in values],
        f"update k set b = 2 where a = {values[1]}",
        f"delete from k where a = {values[0]}",
    )
    replica.catch_up()
    assert replica.states()["k"] == ("Synced", "")
    wanted = [(1, 2), (2, 2)] if len(values) == 3 else [(2, 2)]
    assert sorted((row[1], row[2]) for row in replica.present("k")) == wanted


def test_large_values_that_are_left_alone_are_not_lost(
    postgres_replica: Replica, postgres_source: Postgres
) -> None:
    """PostgreSQL does not send a TOASTed value that an update has not changed."""
    replica, server = postgres_replica, postgres_source
    server.execute(
        "create table t (id int primary key, big text, n int)",
        "alter table t alter big set storage external",
        "insert into t select i, repeat('abcdefgh', 1000) || i, 0 from generate_series(1, 3) as i",
    )
    replica.start()
    replica.until_state("t", "Synced")
    with server.connect() as connection:
        connection.execute("update t set n = 1 where id = 1")
        with connection.transaction():
            connection.execute("insert into t values (4, repeat('z', 9000), 0)")
            connection.execute("update t set n = 1 where id = 4")
            connection.execute("update t set n = 2, id = 5 where id = 2")
            connection.execute("update t set n = 3 where id = 5")
        # Nothing changed: no version, as far as landing can tell.
        connection.execute("update t set n = 0 where id = 3")
        connection.execute("alter table t replica identity full")
        connection.execute("update t set n = 9 where id = 3")
    replica.catch_up()
    assert replica.states()["t"] == ("Synced", "")
    text = "abcdefgh" * 1000
    assert replica.present("t") == [
        (1, text + "1", 1), (3, text + "3", 9), (4, "z" * 9000, 1), (5, text + "2", 3),
    ]  # fmt: skip
    assert len(replica.versions("t")) == 7


def test_source_restarts_and_lost_slots(postgres_replica: Replica, postgres_source: Postgres) -> None:
    replica, server = postgres_replica, postgres_source
    server.execute("create table one (id int primary key)", "insert into one values (1)")
    replica.start()
    replica.until_state("one", "Synced")
    server.kill()
    with pytest.raises(SourceLost):
        replica.until(lambda: False, "the break")
    server.start()
    server.execute("insert into one values (2)")
    replica.stop()
    replica.start()
    replica.catch_up()
    assert replica.present("one") == [(1,), (2,)]

    # While nobody replicates the slot goes.
    replica.stop()
    server.execute(
        "insert into one values (3)", "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
    )
    replica.start()
    reason = replica.until_state("one", "ResyncRequired")
    assert "the source's WAL no longer has them: the replication slot zeroshift_rental_" in reason
    assert replica.present("one") == [(1,), (2,)]
    _refresh(replica, "one")
    assert replica.present("one") == [(1,), (2,), (3,)]
    server.execute("insert into one values (4)")
    replica.catch_up()
    assert replica.present("one") == [(1,), (2,), (3,), (4,)]

    # A slot that somebody moved on, or the server gave up, lacks what landing lacks.
    replica.stop()
    server.execute(
        "insert into one values (5)",
        "select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) from pg_replication_slots",
    )
    replica.start()
    assert "was moved on" in replica.until_state("one", "ResyncRequired")
    _refresh(replica, "one")
    replica.stop()
    server.execute("alter system set max_slot_wal_keep_size = '1MB'", "select pg_reload_conf()")
    try:
        for _ in range(4):
            server.execute(
                "insert into one select max(id) + 1 from one", "select pg_switch_wal()", "checkpoint"
            )
        replica.start()
        assert "was invalidated" in replica.until_state("one", "ResyncRequired")
    finally:
        server.execute("alter system reset max_slot_wal_keep_size", "select pg_reload_conf()")
    _refresh(replica, "one")
    assert len(replica.present("one")) == 9


def test_a_publication_that_was_not_there_for_a_while(
    postgres_replica: Replica, postgres_source: Postgres
) -> None:
    """Changes are lost then, and PostgreSQL says nothing: it is no dropped table, and the copy is made anew."""
    replica, server = postgres_replica, postgres_source
    server.execute("create table one (id int primary key)", "insert into one values (1)")
    replica.start()
    replica.until_state("one", "Synced")
    server.execute("drop publication zeroshift", "insert into one values (2)")
    with pytest.raises(Unavailable, match="it has no publication zeroshift"):
        replica.until(lambda: False, "the refusal")
    assert replica.states()["one"] == ("Synced", "")
    replica.stop()
    server.execute("create publication zeroshift for table one")
    replica.start()
    # Servers before 18 do not even decode what happened meanwhile.
    replica.until(
        lambda: len(replica.present("one")) == 2 or replica.states()["one"][0] == "ResyncRequired", "it"
    )
    if replica.states()["one"][0] == "ResyncRequired":
        _refresh(replica, "one")
    replica.until_state("one", "Synced")
    assert replica.present("one") == [(1,), (2,)]
    before = _copied_at(replica)
    server.execute(
        "alter publication zeroshift drop table one", "insert into one values (3)",
        "alter publication zeroshift add table one",
    )  # fmt: skip
    replica.until(
        lambda: _copied_at(replica) > before or replica.states()["one"][0] == "DroppedSource", "the copy"
    )


def _refresh(replica: Replica, table: str) -> None:
    replica.engine.execute(
        "update zeroshift.integration_tables set table_state = 'ResyncInitiated' where table_name = %s",
        (table,),
    )
    replica.until_state(table, "Synced")


def test_a_source_that_is_not_set_up_is_refused(postgres_replica: Replica, postgres_source: Postgres) -> None:
    postgres_source.execute("drop publication zeroshift", "alter role replicator noreplication")
    try:
        with pytest.raises(Unavailable) as refused:
            postgres_replica.start().until(lambda: False, "the refusal")
    finally:
        postgres_source.execute("alter role replicator replication")
    assert "ALTER ROLE replicator REPLICATION" in str(refused.value)
    assert "run CREATE PUBLICATION zeroshift FOR ALL TABLES there" in str(refused.value)


def test_the_page_prepares_a_source(
    postgres_source: Postgres, engine_dsn: str, fresh_database: Status
) -> None:
    """As docs/local-replication-postgresql.md says it, for an account that may do nothing else."""
    server = postgres_source
    statements = re.search(r"```sql\n(create role.*?)```", PAGE.read_text(), re.S)
    assert statements is not None
    server.execute(
        "drop publication zeroshift", "create table one (id int primary key)", "insert into one values (1)"
    )
    server.execute("drop owned by guided; drop role guided" if _has_role(server) else "select 1")
    server.execute(*statements[1].replace("replicator", "guided").strip().split(";\n"))
    made = Replica(server, engine_dsn)
    made.settings = replace(made.settings, user="guided", password="...")
    try:
        made.start().until_state("one", "Synced")
        server.execute("insert into one values (2)")
        made.catch_up()
        assert made.present("one") == [(1,), (2,)]
    finally:
        made.close()


def _has_role(server: Postgres) -> bool:
    with server.connect() as connection:
        return connection.execute("select 1 from pg_roles where rolname = 'guided'").fetchone() is not None


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
    _refresh(replica, "odd")
    replica.catch_up()
    assert [row[0] for row in replica.present("parted_2024")] == [1, 2]

    server.execute("drop table texts", "alter table odd rename to even", "drop table keyless")
    replica.until_state("odd", "DroppedSource")
    replica.until_state("even", "Synced")
    replica.until_state("keyless", "DroppedSource")
    server.execute("create table keyless (a int primary key)")
    replica.until(lambda: "of this name again" in replica.states()["keyless"][1], "the reason")
    _refresh(replica, "keyless")


def test_definitions_that_are_carried_over_and_those_that_are_not(
    postgres_replica: Replica, postgres_source: Postgres
) -> None:
    replica, server = postgres_replica, postgres_source
    server.execute("create table t (id int primary key, a int, b text)", "insert into t values (1, 1, 'x')")
    replica.start()
    replica.until_state("t", "Synced")
    first, file = _copied_at(replica), _file(replica)
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
    assert _copied_at(replica) == first

    # What writes the table anew, or gives a name to another column, is copied.
    for statements in (
        ["alter table t add column g float default random()"],
        ["alter table t alter c type int using c + 1"],
        ["alter table t alter c type bigint"],
        ["alter table t drop column f, add column f int default 7"],
        ["alter table t add unique (z)", "alter table t drop constraint t_pkey, add primary key (z)"],
    ):
        server.execute(*statements)
        replica.until(lambda before=first: _copied_at(replica) > before, f"the copy after {statements}")
        replica.until_state("t", "Synced")
        first = _copied_at(replica)
    assert replica.columns("t") == ["key", "z", "c", "d", "g", "f"]
    assert [row[:4] for row in replica.present("t")] == [(1, 0, 6, "q"), (2, 8, 6, "q"), (3, 9, 6, "q")]
    server.execute("update t set key = 1 where z = 9")
    replica.catch_up()
    assert [row[0] for row in replica.present("t")] == [1, 1, 2]


def _file(replica: Replica) -> Any:
    row = replica.engine.execute("select definition -> 'file' from zeroshift.replicated_tables").fetchone()
    assert row is not None
    return row[0]


def _copied_at(replica: Replica) -> Any:
    row = replica.engine.execute("select max(copied_at) from zeroshift.integration_tables").fetchone()
    assert row is not None
    return row[0]


def test_a_changed_filter_ends_and_begins_tables(
    postgres_replica: Replica, postgres_source: Postgres, engine_dsn: str
) -> None:
    replica, server = postgres_replica, postgres_source
    server.execute(
        "create table one (id int primary key)",
        "create table two (id int primary key)",
        "insert into one values (1)",
    )
    replica.start()
    replica.until_state("one", "Synced")
    replica.stop()
    server.execute("insert into two values (2)")
    other = Replica(server, engine_dsn, "include: rental.*.*, exclude: rental.public.one")
    try:
        other.start()
        assert "data filter" in other.until_state("one", "DroppedSource")
        other.catch_up()
        assert other.present("one") == []
        assert other.present("two") == [(2,)]
        other.stop()
        replica.start()
        replica.until_state("one", "Synced")
        assert replica.present("one") == [(1,)]
    finally:
        other.close()


def test_truncate_inside_a_transaction_and_savepoints(
    postgres_replica: Replica, postgres_source: Postgres
) -> None:
    replica, server = postgres_replica, postgres_source
    server.execute("create table t (id int primary key, n int)", "insert into t values (1, 1), (2, 2)")
    replica.start()
    replica.until_state("t", "Synced")
    with server.connect() as connection, connection.transaction():
        connection.execute("update t set n = 5 where id = 1")
        connection.execute("truncate t")
        connection.execute("insert into t values (2, 3)")
        connection.execute("savepoint a")
        connection.execute("insert into t select i, 0 from generate_series(10, 20000) as i")
        connection.execute("rollback to a")
        connection.execute("insert into t select i, 1 from generate_series(10, 5000) as i")
    server.execute("update t set n = 4 where id = 2")
    replica.catch_up()
    assert len(replica.present("t")) == 4992
    assert sorted([row[:3] for row in replica.versions("t") if row[0] < 10]) == [
        (1, 1, False), (2, 2, False), (2, 3, False), (2, 4, True),
    ]  # fmt: skip
