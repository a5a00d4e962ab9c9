"""Random histories of the source and of the runs: small domains, so that things collide.

A history is a list of steps with whole snapshots in it, so that a failing one can be written down as CSV
files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from oracle.oracle import Mode
from oracle.source import TABLES, Booking, Key, Snapshot, key_of, snapshot


@dataclass(frozen=True)
class Load:
    """The source stands at this snapshot, as of `at`."""

    at: datetime
    source: Snapshot


@dataclass(frozen=True)
class Resync:
    """Landing copies the table anew."""

    at: datetime
    table: str


@dataclass(frozen=True)
class Run:
    """`call ops.run_rental(as_of, mode)`; with `publish_fails` its second transaction is made to fail."""

    as_of: datetime
    mode: Mode = "incremental"
    publish_fails: bool = False


Step = Load | Resync | Run

FIRST_ID = 5_000_000_000
"""Ids exceed 2^31."""

# Days from the history's first instant. Months, weeks and the 30 days of metric 7 begin and end among them.
_DAYS = (
    *(0, 1, 2, 5, 6, 7, 8, 13, 14, 20, 28, 29, 30, 31, 32, 45, 59, 60, 61, 90, 120, 200),
    *(-1, -2, -7, -30, -40, -400),
)
_CHECKINS = (*range(8), 14, 20, 27, 28, 29, 30, 31, 33, 45, 60, 90, 200, -1, -3, -20)
_CLOCK = (0, 1, 3600 * 12, 86_399, 86_400 - 60)
_STEPS = (
    timedelta(days=1),
    timedelta(0),
    timedelta(seconds=1),
    timedelta(hours=5),
    timedelta(days=6),
    timedelta(days=7),
    timedelta(days=10),
    timedelta(days=33),
    timedelta(days=65),
)
_STARTS = (
    datetime(2024, 1, 1),  # a Monday and the first of a month
    datetime(2023, 12, 28, 9, 30),
    datetime(2024, 2, 25, 23, 59, 59),
    datetime(2024, 12, 30),
)
_ODD = 30
"""Of so many values one is odd: a booking has eight columns, and most bookings should be good."""


def _mostly(good: Sequence[Any], odd: Sequence[Any] = (), one_in: int = _ODD) -> st.SearchStrategy[Any]:
    """A value of `good`, now and then one of `odd`; shrinks to the first."""
    ordinary = st.sampled_from(list(good))
    if not odd:
        return ordinary
    # Not at the range's end, which hypothesis tries more often than its share.
    return st.integers(0, one_in - 1).flatmap(
        lambda number: st.sampled_from(list(odd)) if number == one_in // 2 else ordinary
    )


_CURRENCIES = _mostly(("USD", "EUR", "GBP", "usd", "Eur"), ("E1", None, "CHF", " eu"))
_CITIES = ("Austin", "Boise", " Austin\t", "austin")
_LISTINGS = tuple(FIRST_ID + number for number in (1, 1, 1, 1, 2, 2, 3, 4))
_USERS = (3_000_000_001, 2, 3)


def _money(*odd: str | None) -> st.SearchStrategy[Decimal | None]:
    good = [Decimal(text) for text in ("100.00", "100.01", "0.01", "33.33", "9999999999.99", "0.00")]
    return _mostly(good, [None if text is None else Decimal(text) for text in odd])


class _Rows:
    """Strategies for the values of each column, in a history that begins at `start`."""

    def __init__(self, start: datetime) -> None:
        midnight = start.replace(hour=0, minute=0, second=0)
        instants = [midnight + timedelta(days=day, seconds=clock) for day in _DAYS for clock in _CLOCK]
        maybe = st.one_of(*[st.sampled_from([*instants, start])] * 9, st.none())
        days = st.sampled_from([moment.date() for moment in instants[:: len(_CLOCK)]])
        self.columns: dict[str, dict[str, st.SearchStrategy[Any]]] = {
            "apartments": {
                "title": st.sampled_from(("Loft", 'A "quoted", title\nin two lines', "Zürich")),
                "price": _money(None, "-5.00"),
                "currency": _CURRENCIES,
                "listing_created_on": maybe,
                "is_active": _mostly((True, True, True, False), (None,)),
            },
            "apartment_attributes": {
                "cityname": _mostly(_CITIES, (" \t", None, "\u00a0", "Zu\u0308rich", "Z\u00fcrich")),
                "state": _mostly(("Texas", "Texas ", "Idaho"), (" ", None)),
                "latitude": _mostly((Decimal("30.250000"),), (Decimal(0), None, Decimal("90.000001"))),
                "longitude": _mostly((Decimal("-97.750000"),), (Decimal(0), None, Decimal("-181"))),
            },
            "user_viewing": {
                "user_id": _mostly(_USERS, (None,)),
                "apartment_id": _mostly(_LISTINGS, (None, FIRST_ID + 5, FIRST_ID + 6, 77), 15),
                "viewed_at": maybe,
                "is_wishlisted": _mostly((True, False), (None,)),
                "call_to_action": _mostly((None, "Contact Agent", " \t", "\u00a0")),
            },
            "bookings": {
                "user_id": _mostly(_USERS, (None,)),
                "apartment_id": _mostly(_LISTINGS, (None, FIRST_ID + 5, FIRST_ID + 6, 77), 15),
                "booking_date": maybe,
                "checkin_date": _mostly([start.date() + timedelta(days=day) for day in _CHECKINS], (None,)),
                "checkout_date": st.none(),
                "total_price": _money(None, "-0.01"),
                "currency": _CURRENCIES,
                "booking_status": _mostly(
                    ("confirmed", "confirmed", "confirmed", " Confirmed\t", "pending"),
                    ("canceled", "lost", None, " "),
                ),
                "payment_status": _mostly(("paid", None, "PAID "), ("unpaid", " ", "\u00a0paid")),
                "num_guests": st.sampled_from((None, 2)),
            },
            "exchange_rates": {
                "currency": st.sampled_from(("EUR", "gbp", "E1", "USD")),
                "rate_date": days,
                "usd_per_unit": _mostly(
                    [Decimal(text) for text in ("1.10000000", "1.25500000", "0.33333333", "12345.67890123")],
                    (None, Decimal("0E-8")),
                ),
            },
        }
        self._length = _mostly((1, 2, 3, 7, 30, 35, 100), (0, -1, None))

    def row(self, draw: st.DrawFn, table: str, key: Key | None) -> Any:
        """A row of the table; of this key, where there is one."""
        kind, names = TABLES[table]
        values = {name: draw(strategy) for name, strategy in self.columns[table].items()}
        if key is not None:
            values.update(zip(names, key, strict=True))
        return self._checked_out(draw, kind(**values))

    def changed(self, draw: st.DrawFn, table: str, row: Any) -> Any:
        """The row with one column, which is not of its key, drawn anew."""
        names = [name for name in self.columns[table] if name not in TABLES[table][1]]
        name = draw(st.sampled_from(names))
        other = replace(row, **{name: draw(self.columns[table][name])})
        return self._checked_out(draw, other) if name in ("checkin_date", "checkout_date") else other

    def _checked_out(self, draw: st.DrawFn, row: Any) -> Any:
        """A booking's check-out follows from its check-in; other rows are as they are."""
        if not isinstance(row, Booking):
            return row
        length = draw(self._length)
        known = row.checkin_date is not None and length is not None
        return replace(row, checkout_date=row.checkin_date + timedelta(days=length) if known else None)


_FIRST = {"apartments": 4, "apartment_attributes": 4, "user_viewing": 5, "bookings": 12, "exchange_rates": 4}
"""How many rows of each table the first snapshot has; later ones have up to two more."""


def _key(draw: st.DrawFn, table: str) -> Key | None:
    """A key that may be taken already; None for exchange_rates, whose columns are drawn like all others."""
    if table == "exchange_rates":
        return None
    return (FIRST_ID + draw(st.integers(1, _FIRST[table] + 2)),)


@st.composite
def histories(draw: st.DrawFn, max_rounds: int = 6) -> list[Step]:
    """A few rounds of: the source changes, perhaps landing is copied anew, one or two runs."""
    start = draw(st.sampled_from(_STARTS))
    rows = _Rows(start)
    source = snapshot()
    now = start
    steps: list[Step] = []
    published: datetime | None = None
    reseeded = False
    seen = False
    born: set[Key] = set()
    loads_now = 0
    for number in range(draw(st.integers(2, max_rounds))):
        after_copy = bool(steps) and any(isinstance(step, Resync) and step.at == now for step in steps)
        pace = draw(st.sampled_from(_STEPS))
        if pace == timedelta(0) and (after_copy or loads_now >= 2):
            # Landing does not tell the order of three changes at one instant, nor a copy from a change.
            pace = timedelta(seconds=1)
        if pace or not steps:
            now, born, loads_now = now + pace if steps else now, set(), 0
        loads_now += 1
        source = _edited(draw, rows, source, born, first=number == 0)
        steps.append(Load(now, source))
        if seen and draw(_mostly((False,), (True,), 6)):
            now += timedelta(hours=1)
            loads_now = 2
            tables = [table for table in TABLES if source[table]]
            if tables:
                steps.append(Resync(now, draw(st.sampled_from(tables))))
                reseeded = True
        for _ in range(draw(_mostly((1,), (0, 2), 3))):
            run = _run(draw, now, published, reseeded)
            steps.append(run)
            superseded = run.mode != "rewind" and published is not None and run.as_of < published
            if superseded or (reseeded and run.mode != "accept_reseed"):
                continue
            seen, reseeded = True, False
            if not run.publish_fails:
                published = run.as_of
    return steps


def _edited(
    draw: st.DrawFn, rows: _Rows, source: Snapshot, born: set[Key], *, first: bool
) -> dict[str, dict[Key, Any]]:
    """The next snapshot. `born`: listings that appeared at this very instant, which may change but not go."""
    result = {table: dict(content) for table, content in source.items()}
    if first:
        for table, count in _FIRST.items():
            for number in range(1, count + 1):
                row = rows.row(draw, table, None if table == "exchange_rates" else (FIRST_ID + number,))
                result[table][key_of(table, row)] = row
        born.update(result["apartments"])
        return result
    edits = draw(
        st.lists(st.sampled_from([*TABLES, "bookings", "bookings", "user_viewing"]), min_size=1, max_size=10)
    )
    for table in edits:
        content = result[table]
        deed = draw(_mostly(("insert", "change"), ("delete",), 4))
        if deed == "insert" or not content:
            row = rows.row(draw, table, _key(draw, table))
            key = key_of(table, row)
            if table == "apartments" and key not in content and key not in source[table]:
                born.add(key)
            content[key] = row
            continue
        key = draw(st.sampled_from(sorted(content)))
        if deed == "change":
            content[key] = rows.changed(draw, table, content[key])
        elif table != "apartments" or key not in born:
            del content[key]
    return result


def _run(draw: st.DrawFn, now: datetime, published: datetime | None, reseeded: bool) -> Run:
    monday = now.replace(hour=0, minute=0, second=0) - timedelta(days=now.weekday())
    latest = max(now, published or now)
    later = [
        now,
        now + timedelta(days=3),
        now + timedelta(days=10),
        now + timedelta(days=40),
        monday + timedelta(days=7),
        monday + timedelta(days=7, microseconds=-1),
        # The newest changes are then of after as_of.
        now - timedelta(seconds=1),
        now - timedelta(days=5),
        monday,
    ]
    if published is not None:
        later = [max(moment, published) for moment in later]
    earlier = [moment for moment in (latest - timedelta(seconds=1), latest - timedelta(days=20)) if published]
    as_of = draw(_mostly(later, earlier, 5))
    if reseeded and draw(st.integers(0, 3)):
        mode: Mode = "accept_reseed"
    elif published is not None and as_of < published:
        mode = draw(st.sampled_from(("rewind", "incremental")))
    else:
        mode = draw(_mostly(("incremental",), ("full", "rewind"), 6))
    return Run(as_of, mode, draw(_mostly((False,), (True,), 6)))
