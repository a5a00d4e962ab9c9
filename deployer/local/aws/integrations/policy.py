"""Resource policies of Redshift namespaces: what is a policy, and whom it lets make integrations.

Management guide, zero-etl-using.redshift-iam: an authorized integration source is a statement that allows
redshift.amazonaws.com the action redshift:AuthorizeInboundIntegration under the condition that aws:SourceArn is the
source; an authorized principal is allowed redshift:CreateInboundIntegration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from deployer.local.aws.query import Refused, fault

AUTHORIZE = "redshift:AuthorizeInboundIntegration"
CREATE = "redshift:CreateInboundIntegration"
_ACTIONS = {AUTHORIZE.lower(), CREATE.lower()}
_SERVICE = "redshift.amazonaws.com"


def check(text: str, arn: str) -> None:
    """Raise InvalidPolicyFault for what is no policy of this namespace.

    The reference does not list what is refused. Here: no JSON, no Version or Statement, a statement that lacks
    Effect, Principal or Action, another action than the two, a Resource that is not the namespace.
    """
    try:
        policy = json.loads(text)
    except ValueError:
        raise _invalid("The resource policy can't be parsed.") from None
    if not isinstance(policy, dict) or policy.get("Version") not in ("2012-10-17", "2008-10-17"):
        raise _invalid("The resource policy needs a Version, 2012-10-17.")
    found = policy.get("Statement")
    statements = found if isinstance(found, list) else [found]
    if not statements:
        raise _invalid("The resource policy has no Statement.")
    for statement in statements:
        if not isinstance(statement, dict):
            raise _invalid("A Statement of the resource policy is no object.")
        for key in ("Effect", "Principal", "Action"):
            if key not in statement:
                raise _invalid(f"A statement of the resource policy has no {key}.")
        if statement["Effect"] not in ("Allow", "Deny"):
            raise _invalid("An Effect of the resource policy is neither Allow nor Deny.")
        for action in _list(statement["Action"]):
            if not isinstance(action, str) or not any(
                fnmatchcase(one, action.lower()) for one in _patterns(action)
            ):
                raise _invalid(
                    f"The resource policy has the action {action}, which a namespace does not know."
                )
        for resource in _list(statement.get("Resource", arn)):
            if resource != arn:
                raise _invalid("A Resource of the resource policy is another than the namespace.")


def authorizes_source(text: str | None, source: str) -> bool:
    """Whether the source may replicate into the namespace."""
    return _decides(text, AUTHORIZE, lambda one: _is_service(one) and _condition_holds(one, source))


def authorizes_principal(text: str | None, account: str, identity: str) -> bool:
    """Whether the caller may make integrations: `identity` is the role or user that signs, as IAMR:name or IAM:name."""
    kind, _, name = identity.partition(":")
    own = {account, f"arn:aws:iam::{account}:root", "*"}
    if name:
        own.add(f"arn:aws:iam::{account}:{'role' if kind == 'IAMR' else 'user'}/{name}")
    return _decides(text, CREATE, lambda one: any(item in own for item in _principals(one)))


def _decides(text: str | None, action: str, applies: Any) -> bool:
    """Allowed by a statement, and denied by none, as IAM evaluates policies."""
    allowed = False
    for statement in _statements(text):
        if any(fnmatchcase(action.lower(), one.lower()) for one in _list(statement["Action"])) and applies(
            statement
        ):
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def _is_service(statement: Mapping[str, Any]) -> bool:
    principal = statement["Principal"]
    return isinstance(principal, dict) and _SERVICE in _list(principal.get("Service", []))


def _principals(statement: Mapping[str, Any]) -> list[str]:
    principal = statement["Principal"]
    return _list(principal.get("AWS", [])) if isinstance(principal, dict) else _list(principal)


def _condition_holds(statement: Mapping[str, Any], source: str) -> bool:
    """The condition on aws:SourceArn. Another condition, or another operator, does not let anybody in."""
    condition = statement.get("Condition", {})
    for operator, keys in condition.items():
        for key, wanted in keys.items():
            if key.lower() != "aws:sourcearn":
                return False
            if operator in ("StringEquals", "ArnEquals"):
                matches = source in _list(wanted)
            elif operator in ("StringLike", "ArnLike"):
                matches = any(fnmatchcase(source, one) for one in _list(wanted))
            else:
                return False
            if not matches:
                return False
    return True


def _statements(text: str | None) -> Iterator[dict[str, Any]]:
    if text:
        yield from _list(json.loads(text)["Statement"])


def _patterns(action: str) -> set[str]:
    return _ACTIONS if "*" in action else {action.lower()} & _ACTIONS


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _invalid(message: str) -> Refused:
    return fault("redshift", "InvalidPolicyFault", message)
