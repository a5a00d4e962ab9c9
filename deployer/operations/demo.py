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
from typing import TYPE_CHECKING

from deployer.errors import Unsafe
from deployer.operations import deploy, local, metrics, run, status
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


def demo(
    project: Project,
    environment: Environment,
    *,
    listings: Path | None = None,
    seed: int | None = None,
    keep: bool = False,
    scale: float = 1.0,
    progress: Progress = silent,
) -> Demo:
    """Empty the local warehouse, feed it a generated marketplace, deploy, run, and ask for every metric.

    `listings` takes real listings from a CSV file instead of inventing them; `seed` None is the usual one;
    `keep` keeps the generated snapshots in the home. Raises Unsafe when the local warehouse holds something
    that did not come from a demo.
    """
    here = local_environment(project)
    sweep = _must_be_swept(project, here)
    with _directory(project, keep) as directory:
        # Written first: a bad listings file must not cost the old warehouse.
        snapshots, notices = _generate(directory, listings, seed, scale, progress)
        progress("starting a fresh local warehouse")
        if sweep:
            here.reset()
        project.home.mkdir(parents=True, exist_ok=True)
        (project.home / DEMO_MARK).write_text(json.dumps({"seed": seed}) + "\n", encoding="utf-8")
        warehouse = here.up()
        assert warehouse.engine_dsn is not None  # it runs
        loads = []
        for snapshot in snapshots:
            loads.append(local.load_into(warehouse.engine_dsn, snapshot.path, snapshot.at))
            if len(loads) % 20 == 0 or len(loads) == len(snapshots):
                progress(f"replicated {len(loads)} of {len(snapshots)} snapshots, up to {snapshot.at}")
    as_of = snapshots[-1].at
    progress("deploying migrations, procedures and views")
    deployment = deploy.deploy(project, environment)
    where = target_of(warehouse)
    with Session(where) as session:
        api = data_api_of(warehouse, environment)
        record = run.call(session, where, api, "rental", as_of=as_of, progress=progress)
        return Demo(
            as_of=as_of,
            loads=tuple(loads),
            notices=notices,
            deployment=deployment,
            run=record,
            metrics=metrics.show(session, as_of),
            rejected=status.rejected(session),
            warehouse=warehouse,
            snapshots=directory if keep else None,
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
