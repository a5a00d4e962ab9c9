"""Archived history on the oracle: what is closed stays as it was published, all else is as if nothing were archived.

A policy with `after = "delete"` stores a horizon and deletes the rows before it (docs/archive.md). What must then hold,
without any SQL: periods that a deleted row could belong to are closed, keep their published rows (or lose them to the
archive, when they are the table that was archived), and take in nothing any more. Open periods equal those computed
from everything that landing has, the archived rows among it: a horizon that is too low, or a period that is open too
early, would show there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from hypothesis import strategies as st

from oracle.histories import Resync, Run, Step, histories
from oracle.metrics import VIEWS, Row
from oracle.oracle import Mode, Oracle, Outcome
from oracle.record import Curated

COLUMNS = {
    "curated.bookings": "closed_on",
    "curated.user_viewings": "viewed_at",
    "metrics.average_listing_price_weekly": "week_start",
    "metrics.occupancy_rate_monthly": "month_start",
    "metrics.popular_locations_weekly": "week_start",
    "metrics.top_listings_weekly": "week_start",
    "metrics.bookings_per_user_weekly": "week_start",
    "metrics.average_booking_duration_monthly": "month_start",
    "metrics.repeat_customer_rate_daily": "day",
    "metrics.listing_engagement_weekly": "week_start",
}
"""The tables that a policy may delete from, and the period that it must go by."""

SETTLED = timedelta(days=31)
"""How long what is closed must be over when it was last published."""

_BOOKINGS, _VIEWS = "curated.bookings", "curated.user_viewings"
_REPEAT = "repeat_customer_rate_daily"
_METRIC_OF = {
    "top_locations_weekly": "popular_locations_weekly",
    "top_performing_listings_weekly": "top_listings_weekly",
}


@dataclass(frozen=True)
class Close:
    """The archive takes what is older than so many days before what is published; `kept`: it was killed before it
    deleted."""

    table: str
    days_back: int
    kept: bool = False


@dataclass
class ClosingOracle(Oracle):
    """The oracle of a warehouse that has horizons."""

    horizons: dict[str, date] = field(default_factory=dict)
    closed_rows: dict[str, list[Row]] = field(default_factory=dict)
    had_days: bool = False
    """Whether days of metric 7 are among what is closed: then all days since are shown, whatever stays are left."""

    def run(self, as_of: datetime, mode: Mode = "incremental", *, publish_fails: bool = False) -> Outcome:
        if mode == "rewind" and any(
            as_of < datetime.combine(day, datetime.min.time()) + SETTLED for day in self.horizons.values()
        ):
            return "refused"
        return super().run(as_of, mode, publish_fails=publish_fails)

    def may_close(self, day: date) -> bool:
        """Whether what is before `day` was over when it was published."""
        return self.published is not None and (
            self.published.as_of >= datetime.combine(day, datetime.min.time()) + SETTLED
        )

    def close(self, table: str, day: date, *, kept: bool) -> None:
        """Store the horizon; the table's own rows before it go, unless they are `kept`."""
        shown = {view: self.rows(view) for view in VIEWS}
        self.horizons[table] = day
        for view, rows in shown.items():
            metric = f"metrics.{_METRIC_OF.get(view, view)}"
            before = self.open_from(view)
            closed = [row for row in rows if before is not None and _day(row) < before]
            if view == _REPEAT and closed:
                self.had_days = True
            if table == metric and not kept:
                closed = [row for row in closed if _day(row) >= day]
            self.closed_rows[view] = closed

    def open_from(self, view: str) -> date | None:
        """The first day whose period is open, before which nothing changes; None when all is open."""
        metric = _METRIC_OF.get(view, view)
        days = [self.horizons.get(f"metrics.{metric}")]
        if metric != "average_listing_price_weekly":
            reach = 29 if metric == _REPEAT else 0
            if _BOOKINGS in self.horizons:
                days.append(self.horizons[_BOOKINGS] + timedelta(days=reach))
        if metric == "listing_engagement_weekly":
            days += [self.horizons.get(_VIEWS), self.horizons.get("metrics.popular_locations_weekly")]
        return max((_period_from(metric, day) for day in days if day is not None), default=None)

    def rows(self, view: str) -> list[Row]:
        before = self.open_from(view)
        if self.published is None or before is None:
            return super().rows(view)
        curated = self.published.curated
        as_of = self.published.as_of
        computed = VIEWS[view](self.still_open(curated) if view == _REPEAT else curated, as_of)
        opened = [row for row in computed if _day(row) >= before]
        if view == _REPEAT and self.had_days:
            first = min((_day(row) for row in opened), default=as_of.date() + timedelta(days=1))
            opened += [
                (before + timedelta(days=number), 0, 0, None) for number in range((first - before).days)
            ]
        return self.closed_rows.get(view, []) + opened

    def still_open(self, curated: Curated) -> Curated:
        """The curated layer without what is before its horizon."""
        bookings, views = self.horizons.get(_BOOKINGS), self.horizons.get(_VIEWS)
        return replace(
            curated,
            bookings=[
                row
                for row in curated.bookings
                if bookings is None or max(row.checkout_date, row.booking_date.date()) >= bookings
            ],
            views=[row for row in curated.views if views is None or row.viewed_at.date() >= views],
        )


def _day(row: Row) -> date:
    day = row[0]
    assert isinstance(day, date)
    return day


def _period_from(metric: str, day: date) -> date:
    """The first period of the metric that begins on the day or after it."""
    if metric.endswith("_weekly"):
        return day + timedelta(days=-day.weekday() % 7)
    if metric.endswith("_monthly") and day.day > 1:
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day


@st.composite
def closing_histories(draw: st.DrawFn, max_rounds: int = 6) -> Sequence[Step | Close]:
    """Histories with horizons: some of them are refused, because what they would close is not over."""
    steps: list[Step | Close] = []
    for step in draw(histories(max_rounds=max_rounds)):
        steps.append(step)
        if isinstance(step, Resync) or not isinstance(step, Run):
            continue
        for _ in range(draw(st.sampled_from((0, 1, 1, 2)))):
            table = draw(st.sampled_from([*COLUMNS, *[_BOOKINGS] * 6, *[_VIEWS] * 3]))
            days = draw(st.sampled_from((31, 32, 36, 45, 61, 90, 150, 7)))
            steps.append(Close(table, days, kept=draw(st.integers(0, 4)) == 4))
    return steps
