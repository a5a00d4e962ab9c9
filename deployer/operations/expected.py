"""Which runs the schedules of eventbridge/ should have made, and which of them nobody made.

A schedule that starts a pipeline (`call ops.run_<pipeline>(...)`) is held against the run log: with Scheduler's logical
time as its as_of a run is that schedule's, whatever became of it; without, one that began after the time it was due.
Looked back is a day, and not before the first run that the log has: nothing is missing before there was anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

from deployer.project.schedules.expression import ExpressionError, parse
from deployer.project.schedules.files import load
from deployer.project.schedules.model import SCHEDULED_TIME, Schedule
from deployer.warehouse.runlog import Logged

LOOK_BACK = timedelta(days=1)
_PIPELINE = re.compile(r"\bcall\s+ops\.run_([a-z0-9_]+)\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Expected:
    """A schedule of the project. `pipeline` is empty for one that starts none. Times are UTC.

    `late` were due and may still come, by the schedule's retries; `missing` will not come any more.
    """

    name: str
    pipeline: str
    enabled: bool
    next: datetime | None
    late: tuple[datetime, ...]
    missing: tuple[datetime, ...]


def expected(root: Path, log: Sequence[Logged], now: datetime, *, firing: bool) -> tuple[Expected, ...]:
    """The schedules of `root`'s project at `now` (UTC, without a zone). Not `firing`: nothing is due.

    Raises UsageError for a file that cannot be read.
    """
    return tuple(_expected(one, log, now, firing) for one in load(root).schedules)


def _expected(schedule: Schedule, log: Sequence[Logged], now: datetime, firing: bool) -> Expected:
    found = _PIPELINE.search(schedule.statement)
    pipeline = found[1].lower() if found else ""
    try:
        expression = parse(schedule.expression, schedule.timezone)
    except ExpressionError:
        # lint says what is wrong with it.
        return Expected(schedule.name, pipeline, schedule.enabled, None, (), ())
    moment = now.replace(tzinfo=UTC)
    coming = expression.next(moment, 1, schedule.start) if schedule.enabled else ()
    following = next((_bare(one) for one in coming if schedule.end is None or one <= schedule.end), None)
    mine = [one for one in log if one.pipeline == pipeline]
    late: list[datetime] = []
    missing: list[datetime] = []
    # A rate counts from a moment that only the environment knows.
    if firing and schedule.enabled and mine and (expression.every is None or schedule.start is not None):
        since = max(moment - LOOK_BACK, min(one.started_at for one in mine).replace(tzinfo=UTC))
        for due in takewhile(lambda one: one < moment, expression.times(since, schedule.start)):
            if schedule.end is not None and due > schedule.end:
                break
            if not any(_is_its(one, schedule, _bare(due)) for one in mine):
                (late if _bare(due) + _may_take(schedule) > now else missing).append(_bare(due))
    return Expected(schedule.name, pipeline, schedule.enabled, following, tuple(late), tuple(missing))


def _is_its(run: Logged, schedule: Schedule, due: datetime) -> bool:
    if SCHEDULED_TIME in schedule.statement:
        return run.as_of == due
    return due <= run.started_at <= due + _may_take(schedule)


def _may_take(schedule: Schedule) -> timedelta:
    """How long after its time a run may still begin: the flexible window, then the retries."""
    return timedelta(minutes=schedule.window, seconds=schedule.max_age)


def _bare(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
