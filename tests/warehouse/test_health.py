"""What `zeroshift status` finds wrong, in a real warehouse; and which runs the schedules should have made."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import StatementFailed
from deployer.local.scheduler.schedules import schedule
from deployer.operations import expected, status
from deployer.project.schedules import calls
from deployer.warehouse.runlog import Logged
from warehouse.conftest import ROOT, House
from warehouse.rows import listing, place, stay

ROWS = (
    listing(1),
    place(1),
    stay(1, "2024-01-02", "2024-01-03", "2024-01-05"),
    stay(2, "2024-01-02", "2024-01-03", "2024-01-03"),
)


def test_a_healthy_warehouse_has_no_problem(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-01-08")
    house.run("2024-01-08")
    house.run("2024-01-07")
    found = status.read(house.warehouse.session)
    assert status.problems(found) == ()
    (early,) = status.problems(found, datetime(2024, 1, 7, 23, 54))
    assert early.startswith(
        "what is published of rental speaks for 2024-01-08 00:00:00 UTC, which is still to come"
    )
    assert status.problems(found, datetime(2024, 1, 7, 23, 55)) == ()
    assert [run.state for run in found.runs] == ["superseded", "duplicate", "succeeded"]
    done = found.runs[-1]
    assert done.rows_written == sum(step.rows_written for step in done.steps) > 0
    assert done.rows_rejected == 1
    # Finer than whole seconds: not all of a dozen steps take exactly 0 or 1.
    assert any((step.seconds or 0) % 1 for step in done.steps)
    (integration,) = found.integrations
    assert (integration.database, integration.state) == ("rental_landing", "CdcRefreshState")


def test_what_is_wrong_is_said_with_what_to_do(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-03-08")
    house.warehouse.engine.execute("delete from metrics.repeat_customer_rate_daily where day > '2024-03-01'")
    house.warehouse.engine.execute("update zeroshift.integration_tables set table_state = 'ResyncRequired'")
    try:
        with house.warehouse._publish_fault(), pytest.raises(StatementFailed):
            house.warehouse.session.execute("call ops.backfill_rental('2024-01-01', '2024-01-02')")
        house.warehouse._reconnect()
        assert house.warehouse.run(datetime(2024, 3, 9), publish_fails=True) == "failed"
        session = house.warehouse.session
        session.execute("update ops.runs set state = 'failed', error = 'disk full' where state = 'running'")
        told = status.problems(status.read(session))
        landing = house.ask("select count(*) from svv_integration_table_state where table_state <> 'Synced'")
        assert landing != ["0"]
    finally:
        house.warehouse.engine.execute("update zeroshift.integration_tables set table_state = 'Synced'")
    assert told[0].startswith("the last run of rental, ") and told[0].endswith(" failed: disk full")
    assert any(
        one.startswith("the landing table rental_landing.rental.bookings is ResyncRequired") for one in told
    )
    assert (
        "repeat_customer_rate_daily lacks 7 of its periods; `zeroshift run rental --from 2024-03-02 --to 2024-03-08`"
        " computes them" in told
    )
    assert told[-1].startswith("a backfill of rental has not ended; `zeroshift run rental --from 2024-01-01")


SCHEDULE = """\
expression = "cron(5 * * * ? *)"
statement = "call ops.run_rental({as_of}, 'incremental')"
retry_max_age = 1800
window_minutes = 10
"""
NOON = datetime(2026, 3, 1, 12)


def logged(*as_of: datetime, late: timedelta = timedelta()) -> list[Logged]:
    return [Logged("rental", one, one + late, "succeeded") for one in as_of]


@pytest.mark.parametrize("as_of", ["timestamp '<aws.scheduler.scheduled-time>'", "null"])
def test_runs_that_nobody_made_are_late_and_then_missing(tmp_path: Path, as_of: str) -> None:
    path = tmp_path / "eventbridge" / "schedules" / "hourly.toml"
    path.parent.mkdir(parents=True)
    path.write_text(SCHEDULE.format(as_of=as_of))
    hours = [NOON.replace(hour=hour, minute=5) for hour in (8, 9, 11)]
    log = logged(*hours[:2], late=timedelta(seconds=20))
    (found,) = expected.expected(expected.of_files(tmp_path), log, NOON.replace(minute=6), firing=True)
    assert (found.pipeline, found.next) == ("rental", NOON.replace(hour=13, minute=5))
    assert found.missing == (NOON.replace(hour=10, minute=5), NOON.replace(hour=11, minute=5))
    assert found.late == (NOON.replace(minute=5),)
    # A run that came by the last of the retries is no missing one.
    log += logged(hours[2], late=timedelta(minutes=39))
    (found,) = expected.expected(expected.of_files(tmp_path), log, NOON.replace(minute=1), firing=True)
    assert found.missing == (NOON.replace(hour=10, minute=5),) and not found.late
    # Nobody fires, or nothing ever ran: nothing is missing.
    for some, firing in ((log, False), ([], True)):
        (found,) = expected.expected(expected.of_files(tmp_path), some, NOON, firing=firing)
        assert not found.missing and found.next == NOON.replace(minute=5)


def stored(**others: Any) -> dict[str, Any]:
    """GetSchedule's answer for a schedule that was made at three in the morning and changed at ten."""
    return {
        "Arn": "arn:aws:scheduler:eu-central-1:000000000000:schedule/group/hourly",
        "GroupName": "group",
        "Name": "hourly",
        "ScheduleExpression": "cron(5 * * * ? *)",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 10},
        "CreationDate": NOON.replace(hour=3, tzinfo=UTC),
        "LastModificationDate": NOON.replace(hour=10, tzinfo=UTC),
        "Target": {
            "Arn": calls.SEVERAL,
            "RoleArn": "arn:aws:iam::000000000000:role/schedules",
            "Input": json.dumps({"Sqls": ["set x to 1", SCHEDULE.split('"')[3].format(as_of="null")]}),
            "RetryPolicy": {"MaximumEventAgeInSeconds": 1800},
        },
        **others,
    }


def test_what_is_deployed_counts_from_its_last_change() -> None:
    (planned,) = expected.of_deployed([schedule(stored())])
    assert (planned.pipeline, planned.by_time) == ("rental", False)
    # Nothing is known of the hours before somebody changed it.
    log = logged(NOON.replace(hour=8, minute=5))
    (found,) = expected.expected([planned], log, NOON.replace(minute=6), firing=True)
    assert found.missing == (NOON.replace(hour=10, minute=5), NOON.replace(hour=11, minute=5))
    assert found.late == (NOON.replace(minute=5),)
    # A rate counts from its making.
    (planned,) = expected.of_deployed([schedule(stored(ScheduleExpression="rate(4 hours)"))])
    (found,) = expected.expected([planned], log, NOON, firing=True)
    assert found.missing == (NOON.replace(hour=11),) and found.next == NOON.replace(hour=15)
    (other,) = expected.of_deployed([schedule(stored(Target={**stored()["Target"], "Input": "[no"}))])
    assert other.pipeline == ""


def test_what_never_ran_at_all_is_missing_where_schedules_always_fire() -> None:
    (planned,) = expected.of_deployed([schedule(stored())])
    (found,) = expected.expected([planned], [], NOON.replace(minute=6), firing=True, always=True)
    assert found.missing == (NOON.replace(hour=10, minute=5), NOON.replace(hour=11, minute=5))
    (found,) = expected.expected([planned], [], NOON.replace(minute=6), firing=True)
    assert not found.missing
    # One that starts no pipeline has no runs that could be missing.
    (other,) = expected.of_deployed([schedule(stored(Target={**stored()["Target"], "Input": "{}"}))])
    (found,) = expected.expected([other], [], NOON, firing=True, always=True)
    assert not found.missing


def test_the_repositorys_own_schedules_are_known() -> None:
    found = {one.name: one for one in expected.expected(expected.of_files(ROOT), [], NOON, firing=True)}
    assert {name for name, one in found.items() if one.pipeline == "rental"} == {
        "rental-hourly",
        "rental-nightly",
    }
    assert all(one.next is not None for one in found.values())
    assert {one.asserts for one in expected.of_files(ROOT)} == {None, ("rental", 210)}


def test_freshness_is_checked_as_the_schedules_do(house: House, tmp_path: Path) -> None:
    directory = tmp_path / "eventbridge" / "schedules"
    directory.mkdir(parents=True)
    for name, minutes, enabled in (
        ("close", 60, "true"),
        ("off", 1, "false"),
        ("wide", 90, "true"),
        ("x", 0, "true"),
    ):
        (directory / f"{name}.toml").write_text(
            f'expression = "rate(1 hour)"\nstatement = "call ops.assert_fresh(\'rental\', {minutes})"\n'
            f"enabled = {enabled}\n"
        )
    planned = expected.of_files(tmp_path)
    house.load("2024-01-01", *ROWS)
    session = house.warehouse.session
    session.execute("call ops.run_rental(null, 'incremental')")
    session.execute("update ops.freshness set as_of = dateadd(minute, -75, as_of)")
    told = status.unfresh(session, planned)
    assert len(told) == 2 and all("\n" not in one for one in told)
    assert "pipeline rental is stale: " in told[0] and told[0].endswith(
        "(checked as the schedule close does)"
    )
    assert "0 minutes is no age" in told[1]
    found = replace(status.read(session), stale=told)
    assert status.problems(found) == told


def test_status_is_one_json_object(house: House) -> None:
    from deployer.cli import encode

    house.load("2024-01-01", *ROWS)
    house.run("2024-01-08")
    told = json.loads(encode.dump(status.read(house.warehouse.session)))
    assert told["runs"][0]["state"] == "succeeded" and told["problems"] == [] and told["gaps"] == []
    assert date.fromisoformat(told["freshness"][0]["as_of"][:10]) == date(2024, 1, 8)
