"""Derived environments: a pull request's own schemas beside those of the base environment, in the same warehouse.

Made, and made anew, in one transaction: one that is killed leaves the environment as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from deployer.errors import StatementFailed, Unsafe, UsageError
from deployer.mask import mask
from deployer.operations import checkout, environment_plan
from deployer.operations import plan as plans
from deployer.operations.changes import Change
from deployer.operations.environment_plan import EnvironmentPlan
from deployer.operations.lineage import read as read_lineage
from deployer.operations.plan import Plan
from deployer.operations.plan_objects import Step
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project.config import Environment, Project
from deployer.project.derived.names import Derived
from deployer.project.objects import line_at
from deployer.sql.names import quote_ident
from deployer.warehouse import catalog, environment_ledger, ledger
from deployer.warehouse.environment_ledger import Listed, Part
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session

_DEPENDENTS_EXIST = "2BP01"


@dataclass(frozen=True)
class DerivedDeployment:
    """What an environment has. `differing` is what differs from the base, `own` all that was copied because of it.

    `seen_through` counts the views of what the base has. `unchanged`: all of it was there already, and only its time to
    live begins anew.
    """

    name: str
    base: str
    suffix: str
    differing: tuple[str, ...]
    own: tuple[str, ...]
    seen_through: int
    unchanged: bool
    expires_at: datetime | None


def plan(project: Project, derived: Derived, *, progress: Progress = silent) -> Plan:
    """What `deploy` would make, copy by copy; changes nothing. Raises what `deploy` raises, but for what only the
    warehouse finds when a view is made.
    """
    with _planned(project, derived, progress) as (session, made):
        before = {item.name: item for item in environment_ledger.read(session)}.get(derived.name)
        old = environment_ledger.parts(session, derived.name) if before is not None else ()
        _refuse_foreign(session, made.parts, old)
        same = before is not None and before.deployed_at is not None and before.checksum == made.checksum
        return Plan(
            project=project.name,
            environment=derived.name,
            changes=() if same else tuple(_changes(derived, made, old)),
            problems=(),
            orphans=(),
            unchanged=len(made.parts) if same else 0,
            pruned=False,
            warehouse=plans.stand(session),
            provided=(),
            checksum=made.checksum,
            warnings=plans.warnings(session, project, project.environment(derived.base)),
        )


def _changes(derived: Derived, made: EnvironmentPlan, old: Sequence[Part]) -> Iterator[Change]:
    """The copies, each with its statements; everything else of the environment in one."""
    through = sum(not part.is_own for part in made.parts)
    yield Change(
        "replace" if old else "create",
        "environment",
        derived.name,
        reason=f"schemas with the suffix {derived.suffix}; beside the copies {through} views of what {derived.base}"
        f" has; it lives {derived.hours} hours",
    )
    there = {f"{part.schema}.{part.name}" for part in old if part.is_own}
    for part in made.parts:
        name = f"{part.schema}.{part.name}"
        steps = made.steps_of.get(name, ())
        if not (part.is_own and part.name and steps):
            continue
        base = f"{part.schema.removesuffix(derived.suffix)}.{part.name}"
        first = next((step for step in steps if step.path), steps[0])
        yield Change(
            "replace" if name in there else "create",
            part.kind,
            name,
            first.path,
            first.line,
            tuple(mask(step.sql.strip().rstrip(";")) for step in steps),
            reason=f"differs from {derived.base}"
            if base in made.differing
            else f"follows from what differs from {derived.base}",
        )


@contextmanager
def _planned(
    project: Project, derived: Derived, progress: Progress
) -> Iterator[tuple[Session, EnvironmentPlan]]:
    """A session with the base, and what the environment should be. Raises UsageError when the base has nothing."""
    files = plans.read_files(project)
    graph = read_lineage(project)
    with Session(target(project, project.environment(derived.base), progress)) as session:
        if not ledger.exists(session):
            raise UsageError(
                f"nothing is deployed in {derived.base}, from which {derived.name} would be derived;"
                f" `zeroshift deploy --env {derived.base}` does it"
            )
        yield session, environment_plan.plan(session, project, derived, files, graph)


def deploy(project: Project, derived: Derived, *, progress: Progress = silent) -> DerivedDeployment:
    """Make the environment `derived` what the project says, or leave it when it is that already.

    Raises UsageError with file and line for what cannot be rewritten or copied safely; StatementFailed for the first
    statement that the warehouse refuses; LeaseHeld while somebody else deploys this environment; Unsafe for a schema of
    its name that is somebody's.
    """
    with _planned(project, derived, progress) as (session, made):
        environment_ledger.ensure(session)
        commit = checkout.commit(project.root)
        token = environment_ledger.acquire(session, derived.name, derived.suffix, commit)
        try:
            unchanged = _make(session, derived, made, token, commit, progress)
            # With the lease still ours: nobody can have dropped it.
            listed = next(item for item in environment_ledger.read(session) if item.name == derived.name)
        finally:
            _release(session, derived.name, token)
    return DerivedDeployment(
        derived.name,
        derived.base,
        derived.suffix,
        made.differing,
        tuple(f"{part.schema}.{part.name}" for part in made.parts if part.is_own and part.name),
        sum(not part.is_own for part in made.parts),
        unchanged,
        listed.expires_at,
    )


def _make(
    session: Session,
    derived: Derived,
    made: EnvironmentPlan,
    token: str,
    commit: str | None,
    progress: Progress,
) -> bool:
    """Returns whether there was nothing to do."""
    before = {item.name: item for item in environment_ledger.read(session)}[derived.name]
    if before.deployed_at is not None and before.checksum == made.checksum:
        environment_ledger.extend(session, derived.name, token, derived.hours)
        return True
    old = environment_ledger.parts(session, derived.name)
    _refuse_foreign(session, made.parts, old)
    kept = {part.schema for part in made.parts if part.kind == "schema"}

    def once() -> bool:
        with session.transaction():
            _drop(session, [part for part in old if part.kind != "schema" or part.schema not in kept])
            for step in made.steps:
                _execute(session, step)
            for step in made.checks:
                _execute(session, step)
            environment_ledger.record(
                session, derived.name, token, made.parts,
                checksum=made.checksum, git_commit=commit, hours=derived.hours,
            )  # fmt: skip
        return True

    progress(f"make {derived.name}: {len(made.steps)} statements in one transaction")
    retrying(once)
    return False


def _execute(session: Session, step: Step) -> None:
    try:
        session.execute(step.sql)
    except StatementFailed as error:
        if step.path:
            line = step.line
            if error.position is not None:
                line += line_at(step.sql, error.position - 1) - 1
            error.where = f"{step.path}:{line}"
        raise


def _refuse_foreign(session: Session, parts: Sequence[Part], old: Sequence[Part]) -> None:
    """Raise Unsafe for a schema of the environment's names that something else has made."""
    ours = {part.schema for part in old if part.kind == "schema"}
    wanted = {part.schema for part in parts if part.kind == "schema"} - ours
    found = session.execute("select nspname from pg_catalog.pg_namespace")
    taken = sorted(wanted & {str(row[0]) for row in found.rows})
    if taken:
        raise Unsafe(
            f"the schema {taken[0]} is there and belongs to no environment; drop it, or choose another name;"
            " nothing was changed"
        )


def _drop(session: Session, parts: Sequence[Part]) -> None:
    """Drop what an environment consists of, last made first, in the caller's transaction. Never with CASCADE."""
    procedures = catalog.procedure_names(session)
    for part in reversed(parts):
        name = (
            f"{quote_ident(part.schema)}.{quote_ident(part.name)}" if part.name else quote_ident(part.schema)
        )
        if part.kind == "procedure":
            # DROP PROCEDURE has no IF EXISTS (Redshift DG, r_DROP_PROCEDURE).
            if f"{part.schema}.{part.name}" not in procedures:
                continue
            sql = f"drop procedure {name}{part.signature}"
        else:
            sql = f"drop {part.kind} if exists {name}"
        try:
            session.execute(sql)
        except StatementFailed as error:
            if error.sqlstate != _DEPENDENTS_EXIST:
                raise
            raise Unsafe(
                f"the {part.kind} {name} cannot be dropped: somebody has made something in the environment or on top"
                f" of it ({error}); drop that first; nothing was changed"
            ) from error


def drop(project: Project, base: Environment, name: str, *, progress: Progress = silent) -> Listed:
    """Drop the environment `name` out of the warehouse of `base`; returns what the list had of it.

    Raises UsageError when there is none, Unsafe when something stands on it, LeaseHeld while it is being deployed.
    """
    with Session(target(project, base, progress)) as session:
        found = {item.name: item for item in environment_ledger.read(session)}
        if name not in found:
            listed = ", ".join(found) or "none"
            raise UsageError(f"{base.name} has no environment {name!r} derived from it; it has: {listed}")
        _drop_one(session, found[name], progress)
        return found[name]


def prune(project: Project, base: Environment, *, progress: Progress = silent) -> tuple[Listed, ...]:
    """Drop every environment whose time to live is over; returns them."""
    with Session(target(project, base, progress)) as session:
        over = [item for item in environment_ledger.read(session) if item.expired]
        return tuple(item for item in over if _drop_one(session, item, progress, only_expired=True))


def listed(project: Project, base: Environment, *, progress: Progress = silent) -> tuple[Listed, ...]:
    """The environments that were derived from `base`."""
    with Session(target(project, base, progress)) as session:
        return environment_ledger.read(session)


def _drop_one(session: Session, item: Listed, progress: Progress, *, only_expired: bool = False) -> bool:
    """Returns whether it was dropped: with `only_expired` not when it was deployed again, or dropped, meanwhile."""
    token = environment_ledger.acquire(session, item.name, item.suffix, item.git_commit)

    def once() -> None:
        with session.transaction():
            _drop(session, environment_ledger.parts(session, item.name))
            environment_ledger.forget(session, item.name, token)

    try:
        if only_expired and not any(
            now.name == item.name and now.expired for now in environment_ledger.read(session)
        ):
            return False
        progress(f"drop {item.name}")
        retrying(once)
        return True
    finally:
        _release(session, item.name, token)


def _release(session: Session, name: str, token: str) -> None:
    try:
        environment_ledger.release(session, name, token)
    except StatementFailed:
        # The connection is gone, and that error is being reported; the lease names a process that will be dead.
        return
