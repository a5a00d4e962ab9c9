"""Starting, stopping and surviving: each test has an environment of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gateway_wire import Refusal, Wire
from patience import PATIENCE, wait_until

from deployer.errors import Unavailable
from deployer.local.daemon import LOG_FILE, _hold_lock
from deployer.local.environment import LocalEnvironment, Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import Disconnected, message, text
from deployer.local.gateway.errors import ENGINE_STOPPED
from deployer.local.state import DAEMON_LOCK, STATE_FILE, Process, describe, is_running, locked


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEnvironment]:
    if os.environ.get("ZEROSHIFT_POSTGRES_DSN"):
        pytest.skip("these tests kill their PostgreSQL")
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    environment = LocalEnvironment(tmp_path / "home")
    yield environment
    environment.down()


def rows(status: Status, sql: str) -> list[tuple[str | None, ...]]:
    with Wire(status) as wire:
        return wire.login().rows(sql)


def settle(status: Status, sql: str) -> list[tuple[str | None, ...]]:
    """The rows as soon as the environment answers again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return rows(status, sql)
        except (OSError, Refusal, Disconnected):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def fill(status: Status) -> None:
    rows(status, "create table kept (a int); insert into kept values (1), (2)")


def test_up_down_and_up_keep_data_and_password(own: LocalEnvironment) -> None:
    first = own.up()
    fill(first)
    stopped = own.down()
    assert (stopped.running, stopped.pid, stopped.port) == (False, None, first.port)
    again = own.up()
    assert again.password == first.password
    assert rows(again, "select count(*) from kept") == [("2",)]


def test_status_tells_what_runs(own: LocalEnvironment) -> None:
    assert own.status().running is False
    status = own.up()
    assert status.engine_version is not None and status.engine_version.startswith("18.")
    assert status.data_bytes is not None and status.data_bytes > 1_000_000
    with Wire(status) as wire:
        wire.login()
        assert own.status().sessions == 1


def test_secrets_are_private_and_not_in_the_logs(own: LocalEnvironment) -> None:
    status = own.up()
    secret = "Very-Secret-1"
    rows(status, f"create user someone password '{secret}'")
    with Wire(status) as wire, pytest.raises(Refusal):
        wire.login("Wrong-Secret-2", user="someone")
    assert (own.home / STATE_FILE).stat().st_mode & 0o777 == 0o600
    assert own.home.stat().st_mode & 0o777 == 0o700
    for name in (LOG_FILE, "postgres.log"):
        written = (own.home / name).read_text()
        assert secret not in written and "Wrong-Secret-2" not in written and status.password not in written


def test_no_way_into_postgresql_without_its_password(own: LocalEnvironment) -> None:
    psycopg = pytest.importorskip("psycopg")
    status = own.up()
    port = json.loads((own.home / STATE_FILE).read_text())["engine_port"]
    for user in ("rdsdb", "admin", "postgres"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user=user, dbname="dev", password=status.password)


@pytest.mark.slow
def test_reset_begins_anew(own: LocalEnvironment) -> None:
    fill(own.up())
    own.reset()
    assert own.status().running is False
    with Wire(own.up()) as wire:
        assert wire.login().error("select * from kept")["C"] == "42P01"


def test_killed_postgresql_recovers_under_the_same_daemon(own: LocalEnvironment) -> None:
    status = own.up()
    fill(status)
    assert status.engine_pid is not None
    with Wire(status) as wire:
        wire.login().query("begin; insert into kept values (3)")
        os.kill(status.engine_pid, signal.SIGKILL)
        seen = wire.rest()
        assert any(kind == b"E" and b"57P01" in data for kind, data in seen)
    assert settle(status, "select count(*) from kept") == [("2",)]
    assert own.status().pid == status.pid


@pytest.mark.slow
def test_up_waits_until_a_killed_postgresql_has_recovered(own: LocalEnvironment) -> None:
    status = own.up()
    fill(status)
    for _ in range(2):
        assert status.engine_pid is not None
        os.kill(status.engine_pid, signal.SIGKILL)
        status = own.up()
        with Wire(status) as wire:
            assert wire.login().rows("select count(*) from kept") == [("2",)]


def test_killed_backend_recovers(own: LocalEnvironment) -> None:
    status = own.up()
    fill(status)
    with Wire(status) as wire, Wire(status) as other:
        wire.login()
        other.login().query("begin; lock kept")
        other.send(message(b"Q", text("select count(*) from kept")))
        os.kill(wire.key[0], signal.SIGKILL)
        # The one that was killed cannot say a word, PostgreSQL ends the other one with a warning, and the gateway's own
        # connection goes as well: whichever is noticed first, both are told the same.
        for ended in (wire, other):
            told = [codec.unpack_fields(data) for kind, data in ended.rest() if kind in (b"E", b"N")]
            assert [(one["C"], one["M"]) for one in told] == [("57P01", ENGINE_STOPPED)]
    assert settle(status, "select count(*) from kept") == [("2",)]
    # What PostgreSQL could not be told while it recovered it is told later. It may have let somebody in before it had
    # noticed.
    wait_until(lambda: settle(status, "select count(*) from stv_sessions") == [("1",)])


@pytest.mark.slow
def test_killed_daemon_leaves_no_postgresql_behind(own: LocalEnvironment) -> None:
    status = own.up()
    fill(status)
    assert status.pid is not None and status.engine_pid is not None
    orphan = describe(status.engine_pid)
    os.kill(status.pid, signal.SIGKILL)
    if sys.platform == "linux":
        deadline = time.monotonic() + PATIENCE
        while is_running(orphan):
            assert time.monotonic() < deadline, "PostgreSQL outlives the daemon"
            time.sleep(0.05)
    again = own.up()
    assert not is_running(orphan)
    assert rows(again, "select count(*) from kept") == [("2",)]


@pytest.mark.slow
def test_both_killed_at_once(own: LocalEnvironment) -> None:
    status = own.up()
    fill(status)
    assert status.pid is not None and status.engine_pid is not None
    os.kill(status.pid, signal.SIGKILL)
    os.kill(status.engine_pid, signal.SIGKILL)
    assert rows(own.up(), "select count(*) from kept") == [("2",)]


def test_killed_in_the_middle_of_the_first_start(own: LocalEnvironment) -> None:
    # The longest ones kill it while its daemon starts, before that holds the lock and after.
    for delay in (0.05, 0.2, 0.3, 0.35, 0.4, 0.5):
        starter = subprocess.Popen(
            [
                sys.executable, "-c",
                f"from pathlib import Path; from deployer.local.environment import LocalEnvironment as E;"
                f"E(Path({str(own.home)!r})).up()",
            ]
        )  # fmt: skip
        time.sleep(delay)
        starter.kill()
        starter.wait()
        state = own.home / STATE_FILE
        if state.exists():
            daemon = json.loads(state.read_text())["daemon"]
            if daemon and is_running(Process(**daemon)):
                # It may be about to end by itself, since nobody waits for it any more.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(daemon["pid"], signal.SIGKILL)
    assert rows(own.up(), "select 1") == [("1",)]


def test_a_daemon_that_nobody_waits_for_leaves_the_lock_to_others(tmp_path: Path) -> None:
    """Its starter was killed. It would come up as soon as the lock is free, in the way of who starts the next one."""
    reader, writer = os.pipe()
    with locked(tmp_path / DAEMON_LOCK, wait=0):
        os.close(reader)
        assert not _hold_lock(tmp_path, writer)
    os.close(writer)


@pytest.mark.slow
def test_a_lost_or_damaged_state_file_costs_no_data(own: LocalEnvironment) -> None:
    status = own.up()
    fill(status)
    own.down()
    (own.home / STATE_FILE).write_text("{ damaged")
    again = own.up()
    assert again.password != status.password
    assert rows(again, "select count(*) from kept") == [("2",)]


@pytest.mark.slow
def test_a_stale_state_file_of_another_process_is_not_believed(own: LocalEnvironment) -> None:
    own.up()
    own.down()
    state = json.loads((own.home / STATE_FILE).read_text())
    # A pid that is alive, and a port that answers: neither is ours.
    with socket.create_server(("127.0.0.1", 0)) as other:
        state |= {"daemon": {"pid": os.getpid(), "started": "1"}, "port": other.getsockname()[1]}
        (own.home / STATE_FILE).write_text(json.dumps(state))
        assert own.status().running is False
        assert rows(own.up(), "select 1") == [("1",)]


def test_two_ups_at_once_give_one_environment(own: LocalEnvironment) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: LocalEnvironment(own.home).up(), range(3)))
    assert len({(status.pid, status.port) for status in found}) == 1


def test_default_port_when_free_else_another_one_and_said(
    own: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZEROSHIFT_PORT")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            # Somebody else may have it, which serves as well.
            taken.bind(("127.0.0.1", 5439))
            taken.listen()
        status = own.up()
        if status.port == 5439:
            # Whoever had it has let it go.
            own.reset()
            taken.bind(("127.0.0.1", 5439))
            taken.listen()
            status = own.up()
        assert status.port != 5439
        assert "5439 is taken" in status.note and str(status.port) in status.note
        assert rows(status, "select 1") == [("1",)]


def test_a_wanted_port_that_is_taken_is_an_error(
    own: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("ZEROSHIFT_PORT", str(taken.getsockname()[1]))
        with pytest.raises(Unavailable, match="is taken"):
            own.up()
    assert own.status().running is False


@pytest.mark.parametrize("port", ["x", "-1", "70000"])
def test_a_senseless_port_is_an_error(
    own: LocalEnvironment, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("ZEROSHIFT_PORT", port)
    with pytest.raises(Unavailable, match="ZEROSHIFT_PORT"):
        own.up()


@pytest.mark.slow
def test_external_postgresql(own: LocalEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    psycopg = pytest.importorskip("psycopg")
    inner = own.up()
    assert inner.engine_dsn is not None
    with psycopg.connect(inner.engine_dsn, autocommit=True) as connection:
        connection.execute("create database outside")
        connection.execute("create role plain login password 'plain'")
    dsn = psycopg.conninfo.make_conninfo(inner.engine_dsn, dbname="postgres")
    second = LocalEnvironment(tmp_path / "second")
    monkeypatch.setenv("ZEROSHIFT_POSTGRES_DSN", dsn)
    try:
        status = second.up()
        assert (status.engine_pid, status.data_bytes) == (None, None)
        assert rows(status, "select 1") == [("1",)]
        with pytest.raises(Unavailable, match="ZEROSHIFT_POSTGRES_DSN"):
            second.reset()
    finally:
        second.down()
    monkeypatch.setenv("ZEROSHIFT_POSTGRES_DSN", dsn.replace("user=rdsdb", "user=nobody_there"))
    with pytest.raises(Unavailable, match="cannot connect"):
        second.up()
