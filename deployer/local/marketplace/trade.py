"""Bookings, and the views that lead to them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from deployer.local.marketplace.cities import SEASONS
from deployer.local.marketplace.history import is_bookable
from deployer.local.marketplace.model import Changing, ListingHistory, Period

_FIRST_BOOKING_ID = 7_000_000_000
_FIRST_USER_ID = 3_100_000_000
_FIRST_VIEWING_ID = 4_400_000_000
_AHEAD = timedelta(days=120)
"""How far after the period's end stays may lie that were booked within it."""


@dataclass
class Deal:
    """A booking before it has a number and a user."""

    booked: datetime
    history: ListingHistory
    checkin: date
    checkout: date
    price: Decimal
    fate: str
    user: int = 0


def book(
    histories: Sequence[ListingHistory], period: Period, count: int, seed: int
) -> tuple[list[Changing], list[Deal]]:
    """About `count` bookings as rows of the source with their changes, in the order of booking; and the deals
    behind.

    One listing's stays do not overlap, but for a few that are booked twice.
    """
    wanted = sum(history.listing.demand for history in histories)
    deals: list[Deal] = []
    for history in histories:
        chance = random.Random(f"bookings {seed} {history.listing.id}")
        # A listing is on the market for a bit more than half of the period.
        expected = 1.8 * count * history.listing.demand / wanted
        deals += _deals(history, period, expected, chance)
    deals.sort(key=lambda deal: (deal.booked, deal.history.listing.id))
    _name_users(deals, seed)
    return [_changing(number, deal, period, seed) for number, deal in enumerate(deals)], deals


def _deals(history: ListingHistory, period: Period, expected: float, chance: random.Random) -> list[Deal]:
    """The bookings of one listing: a Poisson process, thinned by season, on the nights that are free."""
    listing = history.listing
    days = (period.end - period.start + _AHEAD).days
    by_month = SEASONS[listing.season]
    highest = max(by_month)
    pace = expected / (period.end - period.start).days * highest
    typical = 4.2 if listing.nights_priced == 1 else 24.0
    deals: list[Deal] = []
    offset = (history.created - period.start).days + 1.0
    free_from = history.created.date()
    while True:
        offset += chance.expovariate(pace)
        if offset >= days:
            return deals
        checkin = (period.start + timedelta(days=offset)).date()
        if chance.random() > by_month[checkin.month - 1] / highest:
            continue
        twice = chance.random() < 0.004
        if checkin < free_from and not twice:
            checkin = free_from
        lead = min(150, int(chance.expovariate(1 / 24)))
        booked = datetime.combine(checkin, datetime.min.time()) - timedelta(days=lead)
        booked += timedelta(seconds=int(chance.triangular(0, 86_399, 68_000)))
        if booked < history.created or not period.start <= booked < period.end:
            continue
        if not is_bookable(history, booked.date()) or not is_bookable(
            history, min(checkin, period.end.date())
        ):
            continue
        nights = max(1, min(6 * int(typical), round(chance.gammavariate(2.2, typical / 2.2))))
        version = history.at(booked)
        if version is None or not version.active:
            continue
        fate = chance.choices(("stay", "canceled", "unpaid", "untracked"), weights=(79, 11, 4, 6))[0]
        checkout = checkin + timedelta(days=nights)
        if fate != "canceled":
            free_from = max(free_from, checkout)
        deals.append(Deal(booked, history, checkin, checkout, listing.cost(version.price, nights), fate))


def _name_users(deals: Sequence[Deal], seed: int) -> None:
    """Give each booking its user: many are new, some have been here in the last month, some long ago."""
    chance = random.Random(f"users {seed}")
    recent: deque[Deal] = deque()
    everybody: list[int] = []
    newest = _FIRST_USER_ID
    for deal in deals:
        while recent and recent[0].booked < deal.booked - timedelta(days=28):
            recent.popleft()
        luck = chance.random()
        if recent and luck < 0.12:
            deal.user = recent[chance.randrange(len(recent))].user
        elif everybody and luck < 0.35:
            deal.user = chance.choice(everybody)
        else:
            newest += chance.randint(1, 40)
            deal.user = newest
            everybody.append(newest)
        recent.append(deal)


def _changing(number: int, deal: Deal, period: Period, seed: int) -> Changing:
    """The booking's row over time: pending first, then what becomes of it."""
    chance = random.Random(f"fate {seed} {number}")

    def row(status: str, payment: str | None) -> tuple[object, ...]:
        listing = deal.history.listing
        return (
            _FIRST_BOOKING_ID + number * 3,
            deal.user,
            listing.id,
            deal.booked,
            deal.checkin,
            deal.checkout,
            deal.price,
            listing.currency,
            status,
            payment,
            guests,
        )

    guests = chance.choices((1, 2, 3, 4, 5, None), weights=(25, 45, 12, 12, 4, 2))[0]
    # One in a hundred is known to the source days after it was made.
    seen = deal.booked + timedelta(days=9) if chance.random() < 0.01 else deal.booked
    changing = Changing([(seen, row("pending", "unpaid"))])
    settled = seen + timedelta(hours=chance.uniform(0.1, 60))
    match deal.fate:
        case "stay":
            changing.states.append((settled, row("confirmed", "paid")))
        case "unpaid":
            changing.states.append((settled, row("confirmed", "unpaid")))
        case "untracked":
            # NULL: the partner through which it came does not tell about payments.
            changing.states.append((settled, row("confirmed", None)))
        case _:
            changing.states.append((settled, row("confirmed", "paid")))
            ahead = max(1.0, (datetime.combine(deal.checkin, datetime.min.time()) - settled).total_seconds())
            off = settled + timedelta(seconds=int(ahead * chance.random()))
            changing.states.append((off, row("canceled", "refunded")))
    if chance.random() < 0.001:
        # Erased on the customer's demand.
        changing.states.append((settled + timedelta(days=chance.randint(20, 200)), None))
    return changing


def view(
    histories: Sequence[ListingHistory], deals: Sequence[Deal], period: Period, count: int, seed: int
) -> list[Changing]:
    """About `count` views in the order of time: some before a booking by its user, most by onlookers."""
    chance = random.Random(f"views {seed}")
    seen: list[tuple[datetime, int, int, int, str | None]] = []
    for deal in deals:
        for step in range(chance.choices((0, 1, 2, 3), weights=(8, 50, 28, 14))[0]):
            when = deal.booked - timedelta(minutes=chance.randint(2, 50) + step * chance.randint(60, 6000))
            action = "Book Now" if step == 0 and chance.random() < 0.5 else None
            seen.append((when, deal.user, deal.history.listing.id, int(chance.random() < 0.35), action))
    users = [deal.user for deal in deals] or [_FIRST_USER_ID]
    known = [history for history in histories if history.versions]
    weights = [history.listing.demand for history in known]
    missing = max(0, count - len(seen))
    for history in chance.choices(known, weights=weights, k=missing):
        low = max(history.created, period.start)
        when = low + (period.end - low) * chance.random()
        version = history.at(when)
        if version is None or not version.active:
            continue
        # Half of those who look have booked something some time; the others have no booking at all.
        user = chance.choice(users) if chance.random() < 0.5 else _FIRST_USER_ID - chance.randint(1, count)
        action = chance.choices((None, "Contact Agent", "Shortlisted", " "), weights=(90, 6, 3, 1))[0]
        seen.append((when, user, history.listing.id, int(chance.random() < 0.12), action))
    seen.sort(key=lambda each: each[:3])
    return [
        Changing(
            [(when, (_FIRST_VIEWING_ID + number, user, listing, when.replace(microsecond=0), wish, action))]
        )
        for number, (when, user, listing, wish, action) in enumerate(seen)
        if when >= period.start
    ]
