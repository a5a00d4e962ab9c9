"""Integrations as part of the stack base: which exist already and are adopted, and which changes are refused.

A second integration of the same pair of source and target cannot exist beside the first (Aurora User Guide, zero-etl,
"Limitations"), so what CloudFormation calls a replacement can never work: it is refused before CloudFormation is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from deployer.aws import connect, imports, integrations, naming
from deployer.aws.changesets import ResourceChange
from deployer.aws.client import Aws
from deployer.aws.connect import Namespace
from deployer.aws.imports import Import
from deployer.aws.integrations import Integration
from deployer.aws.resources import integration as resource
from deployer.aws.scope import Scope, scope
from deployer.errors import Unavailable, Unsafe
from deployer.operations.changes import Change
from deployer.project.config import Project
from deployer.project.environments import Environment
from deployer.project.zero_etl_aws import AwsZeroEtl


@dataclass(frozen=True)
class Found:
    """A configured integration as it is in AWS: `live` None when it does not exist; `held`: the stack base has it."""

    one: AwsZeroEtl
    live: Integration | None
    held: bool

    @property
    def adopts(self) -> bool:
        return self.live is not None and not self.held


def source_arn(aws: Aws, one: AwsZeroEtl) -> str:
    """The source cluster's ARN, in the caller's account and the environment's region. Not for printing."""
    return aws.arn("rds", f"cluster:{one.source}")


def look(aws: Aws, project: Project, environment: Environment) -> tuple[Found, ...]:
    """Every configured integration, in the file's order.

    Raises Unsafe for a change that would replace one, Unavailable for one that was deleted behind the stack's back.
    """
    if not environment.integrations:
        return ()
    namespace = connect.namespace(aws, environment)
    stack = naming.stack(project, environment, "base")
    there = imports.held(aws, stack)
    keys = _keys(aws, stack) if there else {}
    return tuple(
        _one(aws, scope(project, environment), one, namespace, there, keys)
        for one in environment.integrations
    )


def _one(
    aws: Aws,
    made: Scope,
    one: AwsZeroEtl,
    namespace: Namespace,
    there: dict[str, tuple[str, str]],
    keys: dict[str, str],
) -> Found:
    logical_id = resource.logical_id(one)
    source = source_arn(aws, one)
    if logical_id not in there or not there[logical_id][1]:
        live = integrations.find(aws, source, namespace.arn)
        if live is not None and live.status == integrations.DELETING:
            raise Unavailable(integrations.explain(one.name, live))
        holder = next((key for key, (_, arn) in there.items() if live is not None and arn == live.arn), "")
        if holder:
            # CloudFormation imports nothing that a stack holds, be it under another name.
            raise Unsafe(
                f"zeroshift.toml:{one.line}: the integration of the cluster {one.source} is in the stack base as"
                f" {holder} already, and cannot be renamed to {one.name} in one step: take its table out of"
                " zeroshift.toml and deploy, it goes on meanwhile, then write it in with its new name; nothing"
                " was changed"
            )
        return Found(one, live, held=False)
    live = integrations.describe(aws, there[logical_id][1])
    if live is None:
        raise Unavailable(
            f"the integration {one.name} was deleted, but not by zeroshift: the stack base still has it, so that"
            " CloudFormation would not make it again;"
            f" `zeroshift integration recreate {one.name} --env {made.environment.name}` does"
        )
    differs = [
        what
        for what, is_other in (
            ("source", live.source != source),
            ("target", live.target != namespace.arn),
            ("kms_key", keys.get(logical_id, "") != one.kms_key),
        )
        if is_other
    ]
    if differs:
        raise refused(made, one, differs)
    return Found(one, live, held=True)


def refused(made: Scope, one: AwsZeroEtl, differs: list[str]) -> Unsafe:
    """The error for a change that only another integration could bring about; exit code 3, and nothing allows it."""
    return Unsafe(
        f"zeroshift.toml:{one.line}: changing {', '.join(differs)} would replace the integration {one.name}, and AWS"
        " allows no second one beside it while the first exists; to lose its history and copy everything anew:"
        f" `zeroshift integration recreate {one.name} --env {made.environment.name}`; nothing was changed"
    )


def adoptions(made_of: Scope, found: tuple[Found, ...]) -> tuple[Import, ...]:
    """What is to be imported into the stack base, with the properties that it has. Source and target are the template's
    own expressions, which were compared with it: another text for the same ARN could pass for a replacement."""
    made = []
    for each in found:
        if not each.adopts or each.live is None:
            continue
        template = resource.properties(made_of, each.one)
        properties: dict[str, Any] = {
            "IntegrationName": each.live.name,
            "SourceArn": template["SourceArn"],
            "TargetArn": template["TargetArn"],
            "DataFilter": each.live.data_filter,
            # As zeroshift.toml names it: AWS shows the key's ARN, also of the one that it owns itself and uses where
            # none was said.
            "KMSKeyId": each.one.kms_key,
        }
        made.append(
            Import(
                resource.logical_id(each.one),
                resource.KIND,
                "IntegrationArn",
                each.live.arn,
                {key: value for key, value in properties.items() if value},
            )
        )
    return tuple(made)


def change(item: ResourceChange, each: Found, told: Change) -> Change:
    """`told`, a change of the integration's resource, with the line where it is written, and what it does: one that
    exists already is taken into the stack, and then changed to what zeroshift.toml says; what a data filter leaves out
    goes from landing."""
    told = replace(told, line=each.one.line)
    if each.live is None:
        return told
    reason, live = "", each.live
    if each.adopts:
        reason = (
            f"exists already, as {live.name} ({live.status}): it is taken over, with all that it has copied"
        )
        told = replace(told, action="import", reason=reason, destructive="")
    elif "DataFilter" not in item.properties:
        return told
    if live.data_filter == each.one.filter:
        return told
    how = f"its data filter changes from {live.data_filter or 'none'!r} to {each.one.filter or 'none'!r}"
    return replace(
        told,
        reason=f"{told.reason}; {how}",
        # A filter that is added later removes what does not match it, and resyncs tables (Aurora User Guide,
        # zero-etl.filtering).
        destructive=""
        if widens(live.data_filter, each.one.filter)
        else f"what {each.one.landing} holds of the tables that the new data filter of {each.one.name} leaves out",
    )


def widens(before: str, after: str) -> bool:
    """Whether a data filter surely lets through all that another one did: everything, or that one and more includes."""
    if not after or not before:
        return not after
    more = after.removeprefix(before)
    return more != after and "exclude" not in more.lower()


def check_key(aws: Aws, made: Scope, each: Found) -> None:
    """Raise Unsafe when an integration that would be adopted is encrypted by another key than zeroshift.toml says.

    Where that names none, nothing is compared: what AWS shows of its own key looks like any other.
    """
    if not each.adopts or each.live is None or not each.one.kms_key:
        return
    told = aws.call("kms", "describe_key", KeyId=each.one.kms_key)["KeyMetadata"]
    if each.live.kms_key not in (told["Arn"], told["KeyId"], each.one.kms_key):
        raise refused(made, each.one, ["kms_key"])


def _keys(aws: Aws, stack: str) -> dict[str, str]:
    """KMSKeyId of every integration in the stack's template, as it was written there."""
    found = aws.call("cloudformation", "get_template", StackName=stack)["TemplateBody"]
    body = json.loads(found) if isinstance(found, str) else found
    return {
        logical_id: str(value.get("Properties", {}).get("KMSKeyId", ""))
        for logical_id, value in body.get("Resources", {}).items()
        if value.get("Type") == resource.KIND
    }
