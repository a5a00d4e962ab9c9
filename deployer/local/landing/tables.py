"""The source's tables, and how zero-ETL shows their columns in the landing database.

The columns are those of the rental source (Aurora MySQL); the landing types follow AWS's type mapping for
MySQL sources (Aurora User Guide, "Data type differences between Aurora and Amazon Redshift databases"), with
four bytes for each character of a CHAR or VARCHAR, since MySQL counts characters and Redshift bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LANDING_DATABASE = "rental_landing"
LANDING_SCHEMA = "rental"
SOURCE_DATABASE = "rental"

BYTES_PER_CHARACTER = 4
TEXT_BYTES = 65_535
"""The width of MySQL's TEXT, in bytes, and of the VARCHAR that it lands in."""

Kind = Literal["bigint", "int", "boolean", "decimal", "char", "varchar", "text", "datetime", "date"]


@dataclass(frozen=True)
class Column:
    """One column of a source table.

    `size` is the characters of a char or varchar, or the precision of a decimal; `scale` its decimals.
    `boolean` is MySQL's TINYINT(1). An `optional` column may be missing from a CSV file: it is then NULL in
    every row.
    """

    name: str
    kind: Kind
    size: int = 0
    scale: int = 0
    optional: bool = False

    @property
    def is_text(self) -> bool:
        return self.kind in ("char", "varchar", "text")

    @property
    def source_type(self) -> str:
        """The column's type in MySQL, as one writes it there."""
        match self.kind:
            case "boolean":
                return "TINYINT(1)"
            case "decimal":
                return f"DECIMAL({self.size},{self.scale})"
            case "char" | "varchar":
                return f"{self.kind.upper()}({self.size})"
            case _:
                return self.kind.upper()

    @property
    def landing_type(self) -> str:
        """The column's type in the landing database. Redshift and PostgreSQL write these types alike."""
        match self.kind:
            case "bigint" | "date":
                return self.kind
            case "int":
                return "integer"
            case "boolean":
                return "smallint"
            case "decimal":
                return f"decimal({self.size},{self.scale})"
            case "char" | "varchar":
                return f"varchar({self.size * BYTES_PER_CHARACTER})"
            case "text":
                return f"varchar({TEXT_BYTES})"
            case "datetime":
                return "timestamp"


@dataclass(frozen=True)
class Table:
    """One source table; `key` names its primary key. A `numbered` table's key is MySQL's AUTO_INCREMENT."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    numbered: bool = False

    def column(self, name: str) -> Column:
        """The column called `name`; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def _bigint(name: str) -> Column:
    return Column(name, "bigint")


def _varchar(name: str, characters: int, *, optional: bool = False) -> Column:
    return Column(name, "varchar", characters, optional=optional)


def _decimal(name: str, precision: int, scale: int) -> Column:
    return Column(name, "decimal", precision, scale)


APARTMENTS = Table(
    "apartments",
    ("id",),
    (
        _bigint("id"),
        _varchar("title", 255),
        _varchar("source", 50),
        _decimal("price", 12, 2),
        Column("currency", "char", 3),
        Column("listing_created_on", "datetime"),
        Column("is_active", "boolean"),
        Column("last_modified_timestamp", "datetime"),
    ),
)

APARTMENT_ATTRIBUTES = Table(
    "apartment_attributes",
    ("id",),
    (
        _bigint("id"),
        _varchar("category", 50),
        Column("body", "text"),
        Column("amenities", "text"),
        _decimal("bathrooms", 4, 1),
        _decimal("bedrooms", 4, 1),
        _decimal("fee", 12, 2),
        Column("has_photo", "boolean"),
        Column("pets_allowed", "boolean", optional=True),
        _varchar("price_display", 50),
        _varchar("price_type", 20),
        Column("square_feet", "int"),
        _varchar("address", 255),
        _varchar("cityname", 100),
        _varchar("state", 100),
        _decimal("latitude", 9, 6),
        _decimal("longitude", 9, 6),
    ),
)

USER_VIEWING = Table(
    "user_viewing",
    ("viewing_id",),
    (
        _bigint("viewing_id"),
        _bigint("user_id"),
        _bigint("apartment_id"),
        Column("viewed_at", "datetime"),
        Column("is_wishlisted", "boolean"),
        _varchar("call_to_action", 50, optional=True),
    ),
    numbered=True,
)

BOOKINGS = Table(
    "bookings",
    ("booking_id",),
    (
        _bigint("booking_id"),
        _bigint("user_id"),
        _bigint("apartment_id"),
        Column("booking_date", "datetime"),
        Column("checkin_date", "date"),
        Column("checkout_date", "date"),
        _decimal("total_price", 12, 2),
        Column("currency", "char", 3),
        _varchar("booking_status", 20),
        _varchar("payment_status", 20, optional=True),
        Column("num_guests", "int", optional=True),
    ),
)

EXCHANGE_RATES = Table(
    "exchange_rates",
    ("currency", "rate_date"),
    (
        Column("currency", "char", 3),
        Column("rate_date", "date"),
        _decimal("usd_per_unit", 18, 8),
    ),
)

TABLES: tuple[Table, ...] = (APARTMENTS, APARTMENT_ATTRIBUTES, USER_VIEWING, BOOKINGS, EXCHANGE_RATES)


def table_named(name: str) -> Table:
    """The source table called `name`; raises KeyError."""
    for table in TABLES:
        if table.name == name:
            return table
    raise KeyError(name)
