"""The curated layer by hand: the record of history, valid locations, the quarantine and the way out of it."""

from __future__ import annotations

import json
from datetime import datetime

from warehouse.conftest import House
from warehouse.rows import listing, place, stay, view

VERSIONS = "select apartment_id, valid_from, valid_to, price from curated.listing_versions"
REJECTED = "select booking_id, reason from curated.rejected_bookings"


def test_only_the_first_version_reaches_back_and_a_second_life_does_not(house: House) -> None:
    house.load("2024-01-10", listing(1, "1.00", listed="2024-01-01 08:00"))
    house.run("2024-01-10")
    house.load("2024-01-12", listing(1, "2.00", listed="2023-06-01"))
    house.load("2024-01-14")
    house.run("2024-01-14")
    house.load("2024-01-16", listing(1, "3.00", listed="2024-01-01"))
    house.run("2024-01-16")
    assert house.ask(VERSIONS) == [
        "1 2024-01-01 08:00:00 2024-01-12 00:00:00 1.00",
        "1 2024-01-12 00:00:00 2024-01-14 00:00:00 2.00",
        "1 2024-01-16 00:00:00 null 3.00",
    ]


def test_of_two_changes_at_one_instant_the_last_stays(house: House) -> None:
    house.load("2024-01-10", listing(1, "1.00", listed="2024-01-05"))
    house.run("2024-01-10")
    house.load("2024-01-10", listing(1, "2.00", listed="2024-01-01"))
    house.run("2024-01-10")
    assert house.ask(VERSIONS) == ["1 2024-01-01 00:00:00 null 2.00"]


def test_a_listing_that_never_lived_is_unknown_again(house: House) -> None:
    booking = stay(1, "2024-01-02", "2024-02-01", "2024-02-02")
    house.load("2024-01-10", listing(1), booking, view(1, "2024-01-03"))
    house.run("2024-01-10")
    assert house.ask(REJECTED) == []
    house.load("2024-01-10", booking, view(1, "2024-01-03"))
    house.run("2024-01-10")
    assert house.ask(VERSIONS) == []
    assert house.ask(REJECTED) == ["1 unknown_listing"]
    assert house.ask("select viewing_id, reason from curated.rejected_views") == ["1 unknown_listing"]


def test_history_outlives_landing(house: House) -> None:
    house.load("2024-01-10", listing(1, "1.00"), listing(2, "5.00"))
    house.load("2024-01-12", listing(1, "2.00"), listing(2, "5.00"))
    house.load("2024-01-13", listing(1, "2.00"))
    house.run("2024-01-14")
    house.warehouse.resync("apartments", datetime(2024, 1, 20))
    assert house.run("2024-01-21") == "stopped"
    assert "apartments" in house.warehouse.last_error
    assert house.run("2024-01-21", "full") == "stopped"
    assert house.run("2024-01-21", "accept_reseed") == "published"
    assert house.ask(VERSIONS) == [
        "1 2024-01-10 00:00:00 2024-01-12 00:00:00 1.00",
        "1 2024-01-12 00:00:00 2024-01-20 00:00:00 2.00",
        "1 2024-01-20 00:00:00 null 2.00",
        "2 2024-01-10 00:00:00 2024-01-13 00:00:00 5.00",
    ]
    assert house.run("2024-01-22") == "published"


def test_a_deleted_listing_keeps_its_place(house: House) -> None:
    booking = stay(1, "2024-01-02", "2024-02-01", "2024-02-02")
    house.load("2024-01-01", listing(1), place(1, " Austin\n"), booking)
    house.load("2024-01-05", booking)
    house.run("2024-01-08")
    query = "select state, cityname, bookings from presentation.popular_locations_weekly"
    assert house.ask(query) == ["Texas Austin 1"]


def test_every_reason_and_the_whole_row(house: House) -> None:
    house.load(
        "2024-01-01",
        listing(1),
        stay(1, "2024-01-02", "2024-02-02", "2024-02-02", "-0.01", currency="E1", booking_status='lost "it"'),
        stay(2, "2024-01-02", "2024-02-01", "2024-02-02", None, apartment_id=None),
        stay(3, "2024-01-02", "2024-02-01", "2024-02-02", apartment_id=9),
        stay(4, "2024-02-02", "2024-02-01", "2024-02-02", currency="usd", booking_status="Confirmed\t"),
    )
    house.run("2024-03-01")
    assert house.ask(REJECTED) == [
        "1 negative_price",
        "1 reversed_stay",
        "1 unknown_currency",
        "1 unknown_status",
        "2 missing_key",
        "2 negative_price",
        "2 unknown_listing",
        "3 unknown_listing",
    ]
    assert house.ask(
        "select booking_id, currency, is_stay, is_booked_after_checkin from curated.bookings"
    ) == ["4 USD True True"]
    whole = house.ask(
        "select json_serialize(source_row) from curated.rejected_booking_rows where booking_id = 1"
    )
    assert json.loads(whole[0])["booking_status"] == 'lost "it"'
    assert json.loads(whole[0])["checkin_date"] == "2024-02-02"
    assert house.ask("select rejected_rows from presentation.freshness") == ["3"]


def test_bookings_leave_the_quarantine(house: House) -> None:
    unknown = stay(1, "2024-01-02", "2024-02-01", "2024-02-02", apartment_id=2)
    wrong = stay(2, "2024-01-02", "2024-02-01", "2024-02-01")
    house.load("2024-01-01", listing(1), unknown, wrong, view(1, "2024-01-02", apartment_id=2))
    house.run("2024-01-08")
    assert house.ask(REJECTED) == ["1 unknown_listing", "2 reversed_stay"]
    right = stay(2, "2024-01-02", "2024-02-01", "2024-02-03")
    house.load("2024-01-05", listing(1), listing(2), unknown, right, view(1, "2024-01-02", apartment_id=2))
    house.run("2024-01-08")
    assert house.ask(REJECTED) == []
    assert house.ask("select count(*) from curated.rejected_booking_rows") == ["0"]
    assert house.ask("select count(*) from curated.user_viewings") == ["1"]
    assert house.ask("select sum(bookings) from presentation.top_listings_weekly") == ["2"]
    accounts = "select table_name, landing_rows, curated_rows, rejected_rows from ops.accounts"
    assert house.ask(accounts) == ["bookings 2 2 0", "user_viewing 1 1 0"]
