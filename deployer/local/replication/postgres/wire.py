"""A replication connection: commands, and the stream of START_REPLICATION.

psycopg has no replication protocol of its own; its wrapper of libpq has all that it takes. Messages: PostgreSQL manual,
"Streaming Replication Protocol".
"""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Callable
from types import TracebackType

import psycopg
from psycopg import pq

from deployer.errors import Unavailable
from deployer.local.replication.position import PositionLost, SourceLost
from deployer.local.replication.postgres.source import Source, lsn_text, translated

_EPOCH = 946_684_800
"""2000-01-01, from which PostgreSQL counts, in seconds since 1970."""
_LOST = ("42704", "55000", "58P01")
"""The slot or its publication is not there; the slot is invalidated; a file of its WAL is gone."""
_PASSING = ("57P01", "57P02", "57P03", "57P05", "57014", "53300", "08006", "08003", "55006")


class Wire:
    """One connection with replication=database. Raises SourceLost when it breaks, Unavailable for a refusal."""

    def __init__(self, source: Source, stopped: Callable[[], bool] = lambda: False) -> None:
        self._source = source
        self._stopped = stopped
        self._connection = pq.PGconn.connect(source.conninfo(replication="database").encode())
        if self._connection.status != pq.ConnStatus.OK:
            message = self._connection.get_error_message()
            self._connection.finish()
            raise translated(psycopg.OperationalError(message), source)

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; a temporary slot goes with it."""
        self._connection.finish()

    def command(self, text: str) -> list[tuple[str, ...]]:
        """Run a command of the replication protocol, and return its rows."""
        found = self._send(text)
        rows = [
            tuple(
                (found.get_value(row, column) or b"").decode()  # what is NULL is not asked for
                for column in range(found.nfields)
            )
            for row in range(found.ntuples)
        ]
        while self._result() is not None:
            pass
        return rows

    def start(self, slot: str, publication: str, at: int) -> None:
        """Begin to stream from a slot. Raises PositionLost where that has not got it any more."""
        self._send(
            f"START_REPLICATION SLOT {slot} LOGICAL {lsn_text(at)}"
            f" (proto_version '1', publication_names '{publication}')"
        )

    def read(self, seconds: float) -> bytes | None:
        """The next message of the stream; None when none comes within `seconds`."""
        try:
            # What is buffered goes first: reading more with each message would move the whole buffer each time.
            size, data = self._connection.get_copy_data(1)
            if not size:
                select.select([self._connection.socket], [], [], seconds)
                self._connection.consume_input()
                size, data = self._connection.get_copy_data(1)
            if size > 0:
                return bytes(data)
            if size < 0:
                self._fail(self._result())
        except (psycopg.OperationalError, OSError, ValueError) as error:
            raise SourceLost(f"the connection to the source broke ({str(error).strip()})") from None
        return None

    def confirm(self, at: int, *, reply: bool) -> None:
        """Tell the server that everything up to `at` has landed; with `reply` it says at once how far its log is."""
        clock = int((time.time() - _EPOCH) * 1_000_000)
        try:
            self._connection.put_copy_data(struct.pack("!cQQQqB", b"r", at, at, at, clock, reply))
            self._connection.flush()
        except psycopg.OperationalError as error:
            raise SourceLost(f"the connection to the source broke ({str(error).strip()})") from None

    def _send(self, text: str) -> pq.abc.PGresult:
        try:
            self._connection.send_query(text.encode())
            found = self._result()
        except psycopg.OperationalError as error:
            raise SourceLost(f"the connection to the source broke ({str(error).strip()})") from None
        if found is None or found.status not in (
            pq.ExecStatus.TUPLES_OK,
            pq.ExecStatus.COMMAND_OK,
            pq.ExecStatus.COPY_BOTH,
        ):
            self._fail(found)
        assert found is not None
        return found

    def _result(self) -> pq.abc.PGresult | None:
        """The next result. Making a slot waits for the transactions that are open: a stop must not wait with it."""
        while self._connection.is_busy():
            select.select([self._connection.socket], [], [], 0.2)
            self._connection.consume_input()
            if self._stopped():
                raise SourceLost("replication was stopped")
        return self._connection.get_result()

    def _fail(self, result: pq.abc.PGresult | None) -> None:
        """Raise what an error of the server means."""
        if result is None or result.status != pq.ExecStatus.FATAL_ERROR:
            raise SourceLost("the source ended the stream")
        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"no message").decode()
        if state in _LOST:
            raise PositionLost(message)
        where = f"the source {self._source.host}:{self._source.port}"
        if state in _PASSING:
            raise SourceLost(f"{where}: {message}")
        raise Unavailable(f"{where} refuses: {message}")
