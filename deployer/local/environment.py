"""The local environment as the rest of the program sees it: up, down, status, reset.

environment = LocalEnvironment.here()      # $ZEROSHIFT_HOME, or .zeroshift in the current directory
status = environment.ensure_up()
redshift_connector.connect(host=status.host, port=status.port, ...)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deployer import __version__
from deployer.errors import Unavailable
from deployer.local.data_api.store import FILE as STORE_FILE
from deployer.local.engine import Engine, directory_size
from deployer.local.gateway.codec import SSL_REQUEST
from deployer.local.state import (
    DAEMON_LOCK,
    LOG_FILE,
    STATE_FILE,
    UP_LOCK,
    State,
    forget_processes,
    is_held,
    is_running,
    locked,
    make_home,
    new_state,
    read_state,
    write_state,
)

UP_SECONDS = 300.0
DOWN_SECONDS = 180.0
_ANSWER_SECONDS = 30
"""A daemon or a PostgreSQL that is there answers at once, and later than that only if it hangs."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Status:
    """The environment at one moment. What belongs to a running one is None when it is not running.

    `engine_dsn` reaches PostgreSQL itself as its superuser. `s3_endpoint`: where UNLOAD and COPY find S3, when that is
    not the local AWS. `data_bytes` is the size of its directory (None with
    ZEROSHIFT_POSTGRES_DSN). `note` says what the user should know, e.g. that port 5439 was taken.
    """

    running: bool
    version: str
    home: Path
    host: str
    port: int | None
    user: str
    password: str
    database: str
    data_api_url: str | None = None
    s3_endpoint: str | None = None
    engine_dsn: str | None = None
    pid: int | None = None
    engine_pid: int | None = None
    engine_version: str | None = None
    data_bytes: int | None = None
    sessions: int | None = None
    started_at: str | None = None
    note: str = ""


class LocalEnvironment:
    """The local Redshift whose state lies in `home`. Every method may be killed at any moment and run again."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()

    @classmethod
    def here(cls) -> LocalEnvironment:
        """The environment of $ZEROSHIFT_HOME, by default .zeroshift in the current directory."""
        return cls(Path(os.environ.get("ZEROSHIFT_HOME") or ".zeroshift"))

    # -- questions --------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether the daemon lives. A crashed one's lock is gone with it."""
        return is_held(self.home / DAEMON_LOCK)

    def status(self) -> Status:
        """What there is now; starts nothing and changes nothing."""
        state = read_state(self.home)
        running = self.running
        if state is None:
            state = new_state()
            return Status(False, __version__, self.home, state.host, None, state.user, "", state.database)
        return self._status(state, running)

    def _status(self, state: State, running: bool) -> Status:
        data = self.home / "postgres"
        size = directory_size(data) if data.exists() else None
        if not running:
            return Status(
                False, __version__, self.home, state.host, state.port, state.user, state.password, state.database,
                data_bytes=size,
            )  # fmt: skip
        version, sessions = _ask(state.engine_dsn)
        return Status(
            running=True,
            version=__version__,
            home=self.home,
            host=state.host,
            port=state.port,
            user=state.user,
            password=state.password,
            database=state.database,
            data_api_url=state.data_api_url,
            s3_endpoint=state.s3_endpoint,
            engine_dsn=state.engine_dsn,
            pid=state.daemon.pid if state.daemon else None,
            engine_pid=state.engine.pid if state.engine else None,
            engine_version=version,
            data_bytes=size,
            sessions=sessions,
            started_at=state.started_at,
            note=state.note,
        )

    # -- changes ----------------------------------------------------------------------------------------------

    def up(self) -> Status:
        """Start the environment, or leave it as it is when it runs and answers. Two at once give one environment."""
        make_home(self.home)
        with locked(self.home / UP_LOCK, wait=UP_SECONDS):
            if not self._answers():
                self._end_daemon()
                self._start_daemon()
            return self._when_ready()

    def _when_ready(self) -> Status:
        """The status, once PostgreSQL answers too: after a crash it recovers while the gateway already listens."""
        deadline = time.monotonic() + UP_SECONDS
        while True:
            state = read_state(self.home)
            if state is None:
                raise Unavailable(
                    f"{self.home / STATE_FILE} is not readable; `zeroshift local reset --yes` makes it anew"
                )
            status = self._status(state, True)
            if status.engine_version is not None:
                return status
            if not self.running or time.monotonic() > deadline:
                raise Unavailable(
                    f"the local Redshift's PostgreSQL does not answer; see {self.home / LOG_FILE},"
                    " then `zeroshift local down` and `zeroshift local up`"
                )
            time.sleep(_POLL_SECONDS)

    def ensure_up(self) -> Status:
        """As `up`: for commands that need the environment whoever has started it."""
        return self.up()

    def down(self) -> Status:
        """Stop the environment; the data stay. Nothing happens when it does not run."""
        if self.home.exists():
            with locked(self.home / UP_LOCK, wait=UP_SECONDS):
                self._end_daemon()
        return self.status()

    def reset(self) -> Status:
        """Stop the environment and remove its data and passwords: the next start makes a new warehouse."""
        if not self.home.exists():
            return self.status()
        with locked(self.home / UP_LOCK, wait=UP_SECONDS):
            self._end_daemon()
            if os.environ.get("ZEROSHIFT_POSTGRES_DSN"):
                raise Unavailable(
                    "the data lie in the PostgreSQL of ZEROSHIFT_POSTGRES_DSN: drop its database dev yourself, "
                    "or unset the variable"
                )
            if (self.home / "postgres").exists() or (self.home / "postgres").is_symlink():
                Engine(self.home, "").destroy()
            for name in (STATE_FILE, LOG_FILE, "postgres.log"):
                (self.home / name).unlink(missing_ok=True)
            for leftover in self.home.glob(STORE_FILE + "*"):
                # SQLite's own files stand beside it.
                leftover.unlink()
            for leftover in self.home.glob("postgres.new*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        return self.status()

    def _answers(self) -> bool:
        """Whether the daemon lives and its gateway answers a request for SSL, with or without a certificate."""
        state = read_state(self.home)
        if not self.running or state is None or state.port is None or not is_running(state.daemon):
            return False
        try:
            with socket.create_connection((state.host, state.port), timeout=_ANSWER_SECONDS) as probe:
                probe.sendall(struct.pack("!II", 8, SSL_REQUEST))
                return probe.recv(1) in (b"N", b"S")
        except OSError:
            return False

    def _start_daemon(self) -> None:
        reader, writer = os.pipe()
        try:
            # What stops the daemon before it can write its log, e.g. a module that is missing, stands there as well.
            try:
                with (self.home / LOG_FILE).open("ab") as log:
                    starter = subprocess.Popen(
                        [sys.executable, "-m", "deployer.local.daemon", str(self.home), str(writer)],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=log,
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
            # It has said why, and is about to end.
            deadline = time.monotonic() + DOWN_SECONDS
            while self.running and time.monotonic() < deadline:
                time.sleep(0.02)
            reason = (
                line.removeprefix("failed ")
                or f"the local Redshift did not start; see {self.home / LOG_FILE}"
            )
            raise Unavailable(reason)

    def _end_daemon(self) -> None:
        """Stop a running daemon, and note in local.json that nothing runs (also after a crash)."""
        state = read_state(self.home)
        lock = self.home / DAEMON_LOCK
        for number, seconds in ((signal.SIGTERM, DOWN_SECONDS), (signal.SIGKILL, 30.0)):
            deadline = time.monotonic() + seconds
            asked = None
            while is_held(lock) and time.monotonic() < deadline:
                # Of one that is just starting nobody knows the pid before it has written its state.
                state = read_state(self.home) or state
                daemon = state.daemon if state is not None else None
                if daemon is not None and daemon != asked and is_running(daemon):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(daemon.pid, number)
                    asked = daemon
                time.sleep(0.02)
        if is_held(lock):
            raise Unavailable(f"the daemon of {self.home} does not stop")
        if state is not None and state.daemon is not None:
            write_state(self.home, forget_processes(read_state(self.home) or state))


def _ask(dsn: str | None) -> tuple[str | None, int | None]:
    """PostgreSQL's version and the number of the gateway's sessions; None when it does not answer just now."""
    import psycopg

    if dsn is None:
        return None, None
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=_ANSWER_SECONDS) as connection:
            row = connection.execute(
                "select current_setting('server_version'), (select count(*) from zeroshift.sessions)"
            ).fetchone()
    except psycopg.Error:
        return None, None
    return (None, None) if row is None else (row[0], row[1])
