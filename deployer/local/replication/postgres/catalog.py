"""Keeps landing's definitions abreast of the source's: with each Relation in the stream, and by looks at its catalog.

The catalog alone tells of tables that are made, dropped, or given a key while nobody writes to them. What a look has
found counts when the stream has come to where the log ended after it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from deployer.errors import Unavailable
from deployer.local.replication import tables
from deployer.local.replication.ddl import Place
from deployer.local.replication.definition import NO_PRIMARY_KEY, TableDefinition
from deployer.local.replication.position import Position
from deployer.local.replication.postgres import definition, shape
from deployer.local.replication.postgres.definition import Listed, PostgresTable
from deployer.local.replication.postgres.messages import Relation
from deployer.local.replication.postgres.rows import Decoder, Event
from deployer.local.replication.postgres.source import (
    Connection,
    end_of_log,
    publication_problems,
    publication_stamp,
    translated,
)
from deployer.local.replication.postgres.stream import Rows, Transaction
from deployer.local.replication.state import DROPPED, FAILED, INITIATED, SYNCED, Replicated

if TYPE_CHECKING:
    from deployer.local.replication.postgres.worker import PostgresWorker

log = logging.getLogger("zeroshift.replication")

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
        self._pending: list[tuple[Replicated, PostgresTable, shape.Story]] = []

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
        self._worker.state.save_definition(self._worker.connection, table, None)

    # -- with the stream --------------------------------------------------------------------------------------

    def reach(self, transaction: Transaction) -> set[Place]:
        """Bring the definitions to those that the transaction ends with, or tell the tables that must be copied anew;
        then nothing else has been done. Landing is altered when the transaction lands, by `alter`.
        """
        anew: set[Place] = set()
        told: list[tuple[Replicated, PostgresTable, Relation, shape.Story]] = []
        for oid, relation in {rows.relation.oid: rows.relation for rows in transaction.rows}.items():
            place = relation.place
            table = self._worker.tables.get(place)
            if table is None:
                # A table that is dropped by now has no copy, however many of its changes are still to come.
                if oid not in self._tried and self._worker.config.lets_through(place):
                    self._tried.add(oid)
                    anew.add(place)
                continue
            known = table.definition
            if (
                table.state != SYNCED
                or not isinstance(known, PostgresTable)
                or (table.copied is not None and transaction.position <= table.copied)
                or self._is_verified(transaction, oid, relation)
            ):
                continue
            if known.oid != oid:
                # Another table of the same name. The look says so, too, when it comes.
                self._worker._flush()
                with self._worker.connection.transaction():
                    self._drop(table, _AGAIN)
                continue
            now = self._now(oid)
            story = shape.follow(known, relation, now)
            if story is None or not all(story.explains(each) for each in _relations(transaction, oid)):
                log.info("%s.%s: %s", *place, shape.puzzle(known, relation, now))
                anew.add(place)
            else:
                told.append((table, known, relation, story))
        if not anew:
            for table, known, relation, story in told:
                self._verified_now(table, known, relation, story, transaction)
        return anew

    def _is_verified(self, transaction: Transaction, oid: int, relation: Relation) -> bool:
        return self._verified.get(oid) is relation and self._decoders.keys() >= _relations(transaction, oid)

    def _verified_now(
        self,
        table: Replicated,
        known: PostgresTable,
        relation: Relation,
        story: shape.Story,
        transaction: Transaction,
    ) -> None:
        if story.after != known:
            # What came before lands with the old definition.
            self._worker._flush()
            self._look = None
            self._pending.append((table, known, story))
            table.definition = story.after
        self._verified[relation.oid] = relation
        self._decoders = {each: one for each, one in self._decoders.items() if each.oid != relation.oid}
        for each in _relations(transaction, relation.oid):
            self._decoders[each] = Decoder(story.after, each, story.old_names, story.defaults)

    @property
    def is_altering(self) -> bool:
        """Whether the batch has a transaction that has changed definitions."""
        return bool(self._pending)

    def alter(self) -> None:
        """Change the landing tables as `reach` has found, in the transaction that writes the rows. Raises
        LockNotAvailable when somebody reads one of them for long: then to be done again.
        """
        with tables.impatient(self._worker):
            for table, known, story in self._pending:
                if not self._do(table, known, story):
                    table.state, table.reason = INITIATED, ""
                    self._worker.state.save_table(self._worker.connection, table, self._worker.last)

    @property
    def altered(self) -> set[Place]:
        """The tables that `alter` changes."""
        return {table.place for table, _, _ in self._pending}

    def landed(self) -> None:
        """The definitions have landed with their transaction."""
        self._pending.clear()

    def _do(self, table: Replicated, known: PostgresTable, story: shape.Story) -> bool:
        """Do to the landing table what was done to the source's; False when it must be copied anew."""
        worker = self._worker
        now: TableDefinition = known
        for action in story.actions:
            changed = tables.change_column(worker, now, action)
            if changed is None:
                return False
            now = changed
        table.definition = story.after
        worker.state.save_definition(worker.connection, table, worker.last)
        return True

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
                    worker.state.save_reason(worker.connection, table)
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
        if known.published != now.table.published:
            log.info("%s.%s: the publication was altered: changes may be missing", *table.place)
            return {table.place}
        story = shape.follow(known, shape.relation_of(now), now)
        if story is None:
            log.info("%s.%s: %s", *table.place, shape.puzzle(known, shape.relation_of(now), now))
            return {table.place}
        if story.actions:
            self._verified.pop(known.oid, None)
            if not tables.locked(worker, lambda: self._do(table, known, story)):
                return {table.place}
        settled = shape.settled(story.after, now.table)
        if settled != table.definition:
            table.definition = settled
            with worker.connection.transaction():
                worker.state.save_definition(worker.connection, table, None)
        return set()

    def _drop(self, table: Replicated, reason: str) -> None:
        tables.gone(self._worker, table, self._worker.last, reason)

    # -- the catalog ------------------------------------------------------------------------------------------

    def _now(self, oid: int) -> Listed | None:
        try:
            return definition.read_one(self._open(), oid)
        except psycopg.Error as error:
            raise translated(error, self._worker.source) from None

    def _read(self) -> _Look:
        try:
            connection = self._open()
            found: dict[Place, Listed] = {}
            before, seen = "", publication_stamp(connection)
            # The server reads its publications as they are at that moment, whatever the transaction's snapshot.
            while before != seen:
                wrong = publication_problems(connection)
                if wrong:
                    # Before its tables seem to be dropped.
                    raise Unavailable(f"the source is not set up for replication: {'; '.join(wrong)}")
                with connection.transaction():
                    found = definition.read(connection, lambda place: True)
                before, seen = seen, publication_stamp(connection)
            return _Look(found, end_of_log(connection))
        except psycopg.Error as error:
            raise translated(error, self._worker.source) from None

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._worker.source.open()
        return self._connection


def _relations(transaction: Transaction, oid: int) -> set[Relation]:
    """The definitions that the table has had in the transaction."""
    return {rows.relation for rows in transaction.rows if rows.relation.oid == oid}
