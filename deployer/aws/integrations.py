"""Zero-ETL integrations as RDS has them: finding one, waiting for it, deleting it.

RDS API reference, CreateIntegration and its kin; Aurora User Guide, zero-etl.describingmonitoring (what each status
means) and zero-etl.deleting. botocore has no waiter for integrations. There is one at most for each pair of source
and target.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deployer.aws.client import Aws, AwsError
from deployer.aws.stacks import Progress
from deployer.errors import Unavailable
from deployer.mask import mask

CREATING, ACTIVE, MODIFYING, FAILED = "creating", "active", "modifying", "failed"
DELETING, SYNCING, NEEDS_ATTENTION = "deleting", "syncing", "needs_attention"
_ON_THEIR_WAY = (CREATING, MODIFYING, SYNCING)
_DELETABLE = (ACTIVE, FAILED, SYNCING, NEEDS_ATTENTION)
"""What DeleteIntegration takes (Aurora User Guide, zero-etl.deleting)."""

PATIENCE = 2 * 3600.0
"""Seconds in one status after which waiting ends: seeding takes 20 to 25 minutes or more (Aurora User Guide, zero-etl).
AWS goes on, and so does the next deployment."""
_TOLD_EVERY = 60.0


@dataclass(frozen=True)
class Integration:
    """One integration. `id` is the last part of its ARN, which is also SVV_INTEGRATION's; ARNs are not for printing."""

    arn: str
    name: str
    status: str
    source: str
    target: str
    kms_key: str = ""
    data_filter: str = ""
    errors: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def trouble(self) -> str:
        """What AWS says is wrong, in one line; empty when it says nothing."""
        return "; ".join(self.errors)


def find(aws: Aws, source: str, target: str) -> Integration | None:
    """The integration from one ARN to another; None when there is none, or it is being deleted for good."""
    return next((one for one in listed(aws) if (one.source, one.target) == (source, target)), None)


def describe(aws: Aws, arn: str) -> Integration | None:
    """The integration with this ARN, None when it does not exist (any more)."""
    try:
        found = aws.call("rds", "describe_integrations", IntegrationIdentifier=arn)["Integrations"]
    except AwsError as error:
        if error.code == "IntegrationNotFoundFault":
            return None
        raise
    return _read(found[0]) if found else None


def listed(aws: Aws) -> Iterator[Integration]:
    """All of the account and region, of which there are 100 at most."""
    marker: dict[str, str] = {}
    while True:
        page = aws.call("rds", "describe_integrations", MaxRecords=100, **marker)
        for raw in page.get("Integrations", []):
            yield _read(raw)
        if not page.get("Marker"):
            return
        marker = {"Marker": page["Marker"]}


def wait_active(aws: Aws, arn: str, name: str, progress: Progress) -> Integration:
    """Wait until the integration is active, which CREATE DATABASE needs; tells each change of status.

    Raises Unavailable when it ends in another status, vanishes, or stands still for two hours.
    """
    last, since, told = "", time.monotonic(), 0.0
    while True:
        found = describe(aws, arn)
        if found is None:
            raise Unavailable(f"the integration {name} has vanished while it was waited for; deploy again")
        if found.status == ACTIVE:
            if last:
                progress(f"integration {name} is active")
            return found
        if found.status not in _ON_THEIR_WAY:
            raise Unavailable(explain(name, found))
        now = time.monotonic()
        if found.status != last:
            last, since, told = found.status, now, now
            progress(f"integration {name} is {found.status}{_because(found)}")
        elif now - told > _TOLD_EVERY:
            told = now
            progress(f"integration {name} is still {found.status}, for {int(now - since) // 60} min")
        if now - since > PATIENCE:
            raise Unavailable(
                f"the integration {name} has been {found.status} for two hours{_because(found)}; AWS goes on"
                f" with it, and"
                " the next deployment waits again"
            )
        time.sleep(_pause(aws))


def delete(aws: Aws, arn: str, name: str, progress: Progress) -> None:
    """Delete the integration and wait until it is gone; nothing happens when it is not there.

    What it has brought into the warehouse stays. Raises Unavailable when it cannot be deleted in its present status, or
    the deletion stands still for two hours.
    """
    asked, since = False, time.monotonic()
    while True:
        found = describe(aws, arn)
        if found is None:
            if asked:
                progress(f"integration {name} is deleted")
            return
        if found.status in _DELETABLE and not asked:
            progress(f"deleting integration {name}")
            _ask_to_delete(aws, arn)
            asked = True
        elif found.status == DELETING and not asked:
            progress(f"integration {name} is being deleted")
            asked = True
        if time.monotonic() - since > PATIENCE:
            raise Unavailable(
                f"the integration {name} has been {found.status} for two hours and cannot be deleted; repeat later"
            )
        time.sleep(_pause(aws))


def explain(name: str, found: Integration) -> str:
    """What to do about an integration that does not replicate."""
    because = _because(found)
    if found.status == FAILED:
        return (
            f"the integration {name} has failed{because}; AWS cannot mend it (Aurora User Guide, zero-ETL):"
            f" `zeroshift integration recreate {name}` makes another one"
        )
    if found.status == NEEDS_ATTENTION:
        return (
            f"the integration {name} needs attention{because}; `zeroshift doctor` says which prerequisite is missing;"
            " mend it, then repeat"
        )
    if found.status == DELETING:
        return f"the integration {name} is being deleted; wait for that to end and repeat"
    return f"the integration {name} is {found.status}{because}"


def _ask_to_delete(aws: Aws, arn: str) -> None:
    try:
        aws.call("rds", "delete_integration", IntegrationIdentifier=arn)
    except AwsError as error:
        # It went in between, or somebody else has begun to delete it.
        if error.code not in ("IntegrationNotFoundFault", "IntegrationConflictOperationFault"):
            raise


def _because(found: Integration) -> str:
    return f": {found.trouble}" if found.trouble else ""


def _read(raw: dict[str, Any]) -> Integration:
    errors = tuple(
        mask(f"{item.get('ErrorCode', '')} {item.get('ErrorMessage', '')}".strip(), accounts=True)
        for item in raw.get("Errors", [])
    )
    return Integration(
        raw["IntegrationArn"],
        raw.get("IntegrationName", ""),
        raw.get("Status", ""),
        raw.get("SourceArn", ""),
        raw.get("TargetArn", ""),
        raw.get("KMSKeyId", ""),
        raw.get("DataFilter", ""),
        errors,
    )


def _pause(aws: Aws) -> float:
    """Seconds between two looks: the API has nothing to wait on but asking again."""
    return 0.05 if aws.is_local("rds") else 5.0
