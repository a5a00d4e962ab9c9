"""The source's binlog as transactions, through mysql-replication."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import (
    GtidEvent,
    HeartbeatLogEvent,
    MariadbGtidEvent,
    NotImplementedEvent,
    QueryEvent,
    RotateEvent,
    XAPrepareEvent,
    XidEvent,
)
from pymysqlreplication.row_event import (
    DeleteRowsEvent,
    PartialUpdateRowsEvent,
    UpdateRowsEvent,
    WriteRowsEvent,
)

from deployer.errors import Unavailable
from deployer.local.replication import wire
from deployer.local.replication.ddl import Place
from deployer.local.replication.position import Pause, Position, PositionLost, SourceLost
from deployer.local.replication.source import Source, translated

HEARTBEAT_SECONDS = 0.5
"""How often the source says that there is nothing new."""
_SILENCE_SECONDS = 30
_LOG_LOST = 1236
_STANDALONE = 1
_PACKED = frozenset([40, *range(165, 172)])
"""Compressed transactions and rows (MySQL TRANSACTION_PAYLOAD_EVENT, MariaDB *_COMPRESSED_EVENT): not decoded."""
_SAVEPOINT = re.compile(r"(savepoint|rollback\s+to(?:\s+savepoint)?|release\s+savepoint)\s+(.*)", re.I | re.S)

INSERT, UPDATE, DELETE = "insert", "update", "delete"


@dataclass(frozen=True)
class Rows:
    """One event's rows of one table, not decoded yet. `columns` are the library's, of the event's table map."""

    place: Place
    kind: str
    columns: list[Any]
    data: bytes


@dataclass
class Transaction:
    """One committed transaction. `at` is by the source's clock, in whole seconds."""

    rows: list[Rows] = field(default_factory=list)
    at: datetime = datetime.min
    position: Position | None = None


@dataclass(frozen=True)
class Statement:
    """A statement that was logged as text, and the position behind it. `inside`: in the middle of a transaction, where
    nothing can begin again.
    """

    text: str
    schema: str
    at: datetime
    position: Position
    inside: bool


Item = Transaction | Statement | Pause


class Stream:
    """The binlog from a position on. Iterating gives transactions for ever; it ends only by an exception:
    SourceLost, PositionLost, or Unavailable for what the user must mend.
    """

    def __init__(self, source: Source, start: Position, server_id: int) -> None:
        self._source = source
        self._gtid = start.gtid
        self._told = start
        self._connections: list[wire.Connection] = []
        arguments = source.arguments | {"read_timeout": _SILENCE_SECONDS}
        self._reader = BinLogStreamReader(
            arguments,
            server_id,
            blocking=True,
            resume_stream=True,
            log_file=start.file,
            log_pos=start.at,
            slave_heartbeat=HEARTBEAT_SECONDS,
            filter_non_implemented_events=False,
            enable_logging=False,
            pymysql_wrapper=self._connect,
            only_events=[
                GtidEvent, HeartbeatLogEvent, MariadbGtidEvent, NotImplementedEvent, QueryEvent, RotateEvent,
                XAPrepareEvent, XidEvent, DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent, PartialUpdateRowsEvent,
            ],
        )  # fmt: skip

    def _connect(self, **arguments: Any) -> wire.Connection:
        made = wire.Connection(**arguments)
        self._connections.append(made)
        return made

    def close(self) -> None:
        """Close both connections, whatever state they are in."""
        for connection in self._connections:
            connection._force_close()

    def __iter__(self) -> Iterator[Item]:
        try:
            for item in self._items():
                self._told = item.position or self._told
                yield item
        except pymysql.MySQLError as error:
            if error.args and error.args[0] == _LOG_LOST:
                raise PositionLost(str(error.args[-1])) from None
            if isinstance(error, pymysql.OperationalError):
                raise translated(error, self._source) from None
            raise Unavailable(f"the source's binlog cannot be read: {error.args[-1]}") from None
        except (OSError, struct.error) as error:
            raise SourceLost(f"the connection to the source broke ({error})") from None

    def _items(self) -> Iterator[Item]:
        open_one: Transaction | None = None
        savepoints: dict[str, int] = {}
        while True:
            if open_one is None and self._connections and not self._connections[0].ready():
                yield Pause()
            event = self._reader.fetchone()
            if event is None:
                raise SourceLost("the source ended the stream")
            if isinstance(event, (WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent)):
                open_one = open_one or Transaction()
                open_one.rows.append(_rows(event))
            elif isinstance(event, MariadbGtidEvent):
                # The event names its own server in its header; the library puts that into the id.
                self._gtid = event.gtid
                open_one, savepoints = None if event.flags & _STANDALONE else Transaction(), {}
            elif isinstance(event, XidEvent):
                yield self._committed(open_one or Transaction(), event)
                open_one = None
            elif isinstance(event, QueryEvent):
                word = event.query.strip().rstrip(";").upper()
                found = _SAVEPOINT.fullmatch(event.query.strip())
                if word in ("BEGIN", "START TRANSACTION"):
                    open_one, savepoints = Transaction(), {}
                elif word in ("COMMIT", "ROLLBACK"):
                    yield self._committed(
                        open_one if open_one is not None and word == "COMMIT" else Transaction(), event
                    )
                    open_one = None
                elif found is not None:
                    _savepoint(found, savepoints, open_one)
                else:
                    yield Statement(
                        event.query,
                        event.schema.decode(),
                        _time(event),
                        self._position(),
                        open_one is not None,
                    )
            elif isinstance(event, XAPrepareEvent):
                # Its rows count when it is committed, which is a statement of its own; all tables are copied then.
                yield self._committed(Transaction(), event)
                open_one = None
            elif isinstance(event, RotateEvent):
                if event.timestamp and open_one is None:
                    yield Pause(Position(event.next_binlog, event.position, self._gtid))
            elif isinstance(event, HeartbeatLogEvent):
                if open_one is None:
                    yield Pause(self._moved())
            elif isinstance(event, NotImplementedEvent) and event.event_type in _PACKED:
                raise Unavailable(
                    "the source compresses its binlog, which cannot be read; switch log_bin_compress or"
                    " binlog_transaction_compression off, and then refresh all tables"
                )

    def _committed(self, transaction: Transaction, event: Any) -> Transaction:
        transaction.at = _time(event)
        transaction.position = self._position()
        return transaction

    def _moved(self) -> Position | None:
        """The position if it is behind the last one told: a server that was restarted goes on in another file, and
        nobody may write to it for long.
        """
        return position if (position := self._position()) > self._told else None

    def _position(self) -> Position:
        return Position(self._reader.log_file, self._reader.log_pos, self._gtid)


def _rows(event: Any) -> Rows:
    kind = (
        INSERT
        if isinstance(event, WriteRowsEvent)
        else UPDATE
        if isinstance(event, UpdateRowsEvent)
        else DELETE
    )
    if isinstance(event, PartialUpdateRowsEvent):
        raise Unavailable("the source logs partial JSON updates; set binlog_row_value_options to '' there")
    bitmaps = [event.columns_present_bitmap] + ([event.columns_present_bitmap2] if kind == UPDATE else [])
    whole = (1 << event.number_of_columns) - 1
    if any(int.from_bytes(bitmap, "little") & whole != whole for bitmap in bitmaps):
        raise Unavailable(
            "the source has logged rows with columns missing; set binlog_row_image to FULL there for every session"
        )
    columns = event.columns
    if not columns or columns[0].name is None:
        raise Unavailable("the source has logged rows without names; set binlog_row_metadata to FULL there")
    return Rows(
        (event.schema, event.table),
        kind,
        columns,
        event.packet.read(event.event_size - event.packet.read_bytes),
    )


def _savepoint(found: re.Match[str], savepoints: dict[str, int], transaction: Transaction | None) -> None:
    """ROLLBACK TO is logged only where a table without transactions was written; rows behind it do not count."""
    verb, name = found[1].lower(), found[2].strip("` ")
    if transaction is None:
        return
    if verb == "savepoint":
        savepoints[name] = len(transaction.rows)
    elif verb.startswith("rollback"):
        del transaction.rows[savepoints.get(name, 0) :]


def _time(event: Any) -> datetime:
    return datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None)
