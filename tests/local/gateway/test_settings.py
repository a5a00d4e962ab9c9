"""SET, RESET, SHOW and CANCEL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_wire import Wire
from patience import PATIENCE, wait_until

from deployer.local.environment import Status
from deployer.local.gateway.settings import FIXED, KEPT, SHARED, SWITCHED


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
        ("set statement_timeout to 600000", "statement_timeout", "10min"),
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


def test_a_context_variable_is_null_after_reset_and_belongs_to_the_session(wire: Wire) -> None:
    """SET, SHOW, RESET, CURRENT_SETTING, SET_CONFIG of `identifier.identifier` (r_SET, r_CURRENT_SETTING)."""
    wire.tags("set app_context.user_id to 123")
    assert wire.rows("show app_context.user_id") == [("123",)]
    assert wire.rows("select current_setting('APP_CONTEXT.user_id')") == [("123",)]
    assert wire.rows("select set_config('app_context.user_id', 'x y', 0)") == [("x y",)]
    wire.tags("set app.window to 'w'")
    assert wire.rows("show app.window") == [("w",)]
    wire.tags("reset app_context.user_id")
    assert wire.rows("select current_setting('app_context.user_id')") == [(None,)]
    assert wire.rows("select current_setting('app_context.other', false)") == [(None,)]
    assert wire.error("select current_setting('app_context.other')")["C"] == "42704"


def test_show_all_names_every_parameter(wire: Wire) -> None:
    """r_SHOW prints the columns name and setting."""
    wire.tags("set query_group to 'etl'")
    shown = dict(wire.rows("show all"))
    assert shown.keys() == SHARED | KEPT.keys() | FIXED.keys() | SWITCHED.keys()
    assert (shown["query_group"], shown["extra_float_digits"], shown["datestyle"]) == ("etl", "0", "ISO, MDY")


def test_what_was_only_shown_counts_as_never_set(wire: Wire) -> None:
    for name in (*SWITCHED, "all"):
        wire.rows(f"show {name}")
        assert wire.rows("select 1") == [("1",)]


def test_current_setting_says_what_show_says(wire: Wire) -> None:
    for name, default in sorted((KEPT | FIXED | SWITCHED).items()):
        assert wire.rows(f"select current_setting('{name}')") == [(default,)], name


def test_the_search_in_arrays_follows_its_setting(wire: Wire) -> None:
    """default_array_search_null_handling (array_contains)."""
    wire.tags("set default_array_search_null_handling to false")
    assert wire.rows("select array_contains(array(null), null), array_contains(array(null), null, true)") == [
        (None, "t")
    ]


def test_field_names_are_described_in_upper_case_where_the_session_wants_it(wire: Wire) -> None:
    """describe_field_name_in_uppercase."""
    wire.tags("set describe_field_name_in_uppercase to on")
    described = [data for kind, data in wire.query("select 1 as one") if kind == b"T"]
    assert b"ONE\0" in described[0]
    wire.tags("reset describe_field_name_in_uppercase")
    described = [data for kind, data in wire.query("select 1 as one") if kind == b"T"]
    assert b"one\0" in described[0]


def test_set_config_sets_for_the_session_or_the_transaction(wire: Wire) -> None:
    assert wire.rows("begin; select set_config('query_group', 'test', true); commit; show query_group") == [
        ("test",), ("unset",)
    ]  # fmt: skip
    assert wire.error("select set_config('search_path', 'a', false)")["C"] == "0A000"


def test_the_time_zone_is_set_with_and_without_to(wire: Wire) -> None:
    """r_timezone_config: INTERVAL only without TO, and ISO 8601 offsets are positive in the east."""
    for zone, hour in (
        ("timezone interval '-8 hours'", "16"), ("time zone interval '-8:00'", "16"),
        ("timezone to '-8:00'", "16"), ("time zone 'America/New_York'", "19"), ("time zone default", "00"),
    ):  # fmt: skip
        wire.tags(f"set {zone}")
        assert wire.rows("select to_char('2020-01-01 00:00:00+00'::timestamptz, 'HH24')") == [(hour,)], zone


@pytest.mark.parametrize(
    "sql, code",
    [
        ("set enable_case_sensitive_identifier to false", "0A000"),
        ("set downcase_delimited_identifier to on", "0A000"),
        ("set enable_numeric_rounding = on", "0A000"),
        ("set work_mem to '1GB'", "42704"),
        ("set default_transaction_isolation to 'read committed'", "42704"),
        ("set a.b.c to 'x'", "42601"),
        ('set "a"."b" to 1', "42601"),
        ("set app.user to 'me'", "42601"),
        ("show a.nothing", "42704"),
        ("set transaction_isolation to 'serializable'", "42704"),
        ("set session characteristics as transaction isolation level serializable", "0A000"),
        ("set time zone interval '1 day'", "22023"),
        ("set search_path", "42601"),
        ("set search_path to", "42601"),
        ("set", "42601"),
        ("set statement_timeout to '5s'", "22023"),
        ("set timezone to 'Nowhere/Land'", "22023"),
        ("reset nothing", "42704"),
        ("show nothing", "42704"),
        ("show external table t", "42601"),
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
        running = (
            f"select 1 from sys_query_history where session_id = {busy.key[0]} and status = 'running'"
            f" and query_text like '{slow}%'"
        )
        thread = threading.Thread(target=lambda: errors.append(busy.error(slow)))
        thread.start()
        # Then it is certain to be cancelled, though PostgreSQL may not have begun.
        wait_until(lambda: wire.rows(running) == [("1",)])
        assert wire.tags(f"cancel {busy.key[0]}") == ["CANCEL"]
        thread.join(PATIENCE)
        assert [(e["C"], e["M"]) for e in errors] == [("57014", "Query cancelled on user's request")]
