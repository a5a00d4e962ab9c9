"""The repository's own pipeline by its operations: run, status, query, demo."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deployer.errors import LeaseHeld, StatementFailed, Unavailable, Unsafe, UsageError
from deployer.local.environment import LocalEnvironment, Status
from deployer.operations import demo, deploy, local, query, run, status
from deployer.operations.warehouses import target_of
from deployer.project import config
from deployer.project.config import Environment, Project
from deployer.warehouse.session import Session

ROOT = Path(__file__).resolve().parents[2]
LISTING = """\
id,title,source,price,currency,listing_created_on,is_active,last_modified_timestamp
1,Loft,web,100.00,USD,2025-12-01 00:00:00,1,2025-12-01 00:00:00
"""
BOOKINGS = """\
booking_id,user_id,apartment_id,booking_date,checkin_date,checkout_date,total_price,currency,booking_status
1,7,1,2026-01-05 00:00:00,2026-02-01,2026-02-03,200.00,USD,confirmed
2,7,1,2026-01-07 12:00:00,2026-02-05,2026-02-06,100.00,USD,dreamt
3,8,99,2026-01-11 23:59:59,2026-03-01,2026-03-01,100.00,USD,canceled
"""
AS_OF = datetime(2026, 1, 12)


class Pipeline:
    """The repository's project, its local environment, and three bookings."""

    def __init__(self, directory: Path, status: Status) -> None:
        self.project: Project = config.load(ROOT)
        self.local: Environment = self.project.environment("local")
        (directory / "apartments.csv").write_text(LISTING, encoding="utf-8")
        (directory / "bookings.csv").write_text(BOOKINGS, encoding="utf-8")
        self.directory = directory
        self.status = status


@pytest.fixture
def pipeline(
    tmp_path: Path, environment: LocalEnvironment, fresh_database: Status, monkeypatch: pytest.MonkeyPatch
) -> Pipeline:
    monkeypatch.setenv("ZEROSHIFT_HOME", str(environment.home))
    (tmp_path / "csv").mkdir()
    return Pipeline(tmp_path / "csv", fresh_database)


def test_load_deploy_run_status(pipeline: Pipeline) -> None:
    project, here = pipeline.project, pipeline.local
    before = status.status(project, here)
    assert not before.deployed

    loaded = local.load(project, pipeline.directory, AS_OF)
    assert {item.table: item.inserted for item in loaded.tables} == {"apartments": 1, "bookings": 3}
    with pytest.raises(Unavailable, match="not deployed"):
        run.run(project, here, "rental")
    deploy.deploy(project, here)

    lines: list[str] = []
    began = time.monotonic()
    record = run.run(project, here, "rental", as_of=AS_OF, progress=lines.append)
    lasted = time.monotonic() - began
    assert (record.pipeline, record.mode, record.as_of) == ("rental", "incremental", AS_OF)
    assert record.state == "succeeded"
    assert record.finished_at is not None
    assert record.seconds is not None and 0 <= record.seconds <= lasted
    by_name = {step.step: step for step in record.steps}
    assert by_name["curated.bookings"].rows_rejected == 2
    assert {f"{step.step}: {step.rows_written:,} rows written" for step in record.steps} <= set(lines)

    found = status.status(project, here)
    assert found.deployed
    assert (found.freshness[0].pipeline, found.freshness[0].as_of) == ("rental", AS_OF)
    assert [run_record.run_id for run_record in found.runs] == [record.run_id]
    assert {(item.table, item.reason): item.rows for item in found.rejected} == {
        ("bookings", "unknown_status"): 1,
        ("bookings", "unknown_listing"): 1,
        ("bookings", "reversed_stay"): 1,
    }
    assert {item.table: item.state for item in found.landing}["bookings"] == "Synced"

    answer = query.query(project, here, "select bookings, nights from presentation.popular_locations_weekly")
    assert [column.name for column in answer.columns] == ["bookings", "nights"]


def test_runs_at_once_publish_once_each_or_are_skipped(pipeline: Pipeline) -> None:
    project, here = pipeline.project, pipeline.local
    local.load(project, pipeline.directory, AS_OF)
    deploy.deploy(project, here)
    instants = [AS_OF + timedelta(minutes=minute) for minute in range(6)]

    def once(as_of: datetime) -> None:
        with Session(target_of(pipeline.status)) as session:
            session.execute(f"call ops.run_rental(timestamp '{as_of}', 'incremental')")

    with ThreadPoolExecutor(max_workers=3) as pool:
        list(pool.map(once, instants))
    with Session(target_of(pipeline.status)) as session:
        states = [row[0] for row in session.execute("select state from ops.runs").rows]
        assert "succeeded" in states
        assert len(states) == len(instants)
        assert set(states) <= {"succeeded", "superseded", "skipped"}
        assert run.run(project, here, "rental", as_of=AS_OF + timedelta(hours=1)).state == "succeeded"
        booked = "select week_start, user_id, all_bookings from presentation.bookings_per_user_weekly"
        assert len(session.execute(booked).rows) == 1
        before = session.execute("select * from metrics.bookings_per_user_weekly").rows
        assert run.run(project, here, "rental", mode="full").state == "succeeded"
        assert session.execute("select * from metrics.bookings_per_user_weekly").rows == before


def test_an_earlier_run_is_superseded_unless_it_rewinds(pipeline: Pipeline) -> None:
    project, here = pipeline.project, pipeline.local
    local.load(project, pipeline.directory, AS_OF)
    deploy.deploy(project, here)
    run.run(project, here, "rental", as_of=AS_OF)
    earlier = datetime(2026, 1, 6)
    record = run.run(project, here, "rental", as_of=earlier)
    assert (record.state, record.as_of) == ("superseded", earlier)
    assert status.status(project, here).freshness[0].as_of == AS_OF
    record = run.run(project, here, "rental", as_of=earlier, mode="rewind")
    assert record.state == "succeeded"
    assert status.status(project, here).freshness[0].as_of == earlier


def test_a_held_lease_is_exit_code_4(pipeline: Pipeline, fresh_database: Status) -> None:
    project, here = pipeline.project, pipeline.local
    local.load(project, pipeline.directory, AS_OF)
    deploy.deploy(project, here)
    with Session(target_of(fresh_database)) as session:
        session.execute(
            "update ops.leases set token = 'somebody', expires_at = dateadd(minute, 5, getdate())"
        )
        with pytest.raises(LeaseHeld, match="somebody") as caught:
            run.run(project, here, "rental", as_of=AS_OF)
    assert caught.value.exit_code == 4


def test_a_failing_step_is_reported_with_its_message(pipeline: Pipeline, fresh_database: Status) -> None:
    project, here = pipeline.project, pipeline.local
    local.load(project, pipeline.directory, AS_OF)
    deploy.deploy(project, here)
    with Session(target_of(fresh_database)) as session:
        session.execute("drop table ops.run_accounts")
    with pytest.raises(StatementFailed, match="run_accounts"):
        run.run(project, here, "rental", as_of=AS_OF)
    assert status.status(project, here).freshness == ()


def test_modes_exclude_each_other() -> None:
    assert run.mode_of(full_refresh=False, rewind=False, accept_reseed=False) == "incremental"
    assert run.mode_of(full_refresh=True, rewind=False, accept_reseed=False) == "full"
    assert run.mode_of(full_refresh=False, rewind=True, accept_reseed=False) == "rewind"
    assert run.mode_of(full_refresh=False, rewind=False, accept_reseed=True) == "accept_reseed"
    with pytest.raises(UsageError, match="exclude each other"):
        run.mode_of(full_refresh=True, rewind=True, accept_reseed=False)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31", datetime(2026, 1, 31)),
        ("2026-01-31T12:30:00", datetime(2026, 1, 31, 12, 30)),
        ("2026-01-31 12:30:00+02:00", datetime(2026, 1, 31, 10, 30)),
        ("2026-01-31T12:30:00Z", datetime(2026, 1, 31, 12, 30)),
    ],
)
def test_instants_are_utc(text: str, instant: datetime) -> None:
    assert local.parse_instant(text, "--at") == instant


def test_no_instant_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="--at 'yesterday' is no ISO date"):
        local.parse_instant("yesterday", "--at")


@pytest.mark.slow
def test_the_demo_shows_all_metrics_and_sweeps_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    project = config.load(ROOT)
    here = project.environment("local")
    try:
        done = demo.demo(project, here, scale=0.05, keep=True)
        assert done.run.state == "succeeded"
        assert len(done.metrics) == 8
        assert all(table.rows for table in done.metrics), [t.title for t in done.metrics if not t.rows]
        reasons = {item.reason for item in done.rejected if item.table == "bookings"}
        assert reasons == {
            "missing_key",
            "unknown_listing",
            "reversed_stay",
            "negative_price",
            "unknown_currency",
            "unknown_status",
        }
        assert done.snapshots is not None and any(done.snapshots.rglob("bookings.csv"))
        # A second one begins afresh, and gives the same.
        again = demo.demo(project, here, scale=0.05)
        assert [table.rows for table in again.metrics] == [table.rows for table in done.metrics]
        assert again.deployment.created == done.deployment.created
        # From now on the warehouse holds something of the user's own.
        (tmp_path / "csv").mkdir()
        (tmp_path / "csv" / "apartments.csv").write_text(LISTING, encoding="utf-8")
        local.load(project, tmp_path / "csv", datetime(2027, 1, 1))
        with pytest.raises(Unsafe, match="data of another origin"):
            demo.demo(project, here, scale=0.05)
        # A bad listings file costs nothing.
        (tmp_path / "bad.csv").write_text("id,price\n1,2\n")
        local.reset(project)
        with pytest.raises(UsageError):
            demo.demo(project, here, listings=tmp_path / "bad.csv")
        assert not local.status(project).running
    finally:
        local.down(project)


def test_status_says_how_to_connect_and_nothing_of_the_engine(
    environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deployer.cli.main import execute

    monkeypatch.setenv("ZEROSHIFT_HOME", str(environment.home))
    monkeypatch.chdir(ROOT)
    assert execute(["local", "status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"host", "port", "user", "password", "database", "data_api_url", "running"} <= set(told)
    assert "engine_dsn" not in told
    assert told["running"] is True


def test_a_run_that_died_is_closed_with_its_error(pipeline: Pipeline) -> None:
    project, here = pipeline.project, pipeline.local
    local.load(project, pipeline.directory, AS_OF)
    deploy.deploy(project, here)
    with Session(target_of(pipeline.status)) as session:
        session.execute("drop procedure metrics.refresh_rental(varchar, timestamp)")
        began = time.monotonic()
        with pytest.raises(StatementFailed, match=r"metrics\.refresh_rental"):
            run.run(project, here, "rental", as_of=AS_OF)
        lasted = time.monotonic() - began
        (died,) = status.read(session).runs
        assert died.state == "failed"
        assert died.error is not None and "metrics.refresh_rental" in died.error
        assert died.seconds is not None and died.seconds <= lasted

        # A client that was killed leaves that to whoever asks next.
        session.execute("update ops.runs set state = 'running', finished_at = null, error = null")
        (found,) = status.status(project, here).runs
        assert (found.state, found.error) == ("failed", died.error)

        # What no statement explains stays as it is, and so does a run beside a statement that the lease refused.
        session.execute(
            "update ops.runs set state = 'running', finished_at = null, error = null,"
            " started_at = dateadd(hour, -1, started_at)"
        )
        assert status.status(project, here).runs[0].state == "running"
