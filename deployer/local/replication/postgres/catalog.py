"""Keeps landing's definitions abreast of the source's: with each Relation in the stream, and by looks at its catalog.

The catalog alone tells of tables that are made, dropped, or given a key while nobody writes to them. What a look has
found counts when the stream has come to where the log ended after it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from deployer.local.replication import tables
from deployer.local.replication.ddl import ColumnAdded, ColumnRenamed, Place
from deployer.local.replication.definition import NO_PRIMARY_KEY
from deployer.local.replication.position import Position
from deployer.local.replication.postgres import definition, shape
from deployer.local.replication.postgres.definition import Listed, PostgresTable
from deployer.local.replication.postgres.messages import Relation
from deployer.local.replication.postgres.rows import Decoder, Event
from deployer.local.replication.postgres.source import Connection, end_of_log, translated
from deployer.local.replication.postgres.stream import Rows, Transaction
from deployer.local.replication.state import DROPPED, FAILED, SYNCED, Replicated

if TYPE_CHECKING:
    from deployer.local.replication.postgres.worker import PostgresWorker

LOOK_SECONDS = 1.0
_AGAIN = "The source has a table of this name again; a refresh replaces the rows of the dropped one"


@dataclass(frozen=True)
class _Look:
    tables: dict[Place, Listed]
    position: Position


class Definitions:
    """The definitions of one worker's tables."""

    def __init__(self, worker: PostgresWorker) -> None:
        self._worker = worker
        self._connection: Connection | None = None
        self._verified: dict[int, Relation] = {}
        self._decoders: dict[Relation, Decoder] = {}
        self._look: _Look | None = None
        self._looked = 0.0
        self._tried: set[int] = set()

    def close(self) -> None:
        """Close the connection to the catalog."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def forget(self) -> None:
        """Tables were copied: nothing of what was known of their shapes counts."""
        self._verified.clear()
        self._decoders.clear()
        self._look = None

    def events(self, rows: Rows) -> list[Event | None]:
        """The rows in landing's columns; None stands for a TRUNCATE. Raises Undecodable."""
        if rows.data is None:
            return [None]
        event = self._decoders[rows.relation].event
        return [event(data) for data in rows.data]

    def unfile(self, table: Replicated) -> None:
        """A TRUNCATE: the table's rows are in another file, which says nothing about how they came there."""
        assert isinstance(table.definition, PostgresTable)
        table.definition = replace(table.definition, file=0)
        self._worker.state.save_table(self._worker.connection, table, None)

    # -- with the stream --------------------------------------------------------------------------------------

    def reach(self, transaction: Transaction) -> set[Place]:
        """Bring landing's definitions to those that the transaction ends with; the tables that must be copied anew."""
        anew: set[Place] = set()
        last = {rows.relation.oid: rows.relation for rows in transaction.rows}
        for oid, relation in last.items():
            if self._verified.get(oid) is relation and all(
                rows.relation in self._decoders for rows in transaction.rows if rows.relation.oid == oid
            ):
                continue
            place = relation.place
            table = self._worker.tables.get(place)
            if table is None:
                # A table that is dropped by now has no copy, however many of its changes are still to come.
                if oid not in self._tried and self._worker.config.lets_through(place):
                    self._tried.add(oid)
                    anew.add(place)
            elif table.state == SYNCED and not (
                table.copied is not None and transaction.position <= table.copied
            ):
                anew |= self._verify(table, relation, transaction)
        return anew

    def _verify(self, table: Replicated, relation: Relation, transaction: Transaction) -> set[Place]:
        known = table.definition
        assert isinstance(known, PostgresTable)
        if known.oid != relation.oid:
            # Another table of the same name. The look says so, too, when it comes.
            self._worker._flush()
            with self._worker.connection.transaction():
                self._drop(table, _AGAIN)
            return set()
        story = shape.follow(known, relation, self._now(relation.oid))
        if story is None:
            return {table.place}
        if story.actions or (story.numbers, story.ghosts) != (known.numbers, known.ghosts):
            self._worker._flush()
            self._look = None
            if not self._tell(table, story):
                return {table.place}
        now = table.definition
        assert isinstance(now, PostgresTable)
        old_names = {action.new: action.old for action in story.actions if isinstance(action, ColumnRenamed)}
        defaults = {
            action.column.name: action.default for action in story.actions if isinstance(action, ColumnAdded)
        }
        self._verified[relation.oid] = relation
        self._decoders = {each: one for each, one in self._decoders.items() if each.oid != relation.oid}
        for each in {rows.relation for rows in transaction.rows if rows.relation.oid == relation.oid}:
            # Those of the same transaction that came before the last definition.
            self._decoders[each] = Decoder(
                now, each, {} if each is relation else old_names, [defaults.get(name) for name in now.names]
            )
        return set()

    def _tell(self, table: Replicated, story: shape.Story) -> bool:
        """Do to the landing table what was done to the source's; False when it must be copied anew."""
        worker = self._worker

        def work() -> bool:
            for action in story.actions:
                assert table.definition is not None
                changed = tables.change_column(worker, table.definition, action)
                if changed is None:
                    return False
                table.definition = changed
            assert isinstance(table.definition, PostgresTable)
            table.definition = replace(table.definition, numbers=story.numbers, ghosts=story.ghosts)
            worker.state.save_table(worker.connection, table, worker.last)
            return True

        return tables.locked(worker, work)

    # -- with looks -------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Look at the catalog when it is time, and act upon the last look when the stream has come to it."""
        now = time.monotonic()
        if self._look is None and now - self._looked > LOOK_SECONDS:
            self._looked = now
            self._look = self._read()
        worker = self._worker
        if self._look is None or worker.position is None or worker.position < self._look.position:
            return
        worker._flush()
        found, self._look = self._look, None
        worker._resync(self._compare(found))

    def _compare(self, look: _Look) -> set[Place]:
        """What has become of each table; those to be copied."""
        worker = self._worker
        anew: set[Place] = set()
        listed = {place: one for place, one in look.tables.items() if worker.config.lets_through(place)}
        for place in listed.keys() - worker.tables.keys():
            anew.add(place)
        for place, table in list(worker.tables.items()):
            if table.copied is not None and table.copied > look.position:
                continue
            one = listed.get(place)
            if one is None:
                if table.state != DROPPED and worker.config.lets_through(place):
                    with worker.connection.transaction():
                        self._drop(table, "")
            elif table.state == DROPPED:
                if table.reason != _AGAIN:
                    table.reason = _AGAIN
                    with worker.connection.transaction():
                        worker.state.save_table(worker.connection, table, None)
            elif table.state == FAILED:
                # "You can add a primary key, and Amazon Redshift resynchronizes the tables" (Redshift Management Guide,
                # "Troubleshooting"). Every other reason waits for a REFRESH (Aurora User Guide, zero-etl.querying).
                if table.reason == NO_PRIMARY_KEY and one.table.key:
                    anew.add(place)
            elif table.state == SYNCED and isinstance(table.definition, PostgresTable):
                anew |= self._compare_one(table, table.definition, one)
        return anew

    def _compare_one(self, table: Replicated, known: PostgresTable, now: Listed) -> set[Place]:
        worker = self._worker
        if known.oid != now.table.oid:
            with worker.connection.transaction():
                self._drop(table, _AGAIN)
            return set()
        if now.table.problem or shape.was_rewritten(known, now.table):
            return {table.place}
        story = shape.follow(known, shape.relation_of(now), now)
        if story is None:
            return {table.place}
        if story.actions:
            self._verified.pop(known.oid, None)
            if not self._tell(table, story):
                return {table.place}
        assert isinstance(table.definition, PostgresTable)
        settled = shape.settled(table.definition, now.table)
        if settled != table.definition:
            table.definition = settled
            with worker.connection.transaction():
                worker.state.save_table(worker.connection, table, None)
        return set()

    def _drop(self, table: Replicated, reason: str) -> None:
        worker = self._worker
        if table.definition is None:
            worker.state.forget_table(worker.connection, table.place)
            worker.tables.pop(table.place, None)
            return
        table.state, table.reason = DROPPED, reason
        worker.state.save_table(worker.connection, table, worker.last)

    # -- the catalog ------------------------------------------------------------------------------------------

    def _now(self, oid: int) -> Listed | None:
        try:
            return definition.read_one(self._open(), oid)
        except psycopg.Error as error:
            raise translated(error, self._worker.source) from None

    def _read(self) -> _Look:
        try:
            connection = self._open()
            with connection.transaction():
                found = definition.read(connection, lambda place: True)
            return _Look(found, end_of_log(connection))
        except psycopg.Error as error:
            raise translated(error, self._worker.source) from None

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._worker.source.open()
        return self._connection
