"""The background process of the local AWS: owns ministack and the front that clients talk to.

    python -m deployer.local.aws.daemon HOME READY_FD [enforce]

It holds aws.lock for its whole life and writes "ready", or "failed " and a sentence, to READY_FD.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from deployer.errors import Unavailable, ZeroshiftError
from deployer.local.aws.backend import Backend
from deployer.local.aws.environment import (
    ACCESS_KEY,
    AWS_DIRECTORY,
    LOCK_FILE,
    LOG_FILE,
    SECRET_KEY,
    STATE_FILE,
    health,
    read,
)
from deployer.local.aws.faults import Faults
from deployer.local.aws.front import Front
from deployer.local.aws.integrations.cloudformation import FRONT
from deployer.local.aws.integrations.rds import Rds
from deployer.local.aws.integrations.redshift import Redshift
from deployer.local.aws.integrations.store import Store
from deployer.local.aws.integrations.target import Targets
from deployer.local.aws.serverless import ACCOUNT, Serverless
from deployer.local.environment import LocalEnvironment
from deployer.local.state import describe, running_state, take_for_life

log = logging.getLogger("zeroshift.aws")

SERVICES = "cloudformation,cloudwatch,dynamodb,events,iam,kms,logs,rds,s3,scheduler,secretsmanager,sns,sqs,states,sts"
START_SECONDS = 180.0
STOP_SECONDS = 90.0
"""ministack saves its state on its way out: being killed before it has, it would lose that."""


class Daemon:
    """ministack, and the front before it."""

    def __init__(self, home: Path, enforce: bool) -> None:
        self.home = home
        self.directory = home / AWS_DIRECTORY
        self.enforce = enforce
        self.child: subprocess.Popen[bytes] | None = None
        self.front: Front | None = None
        self.store: Store | None = None

    def start(self) -> None:
        """Bring both up; raises Unavailable."""
        with _reserved_port() as port:
            self._start(port)

    def _start(self, port: int) -> None:
        backend = f"http://127.0.0.1:{port}"
        known = read(self.directory)
        redshift = Serverless(self.home, backend)
        self.store = Store(self.home)
        targets = Targets(redshift.namespaces, redshift.workgroups)
        redshift.is_modifying, redshift.is_target = self.store.is_creating_into, self.store.is_target
        self.front = Front(
            port,
            {
                "redshift-serverless": redshift,
                "redshift": Redshift(self.store, targets),
                "rds": Rds(self.store, targets, Backend(backend), ACCOUNT),
            },
            {"redshift-data": self._data_api},
            self.directory / "identities.json",
            known.port if known else 0,
            Faults(self.home),
        )
        self.child = self._ministack(port, self.front.port)
        deadline = time.monotonic() + START_SECONDS
        while not health(backend):
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"the local AWS did not start; see {self.directory / LOG_FILE}")
            time.sleep(0.05)
        self.front.start()
        self.store.start()
        self._write()

    def _data_api(self) -> int:
        """The port of the Data API in front of the local Redshift, which is started when it does not run."""
        url = (running_state(self.home) or LocalEnvironment(self.home).ensure_up()).data_api_url
        if url is None:
            raise Unavailable(
                "the local Redshift that runs has no Data API; restart it with `zeroshift local down`"
            )
        return int(url.rpartition(":")[2])

    def _ministack(self, port: int, front: int) -> subprocess.Popen[bytes]:
        temporary = self.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        # Nothing of the user's environment but what a program needs to run: no credentials, no proxies, no Docker.
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL") if key in os.environ}
        settings = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SERVICES": SERVICES,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.directory / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.directory / "s3"),
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AUTH": "true" if self.enforce else "false",
            "LOG_LEVEL": "WARNING",
            # Otherwise its MQTT broker listens on every interface, whatever BIND_HOST says.
            "IOT_MTLS_ENABLED": "0",
            FRONT: f"http://127.0.0.1:{front}",
            # It writes its pid file there, by its port's name.
            "TMPDIR": str(temporary),
        }
        launch = Path(__file__).resolve().parents[1] / "launch.py"
        # SIGTERM when this process dies, however it dies: on that ministack saves its state.
        command = [
            sys.executable, "-I", "-S", str(launch), "-1", "-1", str(int(signal.SIGTERM)), str(os.getpid()), "--",
            sys.executable, "-m", "deployer.local.aws.ministack",
        ]  # fmt: skip
        with (self.directory / LOG_FILE).open("ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=kept | settings
            )

    def _write(self) -> None:
        assert self.front is not None
        process = describe(os.getpid())
        assert process is not None
        descriptor, temporary = tempfile.mkstemp(dir=self.directory, prefix=".aws-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"port": self.front.port, "daemon": asdict(process)}, stream)
        os.replace(temporary, self.directory / STATE_FILE)

    def watch(self, wakeup: int) -> int:
        """Serve until a signal asks to stop, or ministack has died."""
        assert self.child is not None
        while True:
            select.select([wakeup], [], [], 5.0)
            try:
                numbers = os.read(wakeup, 64)
            except BlockingIOError:
                numbers = b""
            if any(number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) for number in numbers):
                return 0
            if self.child.poll() is not None:
                log.error("ministack ended with status %s", self.child.returncode)
                return 1

    def stop(self) -> None:
        """Stop taking calls, then let ministack save its state."""
        if self.store is not None:
            self.store.stop()
        if self.front is not None:
            self.front.close()
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that nobody else is given until ministack listens on it, which takes it a second or more: by Linux's
    rules (socket(7), SO_REUSEADDR) it may listen beside a socket that is only bound. Elsewhere it may not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        if sys.platform != "linux":
            probe.close()
        yield port


def _hold_lock(directory: Path) -> bool:
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return take_for_life(descriptor)


def run(home: Path, ready: int, enforce: bool) -> int:
    """The daemon's life. Its exit code."""
    directory = home / AWS_DIRECTORY
    logging.basicConfig(
        filename=directory / LOG_FILE,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )

    def tell(line: str) -> None:
        os.write(ready, (line + "\n").encode())
        os.close(ready)

    if not _hold_lock(directory):
        tell("failed the local AWS is running already")
        return 1
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    daemon = Daemon(home, enforce)
    try:
        daemon.start()
    except ZeroshiftError as error:
        daemon.stop()
        tell(f"failed {error}")
        return 1
    except Exception:
        log.exception("start failed")
        daemon.stop()
        tell(f"failed the local AWS did not start; see {directory / LOG_FILE}")
        return 1
    tell("ready")
    try:
        return daemon.watch(reader)
    finally:
        daemon.stop()


def main() -> int:
    home, ready, enforce = Path(sys.argv[1]), int(sys.argv[2]), "enforce" in sys.argv[3:]
    # The starter waits for its child: let that one go, so that nobody has to wait for the daemon.
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    code = run(home, ready, enforce)
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
