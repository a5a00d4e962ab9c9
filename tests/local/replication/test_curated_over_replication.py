"""The rental pipeline over real replication, where landing is not as one would wish it: history that begins late, rows
twice, tables that are copied anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mariadb import MariaDb
from replica import Replica

from deployer.errors import StatementFailed
from deployer.local.environment import LocalEnvironment
from deployer.local.landing.tables import TABLES
from deployer.local.mariadb import schema
from deployer.operations import deploy, query, run, status
from deployer.project import config

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
REVENUE = "select bookings, revenue_usd from presentation.top_listings_weekly where week_start = '2026-01-05'"
PRICES = (
    "select week_start, active_listings, avg_price from presentation.average_listing_price_weekly"
    " where cityname = 'Bonn' and currency = 'EUR' and week_start <= '2026-03-02' order by 1"
)


def test_what_landing_may_do_to_the_pipeline(
    replica: Replica, source_server: MariaDb, environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSHIFT_HOME", str(environment.home))
    project = config.load(ROOT)
    here = project.environment("local")

    def ask(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in query.query(project, here, sql).rows]

    def call(mode: str = "incremental") -> str:
        return run.run(project, here, "rental", mode=mode).state

    source_server.execute(
        *schema.database()[1:],
        "insert into apartments values (1, 'a', 'x', 100, 'EUR', '2026-01-05', 1, '2026-01-05')",
        "insert into apartment_attributes (id, cityname, state, latitude, longitude)"
        " values (1, 'Bonn', 'NW', 50.7, 7.1)",
        "insert into exchange_rates values ('EUR', '2026-01-01', 1.25)",
        "insert into bookings values (1, 7, 1, '2026-01-06', '2026-01-10', '2026-01-12', 200, 'EUR', 'confirmed',"
        " null, 2)",
    )
    replica.start()
    for table in TABLES:
        replica.until_state(table.name, "Synced")
    deploy.deploy(project, here)
    assert call() == "succeeded"

    # Landing's history begins with the copy, the listing's with its creation.
    before = ask(PRICES)
    assert len(before) == 9 and {row[1:] for row in before} == {(1, before[0][2])}
    assert before[0][2] == 100
    assert ask(REVENUE) == [(1, 250)]
    # A listing that appears long after, and a price of now: the weeks of then have what was then.
    source_server.execute(
        "insert into apartments values (2, 'b', 'x', 300, 'EUR', '2026-02-02', 1, '2026-02-02')",
        "insert into apartment_attributes (id, cityname, state, latitude, longitude)"
        " values (2, 'Bonn', 'NW', 50.7, 7.1)",
        "update apartments set price = 500 where id = 1",
    )
    replica.catch_up()
    assert call() == "succeeded"
    late = ask(PRICES)
    assert [row[1:] for row in late] == [(1, 100)] * 4 + [(2, 200)] * 5

    # Keys are not enforced on Redshift: each present row a second time, a moment later.
    for table in TABLES:
        name = f'"rental_landing.rental".{table.name}'
        (index,) = replica.engine.execute(
            "select i.indexrelid::regclass::text from pg_index as i where i.indrelid = %s::regclass and i.indisunique",
            (name,),
        ).fetchone() or ("",)
        replica.engine.execute(f"drop index {index}")
        columns = ", ".join(table.names)
        replica.engine.execute(
            f"insert into {name} ({columns}, _record_is_active, _record_create_time)"
            f" select {columns}, true, _record_create_time + interval '1 second' from {name} where _record_is_active"
        )
    assert ask("select count(*) from rental_landing.rental.bookings") == [(2,)]
    assert call() == "succeeded"
    assert (ask(PRICES), ask(REVENUE)) == (late, [(1, 250)])
    assert call("full") == "succeeded"
    assert (ask(PRICES), ask(REVENUE)) == (late, [(1, 250)])
    assert ask("select booking_id, count(*) from curated.bookings group by 1") == [(1, 1)]

    # A table that is being copied: nothing is published, not of the others either.
    # A slow machine may hold the lock for longer than the source is waited for.
    replica.patient = True
    with source_server.connect() as holder, holder.cursor() as locks:
        source_server.execute(
            "insert into exchange_rates values ('EUR', '2026-01-06', 2.5)",
        )
        locks.execute("lock tables bookings write")
        query.query(project, here, "alter database rental_landing integration refresh table rental.bookings")
        with pytest.raises(StatementFailed, match="bookings cannot be queried: its state is ResyncInitiated"):
            call()
        assert ask(REVENUE) == [(1, 250)]
        newest = status.status(project, here).runs[0]
        assert newest.state == "failed" and "ResyncInitiated" in (newest.error or "")
        locks.execute("update bookings set total_price = 300 where booking_id = 1")
        locks.execute("unlock tables")
    # The copy may be of before the last change, which then follows.
    replica.until_state("bookings", "Synced")
    replica.catch_up()

    # Copied anew, it stops the run until that is accepted; then everything is there.
    with pytest.raises(StatementFailed, match="landing was copied anew: bookings"):
        call()
    assert ask(REVENUE) == [(1, 250)]
    assert call("accept_reseed") == "succeeded"
    assert ask(REVENUE) == [(1, 750)]
    source_server.execute("delete from bookings")
    replica.catch_up()
    assert call() == "succeeded"
    assert ask(REVENUE) == []
