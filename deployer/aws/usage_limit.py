"""The workgroup's usage limit: CloudFormation has no resource for a serverless one, so it is set by the API.

A limit has no name and no tags. Ours is the one of type serverless-compute with the period and the action that
zeroshift.toml says; others are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws.client import Aws
from deployer.errors import Unsafe
from deployer.project.environments import SERVERLESS, Environment

COMPUTE = "serverless-compute"


@dataclass(frozen=True)
class UsageLimit:
    """A limit that should be. `before` is the amount that it has, 0 when there is none; both in RPU hours."""

    amount: int
    before: int
    period: str
    action: str
    id: str = ""
    resource: str = ""

    @property
    def is_changed(self) -> bool:
        return self.amount != self.before


def plan(aws: Aws, environment: Environment, workgroup: str) -> UsageLimit | None:
    """The limit as it should be and as it is; None where zeroshift.toml leaves limits alone. `workgroup` is an ARN."""
    cost = aws.remote.cost
    if environment.kind != SERVERLESS or cost.usage_limit_rpu_hours == 0:
        return None
    found = []
    token: dict[str, str] = {}
    while True:
        page = aws.call(
            "redshift-serverless", "list_usage_limits", resourceArn=workgroup, usageType=COMPUTE, **token
        )
        found += page.get("usageLimits", [])
        if not page.get("nextToken"):
            break
        token = {"nextToken": page["nextToken"]}
    mine = [
        item
        for item in found
        if item["period"] == cost.usage_limit_period and item["breachAction"] == cost.usage_limit_action
    ]
    return UsageLimit(
        cost.usage_limit_rpu_hours,
        mine[0]["amount"] if mine else 0,
        cost.usage_limit_period,
        cost.usage_limit_action,
        mine[0]["usageLimitId"] if mine else "",
        workgroup,
    )


def apply(
    aws: Aws, environment: Environment, workgroup: str, expected: UsageLimit | None
) -> UsageLimit | None:
    """Set the limit; raises Unsafe when it is no longer what was `expected`."""
    limit = plan(aws, environment, workgroup)
    if expected is not None and limit != expected:
        raise Unsafe("the workgroup's usage limit has changed since this was planned; plan again")
    if limit is None or not limit.is_changed:
        return limit
    if limit.id:
        aws.call("redshift-serverless", "update_usage_limit", usageLimitId=limit.id, amount=limit.amount)
    else:
        aws.call(
            "redshift-serverless",
            "create_usage_limit",
            resourceArn=limit.resource,
            usageType=COMPUTE,
            amount=limit.amount,
            period=limit.period,
            breachAction=limit.action,
        )
    return limit
