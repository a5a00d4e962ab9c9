"""What JDBC drivers say, message by message.

Redshift's JDBC driver descends from PostgreSQL's (github.com/aws/amazon-redshift-jdbc-driver). These are the sequences
that PostgreSQL's driver 42.5.5 sends, as its log at level FINEST shows them, and the constructs that Amazon's asks the
catalog with. test_jdbc_driver.py runs a driver itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import message, text


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
    assert wire.parameters["padb_version"] and wire.parameters["padb_revision"]
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


# -- what Amazon's driver 2.2 asks ------------------------------------------------------------------------------------


def test_the_constructs_of_its_catalog_queries(wire: Wire) -> None:
    """RedshiftDatabaseMetaData: getColumns, getImportedKeys, getFunctions, and the types behind setObject."""
    wire.query("create table parents (a integer, b integer, primary key (b, a))")
    wire.query("create table children (p integer, q integer, foreign key (q, p) references parents (b, a))")
    wire.query("create procedure p() as $$ begin null; end; $$ language plpgsql")
    assert wire.rows("select isnull(nullif('', ''), '0')::integer from pg_class limit 1") == [("0",)]
    keys = (
        "select pka.attname, fka.attname, pos.n from pg_catalog.pg_constraint con, pg_catalog.pg_attribute pka,"
        " pg_catalog.pg_attribute fka, pg_catalog.generate_series(1, 32) pos(n), pg_catalog.pg_depend dep,"
        " pg_catalog.pg_class pkic where pka.attnum = con.confkey[pos.n] and con.confrelid = pka.attrelid"
        " and fka.attnum = con.conkey[pos.n] and con.conrelid = fka.attrelid and con.contype = 'f'"
        " and dep.objid = con.oid and dep.refobjid = pkic.oid and pkic.relkind = 'i'"
        " and dep.classid = 'pg_constraint'::regclass::oid and dep.refclassid = 'pg_class'::regclass::oid order by 3"
    )
    assert wire.rows(keys) == [("b", "q", "1"), ("a", "p", "2")]
    routines = (
        "select routine_name, routine_type from information_schema.routines where routine_schema = 'public'"
    )
    assert wire.rows(routines) == [("p", "PROCEDURE")]
    schemas = (
        "select nspname, r from pg_namespace join (select s.r, (current_schemas(false))[s.r] as nspname"
        " from generate_series(1, array_upper(current_schemas(false), 1)) as s(r)) as r using (nspname)"
    )
    assert wire.rows(schemas) == [("public", "1")]
    assert wire.rows("select array_lower(conkey, 1) from pg_constraint where contype = 'f'") == [("1",)]


def test_what_tools_that_write_ddl_ask(wire: Wire) -> None:
    """AWS's v_generate_tbl_ddl and DBeaver: a number in a text compared with an OID, and BACKUP NO in PG_CONF."""
    asked = "select nspname from pg_namespace where oid = split_part('pg_' || oid::int, '_', 2) and nspname = 'public'"
    assert wire.rows(asked) == [("public",)]
    assert wire.rows("select split_part(key, '_', 5) from pg_conf where key like 'pg_class_backup_%'") == []


@pytest.mark.parametrize(
    "sql",
    [
        "select isnull(p, 0) from children",
        "select n from generate_series(1, 3) as g(n), children",
        "select array_upper(array(1), 1) from children",
    ],
)
def test_nobody_else_may_write_so(wire: Wire, sql: str) -> None:
    wire.query("create table children (p integer)")
    assert wire.error(sql)["C"] in ("42883", "0A000")


def test_call_with_places_for_out_arguments(wire: Wire) -> None:
    """CallableStatement: registerOutParameter makes the parameter a NULL of type VOID (2278)."""
    wire.query("create procedure p(a in int, b out int) as $$ begin b := a + 1; end; $$ language plpgsql")
    null = codec.int32(-1)
    wire.send(
        parse("", "call p($1,$2)", 23, 2278),
        message(
            b"B", text(""), text(""), codec.int16(0), codec.int16(2), codec.int32(1), b"1", null, codec.int16(0)
        ),
        describe(""), execute(""), SYNC,
    )  # fmt: skip
    seen = wire.until()
    assert b"".join(kind for kind, _ in seen) == b"12TDCZ"
    assert [codec.unpack_row(data) for kind, data in seen if kind == b"D"] == [(b"2",)]
