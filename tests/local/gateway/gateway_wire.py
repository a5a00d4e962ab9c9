"""A bare client of the wire protocol, for what no driver would send."""

from __future__ import annotations

import socket
import struct
from types import TracebackType

from patience import PATIENCE

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import Body, Disconnected, Stream, message, text


class Wire:
    """One connection; after `login` it is ready for queries. `key` is what a cancel request names."""

    def __init__(self, status: Status) -> None:
        self.status = status
        assert status.port is not None
        self.socket = socket.create_connection((status.host, status.port), timeout=PATIENCE)
        self.stream = Stream(self.socket)
        self.parameters: dict[str, str] = {}
        self.key = (0, 0)

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(messages))

    def login(self, password: str | None = None, **parameters: str) -> Wire:
        """Start up and give the password; raises Refusal when the server says no."""
        wanted = {"user": self.status.user, "database": self.status.database} | parameters
        pairs = [text(name) + text(value) for name, value in wanted.items()]
        self.send(message(b"", codec.int32(codec.PROTOCOL_3), *pairs, b"\0"))
        kind, data = self.stream.next()
        if kind == b"E":
            raise Refusal(codec.unpack_fields(data))
        assert (kind, Body(data).int32()) == (b"R", 3)
        self.send(message(b"p", text(self.status.password if password is None else password)))
        while True:
            kind, data = self.stream.next()
            if kind == b"Z":
                return self
            if kind == b"E":
                raise Refusal(codec.unpack_fields(data))
            if kind == b"S":
                body = Body(data)
                name, value = body.text(), body.text()
                self.parameters[name] = value
            if kind == b"K":
                body = Body(data)
                self.key = (body.int32(), body.int32())

    def until(self, last: bytes = b"Z") -> list[tuple[bytes, bytes]]:
        """The messages up to one of type `last`; raises Disconnected when the connection ends before."""
        seen = [self.stream.next()]
        while seen[-1][0] != last:
            seen.append(self.stream.next())
        return seen

    def rest(self) -> list[tuple[bytes, bytes]]:
        """The messages up to the connection's end."""
        seen = []
        while True:
            try:
                seen.append(self.stream.next())
            except Disconnected:
                return seen

    def query(self, sql: str) -> list[tuple[bytes, bytes]]:
        """A simple query; its answer without notices and parameters."""
        self.send(message(b"Q", text(sql)))
        return [(kind, data) for kind, data in self.until() if kind not in (b"S", b"N")]

    def kinds(self, sql: str) -> str:
        """The types of the messages that answer a simple query."""
        return b"".join(kind for kind, _ in self.query(sql)).decode()

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """The rows of a simple query; raises Refusal."""
        rows = []
        for kind, data in self.query(sql):
            if kind == b"E":
                raise Refusal(codec.unpack_fields(data))
            if kind == b"D":
                rows.append(tuple(None if v is None else v.decode() for v in codec.unpack_row(data)))
        return rows

    def tags(self, sql: str) -> list[str]:
        return [data[:-1].decode() for kind, data in self.query(sql) if kind == b"C"]

    def error(self, sql: str) -> dict[str, str]:
        """The fields of the error that a simple query must end in."""
        errors = [codec.unpack_fields(data) for kind, data in self.query(sql) if kind == b"E"]
        assert len(errors) == 1, f"{sql} gave {len(errors)} errors"
        return errors[0]

    def cancel(self, secret: int | None = None) -> None:
        """Send a cancel request over a connection of its own."""
        assert self.status.port is not None
        with socket.create_connection((self.status.host, self.status.port), timeout=PATIENCE) as sock:
            pid, known = self.key
            sock.sendall(
                struct.pack("!IIii", 16, codec.CANCEL_REQUEST, pid, known if secret is None else secret)
            )
            assert sock.recv(1) == b""


class Refusal(Exception):
    """An ErrorResponse."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.fields = fields
