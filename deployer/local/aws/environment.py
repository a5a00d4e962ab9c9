"""Starting and stopping the local AWS, whose state lies in $ZEROSHIFT_HOME/aws.

The state outlives an orderly stop. Killing the daemon (kill -9) stops ministack in order, too: the kernel tells it.
Killing ministack itself loses what happened since its start: it saves on its way out (docs/decisions/0004).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import Unavailable
from deployer.local.state import Process, is_held, is_running, locked, make_home

AWS_DIRECTORY = "aws"
STATE_FILE = "aws.json"
LOCK_FILE = "aws.lock"
UP_LOCK = "aws-up.lock"
LOG_FILE = "aws.log"

UP_SECONDS = 300.0
"""How long to wait for another command that starts or stops it; it may have to do both."""
DOWN_SECONDS = 120.0
HEALTH_SECONDS = 60.0
"""How long a busy machine may take for an answer: one that does not come has a daemon that runs ended and started."""

ACCESS_KEY = "test"
"""The key that ministack takes for the account's root; the secret belongs to no account anywhere."""
SECRET_KEY = "test"


@dataclass(frozen=True)
class AwsStatus:
    """The local AWS at one moment. `endpoint_url` is what AWS_ENDPOINT_URL should say."""

    running: bool
    endpoint_url: str | None
    pid: int | None = None
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    @property
    def variables(self) -> dict[str, str]:
        """What boto3 and the AWS command line need in their environment to come here and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url or "",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }


class LocalAws:
    """The local AWS of a home. Every method may be killed at any moment and run again."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.directory = self.home / AWS_DIRECTORY

    @property
    def running(self) -> bool:
        return is_held(self.directory / LOCK_FILE)

    def status(self) -> AwsStatus:
        """What there is now; starts nothing."""
        state = read(self.directory)
        if state is None or not self.running:
            return AwsStatus(False, None)
        return AwsStatus(True, state.url, state.daemon.pid)

    def up(self, *, enforce: bool = False) -> AwsStatus:
        """Start it, or leave it as it is when it runs and answers.

        `enforce` has IAM policies decide about every call, as in AWS; otherwise everybody may do everything.
        """
        make_home(self.home)
        make_home(self.directory)
        with locked(self.directory / UP_LOCK, wait=UP_SECONDS):
            if not self._answers():
                self._end()
                self._start(enforce)
        return self.status()

    def down(self) -> AwsStatus:
        """Stop it; what it holds stays."""
        if self.directory.exists():
            with locked(self.directory / UP_LOCK, wait=UP_SECONDS):
                self._end()
        return self.status()

    def reset(self) -> None:
        """Stop it and delete what it holds."""
        if not self.directory.exists():
            return
        with locked(self.directory / UP_LOCK, wait=UP_SECONDS):
            self._end()
            for entry in self.directory.iterdir():
                if entry.name == UP_LOCK:
                    continue
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)

    def _answers(self) -> bool:
        state = read(self.directory)
        if state is None or not self.running or not is_running(state.daemon):
            return False
        return health(state.url)

    def _start(self, enforce: bool) -> None:
        reader, writer = os.pipe()
        try:
            try:
                command = [sys.executable, "-m", "deployer.local.aws.daemon", str(self.home), str(writer)]
                starter = subprocess.Popen(
                    [*command, "enforce"] if enforce else command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[writer],
                    start_new_session=True,
                )
            finally:
                os.close(writer)
            starter.wait()
            with os.fdopen(reader, "r", encoding="utf-8", closefd=False) as answer:
                line = answer.readline().strip()
        finally:
            os.close(reader)
        if line != "ready":
            log = self.directory / LOG_FILE
            raise Unavailable(
                line.removeprefix("failed ") or f"the local AWS did not start; see {log}, and repeat"
            )

    def _end(self) -> None:
        lock = self.directory / LOCK_FILE
        for number, seconds in ((signal.SIGTERM, DOWN_SECONDS), (signal.SIGKILL, 30.0)):
            deadline = time.monotonic() + seconds
            asked: Process | None = None
            while is_held(lock) and time.monotonic() < deadline:
                # Of one that is just starting nobody knows the pid before it has written its state.
                state = read(self.directory)
                if state is not None and state.daemon != asked and is_running(state.daemon):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(state.daemon.pid, number)
                    asked = state.daemon
                time.sleep(0.02)
        if is_held(lock):
            raise Unavailable(f"the local AWS of {self.home} does not stop; see {self.directory / LOG_FILE}")


@dataclass(frozen=True)
class AwsState:
    """The contents of aws.json: where the running daemon listens, and which ports to take the next time."""

    port: int
    daemon: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def read(directory: Path) -> AwsState | None:
    """What the last daemon wrote; None when there is none or it cannot be read."""
    try:
        raw = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
        return AwsState(int(raw["port"]), Process(**raw["daemon"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def health(url: str) -> bool:
    """Whether ministack answers there. No proxy of the environment is asked: it is on this machine."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/_ministack/health", timeout=HEALTH_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
