"""The Data API as the local environment starts it: its address, a restart, a kill."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from data_api_client import WHERE, ended, make_client, started, until

from deployer.local.data_api.service import KILLED
from deployer.local.data_api.store import FILE
from deployer.local.environment import LocalEnvironment, Status
from deployer.local.gateway.errors import ENGINE_STOPPED
from deployer.local.state import running_state

DIGITS = " union all ".join(f"select {n} as n" for n in range(10))
FOREVER = f"with d as ({DIGITS}) select count(*) from {', '.join('d ' + x for x in 'abcdefghijkl')}"


def test_boto3_finds_it_by_the_environment_variable(status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    assert status.data_api_url is not None and status.data_api_url.startswith("http://127.0.0.1:")
    for name, value in (
        ("AWS_ENDPOINT_URL_REDSHIFT_DATA", status.data_api_url), ("AWS_ACCESS_KEY_ID", "dummy"),
        ("AWS_SECRET_ACCESS_KEY", "dummy"), ("AWS_DEFAULT_REGION", "eu-west-1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("redshift-data")
    told = client.execute_statement(Sql="select 1", WaitTimeSeconds=30, **WHERE)
    assert told["Status"] == "FINISHED"
    assert client.get_statement_result(Id=told["Id"])["Records"] == [[{"longValue": 1}]]
    found = client.describe_statement(Id=told["Id"])
    number = found["RedshiftQueryId"]
    sql = f"select trim(query_text) from sys_query_history where query_id = {number}"
    told = client.execute_statement(Sql=sql, WaitTimeSeconds=30, **WHERE)
    assert client.get_statement_result(Id=told["Id"])["Records"] == [[{"stringValue": "select 1"}]]


def test_the_uuid_of_a_query_is_that_of_the_history(status: Status) -> None:
    """RedshiftQueryUuid is in newer models than the installed one, which would drop it from an answer."""
    client = boto3.session.Session(aws_access_key_id="dummy", aws_secret_access_key="dummy").client(
        "redshift-data", endpoint_url=status.data_api_url, region_name="eu-west-1"
    )
    bodies: list[dict[str, Any]] = []
    client.meta.events.register(
        "response-received.redshift-data.DescribeStatement",
        lambda response_dict, **_: bodies.append(json.loads(response_dict["body"])),
    )
    told = client.batch_execute_statement(Sqls=["select 1", "select 2"], WaitTimeSeconds=30, **WHERE)
    client.describe_statement(Id=told["Id"])
    client.describe_statement(Id=f"{told['Id']}:1")
    whole, first = bodies
    uuids = {part["RedshiftQueryId"]: part["RedshiftQueryUuid"] for part in whole["SubStatements"]}
    assert len(set(uuids.values())) == 2 and whole["RedshiftQueryUuid"] == uuids[whole["RedshiftQueryId"]]
    assert first["RedshiftQueryUuid"] == uuids[first["RedshiftQueryId"]]
    sql = (
        f"select query_id, query_uuid from sys_query_history where query_id in ({', '.join(map(str, uuids))})"
    )
    told = client.execute_statement(Sql=sql, WaitTimeSeconds=30, **WHERE)
    rows = client.get_statement_result(Id=told["Id"])["Records"]
    assert {row[0]["longValue"]: row[1]["stringValue"] for row in rows} == uuids


def test_a_user_needs_no_password_here_but_must_exist(
    status: Status, connect: Callable[..., Any], fresh_database: Any
) -> None:
    assert status.data_api_url is not None
    client = make_client(status.data_api_url)
    cursor = connect(autocommit=True).cursor()
    cursor.execute("create user analyst password 'Secret-123456'")
    where = {"ClusterIdentifier": "warehouse-1", "Database": "dev", "WaitTimeSeconds": 30}
    told = client.execute_statement(Sql="select current_user", DbUser="analyst", **where)
    assert client.get_statement_result(Id=told["Id"])["Records"] == [[{"stringValue": "analyst"}]]
    cursor.execute("create table public.closed (n int)")
    told = client.execute_statement(Sql="select n from public.closed", DbUser="analyst", **where)
    assert "permission denied" in client.describe_statement(Id=told["Id"])["Error"]
    told = client.execute_statement(Sql="select 1", DbUser="nobody", **where)
    assert told["Status"] == "FAILED"
    told = client.execute_statement(Sql="select 1", DbUser="rdsdb", **where)
    assert told["Status"] == "FAILED", "the engine's superuser is not for the Data API"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEnvironment]:
    if os.environ.get("ZEROSHIFT_POSTGRES_DSN"):
        pytest.skip("a second environment would share the PostgreSQL of ZEROSHIFT_POSTGRES_DSN")
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    made = LocalEnvironment(tmp_path / "home")
    yield made
    made.down()


@pytest.mark.slow
def test_down_up_and_kill(own: LocalEnvironment) -> None:
    status = own.up()
    assert status.data_api_url is not None and status.pid is not None
    client = make_client(status.data_api_url)
    kept = client.execute_statement(Sql="select 42", WaitTimeSeconds=30, **WHERE)["Id"]
    store = own.home / FILE
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    running = client.execute_statement(Sql=FOREVER, **WHERE)["Id"]
    started(client, running)
    os.kill(status.pid, signal.SIGKILL)
    until(lambda: running_state(own.home) is None)

    status = own.up()
    assert status.data_api_url is not None
    written = running_state(own.home)
    assert written is not None and (written.port, written.data_api_url) == (status.port, status.data_api_url)
    client = make_client(status.data_api_url)
    assert client.get_statement_result(Id=kept)["Records"] == [[{"longValue": 42}]]
    found = client.describe_statement(Id=running)
    assert (found["Status"], found["Error"]) == ("FAILED", KILLED)
    assert client.list_statements(Status="STARTED")["Statements"] == []

    own.down()
    assert own.status().data_api_url is None and running_state(own.home) is None
    url = own.up().data_api_url
    assert url is not None
    client = make_client(url)
    assert client.describe_statement(Id=kept)["Status"] == "FINISHED"

    environment = os.environ | {"ZEROSHIFT_HOME": str(own.home)}
    command = [sys.executable, "-m", "deployer", "local", "status"]
    root = Path(__file__).parents[3]
    shown = subprocess.run(
        command, env=environment, cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert f"Data API on {url}" in shown and f"export AWS_ENDPOINT_URL_REDSHIFT_DATA={url}" in shown
    told = subprocess.run(
        [*command, "--json"], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout)["data_api_url"] == url

    state = json.loads((own.home / "local.json").read_text())
    logged = (own.home / "gateway.log").read_text()
    for secret in (state["password"], state["engine_password"]):
        assert secret not in logged
    own.down()
    own.reset()
    assert list(own.home.glob("data_api*")) == []


@pytest.mark.slow
def test_statements_fail_when_the_engine_dies_and_later_ones_run(own: LocalEnvironment) -> None:
    status = own.up()
    assert status.data_api_url is not None and status.engine_pid is not None
    client = make_client(status.data_api_url)
    running = client.execute_statement(Sql=FOREVER, **WHERE)["Id"]
    started(client, running)
    # Its connection is kept for the next one.
    idle = client.execute_statement(Sql="select 1", WaitTimeSeconds=30, **WHERE)
    assert ended(client, idle["Id"])["Status"] == "FINISHED"
    os.kill(status.engine_pid, signal.SIGKILL)
    found = ended(client, running)
    assert (found["Status"], found["Error"]) == ("FAILED", f"FATAL: {ENGINE_STOPPED}")
    own.ensure_up()
    told = client.execute_statement(Sql="select 1", WaitTimeSeconds=30, **WHERE)
    assert ended(client, told["Id"])["Status"] == "FINISHED"
