"""`zeroshift repair`: make the ledger agree with the migrations' files again, after somebody has looked.

Nothing of the warehouse's own is changed: only what the ledger says about migrations, or a file that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.errors import UsageError
from deployer.operations import plan_migrations
from deployer.operations.plan_migrations import EDITED, HEADS, MISSING, Problem
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project import migrations
from deployer.project.config import Environment, Project
from deployer.warehouse import lease, ledger
from deployer.warehouse.ledger import Migrated
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Repair:
    """What was found, and which of it was mended; the rest needs people."""

    problems: tuple[Problem, ...]
    repaired: tuple[Problem, ...]


def look(project: Project, environment: Environment, progress: Progress = silent) -> Repair:
    """What is wrong, and what `repair` would do about it; changes nothing."""
    versions = migrations.read(project.migrations)
    with Session(target(project, environment, progress)) as session:
        found = plan_migrations.problems(versions, plan_migrations.read(session), project.root)
    return Repair(found, ())


def repair(project: Project, environment: Environment, progress: Progress = silent) -> Repair:
    """Mend what can be mended, under the lease. Raises LeaseHeld while somebody deploys."""
    versions = migrations.read(project.migrations)
    with Session(target(project, environment, progress)) as session:
        if "objects" in ledger.missing(session):
            return Repair((), ())
        ledger.ensure(session)
        held = lease.acquire(session)
        try:
            found = plan_migrations.problems(versions, plan_migrations.read(session), project.root)
            mended = tuple(problem for problem in found if problem.repair)
            with session.transaction():
                lease.renew(session, held)
                for problem in mended:
                    progress(problem.repair)
                    _mend(project, session, versions, problem)
        finally:
            lease.give_back(session, held)
    return Repair(found, mended)


def _mend(
    project: Project, session: Session, versions: tuple[migrations.Migration, ...], problem: Problem
) -> None:
    if problem.code == HEADS:
        ledger.set_head(session, max(ledger.migration_heads(session)))
    elif problem.code == EDITED:
        migration = next(item for item in versions if item.revision == problem.name)
        before = ledger.applied(session)[problem.name]
        row = Migrated(problem.name, problem.path, migration.checksum, before.deployment_id)
        ledger.record_migrated(session, [row], applied_by=lease.owner())
    elif problem.code == MISSING:
        _write_back(project, session, problem)


def _write_back(project: Project, session: Session, problem: Problem) -> None:
    text = ledger.migration_text(session, problem.name)
    path = project.root / problem.path
    if text is None:
        raise UsageError(
            f"the ledger has no text of migration {problem.name}; bring {problem.path} back from git"
        )
    # The path comes from a table: it must lead into this project's migrations and nowhere else.
    if path.resolve().parent != (project.migrations / "versions").resolve():
        raise UsageError(
            f"the ledger says that migration {problem.name} lies at {problem.path}, which is no place"
        )
    try:
        # Never over a file that is there.
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {problem.path}: {error.strerror}") from None
