"""A small SQLite file that several processes share, readable by its owner only.

WAL without a sync at each commit: a kill of a process loses nothing; a power cut may lose the last moments, never the
file. A file of another version of this program is refused, since it may hold what is still to be done.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployer.errors import Unavailable


class Transactions:
    """An open file, used by one thread at a time."""

    _db: sqlite3.Connection

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing; blocks of other threads wait, and one inside another is part of it."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("begin immediate")
            try:
                yield self._db
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")


class Database(Transactions):
    """The file at `path`, with `tables` (statements between semicolons). Usable from any thread."""

    def __init__(self, path: Path, tables: str, version: int = 1) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        super().__init__()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        for setting in ("journal_mode = wal", "synchronous = normal", "foreign_keys = on"):
            self._db.execute(f"pragma {setting}")
        with self.transaction() as db:
            found = db.execute("pragma user_version").fetchone()[0]
            if found == 0:
                for statement in filter(str.strip, tables.split(";\n")):
                    db.execute(statement)
                db.execute(f"pragma user_version = {version}")
            elif found != version:
                raise Unavailable(
                    f"{path} is of another version of zeroshift; move it away, and repeat (what was still to be"
                    " called or delivered is lost)"
                )

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()


def moment(seconds: float) -> datetime:
    """A stored time, which is in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def seconds(at: datetime | None) -> float | None:
    """A time to be stored."""
    return at.timestamp() if at is not None else None
