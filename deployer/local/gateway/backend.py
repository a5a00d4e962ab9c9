"""One connection to PostgreSQL, at message level."""

from __future__ import annotations

import hashlib
import select
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deployer.errors import Unavailable
from deployer.local.gateway import codec
from deployer.local.gateway.codec import Body, Disconnected, Malformed, Stream, message, text
from deployer.local.gateway.scram import Exchange

Row = tuple[bytes | None, ...]

CANCEL_SECONDS = 60.0
"""How long PostgreSQL may take to pass a cancel request on. One still on its way would hit the next statement."""


class ServerError(Exception):
    """An ErrorResponse of PostgreSQL (or one made like it): its fields by their letter."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.fields = fields

    @property
    def sqlstate(self) -> str:
        return self.fields.get("C", "")


class ClientGone(Exception):
    """The client closed its connection while its statement was running."""


@dataclass(frozen=True)
class Target:
    """Where PostgreSQL is and who we are there. A `host` that begins with a slash is a socket's directory."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str


@dataclass
class Result:
    """The outcome of one statement, gathered whole."""

    columns: tuple[codec.Column, ...] = ()
    rows: list[Row] = field(default_factory=list)
    tag: str = ""


class Backend:
    """A connection to PostgreSQL.

    `status` is the transaction status that PostgreSQL told last: I idle, T in a transaction, E in a failed one.
    `on_notice` gets the fields of each NoticeResponse, `on_parameter` a name and value of each ParameterStatus.
    `on_cancelled` is called when PostgreSQL has cancelled a statement. `parting` are the fields of the error with which
    PostgreSQL has ended the connection, if it said one.
    """

    def __init__(self, target: Target, application: str, options: str = "") -> None:
        self.target = target
        self.pid = 0
        self.status = "I"
        self.parameters: dict[str, str] = {}
        self.on_notice: Callable[[dict[str, str]], None] = lambda fields: None
        self.on_parameter: Callable[[str, str], None] = lambda name, value: None
        self.on_cancelled: Callable[[], None] = lambda: None
        self.parting: dict[str, str] = {}
        self._secret = b""
        self.stream = Stream(_connect(target))
        try:
            self._start(application, options)
        except BaseException:
            self.close()
            raise

    # -- start and end ----------------------------------------------------------------------------------------

    def _start(self, application: str, options: str) -> None:
        parameters = {
            "user": self.target.user,
            "database": self.target.database,
            "application_name": application,
            "client_encoding": "UTF8",
            "options": options,
        }
        pairs = [text(name) + text(value) for name, value in parameters.items() if value]
        self.stream.send(message(b"", codec.int32(codec.PROTOCOL_3), *pairs, b"\0"))
        exchange: Exchange | None = None
        while True:
            kind, data = self.stream.next()
            if kind == b"R":
                exchange = self._authenticate(Body(data), exchange)
            elif kind == b"S":
                self._parameter(data)
            elif kind == b"K":
                body = Body(data)
                self.pid, self._secret = body.int32(), body.rest
            elif kind == b"E":
                raise ServerError(codec.unpack_fields(data))
            elif kind == b"Z":
                return

    def _authenticate(self, body: Body, exchange: Exchange | None) -> Exchange | None:
        code = body.int32()
        password = self.target.password
        if code == 3:
            self.stream.send(message(b"p", text(password)))
        elif code == 5:
            inner = hashlib.md5((password + self.target.user).encode()).hexdigest()
            digest = hashlib.md5(inner.encode() + body.raw(4)).hexdigest()
            self.stream.send(message(b"p", text("md5" + digest)))
        elif code == 10:
            exchange = Exchange(password)
            first = exchange.first
            self.stream.send(message(b"p", text("SCRAM-SHA-256"), codec.int32(len(first)), first))
        elif code == 11 and exchange is not None:
            self.stream.send(message(b"p", exchange.answer(body.rest)))
        elif code == 12 and exchange is not None:
            exchange.check(body.rest)
        elif code != 0:
            raise Unavailable(
                f"PostgreSQL asks for a kind of authentication ({code}) that the gateway does not know"
            )
        return exchange

    def close(self) -> None:
        """End the connection; PostgreSQL rolls an open transaction back."""
        try:
            self.stream.socket.sendall(message(b"X"))
        except OSError:
            pass
        self.stream.socket.close()

    def cancel(self) -> None:
        """Ask PostgreSQL to cancel what it does for this connection. To be called from any thread; best effort."""
        try:
            with _connect(self.target) as sock:
                request = codec.int32(codec.CANCEL_REQUEST) + codec.int32(self.pid) + self._secret
                sock.sendall(message(b"", request))
                sock.settimeout(CANCEL_SECONDS)
                # PostgreSQL closes the connection when it has passed the signal on.
                sock.recv(1)
        except (OSError, Disconnected):
            pass

    def watch(self, client: socket.socket | None) -> None:
        """While waiting for PostgreSQL, raise ClientGone when `client` closes. None ends the watch."""
        if client is None:
            self.stream.wait = None
            return
        poll = select.poll()
        poll.register(self.stream.socket, select.POLLIN)
        poll.register(client, select.POLLIN)
        backend = self.stream.socket.fileno()

        def wait() -> None:
            while True:
                ready = dict(poll.poll())
                # The client comes first: PostgreSQL may answer every time before this thread looks.
                if client.fileno() in ready:
                    if codec.has_closed(client):
                        raise ClientGone
                    # The client has sent more already: it cannot be watched any longer, and does not need to be.
                    poll.unregister(client)
                    self.stream.wait = None
                    return
                if backend in ready:
                    return

        self.stream.wait = wait

    # -- messages ---------------------------------------------------------------------------------------------

    def send(self, *parts: bytes) -> None:
        self.stream.send(b"".join(parts))

    def receive(self) -> tuple[bytes, bytes]:
        """The next message that is part of an answer; notices and parameters are handed on aside."""
        while True:
            kind, data = self.stream.next()
            if kind == b"N":
                self.on_notice(codec.unpack_fields(data))
            elif kind == b"S":
                self._parameter(data)
            elif kind == b"A":
                continue
            else:
                if kind == b"E":
                    self._failed(codec.unpack_fields(data))
                if kind == b"Z":
                    self.status = data.decode()
                return kind, data

    def unasked(self) -> list[dict[str, str]]:
        """Read what PostgreSQL sends to an idle session: notices and parameters go aside, errors are returned."""
        errors = []
        while True:
            kind, data = self.stream.next()
            if kind == b"N":
                self.on_notice(codec.unpack_fields(data))
            elif kind == b"S":
                self._parameter(data)
            elif kind == b"E":
                errors.append(codec.unpack_fields(data))
                self._failed(errors[-1])
            if not self.stream.buffered:
                return errors

    def has_ended(self) -> bool:
        """Whether the other side has ended the connection, which nobody uses just now. It may have said why first, so
        that there is something to be read."""
        try:
            while self.stream.buffered or codec.has_news(self.stream.socket):
                if self.unasked():
                    return True
        except (Disconnected, Malformed):
            return True
        return False

    def farewell(self) -> dict[str, str]:
        """`parting`, which may not have been read yet. For a connection that is given up; waits for nothing."""
        self.stream.wait = None
        self.stream.socket.setblocking(False)
        try:
            while not self.parting:
                self.receive()
        except (Disconnected, Malformed):
            pass
        return self.parting

    def _failed(self, fields: dict[str, str]) -> None:
        if fields.get("C") == "57014":
            self.on_cancelled()
        if fields.get("V") in ("FATAL", "PANIC"):
            self.parting = fields

    def _parameter(self, data: bytes) -> None:
        body = Body(data)
        name, value = body.text(), body.text()
        self.parameters[name] = value
        self.on_parameter(name, value)

    def sync(self) -> None:
        """Send Sync and read up to ReadyForQuery, dropping what comes before it."""
        self.send(message(b"S"))
        while self.receive()[0] != b"Z":
            pass

    def simple(self, sql: str) -> list[Result]:
        """Run `sql` (one or several statements) by the simple protocol; raises ServerError."""
        self.send(message(b"Q", text(sql)))
        results: list[Result] = []
        current = Result()
        error: ServerError | None = None
        while True:
            kind, data = self.receive()
            if kind == b"T":
                current.columns = codec.unpack_columns(data)
            elif kind == b"D":
                current.rows.append(codec.unpack_row(data))
            elif kind == b"C":
                current.tag = data[:-1].decode()
                results.append(current)
                current = Result()
            elif kind == b"E":
                error = error or ServerError(codec.unpack_fields(data))
            elif kind == b"Z":
                if error is not None:
                    raise error
                return results

    def query(
        self,
        sql: str,
        values: Sequence[bytes | None] = (),
        *,
        name: str = "",
        sync: bool = True,
        types: Sequence[int] = (),
        formats: Sequence[int] = (),
        results: Sequence[int] = (),
    ) -> Result:
        """Run one statement by the extended protocol, with text parameters, and gather its rows.

        `name` is a prepared statement to use instead of parsing `sql`. Without `sync` the implicit transaction of
        the client's own pipeline stays open; after an error PostgreSQL then ignores everything up to a Sync.
        `types` and `formats` of the parameters, and `results`, the formats of the columns, are those of Parse and Bind.
        """
        parse = b"" if name else codec.pack_parse("", sql, types)
        bind = codec.Bind("", name, tuple(formats), tuple(values), tuple(results)).pack()
        describe = message(b"D", b"P", text(""))
        execute = message(b"E", text(""), codec.int32(0))
        self.send(parse, bind, describe, execute, message(b"S" if sync else b"H"))
        result = Result()
        error: ServerError | None = None
        while True:
            kind, data = self.receive()
            if kind == b"T":
                result.columns = codec.unpack_columns(data)
            elif kind == b"D":
                result.rows.append(codec.unpack_row(data))
            elif kind == b"C":
                result.tag = data[:-1].decode()
            elif kind == b"E":
                error = ServerError(codec.unpack_fields(data))
            if kind == b"Z" or (not sync and kind in (b"C", b"E", b"I")):
                if error is not None:
                    raise error
                return result


def _connect(target: Target) -> socket.socket:
    try:
        if target.host.startswith("/"):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(f"{target.host}/.s.PGSQL.{target.port}")
        else:
            sock = socket.create_connection((target.host, target.port), timeout=10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise Disconnected(f"PostgreSQL at {target.host}:{target.port} does not answer: {error}") from error
    sock.settimeout(None)
    return sock
