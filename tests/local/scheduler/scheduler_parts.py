"""What tests of the Scheduler put around it: schedules in a list, a target that does what it is told, a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from deployer.local.scheduler.schedules import Schedule
from deployer.local.scheduler.store import Invocation
from deployer.local.scheduler.target import TargetError

EXECUTE = "arn:aws:scheduler:::aws-sdk:redshiftdata:executeStatement"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:dead"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_schedule(name: str = "hourly", expression: str = "cron(0 * * * ? *)", **changes: Any) -> Schedule:
    made = Schedule(
        arn=f"arn:aws:scheduler:us-east-1:000000000000:schedule/group/{name}",
        group="group",
        name=name,
        expression=expression,
        timezone="UTC",
        enabled=True,
        window=0,
        target=EXECUTE,
        role="arn:aws:iam::000000000000:role/runner",
        input='{"Sql": "<aws.scheduler.scheduled-time>"}',
        max_age=3600,
        max_attempts=3,
        dead_letter=QUEUE,
        delete_after=False,
        created=utc("2026-01-01T00:00:00"),
        modified=utc("2026-01-01T00:00:00"),
    )
    return replace(made, **changes)


@dataclass
class Listed:
    """A source that holds its schedules itself."""

    schedules: list[Schedule] = field(default_factory=list)

    def all(self) -> tuple[Schedule, ...]:
        return tuple(self.schedules)

    def delete(self, schedule: Schedule) -> None:
        self.schedules.remove(schedule)


@dataclass
class Recorder:
    """A target that notes when it was called with what; `fails` says what it raises for a call's number."""

    now: Callable[[], datetime]
    fails: Callable[[int], TargetError | None] = lambda number: None
    calls: list[tuple[datetime, str, str]] = field(default_factory=list)

    def invoke(self, invocation: Invocation, text: str) -> str:
        self.calls.append((self.now(), invocation.name, text))
        error = self.fails(len(self.calls))
        if error is not None:
            raise error
        return f"statement-{len(self.calls)}"

    @property
    def times(self) -> list[datetime]:
        return [moment for moment, _, _ in self.calls]


@dataclass
class Queue:
    """A dead-letter queue."""

    sent: list[tuple[Invocation, str, str | None]] = field(default_factory=list)
    broken: bool = False

    def send(self, invocation: Invocation, text: str, execution: str, condition: str | None) -> None:
        if self.broken:
            raise ConnectionError("no queue")
        self.sent.append((invocation, text, condition))


def throttled(number: int) -> TargetError:
    return TargetError("ThrottlingException", f"Rate exceeded ({number})")


def only(numbers: Iterable[int]) -> Callable[[int], TargetError | None]:
    """Fails for these calls, and works for the others."""
    wanted = set(numbers)
    return lambda number: throttled(number) if number in wanted else None
