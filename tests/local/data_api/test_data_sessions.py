"""SessionKeepAliveSeconds, SessionId and ListSessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_api_client import WHERE, ended, refused

from deployer.local.data_api import limits
from deployer.local.data_api.records import AVAILABLE, Place, SessionRecord
from deployer.local.data_api.sessions import Sessions
from deployer.local.data_api.store import Store

Run = Callable[..., dict[str, Any]]


def test_a_session_keeps_what_is_its_own(run: Run, client: Any, fresh_database: Any) -> None:
    first = run("create temp table mine (n int)", SessionKeepAliveSeconds=600)
    session = first["SessionId"]
    assert run("insert into mine values (1), (2)", SessionId=session)["ResultRows"] == 2
    batch = run(["set search_path to nowhere", "select n from mine"], SessionId=session)
    assert batch["Status"] == "FINISHED" and batch["SessionId"] == session and batch["Database"] == "dev"
    assert run("select n from mine", SessionId=session)["RedshiftPid"] == first["RedshiftPid"]
    assert run("show search_path", SessionId=session)["Status"] == "FINISHED"
    (listed,) = client.list_sessions(SessionId=session)["Sessions"]
    assert listed["Status"] == "AVAILABLE" and listed["SessionAliveSeconds"] == 600
    assert listed["WorkgroupName"] == "rental" and "CurrentStatementId" not in listed
    assert (listed["SessionTtl"] - listed["UpdatedAt"]).total_seconds() == pytest.approx(600, abs=1)
    assert "does not exist" in run("select n from mine")["Error"]


def test_a_failed_transaction_of_a_session_stays_failed(run: Run) -> None:
    # As awslabs/mcp issue 1489 found it on AWS.
    session = run("begin", SessionKeepAliveSeconds=600)["SessionId"]
    assert run("select 1/0", SessionId=session)["Status"] == "FAILED"
    assert "current transaction is aborted" in run("select 1", SessionId=session)["Error"]
    assert run("rollback", SessionId=session)["Status"] == "FINISHED"
    assert run("select 1", SessionId=session)["Status"] == "FINISHED"


def test_a_busy_session_takes_nothing_more(run: Run, client: Any, fresh_database: Any) -> None:
    run("create table held (n int)")
    holder = run(["begin", "lock held"], SessionKeepAliveSeconds=600, ExecutionMode="AUTO_COMMIT")[
        "SessionId"
    ]
    waiting = client.execute_statement(Sql="select count(*) from held", SessionKeepAliveSeconds=600, **WHERE)
    session = waiting["SessionId"]
    (shown,) = client.list_sessions(SessionId=session)["Sessions"]
    assert shown["Status"] == "BUSY" and shown["CurrentStatementId"] == waiting["Id"]
    code, message = refused(lambda: client.execute_statement(Sql="select 1", SessionId=session))
    assert code == "ValidationException" and "busy" in message
    assert {one["SessionId"] for one in client.list_sessions(Status="BUSY")["Sessions"]} == {session}
    run("rollback", SessionId=holder)
    assert ended(client, waiting["Id"])["Status"] == "FINISHED"
    assert run("select 1", SessionId=session)["Status"] == "FINISHED"


def test_a_session_closes_when_nobody_uses_it(
    new_api: Callable[..., Any], new_client: Callable[..., Any], run: Run
) -> None:
    now = [time.time()]
    api = new_api(clock=lambda: now[0])
    client = new_client(api.url)
    first = run("select 1", client=client, SessionKeepAliveSeconds=100)
    session = first["SessionId"]
    now[0] += 90
    api.sweep()
    assert run("select 1", client=client, SessionId=session)["Status"] == "FINISHED"
    now[0] += 90
    api.sweep()
    assert (
        run("select 1", client=client, SessionId=session, SessionKeepAliveSeconds=500)["Status"] == "FINISHED"
    )
    now[0] += 400
    api.sweep()
    assert client.list_sessions()["Sessions"][0]["Status"] == "AVAILABLE"
    now[0] += 101
    api.sweep()
    assert client.list_sessions()["Sessions"] == []
    assert [one["SessionId"] for one in client.list_sessions(Status="CLOSED")["Sessions"]] == [session]
    code, message = refused(lambda: client.execute_statement(Sql="select 1", SessionId=session))
    assert code == "ValidationException" and "closed" in message
    # At the latest a day after it began, however often it is used.
    session = run("select 1", client=client, SessionKeepAliveSeconds=86400)["SessionId"]
    now[0] += limits.SESSION_SECONDS - 10
    api.sweep()
    assert run("select 1", client=client, SessionId=session)["Status"] == "FINISHED"
    now[0] += 11
    api.sweep()
    assert client.list_sessions()["Sessions"] == []


class Kept:
    """A connection that is well."""

    usable = alive = True

    def close(self) -> None:
        self.usable = self.alive = False


def sessions_of_one(home: Path, now: list[float]) -> tuple[Store, Sessions, str]:
    """A store whose one session runs its first statement, and is kept for a minute after each."""
    store = Store(home)
    sessions = Sessions(store, lambda: now[0])
    return store, sessions, sessions.create(Place("dev", "admin", workgroup="abc"), 60, "s").id


def test_a_sweep_at_the_end_of_the_first_statement_leaves_the_session(tmp_path: Path) -> None:
    """Between the session's being told available and anything that follows."""
    store, sessions, session = sessions_of_one(tmp_path, [1000.0])
    save = store.save_session

    def sweeping(record: SessionRecord) -> None:
        save(record)
        if record.status == AVAILABLE:
            sessions.expire()

    store.save_session = sweeping  # type: ignore[method-assign]
    connection: Any = Kept()
    sessions.release(session, connection)
    found = store.session(session)
    assert found is not None and found.status == AVAILABLE
    assert sessions.connection(session) is connection and connection.alive


def test_a_sweep_that_was_held_up_leaves_a_session_that_was_used_meanwhile(tmp_path: Path) -> None:
    now = [1000.0]
    store, sessions, session = sessions_of_one(tmp_path, now)
    connection: Any = Kept()
    sessions.release(session, connection)
    stale = store.open_sessions()
    now[0] += 59
    sessions.reserve(session, "another", None)
    sessions.release(session, connection)
    now[0] += 2
    store.open_sessions = lambda: stale  # type: ignore[method-assign]
    sessions.expire()
    found = store.session(session)
    assert found is not None and found.status == AVAILABLE and connection.alive
    now[0] += 60
    sessions.expire()
    assert not connection.alive


def test_requests_with_a_session(
    new_api: Callable[..., Any], new_client: Callable[..., Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its own: the sessions are counted, and those of other tests end at some time.
    client = new_client(new_api().url)
    unknown = "d9b6c0c9-0747-4bf4-b142-e8883122f766"
    assert refused(lambda: client.execute_statement(Sql="select 1", SessionId=unknown)) == (
        "ResourceNotFoundException",
        "Session does not exist.",
    )
    session = run("select 1", client=client, SessionKeepAliveSeconds=3600)["SessionId"]
    code, message = refused(
        lambda: client.execute_statement(Sql="select 1", SessionId=session, Database="dev")
    )
    assert code == "ValidationException" and message.startswith("Database cannot be given with SessionId")
    assert "SessionId" not in run("select 1", client=client, SessionKeepAliveSeconds=0)
    count = len(client.list_sessions()["Sessions"])
    monkeypatch.setattr(limits, "SESSIONS", count)
    code, _ = refused(lambda: client.execute_statement(Sql="select 1", SessionKeepAliveSeconds=60, **WHERE))
    assert code == "ActiveSessionsExceededException"
    code, _ = refused(lambda: client.list_sessions(SessionId=session, Status="BUSY"))
    assert code == "ValidationException"
    assert client.list_sessions(Database="elsewhere")["Sessions"] == []
    assert client.list_sessions(ClusterIdentifier="elsewhere")["Sessions"] == []
    pages = client.get_paginator("list_sessions").paginate(PaginationConfig={"PageSize": 1})
    assert len([one for page in pages for one in page["Sessions"]]) == count
