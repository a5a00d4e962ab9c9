"""Schedule expressions: the guide's own examples, daylight saving, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.project.schedules.expression import ExpressionError, parse

NOVEMBER = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def shown(text: str, zone: str = "UTC", after: datetime = NOVEMBER, count: int = 3) -> list[str]:
    expression = parse(text, zone)
    return [
        instant.astimezone(expression.zone).strftime("%a %Y-%m-%d %H:%M %z")
        for instant in expression.next(after, count)
    ]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("cron(0 10 * * ? *)", ["Sat 2026-11-21 10:00", "Sun 2026-11-22 10:00", "Mon 2026-11-23 10:00"]),
        ("cron(15 12 ? * MON-FRI *)", ["Mon 2026-11-23 12:15", "Tue 2026-11-24 12:15", "Wed 2026-11-25 12:15"]),
        ("cron(15 10 ? * 6L 2026-2027)", ["Fri 2026-11-27 10:15", "Fri 2026-12-25 10:15", "Fri 2027-01-29 10:15"]),
        ("cron(0 8 1 * ? *)", ["Tue 2026-12-01 08:00", "Fri 2027-01-01 08:00", "Mon 2027-02-01 08:00"]),
        ("cron(0/20 8 ? * 7 *)", ["Sat 2026-11-21 08:20", "Sat 2026-11-21 08:40", "Sat 2026-11-28 08:00"]),
        ("cron(0 9 ? * 3#2 *)", ["Tue 2026-12-08 09:00", "Tue 2027-01-12 09:00", "Tue 2027-02-09 09:00"]),
        ("cron(0 9 3W * ? *)", ["Thu 2026-12-03 09:00", "Mon 2027-01-04 09:00", "Wed 2027-02-03 09:00"]),
        ("cron(0 0 L * ? *)", ["Mon 2026-11-30 00:00", "Thu 2026-12-31 00:00", "Sun 2027-01-31 00:00"]),
        ("cron(0 0 ? * L *)", ["Sat 2026-11-28 00:00", "Sat 2026-12-05 00:00", "Sat 2026-12-12 00:00"]),
        ("cron(30 6 29 FEB ? *)", ["Tue 2028-02-29 06:30", "Sun 2032-02-29 06:30", "Fri 2036-02-29 06:30"]),
        ("cron(*/30 23 31 * ? *)", ["Thu 2026-12-31 23:00", "Thu 2026-12-31 23:30", "Sun 2027-01-31 23:00"]),
        ("at(2026-11-21T08:00:01)", ["Sat 2026-11-21 08:00"]),
        ("at(2026-11-21T08:00:00)", []),
    ],
)  # fmt: skip
def test_times(text: str, times: list[str]) -> None:
    assert shown(text) == [f"{time} +0000" for time in times]


def test_a_time_that_the_clock_skips_is_not_fired() -> None:
    before = datetime(2026, 3, 28, 0, 0, tzinfo=UTC)
    assert shown("cron(30 2 * * ? *)", "Europe/Berlin", before) == [
        "Sat 2026-03-28 02:30 +0100",
        "Mon 2026-03-30 02:30 +0200",
        "Tue 2026-03-31 02:30 +0200",
    ]


def test_a_time_that_the_clock_repeats_is_fired_once() -> None:
    before = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert shown("cron(30 2 * * ? *)", "Europe/Berlin", before, 2) == [
        "Sun 2026-10-25 02:30 +0200",
        "Mon 2026-10-26 02:30 +0100",
    ]
    hourly = parse("cron(0 * * * ? *)", "Europe/Berlin").next(before, 24)
    assert len(set(hourly)) == 24
    assert list(hourly) == sorted(hourly)


def test_a_rate_counts_elapsed_time_from_its_start() -> None:
    start = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    daily = parse("rate(1 days)", "Europe/Berlin")
    assert [time.hour for time in daily.next(start - timedelta(hours=1), 3, start)] == [12, 12, 12]
    quarter = parse("rate(15 minutes)")
    assert quarter.next(start + timedelta(minutes=20), 2, start) == (
        start + timedelta(minutes=30),
        start + timedelta(minutes=45),
    )
    assert parse("rate(1 hour)").every == parse("rate(60 minutes)").every


def test_nothing_fires_before_the_start() -> None:
    start = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
    assert parse("cron(0 10 * * ? *)").next(NOVEMBER, 1, start) == (start,)
    assert parse("at(2026-11-30T00:00:00)").next(NOVEMBER, 1, start) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 10 * * ? *", "is not rate(...), cron(...) or at(...)"),
        ("cron(0 10 * * *)", "six fields"),
        ("cron(0 10 * * * *)", "exactly one of day-of-month and day-of-week must be ?"),
        ("cron(0 10 ? * ? *)", "exactly one of day-of-month and day-of-week must be ?"),
        ("cron(60 10 * * ? *)", "minutes takes 0 to 59, not 60"),
        ("cron(0 24 * * ? *)", "hours takes 0 to 23"),
        ("cron(0 10 ? * 0 *)", "day-of-week takes 1 to 7, not 0"),
        ("cron(0 10 ? * mon *)", "'mon' is no value of day-of-week: it takes 1 to 7, or SUN to SAT"),
        ("cron(0 10 ? * FRI-MON *)", "runs backwards"),
        ("cron(0 10 ? * MON/2 *)", "day-of-week takes no '/'"),
        ("cron(0 10 ? * 3#6 *)", "1st to 5th"),
        ("cron(0 10 ? * 3#1,5#2 *)", "1st to 5th"),
        ("cron(0 10 LW * ? *)", "'L' is no value of day-of-month"),
        ("cron(0 10 31 2 ? *)", "names no day that exists"),
        ("cron(0 10 29 2 ? 2027)", "names no day that exists"),
        ("cron(0/0 10 * * ? *)", "the step of minutes"),
        ("cron(0 10 * * ? 2200)", "year takes 1970 to 2199"),
        ("rate(0 minutes)", "positive whole number"),
        ("rate(5 weeks)", "positive whole number"),
        ("rate(5minutes)", "positive whole number"),
        ("at(2026-11-21)", "must be at(yyyy-mm-ddThh:mm:ss)"),
        ("at(2026-02-30T00:00:00)", "day is out of range"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as told:
        parse(text)
    assert reason in str(told.value)


def test_times_and_zones_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ExpressionError, match="the clock skips it"):
        parse("at(2026-03-29T02:30:00)", "Europe/Berlin")
    with pytest.raises(ExpressionError, match="'Europe/Atlantis' is no timezone"):
        parse("rate(1 hour)", "Europe/Atlantis")
    with pytest.raises(ExpressionError, match="no timezone"):
        parse("rate(1 hour)", "../etc/passwd")


_FIELDS = st.sampled_from(["0", "*/7", "5,50", "10-12"])
_DAYS = st.sampled_from(
    [("*", "?"), ("L", "?"), ("15W", "?"), ("?", "MON"), ("?", "2#3"), ("?", "5L"), ("1-7", "?")]
)


@settings(max_examples=100, deadline=None)
@given(
    _FIELDS,
    st.sampled_from(["2", "*", "1-3", "0/5"]),
    _DAYS,
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
)
def test_times_are_in_order_and_match_the_clock_on_the_wall(
    minute: str, hour: str, days: tuple[str, str], zone: str, after: datetime
) -> None:
    expression = parse(f"cron({minute} {hour} {days[0]} * {days[1]} *)", zone)
    found = expression.next(after.replace(tzinfo=UTC), 30)
    assert list(found) == sorted(set(found))
    assert found[0] > after.replace(tzinfo=UTC)
    calendar = expression.calendar
    assert calendar is not None
    for instant in found:
        local = instant.astimezone(expression.zone)
        assert local.hour in calendar.hours and local.minute in calendar.minutes
        assert calendar.matches_day(local.date())
    # Asked again from any of them, the rest follows.
    assert expression.next(found[9], 20) == found[10:]
