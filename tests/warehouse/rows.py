"""Short ways to write source rows. 2024-01-01 is a Monday; listing 1 is in Austin unless said otherwise."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from oracle.source import Apartment, Attributes, Booking, Rate, Viewing


def listing(id: int, price: str | None = "100.00", listed: str | None = None, **values: Any) -> Apartment:
    return Apartment(
        id,
        price=None if price is None else Decimal(price),
        listing_created_on=None if listed is None else datetime.fromisoformat(listed),
        **values,
    )


def place(id: int, cityname: str | None = "Austin", state: str | None = "Texas", **values: Any) -> Attributes:
    return Attributes(id, cityname=cityname, state=state, **values)


def stay(
    id: int, booked: str, checkin: str, checkout: str, price: str | None = "100.00", **values: Any
) -> Booking:
    return Booking(
        id,
        booking_date=datetime.fromisoformat(booked),
        checkin_date=date.fromisoformat(checkin),
        checkout_date=date.fromisoformat(checkout),
        total_price=None if price is None else Decimal(price),
        **values,
    )


def view(id: int, at: str | None, **values: Any) -> Viewing:
    return Viewing(id, viewed_at=None if at is None else datetime.fromisoformat(at), **values)


def rate(currency: str, day: str, value: str | None) -> Rate:
    return Rate(currency, date.fromisoformat(day), None if value is None else Decimal(value))
