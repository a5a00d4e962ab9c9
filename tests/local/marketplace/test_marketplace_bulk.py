"""The benchmarks' snapshots: as many rows as asked for, and exactly as many changes."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from deployer.local.landing.load import load
from deployer.local.landing.stage import Counts
from deployer.local.marketplace.bulk import change_bookings, write_snapshot


def test_a_bulk_snapshot_loads_and_changes_by_the_row(
    engine_dsn: str, fresh_database: object, tmp_path: Path
) -> None:
    write_snapshot(tmp_path / "a", bookings=25_000, until=date(2025, 1, 1), views=1_000)
    first = load(engine_dsn, tmp_path / "a", datetime(2025, 1, 1))
    assert first.notices == ()
    assert first.tables["bookings"] == Counts(inserted=25_000)
    assert first.tables["user_viewing"] == Counts(inserted=1_000)
    assert first.tables["apartments"] == Counts(inserted=250)
    (tmp_path / "b").mkdir()
    assert change_bookings(tmp_path / "a/bookings.csv", tmp_path / "b/bookings.csv", count=100, seed=4) == 100
    second = load(engine_dsn, tmp_path / "b", datetime(2025, 1, 2))
    assert second.tables["bookings"] == Counts(updated=100, unchanged=24_900)


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_snapshot(tmp_path / name, bookings=500, until=date(2025, 1, 1), seed=9)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
