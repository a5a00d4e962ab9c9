"""A Scheduler on the real local AWS and a real Data API, at a clock that the test drives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from scheduler_parts import EXECUTE, utc

from deployer.local.data_api.service import DataApi
from deployer.local.environment import Status
from deployer.local.events.clock import DrivenClock, drive
from deployer.local.events.store import EventStore
from deployer.local.ports import lasting_port
from deployer.local.scheduler.service import Account, Service
from deployer.project.schedules.expression import parse

SECRET = "a-secret-key-that-nobody-may-read"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/runner"
START = "2026-03-01T00:30:00"


class Place:
    def __init__(self, home: Path, url: str, status: Status, region: str) -> None:
        self.home, self.status, self.region = home, status, region
        self.directory = home / "aws"
        self.directory.mkdir()
        self.clock = DrivenClock(utc(START))
        self.inbox = EventStore(self.directory)
        # It is stopped and started again: nobody is given its port meanwhile.
        self.api = self._api(lasting_port())
        self.account = Account(url, "test", SECRET, region, {"redshift-data": self.api.url})
        self.copies: Callable[[Mapping[str, Any]], int] = lambda event: 1
        self.service = self._service()
        self.client("scheduler").create_schedule_group(Name="group")
        self._seen = 0

    def _api(self, port: int) -> DataApi:
        status = self.status
        assert status.port is not None
        made = DataApi(
            self.home, status.host, status.port, status.user, lambda user: status.password, wanted=port,
            sink=lambda event: self.inbox.put(event, self.clock.now()),
        )  # fmt: skip
        made.start()
        return made

    def _service(self) -> Service:
        return Service(self.directory, self.account, parse, self.clock, lambda event: self.copies(event))

    def restart(self) -> None:
        """A new scheduler process, the old one being killed."""
        self.service = self._service()

    def api_down(self) -> None:
        self.api.stop()

    def api_up(self) -> None:
        self.api = self._api(int(self.api.url.rpartition(":")[2]))

    def close(self) -> None:
        self.service.close()
        self.api.stop()
        self.inbox.close()

    # -- resources --------------------------------------------------------------------------------------------

    def client(self, service: str) -> Any:
        return self.service.clients(service, self.region)

    def queue(self, name: str) -> str:
        """A queue's ARN. A message that was taken comes back after hours only, however slowly it is deleted."""
        self.client("sqs").create_queue(QueueName=name, Attributes={"VisibilityTimeout": "43200"})
        return f"arn:aws:sqs:{self.region}:{ACCOUNT}:{name}"

    def messages(self, arn: str) -> list[dict[str, Any]]:
        """What lies in a queue, taken out."""
        client = self.client("sqs")
        url = client.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        found: list[dict[str, Any]] = []
        while got := client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for one in got:
                client.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
                found.append(one)
        return found

    def topic(self, name: str) -> tuple[str, str]:
        """A topic's ARN, and that of a queue which gets its messages as they are."""
        arn, queue = self.client("sns").create_topic(Name=name)["TopicArn"], self.queue(f"{name}-mail")
        self.client("sns").subscribe(
            TopicArn=arn, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"}
        )
        return arn, queue

    def schedule(self, name: str, sql: str, expression: str = "cron(0 1 * * ? *)", **more: Any) -> None:
        given = {
            "WorkgroupName": "rental",
            "Database": "dev",
            "Sql": sql,
            "StatementName": name,
            "WithEvent": True,
        }
        target = {"Arn": EXECUTE, "RoleArn": ROLE, "Input": json.dumps(given | more.pop("input", {}))}
        self.client("scheduler").create_schedule(
            Name=name, GroupName="group", ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"},
            Target=target | more.pop("target", {}), **more,
        )  # fmt: skip

    def rule(self, pattern: dict[str, Any], *arns: str) -> None:
        self.client("events").put_rule(Name="failed", EventPattern=json.dumps(pattern))
        targets = [{"Id": str(number), "Arn": arn} for number, arn in enumerate(arns)]
        self.client("events").put_targets(Rule="failed", Targets=targets)

    def machine(self, definition: dict[str, Any]) -> str:
        made = self.client("stepfunctions").create_state_machine(
            name="alerts", definition=json.dumps(definition), roleArn=ROLE, type="EXPRESS"
        )
        return str(made["stateMachineArn"])

    # -- time -------------------------------------------------------------------------------------------------

    def run(self, **delta: float) -> None:
        drive(self.clock, self.service.actors, self.clock.now() + timedelta(**delta), self.settle)

    def settle(self) -> bool:
        """Wait until no statement runs and no event is on its way. Whether there was any statement."""
        deadline = time.monotonic() + 600
        store = self.api.store
        while time.monotonic() < deadline:
            (number, active), (events,) = _counts(self.home)
            if not active and not events:
                moved, self._seen = number != self._seen, number
                return moved
            time.sleep(0.01)
        raise AssertionError(f"statements or events of {store} do not come to rest")


def _counts(home: Path) -> tuple[tuple[int, int], tuple[int]]:
    import sqlite3

    with sqlite3.connect(home / "data_api.sqlite3") as db:
        number, active = db.execute(
            "select coalesce(max(number), 0), count(*) filter (where status in ('SUBMITTED', 'PICKED', 'STARTED'))"
            " from statements"
        ).fetchone()
        (events,) = db.execute("select count(*) from events").fetchone()
    db.close()
    return (number, active), (events,)
