"""What JDBC drivers say, message by message.

Redshift's JDBC driver descends from PostgreSQL's (github.com/aws/amazon-redshift-jdbc-driver) and cannot be had here.
These are the sequences that PostgreSQL's driver 42.5.5 sends, as its log at level FINEST shows them; where Java and the
driver are installed (Debian: libpostgresql-jdbc-java) the driver itself is run, too.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import message, text

JARS = [Path("/usr/share/java/postgresql.jar")]


@pytest.fixture
def wire(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as connection:
        yield connection.login(
            client_encoding="UTF8", DateStyle="ISO", TimeZone="UTC", extra_float_digits="2"
        )


def parse(name: str, sql: str, *oids: int) -> bytes:
    return message(b"P", text(name), text(sql), codec.int16(len(oids)), *map(codec.int32, oids))


def bind(portal: str, statement: str, *values: bytes, binary: bool = False, results: int = 0) -> bytes:
    formats = [codec.int16(1 if binary else 0)] * len(values)
    sized = [codec.int32(len(value)) + value for value in values]
    return message(
        b"B", text(portal), text(statement), codec.int16(len(formats)), *formats, codec.int16(len(sized)), *sized,
        codec.int16(1), codec.int16(results),
    )  # fmt: skip


def describe(portal: str) -> bytes:
    return message(b"D", b"P", text(portal))


def execute(portal: str, limit: int = 0) -> bytes:
    return message(b"E", text(portal), codec.int32(limit))


SYNC = message(b"S")
BEGIN = parse("", "BEGIN") + bind("", "") + execute("")


def kinds(wire: Wire) -> str:
    return b"".join(kind for kind, _ in wire.until() if kind not in (b"N",)).decode()


def test_the_settings_behind_the_login(wire: Wire) -> None:
    """The driver sets what it needs by itself, and reads the answers of the start."""
    assert wire.parameters["server_version"] == "8.0.2"
    assert wire.parameters["integer_datetimes"] == "on"
    wire.send(parse("", "SET extra_float_digits = 2"), bind("", ""), execute("", 1), SYNC)
    assert kinds(wire) == "12CZ"
    wire.send(
        parse("", "SET application_name = 'PostgreSQL JDBC Driver'"), bind("", ""), execute("", 1), SYNC
    )
    assert kinds(wire).replace("S", "") == "12CZ"


def test_a_query_that_opens_its_transaction(wire: Wire) -> None:
    """autocommit=false: BEGIN and the query travel together, with one Sync."""
    wire.send(BEGIN, parse("", "select 1 as a"), bind("", ""), describe(""), execute(""), SYNC)
    assert kinds(wire) == "12C12TDCZ"
    wire.send(parse("", "COMMIT"), bind("", ""), execute("", 1), SYNC)
    assert kinds(wire) == "12CZ"


def test_rows_by_the_fetch_size(wire: Wire) -> None:
    """setFetchSize(2): a named portal, executed again and again, each time with a Sync inside the transaction."""
    wire.query("create table t (a integer); insert into t values (1), (2), (3), (4), (5)")
    query = "select a from t order by a"
    wire.send(BEGIN, parse("", query), bind("C_2", ""), describe("C_2"), execute("C_2", 2), SYNC)
    assert kinds(wire) == "12C12TDDsZ"
    wire.send(execute("C_2", 2), SYNC)
    assert kinds(wire) == "DDsZ"
    wire.send(execute("C_2", 2), SYNC)
    assert kinds(wire) == "DCZ"
    # COMMIT becomes a statement of the server's, and is used again.
    end = bind("", "S_3") + execute("", 1) + SYNC
    wire.send(message(b"C", b"P", text("C_2")), parse("S_3", "COMMIT"), end)
    assert kinds(wire) == "312CZ"
    wire.send(BEGIN, SYNC, end)
    assert kinds(wire) == "12CZ" and kinds(wire) == "2CZ"


def test_a_batch(wire: Wire) -> None:
    """executeBatch: the statement is described first; then many Binds and Executes, one Sync, a count for each."""
    wire.query("create table t (a integer, b varchar(10))")
    wire.send(parse("S_1", "insert into t values ($1, $2)", 23, 1043), message(b"D", b"S", text("S_1")), SYNC)
    assert kinds(wire) == "1tnZ"
    for number in range(3):
        wire.send(bind("", "S_1", str(number).encode(), b"x"), describe(""), execute("", 1))
    wire.send(SYNC)
    seen = wire.until()
    assert b"".join(kind for kind, _ in seen) == b"2nC" * 3 + b"Z"
    assert [data[:-1] for kind, data in seen if kind == b"C"] == [b"INSERT 0 1"] * 3
    assert wire.rows("select count(*), max(a) from t") == [("3", "2")]


def test_a_batch_that_fails_in_the_middle(wire: Wire) -> None:
    """Everything up to Sync is one transaction: none of it stays, and the session goes on."""
    wire.query("create table t (a smallint)")
    wire.send(parse("S_1", "insert into t values ($1)", 23), SYNC)
    assert kinds(wire) == "1Z"
    for number in (1, 100_000, 3):
        wire.send(bind("", "S_1", str(number).encode()), describe(""), execute("", 1))
    wire.send(SYNC)
    assert kinds(wire) == "2nCEZ"
    assert wire.rows("select count(*) from t") == [("0",)]


def test_a_statement_that_has_become_a_server_s_own(wire: Wire) -> None:
    """From the fifth time on the driver names its statement and asks for binary numbers."""
    sql = "select $1::int + 1"
    for _ in range(4):
        wire.send(parse("", sql, 23), bind("", "", b"1"), describe(""), execute(""), SYNC)
        assert kinds(wire) == "12TDCZ"
    wire.send(parse("S_1", sql, 23), message(b"D", b"S", text("S_1")), SYNC)
    assert kinds(wire) == "1tTZ"
    wire.send(bind("", "S_1", b"\0\0\0\x01", binary=True, results=1), execute(""), SYNC)
    seen = wire.until()
    assert [codec.unpack_row(data) for kind, data in seen if kind == b"D"] == [(b"\0\0\0\x02",)]


def test_the_driver_itself(fresh_database: Status, tmp_path: Path) -> None:
    jar = next((path for path in JARS if path.exists()), None)
    java = shutil.which("java")
    if jar is None or java is None:
        pytest.skip("no JDK or no PostgreSQL JDBC driver on this machine")
    program = tmp_path / "Ask.java"
    program.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [java, "-cp", str(jar), str(program),
         f"jdbc:postgresql://{fresh_database.host}:{fresh_database.port}/{fresh_database.database}",
         fresh_database.user, str(fresh_database.password)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == ["100", "4950.00", "t", "a"], done.stderr


PROGRAM = """
import java.math.BigDecimal;
import java.sql.*;

public class Ask {
    public static void main(String[] given) throws Exception {
        try (Connection connection = DriverManager.getConnection(given[0], given[1], given[2])) {
            connection.createStatement().execute("create table t (a int, d decimal(8,2))");
            PreparedStatement insert = connection.prepareStatement("insert into t values (?, ?)");
            for (int n = 0; n < 100; n++) {
                insert.setInt(1, n);
                insert.setBigDecimal(2, new BigDecimal(n));
                insert.addBatch();
            }
            System.out.println(insert.executeBatch().length);
            connection.setAutoCommit(false);
            Statement select = connection.createStatement();
            select.setFetchSize(7);
            BigDecimal sum = BigDecimal.ZERO;
            ResultSet rows = select.executeQuery("select d from t");
            while (rows.next()) sum = sum.add(rows.getBigDecimal(1));
            connection.commit();
            System.out.println(sum);
            ResultSet tables = connection.getMetaData().getTables(null, "public", "%", new String[] {"TABLE"});
            while (tables.next()) System.out.println(tables.getString("TABLE_NAME"));
            ResultSet columns = connection.getMetaData().getColumns(null, "public", "t", "a");
            while (columns.next()) System.out.println(columns.getString("COLUMN_NAME"));
        }
    }
}
"""
