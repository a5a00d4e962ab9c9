"""Alarms, evaluated once a minute: an actor. What changes state is told to CloudWatch, which tells the topics."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from deployer.local.alarms import evaluate
from deployer.local.alarms.metrics import Metrics
from deployer.local.alarms.model import Alarm, alarm
from deployer.local.events.clock import Clock
from deployer.local.events.targets import Published
from deployer.mask import mask

log = logging.getLogger("zeroshift.alarms")
_MINUTE = timedelta(minutes=1)


class Alarms:
    """`client` makes boto3's CloudWatch client. ministack keeps alarms and notifies topics when a state is set; its own
    evaluation, which happens when somebody puts metric data, looks at no dimensions and is not used."""

    def __init__(
        self, clock: Clock, client: Callable[[], Any], metrics: Metrics, published: Published, region: str
    ) -> None:
        self._clock, self._client, self._metrics = clock, client, metrics
        self._published, self._region = published, region
        self._evaluated: datetime | None = None
        self._refused: set[tuple[str, str]] = set()

    def step(self) -> datetime | None:
        """Evaluate all alarms, when a minute has ended. The next minute, while there are values that will leave."""
        minute = self._clock.now().replace(second=0, microsecond=0)
        if self._evaluated is not None and minute <= self._evaluated:
            return minute + _MINUTE if self._moving else None
        self._evaluated = minute
        self._moving = False
        client = self._client()
        pages = client.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
        for answer in [one for page in pages for one in page["MetricAlarms"]]:
            self._look(client, alarm(answer), minute)
        return minute + _MINUTE if self._moving else None

    _moving = False

    def _look(self, client: Any, found: Alarm, minute: datetime) -> None:
        if found.refusal is not None:
            self._refuse(found, found.refusal)
            return
        values = self._metrics.values(found, minute - evaluate.reach(found), minute)
        if values is None:
            self._refuse(found, "nobody here makes its metric")
            return
        # Queues are looked at when anybody asks; what is counted leaves the windows as time passes.
        self._moving |= bool(values) and found.namespace != "AWS/SQS"
        points = evaluate.data_points(found, values, minute)
        state = evaluate.state(found, points)
        if state == found.state:
            return
        reason = evaluate.reason(found, points, state)
        client.set_alarm_state(AlarmName=found.name, StateValue=state, StateReason=reason)
        log.warning("alarm %s: %s: %s", found.name, state, reason)
        for action in found.actions[state]:
            if action.split(":")[2] == "sns":
                subject = f'{state}: "{found.name}" in {self._region}'[:100]
                self._published(action, subject, _message(found, state, reason, self._clock.now()))

    def _refuse(self, found: Alarm, why: str) -> None:
        if (found.name, why) not in self._refused:
            self._refused.add((found.name, why))
            log.warning("alarm %s is not evaluated here: %s", found.name, why)


def _message(found: Alarm, state: str, reason: str, now: datetime) -> str:
    """The facts of the notification, for `zeroshift schedule alerts`; the account stays out of it."""
    return json.dumps(
        {
            "AlarmName": found.name,
            "AlarmDescription": found.description,
            "NewStateValue": state,
            "OldStateValue": found.state,
            "NewStateReason": reason,
            "StateChangeTime": now.isoformat(timespec="milliseconds"),
            "Trigger": {
                "Namespace": found.namespace, "MetricName": found.metric, "Statistic": found.statistic,
                "Dimensions": {key: mask(value) for key, value in found.dimensions.items()},
                "Threshold": found.threshold,
                "ComparisonOperator": found.comparison, "Period": found.period, "EvaluationPeriods": found.periods,
            },
        }
    )  # fmt: skip
