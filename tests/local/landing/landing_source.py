"""Short ways to write, load and read the local source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from deployer.local.landing.load import LoadResult, load

START = datetime(2025, 1, 1)
SCHEMA = "rental_landing.rental"

HEADERS = {
    "apartments": "id,title,source,price,currency,listing_created_on,is_active,last_modified_timestamp",
    "apartment_attributes": (
        "id,category,body,amenities,bathrooms,bedrooms,fee,has_photo,pets_allowed,price_display,price_type,"
        "square_feet,address,cityname,state,latitude,longitude"
    ),
    "user_viewing": "viewing_id,user_id,apartment_id,viewed_at,is_wishlisted,call_to_action",
    "bookings": (
        "booking_id,user_id,apartment_id,booking_date,checkin_date,checkout_date,total_price,currency,"
        "booking_status,payment_status,num_guests"
    ),
    "exchange_rates": "currency,rate_date,usd_per_unit",
}


@dataclass
class Source:
    """The local source of one test: where its files go, and the engine that it is loaded into."""

    dsn: str
    directory: Path
    loads: int = 0

    def write(self, table: str, *rows: str, header: str | None = None, end: str = "\n") -> Path:
        """Write `rows` as the table's file, below the header of all its columns unless told otherwise."""
        lines = [HEADERS[table] if header is None else header, *rows]
        path = self.directory / f"{table}.csv"
        path.write_bytes(b"".join((line + end).encode() for line in lines))
        return path

    def load(self, at: datetime | None = None, **options: Any) -> LoadResult:
        """Load the directory; without `at`, on the next day of January 2025."""
        self.loads += 1
        return load(self.dsn, self.directory, at or START.replace(day=self.loads), **options)

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement, parameters or None).fetchall()  # type: ignore[arg-type]

    def rows(self, table: str, columns: str = "*", order: str = "1") -> list[tuple[Any, ...]]:
        """The present rows."""
        return self.query(
            f'select {columns} from "rental_landing.rental".{table} where _record_is_active order by {order}'
        )

    def history(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        """All versions with their record columns, in the order of key and time."""
        return self.query(
            f"select {columns}, _record_is_active, _record_create_time, _record_delete_time"
            f' from "rental_landing.rental".{table}'
            f" order by {columns}, _record_create_time, _record_delete_time nulls last"
        )

    def state(self) -> Sequence[object]:
        """Everything that a load may change, to see that one has changed nothing."""
        if self.query("select to_regclass('zeroshift.integrations')") == [(None,)]:
            return []
        known = self.query("select table_name from information_schema.tables where table_schema = %s", SCHEMA)
        return [
            self.query("select * from zeroshift.integrations order by 1"),
            self.query("select * from zeroshift.integration_tables order by 3"),
            *(self.query(f'select * from "{SCHEMA}".{name} order by 1, 2, 3') for (name,) in sorted(known)),
        ]


def empty(dsn: str) -> None:
    """Forget the source, as if it had never been loaded."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f'drop schema if exists "{SCHEMA}" cascade')
        connection.execute(
            "do $$ begin if to_regclass('zeroshift.integrations') is not null then"
            " delete from zeroshift.integrations; end if; end $$"
        )
