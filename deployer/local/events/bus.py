"""The event bus: matches what comes in with the rules, and delivers to their targets, at least once.

Source: EventBridge User Guide, "How EventBridge retries delivering events", "Using dead-letter queues". Events of AWS
services are best effort: `copies` lets a test lose one (0) or have it come twice (2).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from deployer.local.events import store as states
from deployer.local.events.clock import Clock
from deployer.local.events.retry import BY_AGE, BY_ATTEMPTS, back_off
from deployer.local.events.rules import Rule, Rules, Target
from deployer.local.events.store import Delivery, EventStore
from deployer.local.events.targets import Deliver, DeliveryError

log = logging.getLogger("zeroshift.events")

HISTORY = timedelta(days=90)


class Bus:
    """An actor: `step` takes the events that wait and delivers what is due."""

    def __init__(
        self,
        clock: Clock,
        rules: Rules,
        store: EventStore,
        targets: Deliver,
        copies: Callable[[Mapping[str, Any]], int] = lambda event: 1,
    ) -> None:
        self._clock, self._rules, self._store, self._targets = clock, rules, store, targets
        self._copies = copies
        self._expired = datetime.min.replace(tzinfo=UTC)

    def step(self) -> datetime | None:
        """When the next attempt is to be made."""
        while waiting := self._store.waiting():
            rules = self._rules.all()
            for number, event in waiting:
                self._store.take(number, self._matched(event, rules) * self._copies(event))
        while due := self._store.due(self._clock.now()):
            for delivery in due:
                self._attempt(delivery)
        if self._clock.now() - self._expired > timedelta(hours=1):
            self._expired = self._clock.now()
            self._store.expire(self._expired - HISTORY)
        return self._store.next()

    def _matched(self, event: Mapping[str, Any], rules: tuple[Rule, ...]) -> list[Delivery]:
        now = self._clock.now()
        return [
            _delivery(event, rule, target, now)
            for rule in rules
            if rule.bus == "default" and rule.arn.split(":")[3] == event.get("region")
            if rule.pattern.matches(event)
            for target in rule.targets
        ]

    def _attempt(self, delivery: Delivery) -> None:
        delivery = self._store.begin(delivery)
        now = self._clock.now()
        try:
            if delivery.code == _REFUSED:
                raise DeliveryError(_REFUSED, delivery.message or "", permanent=True)
            self._targets.deliver(delivery, now)
        except DeliveryError as error:
            log.warning("%s: %s: %s", delivery.target.rpartition(":")[2], error.code, error.message)
            self._failed(replace(delivery, code=error.code, message=error.message), error.permanent)
        else:
            done = replace(
                delivery, state=states.DELIVERED, next=None, ended=self._clock.now(), code=None, message=None
            )
            self._store.end(done)

    def _failed(self, delivery: Delivery, permanent: bool) -> None:
        following = self._clock.now() + back_off(delivery.attempts)
        if permanent:
            self._give_up(delivery, None)
        elif delivery.attempts > delivery.max_attempts:
            self._give_up(delivery, BY_ATTEMPTS)
        elif following > delivery.began + timedelta(seconds=delivery.max_age):
            self._give_up(delivery, BY_AGE)
        else:
            self._store.end(replace(delivery, next=following))

    def _give_up(self, delivery: Delivery, condition: str | None) -> None:
        state, message = states.DROPPED, delivery.message
        if delivery.dead_letter is not None:
            try:
                self._targets.bury(delivery, condition)
                state = states.DEAD
            except Exception as error:
                log.exception("the dead-letter queue of %s did not take it", delivery.rule)
                message = f"{message}; the dead-letter queue did not take it: {type(error).__name__}"
        self._store.end(replace(delivery, state=state, next=None, ended=self._clock.now(), message=message))


_REFUSED = "UnsupportedTarget"


def _delivery(event: Mapping[str, Any], rule: Rule, target: Target, now: datetime) -> Delivery:
    return Delivery(
        event=str(event.get("id", "")), rule=rule.arn, target=target.arn, role=target.role,
        payload=target.payload(event), began=now, next=now, max_age=target.max_age, max_attempts=target.max_attempts,
        dead_letter=target.dead_letter, code=_REFUSED if target.refused else None, message=target.refused,
    )  # fmt: skip
