"""`zeroshift integration` and the rental pipeline over a real MariaDB, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mariadb import PASSWORD, USER, MariaDb

from deployer.local.environment import LocalEnvironment
from deployer.local.landing.tables import TABLES
from deployer.local.replication import process

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
Zeroshift = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def zeroshift(source_server: MariaDb, tmp_path: Path) -> Iterator[Zeroshift]:
    """Runs the command in a project of its own, with the repository's SQL and a MariaDB as source."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("procedures", "migrations"):
        (project / name).symlink_to(ROOT / name)
    (project / "zeroshift.toml").write_text(
        '[project]\nname = "rental"\n[env.local]\nkind = "local"\n[env.local.zero_etl.rental]\n'
        f'source = "mysql://{USER}@127.0.0.1:{source_server.port}/rental"\npassword_env = "RENTAL_PASSWORD"\n'
    )
    home = tmp_path / "home"
    settings = {
        "ZEROSHIFT_HOME": str(home),
        "ZEROSHIFT_PORT": "0",
        "RENTAL_PASSWORD": PASSWORD,
        "COLUMNS": "200",
    }

    def run(*arguments: str, code: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "deployer", *arguments],
            cwd=project, env=os.environ | settings | more, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert code in (None, done.returncode), done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done

    try:
        yield run
    finally:
        process.stop_all(home)
        LocalEnvironment(home).down()
    for log in home.glob("*.log"):
        assert PASSWORD not in log.read_text(errors="replace"), log


def rental_schema() -> list[str]:
    return [
        f"create table {table.name} ("
        + ", ".join(f"{column.name} {column.source_type}" for column in table.columns)
        + f", primary key ({', '.join(table.key)}))"
        for table in TABLES
    ]


def test_the_pipeline_over_a_real_source(
    zeroshift: Zeroshift, source_server: MariaDb, tmp_path: Path
) -> None:
    source_server.execute(
        *rental_schema(),
        "insert into apartments values (1, 'a', 'x', 100, 'EUR', '2026-01-05', 1, '2026-01-05')",
        "insert into apartment_attributes (id, cityname, state, latitude, longitude)"
        " values (1, 'Bonn', 'NW', 50.7, 7.1)",
        "insert into exchange_rates values ('EUR', '2026-01-01', 1.25)",
        "insert into bookings values (1, 7, 1, '2026-01-06', '2026-01-10', '2026-01-12', 200, 'EUR', 'confirmed',"
        " null, 2)",
    )
    zeroshift("local", "up", "--detach")
    deadline = time.monotonic() + 600
    while zeroshift("integration", "tables").stdout.count("Synced") < len(TABLES):
        assert time.monotonic() < deadline
    zeroshift("deploy")
    zeroshift("run", "rental")
    question = "select bookings, revenue_usd from presentation.top_listings_weekly"
    assert json.loads(zeroshift("query", question, "--format", "json").stdout) == [
        {"bookings": 1, "revenue_usd": 250.00}
    ]

    # A change at the source reaches the metrics with the next run.
    source_server.execute("update bookings set total_price = 300")
    zeroshift("integration", "reconcile")
    zeroshift("run", "rental")
    assert json.loads(zeroshift("query", question, "--format", "json").stdout)[0]["revenue_usd"] == 375.00
    (shown,) = json.loads(zeroshift("integration", "status", "--json").stdout)
    assert (shown["state"], shown["synced"], shown["failed"], shown["running"]) == (
        "CdcRefreshState",
        5,
        0,
        True,
    )

    # A table that was copied anew stops the run until that is accepted; one that is out of sync stops it always.
    zeroshift("integration", "refresh", "rental.bookings")
    assert "landing was copied anew: bookings" in zeroshift("run", "rental", code=1).stderr
    zeroshift("run", "rental", "--accept-reseed")
    source_server.execute("set sql_mode = ''", "update bookings set checkin_date = '0000-00-00'")
    zeroshift("integration", "reconcile", code=1)
    assert "cannot be queried: its state is Failed" in zeroshift("run", "rental", code=1).stderr
    told = zeroshift("integration", "status", code=1)
    assert "1 tables out of sync" in told.stderr
    source_server.execute("update bookings set checkin_date = '2026-01-11'")
    zeroshift("integration", "refresh", "--failed")
    zeroshift("run", "rental", "--accept-reseed")

    # Nobody waits an hour for a source that is away.
    source_server.stop()
    told = zeroshift("integration", "refresh", "--all", code=1)
    assert "the tables are not copied: the source" in told.stderr
    assert told.stderr.count("copying 5 of 5 tables") == 1

    # Snapshots of files are not taken beside it, and the other way round.
    (tmp_path / "exchange_rates.csv").write_text("currency,rate_date,usd_per_unit\nEUR,2026-01-01,2\n")
    assert (
        "is fed by replication"
        in zeroshift("local", "load", str(tmp_path), "--at", "2026-01-01", code=1).stderr
    )
    assert zeroshift("local", "down").stdout == "stopped\n"


def test_what_is_missing_is_said(zeroshift: Zeroshift, source_server: MariaDb, tmp_path: Path) -> None:
    assert "name the tables to refresh" in zeroshift("integration", "refresh", code=1).stderr
    source_server.stop()
    zeroshift("local", "down")
    zeroshift("local", "up", "--detach")
    deadline = time.monotonic() + 600
    while "cannot be reached" not in zeroshift("integration", "status", code=1).stderr:
        assert time.monotonic() < deadline
    assert "cannot be reached" in zeroshift("integration", "reconcile", code=1).stderr
    toml = tmp_path / "project" / "zeroshift.toml"
    toml.write_text(toml.read_text().replace("RENTAL_PASSWORD", "NOBODY_SETS_THIS"))
    zeroshift("local", "down")
    assert "NOBODY_SETS_THIS" in zeroshift("local", "up", "--detach", code=1).stderr


def test_what_a_monitor_is_told(zeroshift: Zeroshift, source_server: MariaDb, tmp_path: Path) -> None:
    """Each `integration status` says how it is, the first one after a start or a change, too."""
    source_server.execute(
        "create table bookings (id int primary key)", "create table old (id int primary key)"
    )

    def doctor(name: str) -> dict[str, str]:
        done = zeroshift("doctor", "--json", code=None).stdout
        (found,) = [check for check in json.loads(done)["checks"] if check["name"] == name]
        return dict(found)

    for _ in range(2):
        told = zeroshift("integration", "status", code=1, RENTAL_PASSWORD="another").stderr
        assert "Access denied" in told and "(using password: YES) (1045); mend that and repeat" in told
    assert doctor("rental: source")["state"] == "missing"
    assert "Access denied" in doctor("rental: source")["found"]
    # A replicator that was refused takes the password of the next command.
    deadline = time.monotonic() + 600
    while (done := zeroshift("integration", "tables")).stdout.count("Synced") < 2:
        assert time.monotonic() < deadline, done.stdout
    assert json.loads(zeroshift("integration", "status", "--json").stdout)[0]["synced"] == 2

    assert doctor("rental: source")["state"] == doctor("rental: tables")["state"] == "ok"
    # What the source has no more cannot be copied, and is no failure of the others.
    source_server.execute("drop table old")
    while (done := zeroshift("integration", "tables")).stdout.count("DroppedSource") < 1:
        assert time.monotonic() < deadline, done.stdout
    assert "old" not in zeroshift("integration", "refresh", "--all").stdout

    # One that hangs falls behind.
    (lock,) = (tmp_path / "home").glob("replication-*.lock")
    pid = json.loads(lock.read_text())["process"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        while (done := zeroshift("integration", "status", "--json")).stdout:
            if (behind := json.loads(done.stdout)[0]["lag_ms"]) > 5000:
                break
            assert time.monotonic() < deadline, behind
        told = zeroshift("integration", "status", "--max-lag", "4000", code=1).stderr
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "ms behind, more than 4000" in told

    toml = tmp_path / "project" / "zeroshift.toml"
    toml.write_text(toml.read_text() + 'filter = "include: rentl.*"\n')
    while (
        "replicates no table: its source has none that the data filter lets through"
        not in (done := zeroshift("integration", "status", code=1)).stderr
    ):
        assert time.monotonic() < deadline, done.stderr
    assert "none is replicated" in doctor("rental: tables")["found"]
