"""Time as the local Scheduler and the alert path see it: the machine's, or one that a test drives.

    clock = DrivenClock(datetime(2026, 3, 1, tzinfo=UTC))
    drive(clock, [scheduler, bus, machines], until=datetime(2026, 4, 1, tzinfo=UTC), settle=wait_for_statements)

An actor does what is due and says when it wants to be asked again; nothing else in this room waits or reads a clock.
So a month passes as fast as its work is done, and in the same order every time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

log = logging.getLogger("zeroshift.scheduler")

_SLICE_SECONDS = 5.0
"""Waiting does not count while a laptop sleeps: the time is looked at again this often."""

FAILED_AGAIN = timedelta(seconds=5)
"""When an actor is asked again that has raised."""


class Clock(Protocol):
    def now(self) -> datetime:
        """This moment, in UTC."""

    def wait(self, until: datetime | None, woken: threading.Event) -> None:
        """Return when it is `until` (None = never) or `woken` is set, which is then cleared."""


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, until: datetime | None, woken: threading.Event) -> None:
        while True:
            left = _SLICE_SECONDS if until is None else (until - self.now()).total_seconds()
            if left <= 0 or woken.wait(min(left, _SLICE_SECONDS)):
                woken.clear()
                return


class DrivenClock:
    """A time that stands still until it is set. It never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._moved = threading.Condition()

    def now(self) -> datetime:
        with self._moved:
            return self._now

    def set(self, moment: datetime) -> None:
        """It is `moment` now. Raises ValueError when that is in the past."""
        with self._moved:
            if moment < self._now:
                raise ValueError(f"the clock is at {self._now.isoformat()} and does not go back to {moment}")
            self._now = moment.astimezone(UTC)
            self._moved.notify_all()

    def advance(self, by: timedelta) -> None:
        """As `set`, by a difference."""
        self.set(self.now() + by)

    def wait(self, until: datetime | None, woken: threading.Event) -> None:
        while not woken.is_set():
            with self._moved:
                if until is not None and self._now >= until:
                    break
                # Whoever sets `woken` knows nothing of this condition, so it is looked at in between.
                self._moved.wait(0.02)
        woken.clear()


class Actor(Protocol):
    def step(self) -> datetime | None:
        """Do everything that is due at the clock's now. When there will be more, or None when nothing is planned."""


class Loop:
    """Steps its actors in a thread, by a clock. An actor that raises is logged and asked again; the others go on.

    They are asked every `at_most`, too: what comes to them from other processes does not wake anybody.
    """

    def __init__(
        self, clock: Clock, actors: Sequence[Actor], at_most: timedelta | None = None, name: str = "scheduler"
    ) -> None:
        self._clock, self._actors, self._at_most = clock, tuple(actors), at_most
        self._woken, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do now."""
        self._woken.set()

    def stop(self, seconds: float = 30.0) -> None:
        """Let the step that runs end, and no other begin."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping:
            wanted = [self._step(actor) for actor in self._actors if not self._stopping]
            if self._at_most is not None:
                wanted.append(self._clock.now() + self._at_most)
            if not self._stopping:
                self._clock.wait(min((moment for moment in wanted if moment), default=None), self._woken)

    def _step(self, actor: Actor) -> datetime | None:
        try:
            return actor.step()
        except Exception:
            log.exception("%s failed; it is tried again", type(actor).__name__)
            return self._clock.now() + FAILED_AGAIN


def drive(
    clock: DrivenClock,
    actors: Sequence[Actor],
    until: datetime,
    settle: Callable[[], bool] = lambda: False,
) -> None:
    """Let the time pass to `until`, stopping at every moment at which an actor has something to do.

    `settle` waits until what the actors have set going outside (statements in the warehouse, the events of their ends)
    has come to rest, and says whether there was any since it was called last: then the actors are asked again before
    time moves on. So driven time does not outrun real work.
    """
    while True:
        wanted = [moment for actor in actors if (moment := actor.step()) is not None]
        now, following = clock.now(), min(wanted, default=until)
        if settle() or following <= now < until:
            continue
        if now >= until:
            return
        clock.set(min(following, until))
