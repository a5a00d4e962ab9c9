"""Which runs the schedules should have made, and which of them nobody made.

What is deployed counts, where that can be asked: a file of eventbridge/ that nobody has deployed fires nothing.

A schedule that starts a pipeline (`call ops.run_<pipeline>(...)`) is held against the run log: with Scheduler's logical
time as its as_of a run is that schedule's, whatever became of it; without, one that began after the time it was due.
Looked back is a day, and not before the first run that the log has: nothing is missing before there was anything. In
AWS, where schedules fire from their deployment on, the runs of a pipeline that never ran are missing, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.project.schedules import calls
from deployer.project.schedules.expression import ExpressionError, parse
from deployer.project.schedules.files import load
from deployer.project.schedules.model import SCHEDULED_TIME
from deployer.warehouse.runlog import Logged

if TYPE_CHECKING:
    from deployer.local.scheduler.schedules import Schedule as Deployed

LOOK_BACK = timedelta(days=1)
_ASSERTS = re.compile(r"\bcall\s+ops\.assert_fresh\s*\(\s*'([a-z0-9_]+)'\s*,\s*(\d{1,9})\s*\)", re.IGNORECASE)
_PIPELINE = re.compile(r"\bcall\s+ops\.run_([a-z0-9_]+)\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Planned:
    """A schedule, of a file or deployed. `made` and `changed` are None for a file; `first` is its StartDate.

    `pipeline` is empty for one that starts none. `by_time`: its run has Scheduler's logical time as its as_of.
    `window` and `max_age` say for how long after its time a call may still come. `asserts` are pipeline and minutes of
    one that calls ops.assert_fresh.
    """

    name: str
    pipeline: str
    by_time: bool
    expression: str
    timezone: str
    enabled: bool
    window: timedelta
    max_age: timedelta
    first: datetime | None
    last: datetime | None
    made: datetime | None = None
    changed: datetime | None = None
    asserts: tuple[str, int] | None = None


def of_files(root: Path) -> tuple[Planned, ...]:
    """The schedules of `root`'s eventbridge/. Raises UsageError for a file that cannot be read."""
    return tuple(
        Planned(
            one.name, *_run(one.statement), one.expression, one.timezone, one.enabled,
            timedelta(minutes=one.window), timedelta(seconds=one.max_age), one.start, one.end,
            asserts=_asserts(one.statement),
        )
        for one in load(root).schedules
    )  # fmt: skip


def of_deployed(found: Sequence[Deployed]) -> tuple[Planned, ...]:
    """What Scheduler has."""
    return tuple(
        Planned(
            one.name, *_run("; ".join(calls.statements(one.input))), one.expression, one.timezone, one.enabled,
            timedelta(minutes=one.window), timedelta(seconds=one.max_age), one.first(), one.last(),
            one.created, one.modified, _asserts("; ".join(calls.statements(one.input))),
        )
        for one in found
    )  # fmt: skip


def _run(statement: str) -> tuple[str, bool]:
    found = _PIPELINE.search(statement)
    return (found[1].lower() if found else ""), SCHEDULED_TIME in statement


def _asserts(statement: str) -> tuple[str, int] | None:
    found = _ASSERTS.search(statement)
    return (found[1], int(found[2])) if found else None


@dataclass(frozen=True)
class Expected:
    """A schedule as it is. `pipeline` is empty for one that starts none. Times are UTC.

    `late` were due and may still come, by the schedule's retries; `missing` will not come any more.
    """

    name: str
    pipeline: str
    enabled: bool
    next: datetime | None
    late: tuple[datetime, ...]
    missing: tuple[datetime, ...]


def expected(
    schedules: Sequence[Planned], log: Sequence[Logged], now: datetime, *, firing: bool, always: bool = False
) -> tuple[Expected, ...]:
    """What `schedules` should have made up to `now` (UTC, without a zone). Not `firing`: nothing is due. `always`: what
    is deployed has been fired ever since, as in AWS, so a pipeline that never ran at all is missed, too.
    """
    return tuple(_expected(one, log, now, firing, always) for one in schedules)


def _expected(
    schedule: Planned, log: Sequence[Logged], now: datetime, firing: bool, always: bool
) -> Expected:
    pipeline = schedule.pipeline
    try:
        expression = parse(schedule.expression, schedule.timezone)
    except ExpressionError:
        # lint says what is wrong with it.
        return Expected(schedule.name, pipeline, schedule.enabled, None, (), ())
    moment = now.replace(tzinfo=UTC)
    # A rate counts from its StartDate, else from its making, which a file does not tell.
    counted = schedule.first or schedule.made
    coming = expression.next(moment, 1, counted) if schedule.enabled else ()
    following = next((_bare(one) for one in coming if schedule.last is None or one <= schedule.last), None)
    mine = [one for one in log if one.pipeline == pipeline]
    late: list[datetime] = []
    missing: list[datetime] = []
    is_known = bool(mine) or (always and bool(pipeline) and schedule.changed is not None)
    if firing and schedule.enabled and is_known and (expression.every is None or counted is not None):
        since = moment - LOOK_BACK
        if mine:
            since = max(since, min(one.started_at for one in mine).replace(tzinfo=UTC))
        if schedule.changed is not None:
            # What it said before nobody knows.
            since = max(since, schedule.changed)
        for due in takewhile(lambda one: one < moment, expression.times(since, counted)):
            if schedule.last is not None and due > schedule.last:
                break
            if not any(_is_its(one, schedule, _bare(due)) for one in mine):
                (late if _bare(due) + _may_take(schedule) > now else missing).append(_bare(due))
    return Expected(schedule.name, pipeline, schedule.enabled, following, tuple(late), tuple(missing))


def _is_its(run: Logged, schedule: Planned, due: datetime) -> bool:
    if schedule.by_time:
        return run.as_of == due
    return due <= run.started_at <= due + _may_take(schedule)


def _may_take(schedule: Planned) -> timedelta:
    """How long after its time a run may still begin: the flexible window, then the retries."""
    return schedule.window + schedule.max_age


def _bare(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
