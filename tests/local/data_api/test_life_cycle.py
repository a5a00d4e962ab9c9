"""Statements over time: the queue, cancelling, waiting, a restart, expiry; and events."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from data_api_client import WHERE, ended, refused, started, until

from deployer.local.data_api import limits
from deployer.local.data_api.connection import Connection
from deployer.local.data_api.executor import CANCELLED, OVERDUE, STOPPED, Executor
from deployer.local.data_api.records import ACTIVE, Caller, Place, Request
from deployer.local.data_api.service import KILLED
from deployer.local.data_api.store import Store

Run = Callable[..., dict[str, Any]]

DIGITS = " union all ".join(f"select {n} as n" for n in range(10))
FOREVER = f"with d as ({DIGITS}) select count(*) from {', '.join('d ' + x for x in 'abcdefghijkl')}"
"""Of 10^12 rows."""


def test_fifty_statements_at_once_on_a_pool_of_ten(client: Any, run: Run, fresh_database: Any) -> None:
    run("create table counted (n int, pid int)")

    def submit(number: int) -> str:
        sql = f"insert into counted select {number}, pg_backend_pid()"
        return str(client.execute_statement(Sql=sql, StatementName=f"fifty-{number}", **WHERE)["Id"])

    with ThreadPoolExecutor(50) as threads:
        identifiers = list(threads.map(submit, range(50)))
    found = [ended(client, one) for one in identifiers]
    assert [one["Status"] for one in found] == ["FINISHED"] * 50
    result = run("select count(*), count(distinct n), count(distinct pid) from counted")
    total, numbers, sessions = (
        list(field.values())[0] for field in client.get_statement_result(Id=result["Id"])["Records"][0]
    )
    assert (total, numbers) == (50, 50) and sessions <= 11
    listed = client.get_paginator("list_statements").paginate(
        StatementName="fifty-", PaginationConfig={"PageSize": 20}
    )
    assert {one["Id"] for page in listed for one in page["Statements"]} == set(identifiers)


def test_more_than_the_pool_holds_wait(new_api: Callable[..., Any], new_client: Callable[..., Any]) -> None:
    client = new_client(new_api(pool=1).url)
    first = client.execute_statement(Sql=FOREVER, **WHERE)["Id"]
    started(client, first)
    second = client.execute_statement(Sql="select 2", **WHERE)["Id"]
    third = client.execute_statement(Sql="select 3", **WHERE)["Id"]
    shown = client.describe_statement(Id=second)
    assert shown["Status"] == "SUBMITTED"
    assert (shown["Duration"], shown["RedshiftPid"], shown["RedshiftQueryId"]) == (-1, 0, 0)
    assert (shown["ResultRows"], shown["ResultSize"], shown["HasResultSet"]) == (-1, -1, False)
    assert client.cancel_statement(Id=third)["Status"] is True
    assert client.describe_statement(Id=third)["Status"] == "ABORTED"
    listed = client.list_statements(Status="ALL")["Statements"]
    assert [one["Id"] for one in listed] == [third, second, first]
    assert [one["Id"] for one in client.list_statements(Status="SUBMITTED")["Statements"]] == [second]
    assert client.list_statements()["Statements"] == []
    assert client.cancel_statement(Id=first)["Status"] is True
    found = ended(client, first)
    assert found["Status"] == "ABORTED" and found["Error"] == CANCELLED and found["Duration"] > 0
    assert ended(client, second)["Status"] == "FINISHED"
    for identifier, status in ((first, "ABORTED"), (second, "FINISHED")):
        assert refused(lambda: client.cancel_statement(Id=identifier)) == (  # noqa: B023
            "ValidationException",
            f"Could not cancel a query that is already in {status} state with ID: {identifier}",
        )


def test_a_batch_is_cancelled_as_a_whole(client: Any, run: Run, fresh_database: Any) -> None:
    run("create table t (n int)")
    batch = client.batch_execute_statement(
        Sqls=["insert into t values (1)", FOREVER, "insert into t values (2)"], **WHERE
    )["Id"]
    while started(client, batch)["SubStatements"][1]["Status"] != "STARTED":
        time.sleep(0.01)
    code, message = refused(lambda: client.cancel_statement(Id=f"{batch}:2"))
    assert code == "ValidationException" and "cancel the batch" in message
    client.cancel_statement(Id=batch)
    found = ended(client, batch)
    assert found["Status"] == "ABORTED"
    assert [part["Status"] for part in found["SubStatements"]] == ["FINISHED", "ABORTED", "ABORTED"]
    assert run("select n from t")["ResultRows"] == 0


def test_a_batch_cancelled_between_two_statements_is_rolled_back(
    client: Any, run: Run, fresh_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("create table t (n int)")
    original = Executor._part

    def cancelled_meanwhile(
        self: Any, statement: Any, part: Any, sql: str, connection: Any, running: Any
    ) -> Any:
        error = original(self, statement, part, sql, connection, running)
        running.cancelled = True
        return error

    monkeypatch.setattr(Executor, "_part", cancelled_meanwhile)
    found = run(["insert into t values (1)", "insert into t values (2)"])
    monkeypatch.undo()
    assert (found["Status"], found["Error"]) == ("ABORTED", CANCELLED)
    assert [part["Status"] for part in found["SubStatements"]] == ["FINISHED", "ABORTED"]
    assert run("select n from t")["ResultRows"] == 0


def test_the_rollback_of_a_cancelled_batch_is_not_cancelled(
    client: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the transaction would stay open in a session, and fail its next statement."""
    told = client.batch_execute_statement(Sqls=[FOREVER], SessionKeepAliveSeconds=600, **WHERE)
    started(client, told["Id"])
    execute, cancel = Connection.run, Connection.cancel
    rolling_back = threading.Event()
    hit: list[bool] = []

    def slow(self: Connection, sql: str, *arguments: Any) -> Any:
        if sql == "rollback":
            rolling_back.set()
            # A request that nobody has heard of would be repeated in the meantime.
            time.sleep(0.5)
            rolling_back.clear()
        return execute(self, sql, *arguments)

    def noticed(self: Connection) -> None:
        hit.append(rolling_back.is_set())
        cancel(self)

    monkeypatch.setattr(Connection, "run", slow)
    monkeypatch.setattr(Connection, "cancel", noticed)
    client.cancel_statement(Id=told["Id"])
    assert ended(client, told["Id"])["Status"] == "ABORTED"
    assert hit and not any(hit)
    assert run("select 1", SessionId=told["SessionId"])["Status"] == "FINISHED"


def test_no_cancel_is_on_its_way_any_more_when_a_statement_has_ended(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Connection.cancel
    told = client.execute_statement(Sql=FOREVER, **WHERE)
    started(client, told["Id"])
    seen: list[str] = []

    def slow(self: Connection) -> None:
        original(self)
        time.sleep(0.5)
        seen.append(client.describe_statement(Id=told["Id"])["Status"])

    monkeypatch.setattr(Connection, "cancel", slow)
    client.cancel_statement(Id=told["Id"])
    assert ended(client, told["Id"])["Status"] == "ABORTED"
    # More than once, if the first request came before the gateway had begun.
    assert set(seen) == {"STARTED"}


def test_a_cancelled_statement_of_a_session_leaves_the_session(client: Any, run: Run) -> None:
    told = client.execute_statement(Sql=FOREVER, SessionKeepAliveSeconds=600, **WHERE)
    pid = started(client, told["Id"])["RedshiftPid"]
    client.cancel_statement(Id=told["Id"])
    assert ended(client, told["Id"])["Status"] == "ABORTED"
    after = run("select 1", SessionId=told["SessionId"])
    assert (after["Status"], after["RedshiftPid"]) == ("FINISHED", pid)


def test_cancels_that_race_with_the_end_hit_nobody_else(client: Any) -> None:
    for _ in range(15):
        first = client.execute_statement(Sql="select 1", **WHERE)["Id"]
        try:
            client.cancel_statement(Id=first)
        except client.exceptions.ValidationException:
            pass
        second = client.execute_statement(Sql="select 2", WaitTimeSeconds=30, **WHERE)["Id"]
        assert ended(client, second)["Status"] == "FINISHED"
        assert ended(client, first)["Status"] in ("FINISHED", "ABORTED")


def test_waiting(api: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    told = client.execute_statement(Sql=FOREVER, WaitTimeSeconds=1, **WHERE)
    # It never ends, so whoever is answered has not waited for its end.
    assert told["Status"] in ACTIVE and "HasResultSet" not in told
    assert 0.9 < time.monotonic() - begun
    assert started(client, told["Id"])["RedshiftPid"] > 0
    begun = time.monotonic()
    found = client.describe_statement(Id=told["Id"], WaitTimeSeconds=1)
    assert found["Status"] == "STARTED" and 0.9 < time.monotonic() - begun
    code, message = refused(lambda: client.get_statement_result(Id=told["Id"], WaitTimeSeconds=1))
    assert code == "ResourceNotFoundException" and message.startswith("Query does not have result")
    monkeypatch.setattr(limits, "WAITING_REQUESTS", 1)
    waiting = threading.Thread(
        target=client.describe_statement, kwargs={"Id": told["Id"], "WaitTimeSeconds": 30}
    )
    waiting.start()
    until(lambda: api._operations._waiting)
    code, _ = refused(lambda: client.describe_statement(Id=told["Id"], WaitTimeSeconds=1))
    assert code == "ActiveWaitingRequestsExceededException"
    client.cancel_statement(Id=told["Id"])
    waiting.join(120)
    assert not waiting.is_alive() and not api._operations._waiting


def test_statements_and_results_outlive_a_restart_for_a_day(
    new_api: Callable[..., Any], new_client: Callable[..., Any], run: Run
) -> None:
    now = [time.time()]
    first = new_api(clock=lambda: now[0])
    client = new_client(first.url)
    kept = run("select 42 as n", client=client, StatementName="kept")
    session = run("select 1", client=client, SessionKeepAliveSeconds=3600)["SessionId"]
    first.stop()
    now[0] += 24 * 3600 - 10
    second = new_api(clock=lambda: now[0])
    client = new_client(second.url)
    assert client.describe_statement(Id=kept["Id"])["UpdatedAt"] == kept["UpdatedAt"]
    assert client.get_statement_result(Id=kept["Id"])["Records"] == [[{"longValue": 42}]]
    assert client.list_statements(StatementName="ke")["Statements"][0]["Id"] == kept["Id"]
    assert client.list_statements(StatementName="KE")["Statements"] == []
    assert client.list_sessions(SessionId=session)["Sessions"][0]["Status"] == "CLOSED"
    now[0] += 11
    code, _ = refused(lambda: client.describe_statement(Id=kept["Id"]))
    assert code == "ResourceNotFoundException"
    assert client.list_statements(StatementName="ke")["Statements"] == []
    second.sweep()
    assert second.store.statement(kept["Id"]) is None and second.store.pages(kept["Id"], 1, 0, 1) == []


def test_what_runs_when_the_server_stops_has_failed(
    new_api: Callable[..., Any], new_client: Callable[..., Any]
) -> None:
    events: list[dict[str, Any]] = []
    first = new_api(pool=1)
    client = new_client(first.url)
    running = client.execute_statement(Sql=FOREVER, WithEvent=True, **WHERE)["Id"]
    started(client, running)
    waiting = client.execute_statement(Sql="select 1", **WHERE)["Id"]
    first.stop()
    second = new_api(sink=events.append)
    client = new_client(second.url)
    for identifier in (running, waiting):
        found = client.describe_statement(Id=identifier)
        assert (found["Status"], found["Error"]) == ("FAILED", STOPPED)
    assert client.list_statements(Status="STARTED")["Statements"] == []
    until(lambda: events)
    assert [one["detail"]["statementId"] for one in events] == [running]


def test_what_a_killed_server_has_left_has_failed(
    new_api: Callable[..., Any], new_client: Callable[..., Any], tmp_path: Any
) -> None:
    store = Store(tmp_path)
    request = Request(
        ("select 1", "select 2", "select 3"), Place("dev", "admin", workgroup="abc"), Caller("eu-west-1", "1" * 12),
        mode="TRANSACTION", with_event=True,
    )  # fmt: skip
    for status in ACTIVE:
        identifier = f"d9b6c0c9-0747-4bf4-b142-{status.lower():0<12}"
        store.add(identifier, request, time.time())
        statement = store.statement(identifier)
        assert statement is not None
        statement.status = status
        store.save(statement)
        if status == "STARTED":
            statement.parts[0].status, statement.parts[0].columns = "FINISHED", []
            statement.parts[1].status = "STARTED"
            for part in statement.parts[:2]:
                store.save_part(identifier, part)
                store.add_page(identifier, part.number, 0, b"page")
    store.close()
    events: list[dict[str, Any]] = []
    api = new_api(sink=events.append)
    client = new_client(api.url)
    for status in ACTIVE:
        found = client.describe_statement(Id=f"d9b6c0c9-0747-4bf4-b142-{status.lower():0<12}")
        assert (found["Status"], found["Error"]) == ("FAILED", KILLED)
    assert [part["Status"] for part in found["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert api.store.pages(found["Id"], 1, 0, 9) == [b"page"] and api.store.pages(found["Id"], 2, 0, 9) == []
    until(lambda: len(events) >= 3)
    assert {one["detail"]["state"] for one in events} == {"FAILED"} and len(events) == 3


def test_the_longest_time_of_a_statement(new_api: Callable[..., Any], new_client: Callable[..., Any]) -> None:
    now = [time.time()]
    api = new_api(clock=lambda: now[0])
    client = new_client(api.url)
    identifier = client.execute_statement(Sql=FOREVER, **WHERE)["Id"]
    started(client, identifier)
    now[0] += limits.STATEMENT_SECONDS + 1
    api.sweep()
    found = ended(client, identifier)
    assert (found["Status"], found["Error"]) == ("FAILED", OVERDUE)


def test_events(new_api: Callable[..., Any], new_client: Callable[..., Any], run: Run) -> None:
    events: list[dict[str, Any]] = []
    refusals = [True]

    def sink(event: dict[str, Any]) -> None:
        if refusals and refusals.pop():
            raise OSError("the bus is away")
        events.append(event)

    api = new_api(sink=sink)
    client = new_client(api.url)
    run("select 1", client=client)
    failed = run("select 'secret' || 1/0", client=client, WithEvent=True, StatementName="load")
    where = {"ClusterIdentifier": "warehouse-1", "Database": "dev"}
    done = client.execute_statement(Sql="select 1", WithEvent=True, WaitTimeSeconds=30, **where)
    until(lambda: len(events) >= 2)
    assert [one["detail"]["statementId"] for one in events] == [failed["Id"], done["Id"]]
    assert "secret" not in json.dumps(events)
    one = events[0]
    assert one["source"] == "aws.redshift-data"
    assert one["detail-type"] == "Redshift Data Statement Status Change"
    assert one["region"] == "eu-central-1" and one["version"] == "0"
    assert one["resources"] == ["arn:aws:redshift-serverless:eu-central-1:000000000000:workgroup/rental"]
    assert one["detail"]["state"] == "FAILED" and one["detail"]["statementName"] == "load"
    ended = int(failed["UpdatedAt"].timestamp())
    assert one["detail"]["expireAt"] - ended == 24 * 3600
    assert one["detail"]["principal"] == "arn:aws:iam::000000000000:root"
    second = events[1]
    assert second["resources"] == ["arn:aws:redshift:eu-central-1:000000000000:cluster:warehouse-1"]
    assert (second["detail"]["state"], second["detail"]["rows"]) == ("FINISHED", 1)
    # An event is forgotten once its delivery has returned.
    until(lambda: api.store.events(10) == [])


def test_events_wait_for_a_sink(
    new_api: Callable[..., Any], new_client: Callable[..., Any], run: Run, tmp_path: Any
) -> None:
    first = new_api()
    identifier = run("select 1", client=new_client(first.url), WithEvent=True)["Id"]
    assert len(first.store.events(10)) == 1
    first.stop()
    events: list[dict[str, Any]] = []
    second = new_api(sink=events.append)
    until(lambda: events)
    assert events[0]["detail"]["statementId"] == identifier
    until(lambda: second.store.events(10) == [])
