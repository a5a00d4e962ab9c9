"""The alert path's definition: what it repeats, what it tells, how often, and within the five minutes that it has."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from deployer.aws.resources.alert_machine import definition
from deployer.local.data_api.connection import Broken, Connection
from deployer.local.data_api.connection import told as described
from deployer.local.events.clock import DrivenClock
from deployer.local.gateway.errors import ENGINE_STARTING, ENGINE_STOPPED
from deployer.local.gateway.session import SHUTTING_DOWN
from deployer.local.states.definition import parse
from deployer.local.states.errors import StatesError
from deployer.local.states.interpreter import FAILED, SUCCEEDED, Execution
from deployer.local.states.tasks import _inward
from deployer.project.schedules.calls import Warehouse

START = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
MACHINE = definition("prod", Warehouse("dev", workgroup="analytics"))
SERVICES = {"redshiftdata": "redshift-data", "sns": "sns", "dynamodb": "dynamodb"}
LOADED = botocore.session.get_session()
TIMES = {"CreatedAt": "2026-02-28T23:00:00.000Z", "UpdatedAt": "2026-02-28T23:01:00.000Z"}
CONFLICT = {"Status": "FAILED", "Error": "ERROR: 1023\n  Detail: Serializable isolation violation on table",
            "QueryString": "call ops.run()", **TIMES}  # fmt: skip
BROKEN = {**CONFLICT, "Error": "ERROR: Divide by zero"}
NOTHING = {"Status": "FINISHED"}


def failed(service: str, name: str) -> StatesError:
    return StatesError(f"{service}.{name}", "said no", task=True)


class Scripted:
    """Tasks by their action: a list of answers each, the last one for ever. Arguments are held against the models."""

    def __init__(self, clock: DrivenClock, answers: dict[str, Sequence[Any]]) -> None:
        self.clock = clock
        self.answers = {key: list(value) for key, value in answers.items()}
        self.calls: list[tuple[float, str, Any]] = []

    def call(self, resource: str, arguments: Any) -> Any:
        service, action = resource.removeprefix("arn:aws:states:::aws-sdk:").split(":")
        model = LOADED.get_service_model(SERVICES[service])
        shape = model.operation_model(action[:1].upper() + action[1:]).input_shape
        assert shape is not None
        # In a state machine every member is in PascalCase.
        given = _inward(arguments, shape, action)
        assert ParamValidator().validate(given, shape).generate_report() == ""
        self.calls.append(((self.clock.now() - START).total_seconds(), action, arguments))
        left = self.answers.get(action, [{}])
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(name: str = "p/x", state: str = "FAILED", **answers: Sequence[Any]) -> tuple[Execution, Scripted]:
    clock = DrivenClock(START)
    tasks = Scripted(clock, {"executeStatement": [{"Id": "new"}], **answers})
    event = {"detail": {"statementId": "s-1", "statementName": name, "state": state}}
    context = {"Execution": {"Name": "e-1", "Input": event}, "StateMachine": {"Name": "alerts"}}
    execution = Execution(parse(MACHINE), event, tasks, clock, context)
    while (following := execution.step()) is not None:
        clock.set(following)
    return execution, tasks


def told(tasks: Scripted) -> list[Any]:
    return [arguments for _, action, arguments in tasks.calls if action == "publish"]


@pytest.mark.parametrize(
    "name, after, repeated, token",
    [
        ("p/x", 15.0, "p/x#1#s-1", "repeat-1-s-1"),
        ("p/x#1#s-0", 30.0, "p/x#2#s-0", "repeat-2-s-0"),
        ("p/x#2#s-0", 60.0, "p/x#3#s-0", "repeat-3-s-0"),
    ],
)
def test_what_may_pass_is_repeated_as_a_statement_of_its_own(
    name: str, after: float, repeated: str, token: str
) -> None:
    done, tasks = run(name, describeStatement=[CONFLICT])
    assert (done.status, told(tasks)) == (SUCCEEDED, [])
    assert tasks.calls[-1] == (
        after,
        "executeStatement",
        {"Sql": "call ops.run()", "WorkgroupName": "analytics", "Database": "dev", "WithEvent": True,
         "StatementName": repeated, "ClientToken": token},
    )  # fmt: skip


def never_made() -> str:
    """What DescribeStatement says of a statement that met nobody, while the warehouse was being restarted."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(Broken) as raised:
            Connection("127.0.0.1", nobody.getsockname()[1], "dev", "u", lambda user: "p")
    return described(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        # Whoever notices first that the warehouse goes or comes, and at whichever moment.
        "FATAL: terminating connection due to administrator command",
        "FATAL: terminating connection because of crash of another server process",
        "FATAL: the database system is starting up",
        "FATAL: the database system is in recovery mode",
        "FATAL: the database system is shutting down",
        f"FATAL: {SHUTTING_DOWN[1]}",
        f"FATAL: {ENGINE_STOPPED}",
        f"FATAL: {ENGINE_STARTING}",
        "ERROR: the connection to the warehouse was lost: [Errno 104] Connection reset by peer",
        never_made(),
    ],
)
def test_a_run_that_the_warehouse_s_restart_met_is_repeated_whoever_noticed_it(error: str) -> None:
    done, tasks = run(describeStatement=[{**CONFLICT, "Error": error}])
    assert (done.trail[-1], told(tasks)) == ("Repeated", [])


def test_a_batch_is_repeated_as_a_batch() -> None:
    parts = [
        {"Id": "s-1:1", "QueryString": "set a to 1"},
        {"Id": "s-1:2", "QueryString": "call b()", "Error": "error: 1023"},
    ]
    batch = {"Status": "FAILED", "SubStatements": parts, **TIMES}
    _, tasks = run(describeStatement=[batch])
    assert tasks.calls[-1][1] == "batchExecuteStatement"
    assert tasks.calls[-1][2]["Sqls"] == ["set a to 1", "call b()"]
    assert tasks.calls[-1][2]["ExecutionMode"] == "AUTO_COMMIT"


@pytest.mark.parametrize(
    "own, errors, shown",
    [
        ("Query #2 failed with ERROR: a (x)", [None, "ERROR: a (x)"], "Query #2 failed with ERROR: a (x)"),
        (
            "Query #1 failed with ERROR: a",
            ["ERROR: a", "ERROR: b"],
            "Query #1 failed with ERROR: a; ERROR: b",
        ),
        (None, ["ERROR: a", "ERROR: a", "ERROR: b"], "ERROR: a; ERROR: b"),
        ("ERROR: a", [], "ERROR: a"),
        (None, [None], "none was told"),
    ],
)
def test_each_error_of_a_batch_is_told_once(own: str | None, errors: list[str | None], shown: str) -> None:
    parts = [{"QueryString": "call b()"} | ({"Error": error} if error else {}) for error in errors]
    batch = {"Status": "FAILED", "QueryString": "call b()", **({"Error": own} if own else {}), **TIMES}
    _, tasks = run(describeStatement=[batch | ({"SubStatements": parts} if parts else {}), NOTHING])
    (alert,) = told(tasks)
    assert f"\nError: {shown}\nStep: " in alert["Message"]


@pytest.mark.parametrize(
    "name, state, described, subject, error",
    [
        ("p/x", "FAILED", BROKEN, "failed: p/x", "Error: ERROR: Divide by zero"),
        ("p/x", "ABORTED", CONFLICT, "cancelled: p/x", "Error: ERROR: 1023"),
        ("p/x#3#s-0", "FAILED", CONFLICT, "failed: p/x", "p/x has failed, and 3 repetition(s), too."),
        (f"{'p' * 48}/{'x' * 64}", "FAILED", BROKEN, f"failed: {'p' * 48}/{'x' * 43}", "Divide by zero"),
    ],
)
def test_people_are_told_what_failed_where_and_how_to_look_further(
    name: str, state: str, described: dict[str, Any], subject: str, error: str
) -> None:
    step = {"Records": [[{"StringValue": "call metrics.build()"}]]}
    done, tasks = run(
        name, state, describeStatement=[described, {"Status": "STARTED"}, NOTHING], getStatementResult=[step]
    )
    (alert,) = told(tasks)
    assert done.status == SUCCEEDED and alert["Subject"] == subject and len(subject) <= 100
    assert error in alert["Message"] and "Step: call metrics.build()" in alert["Message"]
    assert "Statement: call ops.run()" in alert["Message"]
    assert "zeroshift status --env prod" in alert["Message"]
    assert ("Run: s-0, last tried as s-1" if "#" in name else "Run: s-1") in alert["Message"]
    (claim,) = [arguments for _, action, arguments in tasks.calls if action == "putItem"]
    assert claim["Item"]["run"] == {"S": "s-0" if "#" in name else "s-1"}
    lookup = next(arguments for _, action, arguments in tasks.calls if action == "executeStatement")
    assert "sys_procedure_call" in lookup["Sql"] and "WithEvent" not in lookup
    assert [one["Value"] for one in lookup["Parameters"]] == [TIMES["CreatedAt"], TIMES["UpdatedAt"]]


def test_a_run_that_was_told_of_is_not_told_of_again() -> None:
    taken = failed("DynamoDb", "ConditionalCheckFailedException")
    done, tasks = run(
        describeStatement=[BROKEN, NOTHING], getStatementResult=[{"Records": []}], putItem=[taken]
    )
    assert (done.status, done.trail[-1], told(tasks)) == (SUCCEEDED, "ToldBefore", [])
    # One call: that the condition does not hold is no reason to ask again.
    assert len([action for _, action, _ in tasks.calls if action == "putItem"]) == 1


@pytest.mark.parametrize("action", ["describeStatement", "executeStatement", "getStatementResult", "putItem"])
def test_whatever_fails_on_the_way_people_are_told(action: str) -> None:
    answers: dict[str, Sequence[Any]] = {
        "describeStatement": [BROKEN, NOTHING],
        "getStatementResult": [{"Records": []}],
    }
    answers[action] = [failed("Any", "AnyException")]
    done, tasks = run(**answers)
    assert done.status == SUCCEEDED and len(told(tasks)) == 1
    text = told(tasks)[0]["Message"]
    assert (
        "it could not be described: said no" if action == "describeStatement" else "Divide by zero"
    ) in text


def test_a_repetition_that_is_refused_is_told_with_the_reason() -> None:
    done, tasks = run(
        describeStatement=[CONFLICT], executeStatement=[failed("RedshiftData", "RedshiftDataException")]
    )
    assert done.status == SUCCEEDED
    assert "(it could not be repeated: said no)" in told(tasks)[0]["Message"]
    assert tasks.calls[-1][0] < 300


def test_when_nobody_can_be_told_the_run_is_free_again_and_the_execution_fails() -> None:
    done, tasks = run(
        describeStatement=[BROKEN, NOTHING],
        getStatementResult=[{"Records": []}],
        publish=[failed("Sns", "SnsException")],
    )
    assert (done.status, done.error) == (FAILED, "NotTold")
    assert tasks.calls[-1][1:] == ("deleteItem", {"TableName": "${TableName}", "Key": {"run": {"S": "s-1"}}})


def test_a_warehouse_that_does_not_answer_does_not_keep_the_alert_back() -> None:
    done, tasks = run(describeStatement=[BROKEN, {"Status": "SUBMITTED"}])
    assert done.status == SUCCEEDED and "Step: not known" in told(tasks)[0]["Message"]
    assert tasks.calls[-1][0] <= 60


def test_the_longest_way_is_shorter_than_an_express_execution() -> None:
    """Every task fails as often as it may: pauses, and the longest wait for the step."""
    machine = json.loads(MACHINE)["States"]
    pauses = 60 + 12 * 5
    retried = sum(2 + 4 + 8 for state in machine.values() if state["Type"] == "Task")
    assert pauses + retried < 290
    for state in machine.values():
        if state["Type"] == "Task":
            assert [one["MaxAttempts"] for one in state["Retry"]] == [3] and state["Catch"][-1][
                "ErrorEquals"
            ] == ["States.ALL"]
