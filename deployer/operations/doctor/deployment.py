"""What deployments have left in the warehouse: the deployer's own tables, migrations, leases."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.operations import plan_migrations
from deployer.operations.doctor.machine import not_reached
from deployer.operations.doctor.model import Check, Examination, missing, ok
from deployer.project import migrations
from deployer.warehouse import environment_ledger, lease, ledger
from deployer.warehouse.session import Session


def checks(seen: Examination) -> Iterator[Check]:
    """Sets `seen.deployed`."""
    if seen.session is None:
        for name in ("version schema", "leases"):
            yield not_reached(name)
        return
    session = seen.session
    lacking = ledger.missing(session)
    if "objects" in lacking and ledger.VERSION_TABLE in lacking:
        yield ok("version schema", f"{ledger.SCHEMA} is not there yet: the first deployment makes it")
        return
    if lacking:
        yield missing(
            "version schema",
            f"{ledger.SCHEMA} lacks {', '.join(lacking)}: an older zeroshift made it, or a deployment was killed",
            f"zeroshift deploy {seen.env}",
        )
        if "deployments" in lacking or "lease" in lacking:
            return
    else:
        yield ok("version schema", f"{ledger.SCHEMA} is complete")
    seen.deployed = ledger.last_done(session) > 0
    holder = lease.holder(session)
    yield from _migrations(seen, session)
    yield from _last(seen, session, holder)
    yield from _leases(seen, session, holder)


def _migrations(seen: Examination, session: Session) -> Iterator[Check]:
    versions = migrations.read(seen.project.migrations)
    applied = plan_migrations.read(session)
    found = plan_migrations.problems(versions, applied, seen.project.root)
    for problem in found:
        yield missing("migrations", problem.message, f"zeroshift repair {seen.env}")
    if applied.steps is not None:
        yield missing(
            "migrations",
            f"{applied.steps.revision} stands half applied, behind statement {applied.steps.done}",
            f"zeroshift deploy {seen.env}",
        )
    elif not found:
        waiting = len(plan_migrations.pending(versions, applied))
        head = applied.heads[0] if applied.heads else "none"
        more = f"; {waiting} more in the project, which `zeroshift deploy` applies" if waiting else ""
        yield ok("migrations", f"the warehouse stands at {head}{more}")


def _last(seen: Examination, session: Session, holder: lease.Holder | None) -> Iterator[Check]:
    newest = ledger.deployments(session)[:1]
    if not newest:
        return
    (last,) = newest
    what = f"deployment {last.id} by {last.deployed_by}, {last.started_at} UTC"
    if last.status == ledger.DONE:
        yield ok("last deployment", f"{what}: done")
    elif last.status == ledger.RUNNING and holder is not None and holder.alive is not False:
        yield ok("last deployment", f"{what}: at work")
    else:
        how = "failed" if last.status == ledger.FAILED else "was killed"
        yield missing("last deployment", f"{what}: it {how}", f"zeroshift deploy {seen.env}")


def _leases(seen: Examination, session: Session, holder: lease.Holder | None) -> Iterator[Check]:
    """Leases that their holders left behind. Each is taken over in time; what mends it does that now."""
    left = 0
    if holder is not None:
        if holder.alive is False or holder.expired:
            left += 1
            yield missing("leases", f"left behind by {holder}", f"zeroshift unlock {seen.env}")
        else:
            yield ok("leases", f"{holder} is deploying")
    for name, who in environment_ledger.abandoned(session):
        left += 1
        yield missing("leases", f"{name}: left behind by {who}", f"zeroshift deploy --env {name}")
    if lease.runs_exist(session):
        found = session.execute(
            "select pipeline, expires_at, expires_at <= getdate() from ops.leases where token is not null"
        )
        for pipeline, until, expired in found.rows:
            if expired:
                left += 1
                yield missing(
                    "leases", f"a run of {pipeline} died, its lease ended {until} UTC",
                    f"zeroshift run {pipeline} {seen.env}",
                )  # fmt: skip
            else:
                yield ok("leases", f"a run of {pipeline} is at work, its lease lasts until {until} UTC")
    if holder is None and not left:
        yield ok("leases", "none is left over")
