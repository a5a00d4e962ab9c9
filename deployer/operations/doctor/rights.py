"""What the deployer and CloudFormation's role may do, as IAM's own simulator says (IAM User Guide,
access_policies_testing-policies; API SimulatePrincipalPolicy, which takes a permissions boundary into account).

Asked is what `zeroshift template --bootstrap` grants, statement by statement: whoever deploys otherwise, needs as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployer.aws import bootstrap, naming, scope
from deployer.aws.client import Aws, AwsError
from deployer.aws.connect import namespace, place
from deployer.operations.doctor.caller import bootstrap_command, no_aws, shown
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.project.environments import CLUSTER, LOCAL

_ALLOWED = "allowed"


def checks(seen: Examination) -> Iterator[Check]:
    """One check for each service, of each identity."""
    remote = seen.environment.remote
    if remote is None or seen.environment.kind == LOCAL:
        return
    if seen.aws is None:
        yield no_aws("deployer")
        return
    made = scope.scope(seen.project, seen.environment)
    known = _known(seen, seen.aws)
    own = bootstrap.deployer_statements(made)
    role = remote.cloudformation_role
    if not role:
        own = [*own, *bootstrap.cloudformation_statements(made)]
    principal = seen.aws.role_arn(remote.owner) if remote.owner else seen.aws.principal()
    if principal.endswith(":root"):
        yield ok("deployer", "the account's root may do everything")
    else:
        yield from _simulated(seen, seen.aws, "deployer", principal, own, known)
    if role:
        own = bootstrap.cloudformation_statements(made)
        yield from _simulated(seen, seen.aws, "CloudFormation", seen.aws.role_arn(role), own, known)


def _known(seen: Examination, aws: Aws) -> dict[str, str]:
    """What CloudFormation would fill in."""
    assert seen.environment.remote is not None
    arn = aws.role_arn("x").split(":")
    found = {
        "AWS::Partition": arn[1],
        "AWS::AccountId": arn[4],
        "AWS::Region": seen.environment.remote.region,
    }
    for logical_id, name in (
        ("RunnerBoundary", naming.runner_boundary),
        ("DeployerBoundary", naming.deployer_boundary),
    ):
        found[logical_id] = f"arn:{arn[1]}:iam::{arn[4]}:policy/{name(seen.project, seen.environment)}"
    if seen.environment.kind != CLUSTER:
        found[scope.WORKGROUP_ID] = place(aws, seen.environment).workgroup_id
    if seen.environment.integrations:
        found[scope.NAMESPACE_ID] = namespace(aws, seen.environment).id
    return found


def _simulated(
    seen: Examination,
    aws: Aws,
    who: str,
    principal: str,
    statements: list[dict[str, Any]],
    known: Mapping[str, str],
) -> Iterator[Check]:
    denied: dict[str, set[str]] = {}
    doubtful: dict[str, set[str]] = {}
    count: dict[str, int] = {}
    for statement in statements:
        for resource in _resources(seen, statement["Resource"], known, aws):
            try:
                refused = _refused(aws, principal, statement, resource, known)
            except AwsError as error:
                if "AccessDenied" not in error.code:
                    raise
                yield unknown(
                    who,
                    f"IAM does not tell the deployer: {error.said}",
                    bootstrap_command(seen),
                )
                return
            for action in statement["Action"]:
                service = action.partition(":")[0]
                count[service] = count.get(service, 0) + 1
                if action in refused:
                    # The local AWS's simulator knows no context keys.
                    unsure = "Condition" in statement and aws.is_local("iam")
                    (doubtful if unsure else denied).setdefault(service, set()).add(action)
    for service, asked in sorted(count.items()):
        name = f"{who}: {service}"
        if service in denied:
            yield missing(
                name,
                f"{shown(principal)} may not {', '.join(sorted(denied[service]))}",
                bootstrap_command(seen),
            )
        elif service in doubtful:
            yield unknown(
                name,
                "the local AWS does not simulate the conditions of " + ", ".join(sorted(doubtful[service])),
            )
        else:
            yield ok(name, f"{asked} actions allowed")


def _refused(
    aws: Aws, principal: str, statement: Mapping[str, Any], resource: str, known: Mapping[str, str]
) -> set[str]:
    """The statement's actions on one resource that the principal may not do."""
    found: set[str] = set()
    marker: dict[str, str] = {}
    while True:
        page = aws.call(
            "iam",
            "simulate_principal_policy",
            PolicySourceArn=principal,
            ActionNames=statement["Action"],
            ResourceArns=[resource],
            ContextEntries=_context(statement.get("Condition", {}), known),
            **marker,
        )
        found |= {
            item["EvalActionName"] for item in page["EvaluationResults"] if item["EvalDecision"] != _ALLOWED
        }
        if not page.get("IsTruncated"):
            return found
        marker = {"Marker": page["Marker"]}


def _context(condition: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]) -> list[dict[str, Any]]:
    """Context keys as a request that meets the condition would have them. A policy variable becomes itself: key and
    variable are then given one value."""
    entries: dict[str, str] = {}
    for keys in condition.values():
        for key, value in keys.items():
            # Any one of several values meets a condition.
            text = _text(value[0] if isinstance(value, list) else value, known)
            variable = re.fullmatch(r"\$\{([\w:-]+)\}", text)
            if variable:
                entries[variable.group(1)] = entries[key] = "AIDAEXAMPLE"
            else:
                entries[key] = text
    return [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in sorted(entries.items())
    ]


def _resources(seen: Examination, value: object, known: Mapping[str, str], aws: Aws) -> list[str]:
    """Concrete ARNs for the statement's resources: something that every wildcard matches in its place."""
    assert seen.environment.remote is not None
    items = value if isinstance(value, list) else [value]
    found = []
    for item in items:
        if isinstance(item, dict) and item.get("Fn::GetAtt") == ["CloudFormationRole", "Arn"]:
            role = seen.environment.remote.cloudformation_role
            if role:
                found.append(aws.role_arn(role))
            continue
        text = _text(item, known)
        found.append(text if text == "*" else text.replace("?", "a").replace("*", "example"))
    return found


def _text(value: object, known: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return value
    assert isinstance(value, dict)
    if "Ref" in value:
        return known[value["Ref"]]
    return re.sub(r"\$\{([\w:]+)\}", lambda found: known[found.group(1)], value["Fn::Sub"])
