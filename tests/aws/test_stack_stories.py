"""What stacks tell, in orders of events that the local AWS is too quick or too kind to give."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from model_checks import check_request, check_response

from deployer.aws import changesets, stacks
from deployer.aws.changesets import Planned
from deployer.aws.client import Aws, AwsError
from deployer.aws.stacks import Stack
from deployer.errors import Unavailable
from deployer.project.environments import Remote

ID = "arn:aws:cloudformation:eu-central-1:000000000000:stack/shop/0"


class Told(Aws):
    """CloudFormation's answers as a test tells them, held against botocore's models: a list for each operation, whose
    last answer stays."""

    def __init__(self, **answers: list[dict[str, Any]]) -> None:
        super().__init__(Remote("x", "dev", "eu-central-1"))
        self._answers = answers
        self.made: list[str] = []

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self.made.append(operation)
        check_request(service, operation, parameters)
        left = self._answers[operation]
        answer = left.pop(0) if len(left) > 1 else left[0]
        check_response(service, operation, answer)
        return answer

    def is_local(self, service: str) -> bool:
        return True


def at(status: str) -> dict[str, Any]:
    stack = {
        "StackName": "shop",
        "StackId": ID,
        "StackStatus": status,
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return {"Stacks": [stack]}


def history(*told: tuple[str, str, str]) -> dict[str, Any]:
    """Events, oldest first, as (logical id, status, reason); `shop` is the stack itself."""
    events = [
        {
            "StackId": ID,
            "EventId": str(number),
            "StackName": "shop",
            "LogicalResourceId": name,
            "PhysicalResourceId": ID if name == "shop" else name,
            "ResourceType": "AWS::CloudFormation::Stack" if name == "shop" else "AWS::SQS::Queue",
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
            "Timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        }
        for number, (name, status, reason) in enumerate(told)
    ]
    return {"StackEvents": events[::-1]}


BEGUN = ("shop", "UPDATE_IN_PROGRESS", "User Initiated")


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        (
            [
                BEGUN,
                ("B", "UPDATE_FAILED", "Resource update cancelled"),
                ("A", "UPDATE_FAILED", "no such key"),
            ],
            "AWS::SQS::Queue A: no such key",
        ),
        # The stack's own failure only counts what its resources told.
        (
            [
                BEGUN,
                ("shop", "UPDATE_FAILED", "The following failed: [A]"),
                ("A", "UPDATE_FAILED", "no such key"),
            ],
            "AWS::SQS::Queue A: no such key",
        ),
        # What failed in an earlier operation is mended by now.
        (
            [
                BEGUN,
                ("A", "UPDATE_FAILED", "old"),
                BEGUN,
                ("B", "UPDATE_FAILED", "account 123456789012 is full"),
            ],
            "AWS::SQS::Queue B: account *** is full",
        ),
        ([BEGUN, ("shop", "UPDATE_FAILED", "role cannot be assumed")], "role cannot be assumed"),
        ([BEGUN], "CloudFormation gives no reason"),
    ],
)
def test_the_first_cause_is_found_among_its_consequences(
    told: list[tuple[str, str, str]], cause: str
) -> None:
    aws = Told(describe_stack_events=[history(*told)], describe_events=[{"OperationEvents": []}])
    assert stacks.first_failure(aws, ID) == cause


def test_what_cloudformation_found_before_it_began_is_asked_for() -> None:
    found = {
        "ResourceType": "AWS::S3::Bucket",
        "LogicalResourceId": "B",
        "ValidationStatusReason": "the bucket exists",
    }
    aws = Told(
        describe_stack_events=[history(BEGUN, ("shop", "UPDATE_FAILED", "Call DescribeEvents"))],
        describe_events=[{"OperationEvents": [found]}],
    )
    assert stacks.first_failure(aws, ID) == "AWS::S3::Bucket B: the bucket exists"


def test_a_stack_in_progress_is_waited_for_before_anything_is_planned() -> None:
    aws = Told(
        describe_stacks=[at("UPDATE_IN_PROGRESS"), at("UPDATE_IN_PROGRESS"), at("UPDATE_COMPLETE")],
        describe_stack_events=[
            history(BEGUN),
            history(BEGUN, ("A", "UPDATE_COMPLETE", "")),
            history(BEGUN, ("A", "UPDATE_COMPLETE", ""), ("shop", "UPDATE_COMPLETE", "")),
        ],
    )
    said: list[str] = []
    assert stacks.settle(aws, "shop", said.append) == "UPDATE_COMPLETE"
    assert said == [
        "waiting for shop, which is at UPDATE_IN_PROGRESS",
        "AWS::SQS::Queue A UPDATE_COMPLETE",
        "AWS::CloudFormation::Stack shop UPDATE_COMPLETE",
    ]


def test_waiting_ends_when_nothing_is_told_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "PATIENCE", 0.0)
    aws = Told(describe_stacks=[at("UPDATE_IN_PROGRESS")], describe_stack_events=[history(BEGUN)])
    with pytest.raises(
        Unavailable, match="has told nothing of shop for an hour, it stands at UPDATE_IN_PROGRESS"
    ):
        stacks.settle(aws, "shop", lambda _: None)


def test_an_old_status_is_not_taken_for_that_of_what_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = ("shop", "UPDATE_COMPLETE", "")
    aws = Told(
        describe_stacks=[at("UPDATE_ROLLBACK_COMPLETE")],
        describe_stack_events=[history(BEGUN, ended), history(BEGUN, ended), history(BEGUN, ended, BEGUN)],
    )
    assert changesets.begun(aws, ID, lambda _: None, "1") == "UPDATE_ROLLBACK_COMPLETE"
    assert aws.made.count("describe_stack_events") == 4
    monkeypatch.setattr(changesets, "BEGIN_SECONDS", 0.0)
    aws = Told(describe_stacks=[at("UPDATE_COMPLETE")], describe_stack_events=[history(BEGUN, ended)])
    with pytest.raises(Unavailable, match="was told to change shop and tells nothing of it"):
        changesets.begun(aws, ID, lambda _: None, "1")


def test_what_is_stuck_is_left_alone() -> None:
    aws = Told(describe_stacks=[at("UPDATE_ROLLBACK_FAILED")])
    with pytest.raises(Unavailable, match="continue-update-rollback --stack-name shop"):
        changesets.apply(aws, Stack("shop", {"Resources": {}}), lambda _: None)
    assert set(aws.made) == {"describe_stacks"}


REVIEW = ("shop", "REVIEW_IN_PROGRESS", "User Initiated")
GOING = ("shop", "DELETE_IN_PROGRESS", "User Initiated")


def test_a_plan_waits_for_another_one_that_clears_the_reviewed_stack_away() -> None:
    """And for no stack that was more than reviewed: that may take long, and is somebody's doing."""
    wanted = Stack("shop", None)
    going = [at("DELETE_IN_PROGRESS"), at("DELETE_IN_PROGRESS"), at("DELETE_COMPLETE")]
    aws = Told(describe_stacks=going, describe_stack_events=[history(REVIEW, GOING)])
    assert changesets.plan(aws, wanted) == Planned(wanted, "none")
    aws = Told(
        describe_stacks=[at("DELETE_IN_PROGRESS")],
        describe_stack_events=[history(("A", "CREATE_COMPLETE", ""), GOING)],
    )
    with pytest.raises(Unavailable, match="is being changed just now"):
        changesets.plan(aws, wanted)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        # The stack went before the change set was made, after it, and between the look and the making.
        ("ValidationError", "Stack with id shop does not exist"),
        ("ChangeSetNotFound", "ChangeSet [x] does not exist"),
        ("AlreadyExistsException", "Stack [shop] already exists"),
        ("ValidationError", "Stack:*** is in DELETE_IN_PROGRESS state and can not be updated."),
    ],
)
def test_a_plan_whose_reviewed_stack_is_taken_away_is_made_again(
    monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    wanted = Stack("shop", {"Resources": {}})
    errors = [AwsError("cloudformation", "CreateChangeSet", code, said)]

    def made(aws: Aws, stack: Stack) -> Planned:
        if errors:
            raise errors.pop()
        return Planned(stack, "create")

    monkeypatch.setattr(changesets, "_plan", made)
    assert changesets.plan(Told(), wanted) == Planned(wanted, "create")
    errors += [AwsError("cloudformation", "CreateChangeSet", "ValidationError", "Template format error")]
    with pytest.raises(AwsError, match="Template format"):
        changesets.plan(Told(), wanted)
