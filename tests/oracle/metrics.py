"""The eight metrics and the two top views by the spec, section 4: exact fractions, rounded once, at the end.

Each function takes the curated layer and `as_of` and returns the rows of one presentation view, in its column
order. They explode nights and scan everything: right before fast.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from oracle.record import Curated, CuratedBooking, CuratedView, ListingVersion, is_code

Row = tuple[Any, ...]
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


def round_half_away(value: Fraction, places: int) -> Decimal:
    """`value` to `places` decimals, halves away from zero."""
    scaled = abs(value) * 10**places + Fraction(1, 2)
    digits = scaled.numerator // scaled.denominator
    return Decimal(-digits if value < 0 else digits).scaleb(-places)


def ratio(part: int | Decimal | Fraction, whole: int, places: int) -> Decimal | None:
    """`part / whole` rounded; None when the denominator is 0."""
    return None if whole == 0 else round_half_away(Fraction(part) / whole, places)


def week_start(when: date) -> date:
    """The Monday of a day's or an instant's week."""
    day = when.date() if isinstance(when, datetime) else when
    return day - timedelta(days=day.weekday())


def month_start(day: date) -> date:
    return day.replace(day=1)


def days(first: date, last: date) -> Iterator[date]:
    """From `first` to `last`, both included."""
    while first <= last:
        yield first
        first += DAY


def usd_per_unit(curated: Curated, currency: str | None, day: date) -> Decimal | None:
    """The latest rate on or before the day; None when there is none, or when the currency is no code."""
    if not is_code(currency) or currency is None:
        return None
    if currency == "USD":
        return Decimal(1)
    rates = [rate for rate_day, rate in curated.rates.get(currency, ()) if rate_day <= day]
    return rates[-1] if rates else None


def usd(curated: Curated, booking: CuratedBooking) -> Fraction | None:
    """A booking's price in dollars at the rate of its booking day; None: it cannot be converted."""
    rate = usd_per_unit(curated, booking.currency, booking.booking_date.date())
    return None if rate is None else Fraction(booking.total_price) * Fraction(rate)


def dollar_sum(amounts: list[Fraction | None]) -> Decimal | None:
    """What can be converted, added up; 0 without amounts, None when there are some and none can."""
    converted = [amount for amount in amounts if amount is not None]
    if amounts and not converted:
        return None
    return round_half_away(sum(converted, Fraction(0)), 2)


def bookings_until(curated: Curated, as_of: datetime) -> list[CuratedBooking]:
    return [booking for booking in curated.bookings if booking.booking_date <= as_of]


def stays_until(curated: Curated, as_of: datetime) -> list[CuratedBooking]:
    return [booking for booking in bookings_until(curated, as_of) if booking.is_stay]


def rank(values: Iterable[Any]) -> dict[Any, int]:
    """RANK() over values in descending order: equal values share a rank, the next one skips."""
    ordered = sorted(values, reverse=True)
    return {value: 1 + ordered.index(value) for value in ordered}


def earliest_listing_day(curated: Curated) -> date:
    """The day of the earliest valid_from of any version; the end of time when there is none."""
    return min((version.valid_from for version in curated.versions), default=datetime.max).date()


def average_listing_price_weekly(curated: Curated, as_of: datetime) -> list[Row]:
    """week_start, state, cityname, currency, active_listings, avg_price, avg_price_usd, new_listings,
    new_listing_avg_price."""
    rows: list[Row] = []
    week = week_start(earliest_listing_day(curated))
    while week <= week_start(as_of):
        running = week == week_start(as_of)
        sunday = week + 6 * DAY
        groups: dict[tuple[str, str, str | None], list[ListingVersion]] = defaultdict(list)
        for version in curated.versions:
            in_force = version.in_force_at(as_of) if running else version.in_force_at_end_of(sunday)
            if in_force and version.is_active and version.apartment_id in curated.locations:
                groups[(*curated.locations[version.apartment_id], version.currency)].append(version)
        for (state, cityname, currency), versions in groups.items():
            rate = usd_per_unit(curated, currency, as_of.date() if running else sunday)
            prices = [version.price for version in versions if version.price is not None]
            new = [
                version
                for version in versions
                if version.listing_created_on is not None and week_start(version.listing_created_on) == week
            ]
            new_prices = [version.price for version in new if version.price is not None]
            dollars = None if rate is None else ratio(Fraction(sum(prices)) * Fraction(rate), len(prices), 2)
            rows.append(
                (
                    week,
                    state,
                    cityname,
                    currency,
                    len(versions),
                    ratio(sum(prices), len(prices), 2),
                    dollars,
                    len(new),
                    ratio(sum(new_prices), len(new_prices), 2),
                )
            )
        week += WEEK
    return rows


def occupancy_rate_monthly(curated: Curated, as_of: datetime) -> list[Row]:
    """month_start, state, cityname, available_nights, booked_nights, occupancy_rate, overbooked_nights."""
    stays_on: Counter[tuple[int, date]] = Counter(
        (stay.apartment_id, night)
        for stay in stays_until(curated, as_of)
        for night in days(stay.checkin_date, stay.checkout_date - DAY)
    )
    available: Counter[tuple[date, str, str]] = Counter()
    booked: Counter[tuple[date, str, str]] = Counter()
    overbooked: Counter[tuple[date, str, str]] = Counter()
    for version in curated.versions:
        if not version.is_active or version.apartment_id not in curated.locations:
            continue
        for night in days(version.valid_from.date(), as_of.date() - DAY):
            if not version.in_force_at_end_of(night):
                continue
            group = (month_start(night), *curated.locations[version.apartment_id])
            stays = stays_on[version.apartment_id, night]
            available[group] += 1
            booked[group] += stays >= 1
            overbooked[group] += stays >= 2
    return [
        (*group, nights, booked[group], ratio(booked[group], nights, 6), overbooked[group])
        for group, nights in available.items()
    ]


def popular_locations_weekly(curated: Curated, as_of: datetime) -> list[Row]:
    """week_start, state, cityname, bookings, nights, location_rank."""
    bookings: Counter[tuple[date, str, str]] = Counter()
    nights: Counter[tuple[date, str, str]] = Counter()
    for stay in stays_until(curated, as_of):
        if stay.apartment_id in curated.locations:
            group = (week_start(stay.booking_date), *curated.locations[stay.apartment_id])
            bookings[group] += 1
            nights[group] += stay.nights
    return [
        (
            *group,
            count,
            nights[group],
            rank(n for (week, *_), n in bookings.items() if week == group[0])[count],
        )
        for group, count in bookings.items()
    ]


def top_locations_weekly(curated: Curated, as_of: datetime) -> list[Row]:
    return [row for row in popular_locations_weekly(curated, as_of) if row[5] <= 10]


def top_listings_weekly(curated: Curated, as_of: datetime) -> list[Row]:
    """week_start, apartment_id, bookings, revenue_usd, unconverted_bookings, revenue_rank."""
    amounts: dict[tuple[date, int], list[Fraction | None]] = defaultdict(list)
    for stay in stays_until(curated, as_of):
        amounts[week_start(stay.booking_date), stay.apartment_id].append(usd(curated, stay))
    revenue = {group: dollar_sum(values) for group, values in amounts.items()}
    rows: list[Row] = []
    for (week, listing), values in amounts.items():
        ranks = rank(r for (other, _), r in revenue.items() if other == week and r is not None)
        shown = revenue[week, listing]
        place = None if shown is None else ranks[shown]
        rows.append((week, listing, len(values), shown, values.count(None), place))
    return rows


def top_performing_listings_weekly(curated: Curated, as_of: datetime) -> list[Row]:
    rows = top_listings_weekly(curated, as_of)
    return [row for row in rows if row[5] is not None and row[5] <= 10]


def bookings_per_user_weekly(curated: Curated, as_of: datetime) -> list[Row]:
    """week_start, user_id, bookings, all_bookings, spend_usd."""
    groups: dict[tuple[date, int], list[CuratedBooking]] = defaultdict(list)
    for booking in bookings_until(curated, as_of):
        groups[week_start(booking.booking_date), booking.user_id].append(booking)
    rows: list[Row] = []
    for group, bookings in groups.items():
        amounts = [usd(curated, booking) for booking in bookings if booking.is_stay]
        rows.append((*group, len(amounts), len(bookings), dollar_sum(amounts)))
    return rows


def average_booking_duration_monthly(curated: Curated, as_of: datetime) -> list[Row]:
    """month_start, state, cityname, stays, total_nights, avg_nights."""
    groups: dict[tuple[date, str, str], list[int]] = defaultdict(list)
    for stay in stays_until(curated, as_of):
        if stay.checkin_date <= as_of.date() and stay.apartment_id in curated.locations:
            groups[month_start(stay.checkin_date), *curated.locations[stay.apartment_id]].append(stay.nights)
    return [
        (*group, len(nights), sum(nights), ratio(sum(nights), len(nights), 2))
        for group, nights in groups.items()
    ]


def repeat_customer_rate_daily(curated: Curated, as_of: datetime) -> list[Row]:
    """day, customers, repeat_customers, repeat_rate."""
    booked = [(stay.booking_date.date(), stay.user_id) for stay in stays_until(curated, as_of)]
    rows: list[Row] = []
    for day in days(min((day for day, _ in booked), default=date.max), as_of.date()):
        stays = Counter(user for when, user in booked if day - 29 * DAY <= when <= day)
        repeat = sum(count >= 2 for count in stays.values())
        rows.append((day, len(stays), repeat, ratio(repeat, len(stays), 6)))
    return rows


def listing_engagement_weekly(curated: Curated, as_of: datetime) -> list[Row]:
    """week_start, state, cityname, views, unique_viewers, wishlist_rate, contact_rate, bookings,
    conversion_rate."""
    groups: dict[tuple[date, str, str], list[CuratedView]] = defaultdict(list)
    for view in curated.views:
        if view.viewed_at <= as_of and view.apartment_id in curated.locations:
            groups[week_start(view.viewed_at), *curated.locations[view.apartment_id]].append(view)
    bookings = {(row[0], row[1], row[2]): row[3] for row in popular_locations_weekly(curated, as_of)}
    rows: list[Row] = []
    for group, views in groups.items():
        count = bookings.get(group, 0)
        rows.append(
            (
                *group,
                len(views),
                len({view.user_id for view in views}),
                ratio(sum(view.is_wishlisted for view in views), len(views), 6),
                ratio(sum(view.is_contact for view in views), len(views), 6),
                count,
                ratio(count, len(views), 6),
            )
        )
    return rows


VIEWS: dict[str, Callable[[Curated, datetime], list[Row]]] = {
    function.__name__: function
    for function in (
        average_listing_price_weekly,
        occupancy_rate_monthly,
        popular_locations_weekly,
        top_locations_weekly,
        top_listings_weekly,
        top_performing_listings_weekly,
        bookings_per_user_weekly,
        average_booking_duration_monthly,
        repeat_customer_rate_daily,
        listing_engagement_weekly,
    )
}
"""Presentation view -> what its rows must be."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "average_listing_price_weekly": (
        "week_start", "state", "cityname", "currency", "active_listings", "avg_price", "avg_price_usd",
        "new_listings", "new_listing_avg_price",
    ),
    "occupancy_rate_monthly": (
        "month_start", "state", "cityname", "available_nights", "booked_nights", "occupancy_rate",
        "overbooked_nights",
    ),
    "popular_locations_weekly": ("week_start", "state", "cityname", "bookings", "nights", "location_rank"),
    "top_locations_weekly": ("week_start", "state", "cityname", "bookings", "nights", "location_rank"),
    "top_listings_weekly": (
        "week_start", "apartment_id", "bookings", "revenue_usd", "unconverted_bookings", "revenue_rank",
    ),
    "top_performing_listings_weekly": (
        "week_start", "apartment_id", "bookings", "revenue_usd", "unconverted_bookings", "revenue_rank",
    ),
    "bookings_per_user_weekly": ("week_start", "user_id", "bookings", "all_bookings", "spend_usd"),
    "average_booking_duration_monthly": (
        "month_start", "state", "cityname", "stays", "total_nights", "avg_nights",
    ),
    "repeat_customer_rate_daily": ("day", "customers", "repeat_customers", "repeat_rate"),
    "listing_engagement_weekly": (
        "week_start", "state", "cityname", "views", "unique_viewers", "wishlist_rate", "contact_rate",
        "bookings", "conversion_rate",
    ),
}  # fmt: skip
"""Presentation view -> its columns, in the order of the spec."""
