"""The things of a marketplace before they become rows: listings, their history, and what a snapshot is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from deployer.local.marketplace.cities import Season

_NIGHTS = {"Nightly": 1, "Weekly": 7}
_CENT = Decimal("0.01")

Row = tuple[object, ...]


@dataclass(frozen=True)
class Listing:
    """A place to stay, as its owner describes it.

    `price` is for a night, a week or a month: `price_type` tells.
    """

    id: int
    title: str
    source: str
    price: Decimal
    currency: str
    price_type: str
    category: str = "apartment"
    body: str | None = None
    amenities: str | None = None
    bathrooms: Decimal | None = None
    bedrooms: Decimal | None = None
    fee: Decimal = Decimal(0)
    has_photo: bool = True
    pets_allowed: bool | None = None
    price_display: str | None = None
    square_feet: int | None = None
    address: str | None = None
    cityname: str | None = None
    state: str | None = None
    latitude: Decimal | None = None
    longitude: Decimal | None = None
    season: Season = "even"
    demand: float = 1.0
    """How much it is wanted, relative to the others."""

    @property
    def nights_priced(self) -> int:
        """For how many nights `price` is; a month has 30."""
        return _NIGHTS.get(self.price_type, 30)

    def cost(self, price: Decimal, nights: int) -> Decimal:
        """What so many nights cost at `price`, the fee included."""
        return (price * nights / self.nights_priced + self.fee).quantize(_CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Version:
    """What may change of a listing: its price, and whether it can be booked; from `since` on."""

    since: datetime
    price: Decimal
    active: bool


@dataclass(frozen=True)
class ListingHistory:
    """A listing's versions in the order of time; the first one is its creation. Gone from `deleted` on."""

    listing: Listing
    versions: tuple[Version, ...]
    deleted: datetime | None = None

    @property
    def created(self) -> datetime:
        return self.versions[0].since

    def at(self, instant: datetime) -> Version | None:
        """The version in force; None before the creation and after the deletion."""
        if self.deleted is not None and instant >= self.deleted:
            return None
        found = None
        for version in self.versions:
            if version.since > instant:
                break
            found = version
        return found


@dataclass
class Changing:
    """A row of the source and what becomes of it, in the order of time; None means that it is deleted."""

    states: list[tuple[datetime, Row | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """A directory for `zeroshift local load`, and the instant that its files speak for (UTC, no zone)."""

    path: Path
    at: datetime


@dataclass(frozen=True)
class Period:
    """The time that a marketplace is invented for: bookings and views fall in [start, end)."""

    start: datetime
    end: datetime

    @classmethod
    def until(cls, day: date, weeks: int) -> Period:
        """The `weeks` before the first instant of `day`."""
        end = datetime.combine(day, time())
        return cls(end - timedelta(weeks=weeks), end)
