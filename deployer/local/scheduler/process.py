"""The one process of a home that fires schedules: whether it runs, and how to stop it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from deployer.errors import Unavailable
from deployer.local.aws.environment import AWS_DIRECTORY
from deployer.local.state import Process, describe, is_held, is_running, make_home, take_for_life

LOCK_FILE = "scheduler.lock"
STATE_FILE = "scheduler.json"
LOG_FILE = "scheduler.log"
ALREADY = "the local Scheduler runs already"
CALL_SECONDS = 70.0
"""A call that is under way when it is told to end is let end; it has a minute (service.Clients)."""
STOP_SECONDS = 90.0


class Held(Unavailable):
    """Another process is the one that fires."""


class LocalScheduler:
    """The scheduler of a home, whose state lies beside the local AWS's."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.directory = self.home / AWS_DIRECTORY

    @property
    def log(self) -> Path:
        return self.directory / LOG_FILE

    @property
    def running(self) -> bool:
        return is_held(self.directory / LOCK_FILE)

    @property
    def pid(self) -> int | None:
        """The running one's process id."""
        process, _ = self._read()
        return process.pid if process is not None and self.running and is_running(process) else None

    @property
    def firing(self) -> bool:
        """Whether it has started all that it needs."""
        return self.pid is not None and self._read()[1]

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Be the one that fires; what is given says that it does. Raises Held when there is another."""
        make_home(self.home)
        make_home(self.directory)
        descriptor = os.open(self.directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not take_for_life(descriptor):
                raise Held(
                    f"{ALREADY}; `zeroshift schedule stop` ends it, and `zeroshift schedule history` shows what it"
                    " did"
                )
            self._write(ready=False)
            yield lambda: self._write(ready=True)
        finally:
            os.close(descriptor)

    def _write(self, *, ready: bool) -> None:
        process = describe(os.getpid())
        assert process is not None
        temporary = self.directory / f".{STATE_FILE}"
        temporary.write_text(json.dumps({"process": asdict(process), "ready": ready}), encoding="utf-8")
        os.replace(temporary, self.directory / STATE_FILE)

    def stop(self) -> bool:
        """End it, in order; False when none ran. Raises Unavailable when it does not end."""
        if not self.running:
            return False
        deadline = time.monotonic() + STOP_SECONDS
        asked: int | None = None
        while self.running and time.monotonic() < deadline:
            pid = self.pid
            if pid is not None and pid != asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                asked = pid
            time.sleep(0.02)
        if self.running:
            raise Unavailable(f"the local Scheduler does not end; see {self.log}, then kill process {asked}")
        return True

    def _read(self) -> tuple[Process | None, bool]:
        try:
            found = json.loads((self.directory / STATE_FILE).read_text(encoding="utf-8"))
            return Process(**found["process"]), bool(found["ready"])
        except (OSError, ValueError, TypeError, KeyError):
            return None, False
