"""Large plain snapshots for benchmarks: fast to write, even in distribution, nothing bad in them.

The demo's believable marketplace is in `generator.py`; here only the sizes matter: so many bookings, spread
evenly over so many years, on so many listings. The same arguments always give the same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

_BATCH = 20_000
_CURRENCIES = ("USD", "EUR", "GBP")
_FIRST_LISTING_ID = 5_000_000_000
_FIRST_BOOKING_ID = 9_000_000_000
_FIRST_USER_ID = 3_000_000_000

BOOKING_COLUMNS = (
    "booking_id,user_id,apartment_id,booking_date,checkin_date,checkout_date,"
    "total_price,currency,booking_status,payment_status,num_guests"
)


def write_snapshot(
    directory: Path,
    *,
    bookings: int,
    until: date,
    years: float = 2.0,
    listings: int | None = None,
    views: int | None = None,
    seed: int = 1,
) -> None:
    """Write the five source tables into `directory` (made when absent).

    `bookings` come evenly in the `years` before `until`, there are `listings` listings (default: one for
    a hundred bookings, at least 50) and `views` views (default: as many as bookings).
    """
    directory.mkdir(parents=True, exist_ok=True)
    many_listings = listings if listings is not None else max(50, bookings // 100)
    days = max(60, round(years * 365.25))
    first = until - timedelta(days=days)
    _write_listings(directory, many_listings, first, seed)
    _write_rates(directory / "exchange_rates.csv", first, until, seed)
    with (directory / "bookings.csv").open("w", encoding="utf-8", newline="") as out:
        out.write(BOOKING_COLUMNS + "\n")
        for lines in _booking_lines(bookings, many_listings, first, days, seed):
            out.write(lines)
    many_views = views if views is not None else bookings
    with (directory / "user_viewing.csv").open("w", encoding="utf-8", newline="") as out:
        out.write("viewing_id,user_id,apartment_id,viewed_at,is_wishlisted,call_to_action\n")
        for lines in _view_lines(many_views, many_listings, max(10, bookings // 4), first, days, seed):
            out.write(lines)


def change_bookings(source: Path, target: Path, *, count: int, seed: int = 1) -> int:
    """Copy a bookings.csv of `write_snapshot` to `target`, the price of `count` random rows raised by 1.00.

    Returns how many rows were changed (fewer than `count` only when the file has fewer).
    """
    with source.open(encoding="utf-8", newline="") as lines:
        rows = sum(1 for _ in lines) - 1
    chosen = set(random.Random(seed).sample(range(1, rows + 1), min(count, rows)))
    with (
        source.open(encoding="utf-8", newline="") as lines,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        for number, line in enumerate(lines):
            if number in chosen:
                fields = line.split(",")
                whole, cents = fields[6].split(".")
                fields[6] = f"{int(whole) + 1}.{cents}"
                line = ",".join(fields)
            out.write(line)
    return len(chosen)


def _write_listings(directory: Path, count: int, first: date, seed: int) -> None:
    """apartments.csv and apartment_attributes.csv: a hundred cities of equal size."""
    chance = random.Random(f"listings {seed}")
    created = f"{first.isoformat()} 00:00:00"
    with (
        (directory / "apartments.csv").open("w", encoding="utf-8", newline="") as apartments,
        (directory / "apartment_attributes.csv").open("w", encoding="utf-8", newline="") as attributes,
    ):
        apartments.write(
            "id,title,source,price,currency,listing_created_on,is_active,last_modified_timestamp\n"
        )
        attributes.write(
            "id,category,body,amenities,bathrooms,bedrooms,fee,has_photo,pets_allowed,price_display,price_type,"
            "square_feet,address,cityname,state,latitude,longitude\n"
        )
        for number in range(count):
            key = _FIRST_LISTING_ID + number
            city = number % 100
            price = f"{chance.randint(40, 400)}.{chance.randint(0, 99):02d}"
            currency = _CURRENCIES[number % 3]
            apartments.write(f"{key},Listing {number},bench,{price},{currency},{created},1,{created}\n")
            attributes.write(
                f"{key},housing,,,1.5,2,0.00,1,0,{price},Nightly,800,,City {city},State {city % 10},"
                f"{10 + city / 2:.6f},{-100 + city / 2:.6f}\n"
            )


def _write_rates(path: Path, first: date, until: date, seed: int) -> None:
    """A rate for each currency and day, from 30 days before `first`."""
    chance = random.Random(f"rates {seed}")
    level = {"EUR": 1.1, "GBP": 1.3}
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("currency,rate_date,usd_per_unit\n")
        day = first - timedelta(days=30)
        while day <= until:
            for currency in level:
                level[currency] *= 1 + chance.gauss(0, 0.003)
                out.write(f"{currency},{day.isoformat()},{level[currency]:.8f}\n")
            day += timedelta(days=1)


def _booking_lines(count: int, listings: int, first: date, days: int, seed: int) -> Iterator[str]:
    """The lines of bookings.csv in batches, in the order of booking days, as ids would be."""
    chance = random.Random(f"bookings {seed}")
    calendar = [(first + timedelta(days=day)).isoformat() for day in range(days + 400)]
    # Nine in ten are stays; weights as in the demo.
    statuses = ("confirmed,paid", "confirmed,", "confirmed,unpaid", "pending,", "canceled,refunded")
    users = max(10, count // 4)
    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        picks = zip(
            chance.choices(range(users), k=size),
            chance.choices(range(listings), k=size),
            chance.choices(range(90), k=size),
            chance.choices(range(1, 15), k=size),
            chance.choices(range(4_000, 40_000), k=size),
            chance.choices(statuses, weights=(70, 15, 5, 5, 5), k=size),
            strict=True,
        )
        lines = []
        for number, (user, listing, lead, nights, cents, status) in enumerate(picks, start):
            day = number * days // count
            total = cents * nights
            lines.append(
                f"{_FIRST_BOOKING_ID + number},{_FIRST_USER_ID + user},{_FIRST_LISTING_ID + listing},"
                f"{calendar[day]} {number % 24:02d}:{number % 60:02d}:00,"
                f"{calendar[day + lead]},{calendar[day + lead + nights]},{total // 100}.{total % 100:02d},"
                f"{_CURRENCIES[listing % 3]},{status},{nights % 5 + 1}\n"
            )
        yield "".join(lines)


def _view_lines(count: int, listings: int, users: int, first: date, days: int, seed: int) -> Iterator[str]:
    """The lines of user_viewing.csv in batches, in the order of time."""
    chance = random.Random(f"views {seed}")
    calendar = [datetime.combine(first + timedelta(days=day), datetime.min.time()) for day in range(days)]
    days_text = [day.date().isoformat() for day in calendar]
    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        picks = zip(
            chance.choices(range(users), k=size),
            chance.choices(range(listings), k=size),
            chance.choices(
                ("0,", "1,", "0,Contact Agent", "1,Contact Agent"), weights=(70, 15, 10, 5), k=size
            ),
            strict=True,
        )
        lines = []
        for number, (user, listing, deed) in enumerate(picks, start):
            lines.append(
                f"{number + 1},{_FIRST_USER_ID + user},{_FIRST_LISTING_ID + listing},"
                f"{days_text[number * days // count]}"
                f" {number % 24:02d}:{number % 60:02d}:{number % 59:02d},{deed}\n"
            )
        yield "".join(lines)
