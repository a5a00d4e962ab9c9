"""The gateway's own connection to PostgreSQL, as its superuser, shared by all sessions."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from deployer.local.gateway.backend import Backend, Result, ServerError, Target
from deployer.local.gateway.codec import Disconnected

LOCK_MS = 1000

_AWAY = ("57P01", "57P02", "57P03")
"""PostgreSQL ends or begins: instead of its greeting it says so, or nothing."""


class Internal:
    """Short queries outside of every session's transaction: catalog look-ups, passwords, the list of sessions."""

    def __init__(self, target: Target, options: str = "-c synchronous_commit=off") -> None:
        self._target = target
        self._options = options
        self._lock = threading.Lock()
        self._backend: Backend | None = None

    def query(self, sql: str, values: Sequence[bytes | None] = ()) -> Result:
        """Run one statement with text parameters. A lost connection is made anew once.

        Raises ServerError, and Disconnected as long as PostgreSQL is away, or lets nobody in while it recovers.
        """
        with self._lock:
            for attempt in (1, 2):
                if self._backend is None:
                    self._backend = _connected(self._target, self._options)
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
        backend = _connected(self._target, f"{self._options} -c lock_timeout={LOCK_MS}")
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


def _connected(target: Target, options: str) -> Backend:
    try:
        return Backend(target, "zeroshift gateway", options)
    except ServerError as error:
        if error.sqlstate in _AWAY:
            raise Disconnected(str(error)) from error
        raise
