"""The fields of EventBridge Scheduler's cron expressions.

Source: EventBridge Scheduler User Guide, "Schedule types", "Cron-based schedules": six fields (minutes hours
day-of-month month day-of-week year), their values and wildcards. AWS checks an expression only when the schedule is
created, long after the merge. Where the guide is silent (ranges that run backwards, steps behind a range, L and W
together, names in lower case) the expression is refused: a schedule that never fires makes no noise.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class ExpressionError(ValueError):
    """An expression that Scheduler does not document. The message is one clause without a place."""


@dataclass(frozen=True)
class Field:
    """One field of an expression: what its plain part may say."""

    label: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    steps: bool = True

    def values(self, text: str) -> frozenset[int]:
        """The numbers that `text` (values, ranges, steps, commas, *) stands for. Raises ExpressionError."""
        found: set[int] = set()
        for part in text.split(","):
            found |= self._part(part)
        return frozenset(found)

    def _part(self, part: str) -> set[int]:
        if part == "*":
            return set(range(self.low, self.high + 1))
        base, slash, step = part.partition("/")
        if slash:
            if not self.steps:
                raise ExpressionError(f"{self.label} takes no '/' ({part!r})")
            if not step.isdigit() or not 1 <= int(step) <= self.high:
                raise ExpressionError(f"the step of {self.label} {part!r} must be 1 to {self.high}")
            start = self.low if base == "*" else self.number(base)
            return set(range(start, self.high + 1, int(step)))
        first, dash, last = part.partition("-")
        if dash:
            start, end = self.number(first), self.number(last)
            if start > end:
                raise ExpressionError(
                    f"the range {part!r} of {self.label} runs backwards; write two, with a comma"
                )
            return set(range(start, end + 1))
        return {self.number(part)}

    def number(self, text: str) -> int:
        """One value, as a number or a name. Raises ExpressionError."""
        if text in self.names:
            return self.names.index(text) + 1
        if not re.fullmatch(r"[0-9]{1,4}", text):
            hint = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise ExpressionError(
                f"{text!r} is no value of {self.label}: it takes {self.low} to {self.high}{hint}"
            )
        value = int(text)
        if not self.low <= value <= self.high:
            raise ExpressionError(f"{self.label} takes {self.low} to {self.high}, not {text}")
        return value


MINUTES = Field("minutes", 0, 59)
HOURS = Field("hours", 0, 23)
DAY_OF_MONTH = Field("day-of-month", 1, 31)
MONTH = Field("month", 1, 12, _MONTHS)
DAY_OF_WEEK = Field("day-of-week", 1, 7, _DAYS, steps=False)
YEAR = Field("year", 1970, 2199)


@dataclass(frozen=True)
class Cron:
    """A parsed cron expression. Days are kept as text: L, W and # depend on the month."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    day_of_month: str
    months: frozenset[int]
    day_of_week: str
    years: frozenset[int]

    def matches_day(self, day: date) -> bool:
        """Whether the expression names times on `day`."""
        if day.year not in self.years or day.month not in self.months:
            return False
        if self.day_of_week == "?":
            return day.day in _days_of_month(self.day_of_month, day.year, day.month)
        return _matches_weekday(self.day_of_week, day)


def parse(text: str) -> Cron:
    """The six fields between the parentheses of cron(...). Raises ExpressionError."""
    fields = text.split()
    if len(fields) != 6:
        raise ExpressionError(
            f"cron takes six fields (minutes hours day-of-month month day-of-week year), not {len(fields)}"
        )
    minutes, hours, day_of_month, month, day_of_week, year = fields
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ExpressionError("exactly one of day-of-month and day-of-week must be ?")
    if day_of_month != "?":
        _check_day_of_month(day_of_month)
    if day_of_week != "?":
        _check_day_of_week(day_of_week)
    return Cron(
        tuple(sorted(MINUTES.values(minutes))),
        tuple(sorted(HOURS.values(hours))),
        day_of_month,
        MONTH.values(month),
        day_of_week,
        YEAR.values(year),
    )


def _check_day_of_month(text: str) -> None:
    if text == "L":
        return
    if text.endswith("W"):
        DAY_OF_MONTH.number(text[:-1])
        return
    DAY_OF_MONTH.values(text)


def _check_day_of_week(text: str) -> None:
    if "#" in text:
        # The guide: with # there is one expression only in the field.
        day, _, number = text.partition("#")
        DAY_OF_WEEK.number(day)
        if number not in ("1", "2", "3", "4", "5"):
            raise ExpressionError(f"day-of-week {text!r}: a month has the 1st to 5th of a weekday")
        return
    if text.endswith("L"):
        if text != "L":
            DAY_OF_WEEK.number(text[:-1])
        return
    DAY_OF_WEEK.values(text)


def _days_of_month(text: str, year: int, month: int) -> frozenset[int]:
    last = calendar.monthrange(year, month)[1]
    if text == "L":
        return frozenset([last])
    if text.endswith("W"):
        return frozenset([_nearest_weekday(date(year, month, min(int(text[:-1]), last)), last)])
    return frozenset(day for day in DAY_OF_MONTH.values(text) if day <= last)


def _nearest_weekday(day: date, last: int) -> int:
    """The Monday to Friday nearest to `day`. The guide is silent on month ends: it stays within the month."""
    if day.weekday() == 5:
        return day.day - 1 if day.day > 1 else day.day + 2
    if day.weekday() == 6:
        return day.day + 1 if day.day < last else day.day - 2
    return day.day


def _matches_weekday(text: str, day: date) -> bool:
    # Scheduler counts from Sunday = 1.
    number = (day.weekday() + 1) % 7 + 1
    if "#" in text:
        wanted, _, count = text.partition("#")
        return number == DAY_OF_WEEK.number(wanted) and (day.day - 1) // 7 + 1 == int(count)
    if text == "L":
        return number == 7
    if text.endswith("L"):
        is_last = (day + timedelta(days=7)).month != day.month
        return number == DAY_OF_WEEK.number(text[:-1]) and is_last
    return number in DAY_OF_WEEK.values(text)
