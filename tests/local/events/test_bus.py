from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployer.local.events.bus import Bus
from deployer.local.events.clock import DrivenClock, drive
from deployer.local.events.pattern import parse
from deployer.local.events.retry import BY_AGE, BY_ATTEMPTS
from deployer.local.events.rules import Rule, target
from deployer.local.events.store import DEAD, DELIVERED, DROPPED, Delivery, EventStore
from deployer.local.events.targets import AwsTargets, DeliveryError

TOPIC = "arn:aws:sns:us-east-1:000000000000:alerts"
DEAD_QUEUE = "arn:aws:sqs:us-east-1:000000000000:dead"
EVENT = {
    "id": "e-1",
    "region": "us-east-1",
    "source": "aws.redshift-data",
    "detail": {"state": "FAILED", "n": 1},
}
START = datetime.fromisoformat("2026-03-01T00:00:00+00:00")


class Targets:
    """Targets that take what they are told to take."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.buried: list[tuple[Delivery, str | None]] = []
        self.fails: Callable[[int], DeliveryError | None] = lambda number: None
        self.tried = 0

    def deliver(self, delivery: Delivery, now: datetime) -> None:
        self.tried += 1
        if (error := self.fails(self.tried)) is not None:
            raise error
        self.got.append((delivery.target, delivery.payload))

    def bury(self, delivery: Delivery, condition: str | None) -> None:
        self.buried.append((delivery, condition))


class Listed(list[Rule]):
    def all(self) -> tuple[Rule, ...]:
        return tuple(self)


class World:
    def __init__(self, home: Path) -> None:
        self.clock, self.rules, self.targets = DrivenClock(START), Listed(), Targets()
        self.store, self.count = EventStore(home), 1
        self.bus = Bus(self.clock, self.rules, self.store, self.targets, lambda event: self.count)

    def rule(self, pattern: dict[str, Any], *targets: dict[str, Any], name: str = "failed") -> None:
        arn = f"arn:aws:events:us-east-1:000000000000:rule/{name}"
        made = tuple(target({"Id": str(number)} | one) for number, one in enumerate(targets))
        self.rules.append(Rule(arn, name, "default", parse(json.dumps(pattern)), made))

    def put(self, event: dict[str, Any] | None = None) -> None:
        self.store.put(EVENT if event is None else event, self.clock.now())

    def run(self, **delta: float) -> None:
        drive(self.clock, [self.bus], self.clock.now() + timedelta(**delta))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_an_event_reaches_the_targets_of_the_rules_that_it_matches(world: World) -> None:
    world.rule({"detail": {"state": ["FAILED"]}}, {"Arn": TOPIC}, {"Arn": "b", "InputPath": "$.detail.n"})
    world.rule({"detail": {"state": ["FAILED"]}}, {"Arn": "c", "Input": '"constant"'}, name="second")
    world.rule({"detail": {"state": ["FINISHED"]}}, {"Arn": "d"}, name="third")
    world.put()
    world.put(EVENT | {"region": "eu-west-1"})
    world.run(seconds=1)
    assert [(arn, json.loads(text)) for arn, text in world.targets.got] == [
        (TOPIC, EVENT), ("b", 1), ("c", "constant")
    ]  # fmt: skip
    assert {found.state for found in world.store.history()} == {DELIVERED}


def test_delivery_is_repeated_for_its_target_alone(world: World) -> None:
    world.rule({"source": ["aws.redshift-data"]}, {"Arn": "a"}, {"Arn": "b"})
    world.targets.fails = lambda number: DeliveryError("Throttling", "slow") if number in (1, 3) else None
    world.put()
    world.run(seconds=10)
    assert [arn for arn, _ in world.targets.got] == ["b", "a"] and world.targets.tried == 4


@pytest.mark.parametrize(
    "policy, error, attempts, condition",
    [
        ({"MaximumRetryAttempts": 2}, DeliveryError("Throttling", "slow"), 3, BY_ATTEMPTS),
        ({"MaximumEventAgeInSeconds": 60}, DeliveryError("Throttling", "slow"), 6, BY_AGE),
        ({}, DeliveryError("NotFound", "no such topic", permanent=True), 1, None),
    ],
)
def test_what_is_not_taken_ends_in_the_dead_letter_queue(
    world: World, policy: dict[str, int], error: DeliveryError, attempts: int, condition: str | None
) -> None:
    world.rule({"source": ["aws.redshift-data"]}, {
        "Arn": TOPIC, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": DEAD_QUEUE}
    })  # fmt: skip
    world.targets.fails = lambda number: error
    world.put()
    world.run(hours=1)
    ((buried, told),) = world.targets.buried
    assert (buried.attempts, told, buried.code) == (attempts, condition, error.code)
    assert world.store.history()[0].state == DEAD


def test_without_a_dead_letter_queue_it_is_dropped_and_remembered(world: World) -> None:
    world.rule({"source": ["aws.redshift-data"]}, {"Arn": TOPIC})
    world.targets.fails = lambda number: DeliveryError("NotFound", "no such topic", permanent=True)
    world.put()
    world.run(hours=1)
    (found,) = world.store.history()
    assert (found.state, found.code, found.message) == (DROPPED, "NotFound", "no such topic")


@pytest.mark.parametrize("count", [0, 2])
def test_an_event_can_be_lost_or_come_twice(world: World, count: int) -> None:
    world.rule({"source": ["aws.redshift-data"]}, {"Arn": TOPIC})
    world.count = count
    world.put()
    world.run(seconds=1)
    assert len(world.targets.got) == count and not world.store.waiting()


def test_events_wait_for_the_rules_and_for_a_day(world: World) -> None:
    class Down:
        def all(self) -> tuple[Rule, ...]:
            raise ConnectionError

    world.put()
    with pytest.raises(ConnectionError):
        Bus(world.clock, Down(), world.store, world.targets).step()
    assert len(world.store.waiting()) == 1
    world.clock.advance(timedelta(days=1, seconds=1))
    world.put(EVENT | {"id": "e-2"})
    assert [event["id"] for _, event in world.store.waiting()] == ["e-2"]


def test_what_a_target_has_that_the_bus_has_not_is_refused_by_name(world: World) -> None:
    world.rule({"source": ["aws.redshift-data"]}, {"Arn": TOPIC, "InputTransformer": {"InputTemplate": "x"}})
    world.put()
    world.run(seconds=1)
    (found,) = world.store.history()
    assert (found.state, found.message) == (DROPPED, "the local event bus has no InputTransformer")
    assert not world.targets.got


@pytest.mark.parametrize(
    "arn",
    ["arn:aws:lambda:us-east-1:000000000000:function:x", "arn:aws:sqs:us-east-1:000000000000:x.fifo", "x"],
)
def test_other_targets_are_refused_by_name(arn: str) -> None:
    delivery = Delivery("e", "rule", arn, None, "{}", START, START, 60, 0)
    with pytest.raises(DeliveryError, match="local event bus delivers to|is no ARN") as raised:
        AwsTargets(lambda service, region: None, lambda *_: None).deliver(delivery, START)
    assert raised.value.permanent
