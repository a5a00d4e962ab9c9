"""Listings: invented ones, and real ones in the columns of UCI's "Apartment for Rent Classified"."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from deployer.errors import UsageError
from deployer.local.marketplace.cities import CITIES, STATE_CENTRES, STREETS, City
from deployer.local.marketplace.model import Listing

COLUMNS = (
    "", "id", "bathrooms", "bedrooms", "currency", "fee", "has_photo", "pets_allowed", "price",
    "price_display", "price_type", "square_feet", "cityname", "state",
)  # fmt: skip
"""The header of the reduced UCI file; the first column is an unnamed row number."""

_FIRST_ID = 5_508_600_000
_SOURCES = ("Airbnb", "Vrbo", "Booking", "direct", "RentDigs.com")
_KINDS = ("Apartment", "Loft", "Studio", "House", "Cottage", "Penthouse", "Atelier")
_MOODS = (
    "Sunny",
    "Quiet",
    "“Hidden Gem”",
    "Charming",
    "Très chic",
    "Gemütliches",
    "Spacious",
    "Bright",
    "海景 view",
)
_EXTRAS = ("Wifi", "Kitchen", "Washer", "Pool", "Parking", "Air conditioning", "Elevator", "Sauna", "Balcony")


@dataclass(frozen=True)
class ListingsRead:
    """Listings from a file, and what had to be made up or left out, in a sentence each."""

    listings: tuple[Listing, ...]
    notices: tuple[str, ...]


def invent(count: int, seed: int) -> tuple[Listing, ...]:
    """`count` invented listings in real cities, nightly prices, ids above 2^31."""
    chance = random.Random(f"listings {seed}")
    sizes = [city.size for city in CITIES]
    listings = []
    number = _FIRST_ID
    for city in chance.choices(CITIES, weights=sizes, k=count):
        number += chance.randint(1, 90)
        listings.append(_invented(chance, number, city))
    return tuple(listings)


def _invented(chance: random.Random, number: int, city: City) -> Listing:
    bedrooms = chance.choices((0, 1, 2, 3, 4, 5), weights=(12, 40, 27, 13, 6, 2))[0]
    kind = "Studio" if bedrooms == 0 else chance.choice(_KINDS)
    title = f"{chance.choice(_MOODS)} {kind} in {city.name}"
    if chance.random() < 0.1:
        title += chance.choice((" ☀️", ' – "like home"', ", no stairs", " / 5' to the beach"))
    # Prices are skewed: most near the usual one, some far above.
    price = Decimal(max(25, round(city.price * (0.7 + 0.35 * bedrooms) * chance.lognormvariate(-0.1, 0.3))))
    body = f'{title}.\nCheck-in from 15:00, "self" or in person.' if chance.random() < 0.7 else None
    return Listing(
        id=number,
        title=title,
        source=chance.choice(_SOURCES),
        price=price,
        currency=city.currency,
        price_type="Nightly",
        category=kind.lower(),
        body=body,
        amenities=", ".join(sorted(chance.sample(_EXTRAS, chance.randint(1, 6)))),
        bathrooms=Decimal(max(2, bedrooms + chance.randint(0, 2))) / 2,
        bedrooms=Decimal(bedrooms),
        fee=Decimal(chance.choice((0, 20, 35, 50, 80))),
        has_photo=chance.random() < 0.97,
        pets_allowed=chance.choices((True, False, None), weights=(3, 6, 1))[0],
        price_display=f"{price} {city.currency}",
        square_feet=round((420 + 260 * bedrooms) * chance.uniform(0.8, 1.3)),
        address=f"{chance.randint(1, 180)} {chance.choice(STREETS[city.currency])}",
        cityname=city.name,
        state=city.state,
        latitude=_degrees(city.latitude + chance.gauss(0, 0.02)),
        longitude=_degrees(city.longitude + chance.gauss(0, 0.02)),
        season=city.season,
        demand=chance.lognormvariate(0, 0.5),
    )


def read(path: Path) -> ListingsRead:
    """Real listings from a CSV file with exactly the columns COLUMNS.

    "null" is NULL, and "None" in pets_allowed means that pets are not allowed. The file tells no coordinates:
    a listing is put at the middle of its state, up to a third of a degree beside it by its id; a listing
    without a state has none.
    Raises UsageError with file and line for another layout or a value that cannot be understood.
    """
    listings: list[Listing] = []
    seen: set[int] = set()
    for line, row in _rows(path):
        reader = _RowReader(path, line, row)
        listing = reader.listing()
        if listing.id in seen:
            raise UsageError(f"{path}:{line}: column id: '{listing.id}' stands there twice")
        seen.add(listing.id)
        listings.append(listing)
    if not listings:
        raise UsageError(f"{path} holds no listings")
    placed = sum(listing.latitude is not None for listing in listings)
    notices = [
        f"{len(listings):,} listings read from {path.name};"
        f" the file has no coordinates, so {placed:,} are put near the middle of their state:"
        " latitude and longitude are made up, prices, rooms and places are real"
    ]
    if placed < len(listings):
        notices.append(
            f"{len(listings) - placed:,} listings name no city and state:"
            " they have no valid location and count in none of the metrics by city"
        )
    notices.append(
        "titles, bookings, views, exchange rates and the price history are invented around the listings"
    )
    return ListingsRead(tuple(listings), tuple(notices))


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows with their line numbers, once the header is known to fit."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            if tuple(header) != COLUMNS:
                raise UsageError(
                    f"{path}:1: these are not the columns of the UCI apartments file; they have to be"
                    f" {','.join(repr(name) if not name else name for name in COLUMNS)},"
                    f" but are {','.join(header)[:200]!r}"
                )
            for row in reader:
                if len(row) != len(COLUMNS):
                    raise UsageError(
                        f"{path}:{reader.line_num}: the row has {len(row)} values,"
                        f" the header {len(COLUMNS)} columns"
                    )
                yield reader.line_num, dict(zip(COLUMNS, row, strict=True))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: not a CSV file: {error}") from None


@dataclass(frozen=True)
class _RowReader:
    """Turns one row of the file into a listing."""

    path: Path
    line: int
    row: Mapping[str, str]

    def listing(self) -> Listing:
        number = int(self._number("id", whole=True))
        bedrooms, bathrooms = self._optional("bedrooms"), self._optional("bathrooms")
        cityname, state = self._text("cityname"), self._text("state")
        latitude, longitude = self._place(number, state)
        rooms = "Studio" if bedrooms == 0 else "Home" if bedrooms is None else f"{bedrooms}-bedroom home"
        feet = self._optional("square_feet")
        return Listing(
            id=number,
            title=f"{rooms} in {cityname}, {state}" if cityname and state else rooms,
            source="UCI 555",
            price=self._number("price"),
            currency=self.row["currency"],
            price_type=self._word("price_type", ("Monthly", "Weekly", "Monthly|Weekly")),
            bathrooms=bathrooms,
            bedrooms=bedrooms,
            fee=Decimal(0) if self._word("fee", ("No",)) == "No" else Decimal(1),
            has_photo=self._word("has_photo", ("Thumbnail", "Yes", "No")) != "No",
            pets_allowed=self._pets(),
            price_display=self._text("price_display"),
            square_feet=None if feet is None else int(feet),
            cityname=cityname,
            state=state,
            latitude=latitude,
            longitude=longitude,
            season="even",
            demand=random.Random(number).lognormvariate(0, 0.5),
        )

    def _place(self, number: int, state: str | None) -> tuple[Decimal | None, Decimal | None]:
        """Near the middle of the state, always at the same point for the same id."""
        if state is None:
            return None, None
        if state not in STATE_CENTRES:
            raise self._error("state", "is not the two-letter code of a state of the USA")
        chance = random.Random(f"place {number}")
        latitude, longitude = STATE_CENTRES[state]
        return _degrees(latitude + chance.uniform(-0.33, 0.33)), _degrees(
            longitude + chance.uniform(-0.33, 0.33)
        )

    def _pets(self) -> bool | None:
        text = self.row["pets_allowed"]
        if text == "null":
            return None
        return self._word("pets_allowed", ("None", "Cats", "Dogs", "Cats,Dogs")) != "None"

    def _text(self, column: str) -> str | None:
        text = self.row[column].strip()
        return None if text in ("", "null") else text

    def _word(self, column: str, known: tuple[str, ...]) -> str:
        if self.row[column] not in known:
            raise self._error(column, f"is not one of: {', '.join(known)}")
        return self.row[column]

    def _optional(self, column: str) -> Decimal | None:
        return None if self._text(column) is None else self._number(column, whole=column == "square_feet")

    def _number(self, column: str, *, whole: bool = False) -> Decimal:
        try:
            value = Decimal(self.row[column])
        except InvalidOperation:
            raise self._error(column, "is not a number") from None
        if not value.is_finite() or value < 0 or (whole and value != int(value)) or value >= 10**18:
            raise self._error(column, "is not a number that can stand there")
        return value

    def _error(self, column: str, sentence: str) -> UsageError:
        return UsageError(f"{self.path}:{self.line}: column {column}: {self.row[column]!r} {sentence}")


def _degrees(value: float) -> Decimal:
    return Decimal(f"{value:.6f}")
