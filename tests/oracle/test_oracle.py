"""The oracle against results that were worked out by hand from the spec. 2024-01-01 is a Monday."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from oracle.metrics import COLUMNS, VIEWS, Row, rank, ratio, round_half_away, week_start
from oracle.oracle import Oracle
from oracle.record import (
    booking_reasons,
    currency_code,
    is_code,
    is_stay,
    is_valid_location,
    trim,
    view_reasons,
)
from oracle.source import (
    Apartment,
    Attributes,
    Booking,
    Landing,
    Rate,
    Viewing,
    read_csv,
    snapshot,
    write_csv,
)

D = Decimal


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def day(text: str) -> date:
    return date.fromisoformat(text)


def listing(id: int = 1, **values: Any) -> Apartment:
    return Apartment(id, **{"listing_created_on": at("2024-01-01"), **values})


def stay(id: int, booked: str, checkin: str, checkout: str, **values: Any) -> Booking:
    return Booking(
        id, booking_date=at(booked), checkin_date=day(checkin), checkout_date=day(checkout), **values
    )


def after(as_of: str, *rows: Any, loaded: str = "2024-01-01") -> Oracle:
    """One load and one run."""
    oracle = Oracle()
    oracle.load(snapshot(*rows), at(loaded))
    assert oracle.run(at(as_of)) == "published"
    return oracle


def rows(oracle: Oracle, view: str) -> list[Row]:
    return sorted(oracle.rows(view), key=repr)


def versions(oracle: Oracle) -> list[tuple[int, str, str | None]]:
    """(listing, valid_from, valid_to) as short texts."""
    return sorted(
        (
            v.apartment_id,
            v.valid_from.isoformat(" ", "minutes"),
            v.valid_to and v.valid_to.isoformat(" ", "minutes"),
        )
        for v in oracle.record.all_versions()
    )


# Conventions


@pytest.mark.parametrize(
    ("value", "places", "rounded"),
    [
        (Fraction(5, 1000), 2, "0.01"),
        (Fraction(-5, 1000), 2, "-0.01"),
        (Fraction(4999, 1000000), 2, "0.00"),
        (Fraction(15, 1000), 2, "0.02"),
        (Fraction(25, 1000), 2, "0.03"),
        (Fraction(2, 3), 6, "0.666667"),
        (Fraction(3), 2, "3.00"),
    ],
)
def test_halves_are_rounded_away_from_zero(value: Fraction, places: int, rounded: str) -> None:
    assert str(round_half_away(value, places)) == rounded


def test_a_rate_over_nothing_is_null() -> None:
    assert ratio(0, 0, 6) is None
    assert ratio(1, 3, 6) == D("0.333333")


@pytest.mark.parametrize(
    ("day_", "monday"),
    [
        ("2024-01-01", "2024-01-01"),
        ("2023-12-31", "2023-12-25"),
        # A week may belong to two years.
        ("2025-01-01", "2024-12-30"),
        ("2024-03-10", "2024-03-04"),
    ],
)
def test_weeks_start_on_monday(day_: str, monday: str) -> None:
    assert week_start(day(day_)) == day(monday)
    # UTC has no summer time: the last microsecond of the day belongs to the same week.
    assert week_start(at(f"{day_} 23:59:59.999999")) == day(monday)


def test_rank_skips_after_a_tie() -> None:
    assert rank([5, 7, 5, 3]) == {7: 1, 5: 2, 3: 4}


def test_trimming_knows_four_blanks_only() -> None:
    assert trim(" \t\r\nAustin \n") == "Austin"
    assert trim("\u00a0Austin\u2003") == "\u00a0Austin\u2003"


@pytest.mark.parametrize(
    ("text", "code"),
    [("usd", True), (" eur\t", True), ("E1", False), ("EU", False), ("", False), (None, False)],
)
def test_currency_codes(text: str | None, code: bool) -> None:
    assert is_code(currency_code(text)) is code


# Curated rules


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ({}, True),
        ({"cityname": " \t"}, False),
        ({"cityname": None}, False),
        ({"state": ""}, False),
        ({"state": None}, False),
        ({"latitude": None}, False),
        ({"longitude": None}, False),
        ({"latitude": D(0), "longitude": D(0)}, False),
        ({"latitude": D(0)}, True),
        ({"longitude": D(0)}, True),
        ({"latitude": D(90), "longitude": D(-180)}, True),
        ({"latitude": D("90.000001")}, False),
        ({"longitude": D("-180.000001")}, False),
    ],
)
def test_valid_locations(values: dict[str, Any], valid: bool) -> None:
    assert is_valid_location(Attributes(1, **values)) is valid


GOOD = stay(1, "2024-01-02", "2024-01-05", "2024-01-07")


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({}, set()),
        ({"user_id": None}, {"missing_key"}),
        ({"apartment_id": None}, {"missing_key", "unknown_listing"}),
        ({"apartment_id": 9}, {"unknown_listing"}),
        ({"booking_date": None}, {"missing_key"}),
        ({"checkin_date": None}, {"missing_key"}),
        ({"checkout_date": None}, {"missing_key"}),
        ({"checkout_date": day("2024-01-05")}, {"reversed_stay"}),
        ({"checkout_date": day("2024-01-04")}, {"reversed_stay"}),
        ({"total_price": None}, {"negative_price"}),
        ({"total_price": D("-0.01")}, {"negative_price"}),
        ({"total_price": D(0)}, set()),
        ({"currency": None}, {"unknown_currency"}),
        ({"currency": "E1"}, {"unknown_currency"}),
        ({"currency": "eur"}, set()),
        ({"booking_status": None}, {"unknown_status"}),
        ({"booking_status": "cancelled"}, {"unknown_status"}),
        ({"booking_status": " Canceled\n"}, set()),
        # Booked after the check-in: a warning, no rejection.
        ({"booking_date": at("2024-01-06")}, set()),
        (
            {"user_id": None, "total_price": D(-1), "currency": "", "booking_status": ""},
            {"missing_key", "negative_price", "unknown_currency", "unknown_status"},
        ),
    ],
)
def test_bookings_are_rejected_with_every_reason(values: dict[str, Any], reasons: set[str]) -> None:
    assert booking_reasons(Booking(**{**GOOD.__dict__, **values}), {1}) == reasons


def test_views_are_rejected() -> None:
    good = {"user_id": 1, "apartment_id": 1, "viewed_at": at("2024-01-01")}
    assert view_reasons(Viewing(1, **good), {1}) == set()
    assert view_reasons(Viewing(1, **{**good, "viewed_at": None}), {1}) == {"missing_key"}
    assert view_reasons(Viewing(1, **{**good, "user_id": None}), set()) == {"missing_key", "unknown_listing"}
    assert view_reasons(Viewing(1, **{**good, "apartment_id": None}), {1}) == {
        "missing_key",
        "unknown_listing",
    }


@pytest.mark.parametrize(
    ("status", "payment", "counts"),
    [
        ("confirmed", "paid", True),
        (" Confirmed ", "PAID\t", True),
        ("confirmed", None, True),
        ("confirmed", " ", False),
        ("confirmed", "unpaid", False),
        ("pending", "paid", False),
    ],
)
def test_what_is_a_stay(status: str, payment: str | None, counts: bool) -> None:
    assert is_stay(Booking(1, booking_status=status, payment_status=payment)) is counts


# The record of history


def test_only_the_first_version_is_extended_back() -> None:
    oracle = Oracle()
    oracle.load(snapshot(listing(price=D(1))), at("2024-02-01"))
    oracle.load(snapshot(listing(price=D(2))), at("2024-02-05 10:00"))
    oracle.run(at("2024-03-01"))
    assert versions(oracle) == [
        (1, "2024-01-01 00:00", "2024-02-05 10:00"),
        (1, "2024-02-05 10:00", None),
    ]


def test_a_listing_created_later_than_it_appears_is_not_extended() -> None:
    oracle = after("2024-03-01", listing(listing_created_on=at("2024-02-10")), loaded="2024-02-01")
    assert versions(oracle) == [(1, "2024-02-01 00:00", None)]
    oracle = after("2024-03-01", listing(listing_created_on=None), loaded="2024-02-01")
    assert versions(oracle) == [(1, "2024-02-01 00:00", None)]


def test_a_listing_inserted_again_is_not_extended_again() -> None:
    oracle = Oracle()
    oracle.load(snapshot(listing()), at("2024-02-01"))
    oracle.load(snapshot(), at("2024-02-10"))
    oracle.load(snapshot(listing()), at("2024-02-20"))
    oracle.run(at("2024-03-01"))
    assert versions(oracle) == [
        (1, "2024-01-01 00:00", "2024-02-10 00:00"),
        (1, "2024-02-20 00:00", None),
    ]


def test_of_two_changes_at_one_instant_the_last_stays() -> None:
    oracle = Oracle()
    oracle.load(snapshot(listing(price=D(1))), at("2024-02-01"))
    oracle.load(snapshot(listing(price=D(2))), at("2024-02-05"))
    oracle.run(at("2024-02-05"))
    oracle.load(snapshot(listing(price=D(3))), at("2024-02-05"))
    oracle.run(at("2024-03-01"))
    assert [(v.price, v.valid_from) for v in oracle.record.all_versions()] == [
        (D(1), at("2024-01-01")),
        (D(3), at("2024-02-05")),
    ]


def test_the_first_version_that_has_a_length_is_the_one_extended() -> None:
    oracle = Oracle()
    oracle.load(snapshot(listing(price=D(1))), at("2024-02-01"))
    oracle.load(snapshot(listing(price=D(2))), at("2024-02-01"))
    oracle.run(at("2024-03-01"))
    assert [(v.price, v.valid_from) for v in oracle.record.all_versions()] == [(D(2), at("2024-01-01"))]


def test_the_record_outlives_a_reseed() -> None:
    oracle = Oracle()
    oracle.load(snapshot(listing(1, price=D(1)), listing(2), listing(3)), at("2024-02-01"))
    oracle.load(snapshot(listing(1, price=D(2)), listing(3)), at("2024-02-05"))
    assert oracle.run(at("2024-02-06")) == "published"
    # Between the last run and the copy: 1 changes, 3 is deleted, 4 appears. Nobody will ever know when.
    oracle.load(snapshot(listing(1, price=D(3)), listing(4)), at("2024-02-10"))
    oracle.resync("apartments", at("2024-02-20"))
    before = versions(oracle)
    assert oracle.run(at("2024-03-01")) == "stopped"
    assert versions(oracle) == before
    assert oracle.run(at("2024-03-01"), "full") == "stopped"
    assert oracle.run(at("2024-03-01"), "accept_reseed") == "published"
    assert versions(oracle) == [
        (1, "2024-01-01 00:00", "2024-02-05 00:00"),
        (1, "2024-02-05 00:00", "2024-02-20 00:00"),
        (1, "2024-02-20 00:00", None),
        (2, "2024-01-01 00:00", "2024-02-05 00:00"),
        (3, "2024-01-01 00:00", None),
        (4, "2024-01-01 00:00", None),
    ]
    assert oracle.run(at("2024-03-01"), "full") == "published"


def test_a_deleted_listing_keeps_its_past_and_its_place() -> None:
    oracle = Oracle()
    oracle.load(
        snapshot(listing(), Attributes(1), stay(1, "2024-01-02", "2024-01-05", "2024-01-07")),
        at("2024-01-01"),
    )
    oracle.load(snapshot(stay(1, "2024-01-02", "2024-01-05", "2024-01-07")), at("2024-01-06 12:00"))
    oracle.run(at("2024-02-01"))
    # Nights 1 to 5; the listing goes on the 6th, so of the stay's two nights only the first was available.
    assert rows(oracle, "occupancy_rate_monthly") == [
        (day("2024-01-01"), "Texas", "Austin", 5, 1, D("0.200000"), 0)
    ]
    assert oracle.curated is not None and oracle.curated.rejected_bookings == set()


def test_a_booking_leaves_the_quarantine_when_its_listing_appears() -> None:
    booking = stay(1, "2024-01-02", "2024-01-05", "2024-01-07")
    oracle = after("2024-01-10", booking)
    assert oracle.curated is not None and oracle.curated.rejected_bookings == {(1, "unknown_listing")}
    oracle.load(snapshot(booking, listing()), at("2024-01-11"))
    oracle.run(at("2024-01-12"))
    assert oracle.curated is not None and oracle.curated.rejected_bookings == set()


# Runs


def test_a_run_before_the_last_one_changes_nothing_unless_it_rewinds() -> None:
    oracle = after("2024-01-20", listing(), stay(1, "2024-01-15", "2024-02-01", "2024-02-02"))
    published = oracle.published
    assert oracle.run(at("2024-01-19 23:59:59")) == "superseded"
    assert oracle.published is published
    assert oracle.run(at("2024-01-20")) == "published"
    assert oracle.run(at("2024-01-10"), "rewind") == "published"
    assert oracle.rows("top_listings_weekly") == []
    assert oracle.run(at("2024-01-19")) == "published"


def test_a_failed_publish_leaves_the_last_good_state() -> None:
    oracle = after("2024-01-20", listing())
    oracle.load(snapshot(listing(), stay(1, "2024-01-15", "2024-02-01", "2024-02-02")), at("2024-01-21"))
    assert oracle.run(at("2024-01-22"), publish_fails=True) == "failed"
    assert oracle.rows("top_listings_weekly") == []
    assert oracle.run(at("2024-01-22")) == "published"
    assert len(oracle.rows("top_listings_weekly")) == 1


def test_a_booking_at_exactly_as_of_counts() -> None:
    booking = stay(1, "2024-01-15 10:00:00", "2024-02-01", "2024-02-02")
    assert len(after("2024-01-15 10:00:00", listing(), booking).rows("bookings_per_user_weekly")) == 1
    assert after("2024-01-15 09:59:59", listing(), booking).rows("bookings_per_user_weekly") == []


# The metrics


def test_average_listing_price() -> None:
    oracle = Oracle()
    places = [Attributes(1), Attributes(2, cityname=" Austin\t"), Attributes(3), Attributes(4, latitude=None)]
    rates = [Rate("EUR", day("2024-01-07"), D("1.1")), Rate("EUR", day("2024-01-10"), D("1.25"))]
    old = at("2023-12-31 23:59:59")
    first = [
        listing(1, price=D("100.00"), listing_created_on=old),
        listing(2, price=D("100.01")),
        listing(3, price=D("80.00"), currency="eur"),
        listing(4, price=D("1.00")),
    ]
    oracle.load(snapshot(*first, *places, *rates), at("2024-01-01"))
    # On Tuesday of the second week one goes, one has no price any more.
    second = [
        listing(1, price=None, listing_created_on=old),
        listing(2, price=D("100.01")),
        listing(3, price=D("80.00"), currency="eur", is_active=False),
        listing(4),
    ]
    oracle.load(snapshot(*second, *places, *rates), at("2024-01-09"))
    oracle.run(at("2024-01-08 12:00"))
    week1 = [
        # (100 + 100.01) / 2 = 100.005: away from zero.
        (day("2024-01-01"), "Texas", "Austin", "USD", 2, D("100.01"), D("100.01"), 1, D("100.01")),
        (day("2024-01-01"), "Texas", "Austin", "EUR", 1, D("80.00"), D("88.00"), 1, D("80.00")),
    ]
    # Extended back to 2023: listing 1 alone is in force on the last Sunday of the year, and new in its week.
    week0 = [(day("2023-12-25"), "Texas", "Austin", "USD", 1, D("100.00"), D("100.00"), 1, D("100.00"))]
    running = [
        (day("2024-01-08"), "Texas", "Austin", "EUR", 1, D("80.00"), D("88.00"), 0, None),
        (day("2024-01-08"), "Texas", "Austin", "USD", 2, D("100.01"), D("100.01"), 0, None),
    ]
    assert rows(oracle, "average_listing_price_weekly") == sorted(week0 + week1 + running, key=repr)
    oracle.run(at("2024-01-09"))
    assert [row for row in oracle.rows("average_listing_price_weekly") if row[0] == day("2024-01-08")] == [
        (day("2024-01-08"), "Texas", "Austin", "USD", 2, D("100.01"), D("100.01"), 0, None)
    ]


def test_listings_without_a_code_form_groups_of_their_own() -> None:
    oracle = after(
        "2024-01-01",
        *(listing(number, currency=c) for number, c in enumerate([None, "E1", "e1 ", "XXX", "USD"], 1)),
        *(Attributes(number) for number in range(1, 6)),
        # A rate for what is no code is no rate.
        Rate("E1", day("2023-01-01"), D(2)),
    )
    assert {(row[3], row[4], row[6]) for row in oracle.rows("average_listing_price_weekly")} == {
        (None, 1, None),
        ("E1", 2, None),
        ("XXX", 1, None),
        ("USD", 1, D("100.00")),
    }


def test_the_version_at_the_end_of_sunday_counts() -> None:
    oracle = Oracle()
    oracle.load(snapshot(listing(price=D(1)), Attributes(1)), at("2024-01-01"))
    oracle.load(snapshot(listing(price=D(2)), Attributes(1)), at("2024-01-08"))
    oracle.run(at("2024-01-08"))
    # The first version ends exactly at the end of Sunday: it is in force there, the second is not.
    assert [(row[0], row[5]) for row in oracle.rows("average_listing_price_weekly")] == [
        (day("2024-01-01"), D("1.00")),
        (day("2024-01-08"), D("2.00")),
    ]


def test_occupancy_counts_available_nights_once_and_splits_months() -> None:
    oracle = after(
        "2024-02-03 08:00",
        listing(1, listing_created_on=at("2024-01-30 15:00")),
        Attributes(1),
        stay(1, "2024-01-01", "2024-01-29", "2024-02-01"),
        stay(2, "2024-01-01", "2024-01-31", "2024-02-02"),
        stay(3, "2024-01-01", "2024-01-30", "2024-01-31", payment_status="unpaid"),
        stay(4, "2024-02-03 08:00:01", "2024-02-02", "2024-02-03"),
        loaded="2024-02-03",
    )
    # Nights 30 and 31 January (29th: not yet listed), 1 and 2 February; as_of's own night has not ended.
    assert rows(oracle, "occupancy_rate_monthly") == [
        (day("2024-01-01"), "Texas", "Austin", 2, 2, D("1.000000"), 1),
        (day("2024-02-01"), "Texas", "Austin", 2, 1, D("0.500000"), 0),
    ]


def test_popular_locations_share_ranks() -> None:
    cities = [(1, "Austin"), (2, "Boise"), (3, "austin"), (4, "Reno")]
    booked = {1: 2, 2: 2, 3: 1, 4: 3}
    numbers = iter(range(1, 100))
    oracle = after(
        "2024-01-31",
        *(listing(id) for id, _ in cities),
        *(Attributes(id, cityname=name, state="X") for id, name in cities),
        *(
            stay(next(numbers), "2024-01-07 23:59:59", "2024-03-01", "2024-03-03", apartment_id=id)
            for id, count in booked.items()
            for _ in range(count)
        ),
        stay(99, "2024-01-08", "2024-03-01", "2024-03-02", apartment_id=3),
    )
    assert rows(oracle, "popular_locations_weekly") == sorted(
        [
            (day("2024-01-01"), "X", "Reno", 3, 6, 1),
            (day("2024-01-01"), "X", "Austin", 2, 4, 2),
            (day("2024-01-01"), "X", "Boise", 2, 4, 2),
            (day("2024-01-01"), "X", "austin", 1, 2, 4),
            (day("2024-01-08"), "X", "austin", 1, 1, 1),
        ],
        key=repr,
    )


def test_top_views_end_at_rank_ten_with_ties() -> None:
    # Twelve listings with 12, 11, 10, ... 3, 3, 3 dollars: the last three share rank 10.
    dollars = [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 3, 3, 2]
    oracle = after(
        "2024-01-31",
        *(listing(id) for id in range(1, 14)),
        *(Attributes(id, cityname=f"C{id}") for id in range(1, 14)),
        *(
            stay(id, "2024-01-02", "2024-03-01", "2024-03-02", apartment_id=id, total_price=D(price))
            for id, price in enumerate(dollars, 1)
        ),
    )
    assert len(oracle.rows("top_listings_weekly")) == 13
    assert sorted(row[5] for row in oracle.rows("top_performing_listings_weekly")) == [
        *range(1, 10),
        10,
        10,
        10,
    ]
    # Thirteen cities with one booking each are all first.
    assert [row[5] for row in oracle.rows("top_locations_weekly")] == [1] * 13


def test_revenue_in_dollars() -> None:
    def sold(id: int, apartment: int, price: str, currency: str, booked: str = "2024-01-03") -> Booking:
        return stay(
            id,
            booked,
            "2024-03-01",
            "2024-03-02",
            apartment_id=apartment,
            total_price=D(price),
            currency=currency,
        )

    oracle = after(
        "2024-01-31",
        *(listing(id) for id in range(1, 6)),
        Rate("EUR", day("2024-01-03"), D("1.00500000")),
        Rate("EUR", day("2024-01-04"), D("2")),
        Rate("GBP", day("2024-01-04"), D("1.3")),
        Rate("GBP", day("2024-01-02"), None),
        Rate("USD", day("2024-01-01"), D("7")),
        # 1.005 + 1.005 = 2.01: rounded once, after the sum.
        sold(1, 1, "1.00", "eur"),
        sold(2, 1, "1.00", "EUR", "2024-01-03 23:59:59"),
        # No rate on the day or before: neither 1 nor 0.
        sold(3, 2, "50.00", "GBP"),
        sold(4, 3, "2.01", "USD"),
        sold(5, 3, "9.99", "GBP"),
        sold(6, 4, "0.00", "USD"),
        sold(7, 5, "1.005", "USD"),
    )
    week = day("2024-01-01")
    assert rows(oracle, "top_listings_weekly") == [
        (week, 1, 2, D("2.01"), 0, 1),
        (week, 2, 1, None, 1, None),
        (week, 3, 2, D("2.01"), 1, 1),
        (week, 4, 1, D("0.00"), 0, 4),
        (week, 5, 1, D("1.01"), 0, 3),
    ]
    assert [row[1] for row in oracle.rows("top_performing_listings_weekly")].count(2) == 0


def test_bookings_per_user() -> None:
    def booked(id: int, user: int, **values: Any) -> Booking:
        return stay(id, "2024-12-31", "2025-03-01", "2025-03-02", user_id=user, **values)

    oracle = after(
        "2025-01-31",
        listing(),
        booked(1, 1),
        booked(2, 1, booking_status="pending"),
        booked(3, 2, booking_status="canceled"),
        booked(4, 3, currency="GBP"),
        booked(5, 4, apartment_id=77),
    )
    week = day("2024-12-30")
    assert rows(oracle, "bookings_per_user_weekly") == [
        (week, 1, 1, 2, D("100.00")),
        (week, 2, 0, 1, D("0.00")),
        (week, 3, 1, 1, None),
    ]


def test_average_duration_by_month_of_checkin() -> None:
    oracle = after(
        "2024-02-01 00:00",
        listing(),
        Attributes(1),
        stay(1, "2024-01-02", "2024-01-31", "2024-02-02"),
        stay(2, "2024-01-02", "2024-01-31", "2024-02-03"),
        stay(3, "2024-01-02", "2024-02-01", "2024-02-02"),
        stay(4, "2024-01-02", "2024-02-02", "2024-02-03"),
    )
    assert rows(oracle, "average_booking_duration_monthly") == [
        (day("2024-01-01"), "Texas", "Austin", 2, 5, D("2.50")),
        (day("2024-02-01"), "Texas", "Austin", 1, 1, D("1.00")),
    ]


def test_repeat_customers_in_thirty_days() -> None:
    oracle = after(
        "2024-03-02 12:00",
        listing(),
        stay(1, "2024-01-01 23:00", "2024-05-01", "2024-05-02", user_id=1),
        stay(2, "2024-01-30 01:00", "2024-05-01", "2024-05-02", user_id=1),
        stay(3, "2024-01-31 10:00", "2024-05-01", "2024-05-02", user_id=2),
        stay(4, "2024-01-31 11:00", "2024-05-01", "2024-05-02", user_id=2),
    )
    table = {row[0]: row[1:] for row in oracle.rows("repeat_customer_rate_daily")}
    assert len(table) == 31 + 29 + 2  # every day from 1 January to 2 March
    assert table[day("2024-01-01")] == (1, 0, D("0.000000"))
    # 30 January looks back to 1 January, 31 January does not.
    assert table[day("2024-01-30")] == (1, 1, D("1.000000"))
    assert table[day("2024-01-31")] == (2, 1, D("0.500000"))
    assert table[day("2024-02-28")] == (2, 1, D("0.500000"))
    assert table[day("2024-02-29")] == (1, 1, D("1.000000"))
    assert table[day("2024-03-01")] == (0, 0, None)


def test_engagement() -> None:
    def seen(id: int, user: int, **values: Any) -> Viewing:
        return Viewing(id, user, **{"viewed_at": at("2024-01-07 23:59:59"), **values})

    oracle = after(
        "2024-01-31",
        listing(),
        Attributes(1),
        seen(1, 1, is_wishlisted=True, call_to_action=" \t"),
        seen(2, 1, is_wishlisted=None, call_to_action="Contact Agent"),
        seen(3, 2),
        seen(4, 2, viewed_at=at("2024-01-31 00:00:01")),
        seen(5, 2, viewed_at=at("2024-01-31")),
        *(stay(number, "2024-01-01", "2024-02-01", "2024-02-02") for number in range(1, 6)),
    )
    assert rows(oracle, "listing_engagement_weekly") == [
        (day("2024-01-01"), "Texas", "Austin", 3, 2, D("0.333333"), D("0.333333"), 5, D("1.666667")),
        (day("2024-01-29"), "Texas", "Austin", 1, 1, D("0.000000"), D("0.000000"), 0, D("0.000000")),
    ]


def test_every_view_has_as_many_columns_as_it_names() -> None:
    oracle = after(
        "2024-02-10",
        listing(),
        Attributes(1),
        stay(1, "2024-01-02", "2024-01-05", "2024-01-07"),
        Viewing(1, viewed_at=at("2024-01-02")),
    )
    assert set(COLUMNS) == set(VIEWS)
    for view in VIEWS:
        assert {len(row) for row in oracle.rows(view)} == {len(COLUMNS[view])}, view


# The model of landing


def test_landing_keeps_history() -> None:
    landing = Landing()
    landing.load(snapshot(listing(1), listing(2), listing(3)), at("2024-01-01"))
    landing.load(snapshot(listing(1), listing(2, price=D(5))), at("2024-01-02"))
    table = {(v.row.id, v.created, v.deleted) for v in landing.tables["apartments"]}
    assert table == {
        (1, at("2024-01-01"), None),
        (2, at("2024-01-01"), at("2024-01-02")),
        (2, at("2024-01-02"), None),
        (3, at("2024-01-01"), at("2024-01-02")),
    }
    assert landing.newest_change() == at("2024-01-02")


def test_a_snapshot_survives_its_files(tmp_path: Path) -> None:
    source = snapshot(
        listing(1, title='a "b",\nc', price=None, is_active=None),
        Attributes(1, cityname=" Austin\t", latitude=D("0.100000")),
        Viewing(1, viewed_at=at("2024-01-01 00:00:01"), is_wishlisted=True),
        stay(2**33, "2024-01-02 03:04:05", "2024-01-05", "2024-01-07", payment_status=None),
        Rate("EUR", day("2024-01-01"), D("1.10000000")),
    )
    write_csv(source, tmp_path)
    assert read_csv(tmp_path) == source
