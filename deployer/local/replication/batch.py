"""What a batch of transactions does to a history table: which present versions end, and which begin.

A transaction is one change: of several changes to a row only the last is seen, and none if the row is then as
before. Versions of different transactions are all kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from deployer.local.replication.rowimage import Row

Key = tuple[str | None, ...]


@dataclass
class TableBatch:
    """One table's changes since the last commit of the landing tables.

    `ended`: keys of versions in landing, and when they end. `versions`: rows with begin and end; `present`: by key,
    rows and their begin.
    """

    key_places: tuple[int, ...]
    ended: dict[Key, datetime] = field(default_factory=dict)
    versions: list[tuple[Row, datetime, datetime]] = field(default_factory=list)
    present: dict[Key, tuple[Row, datetime]] = field(default_factory=dict)
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def apply(self, changes: Net, at: datetime) -> None:
        """One transaction, committed at `at`, which is later than all before it."""
        for key, (before, after) in changes.rows.items():
            if before == after:
                continue
            if before is not None:
                mine = self.present.pop(key, None)
                if mine is None:
                    self.ended[key] = at
                else:
                    self.versions.append((mine[0], mine[1], at))
            if after is not None:
                self.present[key] = (after, at)
            if before is None:
                self.inserted += 1
            elif after is None:
                self.deleted += 1
            else:
                self.updated += 1

    @property
    def size(self) -> int:
        """Rows to be written."""
        return len(self.ended) + len(self.versions) + len(self.present)


@dataclass
class Net:
    """One transaction's net change of a table: by key the row before and after; None where there is none."""

    key_places: tuple[int, ...]
    rows: dict[Key, tuple[Row | None, Row | None]] = field(default_factory=dict)

    def add(self, before: Row | None, after: Row | None) -> None:
        """One row change. An update of the key is a deletion and an insertion."""
        old = None if before is None else self._key(before)
        new = None if after is None else self._key(after)
        if old == new and old is not None:
            self.rows[old] = (self._first(old, before), after)
            return
        if old is not None:
            self.rows[old] = (self._first(old, before), None)
        if new is not None:
            self.rows[new] = (self._first(new, None), after)

    def _first(self, key: Key, before: Row | None) -> Row | None:
        """The row as it was before the transaction."""
        known = self.rows.get(key)
        return before if known is None else known[0]

    def _key(self, row: Row) -> Key:
        return tuple([row[place] for place in self.key_places])
