"""What a stack would change, asked of CloudFormation by change set, and exactly that carried out.

A plan leaves nothing behind: its change set is deleted, and so is the empty stack that CloudFormation sets up to
review a first one. A killed plan's change sets are swept by a later one.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deployer.aws import stacks
from deployer.aws.client import Aws, AwsError
from deployer.aws.stacks import (
    ABSENT,
    DELETING,
    FAILED_CREATION,
    REVIEWED,
    SETTLED,
    Progress,
    Stack,
    StackFailed,
)
from deployer.errors import Unavailable, Unsafe, UsageError
from deployer.mask import mask

PREFIX = "zeroshift-"
STALE = timedelta(hours=1)
"""No plan takes that long: an older change set of ours belongs to one that was killed."""

_TRIES = 20
"""How often other plans of a stack that does not exist yet may take it away from this one. Each time one of them has
come to its end."""
BEGIN_SECONDS = 600.0
"""How long CloudFormation may take to tell the first event of what it was told to do."""

LARGEST_TEMPLATE = 51_200
"""Bytes of CreateChangeSet's TemplateBody (CloudFormation API reference)."""

DATA_TYPES = (
    "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::RDS::Integration", "AWS::Logs::LogGroup", "AWS::KMS::Key",
    "AWS::SecretsManager::Secret", "AWS::Redshift::Cluster", "AWS::RedshiftServerless::Namespace",
)  # fmt: skip

# CloudFormation's two texts for a change set without changes; it has no code for it.
_NOTHING = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True)
class ResourceChange:
    """One resource's change. `replacement` is "True", "Conditional", "False" or empty; `properties` are the changed
    ones; `retained`: it is taken out of the stack, but not deleted.
    """

    action: str
    kind: str
    logical_id: str
    replacement: str = ""
    properties: tuple[str, ...] = ()
    retained: bool = False

    @property
    def holds_data(self) -> bool:
        return self.kind in DATA_TYPES


@dataclass(frozen=True)
class Planned:
    """What a deployment would do to a stack. `action`: create, update, delete, or none."""

    stack: Stack
    action: str
    changes: tuple[ResourceChange, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Equal for equal plans, and for nothing else: what `deploy` compares before it acts."""
        told = [
            self.stack.name,
            self.action,
            self.stack.template,
            sorted(item for item in self.stack.parameters.items() if item[0] not in self.stack.later),
            sorted(self.stack.tags.items()),
            sorted((item.action, item.kind, item.logical_id, item.replacement) for item in self.changes),
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def plan(aws: Aws, stack: Stack) -> Planned:
    """What would change. Raises Unavailable when the stack is in a state that nothing can be planned on."""
    for _ in range(_TRIES):
        try:
            return _plan(aws, stack)
        except AwsError as error:
            # Another plan has just cleared away the stack that both were reviewing, or is about to.
            if not stacks.is_missing(error) and not stacks.is_being_deleted(error):
                raise
    return _plan(aws, stack)


def _plan(aws: Aws, stack: Stack) -> Planned:
    state = stacks.status(aws, stack.name)
    if state == DELETING and stacks.never_was(aws, stack.name):
        state = stacks.settle(aws, stack.name, lambda _: None)
    if stack.template is None:
        if state == REVIEWED:
            _remove_reviewed(aws, stack.name)
            state = ABSENT
        if state == ABSENT:
            return Planned(stack, "none")
        _check(stack.name, state)
        return Planned(stack, "delete", _of_live(aws, stack.name))
    _check(stack.name, state)
    if state == FAILED_CREATION:
        # It takes no change set any more; it will be deleted, empty as it is, and made anew.
        return Planned(stack, "create", _of_template(stack))
    with _change_set(aws, stack, state) as made:
        return made.planned


def apply(
    aws: Aws, stack: Stack, progress: Progress, expected: Planned | None = None
) -> tuple[Planned, tuple[str, ...]]:
    """Make the stack what it should be; returns what was done and what a deletion has left behind.

    Waits first for what an earlier deployment has left running. Raises Unsafe when it would do anything else than
    `expected`, or replace a resource that holds data; StackFailed with the first failed resource's reason when
    CloudFormation could not do it, which has brought the stack back to where it was.
    """
    state = stacks.settle(aws, stack.name, progress)
    if stack.template is None:
        planned = plan(aws, stack)
        _same(planned, expected)
        return planned, stacks.delete(aws, stack.name, progress) if planned.action == "delete" else ()
    if state == FAILED_CREATION:
        progress(f"clearing away {stack.name}, whose creation had failed")
        stacks.delete(aws, stack.name, progress)
        state = ABSENT
    _check(stack.name, state)
    with _change_set(aws, stack, state) as made:
        planned = made.planned
        _same(planned, expected)
        refuse_data_loss(planned)
        if planned.action != "none":
            _execute(aws, stack, made, progress)
    _protect(aws, stack)
    return planned, ()


def refuse_data_loss(planned: Planned) -> None:
    """Raise Unsafe for a change that replaces what holds data: nothing can allow that."""
    lost = [item for item in planned.changes if item.holds_data and item.replacement == "True"]
    if lost:
        changed = ", ".join(lost[0].properties) or "its properties"
        raise Unsafe(
            f"{planned.stack.name}: changing {changed} would replace {lost[0].kind} {lost[0].logical_id} by an empty"
            " one, and what it holds would be left behind; add a new resource beside it and move the data first"
        )


@dataclass(frozen=True)
class _Made:
    """A change set that exists. `id` and `stack_id` are ARNs."""

    planned: Planned
    id: str
    stack_id: str


@contextmanager
def _change_set(aws: Aws, stack: Stack, state: str) -> Iterator[_Made]:
    """A change set for `stack`, gone again afterwards (an executed one CloudFormation deletes itself), and with it
    the stack that was only set up for its review."""
    new = state in (ABSENT, REVIEWED)
    name = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    try:
        made = _create(aws, stack, name, new)
        described = ready(aws, made["StackId"], made["Id"])
        yield _Made(_planned(aws, stack, new, described, made), made["Id"], made["StackId"])
    finally:
        _remove(aws, stack.name, name)
        _sweep(aws, stack.name)
        if new:
            _remove_reviewed(aws, stack.name)


def _create(aws: Aws, stack: Stack, name: str, new: bool) -> dict[str, Any]:
    body = json.dumps(stack.template, indent=1)
    if len(body.encode()) > LARGEST_TEMPLATE:
        raise UsageError(
            f"the template of {stack.name} has {len(body.encode())} bytes; CloudFormation takes {LARGEST_TEMPLATE}:"
            " split the project's schedules over two environments"
        )
    more = {"RoleARN": stack.role} if stack.role else {}
    return aws.call(
        "cloudformation",
        "create_change_set",
        StackName=stack.name,
        ChangeSetName=name,
        ChangeSetType="CREATE" if new else "UPDATE",
        TemplateBody=body,
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in sorted(stack.parameters.items())
        ],
        Tags=[{"Key": key, "Value": value} for key, value in sorted(stack.tags.items())],
        # The bootstrap's roles have names; those of base and run do not.
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        **more,
    )


def ready(aws: Aws, stack_id: str, change_set: str) -> dict[str, Any]:
    """The change set once CloudFormation has worked it out, failed or not."""
    deadline = time.monotonic() + stacks.PATIENCE
    while True:
        found = aws.call(
            "cloudformation", "describe_change_set", StackName=stack_id, ChangeSetName=change_set
        )
        if found["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            return found
        if time.monotonic() > deadline:
            raise Unavailable("CloudFormation has not worked out its change set within an hour; repeat")
        time.sleep(stacks.pause(aws))


def _planned(aws: Aws, stack: Stack, new: bool, described: dict[str, Any], made: dict[str, Any]) -> Planned:
    if described["Status"] == "FAILED":
        reason = str(described.get("StatusReason", ""))
        if any(text in reason for text in _NOTHING):
            return Planned(stack, "none")
        said = mask(reason, accounts=True) or "it gives no reason"
        raise StackFailed(f"CloudFormation cannot plan {stack.name}: {said}")
    raw = list(described.get("Changes", []))
    token = described.get("NextToken")
    while token:
        page = aws.call(
            "cloudformation",
            "describe_change_set",
            StackName=made["StackId"],
            ChangeSetName=made["Id"],
            NextToken=token,
        )
        raw += page.get("Changes", [])
        token = page.get("NextToken")
    changes = tuple(_change(item["ResourceChange"]) for item in raw if "ResourceChange" in item)
    # A change set without changes to resources still changes tags or outputs.
    return Planned(stack, "create" if new else "update", changes)


def _change(raw: dict[str, Any]) -> ResourceChange:
    properties = {
        detail["Target"].get("Name") or detail["Target"].get("Attribute", "")
        for detail in raw.get("Details", [])
        if "Target" in detail
    }
    return ResourceChange(
        raw["Action"],
        raw["ResourceType"],
        raw["LogicalResourceId"],
        raw.get("Replacement", ""),
        tuple(sorted(filter(None, properties))),
        raw.get("PolicyAction") in ("Retain", "ReplaceAndRetain"),
    )


def _execute(aws: Aws, stack: Stack, made: _Made, progress: Progress) -> None:
    before = stacks.events(aws, made.stack_id)
    aws.call(
        "cloudformation",
        "execute_change_set",
        StackName=made.stack_id,
        ChangeSetName=made.id,
        ClientRequestToken=f"{PREFIX}{uuid.uuid4().hex[:12]}",
    )
    state = begun(aws, made.stack_id, progress, before[-1].id if before else "")
    if state not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        undone = "; everything is as it was before" if state.endswith("ROLLBACK_COMPLETE") else ""
        raise StackFailed(
            f"{stack.name} ended at {state}: {stacks.first_failure(aws, made.stack_id)}{undone};"
            " mend it and deploy again"
        )


def begun(aws: Aws, stack_id: str, progress: Progress, since: str) -> str:
    """Follow an execution from its first event on: for a moment after the call the old status still stands.

    Raises Unavailable when none comes: the old status would be taken for that of what was not even begun.
    """
    deadline = time.monotonic() + BEGIN_SECONDS
    while not stacks.events(aws, stack_id, since):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"CloudFormation was told to change {stack_id.split('/')[1]} and tells nothing of it for"
                f" {BEGIN_SECONDS / 60:.0f} minutes; look at the stack's events in the console; the same command goes"
                " on from there"
            )
        time.sleep(stacks.pause(aws))
    return stacks.follow(aws, stack_id, progress, since)


def _remove(aws: Aws, stack: str, change_set: str) -> None:
    try:
        aws.call("cloudformation", "delete_change_set", StackName=stack, ChangeSetName=change_set)
    except AwsError as error:
        # It was never made, it was executed, or its stack is busy with it: nothing is left, or nothing can be.
        if not stacks.is_missing(error) and error.code != "InvalidChangeSetStatus":
            raise


def _sweep(aws: Aws, stack: str) -> None:
    """Delete change sets of ours that a killed plan has left behind."""
    try:
        found = list(aws.pages("cloudformation", "list_change_sets", "Summaries", StackName=stack))
    except AwsError as error:
        if stacks.is_missing(error):
            return
        raise
    for item in found:
        old = datetime.now(UTC) - item["CreationTime"].astimezone(UTC) > STALE
        if (
            old
            and item["ChangeSetName"].startswith(PREFIX)
            and item.get("ExecutionStatus") != "EXECUTE_IN_PROGRESS"
        ):
            _remove(aws, stack, item["ChangeSetId"])


def _remove_reviewed(aws: Aws, name: str) -> None:
    """Delete a stack that is only there for a review, unless another plan of it is being made."""
    found = stacks.describe(aws, name)
    if found is None or found["StackStatus"] != REVIEWED:
        return
    if not list(aws.pages("cloudformation", "list_change_sets", "Summaries", StackName=name)):
        stacks.delete(aws, name, lambda _: None)


def _protect(aws: Aws, stack: Stack) -> None:
    """Have CloudFormation itself refuse to replace what holds data: a change set cannot always foretell it
    (CloudFormation User Guide, protect-stack-resources)."""
    assert stack.template is not None
    held = sorted(key for key, value in stack.template["Resources"].items() if value["Type"] in DATA_TYPES)
    allow = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
    deny = {
        "Effect": "Deny",
        "Action": "Update:Replace",
        "Principal": "*",
        "Resource": [f"LogicalResourceId/{key}" for key in held],
    }
    wanted = {"Statement": [allow, deny] if held else [allow]}
    found = aws.call("cloudformation", "get_stack_policy", StackName=stack.name).get("StackPolicyBody")
    if not found or json.loads(found) != wanted:
        aws.call(
            "cloudformation", "set_stack_policy", StackName=stack.name, StackPolicyBody=json.dumps(wanted)
        )


def _same(planned: Planned, expected: Planned | None) -> None:
    if expected is not None and planned.fingerprint != expected.fingerprint:
        raise Unsafe(
            f"{planned.stack.name} is no longer what it was when this was planned;"
            " plan again and look at the difference"
        )


def _check(name: str, state: str) -> None:
    if state not in (ABSENT, REVIEWED, FAILED_CREATION, *SETTLED):
        raise Unavailable(stacks.explain(name, state))


def _of_template(stack: Stack) -> tuple[ResourceChange, ...]:
    assert stack.template is not None
    return tuple(
        ResourceChange("Add", value["Type"], key)
        for key, value in sorted(stack.template["Resources"].items())
    )


def _of_live(aws: Aws, name: str) -> tuple[ResourceChange, ...]:
    found = aws.pages("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=name)
    return tuple(ResourceChange("Remove", item["ResourceType"], item["LogicalResourceId"]) for item in found)
