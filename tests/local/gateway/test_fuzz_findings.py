"""What the fuzz of statements has found, each as a test of its own."""

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
        yield connection.login()


def test_words_that_are_missing_or_wrong(wire: Wire) -> None:
    wire.query("create user w password 'Wwwww1234'")
    assert "syntax error" in wire.error("alter user w ")["M"]
    # A number, a dot and a word: the tokens themselves are wrong.
    for shown in ("constraints primary keys from table 99.t", "table 99.t", "view 99.t", "procedure 99.t"):
        assert 'syntax error at or near "t"' in wire.error(f"show {shown}")["M"]


def bound(wire: Wire, sql: str, *values: bytes, name: str = "", executions: int = 1) -> list[dict[str, str]]:
    """The errors of a statement that is parsed, bound and executed."""
    wire.send(
        message(b"P", text(name), text(sql), codec.int16(0)),
        codec.Bind("", name, (), values, ()).pack(),
        *[message(b"E", text(""), codec.int32(0))] * executions,
        message(b"S"),
    )
    return [codec.unpack_fields(data) for kind, data in wire.until() if kind == b"E"]


def test_statements_and_portals_are_called_as_the_client_called_them(wire: Wire) -> None:
    (told,) = bound(wire, "create table once (a integer)", executions=2)
    assert told["M"] == 'portal "" cannot be run'
    (told,) = bound(wire, "select 1", b"1", name="mine")
    assert told["M"] == 'bind message supplies 1 parameters, but prepared statement "mine" requires 0'


def test_a_parameter_of_call_that_is_no_text(wire: Wire) -> None:
    wire.query("create procedure p(a varchar(9)) as $$ begin null; end; $$ language plpgsql")
    (told,) = bound(wire, "call p($1)", b"\xff")
    assert (told["C"], told["M"]) == ("22021", 'invalid byte sequence for encoding "UTF8": 0xff')


@pytest.mark.parametrize("kind", ["%type", "..%type", "a.%rowtype", "1%type", "a b%type"])
def test_the_type_of_nothing(wire: Wire, kind: str) -> None:
    made = f"create procedure p() as $$ declare v {kind}; begin null; end; $$ language plpgsql"
    assert "syntax error" in wire.error(made)["M"]


def test_a_call_ends_with_its_statement_timeout(wire: Wire) -> None:
    """Also where each of its statements is short, or it only computes."""
    for body in ("begin loop null; end loop; end;", "begin loop perform 1 from pg_class; end loop; end;"):
        wire.query(f"create or replace procedure endless() as $$ {body} $$ language plpgsql")
        wire.query("set statement_timeout to 200")
        told = wire.error("call endless()")
        assert (told["C"], told["M"]) == ("57014", "Query cancelled on user's request")
        wire.query("set statement_timeout to 0")


def test_object_transform_takes_no_list_of_arguments(wire: Wire) -> None:
    assert 'syntax error at or near ","' in wire.error("select object_transform(object('a', 1), '')")["M"]
    assert wire.error("select object_transform()")["C"] == "42883"
