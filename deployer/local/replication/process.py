"""The replicator's own process: started with the local warehouse, stopped with it, and going on wherever it was killed.

    python -m deployer.local.replication.process HOME NAME READY_FD

The settings, with the password, come on standard input. It holds replication-NAME.lock for its life; whether it runs is
asked of that lock.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psycopg

from deployer.errors import Unavailable, ZeroshiftError
from deployer.local.replication import sources
from deployer.local.replication.position import PositionLost, SourceLost
from deployer.local.replication.settings import Settings
from deployer.local.replication.state import CONNECTING, ERROR, State
from deployer.local.state import (
    DAEMON_LOCK,
    Process,
    describe,
    is_held,
    is_running,
    read_state,
    take_for_life,
)

log = logging.getLogger("zeroshift.replication")

_STOP_SECONDS = 10.0
_START_SECONDS = 120.0
_ORPHAN_SECONDS = 10.0
"""A replicator whose warehouse has been gone for so long ends."""
_RETRY = {SourceLost: 0.5, psycopg.OperationalError: 0.5}
_RETRY_OTHERS = 3.0


def start(home: Path, settings: Settings) -> bool:
    """Start the replicator unless it runs with these settings; False when it did. Raises Unavailable."""
    if runs_with(home, settings):
        return False
    stop(home, settings.name)
    reader, writer = os.pipe()
    try:
        starter = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "deployer.local.replication.process",
                str(home),
                settings.name,
                str(writer),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        with contextlib.suppress(subprocess.TimeoutExpired):
            starter.communicate(settings.dumps().encode(), timeout=_START_SECONDS)
        # Done long ago, but for one that hangs.
        starter.kill()
        with os.fdopen(reader, "r", closefd=False) as answer:
            line = answer.readline().strip()
    finally:
        os.close(reader)
    if line not in ("ready", "running"):
        raise Unavailable(
            f"replication of {settings.name} did not start; see {log_file(home, settings.name)}"
        )
    return line == "ready"


def runs_with(home: Path, settings: Settings) -> bool:
    """Whether the replicator lives, and was started with these settings, whatever its password was."""
    found = _read(home, settings.name)
    return running(home, settings.name) and found is not None and found[1] == settings.fingerprint


def running(home: Path, name: str) -> bool:
    """Whether the replicator lives."""
    return is_held(_lock(home, name))


def stop(home: Path, name: str) -> bool:
    """Stop the replicator; False when none ran. Killing it loses nothing, so it is not waited for long."""
    lock = _lock(home, name)
    if not is_held(lock):
        return False
    for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 5.0)):
        told: Process | None = None
        deadline = time.monotonic() + seconds
        while is_held(lock) and time.monotonic() < deadline:
            # One that has only just taken the lock writes a moment later who it is.
            found = _read(home, name)
            if found is not None and found[0] != told and is_running(found[0]):
                told = found[0]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(told.pid, number)
            time.sleep(0.02)
    return True


def stop_all(home: Path) -> bool:
    """Stop whatever replicates into this warehouse; False when nothing did."""
    names = [
        path.name.removeprefix("replication-").removesuffix(".lock")
        for path in home.glob("replication-*.lock")
    ]
    return any([stop(home, name) for name in names])


def log_file(home: Path, name: str) -> Path:
    """Where the replicator says what goes on."""
    return home / f"replication-{name}.log"


def _lock(home: Path, name: str) -> Path:
    return home / f"replication-{name}.lock"


def _read(home: Path, name: str) -> tuple[Process, str] | None:
    """The process that took the lock last, and its settings' fingerprint."""
    try:
        found = json.loads(_lock(home, name).read_text(encoding="utf-8"))
        return Process(**found["process"]), found["fingerprint"]
    except (OSError, ValueError, TypeError, KeyError):
        return None


class Replicator:
    """The process's life: one worker after the other. `show` writes into the lock file who it is, or that it ends."""

    def __init__(self, home: Path, settings: Settings, show: Callable[[bool], None]) -> None:
        self.home = home
        self.settings = settings
        self._show = show
        self.stop = threading.Event()
        # The source ends the older one of two connections with the same id: a killed replicator's.
        self.server_id = 0x40000000 | zlib.crc32(f"{home}/{settings.name}".encode()) & 0x3FFFFFFF

    def run(self) -> None:
        alone = time.monotonic()
        ending = False
        while not self.stop.is_set():
            dsn = self._warehouse()
            if dsn is not None:
                if ending:
                    ending = False
                    self._show(True)
                self.stop.wait(self._live(dsn))
                alone = time.monotonic()
            elif ending:
                log.info("the local warehouse is gone")
                return
            elif time.monotonic() - alone > _ORPHAN_SECONDS:
                # Said before the last look: who has started the warehouse since knows that it needs another one.
                ending = True
                self._show(False)
            else:
                self.stop.wait(0.2)

    def _warehouse(self) -> str | None:
        """How the engine is reached; None while the local warehouse does not run."""
        state = read_state(self.home)
        return state.engine_dsn if state is not None and is_held(self.home / DAEMON_LOCK) else None

    def _live(self, dsn: str) -> float:
        """One worker's life; returns the seconds to wait before the next."""
        worker = sources.worker(self.settings, dsn, self.server_id, self.stop)
        try:
            worker.run()
        except PositionLost as error:
            with contextlib.suppress(psycopg.Error):
                worker.lose_position(str(error))
            return 0.0
        except (SourceLost, ZeroshiftError, psycopg.Error) as error:
            passing = isinstance(error, (SourceLost, psycopg.OperationalError))
            log.log(logging.WARNING if passing else logging.ERROR, "%s", error)
            self._tell(dsn, CONNECTING if isinstance(error, SourceLost) else ERROR, str(error).strip())
            return next(
                (seconds for kind, seconds in _RETRY.items() if isinstance(error, kind)), _RETRY_OTHERS
            )
        except Exception as error:
            log.error("internal error\n%s", traceback.format_exc())
            self._tell(dsn, ERROR, f"internal error: {error}")
            return _RETRY_OTHERS
        return 0.0

    def _tell(self, dsn: str, state: str, message: str) -> None:
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection,
        ):
            State(self.settings).set_integration(
                connection, state, message.splitlines()[0] if message else ""
            )


def main() -> int:
    home, name, ready = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    settings = Settings.loads(sys.stdin.read())
    # The starter waits for its child: let that one go, so that nobody has to wait for the replicator.
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    logging.basicConfig(
        filename=log_file(home, name), level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.Formatter.converter = time.gmtime
    descriptor = os.open(_lock(home, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not take_for_life(descriptor):
        os.write(ready, b"running\n")
        return 0
    me = describe(os.getpid())
    assert me is not None

    def show(alive: bool) -> None:
        text = json.dumps({"process": asdict(me), "fingerprint": settings.fingerprint if alive else ""})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)

    show(True)
    replicator = Replicator(home, settings, show)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: replicator.stop.set())
    os.write(ready, b"ready\n")
    os.close(ready)
    replicator.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
