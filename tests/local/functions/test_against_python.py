"""Hashes and date arithmetic against Python's own, on seeded random values."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta

Ask = Callable[[str], list[list[str]]]

ALPHABET = "abc XYZ019éß日本😀'%_"


def strings(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices(ALPHABET, k=chance.randrange(0, 150))) for _ in range(count)]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def fnv(data: bytes) -> int:
    state = 14695981039346656037
    for byte in data:
        state = (state ^ byte) * 1099511628211 % 2**64
    return state - 2**64 if state >= 2**63 else state


def crc32c(data: bytes) -> int:
    """CRC-32C, bit by bit."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ 0x82F63B78 * (state & 1)
    return state ^ 0xFFFFFFFF


def test_hashes(ask: Ask) -> None:
    for text in strings(1, 40):
        data = text.encode()
        got = ask(
            "select md5({0}), sha1({0}), sha2({0}, 384), crc32({0}), fnv_hash({0}), len({0}), "
            "octet_length({0})".format(quoted(text))
        )
        assert got == [
            [
                hashlib.md5(data).hexdigest(),
                hashlib.sha1(data).hexdigest(),
                hashlib.sha384(data).hexdigest(),
                f"{crc32c(data):08x}",
                str(fnv(data)),
                str(len(text)),
                str(len(data)),
            ]
        ], text


def moments(seed: int, count: int) -> list[datetime]:
    chance = random.Random(seed)
    start = datetime(1995, 1, 1)
    return [start + timedelta(microseconds=chance.randrange(45 * 365 * 86400 * 10**6)) for _ in range(count)]


def ordinal(part: str, at: datetime) -> int:
    """The number of the unit that holds `at`: DATEDIFF is the difference of two of them."""
    seconds = (at - datetime(1, 1, 1)) // timedelta(seconds=1)
    return {
        "year": at.year,
        "quarter": at.year * 4 + (at.month - 1) // 3,
        "month": at.year * 12 + at.month,
        "week": (at.date() - date(1, 1, 1)).days // 7,
        "day": (at.date() - date(1, 1, 1)).days,
        "hour": seconds // 3600,
        "minute": seconds // 60,
        "second": seconds,
        "microsecond": (at - datetime(1, 1, 1)) // timedelta(microseconds=1),
    }[part]


PARTS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "microsecond")


def test_datediff_counts_boundaries(ask: Ask) -> None:
    for earlier, later in zip(moments(2, 40), moments(3, 40), strict=True):
        columns = ", ".join(f"datediff({part}, timestamp '{earlier}', timestamp '{later}')" for part in PARTS)
        expected = [str(ordinal(part, later) - ordinal(part, earlier)) for part in PARTS]
        assert ask(f"select {columns}") == [expected], (earlier, later)


def test_dateadd_of_fixed_lengths(ask: Ask) -> None:
    lengths = {"week": timedelta(weeks=1), "day": timedelta(days=1), "hour": timedelta(hours=1)}
    lengths |= {"minute": timedelta(minutes=1), "second": timedelta(seconds=1)}
    chance = random.Random(4)
    for at in moments(5, 30):
        steps = {part: chance.randrange(-5000, 5000) for part in lengths}
        columns = ", ".join(
            f"dateadd({part}, {step}, timestamp '{at}') = timestamp '{at + lengths[part] * step}'"
            for part, step in steps.items()
        )
        assert ask(f"select {columns}") == [["t"] * len(lengths)], (at, steps)


def test_months_are_clipped_by_dateadd_and_kept_last_by_add_months(ask: Ask) -> None:
    for at in moments(6, 60):
        day = at.date()
        for step in (-13, -1, 1, 11):
            index = day.year * 12 + day.month - 1 + step
            year, month = divmod(index, 12)
            last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
            was_last = (day + timedelta(days=1)).month != day.month
            added = date(year, month + 1, min(day.day, last))
            kept = date(year, month + 1, last if was_last else min(day.day, last))
            got = ask(
                f"select trunc(dateadd(month, {step}, date '{day}')), trunc(add_months(date '{day}', {step}))"
            )
            assert got == [[str(added), str(kept)]], (day, step)
