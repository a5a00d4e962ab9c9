"""Apply pending migrations: each in a transaction with its version row, or statement by statement where that cannot be.

Redshift refuses some statements in a transaction, and TRUNCATE commits the one it runs in (facts in sql/classify.py).
A migration with any of those is applied in steps: what stands between them goes in transactions, and the table `steps`
says how far it has come, so that a deployment that was killed goes on behind the last statement that took place.
"""

from __future__ import annotations

from pathlib import Path

from deployer.errors import StatementFailed
from deployer.operations.plan_migrations import PendingMigration, beginning
from deployer.operations.progress import Progress
from deployer.sql.classify import Kind, classify
from deployer.warehouse import lease, ledger
from deployer.warehouse.lease import Lease
from deployer.warehouse.ledger import Entry, Migrated, Steps
from deployer.warehouse.retry import is_lost, retrying
from deployer.warehouse.session import Session

_THERE_ALREADY = ("42P04", "42P06", "42P07", "42710", "42723")
"""The database, schema, table or other object exists."""
_GONE_ALREADY = ("3D000", "3F000", "42P01", "42704", "42883")
"""It does not."""


def apply(
    session: Session,
    held: Lease,
    deployment: int,
    root: Path,
    pending: tuple[PendingMigration, ...],
    progress: Progress,
) -> None:
    """Apply `pending` in order. Raises StatementFailed with file and line; the migrations before that one stay."""
    for item in pending:
        progress(f"migration {item.migration.path.stem}")
        stood = ledger.steps(session)
        # Also one whose last such statement was taken out after it had failed.
        if item.stepwise or (stood is not None and stood.revision == item.migration.revision):
            _in_steps(session, held, deployment, root, item, progress)
        else:
            _at_once(session, held, deployment, root, item)


def _at_once(session: Session, held: Lease, deployment: int, root: Path, item: PendingMigration) -> None:
    def once() -> bool:
        with session.transaction():
            lease.renew(session, held)
            if item.recorded.reads:
                # Loaded with Alembic, when the plan was made.
                from deployer.warehouse import migrate

                migrate.run_live(session, item.migration)
            else:
                for statement in item.recorded.statements:
                    session.execute(statement.sql, statement.parameters, where=statement.where)
            _finish(session, deployment, root, item)
            lease.renew(session, held)
        return True

    def recover() -> bool | None:
        lease.reconnect(session, held)
        return True if ledger.migration_heads(session) == (item.migration.revision,) else None

    # Safe: the version row commits with the statements, so an attempt that was committed is seen.
    retrying(once, recover=recover)


def _in_steps(
    session: Session, held: Lease, deployment: int, root: Path, item: PendingMigration, progress: Progress
) -> None:
    statements = item.recorded.statements
    kinds = [classify(statement.text) for statement in statements]
    revision = item.migration.revision

    def stand(done: int, attempted: int) -> Steps:
        return Steps(revision, beginning(item.recorded, attempted), done, attempted)

    stood = ledger.steps(session)
    if stood is None or stood.revision != revision:
        stood = stand(0, 0)
    elif stood.done:
        progress(
            f"migration {item.migration.path.stem}: {stood.done} of {len(statements)} statements are done"
        )
    at = stood.done
    while at < len(statements):
        if _alone(kinds[at]):
            resumed = stood.attempted > at
            _step(session, held, stand(at, at + 1))
            try:
                _run_alone(session, held, statements[at], kinds[at], resumed=resumed)
            except StatementFailed as error:
                if not is_lost(error):
                    # Refused: it has not taken place, and the next deployment must not think that it may have.
                    _step(session, held, stand(at, at))
                raise
            at += 1
            _step(session, held, stand(at, at))
            continue
        end = next((i for i in range(at, len(statements)) if _alone(kinds[i])), len(statements))

        def group(start: int = at, end: int = end) -> bool:
            with session.transaction():
                lease.renew(session, held)
                for statement in statements[start:end]:
                    session.execute(statement.sql, statement.parameters, where=statement.where)
                ledger.record_steps(session, stand(end, end))
                lease.renew(session, held)
            return True

        def recover(end: int = end) -> bool | None:
            lease.reconnect(session, held)
            found = ledger.steps(session)
            return True if found is not None and found.done >= end else None

        retrying(group, recover=recover)
        at = end

    def finish() -> bool:
        with session.transaction():
            lease.renew(session, held)
            _finish(session, deployment, root, item)
            ledger.record_steps(session, None)
        return True

    def finished() -> bool | None:
        lease.reconnect(session, held)
        return True if ledger.migration_heads(session) == (revision,) else None

    retrying(finish, recover=finished)


def _alone(kind: Kind) -> bool:
    return kind.alone or kind.commits


def _step(session: Session, held: Lease, progress: Steps) -> None:
    def once() -> bool:
        with session.transaction():
            lease.renew(session, held)
            ledger.record_steps(session, progress)
        return True

    def again() -> None:
        # Writing the same row a second time does no harm.
        lease.reconnect(session, held)

    retrying(once, recover=again)


def _run_alone(session: Session, held: Lease, statement: object, kind: Kind, *, resumed: bool) -> None:
    """Run one statement outside of a transaction. It is not retried: nobody knows what a failed one has done.

    `resumed`: the deployment before was killed while it ran, or just behind it. Then it runs again, and that what it
    makes is there already, or what it drops is gone, says that it had taken place.
    """
    from deployer.warehouse.migrate import Statement

    assert isinstance(statement, Statement)
    try:
        with lease.kept(session, held):
            session.execute(statement.sql, statement.parameters, where=statement.where)
    except StatementFailed as error:
        verb = statement.text.split(None, 1)[0].lower()
        done = {"create": _THERE_ALREADY, "drop": _GONE_ALREADY}.get(verb, ())
        if not (resumed and error.sqlstate in done):
            raise


def _finish(session: Session, deployment: int, root: Path, item: PendingMigration) -> None:
    """Write down that the migration is applied, with its checksum and its text; in the caller's transaction."""
    migration = item.migration
    path = str(migration.path.relative_to(root))
    ledger.set_head(session, migration.revision)
    ledger.record_migrated(
        session,
        [Migrated(migration.revision, path, migration.checksum, deployment)],
        applied_by=lease.owner(),
    )
    ledger.append(
        session,
        deployment,
        [Entry("apply", "migration", migration.revision, path, migration.checksum, migration.text)],
    )
