"""CloudFormation stacks as they are: their state, their events, and waiting for them.

Nothing here decides what a stack should hold; `changesets` plans that and carries it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.aws.client import Aws, AwsError
from deployer.aws.scope import Template
from deployer.errors import Unavailable, ZeroshiftError
from deployer.mask import mask

Progress = Callable[[str], None]

ABSENT = ""
REVIEWED = "REVIEW_IN_PROGRESS"
"""A stack that was never made: it only holds change sets that would make it."""
FAILED_CREATION = "ROLLBACK_COMPLETE"
"""A creation that failed and was undone. CloudFormation can only delete it."""
DELETING = "DELETE_IN_PROGRESS"
DELETED = "DELETE_COMPLETE"
"""A deleted stack is still found for 90 days, by its id only."""
SETTLED = (
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE",
)  # fmt: skip

PATIENCE = 3600.0
"""Seconds without any news after which waiting ends. CloudFormation itself goes on."""


class StackFailed(ZeroshiftError):
    """CloudFormation could not do what it was told, and has undone it where it could."""


@dataclass(frozen=True)
class Stack:
    """What a stack should be. `template` None: it should not exist. `role` is the ARN that CloudFormation acts as.

    `later` names parameters whose values another stack makes: a plan may be older than they are.
    """

    name: str
    template: Template | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    later: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Event:
    """One entry of a stack's history, its reason masked."""

    id: str
    logical_id: str
    kind: str
    status: str
    reason: str
    physical_id: str
    is_stack: bool


def describe(aws: Aws, name: str) -> dict[str, Any] | None:
    """The stack as CloudFormation describes it, or None when there is none."""
    try:
        found: dict[str, Any] = aws.call("cloudformation", "describe_stacks", StackName=name)["Stacks"][0]
    except AwsError as error:
        if is_missing(error):
            return None
        raise
    return None if found["StackStatus"] == DELETED else found


def _raw_status(aws: Aws, stack_id: str) -> str:
    try:
        return str(
            aws.call("cloudformation", "describe_stacks", StackName=stack_id)["Stacks"][0]["StackStatus"]
        )
    except AwsError as error:
        if is_missing(error):
            return ABSENT
        raise


def status(aws: Aws, name: str) -> str:
    """The stack's status; ABSENT when there is none."""
    found = describe(aws, name)
    return ABSENT if found is None else str(found["StackStatus"])


def is_missing(error: AwsError) -> bool:
    """Whether CloudFormation says that a stack or change set is not there. For a stack it has no code of its own."""
    return error.code == "ChangeSetNotFound" or (
        error.code in ("ValidationError", "StackNotFoundException") and "does not exist" in error.said
    )


def is_being_deleted(error: AwsError) -> bool:
    """Whether CloudFormation refuses a change set because the stack is on its way out: it says the state that it finds
    ("... is in DELETE_IN_PROGRESS state and can not be updated"), or, for one that would make the stack, that it is
    there (CreateChangeSet's errors do not name the case)."""
    return error.code == "AlreadyExistsException" or (
        error.code == "ValidationError" and DELETING in error.said
    )


def never_was(aws: Aws, name: str) -> bool:
    """Whether a stack that is being deleted only stood for review: no resource of it has a history."""
    try:
        return all(event.is_stack for event in events(aws, name))
    except AwsError as error:
        if is_missing(error):
            return True
        raise


def is_busy(state: str) -> bool:
    """Whether CloudFormation is at work on a stack in this state."""
    return state.endswith("_IN_PROGRESS") and state != REVIEWED


def pause(aws: Aws) -> float:
    """Seconds between two looks: CloudFormation has nothing to wait on but asking again."""
    return 0.05 if aws.is_local("cloudformation") else 2.0


def events(aws: Aws, name: str, until: str = "") -> list[Event]:
    """The events after the one with the id `until`, oldest first; all when it is empty."""
    found: list[Event] = []
    for raw in aws.pages("cloudformation", "describe_stack_events", "StackEvents", StackName=name):
        if raw["EventId"] == until:
            break
        found.append(
            Event(
                raw["EventId"],
                raw.get("LogicalResourceId", ""),
                raw.get("ResourceType", ""),
                raw.get("ResourceStatus", ""),
                mask(raw.get("ResourceStatusReason", ""), accounts=True),
                mask(raw.get("PhysicalResourceId", ""), accounts=True),
                raw.get("PhysicalResourceId") == raw["StackId"],
            )
        )
    return found[::-1]


def follow(aws: Aws, stack_id: str, progress: Progress, since: str = "") -> str:
    """Wait until CloudFormation is done with the stack, telling each event after `since`; returns the last status.

    `stack_id` should be the id rather than the name where the stack may be deleted: only the id still finds it then.
    """
    last, quiet_since = since, time.monotonic()
    while True:
        found = _raw_status(aws, stack_id)
        for event in events(aws, stack_id, last) if found else ():
            reason = f": {event.reason}" if event.reason and "FAILED" in event.status else ""
            progress(f"{event.kind} {event.logical_id} {event.status}{reason}")
            last, quiet_since = event.id, time.monotonic()
        if not is_busy(found):
            return ABSENT if found == DELETED else found
        if time.monotonic() - quiet_since > PATIENCE:
            raise Unavailable(
                f"CloudFormation has told nothing of {_shown(stack_id)} for an hour, it stands at {found};"
                " look at it in the console; the same command waits for it again"
            )
        time.sleep(pause(aws))


def settle(aws: Aws, name: str, progress: Progress) -> str:
    """Wait for what an earlier deployment, perhaps a killed one, has left running; returns the status then."""
    found = describe(aws, name)
    if found is None or not is_busy(found["StackStatus"]):
        return ABSENT if found is None else str(found["StackStatus"])
    progress(f"waiting for {name}, which is at {found['StackStatus']}")
    newest = events(aws, found["StackId"])
    return follow(aws, found["StackId"], progress, newest[-1].id if newest else "")


def first_failure(aws: Aws, stack_id: str) -> str:
    """What failed first in the stack's last operation, and why: everything after it is only cancelled."""
    current: list[Event] = []
    for event in events(aws, stack_id):
        if event.is_stack and event.status in (
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
            "DELETE_IN_PROGRESS",
        ):
            current = []
        current.append(event)
    failed = [
        event for event in current if event.status.endswith("_FAILED") and "cancelled" not in event.reason
    ]
    failed.sort(key=lambda event: event.is_stack)
    if failed and not failed[0].is_stack:
        return f"{failed[0].kind} {failed[0].logical_id}: {failed[0].reason}"
    return _refused_beforehand(aws, stack_id) or (
        failed[0].reason if failed else "CloudFormation gives no reason"
    )


def _refused_beforehand(aws: Aws, stack_id: str) -> str:
    """CloudFormation checks a template before it begins; what it finds is only told by DescribeEvents."""
    found = aws.pages(
        "cloudformation",
        "describe_events",
        "OperationEvents",
        StackName=stack_id,
        Filters={"FailedEvents": True},
    )
    for raw in found:
        reason = raw.get("ValidationStatusReason") or raw.get("ResourceStatusReason") or ""
        if reason and raw.get("LogicalResourceId"):
            what = f"{raw.get('ResourceType', '')} {raw['LogicalResourceId']}".strip()
            return f"{what}: {mask(reason, accounts=True)}"
    return ""


def explain(name: str, state: str) -> str:
    """What to do about a stack that nothing can be planned on."""
    if is_busy(state):
        return f"the stack {name} is being changed just now ({state}); wait for it to end and repeat"
    if state == "UPDATE_ROLLBACK_FAILED":
        return (
            f"the stack {name} could neither be updated nor brought back ({state}); mend what its events name,"
            f" then: aws cloudformation continue-update-rollback --stack-name {name}"
        )
    return (
        f"the stack {name} is stuck at {state}; look at its events, mend what they name, then:"
        f" aws cloudformation delete-stack --stack-name {name}"
    )


def delete(aws: Aws, name: str, progress: Progress) -> tuple[str, ...]:
    """Delete a stack and wait; returns the physical names of what it leaves behind because it holds data.

    Nothing happens when it does not exist. Raises StackFailed.
    """
    found = describe(aws, name)
    if found is None:
        return ()
    stack_id = found["StackId"]
    newest = events(aws, stack_id) if found["StackStatus"] != REVIEWED else []
    if found["StackStatus"] != DELETING:
        aws.call("cloudformation", "delete_stack", StackName=stack_id)
    state = follow(aws, stack_id, progress, newest[-1].id if newest else "")
    if state != ABSENT:
        raise StackFailed(f"{name} could not be deleted ({state}): {first_failure(aws, stack_id)}")
    if found["StackStatus"] == REVIEWED:
        return ()
    return tuple(
        f"{event.kind} {event.logical_id} ({event.physical_id})"
        for event in events(aws, stack_id, newest[-1].id if newest else "")
        if event.status == "DELETE_SKIPPED"
    )


def outputs(aws: Aws, name: str) -> dict[str, str]:
    """The stack's outputs; empty when it does not exist. They hold account ids: not for printing."""
    found = describe(aws, name) or {}
    return {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])}


def _shown(stack_id: str) -> str:
    """The name in a stack's id (arn:...:stack/NAME/uuid)."""
    return stack_id.split("/")[1] if "/" in stack_id else stack_id
