"""Replication from a real MariaDB and PostgreSQL: the first copy, changes a second, and how far landing is behind.

    .venv/bin/python bench/replication.py [--source mariadb|postgresql] [--rows 1000000] [--rate 1000] [--seconds 20]

The first copy, its indexes included, is compared with the source's own export to a file (SELECT ... INTO OUTFILE; COPY
TO) followed by COPY of that file into a table of the same columns, without any index; 0.7 of that rate is wanted of
MariaDB. The start of the process is shown apart. Of MariaDB the decoder is compared with mysql-replication's own on the
same events; a machine without mariadbd leaves it out. Lag is wanted under 2 s at the 99th percentile. Prints one
JSON object on the last line, with the machine's load when it began and ended.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from harness import sources
from psycopg import sql

from deployer.local.environment import LocalEnvironment
from deployer.local.replication import process
from deployer.local.replication.position import Position

WRITERS = 4


def main() -> int:
    there = sources.kinds()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=[sources.MariaDbSource.name, sources.PostgresSource.name])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    os.environ["ZEROSHIFT_PORT"] = "0"
    found: dict[str, Any] = {"rows": options.rows}
    for name in (
        [options.source] if options.source else [sources.MariaDbSource.name, sources.PostgresSource.name]
    ):
        found[name] = _measured(there[name], options) if name in there else "mariadbd is not installed"
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    print(json.dumps(found))
    return 0


def _measured(kind: type[Any], options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"load_before": round(os.getloadavg()[0], 1)}
    with _servers(kind) as (source, environment, dsn):
        source.fill(options.rows)
        found |= source.alone()
        found |= _copy(source, environment, dsn, options.rows)
        found |= _drain(source, environment, dsn, options.rows)
        found |= _lag(source, dsn, options.rate, options.seconds)
    return found | {"load_after": round(os.getloadavg()[0], 1)}


@contextmanager
def _servers(kind: type[Any]) -> Iterator[tuple[sources.Source, LocalEnvironment, str]]:
    with sources.scratch() as directory:
        source = kind(Path(directory))
        environment = LocalEnvironment(Path(directory) / "warehouse")
        try:
            source.create()
            status = environment.up()
            assert status.engine_dsn is not None
            yield source, environment, status.engine_dsn
        finally:
            process.stop_all(environment.home)
            environment.down()
            source.server.destroy()


def _copy(source: sources.Source, environment: LocalEnvironment, dsn: str, rows: int) -> dict[str, Any]:
    """The first copy, and a bare export and import of the same rows."""
    bare = []
    for number in range(3):
        table = sql.Identifier("public", f"bare_{number}")
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as directory:
            file = source.export(Path(directory))
            with psycopg.connect(dsn) as connection:
                connection.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(sources.LANDED)))
                statement = sql.SQL("copy {} from stdin").format(table)
                with file.open("rb") as stream, connection.cursor().copy(statement) as target:
                    while piece := stream.read(1 << 20):
                        target.write(piece)
        bare.append(time.perf_counter() - began)
    began = time.perf_counter()
    process.start(environment.home, source.server.settings())
    with psycopg.connect(dsn, autocommit=True) as connection:
        _until(lambda: _one(connection, "select count(*) from zeroshift.replications") == 1)
        seconds = time.perf_counter() - began
        assert _one(connection, f"select count(*) from {_landed(source, 'bookings')}") == rows
        alone = float(
            _one(
                connection,
                "select extract(epoch from ended_at - started_at) from zeroshift.integration_activity",
            )
        )
    return {
        "first_copy_with_start_seconds": round(seconds, 2),
        "first_copy_seconds": round(alone, 2),
        "first_copy_rows_per_second": round(rows / alone),
        "compared_with": source.bare,
        "bare_seconds": round(min(bare), 2),
        "first_copy_share_of_rate": round(min(bare) / alone, 2),
    }


def _drain(source: sources.Source, environment: LocalEnvironment, dsn: str, rows: int) -> dict[str, Any]:
    """Changes a second when landing is behind: a hundred thousand updates in transactions of ten, and single ones."""
    result = {}
    for size, changes in ((10, min(rows, 100_000)), (1, min(rows, 20_000))):
        process.stop(environment.home, "rental")
        source.execute_many(
            [
                "update bookings set num_guests = num_guests + 1"
                f" where booking_id between {first + 1} and {first + size}"
                for first in range(0, changes, size)
            ]
        )
        began = time.perf_counter()
        process.start(environment.home, source.server.settings())
        _reach(source, dsn)
        result[f"changes_per_second_in_transactions_of_{size}"] = round(
            changes / (time.perf_counter() - began)
        )
    return result


def _lag(source: sources.Source, dsn: str, rate: int, seconds: int) -> dict[str, Any]:
    """Single changes at a steady rate, over a few connections; how long after its commit each is in landing."""
    source.server.execute(
        "create table beats (id int primary key, v int)",
        f"insert into beats values {', '.join(f'({writer}, 0)' for writer in range(WRITERS))}",
    )
    each = rate * seconds // WRITERS
    committed: list[list[float]] = [[time.perf_counter()] for _ in range(WRITERS)]
    seen, lags = [0] * WRITERS, []
    with psycopg.connect(dsn, autocommit=True) as connection:
        state = "select table_state from zeroshift.integration_tables where table_name = 'beats'"
        _until(lambda: _one(connection, state) == "Synced")
        threads = [
            threading.Thread(target=_beat, args=(source, writer, rate / WRITERS, each, committed[writer]))
            for writer in range(WRITERS)
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        statement = f"select id, v from {_landed(source, 'beats')} where _record_is_active"
        deadline = began + 600
        while min(seen) < each:
            there = connection.execute(statement.encode()).fetchall()
            now = time.perf_counter()
            for writer, value in there:
                # A value may be seen before its writer has noted that it is committed.
                known = min(value, len(committed[writer]) - 1)
                lags += [now - committed[writer][number] for number in range(seen[writer] + 1, known + 1)]
                seen[writer] = max(seen[writer], known)
            if now > deadline:
                raise SystemExit("waited ten minutes")
            time.sleep(0.005)
        for thread in threads:
            thread.join()
    written = max(times[-1] for times in committed) - began
    lags.sort()
    return {
        "written_per_second": round(each * WRITERS / written),
        "lag_p50_seconds": round(lags[len(lags) // 2], 3),
        "lag_p99_seconds": round(lags[len(lags) * 99 // 100], 3),
        "lag_max_seconds": round(lags[-1], 3),
    }


def _beat(source: sources.Source, writer: int, rate: float, count: int, committed: list[float]) -> None:
    with closing(source.server.connect()) as connection, connection.cursor() as cursor:
        began = time.perf_counter()
        for number in range(1, count + 1):
            cursor.execute(f"update beats set v = {number} where id = {writer}")
            committed.append(time.perf_counter())
            early = began + number / rate - time.perf_counter()
            if early > 0:
                time.sleep(early)


def _landed(source: sources.Source, table: str) -> str:
    return f'"rental_landing.{source.server.schema}".{table}'


def _reach(source: sources.Source, dsn: str) -> None:
    wanted = source.server.position()
    with psycopg.connect(dsn, autocommit=True) as engine:

        def there() -> bool:
            row = engine.execute("select log_file, log_position from zeroshift.replications").fetchone()
            return row is not None and row[0] is not None and bool(Position(*row) >= wanted)

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
