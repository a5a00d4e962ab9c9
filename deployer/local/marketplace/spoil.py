"""What is wrong with one to two rows in a hundred: every defect that the rental page names, and some that are
none.

The defects are dealt out in turn, so that each occurs as soon as there are enough rows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from deployer.local.landing.tables import BOOKINGS, USER_VIEWING
from deployer.local.marketplace.model import Changing, Listing, Row

_SHARE = 0.015
_CORRECTED = 0.2
"""The share of bad bookings that somebody mends at the source, a month later."""

_T = TypeVar("_T")
_Values = dict[str, object]
_Defect = Callable[[_Values], object]


def _put(**values: object) -> _Defect:
    return lambda row: row.update(values)


def _swap_dates(row: _Values) -> None:
    row["checkin_date"], row["checkout_date"] = row["checkout_date"], row["checkin_date"]


def _stay_no_night(row: _Values) -> None:
    row["checkout_date"] = row["checkin_date"]


def _nobody_knows_the_listing(row: _Values) -> None:
    row["apartment_id"] = _as_int(row["apartment_id"]) + 10**12


def _negate_price(row: _Values) -> None:
    row["total_price"] = f"-{row['total_price']}"


def _everything_at_once(row: _Values) -> None:
    for defect in (_nobody_knows_the_listing, _swap_dates, _negate_price):
        defect(row)
    row.update(user_id=None, currency="$", booking_status="?")


def _book_after_checkin(row: _Values) -> None:
    moment, day = row["booking_date"], row["checkin_date"]
    if isinstance(moment, datetime) and day is not None:
        row["checkin_date"] = moment.date() - timedelta(days=2)


def _write_untidily(row: _Values) -> None:
    """Blanks and letter case, which change no meaning."""
    status, payment = row["booking_status"], row["payment_status"]
    row.update(
        currency=str(row["currency"]).lower(),
        booking_status=f" {str(status).capitalize()} ",
        payment_status=None if payment is None else f"{str(payment).upper()}\t",
    )


BOOKING_DEFECTS: tuple[_Defect, ...] = (
    _put(user_id=None),
    _nobody_knows_the_listing,
    _swap_dates,
    _put(total_price=None),
    _put(currency=None),
    _put(booking_status=None),
    _put(apartment_id=None),
    _stay_no_night,
    _negate_price,
    _put(currency="U$D"),
    _put(booking_status="cancelled"),
    _put(booking_date=None),
    _put(checkin_date=None),
    _put(checkout_date=None),
    _everything_at_once,
    _nobody_knows_the_listing,
    _swap_dates,
    _negate_price,
    _put(currency="€"),
    _put(booking_status="refund pending"),
)
"""Each makes a booking one that must be rejected."""

BOOKING_ODDITIES: tuple[_Defect, ...] = (_book_after_checkin, _write_untidily, _put(payment_status=" "))
"""Each leaves a booking that must be kept, though it looks strange."""

VIEW_DEFECTS: tuple[_Defect, ...] = (
    _put(user_id=None),
    _nobody_knows_the_listing,
    _put(viewed_at=None),
    _put(apartment_id=None),
)

LISTING_DEFECTS: tuple[tuple[str, _Values | None], ...] = (
    ("apartment_attributes", {"cityname": " "}),
    ("apartment_attributes", {"latitude": "0", "longitude": "0"}),
    ("apartment_attributes", {"state": None}),
    ("apartment_attributes", {"latitude": "95.5"}),
    ("apartments", {"price": None}),
    ("apartments", {"currency": None}),
    ("apartments", {"currency": "?"}),
    # A code like any other, for which there are no rates.
    ("apartments", {"currency": "JPY"}),
    ("apartments", {"is_active": None}),
    ("apartment_attributes", {"longitude": None}),
    ("apartment_attributes", {"longitude": "-180.000001"}),
    # No row at all.
    ("apartment_attributes", None),
)
"""Columns to be overwritten in a listing's row of that table."""


def spoil_bookings(bookings: Sequence[Changing], seed: int) -> None:
    """Spoil some bookings in place, in all of their states; a few are mended later."""
    chance = random.Random(f"spoil bookings {seed}")
    for number, changing in enumerate(_some(bookings, chance, _SHARE)):
        defect = BOOKING_DEFECTS[number % len(BOOKING_DEFECTS)]
        good = list(changing.states)
        changing.states[:] = [(when, _changed(BOOKINGS.names, row, defect)) for when, row in good]
        when, row = good[-1]
        if row is not None and chance.random() < _CORRECTED:
            changing.states.append((when + timedelta(days=30), row))
    for number, changing in enumerate(_some(bookings, chance, 0.006)):
        oddity = BOOKING_ODDITIES[number % len(BOOKING_ODDITIES)]
        if all(row is None or _is_whole(row) for _, row in changing.states):
            changing.states[:] = [
                (when, _changed(BOOKINGS.names, row, oddity)) for when, row in changing.states
            ]


def spoil_views(views: Sequence[Changing], seed: int) -> None:
    """Spoil some views in place."""
    chance = random.Random(f"spoil views {seed}")
    for number, changing in enumerate(_some(views, chance, _SHARE / 2)):
        defect = VIEW_DEFECTS[number % len(VIEW_DEFECTS)]
        changing.states[:] = [
            (when, _changed(USER_VIEWING.names, row, defect)) for when, row in changing.states
        ]


def spoil_listings(listings: Sequence[Listing], seed: int) -> dict[int, tuple[str, _Values | None]]:
    """Which listings are bad, and how: an entry of LISTING_DEFECTS by listing id."""
    chance = random.Random(f"spoil listings {seed}")
    chosen = _some(listings, chance, _SHARE)
    return {
        listing.id: LISTING_DEFECTS[number % len(LISTING_DEFECTS)] for number, listing in enumerate(chosen)
    }


def _some(items: Sequence[_T], chance: random.Random, share: float) -> list[_T]:
    return chance.sample(list(items), round(len(items) * share))


def _changed(names: tuple[str, ...], row: Row | None, change: _Defect) -> Row | None:
    if row is None:
        return None
    values = dict(zip(names, row, strict=True))
    change(values)
    return tuple(values.values())


def _is_whole(row: Row) -> bool:
    """Whether a booking's row has no defect yet."""
    return all(value is not None for value in row[:9]) and row[8] in ("pending", "confirmed", "canceled")


def _as_int(value: object) -> int:
    assert isinstance(value, int)
    return value
