"""Each metric on a few rows, against rows worked out by hand from the spec of the rental metrics, section 4."""

from __future__ import annotations

from warehouse.conftest import House
from warehouse.rows import listing, place, rate, stay, view

PRICES = (
    "select week_start, cityname, currency, active_listings, avg_price, avg_price_usd, new_listings,"
    " new_listing_avg_price from presentation.average_listing_price_weekly"
)
OCCUPANCY = (
    "select month_start, available_nights, booked_nights, occupancy_rate, overbooked_nights"
    " from presentation.occupancy_rate_monthly"
)


# 1. average_listing_price_weekly


def test_a_null_price_is_counted_but_not_averaged(house: House) -> None:
    house.load(
        "2024-01-01", listing(1, "10.00"), listing(2, "10.01"), listing(3, None), place(1), place(2), place(3)
    )
    house.run("2024-01-03")
    # 20.01 / 2 = 10.005, half away from zero.
    assert house.ask(PRICES) == ["2024-01-01 Austin USD 3 10.01 10.01 0 null"]


def test_currencies_that_are_no_code_are_groups_without_dollars(house: House) -> None:
    rows = [
        listing(1, currency="usd"),
        listing(2, currency=None),
        listing(3, currency="E1"),
        listing(4, currency="CHF"),
    ]
    house.load(
        "2024-01-01", *rows, *(place(number) for number in range(1, 5)), rate("E1", "2023-01-01", "2.0")
    )
    house.run("2024-01-03")
    assert house.ask(PRICES) == [
        "2024-01-01 Austin CHF 1 100.00 null 0 null",
        "2024-01-01 Austin E1 1 100.00 null 0 null",
        "2024-01-01 Austin USD 1 100.00 100.00 0 null",
        "2024-01-01 Austin null 1 100.00 null 0 null",
    ]


def test_full_weeks_are_taken_at_the_sundays_end_the_running_one_at_as_of(house: House) -> None:
    house.load(
        "2024-01-03",
        listing(1, "100.00", listed="2023-12-31 23:59"),
        place(1),
        rate("EUR", "2024-01-07", "2"),
    )
    # Ends at the very end of Sunday the 7th: at 2024-01-08 00:00 the second version begins.
    house.load(
        "2024-01-08",
        listing(1, "100.00", "2023-12-31 23:59", currency="EUR"),
        place(1),
        rate("EUR", "2024-01-07", "2"),
    )
    house.load(
        "2024-01-10",
        listing(1, "300.00", "2023-12-31 23:59", currency="EUR"),
        place(1),
        rate("EUR", "2024-01-07", "2"),
        rate("EUR", "2024-01-11", "3"),
    )
    house.run("2024-01-09 23:59:59")
    assert house.ask(PRICES) == [
        "2023-12-25 Austin USD 1 100.00 100.00 1 100.00",
        "2024-01-01 Austin USD 1 100.00 100.00 0 null",
        # On the 9th the price was still 100, and the rate still 2.
        "2024-01-08 Austin EUR 1 100.00 200.00 0 null",
    ]
    house.run("2024-01-11")
    assert house.ask(PRICES)[-1] == "2024-01-08 Austin EUR 1 300.00 900.00 0 null"


def test_a_version_that_ends_between_as_of_and_the_weeks_end_counts(house: House) -> None:
    house.load("2024-01-01", listing(1), place(1))
    house.load("2024-01-05", listing(1, is_active=False), place(1))
    house.run("2024-01-04")
    assert house.ask(PRICES) == ["2024-01-01 Austin USD 1 100.00 100.00 0 null"]
    house.run("2024-01-05")
    assert house.ask(PRICES) == []


# 2. occupancy_rate_monthly


def test_stays_are_split_at_months_and_doubled_nights_count_once(house: House) -> None:
    house.load(
        "2024-01-01",
        listing(1, listed="2024-01-01"),
        place(1),
        stay(1, "2024-01-01", "2024-01-30", "2024-02-03"),
        stay(2, "2024-01-01", "2024-02-02", "2024-02-05"),
    )
    house.run("2024-02-11")
    assert house.ask(OCCUPANCY) == [
        "2024-01-01 31 2 0.064516 0",
        # Nights 1 to 10: booked are 1, 2 (both stays), 3 and 4.
        "2024-02-01 10 4 0.400000 1",
    ]


def test_only_available_nights_can_be_booked(house: House) -> None:
    booked = stay(1, "2024-01-01", "2024-01-01", "2024-02-01")
    house.load("2024-01-01", listing(1), place(1), booked)
    house.load("2024-01-11", listing(1, is_active=False), place(1), booked)
    house.load("2024-01-21 12:00", listing(1), place(1), booked)
    house.run("2024-01-25")
    # Available: nights 1-10 and 21-24 (in force at the end of the 21st).
    assert house.ask(OCCUPANCY) == ["2024-01-01 14 14 1.000000 0"]


# 3. popular_locations_weekly, 4. top_listings_weekly


def test_ties_share_a_rank_and_the_next_one_is_skipped(house: House) -> None:
    cities = {1: "Austin", 2: "Boise", 3: "Cary"}
    stays = [
        stay(number, "2024-01-02", "2024-02-01", "2024-02-04", apartment_id=apartment)
        for number, apartment in enumerate((1, 1, 2, 2, 3), start=1)
    ]
    house.load(
        "2024-01-01", *(listing(n) for n in cities), *(place(n, city) for n, city in cities.items()), *stays
    )
    house.run("2024-01-08")
    query = "select week_start, cityname, bookings, nights, location_rank from presentation.popular_locations_weekly"
    assert house.ask(query) == ["2024-01-01 Austin 2 6 1", "2024-01-01 Boise 2 6 1", "2024-01-01 Cary 1 3 3"]


def test_weeks_do_not_end_with_the_year(house: House) -> None:
    house.load(
        "2024-12-01",
        listing(1),
        place(1),
        stay(1, "2024-12-30", "2025-02-01", "2025-02-02"),
        stay(2, "2025-01-05 23:59:59", "2025-02-01", "2025-02-02"),
        stay(3, "2025-01-06", "2025-02-01", "2025-02-02"),
    )
    house.run("2025-01-20")
    query = "select week_start, bookings from presentation.popular_locations_weekly"
    assert house.ask(query) == ["2024-12-30 2", "2025-01-06 1"]


def test_revenue_is_ranked_as_shown_and_null_has_no_rank(house: House) -> None:
    house.load(
        "2024-01-01",
        *(listing(number) for number in (1, 2, 3, 4)),
        rate("EUR", "2024-01-01", "1.00100000"),
        # 10.01 dollars, and 10.00 EUR at 1.001: 10.01 as shown.
        stay(1, "2024-01-02", "2024-02-01", "2024-02-02", "10.01", apartment_id=1),
        stay(2, "2024-01-02", "2024-02-01", "2024-02-02", "10.00", apartment_id=2, currency="EUR"),
        stay(3, "2024-01-02", "2024-02-01", "2024-02-02", "99.00", apartment_id=3, currency="CHF"),
        stay(4, "2024-01-02", "2024-02-01", "2024-02-02", "0.00", apartment_id=4),
        stay(5, "2024-01-02", "2024-02-01", "2024-02-02", "99.00", apartment_id=4, currency="CHF"),
    )
    house.run("2024-01-08")
    query = (
        "select apartment_id, bookings, revenue_usd, unconverted_bookings, revenue_rank from presentation."
    )
    assert house.ask(query + "top_listings_weekly") == [
        "1 1 10.01 0 1",
        "2 1 10.01 0 1",
        "3 1 null 1 null",
        "4 2 0.00 1 3",
    ]
    assert len(house.ask(query + "top_performing_listings_weekly")) == 3


def test_a_late_rate_changes_the_days_until_the_next_one(house: House) -> None:
    rows = [
        listing(1),
        stay(1, "2024-01-02", "2024-02-01", "2024-02-02", currency="EUR"),
        stay(2, "2024-01-09", "2024-02-01", "2024-02-02", currency="EUR"),
        stay(3, "2024-01-16", "2024-02-01", "2024-02-02", currency="EUR"),
    ]
    first, last = rate("EUR", "2024-01-01", "1"), rate("EUR", "2024-01-15", "3")
    query = "select week_start, revenue_usd from presentation.top_listings_weekly"
    house.load("2024-01-01", *rows, first, last)
    house.run("2024-01-20")
    assert house.ask(query) == ["2024-01-01 100.00", "2024-01-08 100.00", "2024-01-15 300.00"]
    house.load("2024-01-02", *rows, first, rate("EUR", "2024-01-08", "2"), last)
    house.run("2024-01-20")
    assert house.ask(query) == ["2024-01-01 100.00", "2024-01-08 200.00", "2024-01-15 300.00"]
    house.load("2024-01-03", *rows, rate("EUR", "2024-01-08", "2"), rate("EUR", "2024-01-15", None))
    house.run("2024-01-20")
    assert house.ask(query) == ["2024-01-01 null", "2024-01-08 200.00", "2024-01-15 200.00"]


# 5. bookings_per_user_weekly


def test_spending_is_zero_without_stays_and_null_when_nothing_converts(house: House) -> None:
    house.load(
        "2024-01-01",
        listing(1),
        stay(1, "2024-01-02", "2024-02-01", "2024-02-02", user_id=1, booking_status="pending"),
        stay(2, "2024-01-02", "2024-02-01", "2024-02-02", user_id=2, currency="CHF"),
        stay(3, "2024-01-02", "2024-02-01", "2024-02-02", user_id=3, payment_status=None),
        stay(4, "2024-01-02", "2024-02-01", "2024-02-02", user_id=3, payment_status=" "),
        stay(5, "2024-01-08 00:00:01", "2024-02-01", "2024-02-02", user_id=3),
    )
    house.run("2024-01-08")
    query = "select week_start, user_id, bookings, all_bookings, spend_usd from presentation.bookings_per_user_weekly"
    assert house.ask(query) == [
        "2024-01-01 1 0 1 0.00",
        "2024-01-01 2 1 1 null",
        "2024-01-01 3 1 2 100.00",
    ]
    # The booking of one second after as_of counts once as_of has reached it, although nothing has changed.
    house.run("2024-01-08 00:00:01")
    assert "2024-01-08 3 1 1 100.00" in house.ask(query)


# 6. average_booking_duration_monthly


def test_stays_count_from_the_day_of_their_check_in(house: House) -> None:
    house.load(
        "2024-01-01",
        listing(1),
        place(1),
        stay(1, "2024-01-01", "2024-01-31", "2024-02-05"),
        stay(2, "2024-01-01", "2024-01-31", "2024-02-01"),
        stay(3, "2024-01-01", "2024-02-01", "2024-02-02"),
    )
    query = "select month_start, stays, total_nights, avg_nights from presentation.average_booking_duration_monthly"
    house.run("2024-01-30")
    assert house.ask(query) == []
    house.run("2024-01-31")
    assert house.ask(query) == ["2024-01-01 2 6 3.00"]
    house.run("2024-02-01")
    assert house.ask(query) == ["2024-01-01 2 6 3.00", "2024-02-01 1 1 1.00"]


# 7. repeat_customer_rate_daily


def test_the_window_is_thirty_days_and_two_stays_on_a_day_repeat(house: House) -> None:
    house.load(
        "2024-01-01",
        listing(1),
        stay(1, "2024-01-01", "2024-06-01", "2024-06-02", user_id=1),
        stay(2, "2024-01-01 23:00", "2024-06-01", "2024-06-02", user_id=1),
        stay(3, "2024-01-30", "2024-06-01", "2024-06-02", user_id=2),
        stay(4, "2024-02-28", "2024-06-01", "2024-06-02", user_id=2),
    )
    house.run("2024-03-30")
    query = (
        "select day, customers, repeat_customers, repeat_rate from presentation.repeat_customer_rate_daily"
    )
    days = {row[:10]: row[11:] for row in house.ask(query)}
    assert len(days) == 31 + 29 + 30
    assert days["2024-01-01"] == "1 1 1.000000"
    assert days["2024-01-30"] == "2 1 0.500000"
    assert days["2024-01-31"] == "1 0 0.000000"
    # From the 30th of January to the 28th of February are 30 days.
    assert days["2024-02-28"] == "1 1 1.000000"
    assert days["2024-02-29"] == "1 0 0.000000"
    assert days["2024-03-28"] == "1 0 0.000000"
    assert days["2024-03-29"] == "0 0 null"


def test_the_first_day_moves_with_the_first_stay(house: House) -> None:
    late = stay(1, "2024-03-01", "2024-06-01", "2024-06-02")
    early = stay(2, "2024-01-01", "2024-06-01", "2024-06-02")
    query = "select min(day), max(day), count(*) from presentation.repeat_customer_rate_daily"
    house.load("2024-01-01", listing(1), late)
    house.run("2024-03-02")
    assert house.ask(query) == ["2024-03-01 2024-03-02 2"]
    house.load("2024-01-02", listing(1), late, early)
    house.run("2024-03-02")
    assert house.ask(query) == ["2024-01-01 2024-03-02 62"]
    house.load("2024-01-03", listing(1), late)
    house.run("2024-03-02")
    assert house.ask(query) == ["2024-03-01 2024-03-02 2"]
    house.load("2024-01-04", listing(1))
    house.run("2024-03-02")
    assert house.ask(query) == ["null null 0"]


# 8. listing_engagement_weekly


def test_views_and_what_came_of_them(house: House) -> None:
    house.load(
        "2024-01-01",
        listing(1),
        place(1),
        view(1, "2024-01-01", user_id=1, is_wishlisted=True, call_to_action="Contact Agent"),
        view(2, "2024-01-07 23:59:59", user_id=1, is_wishlisted=None, call_to_action=" \t"),
        view(3, "2024-01-05", user_id=2),
        view(4, "2024-01-08 00:00:01"),
        stay(1, "2024-01-02", "2024-02-01", "2024-02-02"),
        *(stay(number, "2024-01-03", "2024-02-01", "2024-02-02") for number in range(2, 6)),
    )
    house.run("2024-01-08")
    query = (
        "select week_start, views, unique_viewers, wishlist_rate, contact_rate, bookings, conversion_rate"
        " from presentation.listing_engagement_weekly"
    )
    assert house.ask(query) == ["2024-01-01 3 2 0.333333 0.333333 5 1.666667"]
