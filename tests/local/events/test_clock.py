from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from deployer.local.events.clock import DrivenClock, Loop, SystemClock, drive

START = datetime(2026, 3, 1, tzinfo=UTC)


class Every:
    """An actor that acts at each full hour; `work` has the moments."""

    def __init__(self, clock: DrivenClock, hours: int = 1) -> None:
        self.clock, self.next, self.every = clock, clock.now(), timedelta(hours=hours)
        self.work: list[datetime] = []

    def step(self) -> datetime:
        while self.next <= self.clock.now():
            self.work.append(self.clock.now())
            self.next += self.every
        return self.next


def test_driving_stops_at_every_moment_and_lets_work_come_to_rest_first() -> None:
    clock = DrivenClock(START)
    first, second = Every(clock, 2), Every(clock, 3)
    unsettled: list[datetime] = []
    seen = 0

    def settle() -> bool:
        nonlocal seen
        moved, seen = len(first.work) != seen, len(first.work)
        if moved:
            unsettled.append(clock.now())
        return moved

    drive(clock, [first, second], START + timedelta(hours=6, minutes=30), settle)
    assert [moment.hour for moment in first.work] == [0, 2, 4, 6]
    assert [moment.hour for moment in second.work] == [0, 3, 6]
    assert unsettled == first.work and clock.now() == START + timedelta(hours=6, minutes=30)


def test_time_does_not_go_back() -> None:
    clock = DrivenClock(START)
    with pytest.raises(ValueError, match="does not go back"):
        clock.set(START - timedelta(seconds=1))


def test_waiting_ends_when_it_is_time_or_when_somebody_wakes() -> None:
    clock, woken = DrivenClock(START), threading.Event()
    ended = threading.Event()

    def wait(until: datetime | None) -> None:
        clock.wait(until, woken)
        ended.set()

    for until, end in (
        (START + timedelta(hours=1), lambda: clock.advance(timedelta(hours=1))),
        (None, woken.set),
    ):
        ended.clear()
        threading.Thread(target=wait, args=(until,), daemon=True).start()
        assert not ended.wait(0.05)
        end()
        assert ended.wait(120) and not woken.is_set()


def test_the_machines_time() -> None:
    clock, woken = SystemClock(), threading.Event()
    began = time.monotonic()
    clock.wait(clock.now() + timedelta(milliseconds=20), woken)
    assert time.monotonic() - began >= 0.019
    woken.set()
    clock.wait(None, woken)
    assert not woken.is_set()


def test_a_loop_asks_again_although_nothing_is_planned() -> None:
    asked = threading.Semaphore(0)

    class Idle:
        def step(self) -> None:
            asked.release()

    loop = Loop(SystemClock(), [Idle()], timedelta(milliseconds=10))
    loop.start()
    try:
        assert all(asked.acquire(timeout=120) for _ in range(3))
    finally:
        loop.stop()
