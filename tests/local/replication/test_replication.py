"""Replication from a real MariaDB, in its main lines: first copy, changes, definitions, states."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from mariadb import MariaDb
from replica import Replica

from deployer.errors import UsageError
from deployer.local.landing import integration as csv_landing

BOOKINGS = (
    "create table bookings (id bigint primary key, note varchar(20), price decimal(10,2),"
    " changed datetime(3) default '2024-01-02 03:04:05.678')"
)


def test_copy_changes_and_definitions(replica: Replica, source_server: MariaDb) -> None:
    """One story, since each start costs: what was there, what is done then, how history tells it."""
    source_server.execute(
        BOOKINGS, "insert into bookings (id, note, price) values (1, 'ä\\t\\n\\\\', 1.5), (2, null, null)"
    )
    replica.start()
    replica.until_state("bookings", "Synced")
    assert [row[:3] for row in replica.present("bookings")] == [
        (1, "ä\t\n\\", Decimal("1.50")),
        (2, None, None),
    ]

    with source_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("update bookings set note = 'x' where id = 1")
        cursor.execute("begin")
        # Of one transaction only the outcome is seen: 3 was never there, 2 is gone, 4 is.
        cursor.execute("insert into bookings (id, note) values (3, 'c')")
        cursor.execute("update bookings set id = 4 where id = 3")
        cursor.execute("delete from bookings where id = 2")
        cursor.execute("commit")
        cursor.execute("begin")
        cursor.execute("delete from bookings")
        cursor.execute("rollback")
        cursor.execute("alter table bookings add column guests int not null default 2")
        cursor.execute("update bookings set guests = 3 where id = 4")
    replica.catch_up()
    versions = [(row[0], row[1], row[4], row[5]) for row in replica.versions("bookings")]
    assert sorted(versions, key=repr) == sorted(
        [
            (1, "ä\t\n\\", None, False), (1, "x", 2, True), (2, None, None, False), (4, "c", 2, False),
            (4, "c", 3, True),
        ],
        key=repr,
    )  # fmt: skip
    times = {(row[0], row[1], row[4]): (row[6], row[7]) for row in replica.versions("bookings")}
    assert times[1, "ä\t\n\\", None][1] == times[1, "x", 2][0]
    assert times[4, "c", 2][1] == times[4, "c", 3][0]
    # Both of one transaction, at one instant.
    assert times[2, None, None][1] == times[4, "c", 2][0]

    source_server.execute(
        "alter table bookings rename column note to remark", "alter table bookings drop column price",
        "truncate bookings", "insert into bookings (id, remark) values (1, 'again')",
        "create table extra (a int, b varchar(5), primary key (b, a))", "insert into extra values (1, 'k'), (1, 'l')",
        "update extra set a = 2 where b = 'k'",
    )  # fmt: skip
    replica.catch_up()
    replica.until_state("extra", "Synced")
    assert replica.columns("bookings") == ["id", "remark", "changed", "guests"]
    assert [row[:2] for row in replica.present("bookings")] == [(1, "again")]
    assert sum(row[4] is False for row in replica.versions("bookings")) == 5
    assert replica.present("extra") == [(1, "l"), (2, "k")]
    lag, checkpoint = replica.engine.execute(
        "select current_lag, trim(last_replicated_checkpoint) from redshift_catalog.svv_integration"
    ).fetchone() or (None, None)
    assert lag is not None and checkpoint.startswith('{"txn_seq":')
    with (
        pytest.raises(UsageError, match="is fed by replication"),
        csv_landing.writing(replica.dsn) as connection,
    ):
        csv_landing.ensure(connection)


def test_states_resync_and_what_cannot_be_read(
    replica: Replica, source_server: MariaDb, connect: Any, status: Any
) -> None:
    """Tables that zero-ETL does not take, a table that is copied anew, and reading one that is out of sync."""
    source_server.execute(
        "create table nokey (a int)", "create table blobs (a int primary key, b blob)",
        "create table memory_one (a int primary key) engine = memory",
        "create table parents (a int primary key)", BOOKINGS,
        "create table children (a int primary key, p int, foreign key (p) references parents (a) on delete set null)",
        "create table zeros (a int primary key, d date)", "set sql_mode = ''",
        "insert into zeros values (1, '0000-00-00')",
        "insert into bookings (id) values (1)",
    )  # fmt: skip
    replica.start()
    replica.until_state("bookings", "Synced")
    assert {name: reason for name, (state, reason) in replica.states().items() if state == "Failed"} == {
        "nokey": "The table has no primary key",
        "blobs": "The column b has the unsupported data type BLOB",
        "memory_one": "The table's storage engine is MEMORY; only InnoDB is supported",
        "children": "The foreign key children_ibfk_1 has SET NULL, which is not supported",
        "zeros": "A value cannot be represented in Amazon Redshift: date/time field value out of range:"
        ' "0000-00-00"',
    }
    # A key that is added later mends by itself, other reasons wait for a refresh.
    source_server.execute("alter table nokey add primary key (a)", "insert into nokey values (7)")
    replica.until_state("nokey", "Synced")
    # The copy may be of before the row.
    replica.catch_up()
    assert replica.present("nokey") == [(7,)]

    # A bad value puts the table out of sync, and nothing else.
    source_server.execute(
        "set sql_mode = ''",
        "update bookings set changed = '0000-00-00' where id = 1",
        "insert into nokey values (8)",
    )
    replica.until_state("bookings", "Failed")
    replica.catch_up()
    assert replica.present("nokey") == [(7,), (8,)]
    session = connect(autocommit=True)
    cursor = session.cursor()
    cursor.execute(
        "select trim(new_state), trim(state_change_reason) from sys_integration_table_state_change"
        " where table_name = 'nokey' order by record_time"
    )
    assert list(map(tuple, cursor.fetchall())) == [
        ("Failed", "The table has no primary key"),
        ("ResyncInitiated", ""),
        ("Synced", ""),
    ]
    with pytest.raises(
        Exception, match="rental_landing.rental.bookings cannot be queried: its state is Failed"
    ):
        cursor.execute("select count(*) from rental_landing.rental.bookings")
    source_server.execute("update bookings set changed = null")
    cursor.execute("alter database rental_landing integration refresh table rental.bookings")
    replica.until_state("bookings", "Synced")
    cursor.execute("select id, changed from rental_landing.rental.bookings")
    assert list(map(tuple, cursor.fetchall())) == [(1, None)]
    # From the statement on, not only from when the replicator comes to it; a table without rows, too.
    source_server.execute("create table hollow (id int primary key)")
    replica.until_state("hollow", "Synced")
    cursor.execute("select count(*) from rental_landing.rental.hollow")
    replica.stop()
    cursor.execute("alter database rental_landing integration refresh table rental.bookings, rental.hollow")
    for table in ("bookings", "hollow"):
        with pytest.raises(Exception, match=f"{table} cannot be queried: its state is ResyncInitiated"):
            cursor.execute(f"select count(*) from rental_landing.rental.{table}")
    replica.start()
    replica.until_state("bookings", "Synced")
    replica.until_state("hollow", "Synced")
    cursor.execute("select id, changed from rental_landing.rental.bookings")
    assert list(map(tuple, cursor.fetchall())) == [(1, None)]
    with pytest.raises(Exception, match="not part of the integration"):
        cursor.execute("alter database rental_landing integration refresh table rental.nothing")
    with pytest.raises(Exception, match="stand in zeroshift.toml"):
        cursor.execute("alter database rental_landing integration set refresh_interval 5")

    # A column first: copied anew, with one version of each row.
    source_server.execute("alter table nokey add column b int first", "insert into nokey values (1, 9)")
    replica.catch_up()
    replica.until(lambda: replica.columns("nokey") == ["b", "a"], "the new column")
    replica.until_state("nokey", "Synced")
    assert replica.present("nokey") == [(1, 9), (None, 7), (None, 8)]

    source_server.execute("drop table nokey")
    replica.until_state("nokey", "DroppedSource")
    cursor.execute("select count(*) from rental_landing.rental.nokey")
    assert list(map(tuple, cursor.fetchall())) == [(3,)]
    source_server.execute("create table nokey (a int primary key)")
    replica.until(lambda: replica.states()["nokey"][1], "the reason")
    assert replica.states()["nokey"][0] == "DroppedSource"


def test_values_that_cannot_land_as_they_are(
    source_server: MariaDb, engine_dsn: str, fresh_database: Any, connect: Any
) -> None:
    """TRUNCATECOLUMNS, ACCEPTINVCHARS and QUERY_ALL_STATES: in the first copy and in changes, off and then on."""
    long, odd = "ä\\t" * 25_000, "a\\0b"
    source_server.execute(
        "create table wide (id int primary key, note longtext, other varchar(9) character set latin1)",
        f"insert into wide values (1, '{long}', 'x'), (2, 'short', '{odd}')",
    )
    strict = Replica(source_server, engine_dsn).start()
    try:
        assert "TRUNCATECOLUMNS" in strict.until_state("wide", "Failed")
    finally:
        strict.close()
    fitting = "ä\t" * 21_845
    assert len(fitting.encode()) == 65_535
    lenient = Replica(
        source_server, engine_dsn, truncatecolumns=True, acceptinvchars=True, query_all_states=True
    ).start()
    try:
        lenient.engine.execute("select zeroshift.refresh_integration('rental_landing', 'inerror', '{}')")
        lenient.until_state("wide", "Synced")
        assert lenient.present("wide") == [(1, fitting, "x"), (2, "short", "a?b")]
        # The byte 0x81 is no character of Windows' Latin 1, which is MySQL's latin1.
        source_server.execute(
            "update wide set other = x'6181' where id = 2",
            f"insert into wide values (3, concat('{long}', 'z'), '{odd}')",
            "delete from wide where id = 1",
        )
        lenient.catch_up()
        assert lenient.present("wide") == [(2, "short", "a?"), (3, fitting, "a?b")]
        source_server.execute("set sql_mode = ''", "alter table wide add column d date")
        source_server.execute("set sql_mode = ''", "update wide set d = '0000-00-00'")
        lenient.until_state("wide", "Failed")
        cursor = connect(autocommit=True).cursor()
        cursor.execute("select count(*) from rental_landing.rental.wide where _record_is_active")
        assert list(map(tuple, cursor.fetchall())) == [(2,)]
        # A refresh guards no table then, whoever comes to it when.
        lenient.stop()
        cursor.execute("alter database rental_landing integration refresh all tables")
        assert lenient.states()["wide"][0] == "ResyncInitiated"
        cursor.execute("select count(*) from rental_landing.rental.wide where _record_is_active")
        assert list(map(tuple, cursor.fetchall())) == [(2,)]
    finally:
        lenient.close()


def test_only_one_replicator_writes(replica: Replica, source_server: MariaDb) -> None:
    """A second one waits for the first one's lock, so a killed one's last transaction cannot be overtaken."""
    source_server.execute(BOOKINGS)
    replica.start()
    replica.until_state("bookings", "Synced")
    with psycopg.connect(replica.dsn, autocommit=True) as other:
        other.execute("set lock_timeout = '100ms'")
        (found,) = other.execute("select integration_id from zeroshift.integrations").fetchone() or (None,)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (found,))
