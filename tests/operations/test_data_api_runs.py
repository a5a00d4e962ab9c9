"""Runs through the Data API: waiting for a statement, its errors, Ctrl-C, an outage; and whose record is whose."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.retries.standard import ExponentialBackoff

from deployer.aws import statements
from deployer.aws.client import Aws, AwsError, Endpoint
from deployer.aws.statements import DataApi, readable
from deployer.errors import LeaseHeld, StatementFailed, Unavailable
from deployer.local.data_api.service import DataApi as Server
from deployer.local.environment import Status
from deployer.operations.warehouses import data_api_of, target_of
from deployer.project import pipelines
from deployer.project.environments import CLUSTER, LOCAL, Cost, Environment, Remote
from deployer.project.pipelines import Pipeline
from deployer.warehouse import runlog
from deployer.warehouse.session import Session

HERE = Environment("local", LOCAL)
DIGITS = " union all ".join(f"select {n} as n" for n in range(10))
FOREVER = f"with d as ({DIGITS}) select count(*) from {', '.join('d ' + x for x in 'abcdefghijkl')}"


@pytest.fixture
def api(status: Status) -> DataApi:
    return data_api_of(status, HERE)


def state_of(api: DataApi, statement: str) -> dict[str, Any]:
    """Its description, once it has ended."""
    return api._wait(statement)


def test_a_statement_that_finishes(api: DataApi) -> None:
    begun: list[str] = []
    began = time.monotonic()
    done = api.execute("select 1", "by hand", begun.append)
    assert begun == [done.id]
    assert timedelta(0) <= done.ended_at - done.created_at <= timedelta(seconds=time.monotonic() - began)
    found = state_of(api, done.id)
    assert (found["WorkgroupName"], found["QueryString"]) == ("local", "select 1")


def test_an_error_reads_as_that_of_a_direct_connection(api: DataApi, status: Status) -> None:
    for sql in ("select * from nowhere", "select 1/0", "select 1 frm x", "call nowhere.p()"):
        with pytest.raises(StatementFailed) as told:
            api.execute(sql, "by hand")
        with Session(target_of(status)) as session, pytest.raises(StatementFailed) as direct:
            session.execute(sql)
        assert str(told.value) == str(direct.value)
        assert told.value.position == direct.value.position


def test_settings_reach_the_statement_s_session_and_no_other(api: DataApi) -> None:
    def shown(settings: tuple[str, ...]) -> str:
        done = api.execute("show query_group", "by hand", settings=settings)
        (row,) = api._aws.call("redshift-data", "get_statement_result", Id=done.id)["Records"]
        return str(row[0]["stringValue"])

    def sessions() -> set[str]:
        return {one["SessionId"] for one in api._aws.pages("redshift-data", "list_sessions", "Sessions")}

    # Other tests may have left theirs.
    before = sessions()
    assert shown(("set statement_timeout to 60000", "set query_group to 'shop-nightly'")) == "shop-nightly"
    assert shown(()) == "unset"
    assert sessions() <= before, "it ends with its statement"
    with pytest.raises(StatementFailed, match="cancelled on user.s request"):
        api.execute(FOREVER, "by hand", settings=("set statement_timeout to 100",))


def test_a_setting_that_is_refused_stops_the_statement_before_it_begins(api: DataApi) -> None:
    begun: list[str] = []
    with pytest.raises(StatementFailed, match="no_such_setting"):
        api.execute("select 1", "by hand", begun.append, settings=("set no_such_setting to 1",))
    assert not begun


def test_one_request_can_set_and_call_as_a_schedule_must(
    api: DataApi, status: Status, fresh_database: Status
) -> None:
    """Set beforehand in a batch that commits statement by statement, a limit reaches a procedure that commits."""
    with Session(target_of(status)) as session:
        session.execute("create table seen (limits varchar(64))")
        session.execute(
            "create procedure note() as $$ begin commit;"
            " insert into public.seen select current_setting('statement_timeout'); end; $$ language plpgsql"
        )
        statements = [*pipelines.settings(Pipeline("shop", 7200), Cost()), "call public.note()"]
        sent = {"Sqls": statements, "WorkgroupName": "local", "Database": status.database}
        told = api._aws.call("redshift-data", "batch_execute_statement", ExecutionMode="AUTO_COMMIT", **sent)
        found = state_of(api, told["Id"])
        assert found["Status"] == "FINISHED", found["Error"]
        assert session.execute("select limits from seen").rows == (("2h",),)
        told = api._aws.call("redshift-data", "batch_execute_statement", ExecutionMode="TRANSACTION", **sent)
        found = state_of(api, told["Id"])
        assert found["Status"] == "FAILED" and "top-level call" in found["Error"]
        # The run that died of it is found by its CALL, which is not the batch's first statement.
        (failed,) = api.failed("call public.note(", found["CreatedAt"].astimezone(UTC).replace(tzinfo=None))
        assert failed.id == told["Id"] and "top-level call" in failed.error
        assert re.fullmatch(r"procedure note, line \d+", failed.within)


def test_readable() -> None:
    text = "ERROR: no such thing.\n  Detail: it is gone\n  Hint: look\n  Position: 12\n  Where: here"
    assert readable(text) == ("no such thing; it is gone; hint: look", 12)
    assert readable("Query #2 failed with ERROR: x") == ("Query #2 failed with x", None)
    assert readable("FATAL: x") == ("x", None)
    assert readable("") == ("", None)


def test_the_innermost_procedure_is_named() -> None:
    text = (
        'ERROR: division by zero\n  Where: SQL statement "select 1/0"\nPL/pgSQL function "build" line 20 at select\n'
        'PL/pgSQL function "run_rental" line 47 at call'
    )
    assert statements.within(text) == "procedure build, line 20"
    assert statements.within("ERROR: x\n  Where: PL/pgSQL function ops.build(integer) line 3 at RAISE") == (
        "procedure ops.build, line 3"
    )
    assert (
        statements.within('ERROR: relation "x" does not exist\n  Position: 1') == statements.within("") == ""
    )


def test_ctrl_c_cancels(api: DataApi) -> None:
    begun: list[str] = []

    def interrupt(statement: str) -> None:
        begun.append(statement)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.execute(FOREVER, "by hand", interrupt)
    assert state_of(api, begun[0])["Status"] == "ABORTED"


def test_a_statement_that_somebody_else_cancels(api: DataApi) -> None:
    def cancel(statement: str) -> None:
        api._aws.call("redshift-data", "cancel_statement", Id=statement)

    with pytest.raises(StatementFailed, match="was cancelled: Query cancelled on user's request"):
        api.execute(FOREVER, "by hand", cancel)


@pytest.fixture
def server(tmp_path: Path, status: Status, monkeypatch: pytest.MonkeyPatch) -> Any:
    # botocore repeats as often as ever, but without pauses.
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    assert status.port is not None
    made = Server(
        tmp_path,
        status.host,
        status.port,
        status.user,
        lambda user: status.password,
        wanted=0,
        throttle=False,
    )
    made.start()
    yield made
    made.stop()


def client(url: str, **remote: str) -> DataApi:
    aws = Aws(Remote("local", "dev", "us-east-1", **remote), Endpoint(url, "any", "any"))
    return DataApi(aws, HERE)


def test_an_outage_leaves_the_statement_and_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "LOST_SECONDS", 0.5)
    begun: list[str] = []

    def stop(statement: str) -> None:
        begun.append(statement)
        server.stop()

    with pytest.raises(Unavailable) as caught:
        client(server.url).execute(FOREVER, "by hand", stop)
    assert f"statement {begun[0]} may still be running: see `zeroshift status`" in str(caught.value)


def test_ctrl_c_when_the_service_is_gone_says_that_the_run_goes_on(server: Server) -> None:
    def interrupt(statement: str) -> None:
        server.stop()
        raise KeyboardInterrupt

    with pytest.raises(Unavailable, match="could not be cancelled and may go on"):
        client(server.url).execute(FOREVER, "by hand", interrupt)


def test_a_request_that_is_not_accepted(server: Server) -> None:
    with pytest.raises(AwsError, match="ValidationException"):
        client(server.url).execute("select 1; select 2", "by hand")


def test_a_cluster_and_a_secret(server: Server) -> None:
    aws = Aws(Remote("warehouse-1", "dev", "us-east-1", secret="login"), Endpoint(server.url, "any", "any"))
    api = DataApi(aws, Environment("prod", CLUSTER))
    found = state_of(api, api.execute("select 1", "by hand").id)
    assert (found["ClusterIdentifier"], found["SecretArn"]) == ("warehouse-1", "login")


@pytest.fixture
def record(status: Status, fresh_database: Status) -> Any:
    """record(run_id, started, as_of=..., mode=..., state=...) writes a run into ops.runs."""
    with Session(target_of(status)) as session:
        session.execute("create schema ops")
        session.execute(
            "create table ops.runs (run_id varchar(64), pipeline varchar(64), as_of timestamp, mode varchar(32),"
            " state varchar(32), started_at timestamp, finished_at timestamp, error varchar(4096))"
        )
        session.execute(
            "create table ops.run_steps (run_id varchar(64), step varchar(128), rows_read bigint,"
            " rows_written bigint, rows_rejected bigint, started_at timestamp, finished_at timestamp)"
        )

        def write(second: int, mode: str = "incremental", state: str = "succeeded", hour: int = 0) -> str:
            begun = NOON + timedelta(seconds=second)
            run_id = begun.strftime("%Y%m%d-%H%M%S-%f-") + "abc"
            session.execute(
                "insert into ops.runs values (%s, 'rental', %s, %s, %s, %s, %s, null)",
                (run_id, NOON + timedelta(hours=hour), mode, state, begun, begun + timedelta(seconds=5)),
            )
            return run_id

        yield session, write


NOON = datetime(2026, 1, 12, 12)


def test_a_run_finds_its_own_record(record: tuple[Session, Callable[..., str]]) -> None:
    session, write = record

    def found(
        before: str | None, seconds: int, mode: str = "incremental", hour: int | None = 0
    ) -> str | None:
        own = runlog.finished(
            session, "rental", before=before, mode=mode, ended_at=NOON + timedelta(seconds=seconds),
            as_of=None if hour is None else NOON + timedelta(hours=hour),
        )  # fmt: skip
        return own and own.run_id

    assert found(None, 10) is None
    old = write(-60)
    assert found(old, 10) is None
    own = write(1)
    other_mode, other_instant = write(2, mode="full"), write(3, hour=1)
    later = write(20)
    write(21, state="failed")
    assert found(old, 6) == own
    assert found(old, 26) == later
    assert found(old, 26, mode="full") == other_mode
    assert found(old, 26, hour=1) == other_instant
    assert found(old, 8, hour=None) == other_instant
    # A clock that is a little behind the warehouse's.
    assert found(old, 0) == own
    assert found(None, -50) == old


def test_a_refusal_because_of_the_lease_is_known_by_its_words() -> None:
    for text in (
        "lease held: run 1 of pipeline rental was at work when this one began",
        "lease lost: run 1 of pipeline rental was taken over and changed nothing further",
        "could not complete because of conflict with concurrent transaction",
    ):
        assert isinstance(runlog.explained(StatementFailed(text)), LeaseHeld)
    for text in ('relation "ops.leases" does not exist', "please cast it"):
        assert not isinstance(runlog.explained(StatementFailed(text)), LeaseHeld)
