"""The three identities of procedures/security: who deploys, what the schedules run as, and the analysts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from deployer.errors import StatementFailed
from deployer.warehouse.session import Session
from tests.warehouse.conftest import House

PASSWORD = "Somebody-1"


@pytest.fixture(scope="module")
def users(deployed) -> Iterator[dict[str, Session]]:  # type: ignore[no-untyped-def]
    """A session of a user of each role, who has nothing else."""
    admin: Session = deployed.session
    opened = {}
    for role in ("analyst", "zeroshift_runner"):
        admin.execute(f"create user a_{role} password '{PASSWORD}'")
        admin.execute(f"grant role {role} to a_{role}")
        opened[role] = Session(replace(admin.target, user=f"a_{role}", password=PASSWORD))
    yield opened
    for role, session in opened.items():
        session.close()
        admin.execute(f"drop user a_{role}")


def test_the_runner_runs_the_pipeline_and_reads_nothing(house: House, users: dict[str, Session]) -> None:
    runner = users["zeroshift_runner"]
    runner.execute("call ops.run_rental('2024-01-08', 'incremental')")
    assert house.ask("select count(*) from presentation.freshness") != ["0"]
    for refused in (
        "select count(*) from presentation.freshness",
        "select count(*) from ops.runs",
        "select count(*) from curated.bookings",
        "call ops.mark_everything(1)",
        "call curated.refresh_rental('r', '2024-01-08')",
        "delete from ops.leases",
    ):
        with pytest.raises(StatementFailed, match="permission denied|does not exist"):
            runner.execute(refused)
    assert house.ask(
        "select namespace_name, function_name, argument_types from svv_function_privileges"
        " where identity_name = 'zeroshift_runner'"
    ) == [
        "ops assert_fresh character varying, integer",
        "ops assert_fresh_at character varying, integer, timestamp without time zone",
        "ops run_rental timestamp without time zone, character varying",
    ]


def test_an_analyst_reads_presentation_and_nothing_else(house: House, users: dict[str, Session]) -> None:
    analyst = users["analyst"]
    views = house.ask(
        'select relname from pg_class as c join pg_namespace as n on n."oid" = c.relnamespace'
        " where n.nspname = 'presentation'"
    )
    assert len(views) > 8
    for view in views:
        analyst.execute(f"select count(*) from presentation.{view}")
    for refused in (
        "select count(*) from curated.bookings",
        "select count(*) from metrics.occupancy_rate_monthly",
        'select count(*) from "raw".bookings',
        "select count(*) from ops.runs",
        "call ops.run_rental('2024-01-08', 'incremental')",
        "create table presentation.mine (a int)",
        "delete from presentation.freshness",
    ):
        with pytest.raises(StatementFailed, match="permission denied|does not exist|cannot"):
            analyst.execute(refused)
