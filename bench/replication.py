"""Replication from a real MariaDB: the first copy, changes a second, and how far landing is behind.

    .venv/bin/python bench/replication.py [--rows 1000000] [--rate 1000] [--seconds 20]

The first copy, its indexes included, is compared with SELECT ... INTO OUTFILE followed by COPY of that file into a
table of the same columns, without any; 0.7 of that rate is wanted. The start of the process is shown apart.
The decoder is compared with mysql-replication's own on the same events. Needs mariadbd. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent

from deployer.local.environment import LocalEnvironment
from deployer.local.replication import definition, process, source, wire
from deployer.local.replication.position import Position
from deployer.local.replication.tables import Decoders

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "local" / "replication"))

from mariadb import MariaDb, program  # type: ignore[import-not-found]  # beside the tests  # noqa: E402

BOOKINGS = (
    "create table bookings (booking_id bigint primary key, user_id bigint, apartment_id bigint, booking_date datetime,"
    " checkin_date date, checkout_date date, total_price decimal(12,2), currency char(3), booking_status varchar(20),"
    " payment_status varchar(20), num_guests int)"
)
COLUMNS = (
    "booking_id bigint, user_id bigint, apartment_id bigint, booking_date timestamp, checkin_date date,"
    " checkout_date date, total_price decimal(12,2), currency varchar(12), booking_status varchar(80),"
    " payment_status varchar(80), num_guests integer, _record_is_active boolean, _record_create_time timestamp,"
    " _record_delete_time timestamp"
)
ROW = (
    "seq, seq % 50000, seq % 20000, '2024-01-01' + interval seq % 900 day, '2024-01-05' + interval seq % 900 day,"
    " '2024-01-09' + interval seq % 900 day, seq % 100000 / 7, 'USD',"
    " elt(1 + seq % 3, 'confirmed', 'pending', 'canceled'), if(seq % 9, 'paid', null), seq % 6"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    if program() is None:
        print(json.dumps({"skipped": "mariadbd is not installed"}))
        return 0
    os.environ["ZEROSHIFT_PORT"] = "0"
    with _servers() as (server, environment, dsn):
        server.execute("create database rental", database=None)
        server.execute(BOOKINGS, f"insert into bookings select {ROW} from seq_1_to_{options.rows}")
        found: dict[str, Any] = {"rows": options.rows}
        found |= _decoding(server)
        found |= _copy(server, environment, dsn, options.rows)
        found |= _drain(server, environment, dsn)
        found |= _lag(server, dsn, options.rate, options.seconds)
    print(json.dumps(found))
    return 0


@contextmanager
def _servers() -> Iterator[tuple[Any, LocalEnvironment, str]]:
    with tempfile.TemporaryDirectory() as directory:
        server = MariaDb(Path(directory))
        environment = LocalEnvironment(Path(directory) / "home")
        try:
            server.create()
            server.start("--innodb-buffer-pool-size=512M", "--secure-file-priv=")
            status = environment.up()
            assert status.engine_dsn is not None
            yield server, environment, status.engine_dsn
        finally:
            process.stop_all(environment.home)
            environment.down()
            server.destroy()


def _decoding(server: Any) -> dict[str, Any]:
    """Rows a second out of the binlog: by mysql-replication itself, and by our decoder over its events."""
    server.execute(BOOKINGS.replace("table bookings", "table decoded"))
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("show master status")
        file, at = cursor.fetchone()[:2]
        known = definition.read(connection, {("rental", "decoded")}, True)["rental", "decoded"]
        cursor.execute(f"insert into decoded select {ROW} from seq_1_to_50000")
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
        rates["ours" if ours else "library"] = round(rows / (time.perf_counter() - began))
        reader.close()
    server.execute("drop table decoded")
    return {"decoded_rows_per_second": rates["ours"], "decoded_by_the_library": rates["library"]}


def _copy(server: Any, environment: LocalEnvironment, dsn: str, rows: int) -> dict[str, Any]:
    """The first copy, and a bare export and import of the same rows."""
    bare = []
    for number in range(3):
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o777)
            file = Path(directory) / "bookings"
            server.execute(
                f"select *, 't', '2026-01-01', null from bookings into outfile '{file}' fields escaped by '\\\\'"
            )
            with psycopg.connect(dsn) as connection:
                connection.execute(
                    sql.SQL("create table public.bare_{} ({})").format(sql.SQL(str(number)), sql.SQL(COLUMNS))
                )
                statement = sql.SQL("copy public.bare_{} from stdin").format(sql.SQL(str(number)))
                with file.open("rb") as stream, connection.cursor().copy(statement) as target:
                    while piece := stream.read(1 << 20):
                        target.write(piece)
        bare.append(time.perf_counter() - began)
    began = time.perf_counter()
    process.start(environment.home, server.settings())
    with psycopg.connect(dsn, autocommit=True) as connection:
        _until(lambda: _one(connection, "select count(*) from zeroshift.replications") == 1)
        seconds = time.perf_counter() - began
        assert _one(connection, 'select count(*) from "rental_landing.rental".bookings') == rows
        alone = float(
            _one(
                connection,
                "select extract(epoch from ended_at - started_at) from zeroshift.integration_activity",
            )
        )
    return {
        "first_copy_with_start_seconds": round(seconds, 2),
        "first_copy_seconds": round(alone, 2),
        "outfile_and_copy_seconds": round(min(bare), 2),
        "first_copy_share_of_rate": round(min(bare) / alone, 2),
    }


def _drain(server: Any, environment: LocalEnvironment, dsn: str) -> dict[str, Any]:
    """Changes a second when landing is behind: a hundred thousand updates in transactions of ten and of one."""
    result = {}
    for size, changes in ((10, 100_000), (1, 20_000)):
        process.stop(environment.home, "rental")
        with server.connect() as connection, connection.cursor() as cursor:
            for first in range(0, changes, size):
                cursor.execute(
                    "update bookings set num_guests = num_guests + 1 where booking_id between %s and %s",
                    (first + 1, first + size),
                )
        began = time.perf_counter()
        process.start(environment.home, server.settings())
        _reach(server, dsn)
        result[f"changes_per_second_in_transactions_of_{size}"] = round(
            changes / (time.perf_counter() - began)
        )
    return result


def _lag(server: Any, dsn: str, rate: int, seconds: int) -> dict[str, Any]:
    """Single changes at a steady rate; how long after its commit each is in landing."""
    server.execute("create table beats (id int primary key, v int)", "insert into beats values (1, 0)")
    committed: dict[int, float] = {}
    lags: list[float] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        _until(lambda: _one(connection, "select to_regclass('\"rental_landing.rental\".beats') is not null"))
        _until(
            lambda: (
                _one(
                    connection,
                    "select table_state from zeroshift.integration_tables where table_name = 'beats'",
                )
                == "Synced"
            )
        )
        done = threading.Event()

        def write() -> None:
            with server.connect() as writing, writing.cursor() as cursor:
                began = time.perf_counter()
                for number in range(1, rate * seconds + 1):
                    cursor.execute("update beats set v = %s where id = 1", (number,))
                    committed[number] = time.perf_counter()
                    early = began + number / rate - time.perf_counter()
                    if early > 0:
                        time.sleep(early)
            done.set()

        thread = threading.Thread(target=write)
        began = time.perf_counter()
        thread.start()
        seen = 0
        while seen < rate * seconds:
            there = (
                _one(connection, 'select v from "rental_landing.rental".beats where _record_is_active') or 0
            )
            now = time.perf_counter()
            lags += [now - committed.get(number, now) for number in range(seen + 1, there + 1)]
            seen = there
            time.sleep(0.005)
        thread.join()
        elapsed = time.perf_counter() - began
    lags.sort()
    return {
        "written_per_second": round(rate * seconds / elapsed),
        "lag_p50_seconds": round(lags[len(lags) // 2], 3),
        "lag_p99_seconds": round(lags[len(lags) * 99 // 100], 3),
        "lag_max_seconds": round(lags[-1], 3),
    }


def _reach(server: Any, dsn: str) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("show master status")
        wanted = Position(*cursor.fetchone()[:2])
    with psycopg.connect(dsn, autocommit=True) as engine:

        def there() -> bool:
            row = engine.execute("select log_file, log_position from zeroshift.replications").fetchone()
            return row is not None and row[0] is not None and Position(*row) >= wanted

        _until(there)


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("waited ten minutes")
        time.sleep(0.01)


def _one(connection: psycopg.Connection[tuple[Any, ...]], statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    return None if row is None else row[0]


if __name__ == "__main__":
    raise SystemExit(main())
