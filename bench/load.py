"""What loading a million bookings costs: time against a bare COPY of the same file, and memory in Python.

Bounds: less than 400 MB resident in Python; the first load at a third of COPY's speed or better; a second one
with 0.1 % of the rows changed in twice the first one's time or less.

    python bench/load.py [--bookings N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from harness.fresh import ROOT, warehouse
from psycopg import sql

from deployer.local.landing.tables import BOOKINGS
from deployer.local.marketplace.bulk import change_bookings, write_snapshot

MEMORY_BOUND_MB = 400
FIRST_BOUND = 3.0
SECOND_BOUND = 2.0

# Memory is a process's own, so each load has one; the time is that of the load alone, without Python's start.
_CHILD = """
import json, resource, sys, time
from datetime import datetime
from pathlib import Path
from deployer.local.landing.load import load
started = time.monotonic()
counts = load(sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])).tables["bookings"]
seconds = time.monotonic() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"seconds": seconds, "peak_mb": peak / 1e6, "changed": counts.inserted + counts.updated}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bookings", type=int, default=1_000_000)
    bookings: int = parser.parse_args().bookings
    with warehouse(deployed=False) as house:
        whole = house.directory / "whole"
        write_snapshot(whole, bookings=bookings, until=date(2026, 11, 1), listings=5_000, views=1)
        first = _only_bookings(house.directory / "first", whole / "bookings.csv")
        second = house.directory / "second"
        second.mkdir()
        change_bookings(first / "bookings.csv", second / "bookings.csv", count=bookings // 1000)
        copy = min(_bare_copy(house.engine_dsn, first / "bookings.csv") for _ in range(2))
        print(f"bare COPY      {copy:7.2f} s")
        loaded = _load(house.engine_dsn, first, "2026-11-01")
        print(
            f"first load     {loaded['seconds']:7.2f} s,"
            f" {loaded['seconds'] / copy:.2f} times COPY (bound {FIRST_BOUND})"
        )
        again = _load(house.engine_dsn, second, "2026-11-02")
        print(
            f"0.1 % changed  {again['seconds']:7.2f} s,"
            f" {again['seconds'] / loaded['seconds']:.2f} times the first (bound {SECOND_BOUND}),"
            f" {again['changed']:,} rows"
        )
        peak = max(loaded["peak_mb"], again["peak_mb"])
        print(f"peak memory    {peak:7.0f} MB in Python (bound {MEMORY_BOUND_MB})")
    print(
        json.dumps(
            {
                "benchmark": "load",
                "bookings": bookings,
                "copy_seconds": round(copy, 3),
                "first_seconds": round(loaded["seconds"], 3),
                "second_seconds": round(again["seconds"], 3),
                "peak_mb": round(peak),
                "reached": peak < MEMORY_BOUND_MB
                and loaded["seconds"] <= FIRST_BOUND * copy
                and again["seconds"] <= SECOND_BOUND * loaded["seconds"],
            }
        )
    )


def _only_bookings(directory: Path, path: Path) -> Path:
    directory.mkdir()
    path.rename(directory / "bookings.csv")
    return directory


def _bare_copy(engine_dsn: str, path: Path) -> float:
    """Seconds that COPY takes to put the file into a new table of the same columns, committed."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.landing_type))
        for column in BOOKINGS.columns
    )
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        connection.execute("drop table if exists public.bare_copy")
        connection.execute(sql.SQL("create table public.bare_copy ({})").format(columns))
        started = time.monotonic()
        with (
            path.open("rb") as stream,
            connection.cursor().copy("copy public.bare_copy from stdin with (format csv, header)") as copy,
        ):
            while block := stream.read(1 << 18):
                copy.write(block)
        seconds = time.monotonic() - started
        connection.execute("drop table public.bare_copy")
        return seconds


def _load(engine_dsn: str, directory: Path, at: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, engine_dsn, str(directory), at],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"the load failed: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
