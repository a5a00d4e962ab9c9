"""Executions over a restart, and the messages that went to SNS, which nobody could read locally otherwise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deployer.local.database import Database, moment

FILE = "executions.sqlite3"

_TABLES = """
create table executions (
    number integer primary key autoincrement, machine text not null, name text not null, input text not null,
    began real not null, status text not null, output text, error text, cause text, trail text, ended real,
    unique (machine, name)
) strict;
create index executions_by_status on executions (status);
create table messages (
    number integer primary key autoincrement, at real not null, topic text not null, subject text not null,
    message text not null
) strict;
"""


@dataclass(frozen=True)
class Started:
    """An execution as it was asked for."""

    number: int
    machine: str
    name: str
    input: Any
    began: datetime


@dataclass(frozen=True)
class Ended:
    """An execution that has ended."""

    machine: str
    name: str
    began: datetime
    status: str
    error: str | None
    cause: str | None
    trail: tuple[str, ...]


@dataclass(frozen=True)
class Message:
    """A message that was published to a topic."""

    number: int
    at: datetime
    topic: str
    subject: str
    message: str


class ExecutionStore(Database):
    """The file. Its methods may be called from any thread."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / FILE, _TABLES)

    def start(self, machine: str, name: str, given: str, now: datetime) -> None:
        """A new execution; nothing when there is one of that name."""
        with self.transaction() as db:
            db.execute(
                "insert or ignore into executions (machine, name, input, began, status)"
                " values (?, ?, ?, ?, 'RUNNING')",
                (machine, name, given, now.timestamp()),
            )

    def running(self) -> list[Started]:
        """Executions that have not ended."""
        rows = self.rows(
            "select number, machine, name, input, began from executions where status = 'RUNNING' order by number"
        )
        return [Started(row[0], row[1], row[2], json.loads(row[3]), moment(row[4])) for row in rows]

    def end(
        self, number: int, now: datetime, status: str, trail: list[str], output: Any, error: str | None,
        cause: str | None,
    ) -> None:  # fmt: skip
        """An execution has ended."""
        with self.transaction() as db:
            db.execute(
                "update executions set status = ?, output = ?, error = ?, cause = ?, trail = ?, ended = ?"
                " where number = ?",
                (status, json.dumps(output), error, cause, json.dumps(trail), now.timestamp(), number),
            )

    def ended(self, count: int = 50) -> list[Ended]:
        """The newest that have ended, the newest first."""
        rows = self.rows(
            "select machine, name, began, status, error, cause, trail from executions"
            " where status <> 'RUNNING' order by number desc limit ?",
            (count,),
        )
        return [
            Ended(row[0], row[1], moment(row[2]), row[3], row[4], row[5], tuple(json.loads(row[6])))
            for row in rows
        ]

    def ends(self, machine: str, since: datetime) -> list[tuple[datetime, str]]:
        """When executions of a machine have ended since then, and in which status."""
        rows = self.rows(
            "select ended, status from executions where machine = ? and ended >= ?",
            (machine, since.timestamp()),
        )
        return [(moment(ended), status) for ended, status in rows]

    def publish(self, now: datetime, topic: str, subject: str, message: str) -> None:
        """Note a message."""
        with self.transaction() as db:
            db.execute(
                "insert into messages (at, topic, subject, message) values (?, ?, ?, ?)",
                (now.timestamp(), topic, subject, message),
            )

    def messages(self, count: int = 50) -> list[Message]:
        """The newest messages, the newest first."""
        rows = self.rows(
            "select number, at, topic, subject, message from messages order by number desc limit ?", (count,)
        )
        return [Message(row[0], moment(row[1]), row[2], row[3], row[4]) for row in rows]

    def expire(self, before: datetime) -> None:
        """Forget what is older."""
        with self.transaction() as db:
            db.execute("delete from executions where ended < ?", (before.timestamp(),))
            db.execute("delete from messages where at < ?", (before.timestamp(),))
