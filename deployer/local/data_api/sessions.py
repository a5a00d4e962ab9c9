"""Sessions that outlive a statement: SessionKeepAliveSeconds and SessionId.

Each has a connection of its own, so temporary tables, SET and an open transaction stay. It runs one statement at a time
and does not queue (Redshift Management Guide, amazon-redshift-limits); it closes when nothing was run for the time it
was asked to be kept, at the latest 24 hours after it began. A restart closes all.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace

from deployer.local.data_api import limits
from deployer.local.data_api.connection import Connection
from deployer.local.data_api.errors import Invalid, NotFound, TooManySessions
from deployer.local.data_api.records import AVAILABLE, BUSY, CLOSED, Place, SessionRecord
from deployer.local.data_api.store import Store


class Sessions:
    """The open sessions and their connections."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._connections: dict[str, Connection] = {}
        self._lock = threading.Lock()

    def create(self, place: Place, keep_alive: int, statement: str) -> SessionRecord:
        """A new session, busy with `statement`. Raises TooManySessions."""
        now = self._clock()
        with self._store.transaction():
            if len(self._store.open_sessions()) >= limits.SESSIONS:
                raise TooManySessions(
                    f"the warehouse has {limits.SESSIONS} sessions already, which is the limit"
                )
            made = SessionRecord(
                str(uuid.uuid4()), place, now, now, BUSY, keep_alive, now + limits.SESSION_SECONDS, statement
            )
            self._store.save_session(made)
        return made

    def reserve(self, session_id: str, statement: str, keep_alive: int | None) -> SessionRecord:
        """The session, now busy with `statement`; `keep_alive` changes how long it is kept afterwards.

        Raises NotFound and Invalid. What the service answers for a busy or closed session is not documented.
        """
        now = self._clock()
        with self._store.transaction():
            found = self._store.session(session_id)
            if found is None:
                raise NotFound("Session does not exist.", session_id)
            if found.status == CLOSED:
                raise Invalid(f"session {session_id} is closed")
            if found.status == BUSY:
                raise Invalid(f"session {session_id} is busy with statement {found.current}")
            kept = found.keep_alive if keep_alive is None else keep_alive
            ends = found.created + limits.SESSION_SECONDS
            taken = replace(found, status=BUSY, current=statement, updated=now, keep_alive=kept, ends=ends)
            self._store.save_session(taken)
        return taken

    def connection(self, session_id: str) -> Connection | None:
        """The session's connection; None before its first statement."""
        with self._lock:
            return self._connections.get(session_id)

    def release(self, session_id: str, connection: Connection | None) -> None:
        """The session's statement has ended. Without a usable connection the session is closed."""
        now = self._clock()
        if connection is not None:
            with self._lock:
                # Before the session is told AVAILABLE: expire() closes one that has no connection.
                self._connections[session_id] = connection
        with self._store.transaction():
            found = self._store.session(session_id)
            if found is None or found.status == CLOSED:
                keep = False
            else:
                ends = min(now + found.keep_alive, found.created + limits.SESSION_SECONDS)
                keep = connection is not None and connection.usable and ends > now
                status = AVAILABLE if keep else CLOSED
                self._store.save_session(replace(found, status=status, updated=now, ends=ends, current=None))
        if not keep:
            with self._lock:
                self._connections.pop(session_id, None)
            if connection is not None:
                connection.close()

    def expire(self) -> list[str]:
        """Close what nobody has used for long enough. Returns the statements of sessions whose 24 hours are over."""
        now = self._clock()
        overdue = []
        for session in self._store.open_sessions():
            if session.status != BUSY:
                self._close_unused(session.id, now)
            elif session.ends <= now and session.current is not None:
                overdue.append(session.current)
        return overdue

    def _close_unused(self, session_id: str, now: float) -> None:
        with self._store.transaction():
            found = self._store.session(session_id)
            if found is None or found.status != AVAILABLE:
                # A statement came in between.
                return
            # As it is now: a statement may have come and gone, too, and have renewed it.
            connection = self.connection(session_id)
            if found.ends > now and connection is not None and connection.alive:
                return
            self._store.save_session(replace(found, status=CLOSED, updated=self._clock()))
        with self._lock:
            connection = self._connections.pop(session_id, None)
        if connection is not None:
            connection.close()

    def close_connections(self) -> None:
        with self._lock:
            connections = list(self._connections.values())
            self._connections.clear()
        for connection in connections:
            connection.close()
