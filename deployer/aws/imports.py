"""Taking a resource that exists already into a stack: CloudFormation's resource import.

CloudFormation User Guide, resource-import: an import may do nothing else in the same operation, what is imported
needs a DeletionPolicy, and outputs may not change with it. So the stack stays as it stands, the resource is added
with the properties that it has, written out, and a deployment changes it afterwards to what the template says.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from deployer.aws import changesets, stacks
from deployer.aws.client import Aws
from deployer.aws.scope import RETAIN
from deployer.aws.stacks import ABSENT, REVIEWED, Progress, Stack, StackFailed
from deployer.mask import mask


@dataclass(frozen=True)
class Import:
    """A resource to take in: `identifier` is the value of the type's primary identifier `key`."""

    logical_id: str
    kind: str
    key: str
    identifier: str
    properties: dict[str, Any]


def held(aws: Aws, name: str) -> dict[str, tuple[str, str]]:
    """The stack's resources: logical id to type and physical id. Empty for a stack that does not exist."""
    if stacks.status(aws, name) in (ABSENT, REVIEWED):
        return {}
    return {
        item["LogicalResourceId"]: (item["ResourceType"], item.get("PhysicalResourceId", ""))
        for item in aws.pages(
            "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=name
        )
        if item["ResourceStatus"] != "DELETE_COMPLETE"
    }


def adopt(aws: Aws, stack: Stack, wanted: tuple[Import, ...], progress: Progress) -> None:
    """Import; a stack that does not exist is made with nothing else in it. Nothing of the resources changes.

    Raises StackFailed; then all is as it was before.
    """
    state = stacks.settle(aws, stack.name, progress)
    if state == stacks.FAILED_CREATION:
        stacks.delete(aws, stack.name, progress)
        state = ABSENT
    new = state in (ABSENT, REVIEWED)
    body = _template(aws, stack.name, new)
    body["Resources"] |= {
        one.logical_id: {"Type": one.kind, **RETAIN, "Properties": one.properties} for one in wanted
    }
    live = {} if new else stacks.describe(aws, stack.name) or {}
    kept = {item["ParameterKey"] for item in live.get("Parameters", [])}
    assert stack.template is not None
    # What the properties refer to, and the stack does not have yet.
    text = json.dumps([one.properties for one in wanted])
    added = {
        name: value
        for name, value in stack.template.get("Parameters", {}).items()
        if name not in kept and (f'{{"Ref": "{name}"}}' in text or f"${{{name}}}" in text)
    }
    if added:
        body["Parameters"] = body.get("Parameters", {}) | added
    made = aws.call(
        "cloudformation",
        "create_change_set",
        StackName=stack.name,
        ChangeSetName=f"{changesets.PREFIX}{uuid.uuid4().hex[:12]}",
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps(body, indent=1),
        Parameters=[
            *({"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept)),
            *({"ParameterKey": name, "ParameterValue": stack.parameters[name]} for name in sorted(added)),
        ],
        ResourcesToImport=[
            {
                "ResourceType": one.kind,
                "LogicalResourceId": one.logical_id,
                "ResourceIdentifier": {one.key: one.identifier},
            }
            for one in wanted
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        **({"RoleARN": stack.role} if stack.role else {}),
    )
    described = changesets.ready(aws, made["StackId"], made["Id"])
    if described["Status"] == "FAILED":
        reason = described.get("StatusReason") or "it gives no reason"
        aws.call("cloudformation", "delete_change_set", StackName=made["StackId"], ChangeSetName=made["Id"])
        raise StackFailed(f"CloudFormation cannot import into {stack.name}: {mask(reason, accounts=True)}")
    before = stacks.events(aws, made["StackId"])
    for one in wanted:
        progress(f"importing {one.kind} {one.logical_id} into {stack.name}")
    aws.call(
        "cloudformation",
        "execute_change_set",
        StackName=made["StackId"],
        ChangeSetName=made["Id"],
        ClientRequestToken=f"{changesets.PREFIX}{uuid.uuid4().hex[:12]}",
    )
    state = changesets.begun(aws, made["StackId"], progress, before[-1].id if before else "")
    if state != "IMPORT_COMPLETE":
        raise StackFailed(
            f"{stack.name} ended at {state}: {stacks.first_failure(aws, made['StackId'])};"
            " nothing was imported: mend it and deploy again"
        )


def without(aws: Aws, stack: Stack, logical_id: str) -> Stack:
    """The stack as it stands, without one of its resources (none for an empty id), and the outputs that name it."""
    body = _template(aws, stack.name, new=False)
    body["Resources"].pop(logical_id, None)
    body["Outputs"] = {
        key: value
        for key, value in body.get("Outputs", {}).items()
        if not logical_id or f'"{logical_id}"' not in json.dumps(value)
    }
    live = stacks.describe(aws, stack.name) or {}
    values = {item["ParameterKey"]: item.get("ParameterValue", "") for item in live.get("Parameters", [])}
    tags = {item["Key"]: item["Value"] for item in live.get("Tags", [])}
    return Stack(stack.name, {key: value for key, value in body.items() if value}, values, tags, stack.role)


def _template(aws: Aws, name: str, new: bool) -> dict[str, Any]:
    if new:
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}
    found = aws.call("cloudformation", "get_template", StackName=name)["TemplateBody"]
    body: dict[str, Any] = json.loads(found) if isinstance(found, str) else json.loads(json.dumps(found))
    return body
