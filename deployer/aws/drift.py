"""What somebody has changed by hand in a stack's resources, found by CloudFormation's drift detection."""

from __future__ import annotations

import time
from dataclasses import dataclass

from deployer.aws import stacks
from deployer.aws.client import Aws
from deployer.errors import Unavailable
from deployer.mask import mask


@dataclass(frozen=True)
class Difference:
    """A property that is not as the template says. Values are masked."""

    property: str
    expected: str
    actual: str


@dataclass(frozen=True)
class Drift:
    """A resource that was changed (`status` MODIFIED) or removed (DELETED) by hand."""

    stack: str
    kind: str
    logical_id: str
    status: str
    differences: tuple[Difference, ...]


def detect(aws: Aws, name: str) -> tuple[Drift, ...]:
    """The drifted resources of a stack; none when the stack does not exist.

    Only types that support drift detection are looked at; CloudFormation says NOT_CHECKED of the others.
    """
    state = stacks.status(aws, name)
    if state in (stacks.ABSENT, stacks.REVIEWED):
        return ()
    if state not in stacks.SETTLED:
        raise Unavailable(stacks.explain(name, state))
    detection = aws.call("cloudformation", "detect_stack_drift", StackName=name)["StackDriftDetectionId"]
    deadline = time.monotonic() + stacks.PATIENCE
    while True:
        found = aws.call(
            "cloudformation",
            "describe_stack_drift_detection_status",
            StackDriftDetectionId=detection,
        )
        if found["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            break
        if time.monotonic() > deadline:
            raise Unavailable(f"the drift detection of {name} has not ended within an hour; repeat")
        time.sleep(stacks.pause(aws))
    if found["DetectionStatus"] == "DETECTION_FAILED":
        reason = mask(str(found.get("DetectionStatusReason", "no reason given")), accounts=True)
        raise Unavailable(f"CloudFormation could not look at all resources of {name}: {reason}")
    raw = aws.pages(
        "cloudformation",
        "describe_stack_resource_drifts",
        "StackResourceDrifts",
        StackName=name,
        StackResourceDriftStatusFilters=["MODIFIED", "DELETED"],
    )
    return tuple(
        Drift(
            name,
            item["ResourceType"],
            item["LogicalResourceId"],
            item["StackResourceDriftStatus"],
            tuple(
                Difference(
                    part["PropertyPath"],
                    mask(part["ExpectedValue"], accounts=True),
                    mask(part["ActualValue"], accounts=True),
                )
                for part in item.get("PropertyDifferences", [])
            ),
        )
        for item in raw
    )
