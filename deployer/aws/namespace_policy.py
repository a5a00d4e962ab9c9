"""The resource policy of the warehouse's namespace: which sources may feed it.

Redshift Management Guide, zero-etl-using.redshift-iam: two statements, put by `redshift:PutResourcePolicy`, of
serverless too (redshift-serverless has an operation of that name for snapshots). A put replaces the whole policy, and
taking out a source that is authorised switches off every integration from it: so it is read, merged and put, and no
statement of anybody else is ever left out. Nothing here ever removes a statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.aws.client import Aws, AwsError
from deployer.errors import Unavailable, Unsafe

INBOUND, CREATE = "redshift:AuthorizeInboundIntegration", "redshift:CreateInboundIntegration"
_SERVICE = "redshift.amazonaws.com"

Document = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What the policy must allow: `source` (an ARN) to feed `namespace` (an ARN), and `principal` to set that up."""

    namespace: str
    source: str
    principal: str


def statements(wanted: Wanted) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two statements as the management guide has them. `Resource` is there, as in that guide: AWS's own boto3
    sample leaves it out, and which of the two the service insists on is documented nowhere."""
    return (
        {
            "Effect": "Allow",
            "Principal": {"Service": _SERVICE},
            "Action": INBOUND,
            "Resource": wanted.namespace,
            "Condition": {"StringEquals": {"aws:SourceArn": wanted.source}},
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": wanted.principal},
            "Action": CREATE,
            "Resource": wanted.namespace,
        },
    )


def merge(present: Document | None, wanted: Iterable[Wanted]) -> Document:
    """`present` with what is missing of `wanted` appended. Every statement that is there stays, as it is and where it
    is; what is covered already is not added again, so that merging twice is the same as once."""
    made: Document = dict(present) if present else {"Version": "2012-10-17"}
    found = _listed(made.get("Statement"))
    for one in wanted:
        for statement in statements(one):
            if not any(_covers(there, statement) for there in found):
                found = [*found, statement]
    made["Statement"] = found
    return made


def lacking(present: Document | None, wanted: Iterable[Wanted]) -> list[dict[str, Any]]:
    """The statements that `merge` would add."""
    before = len(_listed((present or {}).get("Statement")))
    return list(merge(present, wanted)["Statement"][before:])


def _listed(value: object) -> list[Any]:
    """IAM's grammar lets a single element stand for a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _covers(there: object, wanted: Mapping[str, Any]) -> bool:
    """Whether a statement allows at least this. One with more conditions than ours, or of a shape that is not looked
    into here (NotAction, NotPrincipal, wildcards within a name), counts as not covering it: ours then stands beside it.
    """
    if not isinstance(there, dict) or there.get("Effect") != "Allow":
        return False
    if not _one_of(there.get("Action"), wanted["Action"], fold=True):
        return False
    if "Resource" in there and not _one_of(there["Resource"], wanted["Resource"]):
        return False
    if "NotResource" in there:
        return False
    ((kind, name),) = wanted["Principal"].items()
    principal = there.get("Principal")
    if not (isinstance(principal, dict) and _one_of(principal.get(kind), name)):
        return False
    if "Condition" not in wanted:
        return not there.get("Condition")
    return _only_source(there.get("Condition"), wanted["Condition"]["StringEquals"]["aws:SourceArn"])


def _only_source(condition: object, source: str) -> bool:
    """Whether a condition is met by every call for this source: it names the source, and asks for nothing else."""
    if not condition:
        return True
    if not (isinstance(condition, dict) and list(condition) in (["StringEquals"], ["ArnEquals"])):
        return False
    (keys,) = condition.values()
    if not (isinstance(keys, dict) and [str(key).lower() for key in keys] == ["aws:sourcearn"]):
        return False
    (value,) = keys.values()
    return _one_of(value, source)


def _one_of(value: object, wanted: str, *, fold: bool = False) -> bool:
    items = [str(item) for item in _listed(value)]
    if fold:
        # IAM compares the names of actions without regard to case.
        return wanted.lower() in [item.lower() for item in items]
    return wanted in items


def read(aws: Aws, namespace: str) -> Document | None:
    """The namespace's policy, None where it has none. Raises AwsError; Unavailable for one that is no JSON."""
    try:
        told = aws.call("redshift", "get_resource_policy", ResourceArn=namespace)
    except AwsError as error:
        # botocore's model: ResourceNotFoundFault, of a namespace that has no policy, too.
        if error.code in ("ResourceNotFoundFault", "ResourceNotFound"):
            return None
        raise
    text = (told.get("ResourcePolicy") or {}).get("Policy") or ""
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        raise Unavailable(
            "the resource policy of the warehouse's namespace is no JSON, so that nothing can be added to it;"
            " look at it"
            " with `aws redshift get-resource-policy`"
        ) from None
    if not isinstance(found, dict):
        raise Unavailable("the resource policy of the warehouse's namespace is no policy document")
    return found


def put(aws: Aws, namespace: str, wanted: Iterable[Wanted], expected: Document | None) -> Document:
    """Read, merge and put; returns the policy. Does nothing when nothing is lacking.

    Raises Unsafe when the policy is no longer `expected`, which was planned on. AWS has no conditional put: two
    deployers could still cross, so it is read back, and said when ours did not stay.
    """
    wanted = tuple(wanted)
    present = read(aws, namespace)
    if present != expected and lacking(present, wanted):
        raise Unsafe(
            "the resource policy of the warehouse's namespace has changed since this was planned; plan again"
        )
    if not lacking(present, wanted):
        return present or {}
    made = merge(present, wanted)
    aws.call("redshift", "put_resource_policy", ResourceArn=namespace, Policy=json.dumps(made))
    if lacking(read(aws, namespace), wanted):
        raise Unavailable(
            "the resource policy of the warehouse's namespace was put, but reads otherwise: somebody else is"
            " changing it"
            " at the same time; deploy again"
        )
    return made
