"""The dashboard RentalAnalytics-Dashboard: what Scheduler, the queue, the alert path and the warehouse tell of runs."""

from __future__ import annotations

import json
import re
from typing import Any

from deployer.aws.resources import run
from deployer.aws.scope import Resources, Scope

NAME = "Analytics-Dashboard"
_PLAIN = ("prod", "production", "local")
_WIDTH, _HEIGHT = 12, 6


def dashboard(scope: Scope) -> Resources:
    """One for an environment. Widgets as CloudWatch's API reference has them, "Dashboard Body Structure and Syntax"."""
    body = json.dumps({"widgets": _widgets(scope)})
    return {
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {
                "DashboardName": name(scope),
                "DashboardBody": {"Fn::Sub": [body, {"Queue": run.queue_name()}]},
            },
        }
    }


def name(scope: Scope) -> str:
    """RentalAnalytics-Dashboard for the project "rental". An account has each name once: environments other than prod
    add theirs."""
    words = re.findall(r"[0-9A-Za-z]+", scope.project.name)
    project = "".join(word[:1].upper() + word[1:] for word in words)
    environment = scope.environment.name
    return f"{project}{NAME}" if environment in _PLAIN else f"{project}{NAME}-{environment}"


def _widgets(scope: Scope) -> list[dict[str, Any]]:
    group = ["ScheduleGroup", scope.prefix]
    scheduler = [
        ["AWS/Scheduler", metric, *group]
        for metric in (
            "InvocationAttemptCount", "TargetErrorCount", "InvocationThrottleCount", "InvocationDroppedCount",
            "InvocationsSentToDeadLetterCount",
        )
    ]  # fmt: skip
    states = [
        ["AWS/States", metric, "StateMachineArn", "${AlertMachine}"]
        for metric in ("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut")
    ]
    alarms = [
        f"arn:${{AWS::Partition}}:cloudwatch:${{AWS::Region}}:${{AWS::AccountId}}:alarm:"
        f"{run.alarm_name(scope, alarm.name)}"
        for alarm in scope.eventbridge.alarms
    ]
    query = (
        "SOURCE '${EventLog}' | fields @timestamp, detail.statementName, detail.state, detail.statementId"
        " | sort @timestamp desc | limit 50"
    )
    queue = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${Queue}"]]
    made = [
        _metrics("Schedules", scheduler, "Sum"),
        _metrics("Dead letters", queue, "Maximum"),
        _metrics("Alert path", states, "Sum"),
        _metrics("Warehouse", _warehouse(scope), "Average"),
        {
            "type": "log",
            "properties": {
                "title": "Statements of schedules", "region": "${AWS::Region}", "query": query, "view": "table",
            },
        },
    ]  # fmt: skip
    if alarms:
        # At most 100 alarms a widget, says the same page.
        made.append({"type": "alarm", "properties": {"title": "Alarms", "alarms": alarms[:100]}})
    for number, widget in enumerate(made):
        widget |= {"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT, "width": _WIDTH, "height": _HEIGHT}
    return made


def _warehouse(scope: Scope) -> list[list[str]]:
    """Management guide, metrics-listing, and serverless-monitoring ("Amazon Redshift Serverless metrics")."""
    if scope.is_cluster:
        named = ["ClusterIdentifier", scope.remote.identifier]
        return [["AWS/Redshift", metric, *named] for metric in ("CPUUtilization", "DatabaseConnections")]
    return [["AWS/Redshift-Serverless", "ComputeCapacity", "Workgroup", scope.remote.identifier]]


def _metrics(title: str, metrics: list[list[str]], statistic: str) -> dict[str, Any]:
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "stat": statistic,
            "period": 300,
            "metrics": metrics,
        },
    }
