"""The gateway: listens on the loopback interface, one thread for each client."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable

from deployer.errors import Unavailable
from deployer.local.files.s3 import Storage
from deployer.local.gateway import login
from deployer.local.gateway.backend import ServerError, Target
from deployer.local.gateway.codec import Disconnected
from deployer.local.gateway.errors import gateway_error
from deployer.local.gateway.history import History
from deployer.local.gateway.internal import Internal
from deployer.local.gateway.passes import Passes
from deployer.local.gateway.refresher import Refresher
from deployer.local.gateway.session import SHUTTING_DOWN, Session
from deployer.local.gateway.translations import Translations

log = logging.getLogger("zeroshift.gateway")

DEFAULT_PORT = 5439
"""Redshift's own default."""

RECOVERY_SECONDS = 300.0
"""How long PostgreSQL may take to recover from a crash."""

TIMED_OUT, ENDED_BY_CLIENT, ENDED_BY_SERVER = 1, 2, 3
"""DG "STL_SESSIONS", timed_out."""


Connect = Callable[[str], Storage]
"""S3 as a role sees it."""


class Gateway:
    """Accepts clients for the PostgreSQL at `target` (whose superuser it is) and serves them.

    `storage` is what COPY and UNLOAD reach S3 with.
    """

    def __init__(
        self, target: Target, port: int | None, fallback: int | None = None, *, storage: Connect
    ) -> None:
        self.target = target
        self.storage = storage
        self.database = target.database
        self.internal = Internal(target)
        self.history = History(target)
        self.refresher = Refresher(target)
        self.passes = Passes()
        self.translations = Translations()
        self.tls: ssl.SSLContext | None = None
        """What clients who ask for SSL get it by; without, they are told that there is none."""
        self.major = 0
        self._sessions: dict[int, Session] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._listener, self.note = _listen(port, fallback)
        self.host, self.port = self._listener.getsockname()[:2]

    def start(self) -> None:
        """Begin to accept clients, in a thread."""
        self.internal.query(f"select zeroshift.end_sessions(null, {ENDED_BY_SERVER})")
        number = self.internal.query("show server_version_num").rows[0][0] or b"0"
        self.major = int(number) // 10000
        self.history.start()
        self.refresher.start()
        threading.Thread(target=self._accept, name="gateway", daemon=True).start()

    def moved(self, target: Target) -> None:
        """PostgreSQL was started again, at another port."""
        internal = Internal(target)
        # Before anybody can log in to the new one.
        internal.query(f"select zeroshift.end_sessions(null, {ENDED_BY_SERVER})")
        before, self.internal, self.target = self.internal, internal, target
        before.close()
        self.history.moved(target)
        self.refresher.moved(target)

    def _accept(self) -> None:
        while True:
            try:
                sock, address = self._listener.accept()
            except OSError:
                if self._closing:
                    return
                # Perhaps for want of file descriptors, until a session ends.
                log.exception("accept failed")
                time.sleep(0.1)
                continue
            try:
                login.tune(sock)
                session = Session(self, sock, f"{address[0]}:{address[1]}")
                threading.Thread(target=session.serve, name=f"session {address[1]}", daemon=True).start()
            except (OSError, RuntimeError):
                # It is gone already, or there is no room for one more thread. Others must still get in.
                log.exception("a client could not be served")
                sock.close()

    def register(self, session: Session) -> None:
        """Raises ServerError when another login has taken the last place that the user's CONNECTION LIMIT leaves."""
        with self._lock:
            self._check_limit(session)
            self._sessions[session.key[0]] = session
        self.internal.query(
            "select zeroshift.begin_session($1, $2, $3, $4, $5)",
            [
                str(session.key[0]).encode(),
                session.user.encode(),
                session.remote.encode(),
                session.application.encode(),
                session.told().encode(),
            ],
        )
        log.info("session %s: %s from %s", session.key[0], session.user, session.remote)

    def check_limit(self, session: Session) -> None:
        """Raise ServerError unless the user's CONNECTION LIMIT leaves a place."""
        with self._lock:
            self._check_limit(session)

    def _check_limit(self, session: Session) -> None:
        mine = sum(1 for one in self._sessions.values() if one.user == session.user)
        if session.limit is not None and mine >= session.limit:
            raise gateway_error(f'too many connections for user "{session.user}"', "53300", severity="FATAL")

    def unregister(self, session: Session) -> None:
        pid = session.key[0]
        with self._lock:
            if self._sessions.get(pid) is not session:
                return
            del self._sessions[pid]
        log.info("session %s: ended", pid)
        why = ENDED_BY_SERVER if session.ended_by_server else ENDED_BY_CLIENT
        why = TIMED_OUT if session.timed_out else why
        if not self._ended(pid, why):
            threading.Thread(target=self._end_later, args=(pid, why), name="ended", daemon=True).start()

    def _ended(self, pid: int, why: int) -> bool:
        """Take a session off the list that statements see; False when PostgreSQL does not answer just now."""
        try:
            self.internal.query(
                "select zeroshift.end_sessions($1, $2)", [str(pid).encode(), str(why).encode()]
            )
        except (Disconnected, ServerError):
            return False
        return True

    def _end_later(self, pid: int, why: int) -> None:
        """PostgreSQL has lost all sessions with one that crashed, and answers again soon, or is going down."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < deadline and not self._closing:
            time.sleep(0.1)
            with self._lock:
                if pid in self._sessions:
                    # Another session has got the number.
                    return
            if self._ended(pid, why):
                return

    def cancel(self, pid: int, secret: int) -> None:
        """Carry out a cancel request; one with a wrong secret does nothing, as in PostgreSQL."""
        with self._lock:
            session = self._sessions.get(pid)
        if session is not None and session.key == (pid, secret):
            session.cancel()

    def cancel_of(self, pid: int) -> None:
        """Cancel what a session does: pg_cancel_backend and CANCEL, whose rights PostgreSQL has checked."""
        with self._lock:
            session = self._sessions.get(pid)
        if session is not None:
            session.cancel()

    def newest_query(self, pid: int) -> int:
        """The id of the last statement of a session; -1 when there was none, or is no such session."""
        with self._lock:
            session = self._sessions.get(pid)
        return session.runner.journal.newest if session is not None and session.runner is not None else -1

    def query_uuid(self, query_id: int) -> str | None:
        """The query_uuid of a query by its id; None when nobody can tell."""
        return self.history.uuid(query_id)

    def end_sessions(self, code: str = SHUTTING_DOWN[0], text: str = SHUTTING_DOWN[1]) -> None:
        """End all sessions; their clients are told."""
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.end(code, text)

    def close(self) -> None:
        """Accept nobody any more and end all sessions."""
        self._closing = True
        self._listener.close()
        self.end_sessions()
        self.refresher.close()
        self.history.close()
        self.internal.close()


def _listen(port: int | None, fallback: int | None) -> tuple[socket.socket, str]:
    """A listening socket on 127.0.0.1.

    `port` is what the user has asked for: 0 = any free one, and one that is taken is an error. None = 5439, else the
    `fallback` that was used last time, else a free one; the second result then says so.
    """
    if port is not None:
        listener = _bind(port)
        if listener is None:
            raise Unavailable(
                f"port {port} (ZEROSHIFT_PORT) is taken on 127.0.0.1; choose another one, or 0 for any"
            )
        return listener, ""
    for candidate in (DEFAULT_PORT, fallback, 0):
        listener = None if candidate is None else _bind(candidate)
        if listener is not None:
            used = listener.getsockname()[1]
            return listener, "" if used == DEFAULT_PORT else f"port {DEFAULT_PORT} is taken, using {used}"
    raise Unavailable("no free port on 127.0.0.1")


def _bind(port: int) -> socket.socket | None:
    listener = socket.socket()
    # A port in TIME_WAIT is free; one that another process listens on stays taken.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        return None
    return listener
