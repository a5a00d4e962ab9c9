"""A local Redshift of its own for one benchmark, with the project deployed, removed afterwards."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deployer.local.environment import LocalEnvironment
from deployer.operations.deploy import deploy
from deployer.operations.warehouses import target_of
from deployer.project import config
from deployer.warehouse.session import Session, Target

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Warehouse:
    """Where the benchmark's warehouse listens. `engine_dsn` reaches PostgreSQL itself."""

    target: Target
    engine_dsn: str
    directory: Path
    """For the benchmark's files; removed with the warehouse."""


@contextmanager
def warehouse(*, deployed: bool = True) -> Iterator[Warehouse]:
    """Start a warehouse in a temporary directory; stop and remove it at the end, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="zeroshift-bench-") as directory:
        home = Path(directory) / "home"
        # The deployer finds the environment by this variable.
        os.environ["ZEROSHIFT_HOME"] = str(home)
        # Any free port: the user's own warehouse may be up on the usual one.
        os.environ["ZEROSHIFT_PORT"] = "0"
        environment = LocalEnvironment(home)
        try:
            status = environment.up()
            if status.engine_dsn is None:
                sys.exit("the local engine does not say where it listens")
            if deployed:
                project = config.load(ROOT)
                deploy(project, project.environment("local"))
            yield Warehouse(target_of(status), status.engine_dsn, Path(directory))
        finally:
            environment.reset()
            environment.down()


@dataclass(frozen=True)
class Work:
    """What a call cost: seconds, and what PostgreSQL counted meanwhile in the warehouse's own tables.

    `rows_rewritten` are rows inserted, updated and deleted, `blocks` 8 kB blocks of tables and zone maps that
    were looked at, in memory or not. Redshift would pay for both, in its own larger blocks.
    """

    seconds: float
    rows_rewritten: int
    metric_rows_rewritten: int
    blocks: int


_COUNTERS = """
    select coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0)::bigint,
        coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del)
            filter (where s.schemaname = 'metrics'), 0)::bigint,
        coalesce(sum(io.heap_blks_read + io.heap_blks_hit
            + coalesce(io.idx_blks_read, 0) + coalesce(io.idx_blks_hit, 0)), 0)::bigint
    from pg_stat_all_tables as s
    join pg_statio_all_tables as io using (relid)
    where s.schemaname in ('curated', 'metrics', 'rental_landing.rental')
"""


def measured(house: Warehouse, statement: str) -> Work:
    """Run one statement in a session of its own and say what it cost."""
    before = _counters(house)
    with Session(house.target) as session:
        started = time.monotonic()
        session.execute(statement)
        seconds = time.monotonic() - started
    after = _counters(house)
    rows, metric_rows, blocks = (b - a for a, b in zip(before, after, strict=True))
    return Work(seconds, rows, metric_rows, blocks)


def _counters(house: Warehouse) -> tuple[int, int, int]:
    """The counters once they stand still: a backend reports what it did at its end, or a second later."""
    last: tuple[int, int, int] | None = None
    with psycopg.connect(house.engine_dsn, autocommit=True) as connection:
        for _ in range(20):
            time.sleep(0.7)
            connection.execute("select pg_stat_clear_snapshot()")
            found = connection.execute(_COUNTERS).fetchone()
            assert found is not None  # an aggregate always has a row
            now = (int(found[0]), int(found[1]), int(found[2]))
            if now == last:
                return now
            last = now
    raise SystemExit("PostgreSQL's counters do not come to rest; is autovacuum analysing all the time?")
