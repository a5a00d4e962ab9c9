"""The sources that bench/replication.py replicates: a MariaDB and a PostgreSQL of its own, with a million bookings."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent

from deployer.local.replication import definition, source, wire
from deployer.local.replication.tables import Decoders

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "local" / "replication"))

from mariadb import MariaDb, program  # type: ignore[import-not-found]  # beside the tests  # noqa: E402
from postgres import Postgres  # type: ignore[import-not-found]  # noqa: E402

BOOKINGS = (
    "create table bookings (booking_id bigint primary key, user_id bigint, apartment_id bigint, booking_date {instant},"
    " checkin_date date, checkout_date date, total_price decimal(12,2), currency char(3), booking_status varchar(20),"
    " payment_status varchar(20), num_guests int)"
)
LANDED = (
    "booking_id bigint, user_id bigint, apartment_id bigint, booking_date timestamp, checkin_date date,"
    " checkout_date date, total_price decimal(12,2), currency varchar(12), booking_status varchar(80),"
    " payment_status varchar(80), num_guests integer, _record_is_active boolean, _record_create_time timestamp,"
    " _record_delete_time timestamp"
)
_SEQUENCE_ROW = (
    "seq, seq % 50000, seq % 20000, '2024-01-01' + interval seq % 900 day, '2024-01-05' + interval seq % 900 day,"
    " '2024-01-09' + interval seq % 900 day, seq % 100000 / 7, 'USD',"
    " elt(1 + seq % 3, 'confirmed', 'pending', 'canceled'), if(seq % 9, 'paid', null), seq % 6"
)
_SERIES_ROW = (
    "seq, seq % 50000, seq % 20000, timestamp '2024-01-01' + seq % 900 * interval '1 day',"
    " date '2024-01-05' + (seq % 900)::int, date '2024-01-09' + (seq % 900)::int, (seq % 100000) / 7.0, 'USD',"
    " (array['confirmed', 'pending', 'canceled'])[1 + seq % 3], case when seq % 9 > 0 then 'paid' end, seq % 6"
)


class Source(ABC):
    """A kind of source. `server` is started by `create`."""

    name: str
    server: Any
    bare: str
    """What the first copy is compared with."""

    @abstractmethod
    def create(self) -> None:
        """Make the server, with an empty database `rental`."""

    @abstractmethod
    def fill(self, rows: int) -> None:
        """Make and fill the table bookings."""

    @abstractmethod
    def export(self, directory: Path) -> Path:
        """Write bookings with history's three columns to a file of COPY's text format."""

    def execute_many(self, statements: list[str]) -> None:
        """Each in a transaction of its own, over one connection."""
        with closing(self.server.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def alone(self) -> dict[str, Any]:
        """What is measured of this kind alone, without replication."""
        return {}


class MariaDbSource(Source):
    name = "mariadb"
    bare = "SELECT ... INTO OUTFILE, then COPY"

    def __init__(self, directory: Path) -> None:
        self.server = MariaDb(directory)

    def create(self) -> None:
        self.server.create()
        self.server.start("--innodb-buffer-pool-size=512M", "--secure-file-priv=")
        self.server.execute("create database rental", database=None)

    def fill(self, rows: int) -> None:
        self.server.execute(
            BOOKINGS.format(instant="datetime"),
            f"insert into bookings select {_SEQUENCE_ROW} from seq_1_to_{rows}",
        )

    def export(self, directory: Path) -> Path:
        # The server writes it, maybe as another account.
        os.chmod(directory, 0o777)
        file = directory / "bookings"
        self.server.execute(
            f"select *, 't', '2026-01-01', null from bookings into outfile '{file}' fields escaped by '\\\\'"
        )
        return file

    def alone(self) -> dict[str, Any]:
        """Rows a second out of the binlog: by mysql-replication itself, and by our decoder over its events."""
        server = self.server
        server.execute(BOOKINGS.format(instant="datetime").replace("table bookings", "table decoded"))
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("show master status")
            file, at = cursor.fetchone()[:2]
            known = definition.read(connection, {("rental", "decoded")}, True)["rental", "decoded"]
            cursor.execute(f"insert into decoded select {_SEQUENCE_ROW} from seq_1_to_50000")
        rates = {}
        for ours in (False, True):
            reader = BinLogStreamReader(
                source.of(server.settings()).arguments, 98, resume_stream=True, log_file=file, log_pos=at,
                only_events=[WriteRowsEvent], pymysql_wrapper=wire.Connection,
            )  # fmt: skip
            decoders, rows, began = Decoders(), 0, time.perf_counter()
            for event in reader:
                if ours:
                    decoder = decoders.of(known, event.columns)
                    assert decoder is not None
                    data = event.packet.read(event.event_size - event.packet.read_bytes)
                    rows += len(decoder.rows(data, len(data)))
                else:
                    rows += len(event.rows)
            rates[ours] = round(rows / (time.perf_counter() - began))
            reader.close()
        server.execute("drop table decoded")
        return {"decoded_rows_per_second": rates[True], "decoded_by_the_library": rates[False]}


class PostgresSource(Source):
    name = "postgresql"
    bare = "COPY TO a file, then COPY"

    def __init__(self, directory: Path) -> None:
        self.server = Postgres(directory)

    def create(self) -> None:
        self.server.create()
        self.server.empty()

    def fill(self, rows: int) -> None:
        self.server.execute(
            BOOKINGS.format(instant="timestamp"),
            f"insert into bookings select {_SERIES_ROW} from generate_series(1, {rows}) as seq",
            "vacuum analyze bookings",
        )

    def export(self, directory: Path) -> Path:
        file = directory / "bookings"
        statement = "copy (select *, 't', '2026-01-01', null from bookings) to stdout"
        with (
            self.server.connect() as connection,
            connection.cursor().copy(statement) as lines,
            file.open("wb") as out,
        ):
            for piece in lines:
                out.write(piece)
        return file


def kinds() -> dict[str, type[Any]]:
    """The kinds that can run on this machine."""
    found: dict[str, type[Any]] = {PostgresSource.name: PostgresSource}
    return {MariaDbSource.name: MariaDbSource} | found if program() is not None else found


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A directory for a server and a warehouse."""
    return tempfile.TemporaryDirectory(prefix="zs-bench-")
