"""ZS8, second half: rules over events, and alarms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from deployer.project.lint.catalog import Catalog
from deployer.project.lint.eventbridge_files import EventbridgeContent
from deployer.project.lint.findings import ERROR, Rule
from deployer.project.lint.registry import on_files
from deployer.project.lint.units import Content
from deployer.project.schedules import model as eventbridge
from deployer.project.schedules.model import Alarm

_SCHEDULER = "https://docs.aws.amazon.com/scheduler/latest/UserGuide/"
Places = Iterator[tuple[int, int, str]]

_RULE = (
    'targets = ["alert"]\n[pattern]\nsource = ["aws.redshift-data"]\n'
    'detail-type = ["Redshift Data Statement Status Change"]\n[pattern.detail]\n'
    'state = ["FAILED", "ABORTED"]\nstatementName = [{ prefix = "${prefix}/" }]'
)
_LONGEST_PATTERN = 4096
_FILTERS = (
    "prefix", "suffix", "anything-but", "numeric", "exists", "equals-ignore-case", "wildcard", "cidr",
)  # fmt: skip


@on_files(
    Rule(
        code="ZS807",
        name="event-pattern",
        severity=ERROR,
        problem="The rule's pattern is not one that EventBridge takes, or it leads events to the alert path that it"
        " cannot read: it expects statements that failed, of this environment's schedules.",
        redshift="An event pattern is JSON whose leaves are lists of values or of filters (prefix, suffix,"
        " anything-but, numeric, exists, equals-ignore-case, wildcard, cidr), with at most 4,096 characters.",
        source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html",
        mend='Put values into lists; for the alert path match statementName by { prefix = "${prefix}/" }.',
        bad=_RULE.replace('["aws.redshift-data"]', '"aws.redshift-data"'),
        good=_RULE,
    )
)
def event_pattern(content: Content, catalog: Catalog) -> Places:
    rule = content.defined if isinstance(content, EventbridgeContent) else None
    if not isinstance(rule, eventbridge.Rule):
        return
    line = rule.place.line("pattern")
    # The longest prefix that an environment may have.
    size = len(json.dumps(rule.pattern, default=str).replace(eventbridge.PREFIX, "p" * 48))
    if size > _LONGEST_PATTERN:
        yield line, 1, f"the pattern has up to {size} characters; EventBridge takes {_LONGEST_PATTERN}"
    if not rule.pattern:
        yield line, 1, "the pattern is empty"
    for problem in _pattern_problems(rule.pattern, ""):
        yield line, 1, problem
    detail = rule.pattern.get("detail")
    states = detail.get("state") if isinstance(detail, dict) else None
    names = detail.get("statementName") if isinstance(detail, dict) else None
    if eventbridge.ALERT in rule.targets:
        ours = isinstance(names, list) and all(
            isinstance(name, dict) and str(name.get("prefix", "")).startswith(f"{eventbridge.PREFIX}/")
            for name in names
        )
        failed = isinstance(states, list) and bool(states) and set(map(str, states)) <= {"FAILED", "ABORTED"}
        if rule.pattern.get("source") != ["aws.redshift-data"] or not ours or not failed:
            yield (
                line,
                1,
                (
                    "the alert path takes events of aws.redshift-data with state FAILED or ABORTED and statementName"
                    f" with the prefix {eventbridge.PREFIX}/ only"
                ),
            )


def _pattern_problems(pattern: Any, where: str) -> Iterator[str]:
    for key, value in pattern.items():
        path = f"{where}.{key}" if where else key
        if key == "$or":
            if (
                not isinstance(value, list)
                or len(value) < 2
                or not all(isinstance(one, dict) for one in value)
            ):
                yield f"{path} must be a list of at least two patterns"
            else:
                for one in value:
                    yield from _pattern_problems(one, where)
        elif isinstance(value, dict):
            if not value:
                yield f"{path} is empty"
            yield from _pattern_problems(value, path)
        elif not isinstance(value, list) or not value:
            yield f"{path} must be a list of values or of filters, not {value!r}"
        else:
            for one in value:
                if isinstance(one, dict) and (len(one) != 1 or next(iter(one)) not in _FILTERS):
                    yield f"{path}: {', '.join(one) or 'an empty table'} is no filter; there are {', '.join(_FILTERS)}"
                elif isinstance(one, dict):
                    wanted = _wanted(*next(iter(one.items())))
                    if wanted:
                        yield f"{path}: {next(iter(one))} takes {wanted}, not {next(iter(one.values()))!r}"
                elif isinstance(one, list) or (not isinstance(one, dict | str | int | float | bool)):
                    yield f"{path}: {one!r} is no value of JSON"


_TEXTS = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_COMPARISONS = ("<", "<=", ">", ">=", "=")


def _wanted(name: str, value: Any) -> str:
    """What a filter takes, when `value` is not it; by the page that ZS807 names."""
    if name == "exists":
        return "" if isinstance(value, bool) else "true or false"
    if name == "numeric":
        pairs = zip(value[::2], value[1::2], strict=False) if isinstance(value, list) else ()
        fits = isinstance(value, list) and len(value) in (2, 4)
        fits = fits and all(operator in _COMPARISONS and _is_number(bound) for operator, bound in pairs)
        return "" if fits else 'one or two comparisons with numbers, as [">", 0, "<=", 5]'
    if name == "anything-but":
        inside = value
        if isinstance(value, dict):
            if len(value) != 1 or next(iter(value)) not in _TEXTS:
                return f"values, or one of {', '.join(_TEXTS)}"
            inside = next(iter(value.values()))
        several = inside if isinstance(inside, list) else [inside]
        texts = all(isinstance(one, str) for one in several)
        numbers = not isinstance(value, dict) and all(_is_number(one) for one in several)
        return "" if several and (texts or numbers) else "strings only, or numbers only"
    if isinstance(value, dict) and name in ("prefix", "suffix"):
        value = value.get("equals-ignore-case") if len(value) == 1 else None
    return "" if isinstance(value, str) else "a string"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_METRICS = {
    "AWS/Scheduler": (
        "ScheduleGroup",
        frozenset(
            "InvocationAttemptCount TargetErrorCount TargetErrorThrottledCount InvocationThrottleCount"
            " InvocationDroppedCount InvocationsSentToDeadLetterCount InvocationsFailedToBeSentToDeadLetterCount"
            " InvocationsSentToDeadLetterCount_Truncated_MessageSizeExceeded".split()
        ),
    ),
    "AWS/States": (
        "StateMachineArn",
        frozenset(
            "ExecutionsStarted ExecutionsSucceeded ExecutionsFailed ExecutionsTimedOut ExecutionTime"
            " ExpressExecutionMemory ExpressExecutionBilledDuration ExpressExecutionBilledMemory".split()
        ),
    ),
    "AWS/SQS": (
        "QueueName",
        frozenset(
            "ApproximateAgeOfOldestMessage ApproximateNumberOfMessagesDelayed ApproximateNumberOfMessagesNotVisible"
            " ApproximateNumberOfMessagesVisible NumberOfEmptyReceives NumberOfMessagesDeleted"
            " NumberOfMessagesReceived NumberOfMessagesSent SentMessageSize".split()
        ),
    ),
}
"""Namespaces with the dimension that their metrics have and the metrics, from the services' own guides: Scheduler User
Guide, monitoring-cloudwatch; Step Functions, procedure-cw-metrics; SQS, sqs-available-cloudwatch-metrics."""

_ALARM = (
    'namespace = "AWS/Scheduler"\nmetric = "InvocationDroppedCount"\nthreshold = 0\n'
    'dimensions = { ScheduleGroup = "${group}" }'
)


@on_files(
    Rule(
        code="ZS808",
        name="alarm-without-metric",
        severity=ERROR,
        problem="The alarm watches a metric or a dimension that AWS does not emit: it stays silent for ever, and looks"
        " well.",
        redshift="Each service documents its metrics and their dimensions; CloudWatch takes an alarm on any name.",
        source=f"{_SCHEDULER}monitoring-cloudwatch.html",
        mend="Name a metric of the service's list, and its dimension: ${group}, ${dead_letter_queue} or"
        " ${alert_machine}.",
        bad=_ALARM.replace("InvocationDroppedCount", "InvocationsDropped"),
        good=_ALARM,
    )
)
def alarm_without_metric(content: Content, catalog: Catalog) -> Places:
    alarm = content.defined if isinstance(content, EventbridgeContent) else None
    if not isinstance(alarm, Alarm):
        return
    for key, value in alarm.dimensions.items():
        if "${" in value and value not in eventbridge.PLACEHOLDERS:
            known = ", ".join(eventbridge.PLACEHOLDERS)
            yield alarm.place.line("dimensions"), 1, f"{key} = {value!r} is none of {known}"
    if alarm.namespace not in _METRICS:
        return
    dimension, metrics = _METRICS[alarm.namespace]
    # Failed deliveries to a dead-letter queue are told by their error code, too, which is appended.
    if alarm.metric.partition("_")[0] not in metrics:
        yield alarm.place.line("metric"), 1, f"{alarm.namespace} has no metric {alarm.metric}"
    if dimension not in alarm.dimensions:
        yield (
            alarm.place.line("dimensions"),
            1,
            f"the metrics of {alarm.namespace} have the dimension {dimension}",
        )
