"""SYS_QUERY_HISTORY and what else shows the log of statements."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from redshift_connector import ProgrammingError


@pytest.fixture
def cursor(connect: Callable[..., Any], fresh_database: object) -> Any:
    cursor = connect(autocommit=True).cursor()
    cursor.execute("create table t (i integer)")
    return cursor


def rows(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


MINE = (
    "from sys_query_history where session_id = pg_backend_pid()"
    # The system gives the id of a process again.
    " and start_time >= (select starttime from stv_sessions where process = pg_backend_pid())"
)


def test_each_statement_is_there_with_its_type_and_status(cursor: Any) -> None:
    cursor.execute("insert into t values (1), (2)")
    rows(cursor, "select i from t")
    cursor.execute("create table u as select * from t")
    with pytest.raises(ProgrammingError):
        cursor.execute("select i / 0 from t")
    with pytest.raises(ProgrammingError):
        cursor.execute("select nothing from t")
    cursor.execute("set query_group to 'nightly'")
    cursor.execute("update t set i = 3")
    found = rows(
        cursor,
        "select trim(query_text), trim(query_type), trim(status), trim(error_message), returned_rows,"
        f" trim(query_label), end_time >= start_time, elapsed_time >= 0 {MINE} order by query_id",
    )
    told = [row[:6] for row in found]
    assert told[-8:] == [
        ("create table t (i integer)", "DDL", "success", "", 0, "default"),
        ("insert into t values (1), (2)", "INSERT", "success", "", 0, "default"),
        ("select i from t", "SELECT", "success", "", 2, "default"),
        ("create table u as select * from t", "CTAS", "success", "", 0, "default"),
        ("select i / 0 from t", "SELECT", "failed", "division by zero", 0, "default"),
        ("select nothing from t", "SELECT", "failed", 'column "nothing" does not exist', 0, "default"),
        ("set query_group to 'nightly'", "UTILITY", "success", "", 0, "default"),
        ("update t set i = 3", "UPDATE", "success", "", 0, "nightly"),
    ]
    assert all(row[6] and row[7] for row in found)


def test_a_running_statement_is_shown(cursor: Any, psql: Callable[..., Any]) -> None:
    # In a simple query the statement that asks is running already.
    found = psql("select trim(query_text), end_time is null from sys_query_history where status = 'running'")
    assert "select trim(query_text)" in found.stdout


def test_times_are_in_utc(cursor: Any) -> None:
    cursor.execute("set timezone to 'Asia/Tokyo'")
    before = time.time()
    cursor.execute("insert into t values (1)")
    found = rows(cursor, f"select max(extract(epoch from start_time)) {MINE} and query_type = 'INSERT'")
    assert abs(float(found[0][0]) - before) < 600


def test_last_query_id_leads_to_the_text(cursor: Any, connect: Callable[..., Any]) -> None:
    assert rows(connect(autocommit=True).cursor(), "select pg_last_query_id()") == [(-1,)]
    cursor.execute("delete /* " + "x" * 5000 + "*/ from t")
    # Statements of the leader node are none.
    rows(cursor, "select 1")
    cursor.execute("select pg_last_query_id()")
    (number,) = cursor.fetchone()
    found = rows(
        cursor, f"select sequence, len(text) from sys_query_text where query_id = {number} order by sequence"
    )
    assert found == [(0, 4000), (1, 1019)]
    cut = rows(
        cursor, f"select len(query_text), trim(query_type) from sys_query_history where query_id = {number}"
    )
    assert cut == [(4000, "DELETE")]
    assert rows(cursor, f"select aborted from stl_query where query = {number}") == [(0,)]
    parts = rows(cursor, f"select count(*) from stl_querytext where query = {number}")
    assert parts == [(26,)]


def test_calls_and_their_statements_are_tied_together(cursor: Any) -> None:
    cursor.execute(
        "create procedure fill(n integer) as $$ begin if n > 0 then insert into t values (n); end if; end; $$"
        " language plpgsql"
    )
    cursor.execute("call fill(7)")
    found = rows(
        cursor,
        "select trim(h.query_type), trim(h.query_text), trim(c.query_text) from sys_query_history h"
        " left join sys_procedure_call c on c.query_id = h.query_id"
        " where h.session_id = pg_backend_pid() and h.status = 'success' order by h.query_id desc limit 2",
    )
    assert found == [
        ("INSERT", "insert into t values (n)", None),
        ("OTHER", "call fill(7)", "CALL public.fill(7)"),
    ]
    same = rows(cursor, f"select count(distinct transaction_id) {MINE} and query_text like '%fill(7)%'")
    assert same == [(1,)]


def test_users_see_their_own_and_no_secrets(cursor: Any, connect: Callable[..., Any]) -> None:
    cursor.execute("create user historian password 'Histor1an'")
    other = connect(user="historian", password="Histor1an", autocommit=True).cursor()
    rows(other, "select 12")
    users = rows(other, "select distinct user_id = current_user_id from sys_query_history")
    assert users == [(True,)]
    found = rows(cursor, f"select trim(query_text) {MINE} and query_text like 'create user%'")
    assert found == [("create user historian password '***'",)]
    assert (
        rows(cursor, "select count(*) from sys_query_history where trim(query_text) = 'select 12'")[0][0] >= 1
    )


def test_a_cancelled_statement_and_fetched_portions(cursor: Any, status: Any) -> None:
    # Words of its own: other tests cancel such a query in the same warehouse, and the log has theirs, too.
    text = "select count(*) as noted from svv_columns a, svv_columns b, svv_columns c, svv_columns d, svv_columns e"
    dsn = f"host={status.host} port={status.port} dbname={status.database} user={status.user}"
    with psycopg.connect(f"{dsn} password={status.password} sslmode=disable", autocommit=True) as connection:
        connection.execute("set statement_timeout to 50")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(text)
    found = rows(cursor, f"select trim(status) from sys_query_history where query_text like '{text}%'")
    assert found == [("canceled",)]


def test_the_log_is_bounded(engine: psycopg.Connection[Any], cursor: Any) -> None:
    for number in range(3):
        rows(cursor, f"select {number} from t")
    assert rows(cursor, "select count(*) from sys_query_history")[0][0] >= 3
    with engine.transaction(force_rollback=True):
        engine.execute(
            "update zeroshift.query_history set start_time = start_time - interval '8 days' where query_type = 'DDL'"
        )
        engine.execute("select zeroshift.note_queries('[]', null)")
        (before,) = engine.execute("select count(*) from zeroshift.query_history").fetchone() or (0,)
        engine.execute("select zeroshift.note_queries('[]', 2)")
        left = engine.execute(
            "select count(*), min(start_time) > now() - interval '2 days' from zeroshift.query_history"
        )
        (after, recent) = left.fetchone() or (0, False)
    assert after <= 2 < before and recent in (True, None)
