"""`zeroshift archive list` and `verify`: what S3 holds by the ledger, and whether it really does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.errors import StatementFailed, Unsafe, UsageError
from deployer.mask import mask
from deployer.operations.archive import checks
from deployer.operations.archive.columns import Column
from deployer.operations.archive.place import Place, place
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project.archive import files
from deployer.project.config import Environment, Project
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse.archive_ledger import ArchiveRun, Partition
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Listed:
    """The ledger of an environment: all runs, and by period what S3 holds. Locations are masked."""

    environment: str
    runs: tuple[ArchiveRun, ...]
    partitions: tuple[Partition, ...]


@dataclass(frozen=True)
class Verified:
    """A run whose files were looked at. `problem` is empty when they hold what was unloaded."""

    archive_run: str
    policy: str
    row_count: int
    file_bytes: int
    problem: str = ""


def listed(
    project: Project, environment: Environment, policy: str = "", *, progress: Progress = silent
) -> Listed:
    """What was archived, of one policy or of all. Raises Unavailable before the first deployment, UsageError for a name
    that neither a policy nor a run has."""
    with Session(target(project, environment, progress)) as session:
        found = Listed(
            environment.name,
            tuple(map(ledger.masked, ledger.runs(session, policy))),
            tuple(map(ledger.masked, ledger.partitions(session, policy))),
        )
    if policy and not found.runs and all(item.name != policy for item in files.load(project.root)):
        raise UsageError(
            f"there is no archive policy {policy}, and nothing was archived under this name;"
            " `zeroshift archive list` shows all runs"
        )
    return found


def verify(
    project: Project, environment: Environment, names: Sequence[str] = (), *, progress: Progress = silent
) -> tuple[Verified, ...]:
    """Look at the manifests and read all files back, of the policies or runs of those names, by default all."""
    where = place(project, environment, progress)
    with Session(target(project, environment, progress)) as session:
        return tuple(
            _verified(session, where, run, progress)
            for run in held_runs(session, names)
            if run.state in ledger.HELD
        )


def held_runs(session: Session, names: Sequence[str]) -> tuple[ArchiveRun, ...]:
    """The runs that the names mean, each a policy's or a run's; all for none. Raises UsageError for an unknown one."""
    known = ledger.runs(session)
    for name in names:
        if not any(name in (run.policy, run.archive_run) for run in known):
            raise UsageError(
                f"nothing was archived under {name!r}: no run has this name, and no policy of this name has run;"
                " `zeroshift archive list` shows the runs, `zeroshift archive run` makes what is due"
            )
    return tuple(run for run in known if not names or run.policy in names or run.archive_run in names)


def _verified(session: Session, where: Place, run: ArchiveRun, progress: Progress) -> Verified:
    progress(f"{run.policy}: reading {run.row_count} rows of {run.archive_run}")
    try:
        read_back(session, where, run)
    except (Unsafe, UsageError, StatementFailed) as error:
        # Files in a bucket of another time, or that COPY cannot read, are one of the answers: the other runs follow.
        problem = mask(str(error)).partition("\n")[0]
        return Verified(run.archive_run, run.policy, run.row_count or 0, run.file_bytes or 0, problem)
    return Verified(run.archive_run, run.policy, run.row_count or 0, run.file_bytes or 0)


def read_back(session: Session, where: Place, run: ArchiveRun) -> tuple[checks.Held, tuple[Column, ...]]:
    """Read a run's files into the stage and compare; the stage is left. Raises Unsafe when they differ."""
    wanted = ledger.checks(session, run.archive_run)
    columns = checks.columns_of(wanted)
    stored = checks.held(where, run)
    checks.stage(session, where, run, columns)
    rows, found = checks.counted(session, columns, checks.stage_name(run))
    checks.compare(run, wanted, rows, found)
    return stored, columns
