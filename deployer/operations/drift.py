"""`zeroshift drift`: what somebody changed by hand since the last deployment.

The live definitions are compared with those that were read back right after the deployment, since Redshift rewrites
what it is given. Files that wait for a deployment are no drift. It is read under the deployment lease and in one
transaction, so that a deployment in flight is not mistaken for somebody's hand.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from deployer.errors import UsageError
from deployer.operations import policies
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project.config import CONFIG_FILE, Environment, Project
from deployer.warehouse import catalog, lease, ledger
from deployer.warehouse.ledger import Deployed
from deployer.warehouse.session import Session

CHANGED, DROPPED, CREATED = "changed", "dropped", "created"


@dataclass(frozen=True)
class Drifted:
    """An object that is not as it was deployed. `change`: changed, dropped or created (by hand, in a managed schema).

    `path` is the file that it was deployed from, `diff` a unified diff from the deployed definition to the live one.
    """

    change: str
    kind: str
    name: str
    path: str
    diff: str


@dataclass(frozen=True)
class Drift:
    """What was compared. `unrecorded`: deployed by an older zeroshift, which did not read definitions back."""

    compared: int
    items: tuple[Drifted, ...]
    unrecorded: tuple[str, ...]


def drift(
    project: Project, environment: Environment, *, wait: float = 0.0, progress: Progress = silent
) -> Drift:
    """Compare `environment` with its last deployment. Waits up to `wait` seconds for the lease.

    Raises UsageError when nothing is deployed, LeaseHeld while somebody deploys.
    """
    with Session(target(project, environment, progress)) as session:
        if not ledger.exists(session):
            raise UsageError(f"nothing is deployed in {environment.name} yet; `zeroshift deploy` does it")
        ledger.ensure(session)
        held = lease.acquire(session, wait=wait, on_wait=lambda holder: progress(f"waiting for {holder}"))
        try:
            with session.transaction():
                deployed = ledger.read(session)
                recorded = ledger.live(session)
                live = catalog.definitions(session)
                changed = policies.drifted(session)
        finally:
            lease.give_back(session, held)
    found = compare(deployed, recorded, live)
    by_hand = tuple(
        replace(_drifted(change, f"{kind} {name}", "", before, after), kind=kind, name=name)
        for change, kind, name, before, after in changed
    )
    return replace(found, items=(*found.items, *by_hand, *_resources(project, environment, progress)))


def _resources(project: Project, environment: Environment, progress: Progress) -> tuple[Drifted, ...]:
    """What was changed by hand in the environment's CloudFormation stacks, told in the same way."""
    if environment.remote is None:
        return ()
    # boto3 takes longer to load than most drifts to find.
    from deployer.operations import stacks

    return tuple(
        Drifted(
            DROPPED if item.status == "DELETED" else CHANGED,
            item.kind,
            item.logical_id,
            CONFIG_FILE,
            "\n".join(
                line
                for part in item.differences
                for line in (f"-{part.property}: {part.expected}", f"+{part.property}: {part.actual}")
            ),
        )
        for item in stacks.drifted(project, environment, progress)
    )


def compare(deployed: dict[str, Deployed], recorded: dict[str, str], live: dict[str, str]) -> Drift:
    """The differences between what was deployed (as it was read back) and what there is; all by kind and name."""
    managed = {item.name.partition(".")[0] for item in deployed.values()}
    items = []
    for key, item in sorted(deployed.items()):
        there = live.get(key)
        if there is None:
            items.append(_drifted(DROPPED, key, item.path, recorded.get(key, ""), ""))
        elif key in recorded and recorded[key] != there:
            items.append(_drifted(CHANGED, key, item.path, recorded[key], there))
    for key, there in sorted(live.items()):
        if key not in deployed and key.partition(" ")[2].partition(".")[0] in managed:
            items.append(_drifted(CREATED, key, "", "", there))
    unrecorded = tuple(sorted(deployed[key].name for key in deployed if key in live and key not in recorded))
    return Drift(len(deployed), tuple(items), unrecorded)


def _drifted(change: str, key: str, path: str, before: str, after: str) -> Drifted:
    kind, _, name = key.partition(" ")
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} as deployed", f"{name} now", lineterm=""
    )
    return Drifted(change, kind, name, path, "\n".join(lines))
