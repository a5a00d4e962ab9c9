"""Histories worth keeping: those that the issue names, and each one that ever failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from oracle.histories import FIRST_ID, Load, Resync, Run, Step
from oracle.source import Apartment, Attributes, Booking, Rate, Viewing, snapshot

D = Decimal
A, B, C = FIRST_ID + 1, FIRST_ID + 2, FIRST_ID + 3


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def listing(id: int = A, created: str = "2024-01-01", **values: Any) -> Apartment:
    return Apartment(id, **{"listing_created_on": at(created), **values})


def stay(id: int, booked: str, checkin: str, nights: int, apartment_id: int = A, **values: Any) -> Booking:
    first = date.fromisoformat(checkin)
    return Booking(
        id,
        apartment_id=apartment_id,
        booking_date=at(booked),
        checkin_date=first,
        checkout_date=first + timedelta(days=nights),
        **values,
    )


def seen(id: int, viewed: str, apartment_id: int = A, **values: Any) -> Viewing:
    return Viewing(id, apartment_id=apartment_id, viewed_at=at(viewed), **values)


def load(when: str, *rows: Any) -> Load:
    return Load(at(when), snapshot(*rows))


def run(as_of: str, mode: Any = "incremental", *, publish_fails: bool = False) -> Run:
    return Run(at(as_of), mode, publish_fails)


PLACES = (Attributes(A), Attributes(B, cityname="Boise", state="Idaho"), Attributes(C))
RATES = (Rate("EUR", date(2024, 1, 1), D("1.1")), Rate("gbp", date(2024, 1, 20), D("1.3")))
LISTINGS = (listing(A), listing(B, currency="EUR"), listing(C, price=D("33.33")))
BASE = (*PLACES, *RATES, *LISTINGS)

STAY = stay(1, "2024-01-10 08:00:00", "2024-01-28", 7)
VIEW = seen(1, "2024-01-10 07:00:00")
ABROAD = (
    *(stay(n, "2024-01-10", "2024-01-28", 2, B, currency=c) for n, c in enumerate(("EUR", "gbp", "USD"), 1)),
    stay(4, "2024-01-12", "2024-01-28", 2, B, currency="GBP"),
)

HISTORIES: dict[str, list[Step]] = {
    "nothing at all": [load("2024-01-01"), run("2024-01-05")],
    "one of everything": [load("2024-01-15", *BASE, STAY, VIEW), run("2024-02-10")],
    "time passes and nothing changes": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2024-01-15"),
        run("2024-01-28 00:00:01"),
        run("2024-02-05"),
        run("2024-04-01"),
    ],
    "two changes at one instant": [
        load("2024-01-15", *BASE, STAY),
        run("2024-01-15"),
        load("2024-01-16", *PLACES, *RATES, listing(A, price=D("1.00")), replace(STAY, user_id=2)),
        run("2024-01-16"),
        load("2024-01-16", *PLACES, *RATES, listing(A, price=D("2.00")), replace(STAY, user_id=3)),
        run("2024-01-16"),
        run("2024-01-30"),
    ],
    "a first version changed at the instant of its birth": [
        load("2024-01-15", Attributes(A), listing(A, "2023-12-01", price=D("1.00"))),
        run("2024-01-15"),
        load("2024-01-15", Attributes(A), listing(A, "2023-11-01", price=D("2.00"))),
        run("2024-01-16"),
    ],
    "a change before the last as_of": [
        load("2024-01-15", *BASE, STAY),
        run("2024-03-15"),
        load("2024-01-20", *BASE, STAY, stay(2, "2024-01-18", "2024-01-29", 3), VIEW),
        run("2024-03-15"),
        load("2024-01-21", *PLACES, *RATES, listing(A, is_active=False), listing(B), STAY),
        run("2024-03-16"),
    ],
    "a failure between curated and publish": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2024-01-16"),
        load("2024-01-20", *BASE, replace(STAY, apartment_id=B), stay(2, "2024-01-12", "2024-01-29", 3)),
        run("2024-01-21", publish_fails=True),
        run("2024-01-21", publish_fails=True),
        load("2024-01-22", *BASE, replace(STAY, apartment_id=C), VIEW),
        run("2024-02-21"),
    ],
    "the very first publish fails": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2024-01-16", publish_fails=True),
        run("2024-01-17"),
    ],
    "listings copied anew": [
        load("2024-01-15", *BASE, STAY),
        load("2024-01-20", *PLACES, *RATES, listing(A, price=D("1.00")), listing(B), STAY),
        run("2024-01-21"),
        load("2024-01-25", *PLACES, *RATES, listing(A, price=D("2.00")), listing(C, "2023-12-01"), STAY),
        Resync(at("2024-01-26"), "apartments"),
        run("2024-01-27"),
        run("2024-01-27", "full"),
        run("2024-01-27", "accept_reseed"),
        load("2024-02-01", *PLACES, *RATES, listing(A, price=D("3.00")), STAY),
        run("2024-02-10"),
        run("2024-02-10", "full"),
    ],
    "bookings copied anew": [
        load("2024-01-15", *BASE, STAY, stay(2, "2024-01-12", "2024-01-29", 3), VIEW),
        run("2024-01-21"),
        load("2024-01-22", *BASE, STAY, stay(3, "2024-01-22", "2024-01-29", 3), VIEW),
        Resync(at("2024-01-26"), "bookings"),
        run("2024-01-27"),
        run("2024-01-27", "accept_reseed"),
        run("2024-01-28"),
    ],
    "places copied anew after a listing has gone": [
        load("2024-01-15", *BASE, STAY, VIEW),
        load("2024-01-16", Attributes(B), *RATES, listing(B), STAY, VIEW),
        run("2024-01-21"),
        Resync(at("2024-01-26"), "apartment_attributes"),
        run("2024-01-27", "accept_reseed"),
        run("2024-01-28", "full"),
    ],
    "late rates": [
        load(
            "2024-01-15",
            *PLACES,
            *LISTINGS,
            *ABROAD,
        ),
        run("2024-01-21"),
        load(
            "2024-01-25",
            *PLACES,
            *LISTINGS,
            Rate("EUR", date(2024, 1, 10), D("1.1")),
            Rate("GBP", date(2024, 1, 11), D("1.25")),
            *ABROAD,
        ),
        run("2024-01-26"),
        load(
            "2024-01-27",
            *PLACES,
            *LISTINGS,
            Rate("EUR", date(2024, 1, 10), None),
            Rate("GBP", date(2024, 1, 9), D("2")),
            *ABROAD,
        ),
        run("2024-01-27"),
    ],
    "a row whose user, listing or week changes": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2024-02-15"),
        load("2024-01-16", *BASE, replace(STAY, user_id=2), replace(VIEW, user_id=2)),
        run("2024-02-15"),
        load("2024-01-17", *BASE, replace(STAY, apartment_id=B), replace(VIEW, apartment_id=B)),
        run("2024-02-15"),
        load(
            "2024-01-18",
            *BASE,
            replace(STAY, booking_date=at("2023-12-31 23:59:59")),
            replace(VIEW, viewed_at=at("2024-01-01")),
        ),
        run("2024-02-15"),
        load("2024-01-19", *BASE, replace(STAY, checkin_date=date(2024, 1, 3))),
        run("2024-02-15"),
    ],
    "a city is corrected": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2024-02-15"),
        load("2024-01-16", *RATES, *LISTINGS, Attributes(A, cityname="Reno"), *PLACES[1:], STAY, VIEW),
        run("2024-02-15"),
        load("2024-01-17", *RATES, *LISTINGS, Attributes(A, latitude=None), *PLACES[1:], STAY, VIEW),
        run("2024-02-16"),
        load("2024-01-18", *RATES, *LISTINGS, *PLACES, STAY, VIEW),
        run("2024-02-16"),
    ],
    "the quarantine and back": [
        load("2024-01-15", *PLACES, *RATES, STAY, VIEW, stay(2, "2024-01-12", "2024-01-29", 0)),
        run("2024-02-15"),
        load("2024-01-16", *BASE, STAY, VIEW, stay(2, "2024-01-12", "2024-01-29", 1)),
        run("2024-02-15"),
        load("2024-01-17", *BASE, replace(STAY, currency="E1"), replace(VIEW, user_id=None)),
        run("2024-02-16"),
    ],
    "a listing deleted, inserted again, and its versions": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2024-01-16"),
        load("2024-01-20", *PLACES, *RATES, listing(B), STAY, VIEW),
        run("2024-01-29"),
        load("2024-02-10", *BASE, STAY, VIEW),
        run("2024-03-01"),
    ],
    "superseded and rewound": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2024-02-15"),
        load("2024-01-16", *BASE, replace(STAY, user_id=9)),
        run("2024-02-14 23:59:59"),
        run("2024-01-20", "full"),
        run("2024-01-09", "rewind"),
        run("2024-01-10 08:00:00"),
        run("2024-01-10 07:59:59", "rewind"),
        run("2024-02-15"),
    ],
    "more than ten in a week, with ties": [
        load(
            "2024-01-15",
            *(listing(FIRST_ID + n) for n in range(1, 16)),
            *(Attributes(FIRST_ID + n, cityname=f"City {n}") for n in range(1, 16)),
            *(
                stay(n, "2024-01-10", "2024-01-28", 2, FIRST_ID + n, total_price=D(max(n, 6)))
                for n in range(1, 16)
            ),
            *(stay(20 + n, "2024-01-11", "2024-01-29", 2, FIRST_ID + n) for n in range(1, 8)),
        ),
        run("2024-01-21"),
        load("2024-01-22", *(listing(FIRST_ID + n) for n in range(1, 16))),
        run("2024-01-22"),
    ],
    "days of long ago and far ahead": [
        load(
            "2024-01-15",
            *PLACES,
            listing(A, "1800-02-28 12:00:00"),
            stay(1, "1990-01-01", "1990-03-30", 4),
            stay(2, "2024-01-10", "2024-01-20", 40_000),
            seen(1, "1990-01-01"),
        ),
        run("2024-01-21"),
        load(
            "2024-01-22", *PLACES, listing(A, "1800-02-28 12:00:00"), stay(2, "2024-01-10", "2024-01-20", 9)
        ),
        run("2024-01-23"),
    ],
    "runs before anything has happened": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2023-06-01"),
        run("2024-01-01"),
        run("2024-01-10 08:00:00"),
    ],
    "the thirtieth day": [
        load(
            "2024-01-15",
            *BASE,
            *(stay(n, "2024-01-01 23:59:59", "2024-03-01", 2) for n in (1, 2)),
            stay(3, "2024-01-31", "2024-03-01", 2, user_id=2),
        ),
        run("2024-01-29"),
        run("2024-01-30 12:00:00"),
        run("2024-01-31 12:00:00"),
        run("2024-02-28"),
        run("2024-03-02"),
        run("2024-03-03"),
    ],
    "a stay that is booked after its check-in": [
        load("2024-01-15", *BASE, stay(2, "2024-03-10", "2024-01-20", 3), STAY),
        run("2024-03-05"),
        run("2024-03-12"),
    ],
    "a listing that goes before it was created": [
        load("2024-01-03", *PLACES, listing(A, "2024-02-20"), listing(C)),
        run("2024-01-04"),
        load("2024-01-16", *PLACES, listing(C)),
        run("2024-03-12"),
    ],
    "everything is deleted": [
        load("2024-01-15", *BASE, STAY, VIEW),
        run("2024-01-16"),
        load("2024-01-17"),
        run("2024-02-20"),
    ],
}
"""Name -> history. All instants are UTC."""
