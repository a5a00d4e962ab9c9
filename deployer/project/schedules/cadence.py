"""How often an integration should apply changes: as often as its pipeline's schedules need them.

DG "CREATE DATABASE": REFRESH_INTERVAL is the wait after a cycle has ended, and 0, the default, lets a serverless
warehouse never rest.
"""

from __future__ import annotations

from datetime import UTC, datetime

from deployer.errors import UsageError
from deployer.project.schedules.calls import next_times
from deployer.project.schedules.model import Eventbridge, Schedule
from deployer.project.zero_etl import LONGEST_INTERVAL
from deployer.project.zero_etl_aws import AwsZeroEtl

SHORTEST = 60
"""Seconds. AWS advises 60 to 120 for write-heavy sources (DG "CREATE DATABASE", REFRESH_INTERVAL)."""
_FROM = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday. Any fixed moment does, so that the same files give the same plan on every day."""
_TIMES = 400


def refresh_interval(one: AwsZeroEtl, eventbridge: Eventbridge) -> int:
    """Seconds: what zeroshift.toml says, else half of the shortest time between two runs of one schedule of the
    pipeline. What a run reads is then at most half a period old, and the cycle that was under way.

    Raises UsageError where neither is there: any number would be a guess about cost.
    """
    if one.refresh_interval is not None:
        return one.refresh_interval
    gaps = [
        gap for schedule in eventbridge.schedules if _runs(schedule, one.name) and (gap := _gap(schedule))
    ]
    if not gaps:
        raise UsageError(
            f"zeroshift.toml:{one.line}: the integration {one.name} needs refresh_interval, in seconds: no enabled"
            f" schedule in eventbridge/schedules repeats the pipeline {one.name!r}, whose period it would follow"
        )
    return min(max(min(gaps) // 2, SHORTEST), LONGEST_INTERVAL)


def max_lag(one: AwsZeroEtl, eventbridge: Eventbridge) -> int:
    """Seconds behind the source after which people are told: a refresh interval of lag is by design, so two of them and
    a quarter of an hour, unless zeroshift.toml says otherwise."""
    return one.max_lag if one.max_lag is not None else 2 * refresh_interval(one, eventbridge) + 900


def _runs(schedule: Schedule, pipeline: str) -> bool:
    return schedule.enabled and (
        schedule.pipeline == pipeline or f"ops.run_{pipeline}(" in "".join(schedule.statement.lower().split())
    )


def _gap(schedule: Schedule) -> int:
    """The shortest time between two firings, 0 for a schedule that fires once."""
    # In UTC: between two times of one zone Python counts by the clock on the wall.
    times = [at.astimezone(UTC) for at in next_times(schedule, max(_FROM, schedule.start or _FROM), _TIMES)]
    return min(
        (int((late - early).total_seconds()) for early, late in zip(times, times[1:], strict=False)),
        default=0,
    )
