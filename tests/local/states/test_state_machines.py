from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from deployer.local.events.clock import DrivenClock
from deployer.local.states.definition import DefinitionError, parse
from deployer.local.states.errors import StatesError
from deployer.local.states.interpreter import FAILED, SUCCEEDED, TIMED_OUT, Execution

START = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
DESCRIBE = "arn:aws:states:::aws-sdk:redshiftdata:describeStatement"
PUBLISH = "arn:aws:states:::aws-sdk:sns:publish"


class Scripted:
    """Tasks that answer, or raise, what a list says."""

    def __init__(self, clock: DrivenClock, answers: Sequence[Any] = ()) -> None:
        self.clock, self.answers = clock, list(answers)
        self.calls: list[tuple[float, str, Any]] = []

    def call(self, resource: str, arguments: Any) -> Any:
        self.calls.append(
            ((self.clock.now() - START).total_seconds(), resource.rpartition(":")[2], arguments)
        )
        answer = self.answers.pop(0) if self.answers else {"MessageId": "1"}
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(
    definition: dict[str, Any],
    given: Any = None,
    answers: Sequence[Any] = (),
    random: Callable[[], float] = lambda: 1.0,
) -> tuple[Execution, Scripted]:
    clock = DrivenClock(START)
    tasks = Scripted(clock, answers)
    context = {"Execution": {"Name": "run-1", "Input": given}, "StateMachine": {"Name": "alerts"}}
    execution = Execution(
        parse(json.dumps(definition)), {} if given is None else given, tasks, clock, context, random=random
    )
    while (following := execution.step()) is not None:
        clock.set(following)
    return execution, tasks


def one(state: dict[str, Any], language: str = "JSONPath", **others: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": "S", "QueryLanguage": language, "States": {"S": state, **others}}


DONE = {"Type": "Succeed"}

ALERTS = {
    "StartAt": "Describe",
    "States": {
        "Describe": {
            "Type": "Task", "Resource": DESCRIBE, "Parameters": {"Id.$": "$.detail.statementId"},
            "ResultSelector": {"Error.$": "$.Error", "Status.$": "$.Status"}, "ResultPath": "$.found", "Next": "Kind",
            "Retry": [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 3}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.trouble", "Next": "Blind"}],
        },
        "Kind": {
            "Type": "Choice",
            "Choices": [{
                "And": [
                    {"Variable": "$.found.Status", "StringEquals": "FAILED"},
                    {"Variable": "$.found.Error", "StringMatches": "*1023*"},
                ],
                "Next": "Pause",
            }],
            "Default": "Tell",
        },
        "Pause": {"Type": "Wait", "Seconds": 30, "Next": "Tell"},
        "Tell": {
            "Type": "Task", "Resource": PUBLISH,
            "Parameters": {"TopicArn": "t", "Message.$": "States.Format('{}: {} ({})', $$.Execution.Name, "
                           "$.found.Error, $.detail.rows)"},
            "End": True,
        },
        "Blind": {"Type": "Fail", "Error": "Blind", "CausePath": "$.trouble.Cause"},
    },
}  # fmt: skip
EVENT = {"detail": {"statementId": "s-1", "rows": -1}}


def test_a_machine_in_jsonpath() -> None:
    done, tasks = run(ALERTS, EVENT, [{"Error": "relation is gone", "Status": "FAILED"}, {"MessageId": "1"}])
    assert (done.status, done.trail) == (SUCCEEDED, ["Describe", "Kind", "Tell"])
    assert tasks.calls == [
        (0.0, "describeStatement", {"Id": "s-1"}),
        (0.0, "publish", {"TopicArn": "t", "Message": "run-1: relation is gone (-1)"}),
    ]
    assert done.output == {"MessageId": "1"}


def test_a_choice_leads_through_a_wait() -> None:
    done, tasks = run(ALERTS, EVENT, [{"Error": "ERROR: 1023 conflict", "Status": "FAILED"}])
    assert done.trail == ["Describe", "Kind", "Pause", "Tell"]
    assert [moment for moment, _, _ in tasks.calls] == [0.0, 30.0]


def test_retries_back_off_and_then_the_error_is_caught() -> None:
    error = StatesError("RedshiftData.RedshiftDataException", "Rate exceeded", task=True)
    done, tasks = run(ALERTS, EVENT, [error] * 3)
    assert [moment for moment, _, _ in tasks.calls] == [0.0, 2.0, 8.0]
    assert (done.status, done.error, done.cause) == (FAILED, "Blind", "Rate exceeded")


def test_a_retry_that_works_goes_on() -> None:
    error = StatesError("RedshiftData.RedshiftDataException", "Rate exceeded", task=True)
    done, _ = run(ALERTS, EVENT, [error, {"Error": "x", "Status": "FAILED"}])
    assert done.status == SUCCEEDED


def test_a_machine_in_jsonata_with_variables() -> None:
    machine = {
        "StartAt": "Count", "QueryLanguage": "JSONata",
        "States": {
            "Count": {"Type": "Pass", "Assign": {"tries": 0, "id": "{% $states.input.detail.statementId %}"},
                      "Next": "Ask"},
            "Ask": {"Type": "Task", "Resource": DESCRIBE, "Arguments": {"Id": "{% $id %}"},
                    "Assign": {"tries": "{% $tries + 1 %}"}, "Output": "{% $states.result.Status %}", "Next": "Ended",
                    "Catch": [{"ErrorEquals": ["RedshiftData.ResourceNotFoundException"],
                               "Output": {"text": "{% $states.errorOutput.Cause %}"}, "Next": "Tell"}]},
            "Ended": {"Type": "Choice",
                      "Choices": [{"Condition": "{% $states.input = 'FINISHED' %}", "Next": "Tell",
                                   "Output": {"text": "{% 'after ' & $tries %}"}},
                                  {"Condition": "{% $tries >= 5 %}", "Next": "Over"}],
                      "Default": "Pause"},
            "Pause": {"Type": "Wait", "Seconds": "{% $power(2, $tries) %}", "Next": "Ask"},
            "Tell": {"Type": "Task", "Resource": PUBLISH, "End": True,
                     "Arguments": {"TopicArn": "t", "Message": "{% $states.input.text %}"}},
            "Over": {"Type": "Fail", "Error": "Over", "Cause": "{% 'tried ' & $string($tries) %}"},
        },
    }  # fmt: skip
    done, tasks = run(machine, EVENT, [{"Status": "STARTED"}, {"Status": "STARTED"}, {"Status": "FINISHED"}])
    assert done.status == SUCCEEDED
    assert [moment for moment, _, _ in tasks.calls] == [0.0, 2.0, 6.0, 6.0]
    assert tasks.calls[-1][2] == {"TopicArn": "t", "Message": "after 3"}
    gone = StatesError("RedshiftData.ResourceNotFoundException", "no statement s-1", task=True)
    _, tasks = run(machine, EVENT, [gone])
    assert tasks.calls[-1][2]["Message"] == "no statement s-1"
    done, _ = run(machine, EVENT, [{"Status": "STARTED"}] * 5)
    assert (done.status, done.error, done.cause) == (FAILED, "Over", "tried 5")


def test_five_minutes_are_all_that_an_express_execution_has() -> None:
    done, tasks = run({"StartAt": "W", "States": {
        "W": {"Type": "Wait", "Seconds": 299, "Next": "T"}, "T": {"Type": "Task", "Resource": PUBLISH, "Next": "V"},
        "V": {"Type": "Wait", "Seconds": 1, "Next": "U"}, "U": {"Type": "Task", "Resource": PUBLISH, "End": True},
    }})  # fmt: skip
    assert (done.status, done.error) == (TIMED_OUT, "States.Timeout")
    assert len(tasks.calls) == 1 and done.trail == ["W", "T", "V"]


@pytest.mark.parametrize(
    "state, given, output",
    [
        ({"Type": "Pass", "Result": 1, "ResultPath": "$.a.x", "Next": "D"}, {"c": 2}, {"c": 2, "a": {"x": 1}}),
        ({"Type": "Pass", "Result": 1, "ResultPath": None, "Next": "D"}, {"c": 2}, {"c": 2}),
        ({"Type": "Pass", "InputPath": "$.c", "Next": "D"}, {"c": 2}, 2),
        ({"Type": "Pass", "OutputPath": "$.c[1]['d e']", "Next": "D"}, {"c": [0, {"d e": 2}]}, 2),
        ({"Type": "Pass", "Parameters": {"n.$": "$$.State.Name", "k": [{"v.$": "$.c"}]}, "Next": "D"}, {"c": 2},
         {"n": "S", "k": [{"v": 2}]}),
        ({"Type": "Pass", "Parameters": {"x.$": "States.StringToJson($.t)"}, "Next": "D"}, {"t": '{"a": [1]}'},
         {"x": {"a": [1]}}),
        ({"Type": "Pass", "Parameters": {"x.$": "States.ArrayGetItem(States.StringSplit($.t, '-'), 1)"}, "Next": "D"},
         {"t": "a-b"}, {"x": "b"}),
        ({"Type": "Pass", "Parameters": {"x.$": r"States.Format('\{{}\} it\'s {}', $.n, States.MathAdd(1, 2))"},
          "Next": "D"}, {"n": "a"}, {"x": "{a} it's 3"}),
    ],
)  # fmt: skip
def test_paths_and_templates(state: dict[str, Any], given: Any, output: Any) -> None:
    done, _ = run(one(state, D=DONE), given)
    assert (done.status, done.output) == (SUCCEEDED, output), done.cause


@pytest.mark.parametrize(
    "rule, matches",
    [
        ({"Variable": "$.n", "NumericGreaterThanEquals": 3}, True),
        ({"Variable": "$.n", "StringEquals": "3"}, False),
        ({"Variable": "$.n", "NumericLessThanPath": "$.m"}, True),
        ({"Variable": "$.t", "TimestampLessThan": "2026-01-02T00:00:00Z"}, True),
        ({"Variable": "$.none", "IsPresent": False}, True),
        ({"Variable": "$.null", "IsNull": True}, True),
        ({"Not": {"Variable": "$.b", "BooleanEquals": True}}, False),
        (
            {"Or": [{"Variable": "$.n", "IsString": True}, {"Variable": "$.s", "StringMatches": "a*\\*"}]},
            True,
        ),
        ({"Variable": "$.s", "StringMatches": "b*"}, False),
    ],
)
def test_choice_rules(rule: dict[str, Any], matches: bool) -> None:
    given = {"n": 3, "m": 4, "t": "2026-01-01T23:00:00Z", "null": None, "b": True, "s": "ab*"}
    machine = one({"Type": "Choice", "Choices": [rule | {"Next": "Y"}], "Default": "N"}, Y=DONE, N=DONE)
    done, _ = run(machine, given)
    assert done.trail == ["S", "Y" if matches else "N"], done.cause


@pytest.mark.parametrize(
    "state, language, error",
    [
        ({"Type": "Pass", "InputPath": "$.none", "Next": "D"}, "JSONPath", "States.ParameterPathFailure"),
        ({"Type": "Pass", "InputPath": "$..a", "Next": "D"}, "JSONPath", "States.Runtime"),
        ({"Type": "Pass", "Parameters": {"x.$": "States.Base64Encode('a')"}, "Next": "D"}, "JSONPath",
         "States.IntrinsicFailure"),
        ({"Type": "Choice", "Choices": [{"Variable": "$.a", "StringEquals": "x", "Next": "D"}]}, "JSONPath",
         "States.NoChoiceMatched"),
        ({"Type": "Choice", "Choices": [{"Variable": "$.none", "StringEquals": "x", "Next": "D"}]}, "JSONPath",
         "States.Runtime"),
        ({"Type": "Pass", "Output": "{% $states.input.none %}", "Next": "D"}, "JSONata", "States.QueryEvaluationError"),
        ({"Type": "Pass", "Output": "{% $eval('1') %}", "Next": "D"}, "JSONata", "States.QueryEvaluationError"),
        ({"Type": "Pass", "Output": "{% 1 + 'a' %}", "Next": "D"}, "JSONata", "States.QueryEvaluationError"),
    ],
)  # fmt: skip
def test_what_fails_at_run_time(state: dict[str, Any], language: str, error: str) -> None:
    done, _ = run(one(state, language, D=DONE), {"a": "b"})
    assert (done.status, done.error) == (FAILED, error), done.cause


@pytest.mark.parametrize("error, caught", [
    ("States.Timeout", "States.ALL"), ("Any", "States.ALL"), ("Any", "States.TaskFailed"),
    ("States.Timeout", None), ("States.Runtime", None),
])  # fmt: skip
def test_which_errors_a_catcher_takes(error: str, caught: str | None) -> None:
    names = [caught] if caught else ["States.TaskFailed"] if error == "States.Timeout" else ["States.ALL"]
    state = {"Type": "Task", "Resource": PUBLISH, "Catch": [{"ErrorEquals": names, "Next": "D"}], "Next": "D"}
    done, _ = run(one(state, D=DONE), {}, [StatesError(error, "x", task=error != "States.Runtime")])
    assert done.status == (SUCCEEDED if caught else FAILED)


def test_jitter_is_asked_for_and_the_delay_has_a_limit() -> None:
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "MaxAttempts": 3, "MaxDelaySeconds": 15,
             "JitterStrategy": "FULL"}  # fmt: skip
    state = {"Type": "Task", "Resource": PUBLISH, "Retry": [retry], "Next": "D"}
    _, tasks = run(one(state, D=DONE), {}, [StatesError("X", "x", task=True)] * 3, random=lambda: 0.5)
    assert [moment for moment, _, _ in tasks.calls] == [0.0, 5.0, 12.5, 20.0]


@pytest.mark.parametrize(
    "definition, problem",
    [
        (one({"Type": "Parallel", "Branches": []}), "state S: the local Step Functions has no Parallel"),
        (one({"Type": "Map"}), "has no Map"),
        (one({"Type": "Pass", "Next": "D", "HeartbeatSeconds": 1}, D=DONE), "state S has HeartbeatSeconds"),
        (one({"Type": "Pass", "Assign": {"a": 1}, "End": True}), "state S has Assign"),
        (one({"Type": "Pass"}), "state S needs either Next or End"),
        (one({"Type": "Pass", "Next": "X"}), "state S goes on to 'X', which is no state"),
        (one({"Type": "Wait", "Seconds": 1, "Timestamp": "x", "End": True}), "exactly one of Seconds and Timestamp"),
        (one({"Type": "Task", "Resource": "r", "End": True, "Retry": [{"ErrorEquals": ["States.ALL", "X"]}]}),
         "States.ALL must stand alone, and last"),
        (one({"Type": "Pass", "End": True, "QueryLanguage": "JSONPath"}, "JSONata"), "cannot stand here"),
        ({"StartAt": "X", "States": {}}, "StartAt names 'X'"),
        ({"StartAt": "S", "States": {"S": DONE}, "Extra": 1}, "the state machine has Extra"),
    ],
)  # fmt: skip
def test_definitions_are_refused_by_name(definition: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        parse(json.dumps(definition))
    assert problem in str(raised.value)


def test_waiting_for_a_timestamp() -> None:
    until = (START + timedelta(seconds=90)).isoformat()
    wait = {"Type": "Wait", "TimestampPath": "$.until", "Next": "T"}
    _, tasks = run(one(wait, T={"Type": "Task", "Resource": PUBLISH, "End": True}), {"until": until})
    assert tasks.calls[0][0] == 90.0
