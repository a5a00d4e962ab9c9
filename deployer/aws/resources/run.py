"""The stack run: schedules, the alert path, rules over events, alarms. Only with schedules; base is there before it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from deployer.aws import naming
from deployer.aws.resources import alert_machine
from deployer.aws.scope import RETAIN, Resources, Scope, arn, sub
from deployer.errors import UsageError
from deployer.project.schedules import expression
from deployer.project.schedules.expression import ExpressionError
from deployer.project.schedules.model import ALERT, GROUP, LOG, MACHINE, PREFIX, QUEUE, Alarm, Rule, Schedule

_QUEUE = {"Ref": "DeadLetterQueueArn"}
_LOG_DAYS = 90
OF_FILES = ("AWS::Scheduler::Schedule", "AWS::Events::Rule", "AWS::CloudWatch::Alarm")
"""The types of what files of eventbridge/ become."""
_EVENT_HOURS = 24 * 3600
"""EventBridge tries to deliver for a day by default, which is also its most (PutTargets, RetryPolicy)."""


def group(scope: Scope) -> Resources:
    """The group: what the schedules' role trusts, what metrics are told by, and what `zeroshift schedule` reads."""
    return {"ScheduleGroup": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": scope.prefix}}}


def schedules(scope: Scope) -> Resources:
    """One resource a schedule, so that a change of one is a change of one. Raises UsageError for a time that Scheduler
    would refuse in the middle of a deployment; what else lint checks, it takes unread."""
    made: Resources = {}
    ids = _ids("Schedule", scope.eventbridge.schedules)
    for schedule in scope.eventbridge.schedules:
        try:
            expression.parse(schedule.expression, schedule.timezone)
        except ExpressionError as error:
            line = schedule.place.line("expression")
            raise UsageError(f"{schedule.place.path}:{line}: {error}") from None
        call = scope.call(schedule)
        properties: dict[str, Any] = {
            "Name": schedule.name,
            "GroupName": {"Ref": "ScheduleGroup"},
            "Description": schedule.description,
            "ScheduleExpression": schedule.expression,
            "ScheduleExpressionTimezone": schedule.timezone,
            "StartDate": _date(schedule.start),
            "EndDate": _date(schedule.end),
            "State": "ENABLED" if schedule.enabled else "DISABLED",
            "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": schedule.window}
            if schedule.window
            else {"Mode": "OFF"},
            "Target": {
                "Arn": call.target,
                "RoleArn": {"Ref": "RunnerRoleArn"},
                "Input": call.input,
                "RetryPolicy": {
                    "MaximumRetryAttempts": schedule.attempts, "MaximumEventAgeInSeconds": schedule.max_age,
                },
                "DeadLetterConfig": {"Arn": _QUEUE},
            },
        }  # fmt: skip
        made[ids[schedule.name]] = {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {key: value for key, value in properties.items() if value not in (None, "")},
        }
    return made


def sources(scope: Scope) -> dict[str, str]:
    """The file of eventbridge/ that each resource is made from, by its logical id."""
    eventbridge = scope.eventbridge
    kinds: tuple[tuple[str, Sequence[Schedule | Rule | Alarm]], ...] = (
        ("Schedule", eventbridge.schedules), ("Rule", eventbridge.rules), ("Alarm", eventbridge.alarms),
    )  # fmt: skip
    return {
        logical_id: one.place.path
        for kind, found in kinds
        for one, logical_id in zip(found, _ids(kind, found).values(), strict=True)
    }


def alert_path(scope: Scope) -> Resources:
    """The state machine and its table. The table is not kept when the stack goes: it only keeps alerts from coming
    twice."""
    return {
        "AlertsTold": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "TableName": naming.told_table(scope.project, scope.environment),
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "run", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "run", "KeyType": "HASH"}],
                "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
            },
        },
        "AlertMachine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": naming.alert_machine(scope.project, scope.environment),
                "StateMachineType": "EXPRESS",
                "RoleArn": {"Ref": "RunnerRoleArn"},
                "DefinitionString": alert_machine.definition(scope.environment.name, scope.warehouse),
                "DefinitionSubstitutions": {
                    "TopicArn": {"Ref": "AlertTopicArn"}, "TableName": {"Ref": "AlertsTold"},
                },
            },
        },
    }  # fmt: skip


def event_log(scope: Scope) -> Resources:
    """The log group of events. EventBridge may write into it by a policy of CloudWatch Logs, and takes no role for it
    (EventBridge User Guide, eb-use-resource-based, "CloudWatch Logs permissions"). The name ends in the stack's id: a
    group that a deleted stack has left behind is not in the way of the next."""
    unique = {
        "Fn::Select": [
            4,
            {"Fn::Split": ["-", {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}]},
        ]
    }
    write = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${EventLog}:*",
            }
        ],
    }
    return {
        "EventLog": {
            "Type": "AWS::Logs::LogGroup",
            **RETAIN,
            "Properties": {
                "LogGroupName": {"Fn::Join": ["-", [f"/aws/events/{scope.prefix}", unique]]},
                "RetentionInDays": _LOG_DAYS,
            },
        },
        "EventLogPolicy": {
            "Type": "AWS::Logs::ResourcePolicy",
            "Properties": {"PolicyName": f"{scope.prefix}-events", "PolicyDocument": sub(json.dumps(write))},
        },
    }


def rules(scope: Scope) -> Resources:
    """Rules over events of the default bus, which AWS's services send to."""
    made: Resources = {}
    ids = _ids("Rule", scope.eventbridge.rules)
    for rule in scope.eventbridge.rules:
        properties = {
            "Name": naming.rule(scope.project, scope.environment, rule.name),
            "Description": rule.description or None,
            "State": "ENABLED" if rule.enabled else "DISABLED",
            "EventPattern": json.loads(json.dumps(rule.pattern).replace(PREFIX, scope.prefix)),
            "Targets": [_target(kind, rule) for kind in rule.targets],
        }
        made[ids[rule.name]] = {
            "Type": "AWS::Events::Rule",
            "Properties": {key: value for key, value in properties.items() if value is not None},
        }
    return made


def _target(kind: str, rule: Rule) -> dict[str, Any]:
    if kind == LOG:
        # CloudWatch Logs takes neither a role nor the group's ARN with the ":*" of Fn::GetAtt.
        return {"Id": LOG, "Arn": arn("logs", "log-group:${EventLog}")}
    made: dict[str, Any] = {
        "Id": kind,
        "DeadLetterConfig": {"Arn": _QUEUE},
        "RetryPolicy": {"MaximumEventAgeInSeconds": _EVENT_HOURS, "MaximumRetryAttempts": 185},
    }
    if kind == ALERT:
        return {**made, "Arn": {"Ref": "AlertMachine"}, "RoleArn": {"Ref": "StarterRoleArn"}}
    return {**made, "Arn": {"Ref": "AlertTopicArn"}}


def alarms(scope: Scope) -> Resources:
    """Alarms on metrics that AWS itself emits: they tell when and that all is well again."""
    topic = [{"Ref": "AlertTopicArn"}]
    made: Resources = {}
    ids = _ids("Alarm", scope.eventbridge.alarms)
    for alarm in scope.eventbridge.alarms:
        properties = {
            "AlarmName": alarm_name(scope, alarm.name),
            "AlarmDescription": alarm.description or None,
            "Namespace": alarm.namespace,
            "MetricName": alarm.metric,
            "Statistic": alarm.statistic,
            "Period": alarm.period,
            "EvaluationPeriods": alarm.periods,
            "Threshold": alarm.threshold,
            "ComparisonOperator": alarm.comparison,
            "TreatMissingData": alarm.missing,
            "Dimensions": [
                {"Name": key, "Value": _filled(value)} for key, value in sorted(alarm.dimensions.items())
            ],
            "AlarmActions": topic,
            "OKActions": topic,
        }
        made[ids[alarm.name]] = {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {key: value for key, value in properties.items() if value is not None},
        }
    return made


def alarm_name(scope: Scope, name: str) -> str:
    """An alarm's name, which has 255 characters (PutMetricAlarm)."""
    return f"{scope.prefix}-{name}"


def queue_name() -> dict[str, Any]:
    """The dead-letter queue's name, the last part of its ARN."""
    return {"Fn::Select": [5, {"Fn::Split": [":", _QUEUE]}]}


def _filled(value: str) -> object:
    placeholders: dict[str, object] = {
        GROUP: {"Ref": "ScheduleGroup"}, QUEUE: queue_name(), MACHINE: {"Ref": "AlertMachine"},
    }  # fmt: skip
    return placeholders.get(value, value)


def _date(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _ids(kind: str, found: Sequence[Schedule | Rule | Alarm]) -> dict[str, str]:
    """The logical ids of files of one kind by their names, in their order. Raises UsageError where two would be one
    resource: a template has one of each id, so the other file would be left out in silence."""
    ids: dict[str, str] = {}
    for one in found:
        logical_id = _id(kind, one.name)
        twin = next((name for name, other in ids.items() if other == logical_id), None)
        if twin is not None:
            raise UsageError(
                f"{one.place.path}: the names {one.name!r} and {twin!r} differ in a hyphen only, and both would be the"
                f" resource {logical_id}; rename one of the files"
            )
        ids[one.name] = logical_id
    return ids


def _id(kind: str, name: str) -> str:
    """A logical id, which is letters and digits: the name's parts, and its code where that is not plain."""
    words = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^0-9A-Za-z]+", name))
    # A schedule of the name `group` would take the place of the group itself.
    plain = re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is not None and (kind, name) != (
        "Schedule",
        "group",
    )
    return f"{kind}{words}" if plain else f"{kind}{words}{naming.digest(name)}"
