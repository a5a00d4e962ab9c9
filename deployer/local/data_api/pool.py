"""Idle connections that may be used again.

Each statement outside of a session begins in a new session of the warehouse, so a connection is kept only after
statements that leave nothing behind in theirs: no SET, no temporary table, no procedure that may have made one.
"""

from __future__ import annotations

import threading
import time

from deployer.local.data_api.connection import Connection
from deployer.local.data_api.records import Place
from deployer.sql.classify import classify
from deployer.sql.lexer import LexError

IDLE_SECONDS = 60.0
"""What ALTER USER changes is applied at login: an idle connection knows only older values."""

USES = 50
"""How often a connection is lent before it is closed: each session of the gateway keeps up to 500 translations, which
ten sessions that live for ever would fill."""

_STATELESS = {
    "select", "insert", "update", "delete", "merge", "truncate", "explain", "show", "analyze", "grant", "revoke",
    "comment",
}  # fmt: skip


def stateless(sqls: tuple[str, ...]) -> bool:
    """Whether a session is after these statements as it was before."""
    try:
        return all(classify(sql).name in _STATELESS for sql in sqls)
    except LexError:
        return True


class Pool:
    """At most `size` idle connections."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._idle: list[tuple[str, str, float, Connection]] = []
        self._lock = threading.Lock()

    def take(self, place: Place) -> Connection | None:
        """An idle connection to this database as this user, if there is one."""
        while True:
            with self._lock:
                for index in range(len(self._idle) - 1, -1, -1):
                    if self._idle[index][:2] == (place.database, place.user):
                        found = self._idle.pop(index)[3]
                        break
                else:
                    return None
            if found.idle:
                return found
            found.close()

    def give(self, place: Place, connection: Connection) -> None:
        """Keep a connection, or close it."""
        connection.uses += 1
        if connection.uses < USES and connection.idle:
            with self._lock:
                if len(self._idle) < self._size:
                    self._idle.append((place.database, place.user, time.monotonic(), connection))
                    return
        connection.close()

    def expire(self, seconds: float = IDLE_SECONDS) -> None:
        """Close those that were idle for `seconds`."""
        now = time.monotonic()
        with self._lock:
            old = [entry for entry in self._idle if now - entry[2] >= seconds]
            self._idle = [entry for entry in self._idle if now - entry[2] < seconds]
        for *_, connection in old:
            connection.close()
