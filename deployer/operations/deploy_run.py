"""One deployment, under its lease: everything that a plan says, in its order, each part so that it can be repeated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from dataclasses import replace as replace_fields

from deployer.errors import StatementFailed, Unsafe, ZeroshiftError
from deployer.operations import deploy_migrations, plan_objects, replace, verify
from deployer.operations import plan as plans
from deployer.operations.changes import Change
from deployer.operations.plan import Draft, Provider
from deployer.operations.plan_objects import ObjectPlan
from deployer.operations.progress import Progress
from deployer.operations.verify import Finding
from deployer.project import contracts
from deployer.project.config import Environment, Project
from deployer.project.migrations import Migration
from deployer.warehouse import catalog, lease, ledger
from deployer.warehouse.catalog import Blocker
from deployer.warehouse.lease import Lease
from deployer.warehouse.ledger import Migrated
from deployer.warehouse.retry import CANCELLED, retrying
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Deployment:
    """What a deployment did. `left_over`: deployed once, no longer in the project, still in the warehouse.

    `number` is its number in the ledger, 0 when there was nothing to do. `changes` is all of it in order, with every
    statement; `other` names what is neither migration nor object (grants, AWS resources). `findings` is what verifying
    the presentation found afterwards, `warnings` are the plan's.
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
    warnings: tuple[str, ...] = ()

    @property
    def did_nothing(self) -> bool:
        return not (
            self.migrations or self.created or self.replaced or self.recreated or self.dropped or self.other
        )

    @property
    def works(self) -> bool:
        """Whether verifying found no error."""
        return not any(finding.severity == verify.ERROR for finding in self.findings)


class Run:
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
            result(made, compared, number),
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
                lease.end_timeout(session)
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


def result(made: Draft, compared: ObjectPlan, number: int) -> Deployment:
    """What applying `compared` did, as far as views and procedures go."""

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
        warnings=made.plan.warnings,
    )
