"""The curated layer by the spec: record of history, valid locations, bookings, views and their rejections.

Spec: rental_metrics.md section 3. Nothing here looks at `as_of`: the present state of a source row is what
landing holds when a run reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from oracle.source import Apartment, Attributes, Booking, Landing, Rate, Version, Viewing

BLANKS = " \t\n\r"
STATUSES = ("confirmed", "pending", "canceled")


def trim(text: str) -> str:
    """Spaces, tabs, line feeds and carriage returns go, other white space stays (section 1)."""
    return text.strip(BLANKS)


def currency_code(text: str | None) -> str | None:
    """A currency as it is compared and shown; not necessarily a code."""
    return None if text is None else trim(text).upper()


def is_code(text: str | None) -> bool:
    """Whether a currency, as `currency_code` gives it, is three letters A-Z."""
    return text is not None and re.fullmatch("[A-Z]{3}", text) is not None


def status(text: str | None) -> str | None:
    return None if text is None else trim(text).lower()


@dataclass(frozen=True)
class ListingVersion:
    """A row of curated.listing_versions: [valid_from, valid_to), valid_to None for the present one."""

    apartment_id: int
    valid_from: datetime
    valid_to: datetime | None
    price: Decimal | None
    currency: str | None
    is_active: bool | None
    listing_created_on: datetime | None
    landed_at: datetime = field(default=datetime.min, compare=False)
    """When the version appeared in landing: where it begins, unless it was extended back. Not a column."""

    def in_force_at_end_of(self, day: date) -> bool:
        midnight = datetime.combine(day, datetime.min.time()) + timedelta(days=1)
        return self.valid_from < midnight and (self.valid_to is None or self.valid_to >= midnight)

    def in_force_at(self, instant: datetime) -> bool:
        return self.valid_from <= instant and (self.valid_to is None or self.valid_to > instant)

    @property
    def content(self) -> tuple[Any, ...]:
        return (self.price, self.currency, self.is_active, self.listing_created_on)


@dataclass
class Record:
    """What the warehouse remembers even when landing forgets.

    `versions` is curated.listing_versions by listing. `attributes` is the present or last row of
    apartment_attributes: the spec names only listing_versions as the record, but a deleted listing keeps its
    past, and its place is part of that.
    """

    versions: dict[int, list[ListingVersion]] = field(default_factory=dict)
    attributes: dict[int, Attributes] = field(default_factory=dict)

    def merge(self, landing: Landing) -> None:
        """Take in what landing holds now, as the first transaction of a run does."""
        by_listing: dict[int, list[Version]] = {}
        for version in landing.tables["apartments"]:
            if version.created != version.deleted:
                by_listing.setdefault(version.row.id, []).append(version)
        for listing, landed in by_listing.items():
            landed.sort(key=lambda version: version.created)
            self.versions[listing] = self._merged(listing, landed)
        self.attributes |= _last_attributes(landing.tables["apartment_attributes"])

    def _merged(self, listing: int, landed: list[Version]) -> list[ListingVersion]:
        """One listing's versions: what only the record knows, then what landing says."""
        oldest = landed[0].created
        older = [version for version in self.versions.get(listing, ()) if version.landed_at < oldest]
        # A version that landing has forgotten ends where the next one begins, and for no other reason.
        if older and (older[-1].valid_to is None or older[-1].valid_to > oldest):
            older[-1] = replace(older[-1], valid_to=oldest)
        result = [*older, *map(_listing_version, landed)]
        if not older:
            result[0] = _extended(result[0])
        return result

    def known(self) -> set[int]:
        """The listings that history holds."""
        return set(self.versions)

    def all_versions(self) -> list[ListingVersion]:
        return [version for versions in self.versions.values() for version in versions]

    def locations(self) -> dict[int, tuple[str, str]]:
        """(state, cityname), trimmed, of each listing with a valid location."""
        return {
            listing: (trim(row.state or ""), trim(row.cityname or ""))
            for listing, row in self.attributes.items()
            if is_valid_location(row)
        }


def _listing_version(version: Version) -> ListingVersion:
    row: Apartment = version.row
    return ListingVersion(
        row.id,
        version.created,
        version.deleted,
        row.price,
        currency_code(row.currency),
        row.is_active,
        row.listing_created_on,
        landed_at=version.created,
    )


def _extended(version: ListingVersion) -> ListingVersion:
    """The very first version of a listing: it begins when it was listed, where that is earlier."""
    created_on = version.listing_created_on
    if created_on is None or created_on >= version.valid_from:
        return version
    return replace(version, valid_from=created_on)


def _last_attributes(versions: list[Version]) -> dict[int, Attributes]:
    """The present row of each listing or, once deleted, the last."""
    last: dict[int, Version] = {}
    for version in versions:
        other = last.get(version.row.id)
        if other is None or _ended(other) <= _ended(version):
            last[version.row.id] = version
    return {listing: version.row for listing, version in last.items()}


def _ended(version: Version) -> tuple[datetime, datetime]:
    return (version.deleted or datetime.max, version.created)


def is_valid_location(row: Attributes) -> bool:
    if not trim(row.cityname or "") or not trim(row.state or ""):
        return False
    if row.latitude is None or row.longitude is None or row.latitude == row.longitude == 0:
        return False
    return -90 <= row.latitude <= 90 and -180 <= row.longitude <= 180


@dataclass(frozen=True)
class CuratedBooking:
    """A booking that was not rejected: nothing is NULL, currency and status are normal."""

    booking_id: int
    user_id: int
    apartment_id: int
    booking_date: datetime
    checkin_date: date
    checkout_date: date
    total_price: Decimal
    currency: str
    is_stay: bool

    @property
    def nights(self) -> int:
        return (self.checkout_date - self.checkin_date).days


@dataclass(frozen=True)
class CuratedView:
    viewing_id: int
    user_id: int
    apartment_id: int
    viewed_at: datetime
    is_wishlisted: bool
    is_contact: bool


@dataclass(frozen=True)
class Curated:
    """The curated layer after a run: the record as it then was, the present bookings, views and rates."""

    versions: list[ListingVersion]
    locations: dict[int, tuple[str, str]]
    bookings: list[CuratedBooking]
    views: list[CuratedView]
    rejected_bookings: set[tuple[int, str]]
    rejected_views: set[tuple[int, str]]
    rates: dict[str, list[tuple[date, Decimal]]]
    """Currency -> (day, US dollars for one unit), by day; NULL rates left out."""
    newest_change: datetime | None

    @property
    def rejected_rows(self) -> int:
        """Rejected rows of the source, however many reasons each has."""
        return len({key for key, _ in self.rejected_bookings}) + len({key for key, _ in self.rejected_views})


def curate(landing: Landing, record: Record) -> Curated:
    """The curated layer that a run finds; `record` must have been merged with `landing` before."""
    known = record.known()
    rejected_bookings: set[tuple[int, str]] = set()
    bookings = []
    for row in landing.present("bookings"):
        reasons = booking_reasons(row, known)
        rejected_bookings |= {(row.booking_id, reason) for reason in reasons}
        if not reasons:
            bookings.append(_curated_booking(row))
    rejected_views: set[tuple[int, str]] = set()
    views = []
    for row in landing.present("user_viewing"):
        reasons = view_reasons(row, known)
        rejected_views |= {(row.viewing_id, reason) for reason in reasons}
        if not reasons:
            views.append(_curated_view(row))
    return Curated(
        record.all_versions(),
        record.locations(),
        bookings,
        views,
        rejected_bookings,
        rejected_views,
        _rates(landing.present("exchange_rates")),
        landing.newest_change(),
    )


def booking_reasons(row: Booking, known: set[int]) -> set[str]:
    reasons = set()
    needed = (row.user_id, row.apartment_id, row.booking_date, row.checkin_date, row.checkout_date)
    if None in needed:
        reasons.add("missing_key")
    if row.apartment_id not in known:
        reasons.add("unknown_listing")
    if (
        row.checkin_date is not None
        and row.checkout_date is not None
        and row.checkout_date <= row.checkin_date
    ):
        reasons.add("reversed_stay")
    if row.total_price is None or row.total_price < 0:
        reasons.add("negative_price")
    if not is_code(currency_code(row.currency)):
        reasons.add("unknown_currency")
    if status(row.booking_status) not in STATUSES:
        reasons.add("unknown_status")
    return reasons


def view_reasons(row: Viewing, known: set[int]) -> set[str]:
    reasons = set()
    if None in (row.user_id, row.apartment_id, row.viewed_at):
        reasons.add("missing_key")
    if row.apartment_id not in known:
        reasons.add("unknown_listing")
    return reasons


def is_stay(row: Booking) -> bool:
    """Confirmed and paid; a NULL payment_status counts as paid, a blank one does not."""
    return status(row.booking_status) == "confirmed" and status(row.payment_status) in (None, "paid")


def _curated_booking(row: Booking) -> CuratedBooking:
    currency = currency_code(row.currency)
    # No rejection applies, so all of these are there.
    assert row.user_id is not None and row.apartment_id is not None and row.booking_date is not None
    assert row.checkin_date is not None and row.checkout_date is not None
    assert row.total_price is not None and currency is not None
    return CuratedBooking(
        row.booking_id,
        row.user_id,
        row.apartment_id,
        row.booking_date,
        row.checkin_date,
        row.checkout_date,
        row.total_price,
        currency,
        is_stay(row),
    )


def _curated_view(row: Viewing) -> CuratedView:
    assert row.user_id is not None and row.apartment_id is not None and row.viewed_at is not None
    contact = bool(trim(row.call_to_action or ""))
    return CuratedView(
        row.viewing_id, row.user_id, row.apartment_id, row.viewed_at, row.is_wishlisted is True, contact
    )


def _rates(rows: list[Rate]) -> dict[str, list[tuple[date, Decimal]]]:
    rates: dict[str, list[tuple[date, Decimal]]] = {}
    for row in rows:
        if row.usd_per_unit is not None:
            rates.setdefault(trim(row.currency).upper(), []).append((row.rate_date, row.usd_per_unit))
    return {currency: sorted(days) for currency, days in rates.items()}
