"""`zeroshift deploy`: carry out a plan, under a lease, so that it may be killed at any moment and run again.

Each migration commits with its version row. All views and procedures change in one transaction together with the
ledger, so that a deployment which is killed leaves either the old ones or the new ones.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from deployer.errors import Unsafe
from deployer.operations import checkout
from deployer.operations import plan as plans
from deployer.operations.deploy_run import Deployment, Run, result
from deployer.operations.plan import Files, Plan, Provider
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project.config import Environment, Project
from deployer.warehouse import lease, ledger
from deployer.warehouse.session import Session

__all__ = ["STATEMENT_SECONDS", "Deployment", "deploy", "refuse"]

STATEMENT_SECONDS = 30.0
"""How long a statement about a view or procedure may take. It takes milliseconds; what lasts is the wait for somebody's
lock, and whoever wants to read that view then waits behind us."""


def deploy(
    project: Project,
    environment: Environment,
    *,
    prune: bool = False,
    plan_file: Path | None = None,
    allow: Collection[str] | None = (),
    wait: float = 0.0,
    statement_seconds: float = STATEMENT_SECONDS,
    files: Files | None = None,
    git_commit: str | None = None,
    providers: Sequence[Provider] | None = None,
    progress: Progress = silent,
) -> Deployment:
    """Deploy `project` into `environment`; `prune` also drops what the project no longer has.

    With `plan_file` exactly that plan is applied. `allow` names the destructive changes that may take place (None, on
    a scratch warehouse: all). `wait`: for how many seconds another deployment is waited for. `files` stand in for the
    project's own (a rollback has them from the ledger), and `git_commit` for the commit that is checked out.

    Raises UsageError before anything is touched when the project itself is wrong; StatementFailed with file and line
    for the first statement that the warehouse refuses; LeaseHeld while somebody else deploys; Unsafe for what is
    destructive and not allowed, for a plan that no longer holds, and for migrations that were tampered with.
    """
    files = files if files is not None else plans.read_files(project)
    commit = git_commit if git_commit is not None else checkout.commit(project.root)
    told = plans.read(plan_file) if plan_file is not None else None
    progress(f"read {len(files.versions)} migrations and {len(files.wanted)} objects")
    with Session(target(project, environment, progress)) as session:
        prune = told.pruned if told is not None else prune
        made = plans.draft(project, environment, session, files, prune=prune, providers=providers)
        if told is not None and plan_file is not None:
            plans.refuse_other(told, made.plan, plan_file)
        refuse(made.plan, allow)
        for warning in made.plan.warnings:
            progress(f"WARNING: {warning}")
        if not made.plan.changes and not _is_older(session):
            return result(made, made.objects, 0)
        ledger.ensure(session)
        held = lease.acquire(session, wait=wait, on_wait=lambda holder: progress(f"waiting for {holder}"))
        try:
            if plans.stand(session) != made.plan.warehouse:
                # Somebody has deployed between our look and the lease.
                made = plans.draft(project, environment, session, files, prune=prune, providers=providers)
                if told is not None and plan_file is not None:
                    plans.refuse_other(told, made.plan, plan_file)
                refuse(made.plan, allow)
                if not made.plan.changes:
                    return result(made, made.objects, 0)
            return Run(project, environment, session, held, made, commit, statement_seconds, progress).run(
                prune
            )
        finally:
            lease.give_back(session, held)


def refuse(made: Plan, allow: Collection[str] | None) -> None:
    """Raise Unsafe for a plan with problems, or with destructive changes that `allow` (None: all) does not name."""
    if made.problems:
        first = made.problems[0]
        where = f"{first.path}:{first.line}: " if first.path else ""
        more = (
            f" (and {len(made.problems) - 1} more; `zeroshift plan` shows all)" if made.problems[1:] else ""
        )
        mend = f"; or `zeroshift repair` will {first.repair}" if first.repair else ""
        raise Unsafe(f"{where}{first.message}{mend}{more}; nothing was changed")
    refused = [change for change in made.destructive if allow is not None and change.name not in allow]
    if refused:
        listed = "; ".join(f"{change.key} loses {change.destructive}" for change in refused)
        options = " ".join(f"--allow-destructive {shlex.quote(change.name)}" for change in refused)
        raise Unsafe(
            f"this would lose data or objects: {listed}; to go on, say {options}; nothing was changed"
        )


def _is_older(session: Session) -> bool:
    """Whether an older zeroshift deployed here, whose ledger lacks what this one keeps."""
    lacking = ledger.missing(session)
    return bool(lacking) and "objects" not in lacking and bool(ledger.read(session))
