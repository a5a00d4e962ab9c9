"""The first copy of tables, and every later one: from one snapshot, in one transaction of the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import psycopg
from psycopg import sql

from deployer.errors import Unavailable
from deployer.local.replication import ahead, landing
from deployer.local.replication.ddl import Place
from deployer.local.replication.definition import TableDefinition
from deployer.local.replication.landing import HISTORY
from deployer.local.replication.position import Position, PositionLost
from deployer.local.replication.settings import Settings
from deployer.local.replication.state import DROPPED, FAILED, SYNCED, Connection, Replicated, State

_TRIES = 10
_BEHIND_SECONDS = 30.0


class TableChanged(Exception):
    """A table was altered between the snapshot and its reading: take another snapshot."""


class Snapshot(Protocol):
    """A source at one position. `at` is the instant by the source's own clock, UTC."""

    @property
    def stamp(self) -> str: ...

    @property
    def position(self) -> Position: ...

    @property
    def at(self) -> datetime: ...

    @property
    def tables(self) -> Mapping[Place, TableDefinition]: ...

    def lines(self, table: TableDefinition, ending: str | None) -> Generator[bytes, None, None]:
        """The table's rows as lines of COPY's text format, in large pieces; `ending`, if any, goes behind each row's
        values. Raises TableChanged.
        """
        ...

    def count(self, table: TableDefinition) -> int:
        """The table's rows. Raises TableChanged."""
        ...


@dataclass(frozen=True)
class Copied:
    """Where the snapshot was taken, and when by the source's clock; the copied tables' new states."""

    stamp: str
    position: Position
    at: datetime
    tables: dict[Place, Replicated | None]
    """None: the source has no such table (any more), and landing never had one."""


def copy(
    connection: Connection,
    state: State,
    take: Callable[[Iterable[Place] | None], AbstractContextManager[Snapshot]],
    wanted: set[Place] | None,
    known: dict[Place, Replicated],
    last: datetime | None,
    txn_seq: int,
    reached: Position | None,
    finish: Callable[[Copied], None],
) -> Copied:
    """Copy `wanted` tables (None: all that the filter lets through) and write their states; `finish` is called in the
    same transaction, for the position.

    The snapshot is not older than `reached`: a transaction is sent to replicas before its own engine shows it to
    others, and what was read of it must not be missing from the copy.

    A table that cannot land becomes Failed, with its reason. Every row's version begins at the snapshot's instant,
    or at `last` if that is later. Raises SourceLost, Unavailable, psycopg errors.
    """
    for _ in range(_TRIES):
        _wait_for(take, reached)
        try:
            with take(wanted) as taken, connection.transaction():
                if reached is not None and taken.position < reached:
                    raise TableChanged
                at = max(taken.at, last) if last is not None else taken.at
                result: dict[Place, Replicated | None] = {}
                # In the order in which ALTER DATABASE ... INTEGRATION REFRESH locks.
                for place in sorted(taken.tables.keys() | (wanted or set())):
                    table, before = taken.tables.get(place), known.get(place)
                    result[place] = (
                        _vanished(connection, state, before, place, at)
                        if table is None
                        else _one(connection, state, taken, table, before, at, txn_seq)
                    )
                # Now, and not with each table: nobody can look at what is locked, and hear that it is being copied.
                for made in filter(None, result.values()):
                    state.guard(connection, made)
                copied = Copied(taken.stamp, taken.position, at, result)
                finish(copied)
            return copied
        except TableChanged:
            continue
    raise Unavailable("the source's tables are altered all the time: they cannot be copied")


def _wait_for(
    take: Callable[[Iterable[Place] | None], AbstractContextManager[Snapshot]], reached: Position | None
) -> None:
    """Wait until a snapshot shows everything up to `reached`. Raises PositionLost where none ever does."""
    deadline = time.monotonic() + _BEHIND_SECONDS
    while reached is not None:
        with take(()) as taken:
            if taken.position >= reached:
                return
        if time.monotonic() > deadline:
            raise PositionLost(f"its log begins again before {reached.file}:{reached.at}")
        time.sleep(0.01)


def _one(
    connection: Connection, state: State, taken: Snapshot, table: TableDefinition, before: Replicated | None,
    at: datetime, txn_seq: int,
) -> Replicated:  # fmt: skip
    started = datetime.now(UTC).replace(tzinfo=None)
    place = (table.schema, table.name)
    made = Replicated(place, SYNCED, "", table, taken.position, at)
    rows = 0
    if table.problem:
        made.state, made.reason, made.definition = (
            FAILED,
            table.problem,
            before.definition if before else None,
        )
    else:
        try:
            with connection.transaction():
                rows = _fill(connection, state.config, taken, table, before, at)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            made.state, made.reason = FAILED, reason_of(error)
            made.definition = before.definition if before else None
    state.save_row(connection, made, at)
    if made.state == SYNCED:
        state.record(
            connection,
            place,
            txn_seq,
            at,
            snapshot=True,
            inserted=rows,
            updated=0,
            deleted=0,
            started=started,
        )
    return made


def _fill(
    connection: Connection, config: Settings, taken: Snapshot, table: TableDefinition, before: Replicated | None,
    at: datetime,
) -> int:  # fmt: skip
    """The table's rows into landing, in place of what is there. Returns how many."""
    database, lenient = config.landing, config.lenient(table)
    name = landing.table_of(database, table)
    same = (
        before is not None
        and before.definition is not None
        and _alike(before.definition, table)
        # History mode may have been turned on or off since.
        and landing.has_history(connection, database, table) == config.history_mode
    )
    if same:
        # DELETE, since a reader with an older snapshot would find a truncated table empty.
        connection.execute(sql.SQL("delete from {}").format(name))
    else:
        landing.create(connection, database, table, config.history_mode)
    columns = sql.SQL(", ").join(
        map(sql.Identifier, (*table.names, *(HISTORY if config.history_mode else ())))
    )
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("copy {} ({}) from stdin").format(name, columns)) as target:
            lines = taken.lines(table, f"t\t{at.isoformat(' ')}\t\\N" if config.history_mode else None)
            with ahead.reading(lines if lenient.idle else lenient.lines(lines)) as pieces:
                for piece in pieces:
                    target.write(piece)
        rows = cursor.rowcount
    if not same:
        landing.index(connection, database, table, config.history_mode)
    return rows


def _alike(one: TableDefinition, other: TableDefinition) -> bool:
    return one.columns == other.columns and one.key == other.key


def _vanished(
    connection: Connection, state: State, before: Replicated | None, place: Place, at: datetime
) -> Replicated | None:
    """The source has no such table now."""
    if (
        before is not None
        and before.definition is not None
        and not state.keeps(connection, before.definition)
    ):
        landing.drop(connection, state.config.landing, before.definition)
        before = None
    if before is None or before.definition is None:
        state.forget_table(connection, place)
        return None
    gone = Replicated(place, DROPPED, "", before.definition, before.copied, before.copied_at)
    state.save_row(connection, gone, at)
    return gone


def reason_of(error: psycopg.Error) -> str:
    """SVV_INTEGRATION_TABLE_STATE.reason for a value that cannot land."""
    first = (error.diag.message_primary or str(error)).splitlines()[0]
    if isinstance(error, psycopg.errors.CheckViolation):
        if (error.diag.constraint_name or "").startswith(landing.RANGE):
            return "A value cannot be represented in Amazon Redshift: NaN, infinity, or an instant out of its range"
        return "A value is longer than its column in the landing database (TRUNCATECOLUMNS is not set)"
    if isinstance(error, (psycopg.errors.CharacterNotInRepertoire, psycopg.errors.UntranslatableCharacter)):
        return "A value holds invalid characters (ACCEPTINVCHARS is not set)"
    return f"A value cannot be represented in Amazon Redshift: {first}"
