"""SET, RESET, SHOW and CANCEL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status
from deployer.local.gateway.settings import FIXED, KEPT


@pytest.fixture
def wire(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as connection:
        yield connection.login()


@pytest.mark.parametrize(
    "sql, name, shown",
    [
        ('set search_path to a, "B c", public', "search_path", 'a, "B c", public'),
        ("set search_path = 'a, public'", "search_path", "a, public"),
        ("set search_path to '$user', public", "search_path", '"$user", public'),
        ("set session timezone to 'Europe/Berlin'", "timezone", "Europe/Berlin"),
        ("set timezone = 'UTC'", "timezone", "UTC"),
        ("set statement_timeout to 5000", "statement_timeout", "5s"),
        ("set query_group to 'etl'", "query_group", "etl"),
        ("set enable_result_cache_for_session to off", "enable_result_cache_for_session", "off"),
        ("set wlm_query_slot_count to 3", "wlm_query_slot_count", "3"),
        ("set enable_case_sensitive_identifier to true", "enable_case_sensitive_identifier", "on"),
        ("set extra_float_digits to 2", "extra_float_digits", "2"),
    ],
)
def test_set_then_show(wire: Wire, sql: str, name: str, shown: str) -> None:
    assert wire.tags(sql) == ["SET"]
    assert wire.rows(f"show {name}") == [(shown,)]


@pytest.mark.parametrize("name, default", sorted({**KEPT, **FIXED}.items()))
def test_every_known_parameter_has_its_default(wire: Wire, name: str, default: str) -> None:
    assert wire.rows(f"show {name}") == [(default,)]
    assert wire.tags(f"reset {name}; set {name} to default") == ["RESET", "SET"]


@pytest.mark.parametrize(
    "sql, code",
    [
        ("set enable_case_sensitive_identifier to false", "0A000"),
        ("set downcase_delimited_identifier to on", "0A000"),
        ("set enable_numeric_rounding = on", "0A000"),
        ("set work_mem to '1GB'", "42704"),
        ("set default_transaction_isolation to 'read committed'", "42704"),
        ("set zeroshift.query_group to 'x'", "42601"),
        ("set transaction_isolation to 'serializable'", "42704"),
        ("set session characteristics as transaction isolation level serializable", "0A000"),
        ("set time zone 'UTC'", "0A000"),
        ("set search_path", "42601"),
        ("set search_path to", "42601"),
        ("set", "42601"),
        ("set statement_timeout to '5s'", "22023"),
        ("set timezone to 'Nowhere/Land'", "22023"),
        ("reset nothing", "42704"),
        ("show nothing", "42704"),
        ("show external table t", "0A000"),
        ("use dev", "0A000"),
    ],
)
def test_refused(wire: Wire, sql: str, code: str) -> None:
    fields = wire.error(sql)
    assert fields["C"] == code, fields
    assert wire.rows("select 1") == [("1",)]


def test_values_are_literals_whatever_they_hold(wire: Wire) -> None:
    wire.query("set query_group to 'it''s \\\\ \"quoted\"; drop table x'")
    assert wire.rows("show query_group") == [('it\'s \\ "quoted"; drop table x',)]


def test_set_local_ends_with_the_transaction(wire: Wire) -> None:
    wire.query("begin; set local search_path to other; rollback")
    assert wire.rows("show search_path") == [('"$user", public',)]


def test_reset_all_keeps_the_isolation_and_the_user(wire: Wire) -> None:
    wire.query("set search_path to other; set query_group to 'x'")
    assert wire.tags("reset all") == ["RESET"]
    assert wire.rows("show transaction isolation level") == [("repeatable read",)]
    assert wire.rows("show extra_float_digits") == [("0",)]
    assert wire.rows("select current_user") == [("admin",)]
    wire.query("create user made_after_reset password 'Password1'")
    with Wire(wire.status) as other:
        other.login("Password1", user="made_after_reset").query("create table theirs (a int)")
    assert wire.tags("drop table theirs") == ["DROP TABLE"]


def test_statement_timeout_counts_milliseconds(wire: Wire) -> None:
    wire.query("set statement_timeout to 200")
    assert (
        wire.error("select count(*) from svv_all_columns a, svv_all_columns b, svv_all_columns c")["C"]
        == "57014"
    )


def test_settings_of_a_user_hold_from_login(wire: Wire, engine: Any) -> None:
    wire.query("create user ann password 'Password1'; create schema s")
    wire.query("grant usage on schema s to ann")
    engine.execute("alter role ann set search_path to s, public")
    with Wire(wire.status) as ann:
        assert ann.login("Password1", user="ann").rows("show search_path") == [("s, public",)]


def test_cancel_statement_ends_another_sessions_query(wire: Wire) -> None:
    with Wire(wire.status) as busy:
        busy.login()
        errors: list[dict[str, str]] = []
        slow = "select count(*) from svv_all_columns a, svv_all_columns b, svv_all_columns c"
        thread = threading.Thread(target=lambda: errors.append(busy.error(slow)))
        thread.start()
        time.sleep(0.5)
        assert wire.tags(f"cancel {busy.key[0]}") == ["CANCEL"]
        thread.join(15)
        assert [(e["C"], e["M"]) for e in errors] == [("57014", "Query cancelled on user's request")]
