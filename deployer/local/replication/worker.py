"""Replication itself: a first copy, then the source's transactions, batch by batch, for ever.

A batch's rows, the tables' states and the position are one transaction of the engine. Whatever is killed, the next
start goes on at a position at which exactly the transactions before it have landed.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import psycopg

from deployer.local.replication import apply, copy, landing, tables
from deployer.local.replication.batch import TableBatch
from deployer.local.replication.copy import Copied, reason_of
from deployer.local.replication.ddl import Place
from deployer.local.replication.position import Pause, Position, SourceLost
from deployer.local.replication.settings import Settings
from deployer.local.replication.state import (
    CONNECTING,
    DEADLOCK_TIMEOUT,
    DISCOVERING,
    DROPPED,
    FAILED,
    INITIATED,
    REPLICATING,
    REQUIRED,
    SYNCED,
    Connection,
    Known,
    Replicated,
    State,
)

log = logging.getLogger("zeroshift.replication")

MOST_ROWS = 50_000
"""A batch is not made larger than the transaction that reaches this."""
LONGEST_BATCH = 0.5
"""Seconds that a change waits for others while the source goes on writing."""
SHORTEST_BATCH = 0.05
_ASK_SECONDS = 0.5
"""How often the tables are looked at for a resync that somebody asked for."""
_LAG_SECONDS = 2.0
_PRUNE_SECONDS = 3600.0
_TICK = timedelta(microseconds=1)


class Worker(ABC):
    """One life of a replicator: from connecting until something breaks or `stop` is set.

    What only a kind of source knows is abstract here: MySqlWorker, PostgresWorker.
    """

    log_name: str
    """What the source's log of changes is called."""

    def __init__(self, config: Settings, engine_dsn: str, server_id: int, stop: threading.Event) -> None:
        """`server_id`: a number of 31 bits that no other replicator of the source has."""
        self.config = config
        self._dsn = engine_dsn
        self._server_id = server_id
        self._stop = stop
        self.state = State(config)
        self.tables: dict[Place, Replicated] = {}
        self.position: Position | None = None
        self.last: datetime | None = None
        self.txn_seq = 0
        self._stamp = ""
        self._batches: dict[Place, TableBatch] = {}
        self._dirty = False
        self._newest: datetime | None = None
        self._rows = 0
        self._began = self._flushed = self._asked = self._told = self._pruned = 0.0
        self._started = datetime.min

    # -- the source -------------------------------------------------------------------------------------------

    @abstractmethod
    def _check(self, known: Known | None) -> str:
        """Check how the source is set up, and that it still has what follows on `known`; its stamp, which tells sources
        apart. Raises SourceLost, PositionLost, Unavailable.
        """

    @abstractmethod
    def _stream(self, start: Position) -> AbstractContextManager[Iterator[Any]]:
        """The source's changes from `start` on, for ever: Pause, and items for `_handle`."""

    @abstractmethod
    def _handle(self, item: Any) -> None:
        """Take an item of the stream: add to the batch, change definitions, ask for copies."""

    @abstractmethod
    def _snapshot(self, wanted: Iterable[Place] | None) -> AbstractContextManager[copy.Snapshot]:
        """The source's tables (None: all that the filter lets through) at one position."""

    @abstractmethod
    def _places(self) -> set[Place]:
        """All tables of the source that the filter lets through."""

    def _gather(self) -> None:  # noqa: B027
        """Bring what was taken into the batches, in the transaction that writes them."""

    def _committed(self) -> None:  # noqa: B027  # most sources need not be told
        """Position and rows have landed."""

    # -- the loop ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Replicate until `stop`. Raises SourceLost, PositionLost, ZeroshiftError, psycopg.Error."""
        with psycopg.connect(
            self._dsn, autocommit=True, application_name="zeroshift replication"
        ) as connection:
            self.connection: Connection = connection
            _settle(connection)
            self.state.lock(connection)
            tables.locked(self, self._announce)
            self._begin()
            while not self._stop.is_set():
                if self.position is None:
                    # Nothing can be streamed before a table was copied anew.
                    self._resync(self.state.initiated(connection))
                    if self.position is None:
                        self._stop.wait(_ASK_SECONDS)
                else:
                    self._follow(self.position)

    def _announce(self) -> None:
        self.state.announce(self.connection)
        # What was wrong may be so still.
        self.state.set_integration(self.connection, CONNECTING, None)

    def _begin(self) -> None:
        """Take up where the last life ended, or make the first copy."""
        known = self.state.load(self.connection)
        if known is not None:
            self.tables, self.last, self.txn_seq = known.tables, known.last, known.txn_seq
            self._stamp = known.stamp
        stamp = self._check(known)
        if known is None:
            self.state.set_integration(self.connection, DISCOVERING)
            self._copy(None)
        else:
            self.position, self._stamp = known.position, stamp
            # QUERY_ALL_STATES may be another one.
            self.state.guard_again(self.connection)
            if known.filter_text != self.config.filter_text:
                self._refilter()
            self._resync(self.state.initiated(self.connection))
        if self.position is not None:
            self.state.set_integration(self.connection, REPLICATING)

    def lose_position(self, why: str) -> None:
        """The log is gone: every replicated table must be copied anew, when somebody says so."""
        reason = f"Changes were lost, the source's {self.log_name} no longer has them: {why}"
        log.error("%s; `zeroshift integration refresh --all` copies the tables anew", reason)
        with psycopg.connect(self._dsn, autocommit=True) as connection, connection.transaction():
            self.state.lock(connection)
            known = self.state.load(connection)
            if known is None:
                return
            for table in known.tables.values():
                if table.state == SYNCED:
                    table.state, table.reason = REQUIRED, reason
                    self.state.save_table(connection, table, None)
            self.state.set_position(connection, known.stamp, None, known.last, known.txn_seq)

    # -- the stream -------------------------------------------------------------------------------------------

    def _follow(self, start: Position) -> None:
        """Read the source's log until `stop` is set."""
        with self._stream(start) as stream:
            for item in stream:
                if isinstance(item, Pause):
                    if item.position is not None:
                        self.position, self._dirty = item.position, True
                else:
                    self._handle(item)
                self._pause(isinstance(item, Pause))
                if self._stop.is_set():
                    self._flush()
                    return

    def _pause(self, idle: bool) -> None:
        """Write what has gathered when it is time, and look whether somebody asked for a copy."""
        now = time.monotonic()
        if self._dirty:
            interval = self.config.refresh_interval
            if idle and not interval and now - self._flushed < SHORTEST_BATCH:
                # More may come: twenty commits a second are enough for anybody, and leave the machine to others.
                self._stop.wait(SHORTEST_BATCH)
            due = idle or now - self._began > LONGEST_BATCH
            if self._rows >= MOST_ROWS or (due and now - self._flushed >= interval):
                self._flush()
        elif idle and now - self._told > _LAG_SECONDS:
            self._told = now
            self.state.set_lag(self.connection, 0)
        if now - self._pruned > _PRUNE_SECONDS:
            self._pruned = now
            self.state.prune(self.connection)
        if now - self._asked > _ASK_SECONDS:
            self._asked = now
            wanted = self.state.initiated(self.connection)
            if wanted:
                self._flush()
                self._resync(wanted)

    def next_time(self, at: datetime, position: Position) -> datetime:
        """The record time of a commit: the source's own, but later than every one before it.

        The binlog tells whole seconds, and of a transaction the second in which its last statement began; versions
        must neither be of no length nor overlap.
        """
        self.last = at if self.last is None else max(at, self.last + _TICK)
        for table in self.tables.values():
            # A copied table's versions begin at the copy; what follows on it must be later.
            if table.copied is not None and table.copied_at is not None and position > table.copied:
                self.last = max(self.last, table.copied_at + _TICK)
        return self.last

    def _mark(self) -> None:
        """The batch begins, if none has."""
        if not self._dirty:
            self._began = time.monotonic()
            self._started = datetime.now(UTC).replace(tzinfo=None)

    def _flush(self) -> None:
        """Commit the batch with its position."""
        if not self._dirty:
            return
        with self.connection.transaction():
            self._gather()
            for place, batch in sorted(self._batches.items(), key=itemgetter(0)):
                self._write(self.tables[place], batch)
            self.save_position()
            if self._newest is not None:
                behind = datetime.now(UTC).replace(tzinfo=None) - self._newest
                self.state.set_lag(self.connection, max(0, int(behind.total_seconds() * 1000)))
        self._batches.clear()
        self._committed()
        self._dirty, self._rows, self._newest = False, 0, None
        self._flushed = self._told = time.monotonic()

    def _write(self, table: Replicated, batch: TableBatch) -> None:
        assert table.definition is not None and self.last is not None
        if not batch.size or table.state != SYNCED:
            return
        try:
            with self.connection.transaction():
                lenient = self.config.lenient(table.definition)
                apply.write(
                    self.connection,
                    self.config.landing,
                    table.definition,
                    batch,
                    lenient,
                    self.config.history_mode,
                )
        except (apply.Diverged, psycopg.errors.UniqueViolation) as error:
            table.state = REQUIRED
            table.reason = f"Landing differs from the source: {str(error).splitlines()[0]}"
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            table.state, table.reason = FAILED, reason_of(error)
        else:
            self.state.record(
                self.connection, table.place, self.txn_seq, self.last, snapshot=False, inserted=batch.inserted,
                updated=batch.updated, deleted=batch.deleted, started=self._started,
            )  # fmt: skip
            return
        log.error("table %s.%s: %s", *table.place, table.reason)
        self.state.save_failure(self.connection, table, self.last)

    def fail(self, table: Replicated, reason: str) -> None:
        """Take a table out of replication until somebody refreshes it."""
        log.error("table %s.%s: %s", *table.place, reason)
        table.state, table.reason = FAILED, reason
        with self.connection.transaction():
            self.state.save_failure(self.connection, table, self.last)

    def may_go_on(self) -> None:
        """Raises SourceLost where somebody has stopped the replicator, which has to wait for others."""
        if self._stop.is_set():
            raise SourceLost("replication was stopped")

    def save_position(self) -> None:
        self.state.set_position(self.connection, self._stamp, self.position, self.last, self.txn_seq)

    # -- copies -----------------------------------------------------------------------------------------------

    def _resync(self, wanted: set[Place], reached: Position | None = None) -> None:
        """Copy tables anew, from a snapshot that is not older than `reached`; they cannot be read meanwhile."""
        if not wanted:
            return
        log.info("copying %s", ", ".join(sorted(".".join(place) for place in wanted)))
        tables.locked(self, lambda: self._initiate(wanted))
        self._copy(wanted, reached or self.position)

    def _copy(self, wanted: set[Place] | None, reached: Position | None = None) -> None:
        position, last = self.position, self.last

        def finish(copied: Copied) -> None:
            nonlocal position, last
            if position is None:
                # The first copy, or the first after the log was lost: from here on there is something to follow.
                position, last, self._stamp = copied.position, copied.at, copied.stamp
                self.state.set_position(self.connection, self._stamp, position, last, self.txn_seq)
                self.state.set_integration(self.connection, REPLICATING)

        copied = copy.copy(
            self.connection,
            self.state,
            self._snapshot,
            wanted,
            self.tables,
            self.last,
            self.txn_seq,
            reached,
            finish,
        )
        self.position, self.last = position, last
        for place, table in copied.tables.items():
            if table is None:
                self.tables.pop(place, None)
                continue
            self.tables[place] = table
            if table.state != SYNCED:
                log.error("table %s.%s: %s: %s", *place, table.state, table.reason)

    def _refilter(self) -> None:
        """The filter has changed: what it no longer lets through ends, what it lets through now is copied.

        Those to be copied are written as such together with the filter, so that a kill in between forgets none.
        """
        there = self._places()

        def work() -> set[Place]:
            assert self.last is not None
            self.last += _TICK
            for table in list(self.tables.values()):
                if not self.config.lets_through(table.place) and table.state != DROPPED:
                    if table.definition is None or not self.state.keeps(self.connection, table.definition):
                        # "Adding a filter later removes non-matching data" (Aurora User Guide, zero-etl.filtering).
                        if table.definition is not None:
                            landing.drop(self.connection, self.config.landing, table.definition)
                        self.state.forget_table(self.connection, table.place)
                        del self.tables[table.place]
                        continue
                    if table.definition is not None:
                        apply.end_all(self.connection, self.config.landing, table.definition, self.last, True)
                    table.state, table.reason = DROPPED, "The data filter no longer lets the table through"
                    self.state.save_table(self.connection, table, self.last)
            back = {
                place for place, table in self.tables.items() if place in there and table.state == DROPPED
            }
            anew = (there - self.tables.keys()) | back
            self._initiate(anew)
            self.save_position()
            return anew

        self._resync(tables.locked(self, work))

    def _initiate(self, wanted: set[Place]) -> None:
        """Write that tables are to be copied anew."""
        for place in sorted(wanted):
            table = self.tables.setdefault(place, Replicated(place, INITIATED))
            table.state, table.reason = INITIATED, ""
            self.state.save_table(self.connection, table, self.last)


def _settle(connection: Connection) -> None:
    """Nothing of the database's own settings may change what a value means, or end a long copy."""
    connection.execute(
        "select set_config(name, value, false) from (values ('search_path', 'pg_catalog'), ('datestyle', 'ISO, YMD'),"
        " ('timezone', 'UTC'), ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),"
        " ('lock_timeout', '0'), ('maintenance_work_mem', '128MB'), ('jit', 'off'), ('client_min_messages', 'warning'),"
        " ('client_connection_check_interval', '1s'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),"
        " ('enable_seqscan', 'off'), ('deadlock_timeout', %s)) as s (name, value)",
        (DEADLOCK_TIMEOUT,),
    )
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
