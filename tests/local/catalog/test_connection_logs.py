"""What is kept of sessions, connections, transactions and statements, and who may read it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from patience import wait_until
from redshift_connector import Error, ProgrammingError


@pytest.fixture
def admin(connect: Callable[..., Any], fresh_database: object) -> Any:
    cursor = connect(autocommit=True).cursor()
    cursor.execute("create user visitor password 'Visitor1234'")
    return cursor


def rows(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return [tuple(one.rstrip() if isinstance(one, str) else one for one in row) for row in cursor.fetchall()]


def began(cursor: Any) -> tuple[int, str]:
    """The process id of a session, and since when it has it: the system gives the same ids again."""
    ((pid, start),) = rows(
        cursor, "select process, starttime from stv_sessions where process = pg_backend_pid()"
    )
    return int(pid), str(start)


def test_connections_and_sessions(admin: Any, connect: Callable[..., Any]) -> None:
    """DG "SYS_CONNECTION_LOG": its example of a failed attempt, a connection and its end."""
    ((before,),) = rows(admin, "select max(record_time) from sys_connection_log")
    with pytest.raises(Error):
        connect(user="visitor", password="Wrong1234")
    visitor = connect(user="visitor", password="Visitor1234", autocommit=True, application_name="log test")
    pid, start = began(visitor.cursor())
    mine = f"session_id = {pid} and start_time >= '{start}'"
    assert rows(visitor.cursor(), f"select status, end_time from sys_session_history where {mine}") == [
        ("active", None)
    ]
    for view in ("sys_connection_log", "stl_connection_log", "sys_transaction_history"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            visitor.cursor().execute(f"select * from {view}")
    visitor.close()
    ended = f"select timed_out, endtime >= starttime, trim(user_name) from stl_sessions where process = {pid}"
    ended += f" and starttime >= '{start}'"
    wait_until(lambda: rows(admin, ended) == [(2, True, "visitor")])
    asked = f"select status, user_id::integer > 0 from sys_session_history where {mine}"
    assert rows(admin, asked) == [("closed", True)]
    log = rows(
        admin,
        "select event, session_id is null, application_name, remote_host, driver_version like 'Redshift Python%',"
        " ssl_version, duration > 0 from sys_connection_log where user_name = 'visitor'"
        f" and record_time > '{before}' and nvl(session_id, {pid}) = {pid} order by record_time, event",
    )
    assert log[0][:2] == ("authentication failure", True)
    assert log[1:] == [
        ("authenticated", False, "log test", "127.0.0.1", True, "", False),
        ("initiating session", False, "log test", "127.0.0.1", True, "", False),
        ("disconnecting session", False, "log test", "127.0.0.1", True, "", True),
    ]


def test_transactions(admin: Any, connect: Callable[..., Any]) -> None:
    """DG "SYS_TRANSACTION_HISTORY", and the join that DG "SYS_QUERY_HISTORY" advises."""
    connection = connect(autocommit=False)
    cursor = connection.cursor()
    cursor.execute("create table kept (a integer)")
    connection.commit()
    cursor.execute("insert into kept values (1)")
    connection.rollback()
    with pytest.raises(ProgrammingError):
        cursor.execute("insert into kept values ('x'::integer)")
    connection.commit()
    cursor.execute("insert into kept values (2)")
    pid, start = began(cursor)
    asked = (
        "select trim(q.query_text), t.status, t.undo_transaction_id = t.transaction_id,"
        " t.commit_start_time < '2001-01-01' from sys_query_history q left join sys_transaction_history t"
        " on q.transaction_id = t.transaction_id"
        f" where q.session_id = {pid} and q.start_time >= '{start}'"
        " and (q.query_type = 'INSERT' or q.query_text like 'create%') order by q.query_id"
    )
    assert rows(admin, asked) == [
        ("create table kept (a integer)", "committed", False, False),
        ("insert into kept values (1)", "rolledback", True, True),
        ("insert into kept values ('x'::integer)", "rolledback", True, True),
        ("insert into kept values (2)", None, None, None),
    ]
    connection.close()
    wait_until(lambda: rows(admin, asked)[-1][1] == "rolledback")


def test_statements_by_kind(admin: Any) -> None:
    """DG "STL_DDLTEXT", "STL_UTILITYTEXT", "STL_QUERYTEXT": what each has, newlines and backslashes written out."""
    admin.execute("create procedure twice(n integer) as $$ begin null; end; $$ language plpgsql")
    admin.execute("create table said (a varchar(9))")
    admin.execute("select 'x\\\\y'\n from said")
    admin.execute("set query_group to 'mine'")
    admin.execute("call twice(1)")
    _, start = began(admin)
    since = f"starttime >= '{start}'"
    mine = "from {} where pid = pg_backend_pid() and text like '%{}%'"
    assert rows(admin, "select trim(text) " + mine.format("stl_ddltext", "said")) == [
        ("create table said (a varchar(9))",)
    ]
    ((text, sequence, uuid),) = rows(
        admin, "select text, sequence, len(query_uuid) " + mine.format("stl_querytext", "from said")
    )
    assert (text, sequence, uuid) == ("select 'x\\\\\\\\y'\\n from said", 0, 36)
    assert rows(
        admin, "select trim(type), trim(label) " + mine.format("svl_statementtext", "call twice")
    ) == [("UTILITY", "mine")]
    call = "select label, aborted, from_sp_call, session_userid = userid, xid > 0, pid = pg_backend_pid()"
    assert rows(admin, f"{call} from svl_stored_proc_call where {since} and querytxt like '%twice(1)%'") == [
        ("mine", 0, None, True, True, True)
    ]
    recent = f"select status, pid, query from stv_recents where {since} and query like 'call twice%'"
    assert rows(admin, recent) == [("Done", -1, "call twice(1)")]
    log = f"select elapsed > 0, substring, source_query from svl_qlog where {since} and substring like 'select ''x%'"
    assert rows(admin, log) == [(True, text, None)]


def test_messages_of_procedures(admin: Any) -> None:
    """DG "SVL_STORED_PROC_MESSAGES": its two examples. Messages outlive what was rolled back."""
    admin.execute("""create procedure test_proc1(f1 int) as $$
begin
    raise info 'Log Level: Input f1 is %', f1;
    raise notice 'Notice Level: Input f1 is %', f1;
    execute 'select invalid';
    raise notice 'Should not print this';
exception when others then
    raise exception 'EXCEPTION level: Exception Handling';
end; $$ language plpgsql""")
    with pytest.raises(ProgrammingError):
        admin.execute("call test_proc1(2)")
    asked = "select loglevel, loglevel_text, message, aborted, linenum from svl_stored_proc_messages"
    _, start = began(admin)
    asked += f" where recordtime >= '{start}' and loglevel > 30 and querytext like '%test_proc1(2)%'"
    asked += " order by recordtime"
    assert rows(admin, asked) == [
        (40, "NOTICE", "Notice Level: Input f1 is 2", 1, 3),
        (60, "EXCEPTION", "EXCEPTION level: Exception Handling", 1, 7),
    ]
    levels = " ".join(
        f"raise {level} 'Raise {level}';" for level in ("log", "info", "notice", "warning", "exception")
    )
    admin.execute(f"create procedure test_proc() as $$ begin {levels} end; $$ language plpgsql"
                  " set stored_proc_log_min_messages = notice")  # fmt: skip
    with pytest.raises(ProgrammingError):
        admin.execute("call test_proc()")
    said = rows(admin, "select trim(log_level), trim(message), transaction_id > 0 from sys_procedure_messages"
                       f" where record_time >= '{start}' and message like 'Raise%' order by record_time")  # fmt: skip
    assert said == [(level.upper(), f"Raise {level}", True) for level in ("notice", "warning", "exception")]
    admin.execute("set stored_proc_log_min_messages to warning")
    admin.execute(
        "create procedure quiet() as $$ begin raise info 'unheard'; raise warning 'heard'; end; $$ language plpgsql"
    )
    admin.execute("call quiet()")
    heard = "select trim(message) from sys_procedure_messages where message like '%heard%'"
    assert rows(admin, f"{heard} and record_time >= '{start}'") == [("heard",)]


def test_system_privileges(admin: Any) -> None:
    admin.execute("create role observer")
    admin.execute("grant explain rls to role observer")
    assert rows(
        admin, "select system_privilege, identity_name, identity_type from svv_system_privileges"
    ) == [("EXPLAIN RLS", "observer", "role")]


def test_an_external_table_s_definition(admin: Any, connect: Callable[..., Any]) -> None:
    """DG "SHOW EXTERNAL TABLE": its example."""
    admin.execute("create external schema my_schema from data catalog database 'my_database' iam_role default"
                  " create external database if not exists")  # fmt: skip
    admin.execute(
        "create external table my_schema.events (csmallint smallint, cint int, cdouble float8, cdecimal decimal(18,9),"
        " cchar char(10), cvarchar varchar(255), ctimestamp timestamp, cboolean boolean) partitioned by (cdate date)"
        " stored as parquet location 's3://amzn-s3-demo-bucket/events'"
    )
    admin.execute("alter table my_schema.events add partition (cdate='2021-01-01')"
                  " location 's3://amzn-s3-demo-bucket/events/cdate=2021-01-01'")  # fmt: skip
    body = """events (
    csmallint smallint,
    cint int,
    cdouble float8,
    cdecimal decimal(18,9),
    cchar char(10),
    cvarchar varchar(255),
    ctimestamp timestamp,
    cboolean boolean
)
PARTITIONED BY (cdate date)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'
LOCATION 's3://amzn-s3-demo-bucket/events';"""
    assert rows(admin, "SHOW EXTERNAL TABLE my_schema.events") == [
        (f"CREATE EXTERNAL TABLE my_schema.{body}",)
    ]
    partition = (
        "\nALTER TABLE my_database.my_schema.events ADD IF NOT EXISTS PARTITION (cdate='2021-01-01') LOCATION"
        " 's3://amzn-s3-demo-bucket/events/cdate=2021-01-01';"
    )
    assert rows(admin, "show external table my_database.my_schema.events partition") == [
        (f"CREATE EXTERNAL TABLE my_database.my_schema.{body}{partition}",)
    ]
    assert rows(admin, "show tables from schema my_schema")[0][2:4] == ("events", "EXTERNAL TABLE")
    found = rows(admin, "show columns from table my_schema.events like 'c%'")
    assert [row[3] for row in found][-1] == "cdate"
    assert rows(admin, "select table_type from svv_tables where table_schema = 'my_schema'") == [
        ("EXTERNAL TABLE",)
    ]
    shown = "select data_type, numeric_precision, numeric_scale from {} where column_name = 'cdecimal'"
    for view in ("svv_columns", "svv_all_columns"):
        assert rows(admin, shown.format(view)) == [("numeric", 18, 9)]
    visitor = connect(user="visitor", password="Visitor1234", autocommit=True).cursor()
    with pytest.raises(ProgrammingError, match="my_schema.events.* does not exist"):
        visitor.execute("show external table my_schema.events")


@pytest.mark.slow
def test_a_session_that_timed_out(admin: Any, connect: Callable[..., Any]) -> None:
    """DG "STL_SESSIONS": timed_out is 1. CREATE USER takes a minute or more."""
    admin.execute("alter user visitor session timeout 60")
    assert rows(admin, "select session_timeout from svv_user_info where user_name = 'visitor'") == [(60,)]
    visitor = connect(user="visitor", password="Visitor1234", autocommit=True)
    pid, start = began(visitor.cursor())
    assert rows(admin, f"select timeout_sec from stv_sessions where process = {pid}") == [(60,)]
    asked = (
        f"select timed_out, timeout_sec from stl_sessions where process = {pid} and starttime >= '{start}'"
    )
    deadline = time.monotonic() + 240
    while not (found := rows(admin, asked)):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert found == [(1, 60)]
    status = f"select status from sys_session_history where session_id = {pid} and start_time >= '{start}'"
    assert rows(admin, status) == [("timed out",)]
