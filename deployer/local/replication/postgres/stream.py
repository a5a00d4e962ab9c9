"""The slot's changes as transactions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from deployer.local.replication.position import Pause, Position, SourceLost
from deployer.local.replication.postgres import messages
from deployer.local.replication.postgres.messages import Relation
from deployer.local.replication.postgres.source import PUBLICATION, position
from deployer.local.replication.postgres.wire import Wire

ASK_SECONDS = 0.5
"""How often the source is asked how far its log is, when it sends nothing."""
_SILENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Rows:
    """Changes of one table that follow on each other, not decoded yet; `data` is None for a TRUNCATE."""

    relation: Relation
    data: list[bytes] | None


@dataclass
class Transaction:
    """One committed transaction; `at` is its commit's instant by the source's clock."""

    rows: list[Rows] = field(default_factory=list)
    at: datetime = datetime.min
    position: Position = field(default_factory=lambda: position(0))


class Stream:
    """The slot's changes from a position on. Iterating gives transactions for ever; it ends only by an exception:
    SourceLost, PositionLost, Unavailable.

    Without the option `streaming` the source sends a transaction when it has committed, and only what is left of it:
    nothing of savepoints that were rolled back.
    """

    def __init__(self, wire: Wire, slot: str, start: Position) -> None:
        self._wire = wire
        self._confirmed = start.at
        self._known: dict[int, Relation] = {}
        wire.start(slot, PUBLICATION, start.at)

    def confirm(self, landed: Position) -> None:
        """Everything up to `landed` is in the landing tables: the source may forget it."""
        self._confirmed = landed.at
        self._wire.confirm(landed.at, reply=False)

    def __iter__(self) -> Iterator[Transaction | Pause]:
        reached = self._confirmed
        heard = paused = time.monotonic()
        open_one: Transaction | None = None
        while True:
            data = self._wire.read(0)
            if data is None:
                if open_one is None:
                    # Who copies a table meanwhile asks the source nothing.
                    left = time.monotonic()
                    yield Pause()
                    heard += time.monotonic() - left
                data = self._wire.read(ASK_SECONDS)
            now = time.monotonic()
            if data is None:
                if now - heard > _SILENCE_SECONDS:
                    raise SourceLost(f"the source has said nothing for {_SILENCE_SECONDS:.0f} s")
                self._wire.confirm(self._confirmed, reply=True)
                continue
            heard = now
            if data[0] == 107:  # k: keepalive
                end = int.from_bytes(data[1:9], "big")
                if data[17]:
                    self._wire.confirm(self._confirmed, reply=False)
                if open_one is None and end > reached and now - paused > _PAUSE_SECONDS:
                    # All that was committed before is sent: nothing of it concerned us.
                    reached, paused = end, now
                    yield Pause(position(end))
                    heard = time.monotonic()
                continue
            message = data[25:]
            kind = message[0]
            if kind in b"IUD":
                assert open_one is not None
                relation = self._known[messages.oid_of(message)]
                last = open_one.rows[-1] if open_one.rows else None
                if last is not None and last.relation is relation and last.data is not None:
                    last.data.append(message)
                else:
                    open_one.rows.append(Rows(relation, [message]))
            elif kind == 66:  # B: begin
                open_one = Transaction()
            elif kind == 67:  # C: commit
                assert open_one is not None
                reached, open_one.at = messages.committed(message)
                open_one.position = position(reached)
                yield open_one
                heard, open_one = time.monotonic(), None
            elif kind == 82:  # R: relation
                found = messages.relation(message)
                self._known[found.oid] = found
            elif kind == 84:  # T: truncate
                assert open_one is not None
                open_one.rows += [Rows(self._known[oid], None) for oid in messages.truncated(message)]
