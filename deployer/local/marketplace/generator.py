"""The demo's source: two years of a believable marketplace as a sequence of snapshots.

Everything follows from the seed: the same arguments give the same bytes. Listings are invented (or given),
live through prices, pauses and deletions, are looked at and booked; the snapshots show them week by week, as
zero-ETL would have.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from deployer.errors import UsageError
from deployer.local.landing.tables import (
    APARTMENT_ATTRIBUTES,
    APARTMENTS,
    BOOKINGS,
    EXCHANGE_RATES,
    USER_VIEWING,
    Table,
)
from deployer.local.marketplace import history, spoil, trade
from deployer.local.marketplace.listings import invent
from deployer.local.marketplace.model import Changing, Listing, ListingHistory, Period, Row, Snapshot

DEFAULT_SEED = 20
DEFAULT_UNTIL = date(2026, 9, 24)
WEEKS = 104

_LISTINGS = 1_100
_BOOKINGS = 36_000
_VIEWS = 120_000
_FIRST_LOAD = timedelta(weeks=4)
_STEP = timedelta(weeks=1)
_BULK_STEPS = 10
"""Bookings, views and rates come with every tenth snapshot and the first: only listings need a history."""

_RATE_CURRENCIES = ("EUR", "GBP")

_Overrides = Mapping[int, tuple[str, dict[str, object] | None]]
_Lines = list[tuple[datetime, str | None]]


def generate(
    directory: Path,
    seed: int = DEFAULT_SEED,
    until: date = DEFAULT_UNTIL,
    scale: float = 1.0,
    listings: Sequence[Listing] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Snapshot]:
    """Write the snapshots into new directories below `directory` and return them in the order of time.

    The two years end before `until`, which is the last snapshot's instant. `scale` multiplies the numbers of
    rows; `listings` stand in for invented ones. A snapshot holds only the tables that have changed since the
    one before. `progress` is told how many snapshots of how many are written. Raises UsageError for arguments
    out of range, or a directory that is not empty.
    """
    if not 0.001 <= scale <= 100:
        raise UsageError(f"a scale of {scale} is not between 0.001 and 100")
    if not date(1990, 1, 1) <= until <= date(9000, 1, 1):
        raise UsageError(f"{until} is no day that a marketplace can be invented for")
    if directory.is_dir() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty; give a new directory for the snapshots")
    period = Period.until(until, WEEKS)
    if listings is None:
        listings = invent(max(40, round(_LISTINGS * scale)), seed)
    histories = [history.live(listing, period, seed) for listing in listings]
    bookings, deals = trade.book(histories, period, max(200, round(_BOOKINGS * scale)), seed)
    views = trade.view(histories, deals, period, max(800, round(_VIEWS * scale)), seed)
    rates = history.rates(_RATE_CURRENCIES, period, seed)
    spoil.spoil_bookings(bookings, seed)
    spoil.spoil_views(views, seed)
    bad = spoil.spoil_listings(listings, seed)
    # Every state of every row is written out once; a snapshot only picks those that are in force.
    often = {
        APARTMENTS: _lines(_apartment(each, bad) for each in histories),
        APARTMENT_ATTRIBUTES: _lines(_attributes(each, bad) for each in histories),
    }
    seldom = {
        USER_VIEWING: _lines(views),
        BOOKINGS: _lines(bookings),
        EXCHANGE_RATES: _lines(Changing([(published, row)]) for published, row in rates),
    }
    instants = _instants(period)
    written: dict[Table, str] = {}
    snapshots = []
    for number, at in enumerate(instants):
        path = directory / f"{number:03d}-{at.date().isoformat()}"
        path.mkdir(parents=True)
        with_all = number == 0 or (len(instants) - 1 - number) % _BULK_STEPS == 0
        for table, lines in (often | seldom if with_all else often).items():
            text = (
                ",".join(table.names) + "\n" + "".join(line for each in lines for line in _in_force(each, at))
            )
            if written.get(table) != text:
                written[table] = text
                (path / f"{table.name}.csv").write_text(text, encoding="utf-8", newline="")
        snapshots.append(Snapshot(path, at))
        if progress is not None:
            progress(number + 1, len(instants))
    return [snapshot for snapshot in snapshots if any(snapshot.path.iterdir())]


def _instants(period: Period) -> list[datetime]:
    """When the snapshots are taken: weekly, the last one at the period's end."""
    steps = (period.end - period.start - _FIRST_LOAD) // _STEP
    return [period.end - _STEP * back for back in range(steps, -1, -1)]


def _apartment(history: ListingHistory, bad: _Overrides) -> Changing:
    """The listing's row of apartments over time."""
    listing = history.listing
    changing = Changing()
    for version in history.versions:
        if history.deleted is not None and version.since >= history.deleted:
            break
        row: dict[str, object] = {
            "id": listing.id,
            "title": listing.title,
            "source": listing.source,
            "price": version.price,
            "currency": listing.currency,
            "listing_created_on": history.created,
            "is_active": int(version.active),
            "last_modified_timestamp": version.since,
        }
        table, overrides = bad.get(listing.id, ("", None))
        if table == APARTMENTS.name and overrides is not None:
            row.update(overrides)
        changing.states.append((version.since, tuple(row.values())))
    if history.deleted is not None:
        changing.states.append((history.deleted, None))
    return changing


def _attributes(history: ListingHistory, bad: _Overrides) -> Changing:
    """The listing's row of apartment_attributes, which does not change while the listing is there."""
    listing = history.listing
    row: dict[str, object] = {
        "id": listing.id,
        "category": listing.category,
        "body": listing.body,
        "amenities": listing.amenities,
        "bathrooms": listing.bathrooms,
        "bedrooms": listing.bedrooms,
        "fee": listing.fee,
        "has_photo": int(listing.has_photo),
        "pets_allowed": None if listing.pets_allowed is None else int(listing.pets_allowed),
        "price_display": listing.price_display,
        "price_type": listing.price_type,
        "square_feet": listing.square_feet,
        "address": listing.address,
        "cityname": listing.cityname,
        "state": listing.state,
        "latitude": listing.latitude,
        "longitude": listing.longitude,
    }
    table, overrides = bad.get(listing.id, ("", {}))
    if table == APARTMENT_ATTRIBUTES.name:
        if overrides is None:
            return Changing()
        row.update(overrides)
    changing = Changing([(history.created, tuple(row.values()))])
    if history.deleted is not None:
        changing.states.append((history.deleted, None))
    return changing


def _lines(rows: Iterable[Changing]) -> list[_Lines]:
    """The states of the rows as lines of a file that `local load` reads; NULL is empty, None no row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")

    def line(row: Row | None) -> str | None:
        if row is None:
            return None
        out.seek(0)
        out.truncate()
        writer.writerow([f"{value:f}" if isinstance(value, Decimal) else value for value in row])
        return out.getvalue()

    return [[(since, line(row)) for since, row in changing.states] for changing in rows]


def _in_force(states: _Lines, at: datetime) -> Iterator[str]:
    """The line that stands in the source at an instant, if there is one."""
    found = None
    for since, line in states:
        if since > at:
            break
        found = line
    if found is not None:
        yield found
