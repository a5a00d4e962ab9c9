"""What happens to listings over time: they appear, change their price, pause, disappear; and the rates."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from deployer.local.marketplace.cities import SEASONS
from deployer.local.marketplace.model import Listing, ListingHistory, Period, Row, Version

_BASES = {"EUR": 1.09, "GBP": 1.27, "INR": 0.0119}
_SATURDAY = 5


def live(listing: Listing, period: Period, seed: int) -> ListingHistory:
    """The life of a listing within the period; nearly half of them are there from its first weeks on."""
    chance = random.Random(f"history {seed} {listing.id}")
    days = (period.end - period.start).days
    born = chance.uniform(0, 25) if chance.random() < 0.45 else chance.uniform(0, days - 7)
    created = _instant(period.start + timedelta(days=born))
    versions = [Version(created, listing.price, True)]
    moment = created
    while True:
        moment = _instant(moment + timedelta(days=chance.expovariate(1 / 75) + 3))
        if moment >= period.end:
            break
        last = versions[-1]
        if not last.active:
            versions.append(Version(moment, _priced(listing, moment, chance), True))
        elif chance.random() < 0.3:
            versions.append(Version(moment, last.price, False))
        else:
            price = _priced(listing, moment, chance)
            if price != last.price:
                versions.append(Version(moment, price, True))
    deleted = None
    if chance.random() < 0.04:
        left = chance.uniform(0.3, 1) * (period.end - created).total_seconds()
        deleted = _instant(created + timedelta(seconds=left))
    return ListingHistory(listing, tuple(versions), deleted)


def _priced(listing: Listing, moment: datetime, chance: random.Random) -> Decimal:
    """A new price: around the first one, dearer in the city's season, with some inflation of mood."""
    season = SEASONS[listing.season][moment.month - 1]
    factor = (1 + 0.15 * (season - 1)) * chance.gauss(1.02, 0.06)
    return Decimal(max(5, round(float(listing.price) * min(max(factor, 0.6), 1.8))))


def _instant(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def rates(currencies: Sequence[str], period: Period, seed: int) -> list[tuple[datetime, Row]]:
    """Rows of exchange_rates with the instant at which each is published: a random walk of working days.

    They begin two weeks before the period. Some days have no rate: weekends, and now and then a NULL.
    """
    chance = random.Random(f"rates {seed}")
    level = {currency: _BASES[currency] for currency in currencies}
    rows: list[tuple[datetime, Row]] = []
    day = period.start - timedelta(days=14)
    while day < period.end:
        if day.weekday() < _SATURDAY:
            for currency in currencies:
                level[currency] *= 1 + chance.gauss(0, 0.0045)
                # Far from where it began, it is drawn back.
                level[currency] += (_BASES[currency] - level[currency]) * 0.004
                value = None if chance.random() < 0.004 else Decimal(f"{level[currency]:.8f}")
                # Rates come in the afternoon; some a week late.
                late = timedelta(days=7) if chance.random() < 0.01 else timedelta(hours=16)
                rows.append((day + late, (currency, day.date(), value)))
        day += timedelta(days=1)
    return rows


def is_bookable(history: ListingHistory, day: date) -> bool:
    """Whether the listing is on the market at noon of `day`."""
    version = history.at(datetime(day.year, day.month, day.day, 12))
    return version is not None and version.active
