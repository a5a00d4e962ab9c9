"""The MariaDB of `zeroshift local source`: its own data directory below the home, on loopback, going on over kills.

    source = LocalSource(home)
    status = source.up()

Whether it runs is asked of source/server.lock, which the server itself holds for its life and which names its process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pymysql

from deployer.errors import Unavailable
from deployer.local import ports
from deployer.local.landing.tables import SOURCE_DATABASE
from deployer.local.mariadb import schema
from deployer.local.mariadb.schema import ADMIN, REPLICATOR, WRITER
from deployer.local.state import is_held, locked, make_home

HOST = "127.0.0.1"
_UP_SECONDS = 120.0
_STOP_SECONDS = 30.0
_INSTALL_SECONDS = 300.0
_LOCK_SECONDS = 2 * _INSTALL_SECONDS + _UP_SECONDS
"""As long as another first start may take."""
_NEW = "data.new-"

_SETTINGS = (
    "--no-defaults", "--skip-name-resolve", f"--bind-address={HOST}", "--server-id=1", "--local-infile=OFF",
    # What zero-ETL requires of a source (Aurora User Guide, "Setting up zero-ETL integrations").
    "--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL",
    "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=128M", "--innodb-flush-log-at-trx-commit=1",
    "--sync-binlog=1", "--max-allowed-packet=64M", "--performance-schema=OFF",
    # Both relative to the data directory: a socket's path may have about a hundred characters.
    "--socket=server.sock", "--pid-file=server.pid",
)  # fmt: skip

# The lock comes as standard input. The process id is written by who becomes the server, so that no kill parts the two.
_LAUNCH = 'exec 9<&0 </dev/null; echo $$ >&9; exec "$@"'


@dataclass(frozen=True)
class SourceStatus:
    """The local source: `user` may read and write `database`. `port` and `password` are None before the first start.

    `dsn` has no password.
    """

    running: bool
    home: Path
    host: str
    port: int | None
    user: str
    password: str | None
    database: str
    version: str | None = None

    @property
    def dsn(self) -> str | None:
        return f"mysql://{self.user}@{self.host}:{self.port}/{self.database}" if self.port else None


@dataclass(frozen=True)
class _State:
    """The contents of source.json (0600)."""

    port: int
    passwords: dict[str, str]


class LocalSource:
    """The local source whose state lies in `home`. Every method may be killed at any moment and run again."""

    def __init__(self, home: Path) -> None:
        self._root = home.absolute()
        self.directory = self._root / "source"
        self.log = self.directory / "mariadb.log"
        self._data = self.directory / "data"
        self._temporary = self.directory / "tmp"
        self._lock = self.directory / "server.lock"

    @property
    def running(self) -> bool:
        return is_held(self._lock)

    def status(self) -> SourceStatus:
        """Whether it runs, and how to reach it."""
        return self._status(self._read(), self.running)

    def up(self) -> SourceStatus:
        """Start it unless it runs; makes the empty rental database the first time. Raises Unavailable."""
        state = self._read()
        if state is not None and self.running:
            with contextlib.suppress(Unavailable):
                version = self._wait(state)
                # It may have been started anew since, elsewhere.
                return self._status(self._read() or state, True, version)
        server = program()
        make_home(self._root)
        make_home(self.directory)
        with locked(self.directory / "up.lock", _LOCK_SECONDS):
            state = self._read()
            if not self.running:
                self._install(server)
                state = self._started(server, state)
            elif state is None:
                raise Unavailable(
                    f"{self.directory / 'source.json'} is not readable; stop the local source with"
                    " `zeroshift local source stop` and start it again"
                )
            return self._status(state, True, self._wait(state))

    def down(self) -> bool:
        """Stop it; False when it did not run. Its data stays."""
        if not self.directory.exists():
            return False
        with locked(self.directory / "up.lock", _LOCK_SECONDS):
            return self._stop()

    def reset(self) -> None:
        """Stop it and delete all its data, its log included."""
        if not self.directory.exists():
            return
        with locked(self.directory / "up.lock", _LOCK_SECONDS):
            self._stop()
            for tree in (self._data, self._temporary):
                shutil.rmtree(tree, ignore_errors=True)
            self._sweep()
            for path in (*self.directory.glob("*.json"), *self.directory.glob("*.sql")):
                path.unlink()
            self.log.unlink(missing_ok=True)

    def connect(self, account: str = WRITER, **arguments: Any) -> Any:
        """A connection of pymysql to the server, which must run; in UTC. Raises Unavailable."""
        state = self._read()
        if state is None:
            raise Unavailable("the local source does not run; `zeroshift local source start` starts it")
        try:
            return pymysql.connect(
                host=HOST, port=state.port, user=account, password=state.passwords[account], charset="utf8mb4",
                connect_timeout=10, init_command="set time_zone = '+00:00'", **arguments,
            )  # fmt: skip
        except pymysql.MySQLError as error:
            raise Unavailable(
                f"the local source on {HOST}:{state.port} does not answer ({error.args[0]}); see {self.log}"
            ) from None

    def password(self, account: str) -> str:
        """An account's password; the server was started once."""
        state = self._read()
        assert state is not None
        return state.passwords[account]

    # -- below: under up.lock -----------------------------------------------------------------------------------

    def _install(self, server: str) -> None:
        """Make the data directory with the rental database, in one step: a killed attempt is made anew.

        In a directory of its own: what a killed attempt has started may still write to the other one. Temporary files,
        too: a server that starts removes all #sql* from where it keeps them, which are another's tables in /tmp.
        """
        if self._data.exists():
            return
        installer = _find("mariadb-install-db")
        if installer is None:
            raise _missing("mariadb-install-db")
        self._sweep()
        attempt = Path(tempfile.mkdtemp(dir=self.directory, prefix=_NEW))
        new, temporary = attempt / "data", attempt / "tmp"
        temporary.mkdir()
        common = ("--no-defaults", f"--datadir={new}", *_as_root())
        self._run([installer, *common, "--skip-test-db", "--skip-name-resolve"], temporary)
        script = ";\n".join([*schema.database(), ""])
        self._run([server, *common, "--bootstrap"], temporary, script)
        os.replace(new, self._data)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what killed attempts have left."""
        for left in self.directory.glob(f"{_NEW}*"):
            shutil.rmtree(left, ignore_errors=True)

    def _run(self, command: list[str], temporary: Path, given: str = "") -> None:
        with self.log.open("ab") as log:
            try:
                code = subprocess.run(
                    command, input=given.encode(), stdout=log, stderr=log, timeout=_INSTALL_SECONDS, check=False,
                    cwd="/", env=os.environ | {"TMPDIR": str(temporary)},
                ).returncode  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Unavailable(
                    f"{Path(command[0]).name} cannot be run ({error}); see {self.log}"
                ) from None
        if code != 0:
            raise Unavailable(
                f"{Path(command[0]).name} failed with exit code {code}{self._told()}; see {self.log}"
            )

    def _told(self) -> str:
        """The last error in the log, for a message; "" where it tells none."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace").splitlines()
            errors = [line for line in lines if "ERROR" in line or "FATAL" in line]
            return f" ({errors[-1].strip()})" if errors else ""
        return ""

    def _started(self, server: str, before: _State | None) -> _State:
        """Start the server on its old port if that is free; the state as it is then."""
        passwords = before.passwords if before is not None else {}
        made = {
            name: passwords.get(name) or secrets.token_urlsafe(18) for name in (ADMIN, WRITER, REPLICATOR)
        }
        state = _State(_port(before.port if before is not None else 0), made)
        self._write("source.json", json.dumps(asdict(state), indent=2))
        # The accounts belong to this server alone: who replicates it has no use for them.
        script = ";\n".join(["set session sql_log_bin = 0", *schema.accounts(made), ""])
        self._write("accounts.sql", script)
        self._temporary.mkdir(exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.ftruncate(descriptor, 0)
            with self.log.open("ab") as log:
                subprocess.Popen(
                    [
                        "/bin/sh", "-c", _LAUNCH, "sh", server, *_SETTINGS, f"--datadir={self._data}",
                        f"--tmpdir={self._temporary}", f"--port={state.port}",
                        f"--init-file={self.directory / 'accounts.sql'}", *_as_root(),
                    ],
                    stdin=descriptor, stdout=log, stderr=log, start_new_session=True, cwd="/",
                )  # fmt: skip
        finally:
            os.close(descriptor)
        return state

    def _wait(self, state: _State) -> str:
        """Wait until the server answers; returns its version. Raises Unavailable when it ends, or takes too long."""
        deadline = time.monotonic() + _UP_SECONDS
        while True:
            running = self.running
            try:
                with (
                    contextlib.closing(self.connect(ADMIN)) as connection,
                    connection.cursor() as cursor,
                ):
                    cursor.execute("select version()")
                    return str(cursor.fetchone()[0])
            except Unavailable:
                if not running:
                    raise Unavailable(f"the local source did not start; see {self.log}") from None
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _stop(self) -> bool:
        if not self.running:
            return False
        for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 10.0)):
            deadline = time.monotonic() + seconds
            sent = False
            while self.running and time.monotonic() < deadline:
                if not sent and (pid := self._pid()) is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
                    sent = True
                time.sleep(0.02)
        return True

    def _pid(self) -> int | None:
        """The server's process: who holds the lock has written it there."""
        try:
            return int(self._lock.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def _read(self) -> _State | None:
        try:
            return _State(**json.loads((self.directory / "source.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            # A damaged one: passwords are made anew with the next start, the data stays.
            return None

    def _write(self, name: str, text: str) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self.directory, prefix=".new-")
        # mkstemp gives 0600.
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        os.replace(temporary, self.directory / name)

    def _status(self, state: _State | None, running: bool, version: str | None = None) -> SourceStatus:
        return SourceStatus(
            running and state is not None,
            self._root,
            HOST,
            state.port if state is not None else None,
            WRITER,
            state.passwords[WRITER] if state is not None else None,
            SOURCE_DATABASE,
            version,
        )


def program() -> str:
    """Where mariadbd is. Raises Unavailable, naming Debian's package."""
    found = _find("mariadbd")
    if found is None:
        raise _missing("mariadbd")
    return found


def _find(name: str) -> str | None:
    # Debian puts the server where an ordinary user's PATH does not look.
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")


def _missing(name: str) -> Unavailable:
    return Unavailable(
        f"the local source needs {name}, which is not installed; install MariaDB's server (Debian's package"
        " mariadb-server), then repeat"
    )


def _as_root() -> list[str]:
    """MariaDB runs as root only when it is told to."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _port(wanted: int) -> int:
    """`wanted` if nobody has it, else a free one."""
    try:
        return (ports.bound(wanted) if wanted else None) or ports.lasting_port()
    except OSError as error:
        raise Unavailable(str(error)) from None
