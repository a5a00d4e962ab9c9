"""Fixtures for the Data API's tests: the real server, the real warehouse and boto3.

new_api      (function)  factory: a DataApi of this process in front of the session's gateway, in a home of its own;
                         arguments as DataApi's (pool, clock, sink, throttle ...); stopped after the test
api          (module)    one of them, unthrottled, shared by a module's tests
client       (module)    a boto3 client for it, whose every answer is checked against botocore's model
new_client   (function)  factory: such a client for a URL
run          (function)  run("select 1") executes, waits and describes; with client=... for another server
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from data_api_client import WHERE, ended, make_api, make_client

from deployer.local.data_api.service import DataApi
from deployer.local.environment import Status


@pytest.fixture
def new_api(tmp_path: Path, status: Status) -> Iterator[Callable[..., DataApi]]:
    made: list[DataApi] = []

    def make(home: Path = tmp_path, **arguments: Any) -> DataApi:
        made.append(make_api(home, status, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, status: Status) -> Iterator[DataApi]:
    made = make_api(tmp_path_factory.mktemp("data_api"), status)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def client(api: DataApi) -> Any:
    return make_client(api.url)


@pytest.fixture
def new_client() -> Callable[..., Any]:
    return make_client


@pytest.fixture
def run(client: Any) -> Callable[..., dict[str, Any]]:
    default = client

    def execute(
        sql: str | list[str], values: dict[str, str] | None = None, client: Any = None, **arguments: Any
    ) -> dict[str, Any]:
        used = client or default
        if "SessionId" not in arguments:
            arguments = WHERE | arguments
        if values is not None:
            arguments["Parameters"] = [{"name": name, "value": value} for name, value in values.items()]
        call = used.execute_statement if isinstance(sql, str) else used.batch_execute_statement
        told = call(**{"Sql" if isinstance(sql, str) else "Sqls": sql}, WaitTimeSeconds=30, **arguments)
        return ended(used, told["Id"])

    return execute
