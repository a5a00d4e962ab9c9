"""What state an alarm is in, given its metric's values.

Source: CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data": an alarm
with periods of a minute or longer is evaluated every minute, over windows that end at that minute; `wanted` of
`periods` data points must breach; those that are missing count as breaching or as not breaching when the alarm says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from deployer.local.alarms.model import ALARM, COMPARISONS, INSUFFICIENT, OK, STATISTICS, Alarm

Values = Sequence[tuple[datetime, float]]


def reach(alarm: Alarm) -> timedelta:
    """How far back its windows go."""
    return timedelta(seconds=alarm.period * alarm.periods)


def data_points(alarm: Alarm, values: Values, minute: datetime) -> list[float | None]:
    """The alarm's data points at `minute`, the newest first; None where there was no value in a period."""
    found: list[float | None] = []
    for number in range(alarm.periods):
        last = minute - timedelta(seconds=alarm.period * number)
        first = last - timedelta(seconds=alarm.period)
        inside = [value for at, value in values if first <= at < last]
        found.append(STATISTICS[alarm.statistic](inside) if inside else None)
    return found


def state(alarm: Alarm, points: Sequence[float | None]) -> str:
    """The state that these data points put it into. Only for an alarm without a `refusal`."""
    breaches = COMPARISONS[alarm.comparison]
    if all(point is None for point in points) and alarm.missing in ("missing", "ignore"):
        return alarm.state if alarm.missing == "ignore" else INSUFFICIENT
    breaching = sum(
        alarm.missing == "breaching" if point is None else breaches(point, alarm.threshold)
        for point in points
    )
    return ALARM if breaching >= alarm.wanted else OK


def reason(alarm: Alarm, points: Sequence[float | None], found: str) -> str:
    """A sentence for people. CloudWatch's own wording is not documented."""
    if all(point is None for point in points):
        return f"Threshold not crossed: no data points in {alarm.periods} period(s)" if found != ALARM else (
            f"Threshold crossed: no data points in {alarm.periods} period(s), which count as breaching"
        )  # fmt: skip
    told = ", ".join("none" if point is None else f"{point:g}" for point in points)
    crossed = "crossed" if found == ALARM else "not crossed"
    return f"Threshold {crossed}: {alarm.statistic} [{told}] {alarm.comparison} {alarm.threshold:g}"
