"""The repository's own pipeline in a derived environment: a changed metric runs there, the base keeps its own."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.local.environment import LocalEnvironment, Status
from deployer.operations import environments, local, run
from deployer.operations.deploy import deploy
from deployer.operations.warehouses import data_api_of, target_of
from deployer.project import config
from deployer.project.config import Project
from deployer.warehouse.session import Session

ROOT = Path(__file__).resolve().parents[2]
TABLES = {
    "apartments": """\
id,title,source,price,currency,listing_created_on,is_active,last_modified_timestamp
1,Loft,web,100.00,USD,2025-12-01 00:00:00,1,2025-12-01 00:00:00
""",
    "apartment_attributes": """\
id,category,body,amenities,bathrooms,bedrooms,fee,has_photo,pets_allowed,price_display,price_type,square_feet,\
address,cityname,state,latitude,longitude
1,apartment,,,1,1,0,1,1,,,50,,Austin,TX,30.2,-97.7
""",
    "bookings": """\
booking_id,user_id,apartment_id,booking_date,checkin_date,checkout_date,total_price,currency,booking_status
1,7,1,2026-01-05 00:00:00,2026-02-01,2026-02-03,200.00,USD,confirmed
2,8,1,2026-01-06 00:00:00,2026-02-05,2026-02-06,100.00,USD,confirmed
""",
}
LATER = "3,9,1,2026-01-07 00:00:00,2026-02-08,2026-02-09,100.00,USD,confirmed\n"
AS_OF = datetime(2026, 1, 12)


@pytest.fixture
def project(
    tmp_path: Path, environment: LocalEnvironment, fresh_database: Status, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A copy of the repository's project whose base environment is deployed and has run."""
    monkeypatch.setenv("ZEROSHIFT_HOME", str(environment.home))
    root = tmp_path / "project"
    for name in ("migrations", "procedures"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "zeroshift.toml", root)
    directory = tmp_path / "csv"
    directory.mkdir()
    for table, content in TABLES.items():
        (directory / f"{table}.csv").write_text(content)
    project = config.load(root)
    here = project.environment("local")
    local.load(project, directory, AS_OF)
    deploy(project, here)
    run.run(project, here, "rental", as_of=AS_OF)
    return project


@pytest.mark.slow
def test_a_changed_metric_runs_beside_the_base(project: Project, status: Status, tmp_path: Path) -> None:
    path = project.procedures / "metrics" / "rental" / "refresh_popular_locations_weekly.sql"
    text = path.read_text()
    assert text.count("datediff(day, checkin_date, checkout_date) as nights") == 1
    path.write_text(text.replace("datediff(day, checkin", "100 * datediff(day, checkin"))
    derived, here = project.derived("pr-7"), project.environment("local")
    assert derived is not None
    with pytest.raises(
        UsageError, match="pr-7 has no copy of the pipeline rental: nothing that it runs differs"
    ):
        run.run(project, here, "rental", derived=derived)
    made = environments.deploy(project, derived)
    assert made.differing == ("metrics.refresh_popular_locations_weekly",)
    # The whole pipeline has come along; what only reads landing is seen through.
    assert {"ops__pr_7.run_rental", "ops__pr_7.leases", "curated__pr_7.bookings"} <= set(made.own)
    assert not any(name.startswith("raw__") for name in made.own)
    assert "ops__pr_7.numbers" not in made.own

    weeks = "select week_start, bookings, nights from {}.popular_locations_weekly order by 1"
    with Session(target_of(status)) as session:
        before = session.execute(weeks.format("presentation")).rows
        assert session.execute(weeks.format("presentation__pr_7")).rows == before
        assert [row[1:] for row in before] == [(2, 3)]

        (tmp_path / "csv" / "bookings.csv").write_text(TABLES["bookings"] + LATER)
        local.load(project, tmp_path / "csv", datetime(2026, 1, 13))
        record = run.run(project, here, "rental", as_of=datetime(2026, 1, 13), derived=derived)
        assert record.state == "succeeded" and record.steps
        # Limited and labelled before it was called.
        api = data_api_of(status, here)
        for text in ("set statement_timeout to 3600000", "set query_group to 'zeroshift-rental'"):
            assert list(api._listed(text, "FINISHED")), text
        found = session.execute(weeks.format("presentation__pr_7")).rows
        assert [row[1:] for row in found] == [(3, 400)]
        assert session.execute(weeks.format("presentation")).rows == before
        runs = "select count(*) from {}.runs where state = 'succeeded'"
        assert session.execute(runs.format("ops__pr_7")).rows == ((2,),)
        assert session.execute(runs.format("ops")).rows == ((1,),)
        engaged = "select count(*) from {}.listing_engagement_weekly"
        assert session.execute(engaged.format("presentation__pr_7")).rows == ((0,),)

        # The base goes on by itself, and nothing holds it back.
        run.run(project, here, "rental", as_of=datetime(2026, 1, 13))
        assert [row[1:] for row in session.execute(weeks.format("presentation")).rows] == [(3, 4)]
    environments.drop(project, project.environment("local"), "pr-7")
