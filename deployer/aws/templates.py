"""The stacks base and run, generated from zeroshift.toml. No account id, region or secret is written into them.

A part of a stack is a function that returns resources; a later one is added to _BASE or _RUN and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.aws import naming
from deployer.errors import UsageError
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import CLUSTER, Environment, Remote

Resources = dict[str, dict[str, Any]]
Template = dict[str, Any]

RETAIN = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
"""For what holds data: it outlives its stack, but not a first deployment that failed (CloudFormation User Guide,
aws-attribute-deletionpolicy)."""

DAY = 86400
WORKGROUP_ID = "WorkgroupId"


@dataclass(frozen=True)
class Scope:
    """What the parts of a template are made from."""

    project: Project
    environment: Environment
    remote: Remote

    @property
    def prefix(self) -> str:
        return naming.prefix(self.project, self.environment)


def scope(project: Project, environment: Environment) -> Scope:
    """The Scope of an environment; raises UsageError for one without an AWS side."""
    if environment.remote is None:
        raise UsageError(
            f"{project.root / CONFIG_FILE}: the environment {environment.name!r} has no AWS side;"
            " write aws = true into its table to plan it on the local AWS"
        )
    return Scope(project, environment, environment.remote)


def sub(text: str) -> dict[str, str]:
    """CloudFormation fills ${AWS::Region}, ${AWS::AccountId} and parameters in."""
    return {"Fn::Sub": text}


def arn(service: str, rest: str) -> dict[str, str]:
    """An ARN in the stack's own partition, region and account."""
    return sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}")


def iam_arn(rest: str) -> dict[str, str]:
    """An IAM ARN, which has no region."""
    return sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{rest}")


def allow(actions: list[str], resources: object, condition: object = None) -> dict[str, Any]:
    """One Allow statement."""
    made: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return made if condition is None else made | {"Condition": condition}


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def warehouse_access(scope: Scope, *, any_workgroup: bool = False) -> list[dict[str, Any]]:
    """What a role needs to send statements through the Data API as itself.

    Resources as the service authorization reference has them: a workgroup's ARN ends in its id, not its name.
    """
    remote = scope.remote
    if scope.environment.kind == CLUSTER:
        return [
            allow(["redshift-data:ExecuteStatement"], arn("redshift", f"cluster:{remote.identifier}")),
            allow(
                ["redshift:GetClusterCredentialsWithIAM"],
                arn("redshift", f"dbname:{remote.identifier}/{remote.database}"),
            ),
        ]
    workgroup = arn(
        "redshift-serverless", "workgroup/*" if any_workgroup else f"workgroup/${{{WORKGROUP_ID}}}"
    )
    return [allow(["redshift-data:ExecuteStatement", "redshift-serverless:GetCredentials"], workgroup)]


def _runner(scope: Scope) -> Resources:
    """The schedules' role: it may send statements, as the database role `runner`, and set aside what it could not
    deliver. Trusted is the Scheduler for the schedules of this environment's group alone (Scheduler User Guide,
    cross-service-confused-deputy-prevention: SourceArn is the schedule group's ARN).
    """
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": arn("scheduler", f"schedule-group/{scope.prefix}")},
        },
    }
    send = allow(["sqs:SendMessage"], {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
    return {
        "RunnerRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Path": naming.role_path(scope.project, scope.environment),
                "Description": "Calls the pipelines' entry procedures on schedule",
                "AssumeRolePolicyDocument": document(trust),
                "PermissionsBoundary": iam_arn(
                    f"policy/{naming.runner_boundary(scope.project, scope.environment)}"
                ),
                "Policies": [
                    {"PolicyName": "run", "PolicyDocument": document(*warehouse_access(scope), send)}
                ],
                # Redshift makes the IAM role a member of these database roles at log-in (management guide,
                # redshift-iam-access-federated-db-roles).
                "Tags": [{"Key": "RedshiftDbRoles", "Value": scope.remote.runner}],
            },
        }
    }


def _dead_letters(_: Scope) -> Resources:
    """Calls that the Scheduler could not deliver. A standard queue: it takes no other (Scheduler User Guide,
    configuring-schedule-dlq). Its messages are the only trace of a missed run, so it counts as holding data."""
    return {
        "DeadLetterQueue": {
            "Type": "AWS::SQS::Queue",
            **RETAIN,
            "Properties": {"MessageRetentionPeriod": 14 * DAY, "SqsManagedSseEnabled": True},
        }
    }


def _alerts(scope: Scope) -> Resources:
    """The topic that people are told by. Each address has to confirm its subscription by e-mail."""
    made: Resources = {"AlertTopic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": scope.prefix}}}
    for number, address in enumerate(scope.remote.alerts, start=1):
        made[f"AlertSubscription{number}"] = {
            "Type": "AWS::SNS::Subscription",
            "Properties": {"TopicArn": {"Ref": "AlertTopic"}, "Protocol": "email", "Endpoint": address},
        }
    return made


_BASE: tuple[Callable[[Scope], Resources], ...] = (_runner, _dead_letters, _alerts)
_RUN: tuple[Callable[[Scope], Resources], ...] = ()

_OUTPUTS = {
    "RunnerRoleArn": {"Value": {"Fn::GetAtt": ["RunnerRole", "Arn"]}},
    "DeadLetterQueueArn": {"Value": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}},
    "AlertTopicArn": {"Value": {"Ref": "AlertTopic"}},
}


def template(project: Project, environment: Environment, part: str) -> Template | None:
    """The template of the stack `part`, or None when nothing belongs into it, for a stack cannot be empty."""
    made = scope(project, environment)
    resources: Resources = {}
    for make in {"base": _BASE, "run": _RUN}[part]:
        resources |= make(made)
    if not resources:
        return None
    body: Template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Zeroshift: {part} of {project.name}, environment {environment.name}",
        "Parameters": parameters(environment),
        "Resources": resources,
        "Outputs": _OUTPUTS if part == "base" else {},
    }
    return {key: value for key, value in body.items() if value}


def parameters(environment: Environment) -> dict[str, Any]:
    """The parameters that the templates declare: for serverless the workgroup's id, which only AWS knows."""
    if environment.kind == CLUSTER:
        return {}
    return {
        WORKGROUP_ID: {
            "Type": "String",
            "AllowedPattern": "[0-9a-f-]{36}",
            "Description": "The id, not the name, of the Redshift Serverless workgroup",
        }
    }


def tags(project: Project, environment: Environment, part: str) -> dict[str, str]:
    """The tags of a stack, which CloudFormation passes on to its resources."""
    own = {
        "zeroshift:project": project.name,
        "zeroshift:environment": environment.name,
        "zeroshift:part": part,
    }
    return {**(environment.remote.tags if environment.remote else {}), **own}
