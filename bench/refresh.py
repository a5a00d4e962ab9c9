"""What a refresh costs: in full, and after 1,000 bookings have changed, on histories of two lengths.

The marketplace has a constant rate (5,000 listings, 100,000 bookings and as many views a year), so a history
of ten times the bookings is ten times as long. Two sets of changes are measured on each:

recent   600 bookings made in the last hour, 400 changed ones (price or status), whose ages are exponentially
         distributed with a mean of 14 days: what some hours bring
spread   1,000 changed ones, evenly over all of the history: a correction at the source

`recent` is measured three times, each on new changes, and the fastest counts: what else runs on the machine can
only slow it down. Before that the tables move on once, as they do after their first copy.

Bounds, at 1,000,000 bookings: recent / full <= 0.05, and recent <= 1.5 times that at 100,000.

    python bench/refresh.py [--bookings N ...]
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path

from harness.fresh import Warehouse, Work, measured, warehouse

from deployer.local.landing.load import load
from deployer.local.marketplace.bulk import write_snapshot

LISTINGS = 5_000
BOOKINGS_A_YEAR = 100_000
UNTIL = date(2026, 11, 1)
CHANGES = 1_000
NEW = 600
REPEATS = 3
MEAN_AGE_DAYS = 14.0

RATIO_BOUND = 0.05
GROWTH_BOUND = 1.5

Choice = Callable[[random.Random, int], int]
"""Picks the position of a row to change among so many rows, which are in the order of booking."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bookings", type=int, nargs="+", default=[100_000, 1_000_000])
    sizes: list[int] = sorted(parser.parse_args().bookings)
    results = {size: _measure(size) for size in sizes}
    small, large = sizes[0], sizes[-1]
    ratio = results[large]["recent"].seconds / _full_seconds(results[large])
    growth = results[large]["recent"].seconds / results[small]["recent"].seconds
    print(f"\nat {large:,}: recent / full = {ratio:.4f} (bound {RATIO_BOUND})")
    print(f"recent at {large:,} / at {small:,} = {growth:.2f} (bound {GROWTH_BOUND})")
    print(
        json.dumps(
            {
                "benchmark": "refresh",
                "changes": CHANGES,
                "results": {
                    str(size): {k: asdict(v) for k, v in each.items()} for size, each in results.items()
                },
                "incremental_to_full": round(ratio, 4),
                "growth": round(growth, 3),
                "reached": ratio <= RATIO_BOUND and growth <= GROWTH_BOUND,
            }
        )
    )


def _full_seconds(work: dict[str, Work]) -> float:
    """The cheaper of the two full rebuilds, so that the ratio is not flattered."""
    return min(work["first"].seconds, work["full"].seconds)


def _measure(bookings: int) -> dict[str, Work]:
    print(f"\n{bookings:,} bookings")
    with warehouse() as house:
        snapshot = house.directory / "snapshot"
        write_snapshot(
            snapshot, bookings=bookings, until=UNTIL, years=bookings / BOOKINGS_A_YEAR, listings=LISTINGS
        )
        now = datetime.combine(UNTIL, datetime.min.time())
        load(house.engine_dsn, snapshot, now)
        for path in snapshot.glob("*.csv"):
            # The other tables stay as they are: a table without a file is left alone.
            if path.name not in ("bookings.csv", "user_viewing.csv"):
                path.unlink()
        work = {
            "first": _run(house, "first run", now, "incremental"),
            "full": _run(house, "full refresh", now, "full"),
            "nothing": _run(house, "nothing changed", now, "incremental"),
        }
        _view(snapshot / "user_viewing.csv", now)
        recent: list[Work] = []
        for name, change in (("warm_up", _recent), *[("recent", _recent)] * REPEATS, ("spread", _spread)):
            now += timedelta(hours=1)
            change(snapshot / "bookings.csv", now)
            load(house.engine_dsn, snapshot, now)
            (snapshot / "user_viewing.csv").unlink(missing_ok=True)
            work[name] = _run(house, name, now, "incremental")
            if name == "recent":
                recent.append(work[name])
        work["recent"] = min(recent, key=lambda each: each.seconds)
        return work


def _run(house: Warehouse, label: str, as_of: datetime, mode: str) -> Work:
    work = measured(house, f"call ops.run_rental('{as_of}', '{mode}')")
    print(
        f"  {label:16} {work.seconds:8.2f} s  {work.rows_rewritten:>10,} rows rewritten"
        f" ({work.metric_rows_rewritten:,} of metrics)  {work.blocks:>10,} blocks read",
        flush=True,
    )
    return work


def _view(path: Path, now: datetime) -> None:
    """Append views of the last minutes to the snapshot's."""
    last = path.read_text(encoding="utf-8").rstrip("\n").rsplit("\n", 1)[1].split(",")
    with path.open("a", encoding="utf-8", newline="") as stream:
        for number in range(1, NEW + 1):
            fields = [str(int(last[0]) + number), *last[1:]]
            fields[3] = (now + timedelta(seconds=number)).strftime("%Y-%m-%d %H:%M:%S")
            stream.write(",".join(fields) + "\n")


def _recent(path: Path, now: datetime) -> None:
    chance = random.Random(f"recent {now}")
    rows_a_day = BOOKINGS_A_YEAR / 365.25

    def choose(chance: random.Random, rows: int) -> int:
        return max(0, rows - 1 - int(chance.expovariate(1 / MEAN_AGE_DAYS) * rows_a_day))

    _change(path, chance, choose, CHANGES - NEW, NEW, now)


def _spread(path: Path, now: datetime) -> None:
    _change(
        path, random.Random(f"spread {now}"), lambda chance, rows: chance.randrange(rows), CHANGES, 0, now
    )


def _change(path: Path, chance: random.Random, choose: Choice, changed: int, new: int, now: datetime) -> None:
    """Rewrite the snapshot's bookings: `changed` rows with another price or status, `new` rows more."""
    with path.open(encoding="utf-8", newline="") as stream:
        header, *lines = stream.read().splitlines()
    chosen: set[int] = set()
    while len(chosen) < changed:
        chosen.add(choose(chance, len(lines)))
    for position in sorted(chosen):
        fields = lines[position].split(",")
        if position % 2:
            whole, cents = fields[6].split(".")
            fields[6] = f"{int(whole) + 1}.{cents}"
        else:
            fields[8] = "canceled" if fields[8] != "canceled" else "confirmed"
        lines[position] = ",".join(fields)
    first_id = max(int(lines[-1].split(",", 1)[0]), int(lines[0].split(",", 1)[0])) + 1
    for number in range(new):
        # A copy of a recent booking, by another user, made within the last hour for a stay ahead.
        fields = lines[len(lines) - 1 - chance.randrange(min(50_000, len(lines)))].split(",")
        booked = now - timedelta(seconds=chance.randrange(3600))
        checkin = booked.date() + timedelta(days=chance.randrange(90))
        fields[0] = str(first_id + number)
        fields[3] = booked.strftime("%Y-%m-%d %H:%M:%S")
        fields[4] = checkin.isoformat()
        fields[5] = (checkin + timedelta(days=chance.randrange(1, 15))).isoformat()
        lines.append(",".join(fields))
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write("\n".join([header, *lines]) + "\n")


if __name__ == "__main__":
    main()
