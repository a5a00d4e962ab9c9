"""What becomes of replication when its source restarts, forgets, or is set up wrongly; and what every type lands as."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pymysql
import pytest
from mariadb import MariaDb
from replica import Replica, changed_filter

from deployer.errors import Unavailable
from deployer.local.replication.position import SourceLost

pytestmark = pytest.mark.slow

TYPES = """create table types (id bigint primary key auto_increment, ti tinyint, tu tinyint unsigned, si smallint,
 su smallint unsigned, mi mediumint, mu mediumint unsigned, i int, iu int unsigned, bi bigint, bu bigint unsigned,
 d decimal(12,2), d2 decimal(38,10), d3 decimal(5,0), f float, g double, b bit(1), b9 bit(9), bin binary(5),
 vb varbinary(10), c char(5), v varchar(20), l1 varchar(300) character set latin1, tt tinytext, t text, mt mediumtext,
 e enum('a','b,c','d''e'), s set('x','y','z'), da date, dt datetime, dt6 datetime(6), dt3 datetime(3),
 ts timestamp null, ts2 timestamp(2) null, tm time, tm1 time(1), tm6 time(6), y year, j json)"""

ROWS = (
    "insert into types values (null,-128,255,-32768,65535,-8388608,16777215,-2147483648,4294967295,"
    "-9223372036854775808,18446744073709551615,-9999999999.99,'-1234567890123456789012345678.0123456789',-99999,"
    "1.1,-1.5e300,b'1',b'100000001','ab','x\\0y','ab ','hé\\t\\n\\\\\\r','ü€',' tt ','😀','\\\\N','b,c','x,z',"
    "'2024-02-29','9999-12-31 23:59:59','2024-02-29 23:59:59.000001','2024-01-01 00:00:00.5','1970-01-01 00:00:01',"
    "'2038-01-19 03:14:07.99','-838:59:59','-00:00:00.1','-00:00:01.000001','2155','{\"a\": [1, \"ä\"]}')",
    "insert into types (id) values (null)",
    "insert into types values (null,127,0,32767,0,8388607,0,2147483647,0,9223372036854775807,0,0.01,'0.0000000001',0,"
    "0,0,b'0',b'0','','','','','','','','','a','','1000-01-01','1000-01-01 00:00:00','1000-01-01 00:00:00.999999',"
    "'2024-12-31 23:59:59.999','2024-06-01 12:00:00','2024-06-01 12:00:00.01','838:59:59','838:59:58.9',"
    "'12:34:56.789012','1901','[]')",
    "insert into types (id, c, v, mt, j, f, g, d2) values (null, 'a\\\\b', repeat('é', 20), repeat('x', 65535), 'null',"
    " 16777216, 0.1, 12345678901234567890.5)",
)


def test_a_changed_row_lands_as_a_copied_one(replica: Replica, source_server: MariaDb) -> None:
    """The server's own text (first copy) and our decoding (binlog) of the same values, in every type."""
    source_server.execute("set sql_mode = ''", "set time_zone = '+00:00'", "set names utf8mb4", TYPES, *ROWS)
    replica.start()
    replica.until_state("types", "Synced")
    copied = [row[1:] for row in replica.present("types")]
    assert len(copied) == len(ROWS)
    source_server.execute("set sql_mode = ''", "set time_zone = '+00:00'", "truncate types", *ROWS)
    replica.catch_up()
    streamed = [row[1:] for row in replica.present("types")]
    assert replica.states()["types"] == ("Synced", "")
    assert streamed == copied
    first = dict(zip(replica.columns("types"), replica.present("types")[0], strict=True))
    assert (first["ti"], first["su"], first["bu"]) == (-128, 65535, 2**64 - 1)
    assert (first["bin"], first["vb"], first["c"], first["l1"]) == (b"ab\0\0\0", b"x\0y", "ab", "ü€")
    assert (first["tm"], first["tm6"], first["y"], first["s"]) == (
        "-838:59:59",
        "-00:00:01.000001",
        "2155",
        "x,z",
    )
    # Updates and deletions find their rows by keys of each kind of type.
    source_server.execute("delete from types where ti = 127", "update types set v = 'z' where ti = -128")
    replica.catch_up()
    assert replica.states()["types"] == ("Synced", "")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("varchar(20)", ["'a'", "'ö '", "''"]),
        ("binary(3)", ["x'610000'", "x'006200'", "x'616263'"]),
        ("decimal(20,5)", ["1.5", "-2", "12345678901234.12345"]),
        ("bigint unsigned", ["0", "18446744073709551615", "5"]),
        ("datetime(6)", ["'2024-01-01'", "'2024-01-01 00:00:00.000001'", "'2025-01-01 01:02:03'"]),
        ("date", ["'2024-01-01'", "'2024-01-02'", "'2025-01-01'"]),
    ],
)
def test_keys_of_every_kind(replica: Replica, source_server: MariaDb, kind: str, values: list[str]) -> None:
    source_server.execute(f"create table k (a {kind}, b int, v int, primary key (b, a))")
    replica.start()
    replica.until_state("k", "Synced")
    source_server.execute(
        *[f"insert into k values ({value}, 1, 1)" for value in values],
        *[f"update k set v = 2 where a = {value}" for value in values],
        f"update k set b = 2 where a = {values[1]}",
        f"delete from k where a = {values[0]}",
    )
    replica.catch_up()
    assert replica.states()["k"] == ("Synced", "")
    assert sorted((row[1], row[2]) for row in replica.present("k")) == [(1, 2), (2, 2)]


def test_source_restarts_and_purged_logs(replica: Replica, source_server: MariaDb) -> None:
    source_server.execute("create table one (id int primary key)", "insert into one values (1)")
    replica.start()
    replica.until_state("one", "Synced")
    source_server.kill()
    with pytest.raises(SourceLost):
        replica.until(lambda: False, "the break")
    source_server.start()
    source_server.execute("insert into one values (2)")
    replica.stop()
    replica.start()
    replica.catch_up()
    assert replica.present("one") == [(1,), (2,)]

    # While nobody replicates, what comes next is purged.
    replica.stop()
    source_server.execute("insert into one values (3)", "flush binary logs", "flush binary logs")
    with source_server.connect() as connection, connection.cursor() as cursor:
        # A log that is being sent is not purged, and the server notices late that nobody listens any more.
        cursor.execute("select id from information_schema.processlist where command = 'Binlog Dump'")
        for (number,) in cursor.fetchall():
            with contextlib.suppress(pymysql.MySQLError):
                # It may have noticed just now.
                cursor.execute(f"kill {number}")
        _until_nobody_reads(cursor)
        cursor.execute("show master status")
        file = cursor.fetchone()[0]
        _purge(cursor, file)
    replica.start()
    reason = replica.until_state("one", "ResyncRequired")
    assert "the source's binlog no longer has them" in reason
    assert replica.present("one") == [(1,), (2,)]
    replica.refresh("one")
    assert replica.present("one") == [(1,), (2,), (3,)]
    source_server.execute("insert into one values (4)")
    replica.catch_up()
    assert replica.present("one") == [(1,), (2,), (3,), (4,)]

    # A log that begins again has files of the same names, and other transactions in them.
    replica.stop()
    source_server.execute("reset master", *[f"insert into one values ({number})" for number in range(5, 60)])
    replica.start()
    replica.until_state("one", "ResyncRequired")
    replica.refresh("one")
    assert len(replica.present("one")) == 59


def _until_nobody_reads(cursor: Any) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        cursor.execute("select count(*) from information_schema.processlist where command = 'Binlog Dump'")
        if cursor.fetchone() == (0,):
            return
        time.sleep(0.05)
    raise AssertionError("the server still sends its binlog to somebody")


def _purge(cursor: Any, file: str) -> None:
    """Purge all logs before `file`. The server keeps one, in silence, until its engine has flushed what is in it."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        cursor.execute("flush engine logs")
        cursor.execute("purge binary logs to %s", (file,))
        cursor.execute("show binary logs")
        if cursor.fetchone()[0] == file:
            return
        time.sleep(0.1)
    raise AssertionError(f"the server does not purge its logs before {file}")


def test_a_source_that_is_not_set_up_is_refused(replica: Replica, source_server: MariaDb) -> None:
    source_server.execute("create table one (id int primary key)")
    source_server.execute("set global binlog_row_metadata = minimal")
    try:
        with pytest.raises(Unavailable, match="binlog_row_metadata is MINIMAL, must be FULL"):
            replica.start().until(lambda: False, "the refusal")
    finally:
        source_server.execute("set global binlog_row_metadata = full")


def test_statements_instead_of_rows_copy_everything_anew(replica: Replica, source_server: MariaDb) -> None:
    source_server.execute("create table one (id int primary key)", "create table two (id int primary key)")
    replica.start()
    replica.until_state("two", "Synced")
    source_server.execute("set binlog_format = 'statement'", "insert into one values (1)")
    replica.catch_up()
    replica.until(lambda: replica.present("one") == [(1,)], "the copy")
    source_server.execute(
        "insert into one values (2)", "create table three as select 7 as id", "rename table two to four"
    )
    replica.catch_up()
    assert replica.until_state("three", "Failed") == "The table has no primary key"
    replica.until_state("two", "DroppedSource")
    replica.until_state("four", "Synced")
    assert replica.present("one") == [(1,), (2,)]
    source_server.execute(
        "xa start 'a'", "insert into one values (3)", "xa end 'a'", "xa prepare 'a'", "xa commit 'a'"
    )
    replica.catch_up()
    replica.until(lambda: replica.present("one") == [(1,), (2,), (3,)], "the copy after XA")


def test_a_changed_filter_ends_and_begins_tables(
    replica: Replica, source_server: MariaDb, engine_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_filter(replica, source_server, engine_dsn, "include: rental.*, exclude: rental.one", monkeypatch)


def test_values_that_do_not_fit_put_the_table_out_of_sync(replica: Replica, source_server: MariaDb) -> None:
    source_server.execute("create table texts (id int primary key, t mediumtext)")
    replica.start()
    replica.until_state("texts", "Synced")
    source_server.execute("insert into texts values (1, repeat('é', 32768))")
    assert "TRUNCATECOLUMNS is not set" in replica.until_state("texts", "Failed")


def test_a_log_that_goes_on_without_a_change_is_followed(replica: Replica, source_server: MariaDb) -> None:
    """A restarted server begins a file of its own, too. Who waits for landing to catch up need not write first."""
    source_server.execute("create table bookings (id bigint primary key)")
    replica.start()
    replica.until_state("bookings", "Synced")
    source_server.execute("flush binary logs")
    # The server writes a checkpoint of its own behind the new file's head, when it comes to it.
    replica.until(lambda: replica.position() == source_server.position(), "the log's end")
