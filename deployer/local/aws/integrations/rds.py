"""The RDS calls for zero-ETL integrations, which ministack lacks: API reference, Aurora User Guide.

Every other call of RDS is ministack's. What deleting a source cluster would break is refused here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from deployer.local.aws.front import Call
from deployer.local.aws.integrations import filters, policy, source
from deployer.local.aws.integrations.store import Record, Store
from deployer.local.aws.integrations.target import Targets
from deployer.local.aws.query import Refused, answer, error, fault, page, parse

SERVICE = "rds"
OF_ACCOUNT, OF_TARGET, OF_SOURCE = 100, 50, 5
"""Quotas: Aurora User Guide, zero-etl, "Quotas"."""

_DELETABLE = ("active", "failed", "syncing", "needs_attention")
"""zero-etl.deleting."""
_MODIFIABLE = ("active", "needs_attention")
"""The guides name no states for modifying; while another transition runs nothing can begin."""
_CHANGEABLE: tuple[str, ...] = ("IntegrationName", "DataFilter", "Description")
_CONTEXT = 6
"""Pairs of AdditionalEncryptionContext: of eight, RDS adds two (zero-etl.creating)."""
_BUSY = (
    "because another operation is in progress for the Amazon Redshift data warehouse specified by the Amazon Resource"
    " Name (ARN). Try again after the current operation completes."
)
"""The words that CloudFormation's own handler waits at (aws-cloudformation-resource-providers-rds, BaseHandlerStd)."""
_UNREADY = "because it is not in a valid state. Wait until the integration is in a valid state and try again."
_TAGGING = ("AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource")


class Rds:
    """The service: takes the calls that concern integrations and leaves all others to ministack."""

    content_type = "text/xml"

    def __init__(self, store: Store, targets: Targets, client: source.Client, account: str) -> None:
        self._store, self._targets, self._client, self._account = store, targets, client, account
        self._operations: dict[str, Callable[[dict[str, Any], Call], dict[str, Any]]] = {
            "CreateIntegration": self._create,
            "DescribeIntegrations": self._describe,
            "ModifyIntegration": self._modify,
            "DeleteIntegration": self._delete,
            "AddTagsToResource": self._add_tags,
            "RemoveTagsFromResource": self._remove_tags,
            "ListTagsForResource": self._list_tags,
        }

    def takes(self, operation: str, body: bytes) -> bool:
        """Whether the call is one of ours."""
        if operation in _TAGGING:
            return ":integration:" in parse_qs(body.decode()).get("ResourceName", [""])[0]
        if operation in ("DeleteDBCluster", "ModifyDBCluster"):
            return self._is_source(operation, body)
        return operation in self._operations

    def handle(self, call: Call) -> tuple[int, bytes]:
        """One call's HTTP status and answer."""
        try:
            if call.operation not in self._operations:
                raise fault(
                    SERVICE,
                    "InvalidDBClusterStateFault",
                    "The DB cluster is the source of a zero-ETL integration: delete the integration first.",
                )
            given = parse(SERVICE, call.operation, call.body)
            return 200, answer(SERVICE, call.operation, self._operations[call.operation](given, call))
        except Refused as refused:
            return refused.status, error(SERVICE, refused)

    def _is_source(self, operation: str, body: bytes) -> bool:
        """Whether this would delete or rename the source of an integration, which cannot be (zero-etl, limits)."""
        form = parse_qs(body.decode())
        name = form.get("DBClusterIdentifier", [""])[0].rpartition(":")[2]
        if operation == "ModifyDBCluster" and "NewDBClusterIdentifier" not in form:
            return False
        with self._store.use() as records:
            return any(record["SourceArn"].endswith(f":cluster:{name}") for record in records.values())

    # -- integrations -----------------------------------------------------------------------------------------

    def _create(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        if "AdditionalEncryptionContext" in given and "KMSKeyId" not in given:
            raise Refused(
                "InvalidParameterCombination",
                "AdditionalEncryptionContext can be given only together with KMSKeyId.",
            )
        if len(given.get("AdditionalEncryptionContext", {})) > _CONTEXT:
            raise Refused(
                "InvalidParameterValue", f"AdditionalEncryptionContext takes at most {_CONTEXT} pairs."
            )
        cluster = source.cluster(self._client, given["SourceArn"], call.region)
        filters.check(given.get("DataFilter"), cluster["Engine"])
        namespace = self._targets.find(given["TargetArn"], call.region)
        self._check_key(given, call)
        problems = source.problems(self._client, cluster, call.region)
        problems = problems or self._targets.problems(namespace, call.region)
        with self._store.use() as records:
            self._check_others(given, list(records.values()))
            self._check_policy(given, call)
            identifier = str(uuid.uuid4())
            made: Record = given | {
                "IntegrationArn": f"arn:aws:rds:{call.region}:{self._account}:integration:{identifier}",
                "CreateTime": self._store.now(),
                "Tags": given.get("Tags", []),
                "Errors": [],
                "Engine": cluster["Engine"],
                "problems": problems,
            }
            self._store.begin(made, "creating")
            records[identifier] = made
            return dict(made)

    def _check_others(self, given: dict[str, Any], others: list[Record]) -> None:
        """What the other integrations stand in the way of."""
        pair = ("SourceArn", "TargetArn")
        if any(all(one[key] == given[key] for key in pair) for one in others):
            raise fault(
                SERVICE,
                "IntegrationAlreadyExistsFault",
                "There is an integration between this source and this target already.",
            )
        if any(one["IntegrationName"] == given["IntegrationName"] for one in others):
            # Not AlreadyExists: so CloudFormation's CreateHandler of this type reads it.
            raise fault(
                SERVICE,
                "IntegrationConflictOperationFault",
                "Integration names must be unique within an account.",
            )
        same_source = [one for one in others if one["SourceArn"] == given["SourceArn"]]
        same_target = [one for one in others if one["TargetArn"] == given["TargetArn"]]
        if len(others) >= OF_ACCOUNT or len(same_target) >= OF_TARGET or len(same_source) >= OF_SOURCE:
            raise fault(
                SERVICE,
                "IntegrationQuotaExceededFault",
                f"There can be {OF_ACCOUNT} integrations, {OF_TARGET} of one target and {OF_SOURCE} of one source.",
            )
        if any(one["Status"] == "creating" for one in same_source):
            raise fault(
                SERVICE,
                "IntegrationConflictOperationFault",
                "Another integration of this source is being created.",
            )
        if any(one["Status"] in ("creating", "modifying", "deleting") for one in same_target):
            raise fault(
                SERVICE, "IntegrationConflictOperationFault", f"The integration can't be created {_BUSY}"
            )

    def _check_policy(self, given: dict[str, Any], call: Call) -> None:
        """The target's resource policy. The references name no error for its lack; AccessDenied is IAM's own.

        Within one account a caller with an identity-based permission needs no statement (redshift-iam): root has all.
        """
        text = self._store.policies.get(given["TargetArn"])
        if not policy.authorizes_source(text, given["SourceArn"]):
            raise Refused(
                "AccessDenied",
                "The source is no authorized integration source in the resource policy of the target namespace.",
                403,
            )
        if call.identity and not policy.authorizes_principal(text, self._account, call.identity):
            raise Refused(
                "AccessDenied",
                "The caller is no authorized principal in the resource policy of the target namespace.",
                403,
            )

    def _check_key(self, given: dict[str, Any], call: Call) -> None:
        from botocore.exceptions import ClientError

        if "KMSKeyId" not in given:
            return
        try:
            found = self._client("kms", call.region).describe_key(KeyId=given["KMSKeyId"])["KeyMetadata"]
        except ClientError:
            found = {"KeyState": "missing"}
        if found.get("KeyState", "Enabled") != "Enabled":
            raise fault(SERVICE, "KMSKeyNotAccessibleFault", "The KMS key does not exist or is not enabled.")

    def _describe(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        if given.get("Filters"):
            # The reference lists the calls that can be filtered, and this one is not among them.
            raise Refused("InvalidParameterValue", f"Unrecognized filter name: {given['Filters'][0]['Name']}")
        with self._store.use() as records:
            if "IntegrationIdentifier" in given:
                return {"Integrations": [dict(self._find(given, call, records))]}
            found = sorted(
                (dict(one) for one in records.values() if _region(one) == call.region),
                key=lambda one: str(one["IntegrationArn"]),
            )
        part, rest = page(found, given, "IntegrationArn")
        return {"Integrations": part} | rest

    def _modify(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        changes.update((key, given[key]) for key in _CHANGEABLE if key in given)
        with self._store.use() as records:
            found = self._find(given, call, records)
            if found["Status"] not in _MODIFIABLE:
                raise fault(
                    SERVICE, "InvalidIntegrationStateFault", f"The integration can't be modified {_UNREADY}"
                )
            if "DataFilter" in changes:
                filters.check(changes["DataFilter"], found["Engine"])
            name = changes.get("IntegrationName", found["IntegrationName"])
            if any(one is not found and one["IntegrationName"] == name for one in records.values()):
                raise fault(
                    SERVICE,
                    "IntegrationConflictOperationFault",
                    "Integration names must be unique within an account.",
                )
            found.update(changes)
            self._store.begin(found, "modifying")
            return dict(found)

    def _delete(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._store.use() as records:
            found = self._find(given, call, records)
            if found["Status"] not in _DELETABLE:
                raise fault(
                    SERVICE, "InvalidIntegrationStateFault", f"The integration can't be deleted {_UNREADY}"
                )
            self._store.begin(found, "deleting")
            return dict(found)

    def _find(self, given: dict[str, Any], call: Call, records: dict[str, Record]) -> Record:
        """By ARN or by its last part, as the guides' examples have it."""
        identifier = given["IntegrationIdentifier"]
        found = records.get(identifier.rpartition(":")[2])
        if (
            found is None
            or _region(found) != call.region
            or identifier
            not in (
                found["IntegrationArn"],
                found["IntegrationArn"].rpartition(":")[2],
            )
        ):
            raise fault(SERVICE, "IntegrationNotFoundFault", f"Integration {identifier} not found.")
        return found

    # -- tags -------------------------------------------------------------------------------------------------

    def _tagged(self, given: dict[str, Any], call: Call, records: dict[str, Record]) -> Record:
        return self._find({"IntegrationIdentifier": given["ResourceName"]}, call, records)

    def _add_tags(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._store.use() as records:
            found = self._tagged(given, call, records)
            new = {tag["Key"]: tag for tag in given["Tags"]}
            found["Tags"] = [tag for tag in found["Tags"] if tag["Key"] not in new] + list(new.values())
        return {}

    def _remove_tags(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._store.use() as records:
            found = self._tagged(given, call, records)
            found["Tags"] = [tag for tag in found["Tags"] if tag["Key"] not in given["TagKeys"]]
        return {}

    def _list_tags(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._store.use() as records:
            return {"TagList": list(self._tagged(given, call, records)["Tags"])}


def _region(record: Record) -> str:
    return str(record["IntegrationArn"].split(":")[3])
