"""Executions over a kill, and the calls of Tasks held against botocore's models."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from deployer.local.events.clock import DrivenClock, drive
from deployer.local.events.targets import DeliveryError
from deployer.local.states.errors import StatesError
from deployer.local.states.machines import Machines
from deployer.local.states.store import ExecutionStore
from deployer.local.states.tasks import AwsTasks

ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
SDK = "arn:aws:states:::aws-sdk:"
START = datetime(2026, 3, 1, tzinfo=UTC)
TASK = {"Type": "Task", "Resource": f"{SDK}sns:publish", "Parameters": {"TopicArn": "t", "Message": "x"}}
DEFINITION = {
    "StartAt": "First",
    "States": {
        "First": TASK | {"Next": "Wait"}, "Wait": {"Type": "Wait", "Seconds": 60, "Next": "Last"},
        "Last": TASK | {"End": True},
    },
}  # fmt: skip


class Aws:
    """boto3's stepfunctions, and Tasks."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.definition, self.calls = definition, 0

    def describe_state_machine(self, *, stateMachineArn: str) -> dict[str, Any]:
        if stateMachineArn != ARN:
            told = {"Error": {"Code": "StateMachineDoesNotExist", "Message": "no"}}
            raise ClientError(told, "DescribeStateMachine")
        return {"definition": json.dumps(self.definition), "type": "EXPRESS", "roleArn": "r"}

    def call(self, resource: str, arguments: Any) -> Any:
        self.calls += 1
        return {}


def machines(home: Path, clock: DrivenClock, aws: Aws) -> tuple[Machines, ExecutionStore]:
    store = ExecutionStore(home)
    return Machines(clock, store, lambda region: aws, lambda region: aws), store


def test_an_execution_that_a_kill_has_cut_begins_again(tmp_path: Path) -> None:
    clock, aws = DrivenClock(START), Aws(DEFINITION)
    first, store = machines(tmp_path, clock, aws)
    first.start(ARN, "one", '{"a": 1}')
    first.start(ARN, "one", '{"a": 1}')
    assert first.step() == START + timedelta(seconds=60) and aws.calls == 1
    again, store = machines(tmp_path, clock, aws)
    drive(clock, [again], START + timedelta(minutes=2))
    (ended,) = store.ended()
    assert aws.calls == 3 and (ended.status, ended.trail) == ("SUCCEEDED", ("First", "Wait", "Last"))
    third, _ = machines(tmp_path, clock, aws)
    third.start(ARN, "one", '{"a": 1}')
    assert third.step() is None and aws.calls == 3


def test_a_machine_that_is_not_there_or_not_known(tmp_path: Path) -> None:
    clock, aws = DrivenClock(START), Aws({"StartAt": "S", "States": {"S": {"Type": "Map", "End": True}}})
    one, store = machines(tmp_path, clock, aws)
    with pytest.raises(DeliveryError) as raised:
        one.start(ARN + "x", "one", "{}")
    assert raised.value.permanent
    one.start(ARN, "one", "{}")
    assert one.step() is None
    (ended,) = store.ended()
    assert (ended.status, ended.error) == ("FAILED", "States.Runtime")
    assert ended.cause == "state S: the local Step Functions has no Map"


def test_a_machine_that_was_deleted_meanwhile_holds_nobody_up(tmp_path: Path) -> None:
    clock, aws = DrivenClock(START), Aws(DEFINITION)
    one, store = machines(tmp_path, clock, aws)
    store.start(ARN + "x", "lost", "{}", START)
    one.start(ARN, "kept", "{}")
    drive(clock, [one], START + timedelta(minutes=2))
    assert [(ended.name, ended.status, ended.cause) for ended in store.ended()] == [
        ("kept", "SUCCEEDED", None), ("lost", "FAILED", "the state machine mx was deleted")
    ]  # fmt: skip


def test_one_that_goes_wrong_leaves_the_others(tmp_path: Path) -> None:
    class Broken(Aws):
        def call(self, resource: str, arguments: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("no")
            return {}

    clock, aws = DrivenClock(START), Broken(DEFINITION)
    one, store = machines(tmp_path, clock, aws)
    with pytest.raises(DeliveryError, match="the input is not JSON") as raised:
        one.start(ARN, "bad", "{")
    assert raised.value.permanent
    for name in ("first", "second"):
        one.start(ARN, name, "{}")
    drive(clock, [one], START + timedelta(minutes=2))
    assert [(ended.name, ended.status, ended.cause) for ended in store.ended()] == [
        ("second", "SUCCEEDED", None), ("first", "FAILED", "RuntimeError: no")
    ]  # fmt: skip


class Client:
    """A client with a real model, that answers what it is told to."""

    def __init__(self, service: str, answer: Any) -> None:
        self.meta = type("Meta", (), {"service_model": get_session().get_service_model(service)})()
        self.answer, self.given = answer, {}

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> Any:
            self.given = given
            if isinstance(self.answer, Exception):
                raise self.answer
            return dict(self.answer)

        return call


def called(service: str, action: str, arguments: Any, answer: Any) -> tuple[Any, Any]:
    client = Client({"redshiftdata": "redshift-data"}.get(service, service), answer)
    return AwsTasks(lambda name: client).call(f"{SDK}{service}:{action}", arguments), client.given


def test_members_are_in_pascal_case_both_ways_and_maps_are_left() -> None:
    told = {"Records": [[{"stringValue": "x"}]], "ResponseMetadata": {}}
    assert called("redshiftdata", "getStatementResult", {"Id": "i" * 36}, told)[0] == {
        "Records": [[{"StringValue": "x"}]]
    }
    given = {"Sql": "select :a", "Database": "d", "Parameters": [{"Name": "a", "Value": "1"}]}
    answer, sent = called("redshiftdata", "executeStatement", given, {"CreatedAt": START})
    assert sent["Parameters"] == [{"name": "a", "value": "1"}] and answer == {
        "CreatedAt": "2026-03-01T00:00:00.000Z"
    }
    item = {"TableName": "table", "Item": {"run": {"S": "x"}}}
    assert called("dynamodb", "putItem", item, {"Attributes": {"run": {"S": "x"}}}) == (
        {"Attributes": {"run": {"S": "x"}}}, item
    )  # fmt: skip


@pytest.mark.parametrize(
    "service, action, code, name",
    [
        ("redshiftdata", "describeStatement", "ThrottlingException", "RedshiftData.RedshiftDataException"),
        (
            "redshiftdata",
            "describeStatement",
            "ResourceNotFoundException",
            "RedshiftData.ResourceNotFoundException",
        ),
        (
            "dynamodb",
            "deleteItem",
            "ConditionalCheckFailedException",
            "DynamoDb.ConditionalCheckFailedException",
        ),
    ],
)
def test_errors_have_the_names_of_the_sdk(service: str, action: str, code: str, name: str) -> None:
    arguments = (
        {"Id": "i" * 36} if service == "redshiftdata" else {"TableName": "table", "Key": {"a": {"S": "b"}}}
    )
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, action)
    with pytest.raises(StatesError) as raised:
        called(service, action, arguments, error)
    assert raised.value.error == name and raised.value.is_one_of(["States.TaskFailed"])


@pytest.mark.parametrize("resource, arguments, problem", [
    (f"{SDK}s3:getObject", {}, "does not call"), ("arn:aws:states:::lambda:invoke", {}, "does not call"),
    (f"{SDK}redshiftdata:nothing", {}, "is no call"),
    (f"{SDK}redshiftdata:describeStatement", {"id": "x"}, "has no id; it has Id"),
    (f"{SDK}redshiftdata:describeStatement", {}, "Missing required parameter"),
])  # fmt: skip
def test_calls_are_refused_by_name(resource: str, arguments: Any, problem: str) -> None:
    tasks = AwsTasks(lambda name: Client("redshift-data", {}))
    with pytest.raises(StatesError, match=problem) as raised:
        tasks.call(resource, arguments)
    assert raised.value.error == "States.Runtime" and not raised.value.is_one_of(["States.ALL"])


def test_sns_own_integration_takes_json_as_a_message() -> None:
    client = Client("sns", {"MessageId": "1"})
    noted: list[tuple[str, str, str]] = []
    tasks = AwsTasks(lambda name: client, lambda *told: noted.append(told))
    tasks.call("arn:aws:states:::sns:publish", {"TopicArn": "t", "Message": {"a": 1}})
    assert client.given["Message"] == '{"a": 1}' and noted == [("t", "", '{"a": 1}')]
