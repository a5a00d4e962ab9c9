"""The background process of the local environment: owns PostgreSQL and the gateway.

    python -m deployer.local.daemon HOME READY_FD

Started by `environment`, which reads one line from READY_FD: "ready", or "failed " and a sentence. It holds
daemon.lock for its whole life. When PostgreSQL dies it tells the sessions, starts it again (crash recovery) and goes
on; when it is itself killed, PostgreSQL is shut down by the kernel's signal or by the next start.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from deployer.errors import Unavailable, ZeroshiftError
from deployer.local.aws.environment import AWS_DIRECTORY
from deployer.local.bootstrap import Server, prepare
from deployer.local.certificate import server_context
from deployer.local.data_api.service import DataApi, settings
from deployer.local.engine import Engine
from deployer.local.events.store import sink
from deployer.local.files.s3 import ENDPOINT, Connector
from deployer.local.gateway.errors import ENGINE_STOPPED
from deployer.local.gateway.mirror import Mirror
from deployer.local.gateway.server import Gateway
from deployer.local.memory import give_back
from deployer.local.state import (
    DAEMON_LOCK,
    LOG_FILE,
    OWNER_LOCK,
    State,
    describe,
    forget_processes,
    is_held,
    is_running,
    new_state,
    read_state,
    write_state,
)

log = logging.getLogger("zeroshift.daemon")

RESTARTS = 5
RESTART_SECONDS = 60.0
"""More than RESTARTS deaths of PostgreSQL within RESTART_SECONDS: give up."""


class Daemon:
    """One environment's running parts."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.engine: Engine | None = None
        self.gateway: Gateway | None = None
        self.data_api: DataApi | None = None
        self.mirror: Mirror | None = None
        self.state: State = read_state(home) or new_state()
        self._external = os.environ.get("ZEROSHIFT_POSTGRES_DSN", "")
        self._is_owned = (home / OWNER_LOCK).exists()

    def start(self) -> None:
        """Bring everything up and write local.json; raises a ZeroshiftError."""
        # Made while PostgreSQL starts, which takes longer.
        encryption = ThreadPoolExecutor(1, "certificate").submit(server_context, self.home)
        known = read_state(self.home) is not None
        self.state = forget_processes(self.state)
        if not self._external:
            self.engine = Engine(self.home, self.state.engine_password)
            made = not (self.home / "postgres" / "PG_VERSION").exists()
            self.engine.create()
            if not known:
                # Written first: a password that only the database knows would be lost by a kill in between.
                write_state(self.home, self.state)
                if not made:
                    self.engine.reset_password()
            self.engine.start()
        server = self._prepare()
        wanted = os.environ.get("ZEROSHIFT_PORT")
        self.gateway = Gateway(server.target, _port(wanted), self.state.port, storage=Connector(self.home))
        self.gateway.tls = encryption.result()
        self.gateway.start()
        gateway = self.gateway
        self.mirror = Mirror(self.home, lambda: gateway.internal)
        self.mirror.start()
        self.data_api = self._data_api(self.gateway)
        self.data_api.start()
        self.state = replace(
            self.state,
            port=self.gateway.port,
            data_api_url=self.data_api.url,
            s3_endpoint=os.environ.get(ENDPOINT) or None,
            note=self.gateway.note,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._write(server)
        log.info("listening on %s:%s, PostgreSQL %s", self.gateway.host, self.gateway.port, server.version)

    def _data_api(self, gateway: Gateway) -> DataApi:
        """The Data API in front of the gateway, at the port of last time if that can be."""
        last = (self.state.data_api_url or "").rpartition(":")[2]
        return DataApi(
            self.home,
            gateway.host,
            gateway.port,
            self.state.user,
            gateway.passes.issue,
            fallback=int(last) if last.isdigit() else None,
            sink=sink(self.home / AWS_DIRECTORY),
            query_ids=gateway.newest_query,
            query_uuids=gateway.query_uuid,
            **settings(),
        )

    def _prepare(self) -> Server:
        if self._external:
            return prepare(self._external, self.state.database, self.state.user, self.state.password)
        assert self.engine is not None
        dsn = self.engine.dsn.replace("dbname=dev", "dbname=postgres")
        return prepare(dsn, self.state.database, self.state.user, self.state.password)

    def _write(self, server: Server) -> None:
        process = self.engine.process if self.engine else None
        self.state = replace(
            self.state,
            engine_port=self.engine.port if self.engine else None,
            engine_dsn=server.dsn,
            daemon=describe(os.getpid()),
            engine=describe(process.pid) if process else None,
        )
        write_state(self.home, self.state)

    def watch(self, wakeup: int) -> int:
        """Serve until a signal asks to stop; returns the exit code. `wakeup` is readable after every signal."""
        deaths: list[float] = []
        while True:
            select.select([wakeup], [], [], 5.0)
            give_back()
            if self._is_owned and not is_held(self.home / OWNER_LOCK):
                log.info("the process that this environment was made for is gone")
                return 0
            try:
                numbers = os.read(wakeup, 64)
            except BlockingIOError:
                numbers = b""
            if any(number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) for number in numbers):
                return 0
            if self.engine is None or self.engine.process is None or self.engine.process.poll() is None:
                continue
            now = time.monotonic()
            deaths = [moment for moment in deaths if now - moment < RESTART_SECONDS] + [now]
            log.error("PostgreSQL ended with status %s", self.engine.process.returncode)
            assert self.gateway is not None
            self.gateway.end_sessions("57P01", ENGINE_STOPPED)
            if self.data_api is not None:
                self.data_api.executor.drop_idle()
            if len(deaths) > RESTARTS:
                log.error(
                    "PostgreSQL died %s times within %s seconds: giving up", len(deaths), RESTART_SECONDS
                )
                return 1
            self.engine.start()
            try:
                server = self._prepare()
                self.gateway.moved(server.target)
            except Exception:
                if not self.engine.has_ended():
                    raise
                log.exception("PostgreSQL has ended again already")
                continue
            self._write(server)
            log.info("PostgreSQL was started again")

    def stop(self) -> None:
        """End statements and sessions, shut PostgreSQL down."""
        if self.data_api is not None:
            self.data_api.stop()
        if self.mirror is not None:
            self.mirror.stop()
        if self.gateway is not None:
            self.gateway.close()
        if self.engine is not None:
            self.engine.stop()
        write_state(self.home, forget_processes(self.state))


def _port(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not text.isdigit() or int(text) > 65535:
        raise Unavailable(f"ZEROSHIFT_PORT is {text!r}; it must be a port number, or 0 for any free one")
    return int(text)


_LOCK_SECONDS = 60.0
"""How long a daemon that is up may keep the lock before a second one gives way. The first one's starter was killed,
so it ends, which takes a while."""
_STARTING_SECONDS = 180.0


def _is_gone(ready: int) -> bool:
    """Whether nobody waits any more for what this daemon says."""
    poll = select.poll()
    poll.register(ready, 0)
    return bool(poll.poll(0))


def _hold_lock(home: Path, ready: int) -> bool:
    """Take daemon.lock for the rest of this process's life. False when another daemon keeps it, or nobody waits."""
    descriptor = os.open(home / DAEMON_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    began = seen = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            # Somebody may be looking whether the lock is held; or a daemon whose starter was killed is still starting,
            # and ends when it comes to say so.
            now, state = time.monotonic(), read_state(home)
            if state is None or not is_running(state.daemon):
                seen = now
            late = now - seen > _LOCK_SECONDS or now - began > _STARTING_SECONDS
            if late or _is_gone(ready):
                return False
            time.sleep(0.02)


def run(home: Path, ready: int) -> int:
    """The daemon's life. Its exit code."""
    logging.basicConfig(
        filename=home / LOG_FILE, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.Formatter.converter = time.gmtime

    def tell(line: str) -> bool:
        """Tell the starter; False when it is gone."""
        try:
            os.write(ready, (line + "\n").encode())
        except BrokenPipeError:
            log.info("whoever has started this is gone")
            return False
        finally:
            os.close(ready)
        return True

    if not _hold_lock(home, ready):
        tell("failed the local Redshift is running already")
        return 1
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else _pipe()
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    daemon = Daemon(home)
    try:
        daemon.start()
    except ZeroshiftError as error:
        daemon.stop()
        tell(f"failed {error}")
        return 1
    except Exception:
        log.error("start failed\n%s", traceback.format_exc())
        daemon.stop()
        tell(f"failed the local Redshift did not start; see {home / LOG_FILE}")
        return 1
    try:
        return daemon.watch(reader) if tell("ready") else 1
    except ZeroshiftError as error:
        log.error("%s", error)
        return 1
    except Exception:
        log.error("internal error\n%s", traceback.format_exc())
        return 1
    finally:
        daemon.stop()


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return reader, writer


def main() -> int:
    home, ready = Path(sys.argv[1]), int(sys.argv[2])
    # The starter waits for its child: let that one go, so that nobody has to wait for the daemon.
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    code = run(home, ready)
    logging.shutdown()
    # Sessions' threads may still wait for their sockets.
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
