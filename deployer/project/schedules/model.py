"""What eventbridge/ holds, as facts: schedules, rules over events, alarms. No account or region is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DIRECTORY = "eventbridge"
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
KEYWORDS = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
"""Context attributes that Scheduler replaces in a target's Input, as <aws.scheduler.NAME> (Scheduler User Guide,
managing-schedule-context-attributes)."""

TOKEN_HOURS = 8
"""A ClientToken of the Data API is remembered so long (management guide, data-api-calling-considerations)."""


@dataclass(frozen=True)
class Place:
    """Where something stands: the file's path for people, and the line of each key that it has."""

    path: str
    lines: Mapping[str, int] = field(default_factory=dict)

    def line(self, key: str = "") -> int:
        """The line of `key`; 1 when the file does not have it."""
        return self.lines.get(key, 1)


@dataclass(frozen=True)
class Schedule:
    """One file of eventbridge/schedules. `name` is the file's; `window` is the flexible window in minutes, 0 for none.

    `attempts` are the retries after the first call, which the last of must begin before `max_age` seconds have
    passed. `start` and `end` are aware. `pipeline` names a pipeline whose limits of zeroshift.toml the run gets.
    """

    name: str
    expression: str
    timezone: str
    statement: str
    description: str = ""
    pipeline: str = ""
    enabled: bool = True
    window: int = 0
    start: datetime | None = None
    end: datetime | None = None
    attempts: int = 10
    max_age: int = 3600
    place: Place = field(default=Place(""), compare=False)


@dataclass(frozen=True)
class Rule:
    """One file of eventbridge/rules. `targets` are of TARGETS; `pattern` is an event pattern."""

    name: str
    pattern: Mapping[str, Any]
    targets: tuple[str, ...]
    description: str = ""
    enabled: bool = True
    place: Place = field(default=Place(""), compare=False)


@dataclass(frozen=True)
class Alarm:
    """One file of eventbridge/alarms: an alarm on a metric that AWS emits. `dimensions` may hold PLACEHOLDERS."""

    name: str
    namespace: str
    metric: str
    statistic: str
    threshold: float
    comparison: str
    period: int = 300
    periods: int = 1
    missing: str = "notBreaching"
    dimensions: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    place: Place = field(default=Place(""), compare=False)


ALERT, LOG, TOPIC = "alert", "log", "topic"
TARGETS = (ALERT, LOG, TOPIC)
"""Where a rule's events may go: the alert path's state machine, the log group, or the topic, as they are."""

PREFIX, GROUP, QUEUE, MACHINE = "${prefix}", "${group}", "${dead_letter_queue}", "${alert_machine}"
PLACEHOLDERS = (GROUP, QUEUE, MACHINE)
"""What a dimension's value may be instead of a text: names that only the environment has. PREFIX stands in patterns:
statements are named PREFIX/SCHEDULE."""


@dataclass(frozen=True)
class Eventbridge:
    """All of eventbridge/, each kind in the order of names."""

    schedules: tuple[Schedule, ...] = ()
    rules: tuple[Rule, ...] = ()
    alarms: tuple[Alarm, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.schedules
