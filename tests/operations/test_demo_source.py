"""`zeroshift demo --source mariadb`: the marketplace through a real server gives what its files give."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from deployer.errors import Unavailable, Unsafe, UsageError
from deployer.local.landing.tables import TABLES
from deployer.local.mariadb import server
from deployer.operations import demo, demo_source, integration, local, query, replicators, status
from deployer.project import config
from deployer.project.config import Project

ROOT = Path(__file__).resolve().parents[2]
SCALE = 0.05


def history(dsn: str | None) -> dict[str, list[str]]:
    """Every version of every landing table, the demo's own booking left out."""
    assert dsn is not None
    with psycopg.connect(dsn) as connection:
        return {
            table.name: sorted(
                repr(row)
                for row in connection.execute(
                    f'select * from "rental_landing.rental".{table.name}'
                ).fetchall()
                if row[0] != demo_source._BOOKING_ID
            )
            for table in TABLES
        }


@pytest.mark.slow
def test_a_real_source_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        server.program()
    except Unavailable as error:
        pytest.skip(str(error))
    monkeypatch.setenv("ZEROSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    project = config.load(ROOT)
    here = project.environment("local")
    try:
        files = demo.demo(project, here, scale=SCALE)
        expected = history(files.warehouse.engine_dsn)

        done = demo.demo(project, here, scale=SCALE, source="mariadb")
        assert history(done.warehouse.engine_dsn) == expected
        assert [table.rows for table in done.metrics] == [table.rows for table in files.metrics]
        assert done.rejected == files.rejected
        assert [sum(t.inserted for t in each.tables) for each in done.loads] == [
            sum(t.inserted for t in each.tables) for each in files.loads
        ]
        # The booking is first of its week, and then it never was.
        before, booked, undone = done.live
        assert booked.rank == 1 and booked.bookings == before.bookings + 1
        assert (undone.rank, undone.bookings, undone.revenue_usd) == (
            before.rank, before.bookings, before.revenue_usd,
        )  # fmt: skip

        # Replication outlives the demo: also over a restart, whatever command comes first.
        (shown,) = integration.status(project, here)
        assert (shown.source, shown.state, shown.synced, shown.running) == (
            "local",
            "CdcRefreshState",
            5,
            True,
        )
        assert local.down(project) and not local.source_status(project).running
        assert {each.apart for each in integration.reconcile(project, here)} == {0}
        assert local.source_status(project).running

        # A replicator that died is started by a plain question, and `status` tells of it.
        assert replicators.stop_all(project)
        query.query(project, here, "select 1")
        (seen,) = status.status(project, here).replication
        assert (seen.name, seen.source, seen.running, seen.message) == ("rental", "local", True, "")

        # Another one sweeps both; back to files, nothing replicates any more.
        local.stop_replication(project)
        demo.demo(project, here, scale=SCALE)
        assert replicators.integrations(project, here) == ()
    finally:
        local.down(project)


@pytest.mark.slow
def test_rows_of_another_origin_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        server.program()
    except Unavailable as error:
        pytest.skip(str(error))
    monkeypatch.setenv("ZEROSHIFT_HOME", str(tmp_path / "home"))
    project = config.load(ROOT)
    source = replicators.local_source(project)
    try:
        source.up()
        # An empty one may be had.
        demo_source.check(project)
        with source.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("insert into rental.bookings (booking_id) values (1)")
        with pytest.raises(Unsafe, match="holds rows of another origin"):
            demo.demo(project, project.environment("local"), source="mariadb")
        assert not local.status(project).running
    finally:
        source.reset()


def test_a_source_that_is_configured(tmp_path: Path) -> None:
    def load(lines: str) -> Project:
        (tmp_path / "zeroshift.toml").write_text(
            f'[project]\nname = "x"\n[env.local]\nkind = "local"\n[env.local.zero_etl.rental]\n{lines}\n'
        )
        return config.load(tmp_path)

    local_one = load('source = "local"').environment("local")
    assert demo_source.integration(local_one, "mariadb") == local_one.zero_etl[0]
    with pytest.raises(UsageError, match="replicates another source into rental_landing"):
        demo_source.integration(local_one, "files")
    elsewhere = load('source = "mysql://me@db/rental"').environment("local")
    for source in demo_source.SOURCES:
        with pytest.raises(UsageError, match="replicates another source into rental_landing"):
            demo_source.integration(elsewhere, source)
    beside = load('source = "mysql://me@db/rental"\nlanding = "other"').environment("local")
    assert demo_source.integration(beside, "files") is None
