"""The warehouse as it must be after a series of loads and runs: the spec's runs, without any SQL.

`Oracle` plays the landing tables and the runs (incremental, full, rewind, superseded, stopped by a reseed,
failed between curated and publish) and says what each presentation view must then hold.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from oracle.metrics import VIEWS, Row
from oracle.record import Curated, Record, curate
from oracle.source import Landing, Snapshot

Mode = Literal["incremental", "full", "rewind", "accept_reseed"]
Outcome = Literal["published", "superseded", "stopped", "failed", "skipped", "refused"]


@dataclass(frozen=True)
class Published:
    """What analysts see: the curated layer and the instant of the last run that was published."""

    curated: Curated
    as_of: datetime

    def rows(self, view: str) -> list[Row]:
        return VIEWS[view](self.curated, self.as_of)


@dataclass
class Oracle:
    landing: Landing = field(default_factory=Landing)
    record: Record = field(default_factory=Record)
    curated: Curated | None = None
    """The curated layer that the last run committed, published or not."""
    published: Published | None = None
    reseeded: set[str] = field(default_factory=set)
    """Landing tables that were copied anew since a run last saw them, and had been seen before."""
    seen: set[str] = field(default_factory=set)
    """Landing tables in which a run has seen rows."""

    def load(self, source: Snapshot, at: datetime) -> None:
        self.landing.load(source, at)

    def resync(self, table: str, at: datetime) -> None:
        self.landing.resync(table, at)
        if table in self.seen:
            self.reseeded.add(table)

    def run(self, as_of: datetime, mode: Mode = "incremental", *, publish_fails: bool = False) -> Outcome:
        """Play `call ops.run_rental(as_of, mode)`; `publish_fails`: its second transaction is rolled back."""
        if mode != "rewind" and self.published is not None and as_of < self.published.as_of:
            return "superseded"
        if self.reseeded and mode != "accept_reseed":
            return "stopped"
        self.reseeded = set()
        self.seen |= {table for table, versions in self.landing.tables.items() if versions}
        self.record.merge(self.landing)
        self.curated = curate(self.landing, copy.deepcopy(self.record))
        if publish_fails:
            return "failed"
        self.published = Published(self.curated, as_of)
        return "published"

    def rows(self, view: str) -> list[Row]:
        """What presentation.<view> must hold now."""
        return [] if self.published is None else self.published.rows(view)
