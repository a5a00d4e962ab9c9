"""The connection to the source, as mysql-replication and the first copy need it.

The library reconnects by itself when a connection breaks, at the position of the last *event*: behind the table map of
a half-read transaction, whose rows would then be lost. So this connection reports a break with an exception of its
own, which the library does not catch, and the stream begins again at the last *transaction* that landed. It also tells
whether more is there to read, so that a batch ends when the source pauses.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.constants.COMMAND import COM_QUERY
from pymysql.protocol import MysqlPacket

from deployer.local.replication.position import SourceLost

_CHUNK = 1 << 18
_CONTINUED = 0xFFFFFF
_MOST = 250
_BROKEN = (2006, 2013)


class SocketReader:
    """Reads a socket with a buffer that can be looked at."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.buffer = b""
        self.at = 0

    def read(self, size: int) -> bytes:
        """`size` bytes, less only at the end of the connection."""
        end = self.at + size
        if end > len(self.buffer):
            self.fill(size)
            end = self.at + size
        found = self.buffer[self.at : end]
        self.at = min(end, len(self.buffer))
        return found

    def fill(self, size: int) -> None:
        """Read on until `size` bytes are there behind `at`, or nothing more comes."""
        parts = [self.buffer[self.at :]]
        have = len(parts[0])
        while have < size:
            part = self._socket.recv(_CHUNK)
            if not part:
                break
            parts.append(part)
            have += len(part)
        self.buffer = b"".join(parts)
        self.at = 0

    def ready(self) -> bool:
        """Whether something can be read at once."""
        return self.at < len(self.buffer) or bool(select.select([self._socket], [], [], 0)[0])

    def close(self) -> None:
        """As files do; the socket belongs to the connection."""


class Connection(pymysql.connections.Connection):  # type: ignore[misc]  # pymysql has no types
    """A connection that raises SourceLost when it breaks."""

    def __init__(self, **arguments: Any) -> None:
        if "db" in arguments:
            # The library's word for it, which pymysql has given up.
            arguments["database"] = arguments.pop("db")
        try:
            super().__init__(**arguments)
        except pymysql.OperationalError as error:
            if error.args[0] in (2002, 2003, *_BROKEN):
                where = f"{arguments.get('host')}:{arguments.get('port')}"
                raise SourceLost(f"the source {where} cannot be reached: {error.args[-1]}") from None
            raise
        # Between an answer and the next command nothing is buffered.
        self._rfile = SocketReader(self._sock)

    def _read_packet(self, packet_type: type = MysqlPacket) -> Any:
        try:
            return super()._read_packet(packet_type)
        except pymysql.OperationalError as error:
            if error.args[0] in _BROKEN:
                raise SourceLost(f"the source has closed the connection: {error.args[-1]}") from None
            raise

    def ready(self) -> bool:
        """Whether the server has sent something that was not read yet."""
        try:
            return self._rfile is not None and bool(self._rfile.ready())
        except (OSError, ValueError):
            # A broken socket is "ready": reading it tells what is wrong.
            return True

    def single_values(self, statement: str) -> Iterator[bytes]:
        """The rows of a query with one column that is never NULL, in large pieces, a line feed behind each row.

        pymysql's own cursors take ten times as long to cut rows out of packets as the server takes to send them.
        """
        self._execute_command(COM_QUERY, statement)
        first = self._read_packet()
        if first.is_error_packet():
            first.raise_for_error()
        while not self._read_packet().is_eof_packet():
            pass
        yield from _pieces(self._rfile)


def _pieces(reader: SocketReader) -> Iterator[bytes]:
    """The rows of a result in large pieces. Raises SourceLost however the connection ends."""
    done = False
    try:
        while not done:
            lines: list[bytes] = []
            try:
                done = _cut(reader, lines)
            except OSError as error:
                done = True
                raise SourceLost(f"the connection to the source broke ({error})") from None
            except BaseException:
                done = True
                raise
            if lines:
                lines.append(b"")
                yield b"\n".join(lines)
    finally:
        # Who stops reading half-way goes on with another statement: the answer must be out of the way. Where the source
        # is gone by now that statement says so, and what has stopped the reading is not forgotten for it.
        with contextlib.suppress(OSError, SourceLost, pymysql.MySQLError):
            while not done:
                done = _cut(reader, [])


def _cut(reader: SocketReader, lines: list[bytes]) -> bool:
    """Move the rows that are buffered to `lines`, at least one; whether the result ends."""
    buffer, at = reader.buffer, reader.at
    end = len(buffer)
    append = lines.append
    while True:
        size = (buffer[at] | buffer[at + 1] << 8 | buffer[at + 2] << 16) if at + 4 <= end else -1
        if size < 0 or at + 4 + size > end:
            reader.at = at
            if lines:
                return False
            wanted = 4 if size < 0 else 4 + size
            reader.fill(wanted)
            if len(reader.buffer) < wanted:
                raise SourceLost("the source closed the connection while a table was copied")
            buffer, at, end = reader.buffer, reader.at, len(reader.buffer)
            continue
        start, at = at + 4, at + 4 + size
        head = buffer[start]
        if head <= _MOST:
            append(buffer[start + 1 : at])
        elif head == 0xFC:
            append(buffer[start + 3 : at])
        elif head == 0xFE and size < 9:
            reader.at = at
            return True
        elif head == 0xFF:
            raise pymysql.OperationalError(
                struct.unpack_from("<H", buffer, start + 1)[0],
                buffer[start + 9 : at].decode(errors="replace"),
            )
        elif head == 0xFD:
            whole = bytes(buffer[start + 4 : at])
            if size == _CONTINUED:
                raise pymysql.OperationalError(1153, "a row of the source is longer than 16 MB")
            append(whole)
        else:
            raise pymysql.OperationalError(1153, "a row of the source is longer than 16 MB")
