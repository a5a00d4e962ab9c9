"""Schedules of the local AWS through the real Data API to statements, events, the state machine and its alert."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scheduler_parts import EXECUTE, utc
from scheduler_place import ACCOUNT, SECRET, Place

from deployer.local.data_api import limits
from deployer.local.data_api.throttle import Throttle
from deployer.local.scheduler.store import DEAD, DELIVERED

ENDED_BADLY = {"source": ["aws.redshift-data"], "detail": {"state": ["FAILED", "ABORTED"]}}


def tells(topic: str) -> dict[str, Any]:
    """A state machine that describes the statement and publishes its error."""
    return {
        "StartAt": "Describe",
        "States": {
            "Describe": {
                "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:redshiftdata:describeStatement",
                "Parameters": {"Id.$": "$.detail.statementId"}, "ResultPath": "$.statement", "Next": "Tell",
                "Retry": [{"ErrorEquals": ["RedshiftData.RedshiftDataException"], "MaxAttempts": 5}],
            },
            "Tell": {
                "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sns:publish", "End": True,
                "Parameters": {
                    "TopicArn": topic, "Subject.$": "$.detail.statementName", "Message.$": "$.statement.Error",
                },
            },
        },
    }  # fmt: skip


def test_a_failed_statement_reaches_a_mailbox_with_its_text(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    topic, mail = place.topic("alerts")
    events = place.queue("events")
    place.client("logs").create_log_group(logGroupName="/aws/events/x")
    place.rule(
        ENDED_BADLY,
        place.machine(tells(topic)),
        events,
        f"arn:aws:logs:{place.region}:{ACCOUNT}:log-group:/aws/events/x",
    )
    place.schedule("good", "select '<aws.scheduler.scheduled-time>'")
    place.schedule("bad", "select * from nowhere.nothing")
    place.run(hours=1)
    (alert,) = place.messages(mail)
    assert 'relation "nowhere.nothing" does not exist' in alert["Body"]
    (event,) = [json.loads(one["Body"]) for one in place.messages(events)]
    assert event["detail"]["statementName"] == "bad" and "nowhere" not in json.dumps(event)
    assert event["region"] == place.region and event["source"] == "aws.redshift-data"
    logged = place.client("logs").filter_log_events(logGroupName="/aws/events/x")["events"]
    assert [json.loads(one["message"])["id"] for one in logged] == [event["id"]]
    (told,) = place.service.executions.messages()
    assert (told.subject, told.message) == ("bad", alert["Body"])
    made = place.service.store.history()
    assert {(one.name, one.state, one.scheduled) for one in made} == {
        ("good", DELIVERED, utc("2026-03-01T01:00:00")), ("bad", DELIVERED, utc("2026-03-01T01:00:00"))
    }  # fmt: skip
    assert_no_credentials(place, caplog.text)


def assert_no_credentials(place: Place, logged: str) -> None:
    """Neither the password of the warehouse nor the key that signs stands in anything that was kept or logged."""
    kept = b"".join(path.read_bytes() for path in place.home.rglob("*") if path.is_file())
    for secret in (SECRET, place.status.password):
        assert secret not in logged and secret.encode() not in kept


def test_an_event_that_comes_twice_and_one_that_is_lost(place: Place) -> None:
    topic, mail = place.topic("alerts")
    place.rule(ENDED_BADLY, place.machine(tells(topic)))
    place.schedule("bad", "select * from nowhere.nothing", "cron(0 * * * ? *)")
    place.copies = lambda event: 2
    place.run(hours=1)
    assert len(place.messages(mail)) == 2
    place.copies = lambda event: 0
    place.run(hours=1)
    assert not place.messages(mail) and len(place.service.store.history()) == 2


def test_the_data_api_may_be_down_for_a_while(place: Place) -> None:
    place.schedule("late", "select 1", target={"RetryPolicy": {"MaximumEventAgeInSeconds": 3600}})
    place.api_down()
    place.run(minutes=35)
    place.api_up()
    place.run(minutes=30)
    (made,) = place.service.store.history()
    attempts = place.service.store.attempts(made.number)
    assert made.state == DELIVERED and made.scheduled == utc("2026-03-01T01:00:00")
    assert {one.code for one in attempts[:-1]} == {"EndpointConnectionError"} and len(attempts) > 5


def test_forty_schedules_at_once_are_throttled_and_none_is_lost(place: Place) -> None:
    # The Data API takes thirty a second; here the seconds are the test's.
    place.api._throttle = Throttle(lambda: place.clock.now().timestamp())
    for number in range(40):
        place.schedule(f"one-{number}", f"select {number}")
    place.run(minutes=31)
    made = place.service.store.history()
    assert {one.state for one in made} == {DELIVERED} and len({one.result for one in made}) == 40
    codes = {attempt.code for one in made for attempt in place.service.store.attempts(one.number)}
    assert codes == {None, "ThrottlingException"}


def test_too_many_active_statements_are_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.schedule("busy", "select 1")
    with monkeypatch.context() as full:
        full.setattr(limits, "ACTIVE_STATEMENTS", 0)
        place.run(minutes=35)
    place.run(minutes=30)
    (made,) = place.service.store.history()
    codes = [one.code for one in place.service.store.attempts(made.number)]
    assert set(codes[:-1]) == {"ActiveStatementsExceededException"} and codes[-1] is None


def test_what_the_data_api_never_takes_ends_in_the_dead_letter_queue(place: Place) -> None:
    dead = place.queue("dead")
    letters = {"DeadLetterConfig": {"Arn": dead}, "RetryPolicy": {"MaximumRetryAttempts": 1}}
    place.schedule("typo", "select 1", input={"Sqll": "select 1"}, target=letters)
    place.schedule("nowhere", "select 1", input={"Database": ""}, target=letters)
    place.schedule(
        "other", "select 1", target=letters | {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"}
    )
    place.run(hours=1)
    told: dict[str, dict[str, Any]] = {}
    attributes: dict[str, dict[str, str]] = {}
    for one in place.messages(dead):
        values = {key: value["StringValue"] for key, value in one["MessageAttributes"].items()}
        name = values["SCHEDULE_ARN"].rpartition("/")[2]
        told[name], attributes[name] = one, values
    assert {name: one["ERROR_CODE"] for name, one in attributes.items()} == {
        "typo": "InvalidInput", "nowhere": "ValidationException", "other": "UnsupportedTarget"
    }  # fmt: skip
    assert attributes["nowhere"]["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["nowhere"]["RETRY_ATTEMPTS"] == "1" and attributes["typo"]["RETRY_ATTEMPTS"] == "0"
    assert "EXHAUSTED_RETRY_CONDITION" not in attributes["typo"]
    assert attributes["typo"]["SCHEDULED_TIME"] == "2026-03-01T01:00:00Z"
    assert attributes["typo"]["TARGET_ARN"] == EXECUTE
    assert json.loads(told["typo"]["Body"])["Sqll"] == "select 1"
    assert {one.state for one in place.service.store.history()} == {DEAD}


def test_the_same_token_is_the_same_statement_for_every_attempt(place: Place) -> None:
    token = {"ClientToken": "nightly-<aws.scheduler.scheduled-time>"}
    place.schedule("nightly", "select 1", input=token)
    place.run(hours=1)
    (schedule,) = place.service.source.all()
    place.service.scheduler.fire(schedule, utc("2026-03-01T01:00:00"))
    place.service.scheduler.fire(schedule, utc("2026-03-01T02:00:00"))
    place.run(seconds=1)
    ids = [one.result for one in reversed(place.service.store.history())]
    assert ids[0] == ids[1] and ids[1] != ids[2]


def test_changes_and_deletions_in_the_local_aws_are_seen(place: Place) -> None:
    place.schedule("once", "select 1", "at(2026-03-01T01:00:00)", ActionAfterCompletion="DELETE")
    place.schedule("hourly", "select 1", "cron(0 * * * ? *)")
    place.run(hours=1)
    assert [one.name for one in place.service.source.all()] == ["hourly"]
    client = place.client("scheduler")
    told = client.get_schedule(GroupName="group", Name="hourly")
    client.update_schedule(
        Name="hourly", GroupName="group", ScheduleExpression="cron(45 * * * ? *)", State="ENABLED",
        FlexibleTimeWindow={"Mode": "OFF"}, Target=told["Target"],
    )  # fmt: skip
    place.restart()
    place.run(hours=1)
    assert [one.scheduled for one in place.service.store.history("hourly")] == [
        utc("2026-03-01T01:45:00"), utc("2026-03-01T01:00:00")
    ]  # fmt: skip
