"""The MariaDB of `zeroshift local source`: made once, going on over kills, reached by its own accounts only."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from deployer.errors import Unavailable
from deployer.local.landing.tables import TABLES
from deployer.local.mariadb import server
from deployer.local.mariadb.schema import ADMIN, REPLICATOR, WRITER
from deployer.local.mariadb.server import LocalSource


@pytest.fixture
def local_source(tmp_path: Path) -> Iterator[LocalSource]:
    try:
        server.program()
    except Unavailable as error:
        pytest.skip(str(error))
    made = LocalSource(tmp_path / "home")
    yield made
    made.down()
    # A hundred megabytes.
    made.reset()


def ask(source: LocalSource, statement: str, account: str = WRITER) -> list[tuple[object, ...]]:
    with (
        contextlib.closing(source.connect(account, autocommit=True)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return list(cursor.fetchall())


def test_it_goes_on_where_it_was_killed(local_source: LocalSource) -> None:
    assert not local_source.status().running
    assert not local_source.down()
    # A first start that was killed amid the installation.
    half = local_source.directory / "data.new-killed" / "mysql"
    half.mkdir(parents=True)
    first = local_source.up()
    assert first.running and first.dsn == f"mysql://rental@127.0.0.1:{first.port}/rental"
    assert {name for (name,) in ask(local_source, "show tables in rental")} == {
        table.name for table in TABLES
    }
    assert not half.exists()
    ask(local_source, "insert into rental.bookings (booking_id, total_price) values (1, 2.5)")

    os.kill(int((local_source.directory / "server.lock").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 120
    while local_source.running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not local_source.status().running
    again = local_source.up()
    assert (again.port, again.password) == (first.port, first.password)
    assert ask(local_source, "select booking_id, total_price from rental.bookings")[0][0] == 1

    # Its state is lost: new passwords, the same rows.
    assert local_source.down()
    (local_source.directory / "source.json").unlink()
    assert local_source.status().port is None
    assert local_source.up().password != first.password
    assert len(ask(local_source, "select 1 from rental.bookings")) == 1


def test_its_accounts_and_files(
    local_source: LocalSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where all keep their temporary files there is a table of another server, which runs.
    another = tmp_path / "temporary" / "#sql-temptable-1-1-1.MAI"
    another.parent.mkdir()
    another.touch()
    monkeypatch.setenv("TMPDIR", str(another.parent))
    found = local_source.up()
    assert another.exists()
    assert found.port is not None and found.password is not None
    with pytest.raises(pymysql.err.OperationalError):
        pymysql.connect(host="127.0.0.1", port=found.port, user="root")
    with pytest.raises(pymysql.err.OperationalError):
        ask(local_source, "select * from mysql.user")
    with pytest.raises(pymysql.err.OperationalError):
        ask(local_source, "insert into rental.bookings (booking_id) values (2)", REPLICATOR)
    secrets = [local_source.password(name) for name in (ADMIN, WRITER, REPLICATOR)]
    assert len(set(secrets)) == 3
    for path in local_source.directory.iterdir():
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        if path.name == "source.json":
            assert path.stat().st_mode & 0o077 == 0
        else:
            assert not any(secret in text for secret in secrets), path
    # What replicates it never sees the accounts being made.
    events = ask(local_source, "show binlog events", ADMIN)
    assert not any("replicator" in str(event) for event in events)

    local_source.reset()
    assert not local_source.running and local_source.status().port is None


def test_mariadb_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_find", lambda name: None)
    with pytest.raises(Unavailable, match="package mariadb-server"):
        LocalSource(tmp_path).up()
