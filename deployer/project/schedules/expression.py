"""When a schedule fires: rate(...), cron(...) and at(...), in a timezone.

Source: EventBridge Scheduler User Guide, "Schedule types", "Time zones", "Daylight saving time": a cron time that the
clock skips in spring is not fired, one that the clock repeats in autumn is fired once, and a rate counts elapsed time
(a day is 24 hours). Which of the two repeated instants is fired is not documented; here it is the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deployer.project.schedules import cron
from deployer.project.schedules.cron import Cron, ExpressionError

__all__ = ["Expression", "ExpressionError", "parse", "timezone"]

_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_MAX_ZONE = 50
"""botocore's model of Scheduler: ScheduleExpressionTimezone is at most 50 characters."""


@dataclass(frozen=True)
class Expression:
    """One schedule expression. Exactly one of `every`, `calendar` and `once` is set; `once` is a local time."""

    text: str
    zone: ZoneInfo
    every: timedelta | None = None
    calendar: Cron | None = None
    once: datetime | None = None

    def times(self, after: datetime, start: datetime | None = None) -> Iterator[datetime]:
        """The instants later than `after`, in UTC, in order; none when it never fires again.

        `start` is the schedule's StartDate, UTC: a rate counts from it (Scheduler fires a rate without one when it is
        created, so `start` is then that moment), and nothing fires before it. Both must be aware.
        """
        after = after.astimezone(UTC)
        if self.every is not None:
            yield from self._rate(after, (start or after).astimezone(UTC))
            return
        if start is not None:
            after = max(after, start.astimezone(UTC) - timedelta(microseconds=1))
        if self.once is not None:
            instant = _instant(self.once, self.zone)
            if instant is not None and instant > after:
                yield instant
            return
        yield from self._cron(after)

    def next(self, after: datetime, count: int, start: datetime | None = None) -> tuple[datetime, ...]:
        """The first `count` of `times`."""
        return tuple(islice(self.times(after, start), count))

    def _rate(self, after: datetime, start: datetime) -> Iterator[datetime]:
        assert self.every is not None
        passed = max((after - start) // self.every, -1)
        instant = start + (passed + 1) * self.every
        while True:
            if instant > after:
                yield instant
            instant += self.every

    def _cron(self, after: datetime) -> Iterator[datetime]:
        assert self.calendar is not None
        day = after.astimezone(self.zone).date()
        final = date(max(self.calendar.years), 12, 31)
        while day <= final:
            if not self.calendar.matches_day(day):
                day = _following(day, self.calendar)
                continue
            # In autumn a later hour may come at an earlier instant, so a day is put in order.
            instants = {
                instant
                for hour in self.calendar.hours
                for minute in self.calendar.minutes
                if (instant := _instant(datetime.combine(day, time(hour, minute)), self.zone)) is not None
            }
            yield from (instant for instant in sorted(instants) if instant > after)
            day += timedelta(days=1)


def parse(text: str, zone: str = "UTC") -> Expression:
    """`text` as Scheduler reads it, in the IANA timezone `zone`. Raises ExpressionError."""
    found = re.fullmatch(r"(rate|cron|at)\((.*)\)", text)
    if found is None:
        raise ExpressionError(f"{text!r} is not rate(...), cron(...) or at(...)")
    kind, inside = found.groups()
    known = timezone(zone)
    if kind == "rate":
        return Expression(text, known, every=_every(inside))
    if kind == "at":
        return Expression(text, known, once=_once(inside, known))
    calendar = cron.parse(inside)
    expression = Expression(text, known, calendar=calendar)
    if not _ever(calendar):
        raise ExpressionError(f"{text!r} names no day that exists")
    return expression


def timezone(name: str) -> ZoneInfo:
    """The IANA timezone `name`. Raises ExpressionError."""
    if len(name) > _MAX_ZONE:
        raise ExpressionError(f"a timezone's name has at most {_MAX_ZONE} characters")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ExpressionError(f"{name!r} is no timezone of the IANA database") from None


def _every(inside: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,9}) (minute|hour|day)s?", inside)
    if found is None or int(found.group(1)) < 1:
        raise ExpressionError(
            f"rate({inside}) must be a positive whole number, a blank, and minutes, hours or days"
        )
    return timedelta(seconds=int(found.group(1)) * _UNITS[found.group(2)])


def _once(inside: str, zone: ZoneInfo) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inside):
        raise ExpressionError(f"at({inside}) must be at(yyyy-mm-ddThh:mm:ss)")
    try:
        local = datetime.fromisoformat(inside)
    except ValueError as error:
        raise ExpressionError(f"at({inside}): {error}") from None
    if _instant(local, zone) is None:
        # The guide tells what a recurring schedule does then, and nothing of this: it might never fire.
        raise ExpressionError(f"at({inside}) does not exist in {zone.key}: the clock skips it")
    return local


def _instant(local: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant of a local time: the first of two in autumn, None for one that the clock skips in spring."""
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == local else None


def _following(day: date, calendar: Cron) -> date:
    """The next day worth looking at: a month or a year that cannot match is skipped whole."""
    if day.year not in calendar.years:
        return date(day.year + 1, 1, 1)
    if day.month not in calendar.months:
        return date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return day + timedelta(days=1)


def _ever(calendar: Cron) -> bool:
    """Whether any day matches: `31 2` never does, `29 2` does in some years, which `years` may leave out."""
    day, final = date(min(calendar.years), 1, 1), date(max(calendar.years), 12, 31)
    while day <= final:
        if calendar.matches_day(day):
            return True
        day = _following(day, calendar)
    return False
