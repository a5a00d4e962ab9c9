"""The stacks around schedules, on the local AWS: base and run planned together, deployed, changed, destroyed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_cloud import Cloud

from deployer.aws import stacks
from deployer.aws.resources import dashboard
from deployer.aws.scope import scope
from deployer.errors import Unavailable
from deployer.local.scheduler.schedules import AwsSchedules, Schedule
from deployer.local.states.definition import parse
from deployer.operations import stacks as operations

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def scheduled(cloud: Cloud) -> Iterator[Cloud]:
    """The project with the rental pipeline's own schedules, rules and alarms."""
    shutil.copytree(ROOT / "eventbridge", cloud.root / "eventbridge")
    yield cloud
    # It is of no stack, and other tests count it.
    workgroup = cloud.aws.call("redshift-serverless", "get_workgroup", workgroupName="analytics")["workgroup"]
    limits = cloud.aws.call("redshift-serverless", "list_usage_limits", resourceArn=workgroup["workgroupArn"])
    for limit in limits["usageLimits"]:
        cloud.aws.call("redshift-serverless", "delete_usage_limit", usageLimitId=limit["usageLimitId"])


def test_schedules_are_planned_deployed_changed_one_by_one_and_destroyed(scheduled: Cloud) -> None:
    cloud = scheduled
    # On a fresh account: run is planned although base, which makes what it refers to, is not there.
    planned = operations.plan(cloud.project, cloud.prod)
    assert planned.run is not None and {change.action for change in planned.changes} == {"create"}
    with pytest.raises(Unavailable, match="zeroshift-shop-prod-base lacks what the schedules need"):
        operations.apply_run(cloud.project, cloud.prod, planned)
    operations.apply_base(cloud.project, cloud.prod, planned)
    operations.apply_run(cloud.project, cloud.prod, planned)
    assert operations.changes(cloud.project, cloud.prod) == ()
    assert operations.drifted(cloud.project, cloud.prod) == ()

    outputs = stacks.outputs(cloud.aws, cloud.stack())
    found = cloud.aws.call(
        "scheduler", "get_schedule", GroupName="zeroshift-shop-prod", Name="rental-nightly"
    )
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert found["Target"]["RoleArn"] == outputs["RunnerRoleArn"]
    assert found["Target"]["DeadLetterConfig"] == {"Arn": outputs["DeadLetterQueueArn"]}
    given = json.loads(found["Target"]["Input"])
    assert given["WithEvent"] is True and given["WorkgroupName"] == "analytics"
    assert given["StatementName"] == "zeroshift-shop-prod/rental-nightly"

    machine = outputs["RunnerRoleArn"].split(":")[4]
    arn = f"arn:aws:states:eu-central-1:{machine}:stateMachine:zeroshift-shop-prod-alerts"
    told = cloud.aws.call("stepfunctions", "describe_state_machine", stateMachineArn=arn)
    assert told["type"] == "EXPRESS" and outputs["AlertTopicArn"] in told["definition"]
    parse(told["definition"])
    targets = cloud.aws.call("events", "list_targets_by_rule", Rule="zeroshift-shop-prod-failed-statements")[
        "Targets"
    ]
    assert {item["Id"]: item["Arn"].split(":")[2] for item in targets} == {"alert": "states", "log": "logs"}
    board = dashboard.name(scope(cloud.project, cloud.prod))
    body = cloud.aws.call("cloudwatch", "get_dashboard", DashboardName=board)["DashboardBody"]
    assert outputs["DeadLetterQueueArn"].rpartition(":")[2] in body and "${" not in body

    before = {one.name: one for one in _schedules(cloud)}
    path = cloud.root / "eventbridge" / "schedules" / "rental-nightly.toml"
    path.write_text(
        path.read_text().replace("cron(30 1", "cron(30 3").replace("Europe/Berlin", "Europe/London")
    )
    (change,) = operations.changes(cloud.project, cloud.prod)
    assert (change.action, change.kind, change.name) == (
        "modify",
        "AWS::Scheduler::Schedule",
        "ScheduleRentalNightly",
    )
    assert change.reason.startswith("changes ScheduleExpression, ScheduleExpressionTimezone")
    assert (change.path, change.line) == ("eventbridge/schedules/rental-nightly.toml", 1)
    operations.apply_run(cloud.project, cloud.prod)
    after = {one.name: one for one in _schedules(cloud)}
    assert after["rental-nightly"].expression == "cron(30 3 * * ? *)"
    assert after["rental-nightly"].timezone == "Europe/London"
    assert after["rental-nightly"].modified >= before["rental-nightly"].modified
    assert after["rental-hourly"] == before["rental-hourly"]

    path.unlink()
    (change,) = operations.changes(cloud.project, cloud.prod)
    assert (change.action, change.name) == ("remove", "ScheduleRentalNightly")
    done = operations.destroy(cloud.project, cloud.prod, yes=True)
    assert sorted(item.split(" ")[1] for item in done.left) == ["AlertKey", "DeadLetterQueue", "EventLog"]
    assert _schedules(cloud) == ()


def _schedules(cloud: Cloud) -> tuple[Schedule, ...]:
    """As the local Scheduler reads them."""
    return AwsSchedules(lambda: cloud.aws._client("scheduler")).all()
