"""`zeroshift schedule` on the local AWS: what is deployed, firing by hand, the process that fires."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import Cloud

from deployer.aws.client import Aws, Endpoint
from deployer.errors import Unavailable, UsageError
from deployer.local.aws.environment import AwsStatus, LocalAws
from deployer.local.environment import LocalEnvironment
from deployer.local.scheduler import process
from deployer.local.scheduler.process import LocalScheduler
from deployer.operations import schedule_service, schedules, status
from deployer.project.environments import Environment

EXECUTE = "arn:aws:scheduler:::aws-sdk:redshiftdata:executeStatement"
GROUP = "zeroshift-shop-local"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:dead"


class Shop:
    """The project's local environment, and its schedules by hand, as a deployment would make them."""

    def __init__(self, cloud: Cloud, status: AwsStatus) -> None:
        self.project, self.local = cloud.project, cloud.project.environment("local")
        assert self.local.remote is not None and status.endpoint_url is not None
        self.aws = Aws(self.local.remote, Endpoint(status.endpoint_url, status.access_key, status.secret_key))
        self.aws.call("sqs", "create_queue", QueueName="dead")
        self.aws.call("scheduler", "create_schedule_group", Name=GROUP)

    def make(self, name: str, sql: str, expression: str = "cron(0 3 * * ? *)", **more: Any) -> None:
        given = {"WorkgroupName": "analytics", "Database": "dev", "Sql": sql} | more.pop("input", {})
        self.aws.call(
            "scheduler", "create_schedule", Name=name, GroupName=GROUP, ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": EXECUTE, "RoleArn": "arn:aws:iam::000000000000:role/x", "Input": json.dumps(given),
                "DeadLetterConfig": {"Arn": QUEUE},
            }, **more,
        )  # fmt: skip


@pytest.fixture
def shop(cloud: Cloud, local_aws: AwsStatus) -> Iterator[Shop]:
    made = Shop(cloud, local_aws)
    yield made
    LocalScheduler(made.project.home).stop()
    made.aws.call("scheduler", "delete_schedule_group", Name=GROUP)
    for leftover in (made.project.home / "aws").glob("*.sqlite3*"):
        leftover.unlink()


def test_what_is_deployed_and_when_it_fires(shop: Shop) -> None:
    shop.make("nightly", "select 1", ScheduleExpressionTimezone="Europe/Berlin")
    shop.make("off", "select 1", State="DISABLED")
    found = schedules.listed(shop.project, shop.local, 3)
    assert not found.firing
    nightly, off = found.schedules
    assert (nightly.name, nightly.timezone, len(nightly.next)) == ("nightly", "Europe/Berlin", 3)
    assert {moment.hour for moment in nightly.next} <= {1, 2} and off.next == () and not off.enabled
    with pytest.raises(UsageError, match=r"there is no schedule 'none', neither deployed.* \(nightly, off\)"):
        schedules.listed(shop.project, shop.local, 1, "none")
    with pytest.raises(UsageError, match=r"no deployed schedule 'none' \(nightly, off\); `zeroshift deploy"):
        schedules.fire(shop.project, shop.local, "none")


def test_schedules_of_the_files_are_shown_beside_what_is_deployed(shop: Shop) -> None:
    directory = shop.project.root / "eventbridge" / "schedules"
    directory.mkdir(parents=True)
    for name in ("nightly", "planned"):
        (directory / f"{name}.toml").write_text('expression = "rate(1 day)"\nstatement = "call ops.x()"\n')
    shop.make("nightly", "select 1")
    shop.make("left", "select 1")
    told = {
        one.name: (one.deployed, one.in_files) for one in schedules.listed(shop.project, shop.local).schedules
    }
    assert told == {"left": (True, False), "nightly": (True, True), "planned": (False, True)}
    (planned,) = schedules.listed(shop.project, Environment("local", "local"), 2, "planned").schedules
    assert len(planned.next) == 2
    # `zeroshift status` holds the runs against what is deployed, where there is anything deployed at all.
    found, note = status.planned(shop.project, shop.local)
    assert [one.name for one in found] == ["left", "nightly"] and note == ""
    found, note = status.planned(shop.project, Environment("local", "local"))
    assert [one.name for one in found] == ["nightly", "planned"] and note == ""


def test_firing_by_hand_without_a_scheduler(shop: Shop) -> None:
    shop.make("good", "select '<aws.scheduler.scheduled-time>'")
    shop.make("typo", "select 1", input={"Sqll": "x"})
    made = schedules.fire(shop.project, shop.local, "good")
    assert (made.state, made.by_hand) == ("DELIVERED", True) and made.statement
    bad = schedules.fire(shop.project, shop.local, "typo")
    assert (bad.state, bad.code) == ("DEAD_LETTERED", "InvalidInput") and "Sqll" in str(bad.message)
    told = schedules.history(shop.project, shop.local)
    assert [one.name for one in told.invocations] == ["typo", "good"]
    assert [(one.queue, one.messages) for one in told.dead_letters] == [("dead", 1)]
    assert schedules.history(shop.project, shop.local, "good").invocations == told.invocations[1:]
    assert schedules.alerts(shop.project, shop.local) == ()


def test_an_environment_in_aws(cloud: Cloud) -> None:
    """The same calls, which here go to the local AWS; firing is a one-time schedule there."""
    group = "zeroshift-shop-prod"
    cloud.aws.call("scheduler", "create_schedule_group", Name=group)
    text = '{"Sql": "<aws.scheduler.scheduled-time>"}'
    target = {"Arn": EXECUTE, "RoleArn": "arn:aws:iam::000000000000:role/x", "Input": text}
    cloud.aws.call(
        "scheduler", "create_schedule", Name="nightly", GroupName=group, ScheduleExpression="cron(0 3 * * ? *)",
        FlexibleTimeWindow={"Mode": "OFF"}, Target=target,
    )  # fmt: skip
    try:
        assert schedules.listed(cloud.project, cloud.prod).firing
        at = schedules.datetime(2026, 1, 31, 3)
        made = schedules.fire(cloud.project, cloud.prod, "nightly", at)
        assert made.state == "PLANNED" and "is then deleted" in str(made.message)
        beside = schedules.listed(cloud.project, cloud.prod).schedules[-1]
        raw = cloud.aws.call("scheduler", "get_schedule", GroupName=group, Name=beside.name)
        assert raw["ActionAfterCompletion"] == "DELETE" and raw["ScheduleExpression"].startswith("at(")
        assert json.loads(raw["Target"]["Input"]) == {"Sql": "2026-01-31T03:00:00Z"}
        told = schedules.history(cloud.project, cloud.prod)
        assert told.invocations == () and "AWS keeps no list" in told.note
        for refused in (schedules.alerts, schedule_service.start):
            with pytest.raises(UsageError, match="SNS keeps no messages|Scheduler fires by itself"):
                refused(cloud.project, cloud.prod)
    finally:
        cloud.aws.call("scheduler", "delete_schedule_group", Name=group)


def test_without_an_aws_side_there_are_no_schedules(cloud: Cloud) -> None:
    here = Environment("local", "local")
    for refused in (schedules.history, schedule_service.start):
        with pytest.raises(
            UsageError, match=r"\[env.local\] has no AWS side, and so no schedules; set aws = true"
        ):
            refused(cloud.project, here)


def test_somebody_who_looks_for_long_whether_a_scheduler_runs_is_waited_for(tmp_path: Path) -> None:
    found = LocalScheduler(tmp_path)
    with found.held():
        with pytest.raises(Unavailable, match="runs already"), LocalScheduler(tmp_path).held():
            pass
    with (found.directory / process.LOCK_FILE).open() as looking:
        # As on a machine that stops somebody between the look and the letting go.
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.3, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with found.held() as ready:
            ready()
            assert found.firing


def test_whoever_fires_by_hand_and_finds_no_scheduler_any_more_or_already_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was there when we looked has ended, and one that was not has begun."""
    shop.make("good", "select 1")
    found = LocalScheduler(shop.project.home)
    looks = iter([True, False])
    with monkeypatch.context() as patched:
        patched.setattr(LocalScheduler, "running", property(lambda self: next(looks)))
        assert schedules.fire(shop.project, shop.local, "good").state == "DELIVERED"
    began = threading.Event()

    def running(self: LocalScheduler) -> bool:
        """No: and then there is one, which calls what waits."""
        if not began.is_set():
            began.set()
            held.__enter__()
            return False
        service.scheduler.step()
        return True

    held, service = found.held(), schedules.open_service(shop.project, shop.local)
    with monkeypatch.context() as patched:
        patched.setattr(LocalScheduler, "running", property(running))
        told: list[str] = []
        made = schedules.fire(shop.project, shop.local, "good", progress=told.append)
    held.__exit__(None, None, None)
    service.close()
    assert (made.state, len(made.attempts), told) == (
        "DELIVERED", 1, ["waiting for the scheduler to call"],
    )  # fmt: skip


def test_a_start_beside_another_one_that_is_not_ready_yet_waits_for_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalScheduler(shop.project.home).held() as ready:
        threading.Timer(0.3, ready).start()
        assert schedule_service.start(shop.project, shop.local).started is False
    # One that has begun behind our look: what we have started finds it, and is not told to people.
    ended = [(None, "zeroshift: the local Scheduler runs already; ..."), (4711, "")]
    monkeypatch.setattr(schedule_service, "_begun", lambda *_: ended.pop(0))
    assert schedule_service.start(shop.project, shop.local) == schedule_service.Running(
        4711, str(LocalScheduler(shop.project.home).log), True
    )


def until(condition: Callable[[], Any], seconds: float = 240) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@pytest.mark.slow
def test_the_process_fires_is_killed_and_goes_on(
    shop: Shop, environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.project.root)

    def fired(name: str) -> list[Any]:
        return [one for one in schedules.history(shop.project, shop.local, name).invocations if one.statement]

    first = schedule_service.start(shop.project, shop.local)
    assert first.started and not schedule_service.start(shop.project, shop.local).started
    shop.make("now", "select 1", "rate(1 minutes)")
    until(lambda: fired("now"))
    assert schedules.fire(shop.project, shop.local, "now").statement
    command = [sys.executable, "-m", "deployer", "schedule"]
    again = subprocess.run([*command, "start"], capture_output=True, text=True)
    assert again.returncode == 1 and "runs already; `zeroshift schedule stop` ends it" in again.stderr
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not LocalScheduler(shop.project.home).running)
    shop.make("missed", "select 1", "rate(1 minutes)")
    assert schedule_service.start(shop.project, shop.local).pid != first.pid
    until(lambda: fired("missed"))
    # Each minute's call is one, also the one that the kill may have cut; how many minutes it took is the machine's.
    times = [one.scheduled for one in fired("now") if not one.by_hand]
    assert len(times) == len(set(times))
    listed = subprocess.run([*command, "list"], capture_output=True, text=True)
    assert listed.returncode == 0 and "rate(1 minutes)" in listed.stdout and "nobody" not in listed.stdout
    told = subprocess.run([*command, "history", "--json"], capture_output=True, text=True)
    # The newest may just be on its way.
    assert "DELIVERED" in {one["state"] for one in json.loads(told.stdout)["invocations"]}
    assert schedule_service.stop(shop.project) and not schedule_service.stop(shop.project)


@pytest.mark.slow
def test_a_start_that_fails_says_why(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSHIFT_DATA_API_PORT", "x")
    monkeypatch.setenv("ZEROSHIFT_HOME", str(shop.project.root / "other"))
    with pytest.raises(Unavailable, match="the local Scheduler did not start: zeroshift: "):
        schedule_service.start(shop.project, shop.local)
    LocalAws(Path(shop.project.root / "other")).down()
