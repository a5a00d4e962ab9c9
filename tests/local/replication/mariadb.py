"""A MariaDB of its own for tests: its own data directory, on loopback, stopped by its own process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pymysql

from deployer.local.ports import lasting_port
from deployer.local.replication.position import Position
from deployer.local.replication.settings import Settings

USER = "replicator"
PASSWORD = "not a secret: it's for tests"
_SETTINGS = (
    "--no-defaults", "--skip-name-resolve", "--bind-address=127.0.0.1", "--log-bin=binlog", "--server-id=1",
    "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL",
    "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=128M", "--innodb-flush-log-at-trx-commit=1",
    "--sync-binlog=0", "--max-allowed-packet=64M", "--performance-schema=OFF", "--innodb-log-file-size=64M",
)  # fmt: skip


def program() -> str | None:
    """Where mariadbd is; Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class MariaDb:
    """A server in `directory`. `start` and `stop` may alternate; the port stays."""

    schema = "rental"

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.log = directory / "mariadb.log"
        # A socket's path may have about a hundred characters, and pytest's directories are long. Temporary files lie
        # here, too: a server that starts removes another's from a directory that they share.
        self._runtime = Path(tempfile.mkdtemp(prefix="zs-mdb-"))
        self.port = lasting_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._user = ["--user=root"] if os.geteuid() == 0 else []

    def create(self) -> None:
        installer = shutil.which("mariadb-install-db")
        assert installer is not None
        subprocess.run(
            [
                installer, "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
                "--auth-root-authentication-method=normal", *self._user,
            ],
            check=True, capture_output=True, timeout=300, env=os.environ | {"TMPDIR": str(self._runtime)},
        )  # fmt: skip

    def start(self, *settings: str) -> None:
        server = program()
        assert server is not None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    server, *_SETTINGS, f"--datadir={self.data}", f"--port={self.port}",
                    f"--tmpdir={self._runtime}", f"--socket={self._runtime / 's'}",
                    f"--pid-file={self._runtime / 'pid'}", *self._user, *settings,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 120
        while True:
            try:
                with self._root(database=None) as connection:
                    self._create_user(connection)
                return
            except pymysql.err.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"MariaDB did not start; see {self.log}") from None
                time.sleep(0.05)

    def _create_user(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("create or replace user %s@'127.0.0.1' identified by %s", (USER, PASSWORD))
            cursor.execute(f"grant select, replication slave, binlog monitor on *.* to '{USER}'@'127.0.0.1'")

    def _root(self, database: str | None) -> Any:
        return pymysql.connect(
            unix_socket=str(self._runtime / "s"), user="root", database=database, autocommit=True,
            charset="utf8mb4", local_infile=True,
        )  # fmt: skip

    def connect(self, database: str | None = "rental") -> Any:
        """A connection as root, autocommit."""
        return self._root(database)

    def settings(self, filter_text: str | None = None, **more: Any) -> Settings:
        text = filter_text or "include: rental.*"
        return Settings(
            "rental", "127.0.0.1", self.port, USER, PASSWORD, "rental", "rental_landing", text, **more
        )

    def position(self) -> Position:
        """The end of everything that it has committed."""
        with contextlib.closing(self._root(None)) as connection, connection.cursor() as cursor:
            cursor.execute("show master status")
            file, at = cursor.fetchone()[:2]
        return Position(file, at)

    def execute(self, *statements: str, database: str | None = "rental") -> None:
        with contextlib.closing(self._root(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def destroy(self) -> None:
        self.stop()
        shutil.rmtree(self._runtime, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
