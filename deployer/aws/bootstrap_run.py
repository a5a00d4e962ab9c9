"""What running on schedule adds to the bootstrap: the bounds of the roles that run, and what makes their resources."""

from __future__ import annotations

from typing import Any

from deployer.aws import naming
from deployer.aws.resources import archive, dashboard
from deployer.aws.scope import Scope, allow, arn, iam_arn, sub, warehouse_access


def runner_bounds(scope: Scope) -> list[dict[str, Any]]:
    """The most that the roles of the stacks may do: those that run, and the one that starts the alert path."""
    statements = warehouse_access(scope, any_workgroup=True)
    return [
        *statements,
        allow(["redshift-data:BatchExecuteStatement"], statements[0]["Resource"]),
        allow(["redshift-data:DescribeStatement", "redshift-data:GetStatementResult"], "*"),
        allow(["sqs:SendMessage"], arn("sqs", f"{scope.prefix}-*")),
        allow(["sns:Publish"], arn("sns", f"{scope.prefix}-*")),
        allow(["dynamodb:DeleteItem", "dynamodb:PutItem"], arn("dynamodb", f"table/{scope.prefix}-*")),
        allow(["states:StartExecution"], arn("states", f"stateMachine:{scope.prefix}-*")),
        # A key has no name of ours; its tags are its stack's.
        allow(["kms:Decrypt", "kms:GenerateDataKey"], arn("kms", "key/*"), _tagged(scope)),
        *archive.role_statements(scope),
    ]


def _tagged(scope: Scope, kind: str = "Resource") -> dict[str, dict[str, str]]:
    """Only what has the tags of this environment's stacks."""
    tags = {"project": scope.project.name, "environment": scope.environment.name}
    return {"StringEquals": {f"aws:{kind}Tag/zeroshift:{key}": value for key, value in tags.items()}}


def cloudformation_statements(scope: Scope) -> list[dict[str, Any]]:
    """What the resources around schedules take. The actions are those that the resource types' schemas name for their
    handlers, as far as the templates use them."""
    roles = iam_arn(f"role{naming.role_path(scope.project, scope.environment)}*")
    users = [f"{service}.amazonaws.com" for service in ("events", "scheduler", "states")]
    prefix = scope.prefix
    named = {
        "scheduler": (
            "CreateSchedule CreateScheduleGroup DeleteSchedule DeleteScheduleGroup GetSchedule GetScheduleGroup"
            " ListTagsForResource TagResource UntagResource UpdateSchedule",
            [arn("scheduler", f"schedule/{prefix}/*"), arn("scheduler", f"schedule-group/{prefix}")],
        ),
        "events": (
            "DeleteRule DescribeRule ListTagsForResource ListTargetsByRule PutRule PutTargets RemoveTargets TagResource"
            " UntagResource",
            arn("events", f"rule/{prefix}-*"),
        ),
        "states": (
            "CreateStateMachine DeleteStateMachine DescribeStateMachine ListTagsForResource TagResource UntagResource"
            " UpdateStateMachine",
            arn("states", f"stateMachine:{prefix}-*"),
        ),
        "dynamodb": (
            "CreateTable DeleteTable DescribeContinuousBackups DescribeContributorInsights"
            " DescribeKinesisStreamingDestination DescribeTable DescribeTimeToLive GetResourcePolicy"
            " ListTagsOfResource TagResource UntagResource UpdateTable UpdateTimeToLive",
            arn("dynamodb", f"table/{prefix}-*"),
        ),
        "logs": (
            "CreateLogGroup DeleteLogGroup DeleteRetentionPolicy GetDataProtectionPolicy ListTagsForResource"
            " PutRetentionPolicy TagResource UntagResource",
            arn("logs", f"log-group:/aws/events/{prefix}-*"),
        ),
        "cloudwatch": (
            "DeleteAlarms DescribeAlarms ListTagsForResource PutMetricAlarm TagResource UntagResource",
            arn("cloudwatch", f"alarm:{prefix}-*"),
        ),
    }
    made = [
        allow([f"{service}:{action}" for action in actions.split()], resources)
        for service, (actions, resources) in named.items()
    ]
    keys = (
        "DescribeKey DisableKey DisableKeyRotation EnableKey EnableKeyRotation GetKeyPolicy GetKeyRotationStatus"
        " ListResourceTags PutKeyPolicy ScheduleKeyDeletion UntagResource UpdateKeyDescription"
    )
    board = _dashboard(scope)
    return [
        *made,
        allow(
            [f"cloudwatch:{name}" for name in ("DeleteDashboards", "GetDashboard", "PutDashboard")]
            + ["cloudwatch:ListTagsForResource", "cloudwatch:TagResource", "cloudwatch:UntagResource"],
            board,
        ),
        # These take no resource of ours (service authorization reference, CloudWatch Logs).
        allow(
            [
                f"logs:{name}"
                for name in (
                    "DeleteResourcePolicy", "DescribeIndexPolicies", "DescribeLogGroups", "DescribeResourcePolicies",
                    "PutResourcePolicy",
                )
            ],
            "*",
        ),
        allow(["iam:PassRole"], roles, {"StringEquals": {"iam:PassedToService": users}}),
        # A key is made with its stack's tags, and is known by them from then on.
        allow(["kms:CreateKey"], "*", _tagged(scope, "Request")),
        allow(["kms:TagResource"], arn("kms", "key/*"), _tagged(scope, "Request")),
        allow([f"kms:{action}" for action in keys.split()], arn("kms", "key/*"), _tagged(scope)),
    ]  # fmt: skip


def _dashboard(scope: Scope) -> dict[str, str]:
    """The dashboard's ARN, which has no region."""
    return sub(f"arn:${{AWS::Partition}}:cloudwatch::${{AWS::AccountId}}:dashboard/{dashboard.name(scope)}")
