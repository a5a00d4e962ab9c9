"""What the local environment remembers between commands: $ZEROSHIFT_HOME/local.json, and how its locks are told."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deployer.errors import Unavailable

STATE_FILE = "local.json"
LOG_FILE = "gateway.log"
"""Where the daemon writes what goes on."""
DAEMON_LOCK = "daemon.lock"
"""Held exclusively by the daemon for its whole life: whether it runs is asked of this lock, never of a pid."""
UP_LOCK = "up.lock"
"""Held by a command while it starts or stops the daemon, so that two at once give one environment."""
OWNER_LOCK = "owner.lock"
"""Held by the process that a scratch environment was made for; where it stands, the daemon ends with its holder."""


@dataclass(frozen=True)
class Process:
    """A process by its id and the instant it started: an id alone may have been given to another since."""

    pid: int
    started: str


@dataclass(frozen=True)
class State:
    """The contents of local.json. Secrets stand in it, so the file is readable by its owner only (0600).

    `data_api_url` is where the Data API listens, `s3_endpoint` where UNLOAD and COPY find S3, None for the local AWS.
    `engine_dsn` reaches PostgreSQL itself as its superuser: for this package's own tools (landing, tests), never for a
    user's SQL.
    """

    host: str
    port: int | None
    user: str
    password: str
    database: str
    engine_password: str
    engine_port: int | None = None
    engine_dsn: str | None = None
    data_api_url: str | None = None
    s3_endpoint: str | None = None
    daemon: Process | None = None
    engine: Process | None = None
    started_at: str | None = None
    note: str = ""


def new_state() -> State:
    """A state with fresh passwords and nothing running."""
    return State(
        host="127.0.0.1",
        port=None,
        user="admin",
        password=secrets.token_urlsafe(18),
        database="dev",
        engine_password=secrets.token_urlsafe(24),
    )


def read_state(home: Path) -> State | None:
    """The remembered state, or None when there is none or it cannot be read as one."""
    try:
        raw: dict[str, Any] = json.loads((home / STATE_FILE).read_text(encoding="utf-8"))
        for key in ("daemon", "engine"):
            if raw.get(key) is not None:
                raw[key] = Process(**raw[key])
        return State(**raw)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        # A file of another version, or a damaged one: passwords are made anew, the data stays.
        return None


def write_state(home: Path, state: State) -> None:
    """Replace local.json in one step, so that a reader never sees half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=home, prefix=".local-")
    try:
        # mkstemp gives 0600.
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(state), stream, indent=2)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, home / STATE_FILE)
    except BaseException:
        os.unlink(temporary)
        raise


def forget_processes(state: State) -> State:
    """`state` as it is when nothing runs; passwords and ports are kept for the next start."""
    return replace(state, daemon=None, engine=None, engine_dsn=None, started_at=None, note="")


def running_state(home: Path) -> State | None:
    """What the daemon that runs has written when all of it listened; None when none runs, or not yet. Nobody is asked:
    a daemon that hangs looks the same."""
    state = read_state(home)
    if state is None or not is_held(home / DAEMON_LOCK) or not is_running(state.daemon):
        return None
    return state


def make_home(home: Path) -> None:
    """Create the environment's directory, private to its owner."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(
            f"cannot create {home}: {error.strerror}; set ZEROSHIFT_HOME to a directory of yours"
        ) from error


@contextmanager
def locked(path: Path, wait: float) -> Iterator[None]:
    """Hold `path` exclusively; Unavailable when another process keeps it for `wait` seconds."""
    with path.open("a") as stream:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"another process holds {path} for {wait:.0f} seconds; wait for it to end and repeat"
                    ) from None
                time.sleep(0.02)
        yield


def take_for_life(descriptor: int) -> bool:
    """Hold the open file exclusively until this process ends; False when another process does.

    Who only asks, `is_held`, shares it for a moment, and is waited for.
    """
    while not _taken(descriptor, fcntl.LOCK_EX):
        if not _taken(descriptor, fcntl.LOCK_SH):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(0.005)
    return True


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    """Whether some process holds `path` exclusively."""
    try:
        with path.open("r") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def describe(pid: int) -> Process | None:
    """The process that has `pid` now, or None when there is none (or only its zombie)."""
    if sys.platform == "linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The command's name stands in parentheses and may hold anything; fields count from behind it.
        fields = text[text.rindex(")") + 2 :].split()
        return None if fields[0] in ("Z", "X") else Process(pid, fields[19])
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    words = answer.stdout.split(None, 1)
    if answer.returncode != 0 or len(words) != 2 or words[0].startswith("Z"):
        return None
    return Process(pid, words[1].strip())


def is_running(process: Process | None) -> bool:
    """Whether exactly this process, not another that was given its id, is running."""
    return process is not None and describe(process.pid) == process
