"""What the simulated month's source holds, and how it changes."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from oracle.source import Apartment, Attributes, Booking, Rate, Snapshot, Viewing, snapshot


class Source:
    """A marketplace of a few listings: every few hours some bookings come, change or go."""

    def __init__(self) -> None:
        self._chance = random.Random("a month")
        start = datetime(2026, 2, 1)
        self.rows: dict[Any, Any] = {}
        for number in range(1, 6):
            self._put(Apartment(number, price=Decimal(f"{80 + number}.00"), listing_created_on=start))
            self._put(Attributes(number, cityname=("Austin", "Boise")[number % 2]))
        self._put(Rate("EUR", date(2026, 1, 1), Decimal("1.10")))
        self._next = 1

    def _put(self, row: Any) -> None:
        self.rows[type(row), *(value for name, value in vars(row).items() if name in _KEYS)] = row

    def change(self, now: datetime) -> Snapshot:
        chance = self._chance
        for _ in range(3):
            day = now.date() + timedelta(days=chance.randrange(20))
            self._put(Booking(
                self._next, user_id=chance.randrange(1, 9), apartment_id=chance.randrange(1, 7),
                booking_date=now - timedelta(minutes=chance.randrange(300)), checkin_date=day,
                checkout_date=day + timedelta(days=chance.randrange(6)),
                total_price=Decimal(f"{chance.randrange(50, 500)}.00"), currency=chance.choice(("USD", "EUR", "x1")),
            ))  # fmt: skip
            self._put(
                Viewing(
                    self._next, chance.randrange(1, 9), chance.randrange(1, 7), now, chance.random() < 0.3
                )
            )
            self._next += 1
        booked = [row for row in self.rows.values() if isinstance(row, Booking)]
        self._put(replace(chance.choice(booked), booking_status=chance.choice(("canceled", "confirmed"))))
        if chance.random() < 0.2:
            gone = chance.choice(booked)
            del self.rows[Booking, gone.booking_id]
        if chance.random() < 0.3:
            self._put(Apartment(
                number := chance.randrange(1, 6), price=Decimal(f"{chance.randrange(50, 150)}.00"),
                is_active=number > 1,
                listing_created_on=datetime(2026, 2, 1),
            ))  # fmt: skip
        return snapshot(*self.rows.values())


_KEYS = ("id", "booking_id", "viewing_id", "rate_date")
