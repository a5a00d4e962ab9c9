"""`zeroshift deploy`: carry out a plan, under a lease, so that it may be killed at any moment and run again.

Each migration commits with its version row. All views and procedures change in one transaction together with the
ledger, so that a deployment which is killed leaves either the old ones or the new ones.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path

from deployer.errors import StatementFailed, Unsafe, ZeroshiftError
from deployer.operations import deploy_migrations, plan_objects, replace, verify
from deployer.operations import plan as plans
from deployer.operations.changes import Change
from deployer.operations.plan import Draft, Files, Plan, Provider
from deployer.operations.plan_objects import ObjectPlan
from deployer.operations.progress import Progress, silent
from deployer.operations.verify import Finding
from deployer.operations.warehouses import target
from deployer.project import contracts
from deployer.project.config import Environment, Project
from deployer.project.migrations import Migration
from deployer.warehouse import catalog, lease, ledger
from deployer.warehouse.catalog import Blocker
from deployer.warehouse.lease import Lease
from deployer.warehouse.ledger import Migrated
from deployer.warehouse.retry import CANCELLED, retrying
from deployer.warehouse.session import Session

STATEMENT_SECONDS = 30.0
"""How long a statement about a view or procedure may take. It takes milliseconds; what lasts is the wait for somebody's
lock, and whoever wants to read that view then waits behind us."""


@dataclass(frozen=True)
class Deployment:
    """What a deployment did. `left_over`: deployed once, no longer in the project, still in the warehouse.

    `number` is its number in the ledger, 0 when there was nothing to do. `changes` is all of it in order, with every
    statement; `other` names what is neither migration nor object (grants, AWS resources). `findings` is what verifying
    the presentation found afterwards.
    """

    migrations: tuple[str, ...]
    created: tuple[str, ...]
    replaced: tuple[str, ...]
    recreated: tuple[str, ...]
    dropped: tuple[str, ...]
    left_over: tuple[str, ...]
    unchanged: int
    number: int = 0
    changes: tuple[Change, ...] = ()
    other: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def did_nothing(self) -> bool:
        return not (
            self.migrations or self.created or self.replaced or self.recreated or self.dropped or self.other
        )

    @property
    def works(self) -> bool:
        """Whether verifying found no error."""
        return not any(finding.severity == verify.ERROR for finding in self.findings)


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
    commit = git_commit if git_commit is not None else checked_out(project.root)
    told = plans.read(plan_file) if plan_file is not None else None
    progress(f"read {len(files.versions)} migrations and {len(files.wanted)} objects")
    with Session(target(project, environment, progress)) as session:
        prune = told.pruned if told is not None else prune
        made = plans.draft(project, environment, session, files, prune=prune, providers=providers)
        if told is not None and plan_file is not None:
            plans.refuse_other(told, made.plan, plan_file)
        refuse(made.plan, allow)
        if not made.plan.changes and not _is_older(session):
            return _result(made.objects, 0)
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
                    return _result(made.objects, 0)
            return _Run(project, environment, session, held, made, commit, statement_seconds, progress).run(
                prune
            )
        finally:
            _release(session, held)


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


class _Run:
    """One deployment, under its lease."""

    def __init__(
        self,
        project: Project,
        environment: Environment,
        session: Session,
        held: Lease,
        made: Draft,
        commit: str | None,
        statement_seconds: float,
        progress: Progress,
    ) -> None:
        self._project = project
        self._environment = environment
        self._session = session
        self._held = held
        self._draft = made
        self._statement_seconds = statement_seconds
        self._progress = progress
        self._commit = commit
        self._blockers: tuple[Blocker, ...] = ()
        self._with_objects: tuple[Change, ...] = ()

    def run(self, prune: bool) -> Deployment:
        session, made = self._session, self._draft
        number = self._begin()
        try:
            before = self._provided(plans.BEFORE)
            compared = self._sql(number, prune)
            after = self._provided(plans.AFTER) + self._provided(plans.LAST)
            findings = verify.after_deploy(
                session,
                self._project,
                {item.name: item for item in made.files.wanted},
                made.files.contracts,
            ).findings
            self._end(number)
        except ZeroshiftError:
            self._note_failure(number)
            raise
        changes = (
            *before,
            *(item.change for item in made.pending),
            *(item.change for item in compared.changes),
            *self._with_objects,
            *after,
        )
        return replace_fields(
            _result(compared, number),
            migrations=tuple(item.migration.revision for item in made.pending),
            changes=changes,
            other=tuple(change.title for change in (*before, *self._with_objects, *after)),
            findings=findings,
        )

    def _begin(self) -> int:
        session, token = self._session, self._draft.plan.checksum

        def once() -> int:
            with session.transaction():
                lease.renew(session, self._held)
                return ledger.begin(
                    session, deployed_by=lease.owner(), git_commit=self._commit, plan_checksum=token
                )

        def recover() -> int | None:
            lease.reconnect(session, self._held)
            newest = ledger.deployments(session)[:1]
            # Only we can have written it: we hold the lease.
            ours = [
                item.id for item in newest if (item.status, item.plan_checksum) == (ledger.RUNNING, token)
            ]
            return ours[0] if ours and newest[0].process_id == os.getpid() else None

        return retrying(once, recover=recover)

    def _sql(self, number: int, prune: bool) -> ObjectPlan:
        session, made = self._session, self._draft
        compared = made.objects
        if made.pending:
            if lease.runs_exist(session):
                lease.refuse_during_runs(session)
            deploy_migrations.apply(
                session, self._held, number, self._project.root, made.pending, self._progress
            )
            # What the views' columns are, the migrations may have changed.
            compared = self._compare(prune)
        return self._objects(number, compared, prune)

    def _compare(self, prune: bool) -> ObjectPlan:
        return plan_objects.plan(
            self._session,
            self._draft.files.wanted,
            ledger.read(self._session),
            prune=prune,
            migrations_pending=False,
            # New views are about to be created: that tells what is wrong with them.
            try_new=False,
        )

    def _objects(self, number: int, compared: ObjectPlan, prune: bool) -> ObjectPlan:
        session, wanted = self._session, self._draft.files.wanted

        def once() -> ObjectPlan:
            with session.transaction():
                # First, so that its write lock keeps any other deployment out until we commit.
                lease.renew(session, self._held)
                if lease.runs_exist(session):
                    lease.fence_runs(session)
                session.execute(f"set statement_timeout to {int(self._statement_seconds * 1000)}")
                replace.apply(session, compared.changes, self._progress)
                self._with_objects = self._provided_with_objects()
                lease.reset_timeout(session)
                self._refuse_broken(compared)
                replace.record(
                    session,
                    number,
                    wanted,
                    compared,
                    deployed_by=lease.owner(),
                    git_commit=self._commit,
                )
                self._adopt_migrations()
                lease.renew(session, self._held)
            return compared

        def recover() -> ObjectPlan | None:
            lease.reconnect(session, self._held)
            if self._compare(prune).changes or any(changes for _, changes in self._changes_with_objects()):
                return None
            # Nothing left to do: the commit had taken place.
            return compared

        try:
            # Safe: one transaction, which creates and replaces; done twice it is the same.
            return retrying(once, recover=recover, also=lambda error: self._is_blocked(error, compared))
        except StatementFailed as error:
            if error.sqlstate != CANCELLED:
                raise
            who = "; ".join(str(blocker) for blocker in self._blockers)
            raise StatementFailed(
                f"it waited {self._statement_seconds:g} s for somebody's lock, again and again:"
                f" {who or 'nobody that this user can see holds it any more'};"
                " wait for it, or end it with pg_terminate_backend, and deploy again; no view or procedure was changed",
                sqlstate=error.sqlstate,
                sql=error.sql,
                where=error.where,
            ) from error
        finally:
            lease.reset_timeout(session)

    def _is_blocked(self, error: StatementFailed, compared: ObjectPlan) -> bool:
        """Whether a statement timed out, most likely behind a reader; says behind whom."""
        if error.sqlstate != CANCELLED:
            return False
        self._blockers = catalog.blockers(self._session, replace.relations(compared.changes))
        for blocker in self._blockers:
            self._progress(f"{error.where}: waiting for {blocker}")
        return True

    def _refuse_broken(self, compared: ObjectPlan) -> None:
        """Contracts of the views that have changed, asked in the transaction that would break them."""
        changed = {item.change.name for item in compared.changes}
        promised = [item for name, item in self._draft.files.contracts.items() if name in changed]
        broken = verify.broken(self._session, promised) if promised else []
        if broken:
            raise contracts.refusal(broken)

    def _adopt_migrations(self) -> None:
        """Checksums of migrations that an older zeroshift applied: of the files as they are now."""
        heads = ledger.migration_heads(self._session)
        known = ledger.applied(self._session)
        unknown: list[Migration] = [
            migration
            for migration in self._draft.files.versions
            if heads and migration.revision <= heads[0] and migration.revision not in known
        ]
        ledger.record_migrated(
            self._session,
            [
                Migrated(item.revision, str(item.path.relative_to(self._project.root)), item.checksum, 0)
                for item in unknown
            ],
            applied_by=lease.owner(),
        )

    def _changes_with_objects(self) -> list[tuple[Provider, tuple[Change, ...]]]:
        """What the parts that go with the objects would do now."""
        made = self._draft
        return [
            (
                provider,
                provider.changes(self._project, self._environment, self._session, made.files.wanted),
            )
            for provider, planned in made.provided
            # Without migrations nothing can have come that was not planned.
            if provider.stage == plans.WITH and (planned or made.pending)
        ]

    def _provided_with_objects(self) -> tuple[Change, ...]:
        """Apply the parts that go with the objects. Raises Unsafe when they would now lose more than was planned."""
        planned = {change.key for _, changes in self._draft.provided for change in changes}
        done: list[Change] = []
        for provider, changes in self._changes_with_objects():
            for change in changes:
                if change.destructive and change.key not in planned:
                    raise Unsafe(
                        f"{change.key} would lose {change.destructive}, which it would not when the plan was made;"
                        " make the plan anew; no view or procedure was changed"
                    )
            provider.apply(self._project, self._environment, self._session, changes, self._progress)
            done += changes
        return tuple(done)

    def _provided(self, stage: str) -> tuple[Change, ...]:
        done: list[Change] = []
        for provider, changes in self._draft.provided:
            if provider.stage == stage and changes:
                with lease.kept(self._session, self._held):
                    provider.apply(self._project, self._environment, self._session, changes, self._progress)
                done += changes
        return tuple(done)

    def _end(self, number: int) -> None:
        def once() -> bool:
            with self._session.transaction():
                lease.renew(self._session, self._held)
                ledger.end(self._session, number, ledger.DONE)
            return True

        def again() -> None:
            lease.reconnect(self._session, self._held)

        retrying(once, recover=again)

    def _note_failure(self, number: int) -> None:
        try:
            with self._session.transaction():
                lease.renew(self._session, self._held)
                ledger.end(self._session, number, ledger.FAILED)
        except ZeroshiftError:
            # The connection or the lease is gone, and that error is being reported; the next deployment marks the row.
            return


def _is_older(session: Session) -> bool:
    """Whether an older zeroshift deployed here, whose ledger lacks what this one keeps."""
    lacking = ledger.missing(session)
    return bool(lacking) and "objects" not in lacking and bool(ledger.read(session))


def _result(compared: ObjectPlan, number: int) -> Deployment:
    def names(action: str) -> tuple[str, ...]:
        return tuple(item.change.name for item in compared.changes if item.change.action == action)

    return Deployment(
        migrations=(),
        created=names("create"),
        replaced=names("replace"),
        recreated=names("recreate"),
        dropped=names("drop"),
        left_over=compared.orphans,
        unchanged=compared.unchanged,
        number=number,
    )


def _release(session: Session, held: Lease) -> None:
    try:
        lease.release(session, held)
    except StatementFailed:
        # The connection is gone, and that error is being reported. The lease names a process that will be
        # dead.
        return


def checked_out(root: Path) -> str | None:
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
