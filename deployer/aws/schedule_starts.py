"""Schedules whose StartDate has passed, which Scheduler refuses in the middle of a deployment.

CreateSchedule answers a recurring schedule's past StartDate with "The StartDate you specify cannot be earlier than 5
minutes ago." (as moto's pull requests 8172 and 8178 found; the API reference is silent). Whether UpdateSchedule, which
takes all values anew, refuses it too is not documented: it is refused here in both cases, before anything is changed.
A schedule that stays as it is keeps its StartDate. For one-time schedules StartDate is ignored (CreateSchedule).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deployer.aws.changesets import Planned
from deployer.errors import UsageError

_KIND = "AWS::Scheduler::Schedule"
_GRACE = timedelta(minutes=5)


def refuse_past(planned: Planned, now: datetime | None = None) -> None:
    """Raise UsageError when a schedule that would be made or changed has begun already by its StartDate."""
    if planned.stack.template is None:
        return
    moment = now or datetime.now(UTC)
    for change in planned.changes:
        if change.kind != _KIND or change.action not in ("Add", "Modify"):
            continue
        properties = planned.stack.template["Resources"][change.logical_id]["Properties"]
        start = properties.get("StartDate")
        if start is None or properties["ScheduleExpression"].startswith("at("):
            continue
        if datetime.fromisoformat(start) < moment - _GRACE:
            counts = (
                "a rate counts from it: write a later one, or leave it out to count from the deployment on"
            )
            passed = "the schedule fires without it just as well: leave it out"
            is_rate = properties["ScheduleExpression"].startswith("rate(")
            raise UsageError(
                f"eventbridge/schedules/{properties['Name']}.toml: its start, {start}, has passed, and Scheduler makes"
                f" and changes no schedule with a start earlier than five minutes ago; {counts if is_rate else passed}"
            )
