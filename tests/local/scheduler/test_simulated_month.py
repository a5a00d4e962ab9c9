"""A month of the repository's own schedules at a driven clock, over a source that changes, with all that goes wrong.

Real: the warehouse and its procedures, the Data API, the local AWS, the Scheduler, the event bus, the alert path's
state machine as it is deployed. Driven: the time. Injected: the faults of FAULTS, each at an hour of its own.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from month_source import Source
from oracle.oracle import Oracle
from oracle.play import compare
from oracle.warehouse import FAULT, Warehouse
from scheduler_place import ROLE, Place

from deployer.aws.resources.alert_machine import definition
from deployer.local.aws.environment import LocalAws
from deployer.local.data_api.store import FILE as STORE_FILE
from deployer.local.environment import LocalEnvironment
from deployer.local.ports import lasting_port
from deployer.local.scheduler.store import DELIVERED, Invocation
from deployer.local.scheduler.target import TargetError
from deployer.operations.deploy import deploy
from deployer.operations.warehouses import target_of
from deployer.project import config
from deployer.project.schedules import calls
from deployer.project.schedules.files import load as load_files
from deployer.project.schedules.model import Schedule

ROOT = Path(__file__).resolve().parents[3]
# An hour is two sessions of the Data API, each of which translates the pipeline anew: 31 days take a while.
DAYS = int(os.environ.get("ZEROSHIFT_MONTH_DAYS", "3"))
PREFIX = "zeroshift-rental-local"
WAREHOUSE = calls.Warehouse("dev", workgroup="rental")
FAILED = {
    "source": ["aws.redshift-data"],
    "detail": {"state": ["FAILED", "ABORTED"], "statementName": [{"prefix": f"{PREFIX}/"}]},
}


class Once:
    """The deployed schedules, read once: nobody changes them here."""

    def __init__(self, source: Any) -> None:
        self._all = list(source.all())

    def all(self) -> list[Any]:
        return self._all


class Faulty:
    """A target that refuses the next calls of rental-hourly, as the Data API would."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self.refusals: list[tuple[str, str]] = []

    def invoke(self, invocation: Invocation, text: str) -> str:
        if self.refusals and invocation.name == "rental-hourly":
            raise TargetError(*self.refusals.pop(0))
        return str(self._target.invoke(invocation, text))


class Month(Place):
    """The place, with the repository deployed into it and its schedules, rule and state machine."""

    def __init__(self, home: Path, project_home: Path) -> None:
        self.environment = LocalEnvironment(project_home)
        status = self.environment.up()
        url = LocalAws(project_home).up().endpoint_url
        assert url is not None
        project = config.load(ROOT)
        deploy(project, project.environment("local"))
        assert status.engine_dsn is not None
        self.warehouse = Warehouse(target_of(status), status.engine_dsn)
        self.oracle, self.source = Oracle(), Source()
        self.meanwhile: Callable[[], None] | None = None
        super().__init__(home, url, status, "xx-month-1")
        self._topic()
        for schedule in load_files(ROOT).schedules:
            self._deploy(schedule)
        self.faulty = Faulty(self.service.target)
        self.service.scheduler._source = Once(self.service.source)
        self.service.scheduler._target = self.faulty

    def _topic(self) -> None:
        topic, self.mail = self.topic("alerts")
        self.client("dynamodb").create_table(
            TableName="told", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "run", "AttributeType": "S"}],
        )  # fmt: skip
        text = definition("local", WAREHOUSE).replace("${TopicArn}", topic).replace("${TableName}", "told")
        self.rule(FAILED, self.machine(json.loads(text)))

    def _deploy(self, schedule: Schedule) -> None:
        if schedule.name == "rental-fresh":
            # The same question at the driven time.
            statement = "call ops.assert_fresh_at('rental', 210, timestamp '<aws.scheduler.scheduled-time>')"
            assert schedule.statement == "call ops.assert_fresh('rental', 210)"
            schedule = replace(schedule, statement=statement)
        call = calls.call(schedule, PREFIX, WAREHOUSE)
        self.client("scheduler").create_schedule(
            Name=schedule.name, GroupName="group", ScheduleExpression=schedule.expression,
            ScheduleExpressionTimezone=schedule.timezone, FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": call.target, "RoleArn": ROLE, "Input": call.input,
                "RetryPolicy": {
                    "MaximumRetryAttempts": schedule.attempts, "MaximumEventAgeInSeconds": schedule.max_age,
                },
            },
        )  # fmt: skip

    def close(self) -> None:
        super().close()
        self.warehouse.close()
        LocalAws(self.environment.home).down()
        self.environment.down()

    # -- an hour ----------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self.clock.now().replace(tzinfo=None)

    def hour(self) -> None:
        if self.now.hour % 6 == 0:
            rows = self.source.change(self.now)
            self.warehouse.load(rows, self.now)
            self.oracle.load(rows, self.now)
        self.run(hours=1)

    def settle(self) -> bool:
        if self.meanwhile is not None and self._stands_still():
            act, self.meanwhile = self.meanwhile, None
            act()
        moved = super().settle()
        self._parted()
        return moved

    def _parted(self) -> None:
        """Wait until the session of a run that has failed is shown no more.

        Within five seconds of its last commit it would count as alive, and the next run would rightly be skipped: those
        seconds are the machine's, and driven ones do not pass them.
        """
        deadline = time.monotonic() + 600
        shown = (
            "select 1 from ops.leases join zeroshift.sessions on pid = session_id"
            " where token is not null and started <= touched_at + interval '1 second'"
        )
        while self.warehouse.engine.execute(shown).fetchone() is not None:
            assert time.monotonic() < deadline, "the session of a run that has ended does not end"
            time.sleep(0.01)

    def _stands_still(self) -> bool:
        """Whether a run waits at the gate; one that has been called is waited for."""
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            if self._waiting():
                return True
            if not self._active():
                return False
            time.sleep(0.01)
        raise AssertionError("the run neither ended nor came to the gate")

    def _waiting(self) -> list[int]:
        """The sessions that wait at the gate; a lock on another table, as of an autovacuum, is none."""
        found = self.warehouse.engine.execute(
            "select pid from pg_locks where not granted and relation = 'ops.freshness'::regclass"
        )
        return [pid for (pid,) in found.fetchall()]

    def _active(self) -> list[str]:
        """The statements that run. Asked of the store: the API's lists are limited to three a second."""
        with closing(sqlite3.connect(self.home / STORE_FILE)) as db:
            found = db.execute("select id from statements where status in ('SUBMITTED', 'PICKED', 'STARTED')")
            return [str(one) for (one,) in found]

    def _gone(self) -> None:
        """Wait until no run stands at the gate. What is only told to end could still slip through as it opens."""
        deadline = time.monotonic() + 600
        while self._waiting():
            assert time.monotonic() < deadline, "the run stays at the gate"
            time.sleep(0.01)

    @contextmanager
    def gate(self, act: Callable[[], None]) -> Iterator[None]:
        """The next run stops before it publishes; `act` is done then, and the gate opens."""
        with closing(psycopg.connect(self.warehouse.engine_dsn)) as holder:
            holder.execute("lock table ops.freshness in share mode")

            def acts() -> None:
                act()
                holder.close()

            self.meanwhile = acts
            yield
            assert self.meanwhile is None, "no run came to the gate"

    # -- faults -----------------------------------------------------------------------------------------------

    def throttled(self) -> None:
        self.faulty.refusals = [("ThrottlingException", "Rate exceeded")] * 3
        self.hour()

    def too_many_statements(self) -> None:
        self.faulty.refusals = [
            ("ActiveStatementsExceededException", "Active statements exceeded the allowed quota")
        ] * 2
        self.hour()

    def cancelled(self) -> None:
        def cancel() -> None:
            for one in self._active():
                self.client("redshift-data").cancel_statement(Id=one)
            self._gone()

        with self.gate(cancel):
            self.hour()

    def session_killed(self) -> None:
        def kill() -> None:
            (pid,) = self._waiting()
            self.warehouse.session.execute(f"select pg_terminate_backend({pid})")
            self._gone()

        with self.gate(kill):
            self.hour()

    def restarted(self) -> None:
        def restart() -> None:
            self.environment.down()
            status = self.environment.up()
            assert status.engine_dsn is not None
            self.warehouse.engine.close()
            self.warehouse.engine_dsn = status.engine_dsn
            self.warehouse.engine = psycopg.connect(status.engine_dsn, autocommit=True)
            self.warehouse._reconnect()

        with self.gate(restart):
            self.hour()

    def fired_twice(self) -> None:
        self.hour()
        (schedule,) = [one for one in self.service.source.all() if one.name == "rental-hourly"]
        at = self.clock.now().replace(minute=5)
        self.service.scheduler.fire(schedule, at)
        self.run(seconds=5)
        first, second = [one.result for one in self.service.store.history("rental-hourly", 2)]
        assert first == second, "Scheduler's token did not hold"
        # And when the Data API has forgotten the token.
        self.warehouse.session.execute(f"call ops.run_rental('{at:%Y-%m-%d %H:%M:%S}', 'incremental')")
        self.run(seconds=3600 - (self.now - self.now.replace(minute=30, second=0)).seconds % 3600)

    def overlapped(self) -> None:
        call = f"call ops.run_rental('{self.now.replace(minute=20) + timedelta(hours=1)}', 'full')"
        with self.gate(lambda: self.warehouse.session.execute(call) and None):
            self.hour()

    def raises_twice_told(self) -> None:
        self.copies = lambda event: 2
        with self.warehouse._publish_fault():
            self.hour()
        self.copies = lambda event: 1

    def events_lost(self) -> None:
        """Hour after hour fails, and no event of it arrives."""
        self.copies = lambda event: 0 if event["detail"]["statementName"].endswith("/rental-hourly") else 1
        with self.warehouse._publish_fault():
            for _ in range(4):
                self.hour()
        self.copies = lambda event: 1


FAULTS: dict[tuple[int, int], str] = {
    (1, 3): "throttled",
    (1, 6): "too_many_statements",
    (1, 9): "cancelled",
    (1, 12): "session_killed",
    (1, 15): "restarted",
    (1, 18): "fired_twice",
    (1, 20): "overlapped",
    (1, 22): "raises_twice_told",
    (2, 6): "events_lost",
}
"""(day, hour) -> what happens then."""


@pytest.fixture
def month(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Month]:
    home = tmp_path_factory.mktemp("month-home")
    monkeypatch.setenv("ZEROSHIFT_HOME", str(home))
    # It is restarted at the same port, which nobody is given meanwhile.
    monkeypatch.setenv("ZEROSHIFT_PORT", str(lasting_port()))
    monkeypatch.setenv("ZEROSHIFT_DATA_API_PORT", "0")
    made = Month(tmp_path, home)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_a_month_with_all_that_goes_wrong_in_one(month: Month) -> None:
    start, done = month.now, []
    while month.now < start + timedelta(days=DAYS):
        passed = month.now - start
        fault = FAULTS.get((passed.days, passed.seconds // 3600))
        if fault is None:
            month.hour()
        else:
            getattr(month, fault)()
            done.append(fault)
    assert sorted(done) == sorted(FAULTS.values())

    # Every metric, the quarantine, the record of history and freshness.
    ((last,),) = month.warehouse.engine.execute("select as_of from ops.freshness").fetchall()
    assert last > month.now - timedelta(hours=1)
    month.oracle.run(last)
    compare(month.warehouse, month.oracle, "the month")

    # Nothing ran twice, and nothing that was scheduled is missing.
    runs = month.warehouse.engine.execute("select as_of, mode, state, error from ops.runs").fetchall()
    succeeded = Counter((as_of, mode) for as_of, mode, state, _ in runs if state == "succeeded")
    assert set(succeeded.values()) == {1}
    history = month.service.store.history(None, 10_000)
    assert {one.state for one in history} == {DELIVERED}
    times = {
        one.scheduled.replace(tzinfo=None)
        for one in history
        if one.name in ("rental-hourly", "rental-nightly")
    }
    # The first nightly run is at the first moment, the last one at the last.
    assert len(times) == DAYS * 25 + 1
    assert times <= {as_of for as_of, *_ in runs}
    unsuccessful = {as_of for as_of in times if not any(each[0] == as_of for each in succeeded)}
    # What PostgreSQL says to a session that is killed, or that a restart ends, is an error that the alert path repeats.
    assert len(unsuccessful) == 6, "but for the cancelled and those that raised, all were healed"
    states = Counter(state for _, _, state, _ in runs)
    assert (states["duplicate"], states["skipped"], states["superseded"]) == (1, 1, 0)

    # Who was told: one alert each for the run that was cancelled and the one that raised (its event came twice), and
    # the freshness's own for those that no event told of.
    alerts = [one["Body"] for one in month.messages(month.mail)]
    told = Counter(
        "cancelled" if "ABORTED" in body or "cancel" in body else "raised" if FAULT in body
        else "stale" if "pipeline rental is stale" in body else body
        for body in alerts
    )  # fmt: skip
    assert told == {"cancelled": 1, "raised": 1, "stale": 1}, alerts
    assert all("\nStep: CALL " in body for body in alerts), alerts
