"""What the demo shows of each metric: one question to each presentation view, about the last complete week
or month.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from deployer.warehouse.session import Column, Session


@dataclass(frozen=True)
class Question:
    """A title, and the SQL with %(week)s, %(month)s and %(day)s to fill in as date literals."""

    title: str
    sql: str


@dataclass(frozen=True)
class MetricTable:
    """A question's answer; `sql` is what was asked, to be copied."""

    title: str
    sql: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]


QUESTIONS = (
    Question(
        "1. Average listing price, week of {week}: where most listings are",
        """\
select cityname, state, currency, active_listings, avg_price, avg_price_usd, new_listings
from presentation.average_listing_price_weekly
where week_start = {week_sql}
order by active_listings desc, cityname, currency
limit 8""",
    ),
    Question(
        "2. Occupancy, {month}: the cities with most nights on offer",
        """\
select cityname, state, available_nights, booked_nights, occupancy_rate, overbooked_nights
from presentation.occupancy_rate_monthly
where month_start = {month_sql}
order by available_nights desc, cityname
limit 8""",
    ),
    Question(
        "3. Most popular locations, week of {week}",
        """\
select location_rank, cityname, state, bookings, nights
from presentation.top_locations_weekly
where week_start = {week_sql}
order by location_rank, cityname
limit 10""",
    ),
    Question(
        "4. Top performing listings, week of {week}",
        """\
select revenue_rank, apartment_id, bookings, revenue_usd, unconverted_bookings
from presentation.top_performing_listings_weekly
where week_start = {week_sql}
order by revenue_rank, apartment_id
limit 10""",
    ),
    Question(
        "5. Bookings per user, week of {week}: who booked most",
        """\
select user_id, bookings, all_bookings, spend_usd
from presentation.bookings_per_user_weekly
where week_start = {week_sql}
order by bookings desc, spend_usd desc nulls last, user_id
limit 5""",
    ),
    Question(
        "6. Average booking duration, {month}: the cities with most stays",
        """\
select cityname, state, stays, total_nights, avg_nights
from presentation.average_booking_duration_monthly
where month_start = {month_sql}
order by stays desc, cityname
limit 8""",
    ),
    Question(
        "7. Repeat customers, 30 days up to each day",
        """\
select day, customers, repeat_customers, repeat_rate
from presentation.repeat_customer_rate_daily
where day > dateadd(day, -7, {day_sql})
order by day""",
    ),
    Question(
        "8. Listing engagement, week of {week}: where most views are",
        """\
select cityname, state, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate
from presentation.listing_engagement_weekly
where week_start = {week_sql}
order by views desc, cityname
limit 8""",
    ),
)


def show(session: Session, as_of: datetime) -> tuple[MetricTable, ...]:
    """Ask all eight, about the last week and month that were complete at `as_of`."""
    day = as_of.date()
    week = last_week(as_of)
    month = (day.replace(day=1) - timedelta(days=1)).replace(day=1)
    words = {
        "week": week.isoformat(),
        "month": month.strftime("%B %Y"),
        "week_sql": _literal(week),
        "month_sql": _literal(month),
        "day_sql": _literal(day),
    }
    tables = []
    for question in QUESTIONS:
        sql = question.sql.format(**words)
        found = session.execute(sql)
        tables.append(MetricTable(question.title.format(**words), sql, found.columns, found.rows))
    return tuple(tables)


def last_week(as_of: datetime) -> date:
    """The Monday of the last week that was complete at `as_of`."""
    day = as_of.date()
    return day - timedelta(days=day.weekday() + 7)


def _literal(day: date) -> str:
    return f"date '{day.isoformat()}'"
