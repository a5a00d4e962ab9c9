"""A boto3 client that checks every answer, for the Data API's tests."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import Shape

from deployer.local.data_api.model import service_model
from deployer.local.data_api.service import DataApi
from deployer.local.environment import Status

WHERE = {"WorkgroupName": "rental", "Database": "dev"}
END = ("FINISHED", "FAILED", "ABORTED")


def make_api(home: Path, status: Status, **arguments: Any) -> DataApi:
    assert status.port is not None
    settings = {"wanted": 0, "throttle": False} | arguments
    made = DataApi(home, status.host, status.port, status.user, lambda user: status.password, **settings)
    made.start()
    return made


def make_client(url: str, **settings: Any) -> Any:
    made = boto3.client(
        "redshift-data",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(max_pool_connections=60, **settings),
    )
    made.meta.events.register("before-parse.redshift-data", _check_answer)
    return made


def _check_answer(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    body = json.loads(response_dict["body"])
    if response_dict["status_code"] == 200:
        check_shape(operation_model.output_shape, body, operation_model.name)
        return
    known = {shape.name: shape for shape in operation_model.error_shapes}
    name = body.pop("__type")
    assert response_dict["headers"]["x-amzn-requestid"]
    if name in known:
        check_shape(known[name], body, name)
    else:
        assert name in ("ThrottlingException", "SerializationException", "UnknownOperationException"), name
    # botocore's shapes leave this out of the model.
    fault = service_model().faults().get(name, False)
    assert response_dict["status_code"] == (500 if fault else 400), name


NEWER = {
    "DescribeStatementResponse": frozenset({"RedshiftQueryUuid"}),
    "SubStatementData": frozenset({"RedshiftQueryUuid"}),
}
"""What botocore's model has since 1.44.5; ministack holds the installed one back."""


def check_shape(shape: Shape, value: Any, where: str) -> None:
    """Assert that an answer is what the model says: no member too many, none that is required missing."""
    kind = shape.type_name
    if kind == "structure":
        unknown = set(value) - set(shape.members) - NEWER.get(shape.name, frozenset())
        assert not unknown, f"{where}: {unknown} not in the model"
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{where}: {missing} missing"
        if shape.metadata.get("union") or getattr(shape, "is_tagged_union", False):
            assert len(value) == 1, f"{where}: {value}"
        for name in set(value) & set(shape.members):
            check_shape(shape.members[name], value[name], f"{where}.{name}")
    elif kind == "list":
        assert isinstance(value, list), where
        for item in value:
            check_shape(shape.member, item, where)
    elif kind == "string":
        assert isinstance(value, str), where
        assert not shape.enum or value in shape.enum, f"{where}: {value}"
        pattern = shape.metadata.get("pattern")
        assert pattern is None or re.fullmatch(pattern, value), f"{where}: {value}"
    elif kind in ("long", "integer"):
        assert isinstance(value, int) and not isinstance(value, bool), where
    elif kind == "boolean":
        assert isinstance(value, bool), where
    elif kind in ("timestamp", "double"):
        assert isinstance(value, int | float | str), where
    elif kind == "blob":
        base64.b64decode(value, validate=True)
    else:
        raise AssertionError(f"{where}: {kind}")


def until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    """What the condition gives once it holds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
    return found


def ended(client: Any, identifier: str) -> dict[str, Any]:
    """What is told of a statement when it has come to its end: a request waits for half a minute at most."""

    def told() -> dict[str, Any] | None:
        found = dict(client.describe_statement(Id=identifier, WaitTimeSeconds=30))
        return found if found["Status"] in END else None

    found: dict[str, Any] = until(told, 240)
    return found


def started(client: Any, identifier: str) -> dict[str, Any]:
    """What is told of a statement while it runs."""

    def told() -> dict[str, Any] | None:
        found = dict(client.describe_statement(Id=identifier))
        assert found["Status"] not in END, found
        return found if found["Status"] == "STARTED" else None

    found: dict[str, Any] = until(told)
    return found


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    """The code and the message of the ClientError that `call` raises."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]
