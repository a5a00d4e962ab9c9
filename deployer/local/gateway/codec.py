"""Messages of the PostgreSQL wire protocol, version 3: cut from a byte stream, built, taken apart.

Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol"; Redshift speaks its version 3.0. A message is
one byte of type, four bytes of length (themselves included, the type not) and the body. Nothing here knows a socket
but `Stream`.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

MAX_MESSAGE = 64 * 1024 * 1024
"""A longer message from a client is refused. Redshift's own limit for a statement is 16 MB."""

PROTOCOL_3 = 196608
SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102

_READ_BYTES = 256 * 1024
_COPY_DATA = ord("d")
_DATA_ROW = ord("D")
_length = struct.Struct("!I")
_int16 = struct.Struct("!h")
_int32 = struct.Struct("!i")
_uint16 = struct.Struct("!H")


class Malformed(Exception):
    """A message does not have the form that its type prescribes. The connection cannot go on."""


class Disconnected(Exception):
    """The other side has closed the connection."""


def message(kind: bytes, *parts: bytes) -> bytes:
    """A whole message of type `kind` (one byte, or none for a start-up message) with the joined `parts` as body."""
    body = b"".join(parts)
    return kind + _length.pack(len(body) + 4) + body


def text(value: str) -> bytes:
    """A zero-terminated string."""
    return value.encode() + b"\0"


def int16(value: int) -> bytes:
    return _int16.pack(value)


def int32(value: int) -> bytes:
    return _int32.pack(value)


class Body:
    """Reads the fields of one message's body from left to right. Raises Malformed when they run out."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def raw(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise Malformed("a message ends inside one of its fields")
        piece = self._data[self._at : self._at + count]
        self._at += count
        return piece

    def text(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise Malformed("a string without its end")
        piece = self._data[self._at : end]
        self._at = end + 1
        try:
            return piece.decode()
        except UnicodeDecodeError:
            raise Malformed("a string that is not UTF-8") from None

    def int16(self) -> int:
        value: int = _int16.unpack(self.raw(2))[0]
        return value

    def int32(self) -> int:
        value: int = _int32.unpack(self.raw(4))[0]
        return value

    def count(self) -> int:
        """An int16 that counts things: the protocol allows 65535 of them."""
        value: int = _uint16.unpack(self.raw(2))[0]
        return value

    def sized(self) -> bytes | None:
        """A value with its length before it; None for NULL."""
        size = self.int32()
        return None if size == -1 else self.raw(size)

    @property
    def rest(self) -> bytes:
        return self._data[self._at :]

    def done(self) -> None:
        """Raises Malformed unless everything has been read."""
        if self._at != len(self._data):
            raise Malformed("a message is longer than its fields")


class Stream:
    """One side's byte stream, cut into messages. `wait`, when set, is called before a read that may block."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.wait: Callable[[], None] | None = None
        self._buffer = b""
        self._at = 0

    def _fill(self) -> None:
        if self.wait is not None:
            self.wait()
        try:
            data = self.socket.recv(_READ_BYTES)
        except OSError as error:
            raise Disconnected(str(error)) from error
        if not data:
            raise Disconnected("the connection was closed")
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    @property
    def buffered(self) -> bool:
        """Whether bytes have been read that no message has used yet."""
        return self._at < len(self._buffer)

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        if len(self._buffer) - self._at < count:
            # A long message is gathered in pieces: joining each to all before it would cost its square.
            pieces = [self._buffer[self._at :]]
            have = len(pieces[0])
            self._buffer, self._at = b"", 0
            while have < count:
                self._fill()
                pieces.append(self._buffer)
                have += len(self._buffer)
                self._buffer = b""
            self._buffer, self._at = b"".join(pieces), 0
        piece = self._buffer[self._at : self._at + count]
        self._at += count
        return piece

    def next(self) -> tuple[bytes, bytes]:
        """The next message: its type (one byte) and its body."""
        head = self.exactly(5)
        size: int = _length.unpack_from(head, 1)[0]
        if not 4 <= size <= MAX_MESSAGE:
            raise Malformed(f"a message of {size} bytes")
        return head[:1], self.exactly(size - 4)

    def startup(self) -> tuple[int, bytes]:
        """The first message of a connection, which has no type: its code (a version or a request) and its body."""
        size: int = _length.unpack(self.exactly(4))[0]
        if not 8 <= size <= 10000:
            raise Malformed(f"a start-up message of {size} bytes")
        body = self.exactly(size - 4)
        code: int = _length.unpack_from(body)[0]
        return code, body[4:]

    def rows(self) -> tuple[bytes, int]:
        """The DataRow messages that have arrived whole, untouched and together, and their number; blocks for none."""
        buffer, start, at, count = self._buffer, self._at, self._at, 0
        end = len(buffer)
        unpack = _length.unpack_from
        while end - at >= 5 and buffer[at] == _DATA_ROW:
            after = at + 1 + unpack(buffer, at + 1)[0]
            if after > end:
                break
            at = after
            count += 1
        self._at = at
        return buffer[start:at], count

    def copied(self) -> list[bytes]:
        """What the CopyData messages hold that have arrived whole; blocks for none."""
        buffer, at, end = self._buffer, self._at, len(self._buffer)
        unpack = _length.unpack_from
        found: list[bytes] = []
        while end - at >= 5 and buffer[at] == _COPY_DATA:
            after = at + 1 + unpack(buffer, at + 1)[0]
            if after > end:
                break
            found.append(buffer[at + 5 : after])
            at = after
        self._at = at
        return found

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Disconnected(str(error)) from error


def has_closed(sock: socket.socket) -> bool:
    """Whether the other side of `sock` has closed it."""
    try:
        return not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def has_news(sock: socket.socket) -> bool:
    """Whether there is something to read from `sock`, be it that the other side has closed it."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


# -- what the gateway takes apart ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """One field of a RowDescription."""

    name: str
    table: int
    attribute: int
    type: int
    size: int
    modifier: int
    format: int


@dataclass(frozen=True)
class Bind:
    """A Bind message. `values` are None for NULL."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]
    results: tuple[int, ...]

    def result_format(self, column: int) -> int:
        """The format asked for column number `column`: none given = text, one given = for all."""
        if not self.results:
            return 0
        return self.results[0] if len(self.results) == 1 else self.results[column]

    def pack(self) -> bytes:
        parts = [text(self.portal), text(self.statement), _uint16.pack(len(self.formats))]
        parts += [int16(code) for code in self.formats]
        parts.append(_uint16.pack(len(self.values)))
        for value in self.values:
            parts.append(int32(-1) if value is None else int32(len(value)) + value)
        parts.append(_uint16.pack(len(self.results)))
        parts += [int16(code) for code in self.results]
        return message(b"B", *parts)


def unpack_bind(data: bytes) -> Bind:
    body = Body(data)
    portal, statement = body.text(), body.text()
    formats = tuple(body.int16() for _ in range(body.count()))
    values = tuple(body.sized() for _ in range(body.count()))
    results = tuple(body.int16() for _ in range(body.count()))
    body.done()
    if any(code not in (0, 1) for code in formats + results):
        raise Malformed("a format code other than text and binary")
    if len(formats) not in (0, 1, len(values)):
        raise Malformed("the format codes do not fit the parameters")
    return Bind(portal, statement, formats, values, results)


def pack_parse(name: str, sql: str, types: Sequence[int] = ()) -> bytes:
    return message(
        b"P",
        text(name),
        text(sql),
        _uint16.pack(len(types)),
        *[_length.pack(oid & 0xFFFFFFFF) for oid in types],
    )


def unpack_parse(data: bytes) -> tuple[str, str, tuple[int, ...]]:
    """The statement's name, its text and the parameter types that the client has fixed (0 = not)."""
    body = Body(data)
    name, sql = body.text(), body.text()
    types = tuple(body.int32() & 0xFFFFFFFF for _ in range(body.count()))
    body.done()
    return name, sql, types


def unpack_columns(data: bytes) -> tuple[Column, ...]:
    """The fields of a RowDescription."""
    body = Body(data)
    columns = tuple(
        Column(
            body.text(), body.int32() & 0xFFFFFFFF, body.int16(), body.int32() & 0xFFFFFFFF,
            body.int16(), body.int32(), body.int16(),
        )
        for _ in range(body.count())
    )  # fmt: skip
    body.done()
    return columns


def pack_columns(columns: Iterable[Column]) -> bytes:
    fields = [
        text(c.name) + struct.pack("!IhIhih", c.table, c.attribute, c.type, c.size, c.modifier, c.format)
        for c in columns
    ]
    return message(b"T", _uint16.pack(len(fields)), *fields)


def unpack_row(data: bytes) -> tuple[bytes | None, ...]:
    """The values of a DataRow."""
    body = Body(data)
    return tuple(body.sized() for _ in range(body.count()))


def plain_hexadecimal(data: bytes, columns: Collection[int]) -> bytes:
    """DataRow messages with the `\\x` that PostgreSQL writes before a bytea taken from these columns.

    Redshift prints a VARBYTE as bare hexadecimal digits (r_VARBYTE_type).
    """
    rows: list[bytes] = []
    at = 0
    while at < len(data):
        after = at + 1 + _length.unpack_from(data, at + 1)[0]
        values = list(unpack_row(data[at + 5 : after]))
        for index in columns:
            value = values[index]
            values[index] = None if value is None else value.removeprefix(b"\\x")
        rows.append(pack_row(values))
        at = after
    return b"".join(rows)


def pack_row(values: Sequence[bytes | None]) -> bytes:
    parts = [int32(-1) if value is None else int32(len(value)) + value for value in values]
    return message(b"D", _uint16.pack(len(values)), *parts)


def unpack_fields(data: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse by their letter (S severity, C code, M message ...)."""
    fields = {}
    for piece in data.split(b"\0"):
        if piece:
            fields[chr(piece[0])] = piece[1:].decode(errors="replace")
    return fields


def pack_fields(kind: bytes, fields: dict[str, str]) -> bytes:
    return message(kind, *[letter.encode() + text(value) for letter, value in fields.items()], b"\0")


def unpack_startup(data: bytes) -> dict[str, str]:
    """The parameters of a start-up message."""
    body = Body(data)
    parameters = {}
    while body.rest not in (b"", b"\0"):
        name = body.text()
        if not name:
            break
        parameters[name] = body.text()
    return parameters
