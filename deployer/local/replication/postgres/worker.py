"""Replication from a PostgreSQL: its slot's transactions, and its catalog for what these do not tell."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from deployer.local.replication import landing, tables
from deployer.local.replication.apply import Diverged
from deployer.local.replication.batch import Key, Net, TableBatch
from deployer.local.replication.ddl import Place
from deployer.local.replication.position import Position, PositionLost
from deployer.local.replication.postgres import definition, snapshot, source
from deployer.local.replication.postgres.catalog import Definitions
from deployer.local.replication.postgres.definition import PostgresTable
from deployer.local.replication.postgres.rows import Event, Present
from deployer.local.replication.postgres.stream import Rows, Stream, Transaction
from deployer.local.replication.postgres.wire import Wire
from deployer.local.replication.rowimage import Undecodable
from deployer.local.replication.settings import Settings
from deployer.local.replication.state import REQUIRED, SYNCED, Known
from deployer.local.replication.worker import Worker

log = logging.getLogger("zeroshift.replication")


@dataclass(frozen=True)
class _Taken:
    """A transaction that waits for its batch to land: its changes by table, None for a TRUNCATE."""

    at: datetime
    changes: dict[Place, list[Event | None]]


class PostgresWorker(Worker):
    """One life of a replicator of a PostgreSQL."""

    log_name = "WAL"

    def __init__(self, config: Settings, engine_dsn: str, server_id: int, stop: threading.Event) -> None:
        super().__init__(config, engine_dsn, server_id, stop)
        self.source = source.of(config)
        self._slot = source.slot_name(config, server_id)
        self._definitions = Definitions(self)
        self._following: Stream | None = None
        self._taken: list[_Taken] = []

    # -- the source -------------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._definitions.close()

    def _check(self, known: Known | None) -> str:
        with self.source.connect() as connection:
            stamp = source.inspect(connection, self.source)
            if known is not None and known.position is not None:
                if known.stamp != stamp:
                    raise PositionLost("it is another server or database")
                source.check_slot(connection, self._slot, known.position)
        return stamp

    @contextmanager
    def _stream(self, start: Position) -> Iterator[Iterator[Any]]:
        with self.source.connect() as connection:
            source.release_slot(connection, self._slot)
        with Wire(self.source, self._stop.is_set) as wire:
            self._following = Stream(wire, self._slot, start)
            try:
                yield iter(self._following)
            finally:
                self._following = None
                self._taken.clear()

    def _snapshot(self, wanted: Iterable[Place] | None) -> AbstractContextManager[snapshot.Snapshot]:
        # Without a position there is nothing to stream: the slot begins with this copy.
        slot = self._slot if self.position is None else None
        return snapshot.take(self.source, self.config.lets_through, wanted, slot, self._stop.is_set)

    def _copy(self, wanted: set[Place] | None, reached: Position | None = None) -> None:
        # A slot begins at the log's end or later: its snapshot has everything that was sent before.
        super()._copy(wanted, None)
        self._definitions.forget()

    def _places(self) -> set[Place]:
        with self.source.connect() as connection:
            return set(definition.read(connection, self.config.lets_through))

    def _flush(self) -> None:
        while True:
            try:
                super()._flush()
                return
            except psycopg.errors.LockNotAvailable:
                # Altering comes first: nothing else was done. Others may pass meanwhile.
                self.may_go_on()

    def _committed(self) -> None:
        self._definitions.landed()
        self._taken.clear()
        if self._following is not None and self.position is not None:
            self._following.confirm(self.position)

    def _pause(self, idle: bool) -> None:
        super()._pause(idle)
        self._definitions.look()

    # -- transactions -----------------------------------------------------------------------------------------

    def _handle(self, item: Transaction) -> None:
        """Add one transaction to the batch."""
        while anew := self._definitions.reach(item):
            # Not as the table is known. Its copy will be younger than this transaction.
            self._flush()
            self._resync(anew, item.position)
        self._mark()
        changes: dict[Place, list[Event | None]] = {}
        truncates = False
        for rows in item.rows:
            table = self.tables.get(rows.relation.place)
            if table is None or not self._concerns(rows, item.position):
                continue
            try:
                events = self._definitions.events(rows)
            except (Undecodable, UnicodeDecodeError) as error:
                self._flush()
                self.fail(
                    table,
                    str(error) if isinstance(error, Undecodable) else "A value holds invalid characters",
                )
                changes.pop(table.place, None)
                continue
            changes.setdefault(table.place, []).extend(events)
            truncates = truncates or rows.data is None
        if truncates:
            self._flush()
            self._mark()
        if changes:
            self._taken.append(_Taken(self.next_time(item.at, item.position), changes))
            self._rows += sum(map(len, changes.values()))
            self.txn_seq += 1
            self._newest = item.at
        self.position, self._dirty = item.position, True
        if truncates or self._definitions.is_altering:
            self._flush()

    def _concerns(self, rows: Rows, position: Position) -> bool:
        """Whether the change is to land: its table is in sync, the same, and not copied since."""
        table = self.tables.get(rows.relation.place)
        return (
            table is not None
            and table.state == SYNCED
            and isinstance(table.definition, PostgresTable)
            and table.definition.oid == rows.relation.oid
            and not (table.copied is not None and position <= table.copied)
        )

    def _gather(self) -> None:
        """Turn what was taken into batches; rows that were not sent whole are read from landing."""
        self._lock()
        if self._definitions.is_altering:
            self._definitions.alter()
        present: dict[Place, Present] = {}
        wanted: dict[Place, list[Key]] = {}
        for taken in self._taken:
            for place, events in taken.changes.items():
                table = self.tables[place]
                if table.state != SYNCED or not isinstance(table.definition, PostgresTable):
                    continue
                rows = present.setdefault(place, Present(table.definition, self.config.history_mode))
                wanted.setdefault(place, []).extend(
                    rows.key_of(event.old if event.old is not None else event.new or ())
                    for event in events
                    if event is not None and event.kind != "I" and not event.whole
                )
        for place, rows in present.items():
            rows.read(self.connection, self.config.landing, wanted[place])
        for taken in self._taken:
            for place, events in taken.changes.items():
                if place in present:
                    self._gather_one(present, place, events, taken.at)

    def _lock(self) -> None:
        """Lock the landing tables of the batch in one order: ALTER DATABASE ... INTEGRATION REFRESH has the same."""
        places = self._definitions.altered.union(*(taken.changes for taken in self._taken))
        names = [
            landing.name_of(self.config.landing, *place)
            for place in sorted(places)
            if self.tables[place].state == SYNCED
        ]
        if names:
            self.connection.execute(
                sql.SQL("lock table {} in row exclusive mode").format(sql.SQL(", ").join(names))
            )

    def _gather_one(
        self, present: dict[Place, Present], place: Place, events: list[Event | None], at: datetime
    ) -> None:
        rows = present[place]
        net = Net(rows.key_places)
        try:
            for event in events:
                if event is None:
                    self._end_all(place, at)
                    rows.empty()
                    net = Net(rows.key_places)
                else:
                    rows.take(event, net)
        except Diverged as error:
            # The rest of the batch is of no use to it.
            del present[place]
            self._batches.pop(place, None)
            table = self.tables[place]
            table.state, table.reason = REQUIRED, f"Landing differs from the source: {error}"
            log.error("table %s.%s: %s", *place, table.reason)
            self.state.save_failure(self.connection, table, at)
            return
        self._batches.setdefault(place, TableBatch(rows.key_places)).apply(net, at)

    def _end_all(self, place: Place, at: datetime) -> None:
        """TRUNCATE. Nothing waits to be written before it: it is the first of its batch."""
        table = self.tables[place]
        known = table.definition
        assert isinstance(known, PostgresTable)
        tables.truncate(self, table, known, at)
        self._definitions.unfile(table)
