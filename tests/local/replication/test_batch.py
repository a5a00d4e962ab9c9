"""Batches of transactions against a table of versions that is kept row by row."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from deployer.local.replication.batch import Net, TableBatch
from deployer.local.replication.rowimage import Row

START = datetime(2026, 1, 1)
CHANGES = st.tuples(st.sampled_from("iud"), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2))


class Table:
    """History as it must be: `present` by key, and versions (row, begin, end)."""

    def __init__(self) -> None:
        self.present: dict[str, tuple[Row, datetime]] = {}
        self.versions: list[tuple[Row, datetime, datetime | None]] = []

    def commit(self, rows: dict[str, Row], at: datetime) -> None:
        for key in set(self.present) | set(rows):
            old = self.present.get(key)
            if old is not None and old[0] == rows.get(key):
                continue
            if old is not None:
                self.versions.append((*self.present.pop(key), at))
            if key in rows:
                self.present[key] = (rows[key], at)

    def everything(self) -> list[tuple[Row, datetime, datetime | None]]:
        return sorted(
            [*self.versions, *[(row, begin, None) for row, begin in self.present.values()]], key=repr
        )


@given(st.lists(st.lists(st.lists(CHANGES, max_size=6), max_size=5), max_size=4))
def test_batches_equal_row_by_row(batches: list[list[list[tuple[str, int, int, int]]]]) -> None:
    wanted, landing = Table(), Table()
    rows: dict[str, Row] = {}
    at = START
    for transactions in batches:
        batch = TableBatch((0,))
        for changes in transactions:
            net = Net((0,))
            for kind, one, other, value in changes:
                key, new = str(one), str(other)
                if kind == "i" and key not in rows:
                    rows[key] = (key, str(value))
                    net.add(None, rows[key])
                elif kind == "d" and key in rows:
                    net.add(rows.pop(key), None)
                elif kind == "u" and key in rows and (new == key or new not in rows):
                    before = rows.pop(key)
                    rows[new] = (new, str(value))
                    net.add(before, rows[new])
            at += timedelta(seconds=1)
            batch.apply(net, at)
            wanted.commit(rows, at)
        for (key,), end in batch.ended.items():
            assert key is not None
            landing.versions.append((*landing.present.pop(key), end))
        landing.versions += batch.versions
        for (key,), version in batch.present.items():
            assert key is not None and key not in landing.present
            landing.present[key] = version
        assert landing.everything() == wanted.everything()
