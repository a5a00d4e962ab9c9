from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scheduler_parts import (
    EXECUTE,
    Listed,
    Queue,
    Recorder,
    a_schedule,
    only,
    throttled,
    utc,
)

from deployer.local.events.clock import DrivenClock, Loop, drive
from deployer.local.events.retry import BY_AGE, BY_ATTEMPTS, back_off
from deployer.local.scheduler.dead_letter import attributes
from deployer.local.scheduler.scheduler import Scheduler
from deployer.local.scheduler.schedules import Schedule
from deployer.local.scheduler.store import CANCELLED, DEAD, DELIVERED, DROPPED, PENDING, Store
from deployer.local.scheduler.target import TargetError
from deployer.project.schedules.expression import parse


class World:
    """A Scheduler with everything around it, at a clock of its own."""

    def __init__(self, home: Path, start: str, *schedules: Schedule) -> None:
        self.home, self.clock, self.source = home, DrivenClock(utc(start)), Listed(list(schedules))
        self.target, self.queue, self.random = Recorder(self.clock.now), Queue(), 0.0
        self.open()

    def open(self) -> None:
        """Start it, or start it again after it was killed: nothing is closed in order."""
        self.store = Store(self.home)
        self.scheduler = Scheduler(
            self.clock, self.source, self.store, self.target, self.queue, parse, lambda: self.random
        )
        self.scheduler.step()

    def run(self, until: str) -> list[datetime]:
        drive(self.clock, [self.scheduler], utc(until))
        return self.target.times

    def change(self, name: str, **changes: Any) -> None:
        schedules = self.source.schedules
        self.source.schedules = [
            replace(one, modified=self.clock.now(), **changes) if one.name == name else one
            for one in schedules
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(start: str, *schedules: Schedule) -> World:
        made.append(World(tmp_path, start, *schedules))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def test_a_cron_schedule_fires_at_its_times_with_them_in_its_input(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule())
    assert one.run("2026-03-01T03:00:00") == [utc(f"2026-03-01T0{hour}:00:00") for hour in (1, 2, 3)]
    assert one.target.calls[0][2] == '{"Sql": "2026-03-01T01:00:00Z"}'
    assert [found.state for found in one.store.history()] == [DELIVERED] * 3
    assert one.store.history()[0].result == "statement-3"


def test_a_month_of_hours_is_exactly_its_hours(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:00:00", a_schedule(timezone="Europe/Berlin", expression="cron(0 * * * ? *)"))
    times = one.run("2026-04-01T00:00:00")
    # Also over the change to summer time: an hour of the clock is skipped there, none of time.
    assert len(times) == 31 * 24 + 1 and all(b - a == timedelta(hours=1) for a, b in pairwise(times))


def test_daylight_saving_skips_and_does_not_repeat(world: Callable[..., World]) -> None:
    nightly = a_schedule(expression="cron(30 2 * * ? *)", timezone="Europe/Berlin")
    spring = world("2026-03-28T00:00:00", nightly).run("2026-03-31T00:00:00")
    # On 29 March 02:30 does not exist.
    assert spring == [utc("2026-03-28T01:30:00"), utc("2026-03-30T00:30:00")]


def test_autumn_fires_once(world: Callable[..., World]) -> None:
    nightly = a_schedule(expression="cron(30 2 * * ? *)", timezone="Europe/Berlin")
    assert world("2026-10-25T00:00:00", nightly).run("2026-10-26T00:00:00") == [utc("2026-10-25T00:30:00")]


def test_a_rate_fires_at_once_and_then_by_elapsed_time(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:00:10", a_schedule(expression="rate(2 hours)", created=utc("2027-01-01")))
    assert one.run("2026-03-01T04:30:00") == [utc(f"2026-03-01T0{hour}:00:10") for hour in (0, 2, 4)]


def test_start_and_end_bound_a_recurring_schedule_and_count_themselves(world: Callable[..., World]) -> None:
    bounded = a_schedule(start=utc("2026-03-01T02:00:00"), end=utc("2026-03-01T04:00:00"))
    one = world("2026-03-01T00:30:00", bounded)
    assert one.run("2026-03-01T09:00:00") == [utc(f"2026-03-01T0{hour}:00:00") for hour in (2, 3, 4)]


def test_one_time_schedules_fire_once_and_stay_or_go(world: Callable[..., World]) -> None:
    keep = a_schedule("keep", "at(2026-03-01T10:00:00)", timezone="America/New_York")
    drop = a_schedule("drop", "at(2026-03-01T10:00:00)", delete_after=True, end=utc("2026-01-02T00:00:00"))
    past = a_schedule("past", "at(2025-03-01T10:00:00)")
    one = world("2026-03-01T00:00:00", keep, drop, past)
    one.run("2026-03-03T00:00:00")
    assert [(name, moment) for moment, name, _ in one.target.calls] == [
        # For a one-time schedule an end date is ignored.
        ("drop", utc("2026-03-01T10:00:00")),
        ("keep", utc("2026-03-01T15:00:00")),
    ]
    assert [schedule.name for schedule in one.source.schedules] == ["keep", "past"]


def test_a_schedule_is_deleted_only_when_its_last_call_has_ended(world: Callable[..., World]) -> None:
    one = world("2026-03-01T09:00:00", a_schedule(expression="at(2026-03-01T10:00:00)", delete_after=True))
    one.target.fails = only([1])
    one.run("2026-03-01T10:00:00")
    assert one.source.schedules and one.store.history()[0].state == PENDING
    one.run("2026-03-01T10:00:01")
    assert not one.source.schedules and one.store.history()[0].state == DELIVERED


def test_a_flexible_window_moves_the_call_and_not_the_scheduled_time(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule(window=20))
    one.random = 0.5
    assert one.run("2026-03-01T01:30:00") == [utc("2026-03-01T01:10:00")]
    assert "2026-03-01T01:00:00Z" in one.target.calls[0][2]


def test_a_disabled_schedule_is_silent_and_makes_up_for_nothing(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule(enabled=False))
    one.run("2026-03-01T02:30:00")
    one.change("hourly", enabled=True)
    assert one.run("2026-03-01T03:30:00") == [utc("2026-03-01T03:00:00")]


def test_retries_back_off_and_keep_the_scheduled_time(world: Callable[..., World]) -> None:
    text = "<aws.scheduler.scheduled-time> <aws.scheduler.attempt-number> <aws.scheduler.schedule-arn>"
    one = world("2026-03-01T00:30:00", a_schedule(input=text + " <aws.scheduler.other>"))
    one.target.fails = only([1, 2, 3])
    start = utc("2026-03-01T01:00:00")
    assert one.run("2026-03-01T01:30:00") == [start + timedelta(seconds=s) for s in (0, 1, 3, 7)]
    arn = one.source.schedules[0].arn
    assert [sent for _, _, sent in one.target.calls] == [
        f"2026-03-01T01:00:00Z {number} {arn} <aws.scheduler.other>" for number in (1, 2, 3, 4)
    ]
    (found,) = one.store.history()
    attempts = one.store.attempts(found.number)
    assert [attempt.code for attempt in attempts] == ["ThrottlingException"] * 3 + [None]
    assert len({attempt.execution for attempt in attempts}) == 4
    assert found.state == DELIVERED and found.code is None


def test_the_default_policy_fits_into_its_day() -> None:
    waits = sum((back_off(number) for number in range(1, 186)), timedelta())
    assert timedelta(hours=23) < waits < timedelta(hours=24)


def test_too_many_attempts_end_in_the_dead_letter_queue(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule(max_attempts=2))
    one.target.fails = throttled
    assert len(one.run("2026-03-01T01:30:00")) == 3
    ((invocation, text, condition),) = one.queue.sent
    assert (text, condition) == ('{"Sql": "2026-03-01T01:00:00Z"}', BY_ATTEMPTS)
    assert attributes(invocation, "abc", condition) == {
        "ERROR_CODE": "ThrottlingException",
        "ERROR_MESSAGE": "Rate exceeded (3)",
        "EXECUTION_ID": "abc",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "2",
        "SCHEDULED_TIME": "2026-03-01T01:00:00Z",
        "SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:000000000000:schedule/group/hourly",
        "TARGET_ARN": EXECUTE,
    }
    assert one.store.history()[0].state == DEAD


def test_too_old_ends_in_the_dead_letter_queue(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule(max_age=60, max_attempts=185))
    one.target.fails = throttled
    # 0, 1, 3, 7, 15, 31; the next would be after 63 seconds.
    assert len(one.run("2026-03-01T01:30:00")) == 6
    assert [condition for _, _, condition in one.queue.sent] == [BY_AGE]


def test_what_cannot_be_called_is_not_repeated(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule())
    one.target.fails = lambda number: TargetError("InvalidInput", "Sqll is unknown", permanent=True)
    assert len(one.run("2026-03-01T01:30:00")) == 1
    ((invocation, _, condition),) = one.queue.sent
    assert condition is None and invocation.code == "InvalidInput"


def test_without_a_dead_letter_queue_or_with_a_broken_one_it_is_dropped(world: Callable[..., World]) -> None:
    one = world(
        "2026-03-01T00:30:00",
        a_schedule("none", dead_letter=None, max_attempts=0),
        a_schedule("broken", max_attempts=0),
    )
    one.target.fails, one.queue.broken = throttled, True
    one.run("2026-03-01T01:30:00")
    told = {found.name: (found.state, found.message or "") for found in one.store.history()}
    assert told["none"] == (DROPPED, "Rate exceeded (1)")
    assert told["broken"][0] == DROPPED and "did not take it" in told["broken"][1]


def test_a_restart_fires_what_was_missed_once_and_buries_what_is_too_old(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule(max_age=5400))
    one.run("2026-03-01T01:00:00")
    one.clock.set(utc("2026-03-01T05:15:00"))
    one.open()
    # 04:00 and 05:00 are young enough, 02:00 and 03:00 are not.
    assert [sent for _, _, sent in one.target.calls[1:]] == [
        f'{{"Sql": "2026-03-01T0{hour}:00:00Z"}}' for hour in (4, 5)
    ]
    assert [(dead.scheduled.hour, dead.code, condition) for dead, _, condition in one.queue.sent] == [
        (2, "SchedulerNotRunning", BY_AGE),
        (3, "SchedulerNotRunning", BY_AGE),
    ]
    one.open()
    assert len(one.run("2026-03-01T05:30:00")) == 3 and len(one.queue.sent) == 2


def test_of_what_is_older_than_a_day_only_the_count_is_told(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    one = world("2026-03-01T00:30:00", a_schedule(max_age=60))
    one.clock.set(utc("2026-03-11T00:30:00"))
    one.open()
    assert len(one.queue.sent) == 24
    assert "216 invocations came due more than a day ago" in caplog.text


def test_nothing_from_before_the_first_start_is_fired(world: Callable[..., World]) -> None:
    one = world("2026-03-01T12:30:00", a_schedule(max_age=86400))
    assert not one.target.calls


def test_what_was_deployed_while_it_was_down_is_fired_from_then_on(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:00:00")
    one.clock.set(utc("2026-03-01T03:30:00"))
    one.source.schedules = [a_schedule(created=utc("2026-03-01T02:30:00"))]
    one.open()
    assert [sent for _, _, sent in one.target.calls] == ['{"Sql": "2026-03-01T03:00:00Z"}']


def test_a_changed_timing_counts_from_the_change_on(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule())
    one.run("2026-03-01T01:00:00")
    one.clock.set(utc("2026-03-01T02:45:00"))
    one.change("hourly", expression="cron(*/10 * * * ? *)")
    one.clock.set(utc("2026-03-01T03:05:00"))
    one.open()
    assert [sent[9:-2] for _, _, sent in one.target.calls[1:]] == [
        "2026-03-01T02:50:00Z", "2026-03-01T03:00:00Z"
    ]  # fmt: skip


def test_a_changed_statement_loses_nothing_that_is_due(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule())
    one.clock.set(utc("2026-03-01T01:30:00"))
    one.change("hourly", input="{}")
    one.open()
    assert [sent for _, _, sent in one.target.calls] == ["{}"]


def test_a_kill_behind_each_write_loses_nothing_and_repeats_only_the_call_it_cut(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    one = world("2026-03-01T00:30:00", a_schedule())
    writes = 0

    def killing(original: Callable[..., Any], at: int) -> Callable[..., Any]:
        def write(*arguments: Any, **named: Any) -> Any:
            nonlocal writes
            result = original(*arguments, **named)
            writes += 1
            if writes == at:
                raise Killed
            return result

        return write

    kept = {name: getattr(Store, name) for name in ("plan", "begin", "end", "forget")}
    for at in range(1, 8):
        one.clock.set(one.clock.now() + timedelta(hours=1))
        calls, writes = len(one.target.calls), 0
        for name, original in kept.items():
            monkeypatch.setattr(Store, name, killing(original, at))
        try:
            one.scheduler.step()
        except Killed:
            pass
        for name, original in kept.items():
            monkeypatch.setattr(Store, name, original)
        one.open()
        made = len(one.target.calls) - calls
        # Only a kill between the beginning of an attempt and the note of its end has it made again.
        assert made == 1
    states = [found.state for found in one.store.history()]
    assert states == [DELIVERED] * 7


def test_an_attempt_that_nobody_saw_end_is_made_again(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule())

    class Dies(Recorder):
        def invoke(self, invocation: Any, text: str) -> str:
            super().invoke(invocation, text)
            raise KeyboardInterrupt

    alive, one.target = one.target, Dies(one.clock.now)
    one.open()
    with pytest.raises(KeyboardInterrupt):
        one.run("2026-03-01T01:00:00")
    one.target = alive
    one.open()
    (found,) = one.store.history()
    assert (found.state, found.attempts) == (DELIVERED, 2)
    assert len(one.target.calls) == 1


def test_a_call_that_goes_wrong_is_an_attempt_that_failed(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule("wrong", max_attempts=1), a_schedule("right"))
    kept = one.target.invoke

    def invoke(invocation: Any, text: str) -> str:
        if invocation.name == "wrong":
            raise RuntimeError("no")
        return kept(invocation, text)

    one.target.invoke = invoke  # type: ignore[method-assign]
    one.run("2026-03-01T01:30:00")
    assert {found.name: found.state for found in one.store.history()} == {"wrong": DEAD, "right": DELIVERED}
    assert one.queue.sent[0][0].code == "RuntimeError"


def test_a_deleted_schedule_repeats_nothing(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule())
    one.target.fails = throttled
    one.run("2026-03-01T01:00:00")
    one.source.schedules = []
    assert len(one.run("2026-03-01T02:00:00")) == 1
    (found,) = one.store.history()
    assert (found.state, found.message) == (CANCELLED, "Rate exceeded (1); the schedule was deleted")


def test_an_expression_that_aws_refuses_stops_only_its_own_schedule(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    one = world("2026-03-01T00:30:00", a_schedule("bad", "cron(0 * * * * *)"), a_schedule())
    assert len(one.run("2026-03-01T02:00:00")) == 2
    assert caplog.text.count("schedule group/bad does not fire") == 1


def test_firing_by_hand_runs_at_the_logical_time_and_leaves_the_plan(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule())
    fired = one.scheduler.fire(one.source.schedules[0], utc("2026-02-01T07:00:00"))
    one.run("2026-03-01T01:00:00")
    assert [sent for _, _, sent in one.target.calls] == [
        '{"Sql": "2026-02-01T07:00:00Z"}', '{"Sql": "2026-03-01T01:00:00Z"}'
    ]  # fmt: skip
    assert [found.manual for found in one.store.history()] == [False, True] and fired.manual


def test_history_is_forgotten_after_its_time(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule(expression="cron(0 0 1 * ? *)"))
    one.run("2026-08-02T00:00:00")
    assert [found.scheduled.month for found in one.store.history()] == [8, 7, 6]


def test_a_loop_fires_by_the_clock_and_outlives_an_actor_that_raises(world: Callable[..., World]) -> None:
    one = world("2026-03-01T00:30:00", a_schedule())

    class Broken:
        def step(self) -> datetime | None:
            raise RuntimeError("no")

    loop = Loop(one.clock, [Broken(), one.scheduler])
    loop.start()
    try:
        for hour in (1, 2):
            one.clock.set(utc(f"2026-03-01T0{hour}:00:00"))
            reached = threading.Event()
            for _ in range(12000):
                if len(one.target.calls) >= hour:
                    break
                reached.wait(0.01)
            assert len(one.target.calls) == hour
    finally:
        loop.stop()
