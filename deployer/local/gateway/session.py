"""One client's conversation: simple queries here, the extended protocol in `extended`."""

from __future__ import annotations

import json
import logging
import secrets
import select
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from deployer.local.gateway import codec, login
from deployer.local.gateway.backend import Backend, ClientGone, ServerError
from deployer.local.gateway.codec import Disconnected, Malformed, Stream, message, pack_fields
from deployer.local.gateway.errors import (
    ENGINE_STARTING,
    ENGINE_STOPPED,
    announces_end,
    as_redshift,
    concerns_engine,
    from_lexer,
    from_refused,
    gateway_error,
    notice_in_redshift,
    pack_error,
)
from deployer.local.gateway.extended import Extended
from deployer.local.gateway.journal import Journal
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.sinks import Sink
from deployer.local.gateway.statements import run_statement
from deployer.local.gateway.types import VARBYTE_OID
from deployer.sql.lexer import LexError
from deployer.sql.refused import Refused
from deployer.sql.split import split

if TYPE_CHECKING:
    from deployer.local.gateway.server import Gateway

log = logging.getLogger("zeroshift.gateway")

_FLUSH_BYTES = 64 * 1024
_LINGER_SECONDS = 1.0
_TIMEOUTS = ("57P05", "25P03")
"""Idle for too long, outside of a transaction and in one."""
CANCEL_ASKED = "ZS001"
"""With this code zeroshift.signal_session names a session whose statement is to be cancelled."""
SHUTTING_DOWN = ("57P01", "terminating connection due to administrator command")


class ClientSink:
    """Writes a statement's answer to the client.

    In the extended protocol Describe has asked for the columns: there they are given as `described`.
    """

    def __init__(self, session: Session, described: Sequence[codec.Column] | None = None) -> None:
        self._session = session
        self._describe = described is None
        self._hexadecimal = _hexadecimal(described or ())
        self.is_suspended = False

    def columns(self, columns: Sequence[codec.Column]) -> None:
        if self._describe:
            self._session.put(codec.pack_columns(columns))
            self._hexadecimal = _hexadecimal(columns)

    def rows(self, data: bytes, count: int) -> None:
        assert self._session.runner is not None
        self._session.runner.journal.sent(count, len(data))
        self._session.put(codec.plain_hexadecimal(data, self._hexadecimal) if self._hexadecimal else data)

    def complete(self, tag: str) -> None:
        self._session.put(message(b"C", codec.text(tag)) if tag else message(b"I"))

    def suspended(self) -> None:
        self.is_suspended = True
        self._session.put(message(b"s"))


def _hexadecimal(columns: Sequence[codec.Column]) -> frozenset[int]:
    """The columns that hold a VARBYTE as text."""
    return frozenset(i for i, c in enumerate(columns) if c.type == VARBYTE_OID and c.format == 0)


class Session:
    """A connection of one client, served by one thread.

    `key` is what a cancel request must name. `backend` is its PostgreSQL connection once the client is logged in.
    """

    def __init__(self, gateway: Gateway, sock: socket.socket, remote: str) -> None:
        self.gateway = gateway
        self.client = Stream(sock)
        self.remote = remote
        self.key: tuple[int, int] = (0, secrets.randbits(31))
        self.user = ""
        self.application = ""
        self.parameters: dict[str, str] = {}
        """What the client has said of itself at the start."""
        self.encryption = ("", "")
        """Version and cipher of SSL; empty without it."""
        self.limit: int | None = None
        """The user's CONNECTION LIMIT."""
        self.timed_out = False
        """Whether SESSION TIMEOUT has ended it."""
        self.runner: Runner | None = None
        self._out = bytearray()
        self._ending: tuple[str, str] | None = None

    # -- output -----------------------------------------------------------------------------------------------

    def put(self, data: bytes) -> None:
        """Send `data` to the client, soon: small pieces are gathered."""
        if len(self._out) + len(data) < _FLUSH_BYTES:
            self._out += data
            return
        self.flush()
        self.client.send(data)

    def flush(self) -> None:
        if self._out:
            data, self._out = bytes(self._out), bytearray()
            self.client.send(data)

    def _ready(self) -> None:
        assert self.runner is not None
        self.put(message(b"Z", self.runner.backend.status.encode()))
        self.flush()

    # -- life -------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """The whole conversation. Never raises: whatever happens ends this session only."""
        backend: Backend | None = None
        try:
            backend = login.start(self)
            if backend is None:
                return
            self.runner = Runner(backend, self.gateway.internal, self.gateway.database, self.user)
            self.runner.storage = self.gateway.storage
            self.runner.translations = self.gateway.translations
            self.runner.journal = Journal(self.gateway.history, self.user, backend.pid)
            backend.on_notice = self._notice
            backend.on_parameter = self._parameter
            self.key = (backend.pid, self.key[1])
            self.gateway.register(self)
            self.put(message(b"K", codec.int32(self.key[0]), codec.int32(self.key[1])))
            self._ready()
            self._converse()
        except ClientGone:
            if backend is not None:
                backend.cancel()
            if self._ending is None:
                log.info("session %s: the client went away during a statement", self.key[0])
            else:
                # end() has closed our reading side: it looks as if the client had.
                self._backend_lost(backend)
        except Disconnected:
            self._backend_lost(backend)
        except Malformed as error:
            self._last_words(gateway_error(f"protocol violation: {error}", "08P01", severity="FATAL"))
        except ServerError as error:
            if backend is not None and backend.parting:
                self._backend_lost(backend)
            else:
                self._last_words(as_redshift(error))
        except Exception:
            log.exception("session %s: internal error", self.key[0])
            self._last_words(
                gateway_error(
                    "internal error of the local Redshift: see gateway.log", "XX000", severity="FATAL"
                )
            )
        finally:
            if self.runner is not None:
                self.runner.cancel.end()
            if backend is not None:
                backend.close()
            self.gateway.unregister(self)
            _hang_up(self.client.socket)

    def _last_words(self, error: ServerError) -> None:
        try:
            self.put(pack_error(error))
            self.flush()
        except Disconnected:
            pass

    def _backend_lost(self, backend: Backend | None) -> None:
        """Tell the client why, if it is the one who is still there.

        When PostgreSQL goes, this session's own connection may be the last to notice, after the one that all share.
        """
        if self._ending is not None:
            code, text = self._ending
            self._last_words(gateway_error(text, code, severity="FATAL"))
        elif backend is None:
            # Or the client has given up before it was let in.
            self._last_words(gateway_error(ENGINE_STARTING, "57P03", severity="FATAL"))
        elif said := backend.farewell():
            error = as_redshift(ServerError(said))
            # Where it was just parsing, in its own text.
            error.fields.pop("P", None)
            self.timed_out = error.sqlstate in _TIMEOUTS
            self._last_words(error)
        elif not codec.has_closed(self.client.socket):
            self._last_words(gateway_error(ENGINE_STOPPED, "57P01", severity="FATAL"))

    @property
    def ended_by_server(self) -> bool:
        """Whether it was `end` that ended the session."""
        return self._ending is not None

    def told(self) -> str:
        """What SYS_CONNECTION_LOG shows of the client, as JSON."""
        host, _, port = self.remote.rpartition(":")
        said = {"application": self.application, "host": host, "port": port}
        for name in ("driver_version", "os_version", "plugin_name"):
            said[name.partition("_")[0]] = self.parameters.get(name, "")[:128]
        said["ssl"], said["cipher"] = self.encryption
        return json.dumps(said, ensure_ascii=False)

    def end(self, code: str, text: str) -> None:
        """End the session from another thread; the client is told `text`."""
        self._ending = (code, text)
        runner = self.runner
        if runner is not None:
            # The session's thread wakes up from whichever side it waits for, and says the last words.
            for sock in (runner.backend.stream.socket, self.client.socket):
                try:
                    sock.shutdown(socket.SHUT_RD)
                except OSError:
                    pass

    def cancel(self) -> None:
        """Cancel the running statement, from another thread. Without one nothing happens."""
        if self.runner is not None:
            self.runner.cancel.request(self.runner.backend)

    def _notice(self, fields: dict[str, str]) -> None:
        if concerns_engine(fields) or announces_end(fields):
            return
        if fields.get("C") == CANCEL_ASKED:
            self.gateway.cancel_of(int(fields["M"]))
            return
        self.put(pack_fields(b"N", notice_in_redshift(fields)))
        # A procedure's messages are to be read while it runs.
        self.flush()

    def _parameter(self, name: str, value: str) -> None:
        if name in login.REPORTED:
            self.put(message(b"S", codec.text(name), codec.text(value)))

    # -- the conversation -------------------------------------------------------------------------------------

    def _converse(self) -> None:
        runner = self.runner
        assert runner is not None
        extended = Extended(self, runner)
        self.client.wait = self._idle_wait(runner.backend)
        while True:
            kind, data = self.client.next()
            if kind == b"X":
                return
            runner.cancel.begin()
            runner.backend.watch(self.client.socket if not self.client.buffered else None)
            try:
                if kind == b"Q":
                    extended.reset()
                    self._query(runner, codec.Body(data).text())
                elif not extended.handle(kind, data):
                    raise Malformed(f"a message of type {kind!r}")
            finally:
                # A driver sends the messages of a statement together, up to Sync.
                if kind in b"QS" or not self.client.buffered:
                    runner.cancel.end()
                runner.backend.watch(None)

    def _idle_wait(self, backend: Backend) -> Callable[[], None]:
        """What waits for the client's next message, and meanwhile hands on what PostgreSQL says unasked."""
        poll = select.poll()
        poll.register(self.client.socket, select.POLLIN)
        poll.register(backend.stream.socket, select.POLLIN)
        client = self.client.socket.fileno()

        def wait() -> None:
            while client not in dict(poll.poll()):
                for fields in backend.unasked():
                    # Only the end of the session is announced as an error, e.g. by pg_terminate_backend.
                    raise as_redshift(ServerError(fields))
                self.flush()

        return wait

    def _query(self, runner: Runner, sql: str) -> None:
        """A simple query: one message, any number of statements, one implicit transaction."""
        sink: Sink = ClientSink(self)
        offset = 0
        try:
            statements = split(sql)
            if not statements:
                self.put(message(b"I"))
            for index, statement in enumerate(statements):
                offset = statement.start
                runner.shared = len(statements) > 1
                run_statement(runner, statement.text, sink, offset=offset, last=index == len(statements) - 1)
            runner.sync()
        except (Refused, ServerError, LexError) as error:
            self.refuse(runner, error, offset)
            runner.sync()
        except (Disconnected, ClientGone, Malformed):
            raise
        except Exception:
            self.refuse(runner, self.puzzled(), offset)
            runner.sync()
        finally:
            runner.shared = False
        self._ready()

    def puzzled(self) -> ServerError:
        """The answer to a mistake of ours in a single statement; to be called where it was caught."""
        log.exception("session %s: internal error", self.key[0])
        return gateway_error(
            "internal error of the local Redshift: see gateway.log in $ZEROSHIFT_HOME", "XX000"
        )

    def refuse(self, runner: Runner, error: Refused | ServerError | LexError, offset: int) -> None:
        """Send the error; the transaction fails with it as PostgreSQL's own errors make it fail.

        Raises Disconnected when the session ends with it.
        """
        if runner.backend.parting:
            raise Disconnected("PostgreSQL has ended the session")
        if isinstance(error, Refused):
            told = from_refused(error, offset)
        elif isinstance(error, LexError):
            told = from_lexer(error)
        else:
            # Also what failed in a question of the gateway's own, to which the session's timeout applies, too.
            told = as_redshift(error) if error.sqlstate == "57014" else error
        runner.cancel.taken()
        runner.fail()
        self.put(pack_error(told))


def _hang_up(sock: socket.socket) -> None:
    """Close a client's connection so that it can read our last words.

    Closing while something of the client's is unread would reset the connection and throw them away.
    """
    try:
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(_LINGER_SECONDS)
        while sock.recv(65536):
            pass
    except OSError:
        pass
    sock.close()
