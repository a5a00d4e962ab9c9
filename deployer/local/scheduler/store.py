"""What the local Scheduler remembers over a restart: how far each schedule was planned, and every invocation.

One SQLite file in $ZEROSHIFT_HOME, readable by its owner only, open in several processes at once (the scheduler's own,
and commands that look or fire). A method is one transaction: planning an invocation and moving the mark past it cannot
be torn apart, so a kill neither loses an invocation nor plans one twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from deployer.local.database import Database, moment, seconds

FILE = "scheduler.sqlite3"

PENDING = "PENDING"
DELIVERED = "DELIVERED"
DEAD = "DEAD_LETTERED"
DROPPED = "DROPPED"
CANCELLED = "CANCELLED"
"""PENDING: an attempt is to come. DROPPED: given up, and no dead-letter queue has it."""

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


class Store(Database):
    """The file. Its methods may be called from any thread."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / FILE, _TABLES)

    # -- planning ---------------------------------------------------------------------------------------------

    def mark(self, arn: str) -> Mark | None:
        """How far a schedule is planned; None for one that was never seen."""
        rows = self.rows("select timing, planned, seen from marks where arn = ?", (arn,))
        return Mark(rows[0][0], moment(rows[0][1]), moment(rows[0][2])) if rows else None

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
        ((found,),) = self.rows("select min(next) from invocations where state = 'PENDING'")
        return None if found is None else moment(found)

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
                    invocation.state, seconds(invocation.next), invocation.result, invocation.code,
                    invocation.message, seconds(invocation.ended), invocation.number,
                ),
            )  # fmt: skip
            db.execute(
                "update attempts set code = ?, message = ? where invocation = ? and number = ?",
                (invocation.code, invocation.message, invocation.number, invocation.attempts),
            )

    def invocation(self, number: int) -> Invocation:
        """One of them, as it is now."""
        (found,) = self._invocations("number = ?", (number,))
        return found

    def history(self, name: str | None = None, count: int = 50) -> list[Invocation]:
        """The newest invocations, the newest first."""
        return self._invocations("(? is null or name = ?) order by number desc limit ?", (name, name, count))

    def attempts(self, number: int) -> list[Attempt]:
        """The attempts of an invocation, in order."""
        rows = self.rows(
            "select number, execution, began, code, message from attempts where invocation = ? order by number",
            (number,),
        )
        return [Attempt(row[0], row[1], moment(row[2]), row[3], row[4]) for row in rows]

    def calls(self, group: str, since: datetime) -> list[tuple[datetime, str | None]]:
        """When targets of a group's schedules were called since then, and with which error, if any."""
        rows = self.rows(
            "select attempts.began, attempts.code from attempts join invocations on invocations.number = invocation"
            " where grouped = ? and attempts.began >= ?",
            (group, seconds(since)),
        )
        return [(moment(began), code) for began, code in rows]

    def ends(self, group: str, since: datetime) -> list[tuple[datetime, str, bool]]:
        """When a group's invocations have ended since then, in which state, and whether with a dead-letter queue."""
        rows = self.rows(
            "select ended, state, dead_letter is not null from invocations where grouped = ? and ended >= ?",
            (group, seconds(since)),
        )
        return [(moment(ended), state, bool(queue)) for ended, state, queue in rows]

    def expire(self, before: datetime) -> None:
        """Forget invocations that ended before then."""
        with self.transaction() as db:
            db.execute("delete from invocations where ended < ?", (before.timestamp(),))

    def _invocations(self, condition: str, values: tuple[object, ...]) -> list[Invocation]:
        rows = self.rows(f"select {_INVOCATION} from invocations where {condition}", values)
        return [_invocation(row) for row in rows]


def _row(found: Invocation) -> tuple[object, ...]:
    return (
        found.number or None, found.arn, found.group, found.name, found.scheduled.timestamp(), found.due.timestamp(),
        int(found.manual), found.state, found.attempts, seconds(found.next), found.target, found.input, found.role,
        found.max_age, found.max_attempts, found.dead_letter, found.result, found.code, found.message,
        seconds(found.ended),
    )  # fmt: skip


def _invocation(row: tuple[Any, ...]) -> Invocation:
    (
        number, arn, group, name, scheduled, due, manual, state, attempts, following, target, text, role, max_age,
        max_attempts, dead_letter, result, code, message, ended,
    ) = row  # fmt: skip
    return Invocation(
        arn=arn, group=group, name=name, scheduled=moment(scheduled), due=moment(due), target=target, input=text,
        role=role, max_age=max_age, max_attempts=max_attempts, dead_letter=dead_letter, manual=bool(manual),
        number=number, state=state, attempts=attempts, next=None if following is None else moment(following),
        result=result, code=code, message=message, ended=None if ended is None else moment(ended),
    )  # fmt: skip
