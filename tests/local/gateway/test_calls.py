"""CALL over the wire: results, cancelling, users."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from cancelling import cancelling
from gateway_wire import Wire
from patience import wait_until

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.backend import Backend, ClientGone
from deployer.local.gateway.codec import Stream, message, text


@pytest.fixture
def wire(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as connection:
        yield connection.login()


def test_call_returns_its_out_arguments_in_both_protocols(wire: Wire) -> None:
    wire.query(
        "create procedure p(a in int, b out int, c inout varchar(20)) as $$ begin b := a + 1; end; $$ language plpgsql"
    )
    seen = wire.query("call p(1, 'x')")
    assert b"".join(kind for kind, _ in seen) == b"TDCZ"
    assert [codec.unpack_row(data) for kind, data in seen if kind == b"D"] == [(b"2", b"x")]
    wire.send(
        codec.pack_parse("", "call p(1, 'x')"), message(b"D", b"S", text("")),
        codec.Bind("", "", (), (), ()).pack(), message(b"E", text(""), codec.int32(0)), message(b"S"),
    )  # fmt: skip
    assert b"".join(kind for kind, _ in wire.until()) == b"1tT2DCZ"


@pytest.mark.parametrize(
    "body",
    [
        "begin loop null; end loop; end;",
        "declare i int := 0; begin loop i := i + 1; end loop; end;",
        "declare i bigint; begin loop select count(*) into i from svv_all_columns; end loop; end;",
        "declare n bigint; begin select count(*) into n"
        " from svv_all_columns a, svv_all_columns b, svv_all_columns c; end;",
    ],
)
def test_a_running_call_can_be_cancelled(wire: Wire, body: str) -> None:
    assert wire.tags(f"create procedure endless() as $$ {body} $$ language plpgsql") == ["CREATE PROCEDURE"]
    with cancelling(wire.cancel):
        assert wire.error("call endless()")["C"] == "57014"
    assert wire.rows("select 1") == [("1",)]


def test_a_cancel_does_not_hit_the_next_statement(wire: Wire) -> None:
    wire.query("create procedure endless() as $$ begin loop null; end loop; end; $$ language plpgsql")
    running = (
        f"select count(*) from sys_query_history where session_id = {wire.key[0]} and status = 'running'"
        " and query_text like 'call endless%'"
    )
    with Wire(wire.status) as other:
        other.login()
        for _ in range(20):
            wire.send(message(b"Q", text("call endless()")))
            wait_until(lambda: other.rows(running) == [("1",)])
            canceller = threading.Thread(target=wire.cancel)
            canceller.start()
            assert [codec.unpack_fields(data)["C"] for kind, data in wire.until() if kind == b"E"] == [
                "57014"
            ]
            assert wire.rows("select 1") == [("1",)]
            canceller.join()


def test_a_client_that_leaves_ends_its_call(wire: Wire) -> None:
    wire.query("create procedure endless() as $$ begin loop null; end loop; end; $$ language plpgsql")
    with Wire(wire.status) as leaving:
        leaving.login()
        leaving.send(message(b"Q", text("call endless()")))
        time.sleep(0.3)
    # Others, such as the Data API's, may have sessions too.
    mine = f"select count(*) from stv_sessions where process = {leaving.key[0]}"
    wait_until(lambda: wire.rows(mine) == [("0",)])


def test_call_among_other_statements_shares_their_transaction(wire: Wire) -> None:
    wire.query("create table t (a int)")
    wire.query("create procedure add_one() as $$ begin insert into t values (1); end; $$ language plpgsql")
    wire.query("call add_one(); select 1/0")
    assert wire.rows("select count(*) from t") == [("0",)]
    wire.query("begin; call add_one(); rollback")
    assert wire.rows("select count(*) from t") == [("0",)]
    wire.query("call add_one(); call add_one()")
    assert wire.rows("select count(*) from t") == [("2",)]


def test_definers_rights_end_with_the_call(wire: Wire) -> None:
    wire.query("create user ann password 'Ordinary-User-1'; create schema s; create table s.t (a int)")
    wire.query("grant usage on schema s to ann")
    for name, fails in (("fill", ""), ("break", "raise exception 'no';")):
        wire.query(
            f"create procedure s.{name}() as $$ begin insert into s.t values (1); commit; {fails} end; $$"
            " language plpgsql security definer"
        )
        wire.query(f"grant execute on procedure s.{name}() to ann")
    with Wire(wire.status) as ann:
        ann.login("Ordinary-User-1", user="ann")
        assert ann.tags("call s.fill()") == ["CALL"]
        assert ann.rows("select current_user, session_user") == [("ann", "ann")]
        assert ann.error("call s.break()")["M"] == "no"
        assert ann.rows("select current_user, session_user") == [("ann", "ann")]
        assert ann.error("select * from s.t")["C"] == "42501"
    assert wire.rows("select count(*) from s.t") == [("2",)]


def test_a_client_that_leaves_is_noticed_even_when_postgresql_has_answered_first() -> None:
    client, leaving = socket.socketpair()
    engine, postgres = socket.socketpair()
    backend = object.__new__(Backend)
    backend.stream = Stream(engine)
    backend.watch(client)
    with client, engine, postgres:
        postgres.sendall(b"an answer")
        leaving.close()
        with pytest.raises(ClientGone):
            backend.stream.exactly(1)
