"""The `redshift` API of the local AWS: resource policies of namespaces and the integrations that come into them.

PutResourcePolicy replaces the whole policy (management guide, zero-etl-using.redshift-iam). There are no provisioned
clusters on the local AWS: every other call is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployer.local.aws.front import Call
from deployer.local.aws.integrations import policy
from deployer.local.aws.integrations.store import Store
from deployer.local.aws.integrations.target import Targets
from deployer.local.aws.query import Refused, answer, error, fault, page, parse

SERVICE = "redshift"


class Redshift:
    """The service."""

    content_type = "text/xml"

    def __init__(self, store: Store, targets: Targets) -> None:
        self._store, self._targets = store, targets
        self._operations: dict[str, Callable[[dict[str, Any], Call], dict[str, Any]]] = {
            "GetResourcePolicy": self._get,
            "PutResourcePolicy": self._put,
            "DeleteResourcePolicy": self._delete,
            "DescribeInboundIntegrations": self._inbound,
        }

    def takes(self, operation: str, body: bytes) -> bool:
        """All calls: what is not here is refused by name."""
        return True

    def handle(self, call: Call) -> tuple[int, bytes]:
        """One call's HTTP status and answer."""
        try:
            if call.operation not in self._operations:
                raise Refused("InvalidAction", f"the local AWS does not support {call.operation} of redshift")
            given = parse(SERVICE, call.operation, call.body)
            return 200, answer(SERVICE, call.operation, self._operations[call.operation](given, call))
        except Refused as refused:
            return refused.status, error(SERVICE, refused)

    def _get(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        self._check_exists(given["ResourceArn"], call)
        with self._store.use():
            found = self._store.policies.get(given["ResourceArn"])
        if found is None:
            # A namespace that never had a policy; the reference does not say whether that is this error.
            raise fault(SERVICE, "ResourceNotFoundFault", "The resource has no resource policy.")
        return {"ResourcePolicy": {"ResourceArn": given["ResourceArn"], "Policy": found}}

    def _put(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        arn, text = given["ResourceArn"], given["Policy"]
        self._check_exists(arn, call)
        policy.check(text, arn)
        self._change(arn, text)
        return {"ResourcePolicy": {"ResourceArn": arn, "Policy": text}}

    def _delete(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        self._check_exists(given["ResourceArn"], call)
        with self._store.use():
            if given["ResourceArn"] not in self._store.policies:
                raise fault(SERVICE, "ResourceNotFoundFault", "The resource has no resource policy.")
        self._change(given["ResourceArn"], None)
        return {}

    def _change(self, arn: str, text: str | None) -> None:
        """Replace a policy. A source that it no longer names is out for good: its integrations fail, and making the
        statement again does not bring them back (redshift-iam, "Remove authorized integration sources")."""
        with self._store.use() as records:
            if text is None:
                self._store.policies.pop(arn, None)
            else:
                self._store.policies[arn] = text
            for record in records.values():
                if record["TargetArn"] != arn or policy.authorizes_source(text, record["SourceArn"]):
                    continue
                if record["Status"] == "deleting":
                    continue
                record |= {
                    "Status": "failed",
                    "Errors": [
                        {
                            "ErrorCode": "AuthorizationRevoked",
                            "ErrorMessage": "The source is no authorized integration source of the target any more.",
                        }
                    ],
                }

    def _check_exists(self, arn: str, call: Call) -> None:
        if self._targets.look_up(arn, call.region) is None:
            raise fault(SERVICE, "ResourceNotFoundFault", "There is no namespace with this ARN.")

    def _inbound(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        target, wanted = given.get("TargetArn"), given.get("IntegrationArn")
        if target is not None and self._targets.look_up(target, call.region) is None:
            raise fault(SERVICE, "InvalidNamespaceFault", "There is no namespace with this ARN.")
        with self._store.use() as records:
            found = sorted(
                (
                    dict(one)
                    for one in records.values()
                    if one["IntegrationArn"].split(":")[3] == call.region
                    and target in (None, one["TargetArn"])
                    and wanted in (None, one["IntegrationArn"])
                ),
                key=lambda one: str(one["IntegrationArn"]),
            )
        if wanted is not None and not found:
            raise fault(SERVICE, "IntegrationNotFoundFault", "There is no integration with this ARN.")
        part, rest = page(found, given, "IntegrationArn")
        return {"InboundIntegrations": part} | rest
