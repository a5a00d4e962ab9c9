"""`zeroshift unlock`: take the lease from a deployment that died."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.errors import LeaseHeld
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project.config import Environment, Project
from deployer.warehouse import lease, ledger
from deployer.warehouse.lease import Holder
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Unlocked:
    """What was done. `holder` is who had the lease, None when nobody had; `taken` whether it was taken away."""

    holder: Holder | None
    taken: bool


def look(project: Project, environment: Environment, progress: Progress = silent) -> Unlocked:
    """Who has the lease; changes nothing."""
    with Session(target(project, environment, progress)) as session:
        return Unlocked(_holder(session), False)


def unlock(
    project: Project,
    environment: Environment,
    *,
    of: Holder,
    force: bool = False,
    progress: Progress = silent,
) -> Unlocked:
    """Take the lease away from `of`, whom `look` has named.

    A deployment that lives after all finds at its next transaction that the lease is gone, and commits nothing more.
    Raises LeaseHeld while its holder provably lives, unless `force`, and when another has the lease by now.
    """
    with Session(target(project, environment, progress)) as session:
        found = _holder(session)
        if found is None:
            return Unlocked(None, False)
        if found.token != of.token:
            raise LeaseHeld(f"another deployment has the lease by now: {found}")
        if found.alive and not force:
            raise LeaseHeld(
                f"{found} is alive and at work; wait for it, or say --force to stop it at its next step"
            )
        return Unlocked(found, lease.take_away(session, found))


def _holder(session: Session) -> Holder | None:
    lacking = ledger.missing(session)
    if "lease" in lacking:
        return None
    if lacking:
        # An older zeroshift's lease says less; bringing the tables up to date changes none of its rows.
        ledger.ensure(session)
    return lease.holder(session)
