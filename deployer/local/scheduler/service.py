"""The local Scheduler as a whole: schedules, event bus and state machines of the local AWS, at one clock.

service = Service(directory, Account(url, "test", "test", "us-east-1"), parse, clock)
drive(clock, service.actors, until, settle)      # or Loop(clock, service.actors, POLL).start()
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from deployer.local.alarms.metrics import Metrics, queue_lengths
from deployer.local.alarms.watch import Alarms
from deployer.local.events.bus import Bus
from deployer.local.events.clock import Actor, Clock, SystemClock
from deployer.local.events.rules import AwsRules
from deployer.local.events.store import EventStore
from deployer.local.events.targets import AwsTargets
from deployer.local.scheduler.dead_letter import SqsDeadLetters
from deployer.local.scheduler.scheduler import Scheduler
from deployer.local.scheduler.schedules import AwsSchedules, Parse, Source
from deployer.local.scheduler.store import Store
from deployer.local.scheduler.target import DataApiTarget, Target
from deployer.local.states.machines import Machines
from deployer.local.states.store import ExecutionStore
from deployer.local.states.tasks import AwsTasks

POLL = timedelta(seconds=1)
"""How often schedules, rules and events are looked for, which other processes put there."""


@dataclass(frozen=True)
class Account:
    """Where the local AWS is, and how to sign. All of it goes through one endpoint, the Data API's calls too, except
    for the services (as boto3 names them) that `elsewhere` has."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str
    elsewhere: Mapping[str, str] = field(default_factory=dict)


class Clients:
    """boto3's clients, each made once. They repeat nothing: that is for whoever calls."""

    _lock = threading.Lock()

    def __init__(self, account: Account) -> None:
        self._account = account
        self._made: dict[tuple[str, str], Any] = {}

    def __call__(self, service: str, region: str) -> Any:
        from botocore.config import Config

        with self._lock:
            if (service, region) not in self._made:
                self._made[service, region] = _session().client(
                    service,
                    region_name=region,
                    endpoint_url=self._account.elsewhere.get(service, self._account.url),
                    aws_access_key_id=self._account.access_key,
                    aws_secret_access_key=self._account.secret_key,
                    config=Config(
                        retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60, proxies={}
                    ),
                )
            return self._made[service, region]


@cache
def _session() -> Any:
    """One for the process: each reads the services' models anew."""
    import boto3

    return boto3.session.Session()


class Service:
    """The parts, put together. `directory` holds what they keep; `copies` is the bus's, for tests.

    `source` and `target` replace the local AWS's schedules and the Data API, for tests too.
    """

    def __init__(
        self,
        directory: Path,
        account: Account,
        parse: Parse,
        clock: Clock | None = None,
        copies: Callable[[Mapping[str, Any]], int] = lambda event: 1,
        source: Source | None = None,
        target: Target | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.clients = Clients(account)
        region = account.region
        self.store, self.events, self.executions = (
            Store(directory), EventStore(directory), ExecutionStore(directory)
        )  # fmt: skip
        self.source = source or AwsSchedules(lambda: self.clients("scheduler", region))
        self.target = target or DataApiTarget(lambda where: self.clients("redshift-data", where))
        self.scheduler = Scheduler(
            self.clock,
            self.source,
            self.store,
            self.target,
            SqsDeadLetters(lambda where: self.clients("sqs", where)),
            parse,
        )
        self.machines = Machines(
            self.clock,
            self.executions,
            lambda where: self.clients("stepfunctions", where),
            lambda where: AwsTasks(lambda service: self.clients(service, where), self._published),
        )
        rules = AwsRules(lambda: self.clients("events", region))
        targets = AwsTargets(self.clients, self.machines.start, self._published)
        self.bus = Bus(self.clock, rules, self.events, targets, copies)
        self.alarms = Alarms(
            self.clock,
            lambda: self.clients("cloudwatch", region),
            Metrics(self.store, self.executions, queue_lengths(lambda: self.clients("sqs", region))),
            self._published,
            region,
        )

    @property
    def actors(self) -> tuple[Actor, ...]:
        """In the order in which work passes through them."""
        return self.scheduler, self.bus, self.machines, self.alarms

    def close(self) -> None:
        for store in (self.store, self.events, self.executions):
            store.close()

    def _published(self, topic: str, subject: str, message: str) -> None:
        self.executions.publish(self.clock.now(), topic, subject, message)
