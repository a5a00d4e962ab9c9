"""Tables while replication runs: how their rows are decoded, and what a statement at the source does to them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from deployer.data_filter import DataFilter
from deployer.local.replication import apply, ddl, definition, landing
from deployer.local.replication.ddl import Place
from deployer.local.replication.definition import NO_PRIMARY_KEY, TableDefinition
from deployer.local.replication.rowimage import RowDecoder
from deployer.local.replication.state import (
    DEADLOCK_TIMEOUT,
    DROPPED,
    FAILED,
    INITIATED,
    SYNCED,
    Replicated,
)
from deployer.local.replication.stream import Statement

if TYPE_CHECKING:
    from deployer.local.replication.worker import Worker

log = logging.getLogger("zeroshift.replication")

Result = TypeVar("Result")

_LOCK_WAIT = "500ms"
"""Less than a user's statement waits before it looks whether two wait for each other, which would end it."""
_TRAITS = (
    "type", "unsigned", "character_set_name", "max_length", "precision", "decimals", "fsp", "length_size", "size",
    "bits",
)  # fmt: skip


class Decoders:
    """Row decoders by table and shape. A table map comes with each statement and is nearly always the same."""

    def __init__(self, errors: str = "strict") -> None:
        """`errors` is what str() does with invalid characters."""
        self._known: dict[tuple[Any, ...], RowDecoder] = {}
        self._errors = errors

    def of(self, table: TableDefinition, columns: Sequence[Any]) -> RowDecoder | None:
        """The decoder; None when the table map has other columns than the table is known to have."""
        if [column.name for column in columns] != [column.name for column in table.columns]:
            return None
        shape = (
            table.columns,
            *[tuple([getattr(column, trait, None) for trait in _TRAITS]) for column in columns],
            *[tuple(column.enum_values or column.set_values or ()) for column in columns],
        )
        found = self._known.get(shape)
        if found is None:
            found = self._known[shape] = RowDecoder(columns, table.columns, self._errors)
        return found


def places(connection: Any, is_mariadb: bool, data_filter: DataFilter) -> set[Place]:
    """All tables of the source that the filter lets through."""
    return {
        place for place in definition.read(connection, None, is_mariadb) if data_filter.lets_through(*place)
    }


def define(worker: Worker, statement: Statement) -> set[Place]:
    """Carry a statement over to the landing tables, with its position; returns the tables to be copied anew.

    Those are written as such in the same transaction, so that a kill in between forgets none.
    """
    actions = ddl.read(statement.text, statement.schema)

    def work() -> set[Place]:
        at = worker.next_time(statement.at, statement.position) if actions else None
        anew: set[Place] = set()
        for action in actions:
            anew |= _act(worker, action, statement, at or datetime.min)
        for place in sorted(anew):
            table = worker.tables.setdefault(place, Replicated(place, INITIATED))
            table.state, table.reason = INITIATED, ""
            worker.state.save_table(worker.connection, table, at)
        if not statement.inside:
            worker.position = statement.position
            worker.save_position()
        return anew

    return locked(worker, work)


def locked(worker: Worker, work: Callable[[], Result]) -> Result:
    """Do what alters landing tables in one transaction; as often as it takes until nobody reads them."""
    while True:
        before = {place: replace(table) for place, table in worker.tables.items()}
        last = worker.last
        try:
            with worker.connection.transaction(), impatient(worker):
                return work()
        except psycopg.errors.LockNotAvailable:
            # Somebody reads the table in a long transaction; others may pass meanwhile.
            for place, table in before.items():
                # The same objects: who does the work holds on to them.
                worker.tables[place] = _restored(worker.tables.get(place, table), table)
            for place in worker.tables.keys() - before.keys():
                del worker.tables[place]
            worker.last = last
            worker.may_go_on()


@contextmanager
def impatient(worker: Worker) -> Iterator[None]:
    """A part of a transaction that waits for no lock for long: it raises LockNotAvailable, then the transaction has to
    be done again. Who reads one table, and wants another that is locked here, would else wait for ever.
    """
    connection = worker.connection
    waits = "select set_config('lock_timeout', %s, true), set_config('deadlock_timeout', %s, true)"
    # PostgreSQL ends a vacuum that is in the way when it looks who waits for whom.
    connection.execute(waits, (_LOCK_WAIT, "100ms"))
    try:
        yield
    except psycopg.errors.DeadlockDetected as error:
        raise psycopg.errors.LockNotAvailable(str(error)) from None
    connection.execute(waits, ("0", DEADLOCK_TIMEOUT))


def _restored(table: Replicated, before: Replicated) -> Replicated:
    vars(table).update(vars(before))
    return table


def _act(worker: Worker, action: ddl.Action, statement: Statement, at: datetime) -> set[Place]:
    """One action; the places that must be copied."""
    if isinstance(action, ddl.Anything):
        log.warning("%s: every table is copied anew", action.why)
        return {place for place, table in worker.tables.items() if table.state == SYNCED}
    if isinstance(action, ddl.DatabaseDropped):
        for table in [each for each in worker.tables.values() if each.place[0] == action.schema]:
            _drop(worker, table, statement, at)
        return set()
    if isinstance(action, ddl.Renamed):
        gone = worker.tables.get(action.place)
        if gone is not None:
            _drop(worker, gone, statement, at)
        return _new(worker, action.new)
    place = action.place
    known = worker.tables.get(place)
    if known is None or known.state == DROPPED:
        return set() if isinstance(action, (ddl.Dropped, ddl.Truncated)) else _new(worker, place)
    if known.copied is not None and statement.position <= known.copied:
        return set()
    if isinstance(action, ddl.Dropped):
        _drop(worker, known, statement, at)
        return set()
    if known.state == FAILED:
        # "You can add a primary key, and Amazon Redshift resynchronizes the tables" (Redshift Management Guide,
        # "Troubleshooting"). Every other reason waits for a REFRESH (Aurora User Guide, zero-etl.querying).
        return {place} if known.reason == NO_PRIMARY_KEY and isinstance(action, ddl.Altered) else set()
    if known.state != SYNCED or known.definition is None or isinstance(action, ddl.Created):
        return set()
    if isinstance(action, ddl.Truncated):
        truncate(worker, known, known.definition, at)
        return set()
    changed = change_column(worker, known.definition, action)
    if changed is None:
        return {place}
    known.definition = changed
    worker.state.save_definition(worker.connection, known, at)
    return set()


def _new(worker: Worker, place: Place) -> set[Place]:
    """A table that the source has now: to be copied, unless landing holds a dropped one of that name."""
    if not worker.config.lets_through(place):
        return set()
    known = worker.tables.get(place)
    if known is not None and known.state == DROPPED:
        # "If you want to reuse the same table name, you must DROP or RENAME the corresponding table before it can be
        # replicated" (Redshift Management Guide, "History mode"). The local landing database takes no DROP.
        known.reason = (
            "The source has a table of this name again; a refresh replaces the rows of the dropped one"
        )
        worker.state.save_reason(worker.connection, known)
        return set()
    return {place}


def _drop(worker: Worker, table: Replicated, statement: Statement, at: datetime) -> None:
    if table.copied is not None and statement.position <= table.copied:
        return
    gone(worker, table, at)


def gone(worker: Worker, table: Replicated, at: datetime | None, reason: str = "") -> None:
    """The source has no such table any more, or it is filtered out. DroppedSource is a state of history mode alone (DG
    "SVV_INTEGRATION_TABLE_STATE"); without it the table goes from landing, too.
    """
    if table.definition is None or not worker.state.keeps(worker.connection, table.definition):
        if table.definition is not None:
            landing.drop(worker.connection, worker.config.landing, table.definition)
        worker.state.forget_table(worker.connection, table.place)
        worker.tables.pop(table.place, None)
        return
    table.state, table.reason = DROPPED, reason
    worker.state.save_table(worker.connection, table, at)


def truncate(worker: Worker, table: Replicated, known: TableDefinition, at: datetime) -> None:
    """End every present version."""
    started = datetime.now(UTC).replace(tzinfo=None)
    ended = apply.end_all(worker.connection, worker.config.landing, known, at, worker.config.history_mode)
    worker.txn_seq += 1
    worker.state.record(
        worker.connection, table.place, worker.txn_seq, at, snapshot=False, inserted=0, updated=0, deleted=ended,
        started=started,
    )  # fmt: skip


def change_column(worker: Worker, table: TableDefinition, action: ddl.Action) -> TableDefinition | None:
    """The table with a column more, less or renamed, in landing too; None for what needs a new copy."""
    connection, database = worker.connection, worker.config.landing
    if isinstance(action, ddl.ColumnAdded):
        if action.column.name in table.names:
            return table
        try:
            with connection.transaction():
                landing.add_column(
                    connection, database, table, action.column, action.default, worker.config.history_mode
                )
        except (psycopg.DataError, psycopg.IntegrityError):
            return None
        return replace(table, columns=(*table.columns, action.column))
    if isinstance(action, ddl.ColumnDropped):
        name = _written(table, action.column)
        if name is None or name in table.key:
            return None
        landing.drop_column(connection, database, table, name)
        return replace(table, columns=tuple(each for each in table.columns if each.name != name))
    if isinstance(action, ddl.ColumnRenamed):
        name = _written(table, action.old)
        if name is None or action.new in table.names:
            return None
        landing.rename_column(connection, database, table, name, action.new)
        return replace(
            table,
            columns=tuple(
                replace(each, name=action.new) if each.name == name else each for each in table.columns
            ),
            key=tuple(action.new if each == name else each for each in table.key),
        )
    return None


def _written(table: TableDefinition, name: str) -> str | None:
    """The column as the table spells it: column names have no case in MySQL."""
    return next((each for each in table.names if each.lower() == name.lower()), None)
