"""Alarms on what the local Scheduler, state machines and queues really did, told to the real local AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scheduler_place import Place

FAILS = {"StartAt": "No", "States": {"No": {"Type": "Fail", "Error": "No", "Cause": "never"}}}


def watch(place: Place, name: str, topic: str, metric: str, dimensions: dict[str, str], **more: Any) -> None:
    namespace, _, metric = metric.rpartition(".")
    place.client("cloudwatch").put_metric_alarm(
        AlarmName=name, Namespace=namespace, MetricName=metric, Period=300, EvaluationPeriods=1, Threshold=0,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching", AlarmActions=[topic],
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        **{"Statistic": "Sum", "OKActions": [topic], **more},
    )  # fmt: skip


def states(place: Place) -> dict[str, str]:
    answer = place.client("cloudwatch").describe_alarms()
    return {one["AlarmName"]: one["StateValue"] for one in answer["MetricAlarms"]}


def test_alarms_ring_and_end(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    topic, mail = place.topic("alerts")
    dead = place.queue("dead")
    group = {"ScheduleGroup": "group"}
    watch(place, "errors", topic, "AWS/Scheduler.TargetErrorCount", group)
    watch(place, "other-group", topic, "AWS/Scheduler.TargetErrorCount", {"ScheduleGroup": "other"})
    watch(place, "dropped", topic, "AWS/Scheduler.InvocationDroppedCount", group)
    watch(place, "lost", topic, "AWS/Scheduler.InvocationsFailedToBeSentToDeadLetterCount", group)
    watch(
        place,
        "letters",
        topic,
        "AWS/SQS.ApproximateNumberOfMessagesVisible",
        {"QueueName": "dead"},
        Statistic="Maximum",
    )
    machine = place.machine(FAILS)
    watch(place, "path", topic, "AWS/States.ExecutionsFailed", {"StateMachineArn": machine})
    watch(place, "foreign", topic, "AWS/Lambda.Errors", {"FunctionName": "f"})
    place.run(minutes=2)
    quiet = dict.fromkeys(("errors", "other-group", "dropped", "lost", "letters", "path"), "OK")
    assert states(place) == {**quiet, "foreign": "INSUFFICIENT_DATA"}
    assert "alarm foreign is not evaluated here: nobody here makes its metric" in caplog.text
    place.messages(mail)

    # One call that can never succeed: dropped at once, with a dead letter; and one statement that fails.
    place.schedule("bad", "select 1", input={"Sqll": "x"}, target={"DeadLetterConfig": {"Arn": dead}})
    place.rule({"source": ["aws.redshift-data"], "detail": {"state": ["FAILED"]}}, machine)
    place.schedule("fails", "select * from nowhere.nothing")
    place.run(minutes=31)
    assert states(place) == {
        **quiet, "errors": "ALARM", "dropped": "ALARM", "letters": "ALARM", "path": "ALARM",
        "foreign": "INSUFFICIENT_DATA",
    }  # fmt: skip
    told = [json.loads(one["Body"]) for one in place.messages(mail)]
    assert {(one["AlarmName"], one["NewStateValue"]) for one in told} == {
        (name, "ALARM") for name in ("errors", "dropped", "letters", "path")
    }
    kept = place.service.executions.messages(4)
    assert {one.subject for one in kept} == {
        f'ALARM: "{name}" in {place.region}' for name in ("errors", "dropped", "letters", "path")
    }
    assert "000000000000" not in kept[0].message and "Threshold crossed: " in kept[0].message

    # A new process goes on where the old one was; the letter is read, the window passes.
    place.restart()
    place.run(minutes=2)
    assert not place.messages(mail)
    place.messages(dead)
    place.run(minutes=7)
    assert states(place) == {**quiet, "foreign": "INSUFFICIENT_DATA"}
    assert {json.loads(one["Body"])["NewStateValue"] for one in place.messages(mail)} == {"OK"}
