"""SYS_PROCEDURE_CALL: every call, also those whose work was rolled back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redshift_connector import ProgrammingError

from deployer.local.procedures import call_log

CALLS = (
    "select trim(query_text), trim(status), caller_procedure_query_id is null, session_user_id = security_user_id"
    " from sys_procedure_call order by query_id"
)


@pytest.fixture
def admin(connect: Callable[..., Any], fresh_database: object, engine: Any) -> Any:
    engine.execute("truncate zeroshift.procedure_calls")
    cursor = connect(autocommit=True).cursor()
    cursor.execute("create table t (i integer)")
    cursor.execute(
        "create procedure inner_one(n integer, s varchar(10)) as $$ begin insert into t values (n / n); end;"
        " $$ language plpgsql security definer"
    )
    cursor.execute(
        "create procedure outer_one(n integer) as $$ begin call inner_one(1, 'it''s'); call inner_one(n, null); end;"
        " $$ language plpgsql"
    )
    return cursor


def rows(cursor: Any, sql: str = CALLS) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


def test_calls_are_shown_with_their_callers(admin: Any) -> None:
    admin.execute("call outer_one(2)")
    assert rows(admin) == [
        ("CALL public.outer_one(2)", "success", True, True),
        ("CALL public.inner_one(1, 'it''s')", "success", False, True),
        ("CALL public.inner_one(2, NULL)", "success", False, True),
    ]
    hierarchy = rows(
        admin,
        "select count(*) from sys_procedure_call c join sys_procedure_call o"
        " on o.query_id = c.caller_procedure_query_id where o.query_text like 'CALL public.outer_one%'"
        " and c.start_time between o.start_time and o.end_time and c.end_time <= o.end_time",
    )
    assert hierarchy == [(2,)]


def test_the_innermost_call_that_failed_began_last(admin: Any) -> None:
    with pytest.raises(ProgrammingError, match="division by zero"):
        admin.execute("call outer_one(0)")
    assert rows(admin, "select count(*) from t") == [(0,)]
    assert [row[1] for row in rows(admin)] == ["canceled", "success", "canceled"]
    # What the alert path asks.
    last = "select trim(query_text) from sys_procedure_call where status <> 'success' order by start_time desc limit 1"
    assert rows(admin, last) == [("CALL public.inner_one(0, NULL)",)]


def test_users_see_their_own(admin: Any, connect: Callable[..., Any]) -> None:
    admin.execute("create user caller password 'Caller123'")
    admin.execute("grant execute on procedure outer_one(integer) to caller")
    admin.execute("grant execute on procedure inner_one(integer, varchar) to caller")
    admin.execute("call inner_one(1, 'a')")
    cursor = connect(user="caller", password="Caller123", autocommit=True).cursor()
    cursor.execute("call outer_one(2)")
    assert len(rows(cursor)) == 3
    assert len(rows(admin)) == 4


def test_a_loop_of_calls_keeps_a_bounded_log(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployer.local.procedures.executor import StoredProcedure

    monkeypatch.setattr(call_log, "MAX_CALLS", 3)
    procedure = StoredProcedure(1, "s", "p", "me", (), "", False, False, (), True)
    log = call_log.CallLog()
    with pytest.raises(ValueError), log.call(procedure, [], "me"):
        for _ in range(5):
            with log.call(procedure, [], "me"):
                pass
        with log.call(procedure, [], "me"):
            raise ValueError
    assert [(call.number, call.status) for call in log.calls] == [
        (1, "canceled"), (2, "success"), (3, "success"), (7, "canceled"),
    ]  # fmt: skip
