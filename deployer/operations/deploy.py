"""`zeroshift deploy`: migrations, then views and procedures, so that the warehouse is as the repository says.

Each migration commits alone. All repeatable objects change in one transaction together with the ledger, so
that a deployment which is killed leaves either the old objects or the new ones, and can simply be run again.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import StatementFailed, UsageError, ZeroshiftError
from deployer.operations import replace
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project import graph, migrations, objects
from deployer.project.config import Environment, Project
from deployer.project.migrations import Migration
from deployer.project.objects import Object
from deployer.warehouse import catalog, lease, ledger
from deployer.warehouse.lease import Lease
from deployer.warehouse.ledger import Deployed, Entry
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session, Target

_READ_ALL = 20
"""From how many objects on their definitions are read back all at once."""


@dataclass(frozen=True)
class Deployment:
    """What a deployment did. `left_over`: deployed once, no longer in the project, still in the warehouse."""

    migrations: tuple[str, ...]
    created: tuple[str, ...]
    replaced: tuple[str, ...]
    recreated: tuple[str, ...]
    dropped: tuple[str, ...]
    left_over: tuple[str, ...]
    unchanged: int

    @property
    def did_nothing(self) -> bool:
        return not (self.migrations or self.created or self.replaced or self.recreated or self.dropped)


def deploy(
    project: Project, environment: Environment, *, prune: bool = False, progress: Progress = silent
) -> Deployment:
    """Deploy `project` into `environment`; `prune` also drops what the project no longer has.

    Raises UsageError before anything is touched when the project itself is wrong; StatementFailed with file
    and line for the first statement that the warehouse refuses; LeaseHeld while somebody else deploys;
    Unsafe when a view would have to be dropped that something outside of the project uses.
    """
    versions = migrations.read(project.migrations)
    wanted = graph.in_order(objects.read_all(project.procedures, project.root))
    progress(f"read {len(versions)} migrations and {len(wanted)} objects")
    where = target(project, environment, progress)
    with Session(where) as session:
        ledger.ensure(session)
        pending = _pending(session, versions)
        change = _change(session, wanted, prune)
        if not pending and change.is_empty:
            return Deployment((), (), (), (), (), change.left_over, len(wanted))
        held = lease.acquire(session)
        try:
            commit = _git_commit(project.root)
            with session.transaction():
                lease.renew(session, held)
                number = ledger.begin(session, deployed_by=lease.owner(), git_commit=commit, plan_checksum="")
            try:
                applied = _migrate(where, project, session, versions, held, progress)
                return _replace(session, wanted, prune, held, applied, number, commit, progress)
            except ZeroshiftError:
                _note_failure(session, held, number)
                raise
        finally:
            _release(session, held)


def _pending(session: Session, versions: tuple[Migration, ...]) -> tuple[str, ...]:
    """The revisions that the warehouse lacks."""
    known = [migration.revision for migration in versions]
    heads = ledger.migration_heads(session)
    if not heads:
        return tuple(known)
    if len(heads) > 1 or heads[0] not in known:
        raise UsageError(
            f"the warehouse stands at migration {', '.join(heads)}, which this checkout does not have;"
            " deploy from a newer one"
        )
    return tuple(known[known.index(heads[0]) + 1 :])


def _migrate(
    where: Target,
    project: Project,
    session: Session,
    versions: tuple[Migration, ...],
    held: Lease,
    progress: Progress,
) -> tuple[str, ...]:
    # Asked again under the lease: another deployment may have applied some in between.
    pending = _pending(session, versions)
    if not pending:
        return ()
    if lease.runs_exist(session):
        lease.refuse_during_runs(session)
    # Imported when there is something to migrate: Alembic and SQLAlchemy take longer to load than most commands to run.
    from deployer.warehouse import migrate

    names = {migration.revision: migration.path.stem for migration in versions}
    done = migrate.upgrade(
        where, project.migrations, held, lambda revision: progress(f"migration {names[revision]}")
    )
    return done.revisions


@dataclass(frozen=True)
class _Change:
    """What differs between the project and the warehouse."""

    changed: tuple[Object, ...]
    deployed: dict[str, Deployed]
    left_over: tuple[str, ...]
    drop: tuple[Deployed, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.changed or self.drop)


def _change(session: Session, wanted: tuple[Object, ...], prune: bool) -> _Change:
    deployed = ledger.read(session)
    there = {
        "view": catalog.view_names(session) if deployed else set(),
        "procedure": catalog.procedure_names(session) if deployed else set(),
    }
    # Somebody may have dropped an object by hand: then it is missing, whatever the ledger says.
    deployed = {key: item for key, item in deployed.items() if item.name in there[item.kind]}
    changed = tuple(
        item
        for item in wanted
        if item.key not in deployed
        or deployed[item.key].checksum != item.checksum
        or deployed[item.key].signature != item.signature
    )
    keys = {item.key for item in wanted}
    gone = tuple(item for key, item in sorted(deployed.items()) if key not in keys)
    left_over = () if prune else tuple(item.name for item in gone)
    return _Change(changed, deployed, left_over, gone if prune else ())


def _replace(
    session: Session,
    wanted: tuple[Object, ...],
    prune: bool,
    held: Lease,
    applied: tuple[str, ...],
    number: int,
    commit: str | None,
    progress: Progress,
) -> Deployment:
    needs = graph.dependencies(wanted)

    def once() -> Deployment:
        with session.transaction():
            # First, so that its write lock keeps any other deployment out until we commit.
            lease.renew(session, held)
            if lease.runs_exist(session):
                lease.fence_runs(session)
            change = _change(session, wanted, prune)
            done = replace.apply(
                session, wanted, change.changed, change.drop, change.deployed, needs, progress
            )
            ledger.record(
                session,
                [
                    Deployed(
                        item.kind,
                        item.name,
                        item.signature,
                        str(item.path),
                        item.checksum,
                        item.late_binding,
                        needs[item.name],
                    )
                    for item in change.changed
                ],
                deployed_by=lease.owner(),
                git_commit=commit,
            )
            for item in change.drop:
                ledger.forget(session, item.kind, item.name)
            _write_history(session, number, wanted, change, done)
            ledger.end(session, number, ledger.DONE)
        return Deployment(
            migrations=applied,
            created=done.created,
            replaced=done.replaced,
            recreated=done.recreated,
            dropped=done.dropped,
            left_over=change.left_over,
            unchanged=len(wanted) - len(change.changed) - len(done.recreated),
        )

    return retrying(once)


def _write_history(
    session: Session, number: int, wanted: tuple[Object, ...], change: _Change, done: replace.Done
) -> None:
    """Add what this deployment did to the history, and read back what the warehouse made of it."""
    recorded, live = ledger.entries(session), ledger.live(session)
    actions = {name: "create" for name in done.created} | {name: "replace" for name in done.replaced}
    actions |= {name: "recreate" for name in done.recreated}
    for item in wanted:
        known = recorded.get(item.key)
        if item.name not in actions and (known is None or known.checksum != item.checksum):
            # An older zeroshift deployed it and kept no text; the checksum says that it is this file.
            actions[item.name] = "adopt"
    entries = [
        Entry(actions[item.name], item.kind, item.name, str(item.path), item.checksum, item.text)
        for item in wanted
        if item.name in actions
    ]
    entries += [Entry("drop", item.kind, item.name, item.path, item.checksum, "") for item in change.drop]
    ledger.append(session, number, entries)
    stale = {item.key for item in wanted if item.name in actions or item.key not in live}
    # One by one where few changed; all at once is one question, but a long answer.
    if len(stale) > _READ_ALL:
        found = catalog.definitions(session)
        ledger.record_live(session, {key: found[key] for key in stale})
        return
    texts = {
        item.key: catalog.definition(session, item.kind, item.name) for item in wanted if item.key in stale
    }
    ledger.record_live(session, {key: text for key, text in texts.items() if text is not None})


def _note_failure(session: Session, held: Lease, number: int) -> None:
    try:
        with session.transaction():
            lease.renew(session, held)
            ledger.end(session, number, ledger.FAILED)
    except ZeroshiftError:
        # The connection or the lease is gone, and that error is being reported: the next deployment marks the row.
        return


def _release(session: Session, held: Lease) -> None:
    try:
        lease.release(session, held)
    except StatementFailed:
        # The connection is gone, and that error is being reported. The lease names a process that will be
        # dead.
        return


def _git_commit(root: Path) -> str | None:
    """The commit that is checked out, with `+` when files differ from it; None outside of a repository."""
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+" if changes else commit
