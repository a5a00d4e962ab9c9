"""Schedules as Scheduler stores them, and where they come from: the scheduler service of the local AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from deployer.errors import Unavailable
from deployer.local.events.retry import MAX_AGE, MAX_ATTEMPTS

LISTED = 100
"""ListSchedules' greatest MaxResults (API reference)."""


@dataclass(frozen=True)
class Schedule:
    """One schedule. Times are aware and in UTC; `window` is the flexible window in minutes, 0 for none."""

    arn: str
    group: str
    name: str
    expression: str
    timezone: str
    enabled: bool
    window: int
    target: str
    role: str
    input: str
    max_age: int
    max_attempts: int
    dead_letter: str | None
    delete_after: bool
    created: datetime
    modified: datetime
    start: datetime | None = None
    end: datetime | None = None

    @property
    def once(self) -> bool:
        return self.expression.startswith("at(")

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def timing(self) -> str:
        """Everything that says when it fires. When it changes, what was due before does not count any more."""
        start, end = (moment.isoformat() if moment else "" for moment in (self.start, self.end))
        return json.dumps([self.expression, self.timezone, start, end, self.enabled])

    def first(self) -> datetime | None:
        """From when on: the StartDate, which counts for recurring schedules only (CreateSchedule's page)."""
        return None if self.once else self.start

    def last(self) -> datetime | None:
        """Up to when: likewise the EndDate."""
        return None if self.once else self.end


class Times(Protocol):
    """A parsed expression: deployer.project.schedules.expression.Expression."""

    def times(self, after: datetime, start: datetime | None = None) -> Iterator[datetime]:
        """The instants after `after`, in order."""


Parse = Callable[[str, str], Times]
"""Reads expression and timezone; raises ValueError. It is given, because this room does not import project/."""


class Source(Protocol):
    """Where schedules are stored."""

    def all(self) -> tuple[Schedule, ...]:
        """Every schedule there is."""

    def delete(self, schedule: Schedule) -> None:
        """Delete it, as ActionAfterCompletion says. No error when it is gone."""


class AwsSchedules:
    """The schedules of an account in one region, by boto3. `client` makes the client anew when it is needed."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client
        self._known: dict[str, tuple[datetime, Schedule]] = {}

    def all(self) -> tuple[Schedule, ...]:
        """Only what has changed is asked for again. Raises Unavailable when there are more than can be listed."""
        client = self._client()
        found: dict[str, tuple[datetime, Schedule]] = {}
        for item in _listed(client):
            known = self._known.get(item["Arn"])
            if known is None or known[0] != item["LastModificationDate"]:
                answer = _get(client, item["GroupName"], item["Name"])
                if answer is None:
                    continue
                known = item["LastModificationDate"], schedule(answer)
            found[item["Arn"]] = known
        self._known = found
        return tuple(one for _, one in found.values())

    def delete(self, schedule: Schedule) -> None:
        client = self._client()
        try:
            client.delete_schedule(GroupName=schedule.group, Name=schedule.name)
        except client.exceptions.ResourceNotFoundException:
            return


def _listed(client: Any) -> list[dict[str, Any]]:
    """All schedules in short. ministack 1.5.33 cuts its lists off without a NextToken."""
    pages = list(_pages(client.list_schedules, "Schedules"))
    if not _is_cut(pages):
        return [item for page in pages for item in page]
    found = []
    for group in [
        one["Name"] for page in _pages(client.list_schedule_groups, "ScheduleGroups") for one in page
    ]:
        pages = list(_pages(client.list_schedules, "Schedules", GroupName=group))
        if _is_cut(pages):
            raise Unavailable(
                f"the local AWS lists at most {LISTED - 1} schedules of a group; {group} has more: divide it"
            )
        found += [item for page in pages for item in page]
    return found


def _is_cut(pages: list[list[dict[str, Any]]]) -> bool:
    return len(pages) == 1 and len(pages[0]) == LISTED


def _pages(call: Callable[..., Any], key: str, **given: Any) -> Iterator[list[dict[str, Any]]]:
    token: dict[str, str] = {}
    while True:
        answer = call(MaxResults=LISTED, **given, **token)
        yield answer[key]
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}


def _get(client: Any, group: str, name: str) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = client.get_schedule(GroupName=group, Name=name)
    except client.exceptions.ResourceNotFoundException:
        # Deleted in between.
        return None
    return answer


def schedule(answer: dict[str, Any]) -> Schedule:
    """GetSchedule's answer as a Schedule."""
    target, window = answer["Target"], answer["FlexibleTimeWindow"]
    retry = target.get("RetryPolicy", {})
    return Schedule(
        arn=answer["Arn"],
        group=answer["GroupName"],
        name=answer["Name"],
        expression=answer["ScheduleExpression"],
        timezone=answer.get("ScheduleExpressionTimezone", "UTC"),
        enabled=answer.get("State", "ENABLED") == "ENABLED",
        window=window.get("MaximumWindowInMinutes", 0) if window["Mode"] == "FLEXIBLE" else 0,
        target=target["Arn"],
        role=target["RoleArn"],
        input=target.get("Input", ""),
        max_age=retry.get("MaximumEventAgeInSeconds", MAX_AGE),
        max_attempts=retry.get("MaximumRetryAttempts", MAX_ATTEMPTS),
        dead_letter=target.get("DeadLetterConfig", {}).get("Arn"),
        delete_after=answer.get("ActionAfterCompletion", "NONE") == "DELETE",
        created=answer["CreationDate"].astimezone(UTC),
        modified=answer["LastModificationDate"].astimezone(UTC),
        start=_utc(answer.get("StartDate")),
        end=_utc(answer.get("EndDate")),
    )


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment is not None else None
