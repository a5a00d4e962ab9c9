"""`zeroshift schedule start` and `stop`: the process that fires the local AWS's schedules."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import Unavailable, UsageError
from deployer.operations.schedules import open_service
from deployer.operations.warehouses import local_environment, local_scheduler
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import LOCAL, Environment

if TYPE_CHECKING:
    from deployer.local.scheduler.process import LocalScheduler
    from deployer.local.scheduler.service import Service

START_SECONDS = 180.0
"""The local Redshift and the local AWS are started, too."""
_LOOK_SECONDS = 0.5
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Running:
    """A scheduler that runs by itself. `log` is its file."""

    pid: int
    log: str
    started: bool


def run(project: Project, environment: Environment, tell: Callable[[str], None]) -> None:
    """Fire schedules, deliver events and execute state machines until a signal (INT, TERM) asks to end.

    `tell` is given a line for each invocation and each alert. Raises UsageError for an environment in AWS, which fires
    by itself, and Unavailable when a scheduler runs already.
    """
    _only_local(project, environment)
    from deployer.local.events.clock import Loop
    from deployer.local.scheduler.process import CALL_SECONDS
    from deployer.local.scheduler.service import POLL

    ended = threading.Event()
    with local_scheduler(project).held() as ready:
        _log_to(str(local_scheduler(project).log))
        before = {number: signal.signal(number, lambda *_: ended.set()) for number in _SIGNALS}
        local_environment(project).ensure_up()
        service = open_service(project, environment)
        loop = Loop(service.clock, service.actors, POLL)
        try:
            tell(
                f"firing the schedules of the local AWS in {environment.remote.region if environment.remote else ''}"
            )
            # Before anything is fired: what it finds is not told.
            told = _Told(service)
            loop.start()
            ready()
            while not ended.wait(_LOOK_SECONDS):
                for line in told.lines():
                    tell(line)
        finally:
            loop.stop(CALL_SECONDS)
            service.close()
            for number, handler in before.items():
                signal.signal(number, handler)


def start(project: Project, environment: Environment) -> Running:
    """Start `run` in the background, unless it runs. Raises Unavailable with its last words when it does not start."""
    _only_local(project, environment)
    from deployer.local.scheduler.process import ALREADY

    found = local_scheduler(project)
    deadline = time.monotonic() + START_SECONDS
    while True:
        if (pid := _other(found, deadline)) is not None:
            return Running(pid, str(found.log), False)
        pid, words = _begun(project, environment, found, deadline)
        if pid is not None:
            return Running(pid, str(found.log), True)
        # Somebody else may have begun between our look and its own, or have fired a schedule by hand.
        if ALREADY not in words:
            raise Unavailable(f"the local Scheduler did not start: {words or f'see {found.log}'}")


def _other(found: LocalScheduler, deadline: float) -> int | None:
    """The process id of a scheduler that somebody has started, once it fires; None when none runs.

    Whoever fires a schedule by hand holds its place for a moment, and so does one that is about to end.
    """
    while found.running:
        if found.firing and (pid := found.pid) is not None:
            return pid
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the local Scheduler that is starting does not get to its work; see {found.log}, then"
                " `zeroshift schedule stop`, and repeat"
            )
        time.sleep(_POLL_SECONDS)
    return None


def _begun(
    project: Project, environment: Environment, found: LocalScheduler, deadline: float
) -> tuple[int | None, str]:
    """The process id of a scheduler that was begun and fires, or None and the last words of one that has ended."""
    found.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with found.log.open("ab") as output:
        begun = output.tell()
        made = subprocess.Popen(
            [sys.executable, "-m", "deployer", "schedule", "start", "--env", environment.name],
            cwd=project.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | {"ZEROSHIFT_HOME": str(project.home)},
        )
    while time.monotonic() < deadline:
        if found.firing and found.pid == made.pid:
            return made.pid, ""
        if made.poll() is not None:
            with found.log.open("rb") as log:
                log.seek(begun)
                words = log.read().decode(errors="replace").strip().splitlines()
            return None, words[-1] if words else ""
        time.sleep(_POLL_SECONDS)
    raise Unavailable(f"the local Scheduler did not start within {START_SECONDS:.0f} s; see {found.log}")


def stop(project: Project) -> bool:
    """End the scheduler that runs; False when none did."""
    return local_scheduler(project).stop()


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Told:
    """What has ended since it was asked last, as lines."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._states = {made.number: made.state for made in service.store.history(count=200)}
        self._told = max((message.number for message in service.executions.messages(1)), default=0)

    def lines(self) -> list[str]:
        found = []
        for made in reversed(self._service.store.history(count=200)):
            if made.ended is not None and self._states.get(made.number) != made.state:
                self._states[made.number] = made.state
                what = f"{made.name} for {made.scheduled:%Y-%m-%d %H:%M:%S} UTC: {made.state}"
                found.append(f"{what} {made.result or made.message or ''}".rstrip())
        for message in reversed(self._service.executions.messages(200)):
            if message.number > self._told:
                self._told = message.number
                topic = message.topic.rpartition(":")[2]
                found.append(f"alert to {topic}: {message.subject or message.message.splitlines()[0]}")
        return found


def _only_local(project: Project, environment: Environment) -> None:
    if environment.kind != LOCAL:
        raise UsageError(
            f"{environment.name} is in AWS, whose Scheduler fires by itself; see `zeroshift schedule list --env"
            f" {environment.name}`"
        )
    if environment.remote is None:
        raise UsageError(
            f"{project.root / CONFIG_FILE}: [env.{environment.name}] has no AWS side, and so no schedules;"
            " set aws = true"
        )


def _log_to(path: str) -> None:
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # boto3 tells of every credential it finds.
    logging.getLogger("botocore").setLevel(logging.WARNING)
