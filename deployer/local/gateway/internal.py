"""The gateway's own connection to PostgreSQL, as its superuser, shared by all sessions."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from deployer.local.gateway.backend import Backend, Result, Target
from deployer.local.gateway.codec import Disconnected

LOCK_MS = 1000


class Internal:
    """Short queries outside of every session's transaction: catalog look-ups, passwords, the list of sessions."""

    def __init__(self, target: Target, options: str = "-c synchronous_commit=off") -> None:
        self._target = target
        self._options = options
        self._lock = threading.Lock()
        self._backend: Backend | None = None

    def query(self, sql: str, values: Sequence[bytes | None] = ()) -> Result:
        """Run one statement with text parameters. A lost connection is made anew once; raises ServerError."""
        with self._lock:
            for attempt in (1, 2):
                if self._backend is None:
                    self._backend = Backend(self._target, "zeroshift gateway", self._options)
                try:
                    return self._backend.query(sql, values)
                except Disconnected:
                    self._drop()
                    if attempt == 2:
                        raise
            raise AssertionError

    def apart(self, sql: str, values: Sequence[bytes | None] = ()) -> Result:
        """As `query`, for what may have to wait for a user's lock on a table: all sessions would wait with it.

        On a connection of its own, and not for long, since the lock may be that of the session that asks: raises
        ServerError 55P03 then.
        """
        backend = Backend(self._target, "zeroshift gateway", f"{self._options} -c lock_timeout={LOCK_MS}")
        try:
            return backend.query(sql, values)
        finally:
            backend.close()

    def _drop(self) -> None:
        if self._backend is not None:
            self._backend.close()
        self._backend = None

    def close(self) -> None:
        with self._lock:
            self._drop()
