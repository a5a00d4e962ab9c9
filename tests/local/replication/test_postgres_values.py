"""What each type of a PostgreSQL lands as, how rows are found again, and what is seen of one transaction."""

from __future__ import annotations

from decimal import Decimal

import pytest
from postgres import Postgres
from replica import Replica

pytestmark = pytest.mark.slow

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
