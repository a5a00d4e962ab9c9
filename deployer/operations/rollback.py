"""`zeroshift rollback`: views and procedures back to what they were after an earlier deployment.

The ledger keeps the whole text of every file that was deployed. A rollback is a deployment of those texts, through the
same plan, lease, transaction and checks. Tables and data do not go back: when a migration was applied since, the older
views may not fit the tables any more, and the rollback is refused.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import Unsafe, UsageError
from deployer.operations import drift
from deployer.operations.deploy import Deployment, deploy
from deployer.operations.plan import Files
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project import contracts, graph, migrations, objects
from deployer.project.config import Environment, Project
from deployer.project.objects import Object
from deployer.warehouse import catalog, lease, ledger
from deployer.warehouse.ledger import Entry, Migrated
from deployer.warehouse.session import Session

BY_HAND = "changed by hand"
"""What the ledger says instead of a checksum when the warehouse holds something else than was deployed."""


@dataclass(frozen=True)
class Candidate:
    """A deployment. `migrations_since`: revisions applied after it, which keep a rollback from going back to it."""

    deployment: ledger.Deployment
    migrations_since: tuple[str, ...]


@dataclass(frozen=True)
class Rollback:
    """What a rollback did. `restored` are objects that had been changed by hand since they were deployed."""

    to: int
    deployment: Deployment
    restored: tuple[str, ...]


def candidates(
    project: Project, environment: Environment, progress: Progress = silent
) -> tuple[Candidate, ...]:
    """All deployments, the newest first."""
    with Session(target(project, environment, progress)) as session:
        applied = ledger.applied(session)
        return tuple(Candidate(item, _since(applied, item.id)) for item in ledger.deployments(session))


def rollback(
    project: Project,
    environment: Environment,
    to: int,
    *,
    prune: bool = False,
    allow: Collection[str] = (),
    wait: float = 0.0,
    progress: Progress = silent,
) -> Rollback:
    """Bring every view and procedure back to its definition at the end of deployment `to`.

    Objects that did not exist then stay, unless `prune`. What was changed by hand since is overwritten too. Raises
    UsageError for a deployment that there is not, Unsafe when a migration was applied since; whatever else `deploy`
    raises.
    """
    promised = contracts.read_all(project.procedures, project.root)
    with Session(target(project, environment, progress)) as session:
        chosen = _chosen(session, to)
        heads = ledger.migration_heads(session)
        entries = ledger.entries(session, to)
        wanted = _objects(entries)
        restored = _mark_drifted(session, wanted, wait, progress)
    versions = tuple(
        item for item in migrations.read(project.migrations) if heads and item.revision <= heads[0]
    )
    progress(f"going back to deployment {to}: {len(wanted)} objects")
    done = deploy(
        project,
        environment,
        files=Files(versions, wanted, promised),
        git_commit=chosen.git_commit,
        # Grants and AWS resources stay as they are: only views and procedures go back.
        providers=(),
        prune=prune,
        allow=allow,
        wait=wait,
        progress=progress,
    )
    return Rollback(to, done, restored)


def _chosen(session: Session, to: int) -> ledger.Deployment:
    deployments = {item.id: item for item in ledger.deployments(session)}
    if to not in deployments:
        known = f"1 to {max(deployments)}" if deployments else "none"
        raise UsageError(
            f"there is no deployment {to} (there are: {known}); `zeroshift rollback` lists them; nothing was changed"
        )
    since = _since(ledger.applied(session), to)
    if since:
        listed = ", ".join(since)
        raise Unsafe(
            f"migration {listed} was applied after deployment {to}, and tables and data do not go back: put the older"
            " views and procedures into the files, with a new migration for the tables where they need one, and run"
            " `zeroshift deploy`; nothing was changed"
        )
    return deployments[to]


def _since(applied: Mapping[str, Migrated], to: int) -> tuple[str, ...]:
    return tuple(sorted(item.revision for item in applied.values() if item.deployment_id > to))


def _objects(entries: Mapping[str, Entry]) -> tuple[Object, ...]:
    """The texts that were deployed, read as the files they were. Raises UsageError."""
    with tempfile.TemporaryDirectory(prefix="zeroshift-rollback-") as directory:
        root = Path(directory)
        found = []
        for entry in entries.values():
            path = root / entry.path
            if not path.resolve().is_relative_to(root.resolve()):
                raise UsageError(
                    f"the ledger says that {entry.name} was deployed from {entry.path}, outside of the project"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(entry.text, encoding="utf-8", newline="\n")
            found.append(objects.read(path, root))
        return graph.in_order(found)


def _mark_drifted(
    session: Session, wanted: tuple[Object, ...], wait: float, progress: Progress
) -> tuple[str, ...]:
    """Have the ledger say which objects are not as they were deployed, so that the plan replaces them.

    It is the truth, so it may stay when nothing comes after it.
    """
    ledger.ensure(session)
    held = lease.acquire(session, wait=wait, on_wait=lambda holder: progress(f"waiting for {holder}"))
    try:
        with session.transaction():
            lease.renew(session, held)
            there = ledger.read(session)
            compared = drift.compare(there, ledger.live(session), catalog.definitions(session))
            keys = {item.key for item in wanted}
            changed = [
                item
                for item in compared.items
                if item.change == drift.CHANGED and f"{item.kind} {item.name}" in keys
            ]
            for item in changed:
                session.execute(
                    f"update {ledger.SCHEMA}.objects set checksum = %s where kind = %s and name = %s",
                    (BY_HAND, item.kind, item.name),
                )
    finally:
        lease.give_back(session, held)
    return tuple(item.name for item in changed)
