"""The wire protocol, message by message."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import pytest
from cancelling import cancelling
from gateway_wire import Refusal, Wire
from patience import PATIENCE

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import Body, message, text


@pytest.fixture
def wire(fresh_database: Status) -> Any:
    with Wire(fresh_database) as connection:
        yield connection.login()


# -- start-up -----------------------------------------------------------------------------------------------------


def test_says_what_redshift_says(wire: Wire) -> None:
    assert wire.parameters["server_version"] == "8.0.2"
    assert wire.parameters["client_encoding"] == "UTF8"
    assert wire.parameters["is_superuser"] == "on"


def test_redshift_startup_parameters_are_dropped(status: Status) -> None:
    with Wire(status) as connection:
        connection.login(
            client_protocol_version="2", driver_version="Redshift JDBC", os_version="Linux", plugin_name="x"
        )
        assert connection.rows("select 1") == [("1",)]


def test_kerberos_is_declined(status: Status) -> None:
    with Wire(status) as connection:
        connection.send(struct.pack("!II", 8, codec.GSS_REQUEST))
        assert connection.stream.exactly(1) == b"N"
        assert connection.login().rows("select 1") == [("1",)]


@pytest.mark.parametrize(
    "parameters, password, code",
    [
        ({}, "wrong", "28000"),
        ({}, "", "28000"),
        ({"user": "nobody_here"}, None, "28000"),
        ({"user": "rdsdb"}, None, "28000"),
        ({"database": "elsewhere"}, None, "3D000"),
        ({"user": ""}, None, "28000"),
    ],
)
def test_login_is_refused(
    status: Status, parameters: dict[str, str], password: str | None, code: str
) -> None:
    with Wire(status) as connection, pytest.raises(Refusal) as refused:
        connection.login(password, **parameters)
    assert refused.value.fields["C"] == code
    assert refused.value.fields["S"] == "FATAL"


def test_old_protocol_is_refused(status: Status) -> None:
    with Wire(status) as connection:
        connection.send(struct.pack("!II", 8, 2 << 16))
        kind, data = connection.stream.next()
        assert kind == b"E"
        assert "protocol 2.0" in codec.unpack_fields(data)["M"]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x04", b"\xff" * 12, b""])
def test_garbage_ends_only_its_own_connection(status: Status, data: bytes) -> None:
    assert status.port is not None
    with socket.create_connection((status.host, status.port), timeout=PATIENCE) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1000):
            pass
    with Wire(status) as connection:
        assert connection.login().rows("select 1") == [("1",)]


# -- simple queries -----------------------------------------------------------------------------------------------


def test_several_statements_in_one_message(wire: Wire) -> None:
    assert wire.kinds("select 1; select 2") == "TDCTDCZ"
    assert wire.tags("create table t (a int); insert into t values (1), (2); select a from t") == [
        "CREATE TABLE",
        "INSERT 0 2",
        "SELECT",
    ]


@pytest.mark.parametrize("sql", ["", ";", " ; ; ", "-- nothing\n", "/* nothing */"])
def test_empty_query(wire: Wire, sql: str) -> None:
    assert wire.kinds(sql) == "IZ"


def test_an_error_undoes_the_whole_message(wire: Wire) -> None:
    assert wire.error("create table t (a int); insert into t values (1); select 1/0")["C"] == "22012"
    assert wire.error("select * from t")["C"] == "42P01"
    assert wire.rows("select 1") == [("1",)]


def test_a_refusal_undoes_the_whole_message(wire: Wire) -> None:
    wire.query("create table t (a int)")
    assert wire.error("insert into t values (1); insert into t values (2) returning a")["C"] == "0A000"
    assert wire.rows("select count(*) from t") == [("0",)]


def test_nothing_after_the_error_runs(wire: Wire) -> None:
    wire.query("create table t (a int)")
    assert wire.kinds("select 1/0; insert into t values (1)") == "EZ"
    assert wire.rows("select count(*) from t") == [("0",)]


def test_commit_inside_a_message_keeps_what_came_before(wire: Wire) -> None:
    wire.query("create table t (a int)")
    wire.query("begin; insert into t values (1); commit; insert into t values (2); select 1/0")
    assert wire.rows("select a from t") == [("1",)]


def test_transaction_status_is_told(wire: Wire) -> None:
    assert wire.query("begin")[-1] == (b"Z", b"T")
    assert wire.query("select 1/0")[-1] == (b"Z", b"E")
    assert wire.error("select 1")["C"] == "25P02"
    assert wire.query("rollback")[-1] == (b"Z", b"I")


def test_a_refusal_fails_the_transaction(wire: Wire) -> None:
    wire.query("create table t (a int)")
    wire.query("begin; insert into t values (1)")
    assert wire.query("create index i on t (a)")[-1] == (b"Z", b"E")
    assert wire.error("select 1")["M"].startswith("current transaction is aborted")
    assert wire.tags("commit") == ["ROLLBACK"]
    assert wire.rows("select count(*) from t") == [("0",)]


def test_later_statements_see_earlier_definitions(wire: Wire) -> None:
    rows = wire.rows(
        "begin; create table a (x decimal(12, 2)); insert into a values (1.005);"
        " create temp table b as select x from a; select x from b; drop table a; commit"
    )
    assert rows in ([("1.01",)], [("1.00",)])
    assert wire.error("select x from a")["C"] == "42P01"
    assert wire.rows("select count(*) from b") == [("1",)]


@pytest.mark.parametrize(
    "sql, word",
    [
        ("select nothing_here", "nothing_here"),
        ("select 1 as one, 'ü€' as two, no_column from (select 1) q", "no_column"),
        ("select 'ünïcödé'; select 1,\n  2 frm (select 1)", None),
        ("select 1; select * from no_table", "no_table"),
        ("/* comment */ select 1 from dual_table where 'x' = 'y'", "dual_table"),
        ("select generate_subscripts('{1}', 1)", "generate_subscripts"),
    ],
)
def test_error_position_is_in_the_clients_own_text(wire: Wire, sql: str, word: str | None) -> None:
    position = int(wire.error(sql)["P"])
    if word is not None:
        assert sql[position - 1 :].startswith(word)
    else:
        assert 1 <= position <= len(sql)


def test_errors_of_postgresql_do_not_show_its_inside(wire: Wire) -> None:
    fields = wire.error("select 1/0")
    assert set(fields) <= set("SVCMDHP")


# -- extended protocol --------------------------------------------------------------------------------------------


def describe(name: str = "") -> bytes:
    return message(b"D", b"S", text(name))


def execute(portal: str = "", limit: int = 0) -> bytes:
    return message(b"E", text(portal), codec.int32(limit))


def bind(
    *values: bytes | None, portal: str = "", statement: str = "", results: tuple[int, ...] = ()
) -> bytes:
    return codec.Bind(portal, statement, (), values, results).pack()


SYNC, FLUSH = message(b"S"), message(b"H")


def kinds(messages: list[tuple[bytes, bytes]]) -> str:
    return b"".join(kind for kind, _ in messages if kind not in (b"N", b"S")).decode()


def test_prepared_statement_with_parameters(wire: Wire) -> None:
    wire.query("create table t (a int, b varchar(10)); insert into t values (1, 'one'), (2, 'two')")
    wire.send(codec.pack_parse("by_a", "select b from t where a = $1", [23]), describe("by_a"), SYNC)
    seen = wire.until()
    assert kinds(seen) == "1tTZ"
    assert Body(seen[1][1]).count() == 1
    assert codec.unpack_columns(seen[2][1])[0].type == 1043
    for value, expected in ((b"1", b"one"), (b"2", b"two")):
        wire.send(bind(value, statement="by_a"), execute(), SYNC)
        seen = wire.until()
        assert kinds(seen) == "2DCZ"
        assert codec.unpack_row(seen[1][1]) == (expected,)


def test_portal_gives_rows_in_parts(wire: Wire) -> None:
    wire.query("create table t (a int); insert into t values (1), (2), (3)")
    wire.send(codec.pack_parse("", "select a from t order by a"), bind(portal="p"), execute("p", 2), FLUSH)
    assert kinds(wire.until(b"s")) == "12DDs"
    wire.send(execute("p", 2), SYNC)
    assert kinds(wire.until()) == "DCZ"


def test_everything_after_an_error_is_skipped_up_to_sync(wire: Wire) -> None:
    wire.query("create table t (a int)")
    wire.send(
        codec.pack_parse("", "insert into t values (1)"), bind(), execute(),
        codec.pack_parse("", "select * from nowhere"), bind(), execute(),
        codec.pack_parse("", "insert into t values (2)"), bind(), execute(), SYNC,
    )  # fmt: skip
    assert kinds(wire.until()) == "12CEZ"
    assert wire.rows("select count(*) from t") == [("0",)]


def test_a_pipeline_commits_at_sync(wire: Wire) -> None:
    wire.query("create table t (a int)")
    insert = [codec.pack_parse("", "insert into t values (1)"), bind(), execute()]
    wire.send(*insert, *insert, SYNC)
    assert kinds(wire.until()) == "12C12CZ"
    assert wire.rows("select count(*) from t") == [("2",)]


def test_statement_of_several_parts_runs_when_executed(wire: Wire) -> None:
    create = "create table t (a int) diststyle key distkey (a) sortkey (a)"
    wire.send(codec.pack_parse("", create), describe(), bind(), execute(), SYNC)
    assert kinds(wire.until()) == "1tn2CZ"
    assert wire.rows("select \"column\", distkey, sortkey from pg_table_def where tablename = 't'") == [
        ("a", "t", "1")
    ]


@pytest.mark.parametrize(
    "messages, code",
    [
        ([codec.pack_parse("", "select 1; select 2")], "42601"),
        ([describe("missing")], "26000"),
        ([bind(statement="missing")], "26000"),
        ([execute("missing")], "34000"),
        ([codec.pack_parse("", "select 1.5::decimal(5,2)"), bind(results=(1,))], "0A000"),
        ([codec.pack_parse("", "select 1"), bind(results=(0, 0))], "08P01"),
        ([codec.pack_parse("a", "select 1"), codec.pack_parse("a", "select 1")], "42P05"),
    ],
)
def test_wrong_use_is_an_error_and_no_more(wire: Wire, messages: list[bytes], code: str) -> None:
    wire.send(*messages, SYNC)
    errors = [codec.unpack_fields(data) for kind, data in wire.until() if kind == b"E"]
    assert [error["C"] for error in errors] == [code]
    assert wire.rows("select 1") == [("1",)]


def test_binary_results_where_they_are_the_same(wire: Wire) -> None:
    wire.send(
        codec.pack_parse("", "select 7::bigint, true, 'x'::varchar(3)"), bind(results=(1,)), execute(), SYNC
    )
    rows = [codec.unpack_row(data) for kind, data in wire.until() if kind == b"D"]
    assert rows == [(struct.pack("!q", 7), b"\x01", b"x")]


def test_close_forgets_a_statement(wire: Wire) -> None:
    wire.send(codec.pack_parse("a", "select 1"), message(b"C", b"S", text("a")), SYNC)
    assert kinds(wire.until()) == "13Z"
    wire.send(codec.pack_parse("a", "select 2"), SYNC)
    assert kinds(wire.until()) == "1Z"


def test_show_and_empty_in_the_extended_protocol(wire: Wire) -> None:
    wire.send(codec.pack_parse("", "show search_path"), describe(), bind(), execute(), SYNC)
    seen = wire.until()
    assert kinds(seen) == "1tT2DCZ"
    wire.send(codec.pack_parse("", "show all"), describe(), bind(), execute(), SYNC)
    seen = wire.until()
    assert [column.name for column in codec.unpack_columns(seen[2][1])] == ["name", "setting"]
    assert {len(codec.unpack_row(data)) for kind, data in seen if kind == b"D"} == {2}
    wire.send(codec.pack_parse("", ""), describe(), bind(), execute(), SYNC)
    assert kinds(wire.until()) == "1tn2IZ"


def test_begin_in_the_extended_protocol_opens_a_transaction(wire: Wire) -> None:
    wire.query("create table t (a int)")
    for sql in ("begin", "insert into t values (1)", "rollback"):
        wire.send(codec.pack_parse("", sql), bind(), execute(), SYNC)
        assert kinds(wire.until()) == "12CZ"
    assert wire.rows("select count(*) from t") == [("0",)]


def test_extended_error_position(wire: Wire) -> None:
    sql = "  select 'ü', no_column from (select 1 as x) q"
    wire.send(codec.pack_parse("", sql), SYNC)
    fields = next(codec.unpack_fields(data) for kind, data in wire.until() if kind == b"E")
    assert sql[int(fields["P"]) - 1 :].startswith("no_column")


# -- cancelling, ending -------------------------------------------------------------------------------------------

SLOW = "select count(*) from svv_all_columns a, svv_all_columns b, svv_all_columns c, svv_all_columns d"


def test_cancel_ends_the_running_statement(wire: Wire) -> None:
    with cancelling(wire.cancel):
        error = wire.error(SLOW)
    assert error["C"] == "57014"
    assert wire.rows("select 1") == [("1",)]


def test_cancel_with_a_wrong_secret_does_nothing(wire: Wire) -> None:
    wire.query("begin")
    wire.cancel(secret=wire.key[1] ^ 1)
    assert wire.query("select 1")[-1] == (b"Z", b"T")


def test_cancel_of_an_idle_session_does_nothing(wire: Wire) -> None:
    wire.cancel()
    assert wire.rows("select 1") == [("1",)]


def test_a_client_that_leaves_rolls_back_and_stops_its_query(fresh_database: Status, engine: Any) -> None:
    with Wire(fresh_database) as leaving:
        leaving.login()
        leaving.query("create table t (a int)")
        leaving.query("begin; insert into t values (1)")
        pid = leaving.key[0]
        leaving.send(message(b"Q", text(SLOW)))
        time.sleep(0.3)
    deadline = time.monotonic() + PATIENCE
    while engine.execute("select 1 from pg_stat_activity where pid = %s", [pid]).fetchone():
        assert time.monotonic() < deadline, "the backend is still at work"
        time.sleep(0.05)
    assert engine.execute("select count(*) from public.t").fetchone() == (0,)


def test_terminate_ends_the_session(wire: Wire) -> None:
    wire.send(message(b"X"))
    assert wire.rest() == []


def test_unknown_message_ends_the_session(wire: Wire) -> None:
    wire.send(message(b"?", b"what"))
    seen = wire.rest()
    assert codec.unpack_fields(seen[0][1])["C"] == "08P01"


def test_many_connections_at_once(status: Status) -> None:
    opened = [Wire(status).login() for _ in range(40)]
    try:
        assert all(wire.rows("select 1") == [("1",)] for wire in opened)
        assert len({wire.key[0] for wire in opened}) == 40
    finally:
        for wire in opened:
            wire.socket.close()


def test_a_long_result_streams(wire: Wire, engine: Any) -> None:
    engine.execute(
        "create table public.many as select g as a, repeat('x', 100) as b from generate_series(1, 200000) g"
    )
    engine.execute("grant select on public.many to public")
    wire.send(message(b"Q", text("select a, b from public.many")))
    kind, _ = wire.stream.next()
    assert kind == b"T"
    # The first rows are here although the client has taken nothing of the rest, which is more than sockets hold.
    rows = 0
    while True:
        kind, data = wire.stream.next()
        if kind != b"D":
            break
        rows += 1
    assert (rows, kind) == (200000, b"C")
