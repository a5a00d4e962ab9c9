"""The metrics that the local services make, read from what they keep: nobody has to count as things happen.

Sources: EventBridge Scheduler User Guide, monitoring-cloudwatch; Step Functions Developer Guide, "Monitoring Step
Functions metrics"; SQS Developer Guide, "Available CloudWatch metrics". The documentation does not say whether a count
of nothing is sent as 0 or not at all; here it is not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from deployer.local.alarms.evaluate import Values
from deployer.local.alarms.model import Alarm
from deployer.local.scheduler.store import DEAD, DROPPED, Store
from deployer.local.states.interpreter import FAILED, SUCCEEDED, TIMED_OUT
from deployer.local.states.store import ExecutionStore

THROTTLED = {"ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded"}
"""Codes of targets that count as throttling; which ones Scheduler takes for that is not documented."""

_STATES = {
    "ExecutionsSucceeded": SUCCEEDED,
    "ExecutionsFailed": FAILED,
    "ExecutionsTimedOut": TIMED_OUT,
}
_DIMENSIONS = {"AWS/Scheduler": "ScheduleGroup", "AWS/States": "StateMachineArn", "AWS/SQS": "QueueName"}
VISIBLE = "ApproximateNumberOfMessagesVisible"
_MINUTE = timedelta(minutes=1)


class Metrics:
    """Values of metrics. `queue_length` asks SQS for a queue by its name; None when there is no such queue."""

    def __init__(
        self, store: Store, executions: ExecutionStore, queue_length: Callable[[str], int | None]
    ) -> None:
        self._store, self._executions, self._queue_length = store, executions, queue_length
        self._lengths: dict[str, dict[datetime, float]] = {}

    def values(self, alarm: Alarm, since: datetime, minute: datetime) -> Values | None:
        """The alarm's metric since `since`, asked for when `minute` has begun; None when nobody here makes it."""
        dimension = _DIMENSIONS.get(alarm.namespace, "")
        if set(alarm.dimensions) != {dimension}:
            return None
        where = alarm.dimensions[dimension]
        made: Mapping[str, Callable[[], Values | None]] = {
            "AWS/Scheduler": lambda: self._scheduler(alarm.metric, where, since),
            "AWS/States": lambda: self._states(alarm.metric, where, since),
            "AWS/SQS": lambda: self._queue(alarm.metric, where, since, minute),
        }
        return made[alarm.namespace]()

    def _scheduler(self, metric: str, group: str, since: datetime) -> Values | None:
        if metric in ("InvocationAttemptCount", "TargetErrorCount", "TargetErrorThrottledCount"):
            calls = self._store.calls(group, since)
            if metric == "InvocationAttemptCount":
                return [(at, 1.0) for at, _ in calls]
            throttled = metric == "TargetErrorThrottledCount"
            return [(at, 1.0) for at, code in calls if code is not None and (code in THROTTLED) == throttled]
        if metric == "InvocationThrottleCount":
            # The local Scheduler has no quota of its own.
            return []
        given_up: Mapping[str, Callable[[str, bool], bool]] = {
            "InvocationDroppedCount": lambda state, queue: state in (DEAD, DROPPED),
            "InvocationsSentToDeadLetterCount": lambda state, queue: state == DEAD,
            "InvocationsFailedToBeSentToDeadLetterCount": lambda state, queue: state == DROPPED and queue,
        }
        if metric not in given_up:
            return None
        return [
            (at, 1.0) for at, state, queue in self._store.ends(group, since) if given_up[metric](state, queue)
        ]

    def _states(self, metric: str, machine: str, since: datetime) -> Values | None:
        if metric not in _STATES:
            return None
        return [
            (at, 1.0) for at, status in self._executions.ends(machine, since) if status == _STATES[metric]
        ]

    def _queue(self, metric: str, name: str, since: datetime, minute: datetime) -> Values | None:
        """One value a minute, for the minute that has ended; SQS sends one each minute, too."""
        if metric != VISIBLE:
            return None
        kept = self._lengths.setdefault(name, {})
        length = self._queue_length(name)
        if length is not None:
            kept[minute - _MINUTE] = float(length)
        self._lengths[name] = {at: value for at, value in kept.items() if at >= since}
        return list(self._lengths[name].items())


def queue_lengths(client: Callable[[], Any]) -> Callable[[str], int | None]:
    """`queue_length` by boto3's SQS client."""

    def asked(name: str) -> int | None:
        sqs = client()
        try:
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        except sqs.exceptions.QueueDoesNotExist:
            # Maybe only since the first of the two calls.
            return None
        return int(told["Attributes"]["ApproximateNumberOfMessages"])

    return asked
