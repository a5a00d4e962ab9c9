"""What the event bus has to deliver: events that came in, and one delivery for each target of each rule they match.

Events are put in by the process in which they arise (the local Redshift's), and taken out by the one that delivers.
Nobody may be there to take them: they wait a day, as long as EventBridge tries at most.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployer.local.database import Database, moment, seconds
from deployer.local.events.retry import MAX_AGE

FILE = "events.sqlite3"

PENDING = "PENDING"
DELIVERED = "DELIVERED"
DEAD = "DEAD_LETTERED"
DROPPED = "DROPPED"

_TABLES = """
create table inbox (number integer primary key autoincrement, received real not null, body text not null) strict;
create table deliveries (
    number integer primary key autoincrement, event text not null, rule text not null, target text not null, role text,
    payload text not null, began real not null, next real, state text not null, attempts integer not null,
    max_age integer not null, max_attempts integer not null, dead_letter text, code text, message text, ended real
) strict;
create index deliveries_pending on deliveries (state, next);
"""
_DELIVERY = (
    "number, event, rule, target, role, payload, began, next, state, attempts, max_age, max_attempts, dead_letter,"
    " code, message, ended"
)


@dataclass(frozen=True)
class Delivery:
    """One event for one target. `event` is its id, `payload` what the target is to get."""

    event: str
    rule: str
    target: str
    role: str | None
    payload: str
    began: datetime
    next: datetime | None
    max_age: int
    max_attempts: int
    dead_letter: str | None = None
    state: str = PENDING
    attempts: int = 0
    code: str | None = None
    message: str | None = None
    ended: datetime | None = None
    number: int = 0


def sink(directory: Path) -> Callable[[Mapping[str, Any]], None]:
    """Puts events where the bus of the local AWS takes them; where there never was one, nobody waits for them.

    The file is opened for each event: a reset of the local AWS may have replaced it.
    """

    def put(event: Mapping[str, Any]) -> None:
        if directory.exists():
            store = EventStore(directory)
            try:
                store.put(event)
            finally:
                store.close()

    return put


class EventStore(Database):
    """The file. Its methods may be called from any thread, and from several processes."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / FILE, _TABLES)

    def put(self, event: Mapping[str, Any], now: datetime | None = None) -> None:
        """An event has arisen."""
        at = (now or datetime.now(UTC)).timestamp()
        with self.transaction() as db:
            db.execute("delete from inbox where received < ?", (at - MAX_AGE,))
            db.execute("insert into inbox (received, body) values (?, ?)", (at, json.dumps(event)))

    def waiting(self, count: int = 100) -> list[tuple[int, dict[str, Any]]]:
        """The oldest events that nobody has taken, each with its number."""
        rows = self.rows("select number, body from inbox order by number limit ?", (count,))
        return [(number, json.loads(body)) for number, body in rows]

    def take(self, number: int, deliveries: Sequence[Delivery]) -> None:
        """The event is done with: these deliveries are what it comes to."""
        with self.transaction() as db:
            db.execute("delete from inbox where number = ?", (number,))
            db.executemany(
                f"insert into deliveries ({_DELIVERY}) values ({', '.join('?' * 16)})",
                [_row(delivery) for delivery in deliveries],
            )

    def due(self, now: datetime, count: int = 100) -> list[Delivery]:
        """What is to be tried now, the earliest first."""
        return self._deliveries(
            "state = 'PENDING' and next <= ? order by next, number limit ?", now.timestamp(), count
        )

    def next(self) -> datetime | None:
        """When the next attempt is to begin."""
        ((found,),) = self.rows("select min(next) from deliveries where state = 'PENDING'")
        return None if found is None else moment(found)

    def begin(self, delivery: Delivery) -> Delivery:
        """An attempt begins. It counts even when nobody sees it end."""
        with self.transaction() as db:
            db.execute("update deliveries set attempts = attempts + 1 where number = ?", (delivery.number,))
        return replace(delivery, attempts=delivery.attempts + 1)

    def end(self, delivery: Delivery) -> None:
        """Write down how an attempt, or the whole delivery, has ended."""
        with self.transaction() as db:
            db.execute(
                "update deliveries set state = ?, next = ?, code = ?, message = ?, ended = ? where number = ?",
                (
                    delivery.state, seconds(delivery.next), delivery.code, delivery.message, seconds(delivery.ended),
                    delivery.number,
                ),
            )  # fmt: skip

    def history(self, count: int = 50) -> list[Delivery]:
        """The newest deliveries, the newest first."""
        return self._deliveries("true order by number desc limit ?", count)

    def expire(self, before: datetime) -> None:
        """Forget deliveries that ended before then."""
        with self.transaction() as db:
            db.execute("delete from deliveries where ended < ?", (before.timestamp(),))

    def _deliveries(self, condition: str, *values: object) -> list[Delivery]:
        found = []
        for row in self.rows(f"select {_DELIVERY} from deliveries where {condition}", values):
            number, event, rule, target, role, payload, began, following, state, attempts, *rest = row
            max_age, max_attempts, dead_letter, code, message, ended = rest
            found.append(
                Delivery(
                    event,
                    rule,
                    target,
                    role,
                    payload,
                    moment(began),
                    None if following is None else moment(following),
                    max_age,
                    max_attempts,
                    dead_letter,
                    state,
                    attempts,
                    code,
                    message,
                    None if ended is None else moment(ended),
                    number,
                )  # fmt: skip
            )
        return found


def _row(delivery: Delivery) -> tuple[object, ...]:
    return (
        delivery.number or None, delivery.event, delivery.rule, delivery.target, delivery.role, delivery.payload,
        delivery.began.timestamp(), seconds(delivery.next), delivery.state, delivery.attempts, delivery.max_age,
        delivery.max_attempts, delivery.dead_letter, delivery.code, delivery.message, seconds(delivery.ended),
    )  # fmt: skip
