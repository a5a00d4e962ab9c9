"""What the local Scheduler remembers over a restart: how far each schedule was planned, and every invocation.

One SQLite file in $ZEROSHIFT_HOME, readable by its owner only, open in several processes at once (the scheduler's own,
and commands that look or fire). A method is one transaction: planning an invocation and moving the mark past it cannot
be torn apart, so a kill neither loses an invocation nor plans one twice.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

FILE = "scheduler.sqlite3"

PENDING = "PENDING"
DELIVERED = "DELIVERED"
DEAD = "DEAD_LETTERED"
DROPPED = "DROPPED"
CANCELLED = "CANCELLED"
"""PENDING: an attempt is to come. DROPPED: given up, and no dead-letter queue has it."""

_VERSION = 1
_TABLES = """
create table marks (arn text primary key, timing text not null, planned real not null, seen real not null) strict;
create table invocations (
    number integer primary key autoincrement, arn text not null, grouped text not null, name text not null,
    scheduled real not null, due real not null, manual integer not null, state text not null, attempts integer not null,
    next real, target text not null, input text not null, role text not null, max_age integer not null,
    max_attempts integer not null, dead_letter text, result text, code text, message text, ended real
) strict;
create index invocations_pending on invocations (state, next);
create index invocations_by_name on invocations (name, number);
create table attempts (
    invocation integer not null references invocations (number) on delete cascade, number integer not null,
    execution text not null, began real not null, code text, message text, primary key (invocation, number)
) strict, without rowid;
"""
_INVOCATION = (
    "number, arn, grouped, name, scheduled, due, manual, state, attempts, next, target, input, role, max_age,"
    " max_attempts, dead_letter, result, code, message, ended"
)


@dataclass(frozen=True)
class Invocation:
    """One time that a schedule came due. `attempts` have been begun; `next` is when the following one is to begin.

    `result` is the statement's id when the Data API has taken it; `code` and `message` tell the last failure.
    """

    arn: str
    group: str
    name: str
    scheduled: datetime
    due: datetime
    target: str
    input: str
    role: str
    max_age: int
    max_attempts: int
    dead_letter: str | None = None
    manual: bool = False
    number: int = 0
    state: str = PENDING
    attempts: int = 0
    next: datetime | None = None
    result: str | None = None
    code: str | None = None
    message: str | None = None
    ended: datetime | None = None

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]


@dataclass(frozen=True)
class Attempt:
    """One call of the target. `code` is None when it succeeded, or when nobody has seen it end."""

    number: int
    execution: str
    began: datetime
    code: str | None
    message: str | None


@dataclass(frozen=True)
class Mark:
    """How far a schedule is planned: everything up to `planned` is an invocation already."""

    timing: str
    planned: datetime
    seen: datetime


class Store:
    """The file. Its methods may be called from any thread."""

    def __init__(self, home: Path) -> None:
        path = home / FILE
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        for setting in ("journal_mode = wal", "synchronous = normal", "foreign_keys = on"):
            self._db.execute(f"pragma {setting}")
        with self.transaction() as db:
            if db.execute("pragma user_version").fetchone()[0] == 0:
                for statement in _TABLES.split(";\n"):
                    db.execute(statement)
                db.execute(f"pragma user_version = {_VERSION}")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing; one inside another is part of it."""
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

    # -- planning ---------------------------------------------------------------------------------------------

    def mark(self, arn: str) -> Mark | None:
        """How far a schedule is planned; None for one that was never seen."""
        with self._lock:
            row = self._db.execute("select timing, planned, seen from marks where arn = ?", (arn,)).fetchone()
        return None if row is None else Mark(row[0], _moment(row[1]), _moment(row[2]))

    def plan(self, arn: str, mark: Mark, invocations: Iterable[Invocation] = ()) -> None:
        """Add invocations and move the schedule's mark, in one."""
        with self.transaction() as db:
            db.execute(
                "insert into marks values (?, ?, ?, ?) on conflict (arn) do update"
                " set timing = excluded.timing, planned = excluded.planned",
                (arn, mark.timing, mark.planned.timestamp(), mark.seen.timestamp()),
            )
            for invocation in invocations:
                self.add(invocation)

    def add(self, invocation: Invocation) -> Invocation:
        """A new invocation, with its number."""
        with self.transaction() as db:
            cursor = db.execute(
                f"insert into invocations ({_INVOCATION}) values ({', '.join('?' * 20)})",
                _row(invocation),
            )
        assert cursor.lastrowid is not None
        return replace(invocation, number=cursor.lastrowid)

    def forget(self, present: Iterable[str], now: datetime) -> int:
        """Drop the marks of schedules that are gone, and cancel what they still had to come. How many were cancelled.

        What was fired by hand is not touched.
        """
        keep = list(present)
        gone = f"arn not in ({', '.join('?' * len(keep))})"
        with self.transaction() as db:
            cursor = db.execute(
                f"update invocations set state = 'CANCELLED', next = null, ended = ?,"
                f" message = coalesce(message || '; ', '') || 'the schedule was deleted'"
                f" where state = 'PENDING' and manual = 0 and {gone}",
                (now.timestamp(), *keep),
            )
            db.execute(f"delete from marks where {gone}", keep)
        return cursor.rowcount

    # -- invocations ------------------------------------------------------------------------------------------

    def due(self, now: datetime, count: int = 100) -> list[Invocation]:
        """What is to be tried now, the earliest first."""
        return self._invocations(
            "state = 'PENDING' and next <= ? order by next, number limit ?", (now.timestamp(), count)
        )

    def next(self) -> datetime | None:
        """When the next attempt is to begin."""
        with self._lock:
            (found,) = self._db.execute(
                "select min(next) from invocations where state = 'PENDING'"
            ).fetchone()
        return None if found is None else _moment(found)

    def pending(self, arn: str) -> bool:
        """Whether an invocation of this schedule has not ended."""
        return bool(self._invocations("state = 'PENDING' and arn = ? limit 1", (arn,)))

    def begin(self, invocation: Invocation, execution: str, now: datetime) -> Invocation:
        """An attempt begins. It counts even when nobody sees it end."""
        begun = replace(invocation, attempts=invocation.attempts + 1)
        with self.transaction() as db:
            db.execute(
                "update invocations set attempts = ? where number = ?", (begun.attempts, invocation.number)
            )
            db.execute(
                "insert into attempts values (?, ?, ?, ?, null, null)",
                (invocation.number, begun.attempts, execution, now.timestamp()),
            )
        return begun

    def end(self, invocation: Invocation) -> None:
        """Write down how an attempt, or the whole invocation, has ended."""
        with self.transaction() as db:
            db.execute(
                "update invocations set state = ?, next = ?, result = ?, code = ?, message = ?, ended = ?"
                " where number = ?",
                (
                    invocation.state, _seconds(invocation.next), invocation.result, invocation.code,
                    invocation.message, _seconds(invocation.ended), invocation.number,
                ),
            )  # fmt: skip
            db.execute(
                "update attempts set code = ?, message = ? where invocation = ? and number = ?",
                (invocation.code, invocation.message, invocation.number, invocation.attempts),
            )

    def history(self, name: str | None = None, count: int = 50) -> list[Invocation]:
        """The newest invocations, the newest first."""
        return self._invocations("(? is null or name = ?) order by number desc limit ?", (name, name, count))

    def attempts(self, number: int) -> list[Attempt]:
        """The attempts of an invocation, in order."""
        with self._lock:
            rows = self._db.execute(
                "select number, execution, began, code, message from attempts where invocation = ? order by number",
                (number,),
            ).fetchall()
        return [Attempt(row[0], row[1], _moment(row[2]), row[3], row[4]) for row in rows]

    def expire(self, before: datetime) -> None:
        """Forget invocations that ended before then."""
        with self.transaction() as db:
            db.execute("delete from invocations where ended < ?", (before.timestamp(),))

    def _invocations(self, condition: str, values: tuple[object, ...]) -> list[Invocation]:
        with self._lock:
            rows = self._db.execute(
                f"select {_INVOCATION} from invocations where {condition}", values
            ).fetchall()
        return [_invocation(row) for row in rows]


def _row(found: Invocation) -> tuple[object, ...]:
    return (
        found.number or None, found.arn, found.group, found.name, found.scheduled.timestamp(), found.due.timestamp(),
        int(found.manual), found.state, found.attempts, _seconds(found.next), found.target, found.input, found.role,
        found.max_age, found.max_attempts, found.dead_letter, found.result, found.code, found.message,
        _seconds(found.ended),
    )  # fmt: skip


def _invocation(row: tuple[object, ...]) -> Invocation:
    (
        number, arn, group, name, scheduled, due, manual, state, attempts, following, target, text, role, max_age,
        max_attempts, dead_letter, result, code, message, ended,
    ) = row  # fmt: skip
    return Invocation(
        arn=str(arn), group=str(group), name=str(name), scheduled=_moment(scheduled), due=_moment(due),
        target=str(target), input=str(text), role=str(role), max_age=_int(max_age), max_attempts=_int(max_attempts),
        dead_letter=_text(dead_letter), manual=bool(manual), number=_int(number), state=str(state),
        attempts=_int(attempts), next=None if following is None else _moment(following), result=_text(result),
        code=_text(code), message=_text(message), ended=None if ended is None else _moment(ended),
    )  # fmt: skip


def _moment(seconds: object) -> datetime:
    assert isinstance(seconds, float)
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)
