"""The rental source and its landing tables, as zero-ETL's history mode shows them.

A snapshot is the whole source at one instant. Loading snapshots one after the other gives each landing table
its versions: a changed or deleted row's version ends at the instant of the load, a new or changed one begins
there.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Apartment:
    id: int
    title: str | None = "Loft"
    price: Decimal | None = Decimal("100.00")
    currency: str | None = "USD"
    listing_created_on: datetime | None = None
    is_active: bool | None = True


@dataclass(frozen=True)
class Attributes:
    """The columns of apartment_attributes that matter to a metric."""

    id: int
    cityname: str | None = "Austin"
    state: str | None = "Texas"
    latitude: Decimal | None = Decimal("30.25")
    longitude: Decimal | None = Decimal("-97.75")


@dataclass(frozen=True)
class Viewing:
    viewing_id: int
    user_id: int | None = 1
    apartment_id: int | None = 1
    viewed_at: datetime | None = None
    is_wishlisted: bool | None = False
    call_to_action: str | None = None


@dataclass(frozen=True)
class Booking:
    booking_id: int
    user_id: int | None = 1
    apartment_id: int | None = 1
    booking_date: datetime | None = None
    checkin_date: date | None = None
    checkout_date: date | None = None
    total_price: Decimal | None = Decimal("100.00")
    currency: str | None = "USD"
    booking_status: str | None = "confirmed"
    payment_status: str | None = "paid"
    num_guests: int | None = None


@dataclass(frozen=True)
class Rate:
    currency: str
    rate_date: date
    usd_per_unit: Decimal | None = None


TABLES: Mapping[str, tuple[type[Any], tuple[str, ...]]] = {
    "apartments": (Apartment, ("id",)),
    "apartment_attributes": (Attributes, ("id",)),
    "user_viewing": (Viewing, ("viewing_id",)),
    "bookings": (Booking, ("booking_id",)),
    "exchange_rates": (Rate, ("currency", "rate_date")),
}
"""Source table -> the class of its rows and the names of its key."""

OTHER_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "apartments": ("source", "last_modified_timestamp"),
    "apartment_attributes": (
        "category",
        "body",
        "amenities",
        "bathrooms",
        "bedrooms",
        "fee",
        "has_photo",
        "pets_allowed",
        "price_display",
        "price_type",
        "square_feet",
        "address",
    ),
}
"""Columns that no metric looks at: NULL in every row here."""

Key = tuple[Any, ...]
Snapshot = Mapping[str, Mapping[Key, Any]]
"""Table -> key -> row."""


def key_of(table: str, row: Any) -> Key:
    return tuple(getattr(row, name) for name in TABLES[table][1])


def snapshot(*rows: Any) -> dict[str, dict[Key, Any]]:
    """The source that holds exactly these rows."""
    result: dict[str, dict[Key, Any]] = {table: {} for table in TABLES}
    for row in rows:
        (table,) = (name for name, (kind, _) in TABLES.items() if isinstance(row, kind))
        key = key_of(table, row)
        assert key not in result[table], f"{table} {key} twice"
        result[table][key] = row
    return result


@dataclass(frozen=True)
class Version:
    """One row of a history-mode landing table; `deleted` is None while the row is active."""

    row: Any
    created: datetime
    deleted: datetime | None = None


@dataclass
class Landing:
    """The landing tables: every version, in the order in which they came."""

    tables: dict[str, list[Version]] = field(default_factory=lambda: {table: [] for table in TABLES})

    def load(self, source: Snapshot, at: datetime) -> None:
        """Make the present rows equal to the snapshot as of `at`."""
        for table, rows in source.items():
            kept: list[Version] = []
            present: set[Key] = set()
            for version in self.tables[table]:
                key = key_of(table, version.row)
                if version.deleted is None:
                    if rows.get(key) == version.row:
                        present.add(key)
                    else:
                        version = Version(version.row, version.created, at)
                kept.append(version)
            kept += [Version(row, at) for key, row in rows.items() if key not in present]
            self.tables[table] = kept

    def resync(self, table: str, at: datetime) -> None:
        """Copy the table anew: one version of every present row, created now; nothing of before."""
        self.tables[table] = [Version(row, at) for row in self.present(table)]

    def present(self, table: str) -> list[Any]:
        return [version.row for version in self.tables[table] if version.deleted is None]

    def newest_change(self) -> datetime | None:
        """The newest record time in any landing table."""
        times = [
            time
            for versions in self.tables.values()
            for version in versions
            for time in (version.created, version.deleted)
            if time is not None
        ]
        return max(times, default=None)


def write_csv(source: Snapshot, directory: Path) -> None:
    """Write the snapshot as `zeroshift local load` reads it: one file a table, empty = NULL."""
    directory.mkdir(parents=True, exist_ok=True)
    for table, rows in source.items():
        kind, _ = TABLES[table]
        names = [column.name for column in fields(kind)]
        others = OTHER_COLUMNS.get(table, ())
        with (directory / f"{table}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([*names, *others])
            for key in sorted(rows):
                values = [_text(getattr(rows[key], name)) for name in names]
                writer.writerow([*values, *("" for _ in others)])


def read_csv(directory: Path) -> dict[str, dict[Key, Any]]:
    """The snapshot that `write_csv` wrote: for replaying a failure."""
    result: dict[str, dict[Key, Any]] = {}
    for table, (kind, _) in TABLES.items():
        with (directory / f"{table}.csv").open(encoding="utf-8", newline="") as stream:
            rows = [
                kind(**{f.name: _value(str(f.type), line[f.name]) for f in fields(kind)})
                for line in csv.DictReader(stream)
            ]
        result[table] = {key_of(table, row): row for row in rows}
    return result


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _value(kind: str, text: str) -> Any:
    if text == "":
        return None
    match kind.split(" | ")[0]:
        case "int":
            return int(text)
        case "bool":
            return text == "1"
        case "Decimal":
            return Decimal(text)
        case "datetime":
            return datetime.fromisoformat(text)
        case "date":
            return date.fromisoformat(text)
        case _:
            return text
