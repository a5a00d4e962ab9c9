"""`zeroshift demo`: the whole rental pipeline on a fresh local warehouse."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.errors import Unavailable, Unsafe
from deployer.operations import demo_source, deploy, local, metrics, run, status
from deployer.operations.demo_source import FILES, LiveChange
from deployer.operations.deploy import Deployment
from deployer.operations.metrics import MetricTable
from deployer.operations.progress import Progress, silent
from deployer.operations.replicators import DEMO_MARK
from deployer.operations.status import Rejected
from deployer.operations.warehouses import data_api_of, local_environment, target_of
from deployer.project.config import Environment, Project
from deployer.warehouse import ledger
from deployer.warehouse.runlog import RunRecord
from deployer.warehouse.session import Session

if TYPE_CHECKING:
    from deployer.local.environment import LocalEnvironment, Status
    from deployer.local.marketplace.model import Listing, Snapshot


@dataclass(frozen=True)
class Demo:
    """What the demo did and saw. `snapshots` is where the source's CSV files were kept, None when they were
    not.
    """

    as_of: datetime
    loads: tuple[local.Loaded, ...]
    notices: tuple[str, ...]
    deployment: Deployment
    run: RunRecord
    metrics: tuple[MetricTable, ...]
    rejected: tuple[Rejected, ...]
    warehouse: Status
    snapshots: Path | None
    live: tuple[LiveChange, ...] = ()
    """With a real source: changes made there after the run, and how they reached a metric."""


def demo(
    project: Project,
    environment: Environment,
    *,
    listings: Path | None = None,
    seed: int | None = None,
    keep: bool = False,
    source: str = FILES,
    scale: float = 1.0,
    progress: Progress = silent,
) -> Demo:
    """Empty the local warehouse, feed it a generated marketplace, deploy, run, and ask for every metric.

    `listings` takes real listings from a CSV file instead of inventing them; `seed` None is the usual one;
    `keep` keeps the generated snapshots in the home. With `source` mariadb the rows are written to a MariaDB and
    replicated, and changed once more after the run. Raises Unsafe when the local warehouse or that MariaDB holds
    something that did not come from a demo, Unavailable where MariaDB is not installed.
    """
    one = demo_source.integration(environment, source)
    here = local_environment(project)
    server = demo_source.check(project) if one is not None else None
    sweep = _must_be_swept(project, here)
    with _directory(project, keep) as directory:
        # Written first: a bad listings file must not cost the old warehouse.
        snapshots, notices = _generate(directory, listings, seed, scale, progress)
        progress("starting a fresh local warehouse")
        if sweep:
            local.stop_replication(project)
            here.reset()
        project.home.mkdir(parents=True, exist_ok=True)
        mark = {"seed": seed, "source": source}
        (project.home / DEMO_MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
        warehouse = here.up()
        assert warehouse.engine_dsn is not None  # it runs
        if one is None or server is None:
            loads = _load(warehouse.engine_dsn, snapshots, progress)
            return _publish(project, environment, warehouse, snapshots, loads, notices, keep, progress)
        progress("starting a fresh MariaDB")
        with demo_source.fresh(server) as connection:
            loads = demo_source.fill(
                project, environment, one, server, connection, warehouse.engine_dsn, snapshots, progress
            )
            return _publish(
                project, environment, warehouse, snapshots, loads, notices, keep, progress, connection
            )


def _load(engine_dsn: str, snapshots: Sequence[Snapshot], progress: Progress) -> list[local.Loaded]:
    """The snapshots into the landing database, one after the other."""
    loads = []
    for snapshot in snapshots:
        loads.append(local.load_into(engine_dsn, snapshot.path, snapshot.at))
        if len(loads) % 20 == 0 or len(loads) == len(snapshots):
            progress(f"replicated {len(loads)} of {len(snapshots)} snapshots, up to {snapshot.at}")
    return loads


def _publish(
    project: Project,
    environment: Environment,
    warehouse: Status,
    snapshots: Sequence[Snapshot],
    loads: Sequence[local.Loaded],
    notices: tuple[str, ...],
    keep: bool,
    progress: Progress,
    connection: Any = None,
) -> Demo:
    """Deploy, run, ask; with a `connection` to a real source also change that, run again, and ask again."""
    as_of = snapshots[-1].at
    progress("deploying migrations, procedures and views")
    deployment = deploy.deploy(project, environment)
    where = target_of(warehouse)
    with Session(where) as session:
        api = data_api_of(warehouse, environment)

        def call(at: datetime) -> RunRecord:
            return run.call(session, where, api, "rental", as_of=at, progress=progress)

        record = call(as_of)
        shown = metrics.show(session, as_of)
        live: tuple[LiveChange, ...] = ()
        if connection is not None:
            live = demo_source.change(session, connection, as_of, call, progress)
            if (again := metrics.show(session, as_of)) != shown:
                apart = [one.title for one, other in zip(again, shown, strict=True) if one != other]
                raise Unavailable(
                    "the source is as it was before the changes, but the metrics are not:"
                    f" {'; '.join(apart)}; `zeroshift integration reconcile` compares source and landing"
                )
        return Demo(
            as_of=as_of,
            loads=tuple(loads),
            notices=notices,
            deployment=deployment,
            run=record,
            metrics=shown,
            rejected=status.rejected(session, ledger.read(session)),
            warehouse=warehouse,
            snapshots=snapshots[0].path.parent if keep else None,
            live=live,
        )


def _generate(
    directory: Path, listings: Path | None, seed: int | None, scale: float, progress: Progress
) -> tuple[list[Snapshot], tuple[str, ...]]:
    """Write the marketplace's snapshots, oldest first, and say what is invented about real listings."""
    # Not at the top: deployer.local is imported only for an environment of kind local.
    from deployer.local.marketplace.generator import DEFAULT_SEED, generate
    from deployer.local.marketplace.listings import read

    given: Sequence[Listing] | None = None
    notices: tuple[str, ...] = ()
    if listings is not None:
        progress(f"reading {listings}")
        found = read(listings)
        given, notices = found.listings, found.notices
    seed = DEFAULT_SEED if seed is None else seed
    progress(f"inventing two years of a marketplace (seed {seed})")
    snapshots = generate(directory, seed=seed, scale=scale, listings=given)
    return snapshots, notices


def _must_be_swept(project: Project, here: LocalEnvironment) -> bool:
    """Whether the warehouse holds an earlier demo. Raises Unsafe when it holds anything else."""
    if (project.home / DEMO_MARK).exists():
        return True
    if here.status().port is None and not os.environ.get("ZEROSHIFT_POSTGRES_DSN"):
        # It never ran.
        return False
    with Session(target_of(here.ensure_up())) as session:
        if not ledger.exists(session) and not any(table.rows for table in status.landing(session)):
            return False
    raise Unsafe(
        f"a demo starts afresh, but the local warehouse in {project.home} holds data of another origin;"
        " empty it with `zeroshift local reset --yes`, or set ZEROSHIFT_HOME to another directory"
    )


@contextmanager
def _directory(project: Project, keep: bool) -> Iterator[Path]:
    """Where the snapshots are written: the home's `demo` when they are kept, else a directory that goes
    away.
    """
    if keep:
        directory = project.home / "demo"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        yield directory
    else:
        with tempfile.TemporaryDirectory(prefix="zeroshift-demo-") as name:
            yield Path(name)
