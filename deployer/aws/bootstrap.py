"""What an administrator creates once, before the first deployment: the deployer's own role and its bounds.

Three roles act afterwards. The deployer (who plans, deploys and owns the warehouse's objects) may only touch this
environment's stacks base and run, and hands them to the CloudFormation role, which may only make what the stacks hold:
roles under this environment's path and with the runner's boundary, queues and topics of its prefix. Neither can widen
its own rights: the boundaries and both roles are out of their reach.
"""

from __future__ import annotations

from typing import Any

from deployer.aws import bootstrap_integration, bootstrap_run, naming
from deployer.aws.resources import archive
from deployer.aws.scope import (
    WORKGROUP_ID,
    Resources,
    Scope,
    Template,
    allow,
    arn,
    document,
    iam_arn,
    scope,
    warehouse_access,
)
from deployer.aws.templates import parameters
from deployer.errors import UsageError
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import CLUSTER, SERVERLESS, Environment

_STACK_ACTIONS = [
    f"cloudformation:{name}"
    for name in (
        "CreateChangeSet", "DeleteChangeSet", "DeleteStack", "DescribeChangeSet", "DescribeEvents",
        "DescribeStackEvents", "DescribeStackResourceDrifts", "DescribeStacks", "DetectStackDrift",
        "DetectStackResourceDrift", "ExecuteChangeSet", "GetStackPolicy", "GetTemplate", "ListChangeSets",
        "ListStackResources", "SetStackPolicy", "TagResource", "UntagResource",
    )
]  # fmt: skip

_STACK_READS = ["cloudformation:DescribeStacks", "cloudformation:GetTemplate"]

_ROLE_READS = [
    f"iam:{name}" for name in ("GetRole", "GetRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies")
]


def template(project: Project, environment: Environment) -> Template:
    """The bootstrap template. Raises UsageError when zeroshift.toml does not say who may become the deployer."""
    made = scope(project, environment)
    if environment.kind not in (SERVERLESS, CLUSTER):
        raise UsageError(f"the environment {environment.name!r} is local: it needs no bootstrap")
    if made.remote.trust.is_empty:
        raise UsageError(
            f"{project.root / CONFIG_FILE}: [env.{environment.name}.trust] must say who may become the deployer:"
            " roles = [...], or oidc_provider and oidc_subject"
        )
    body: Template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Zeroshift: bootstrap of {project.name}, environment {environment.name}",
        "Parameters": parameters(environment),
        "Resources": _boundaries(made) | _deployer(made) | _cloudformation(made),
        "Outputs": {
            "DeployerRole": {"Value": {"Ref": "DeployerRole"}},
            "CloudFormationRole": {"Value": {"Ref": "CloudFormationRole"}},
        },
    }
    return {key: value for key, value in body.items() if value}


def deployer_name(project: Project, environment: Environment) -> str:
    """The deployer's role; by default what the key `owner` should say."""
    return f"{naming.prefix(project, environment)}-deployer"


def cloudformation_name(project: Project, environment: Environment) -> str:
    """The role that CloudFormation acts as; what the key `cloudformation_role` should say."""
    return f"{naming.prefix(project, environment)}-cloudformation"


def _own_roles(scope: Scope) -> list[dict[str, str]]:
    names = deployer_name, cloudformation_name
    return [iam_arn(f"role/{name(scope.project, scope.environment)}") for name in names]


def _boundaries(scope: Scope) -> Resources:
    names = naming.runner_boundary, naming.deployer_boundary
    runner, deployer = (name(scope.project, scope.environment) for name in names)
    fixed = [
        *_own_roles(scope),
        iam_arn(f"policy/{runner}"),
        iam_arn(f"policy/{deployer}"),
    ]
    keep = {
        "Effect": "Deny",
        "NotAction": [
            *_ROLE_READS,
            "iam:PassRole",
            "iam:SimulatePrincipalPolicy",
            "iam:GetPolicy",
            "iam:GetPolicyVersion",
        ],
        "Resource": fixed,
    }
    reach = [
        f"{service}:*"
        for service in (
            "cloudformation", "cloudwatch", "dynamodb", "events", "kms", "logs", "rds", "redshift", "redshift-data",
            "redshift-serverless", "s3", "scheduler", "sns", "sqs", "states",
        )
    ]  # fmt: skip
    return {
        "RunnerBoundary": _managed_policy(
            runner,
            "The most that any role of the stacks may do",
            *bootstrap_run.runner_bounds(scope),
        ),
        "DeployerBoundary": _managed_policy(
            deployer,
            "The most that the deployer may ever do",
            allow(
                [*reach, "iam:*", "secretsmanager:GetSecretValue", "sts:AssumeRole", "sts:GetCallerIdentity"],
                "*",
            ),
            keep,
        ),
    }


def _managed_policy(name: str, description: str, *statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "ManagedPolicyName": name,
            "Description": description,
            "PolicyDocument": document(*statements),
        },
    }


def deployer_statements(scope: Scope) -> list[dict[str, Any]]:
    """What the deployer is allowed; its boundary allows more, and denies it to change its own bounds."""
    # By name, not by prefix: the bootstrap's own stack is not the deployer's.
    stacks = [arn("cloudformation", f"stack/{scope.prefix}-{part}/*") for part in naming.PARTS]
    passed = {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
    statements = [
        allow(_STACK_ACTIONS, stacks),
        # For `zeroshift doctor`: is the bootstrap there, and does it still say what this zeroshift needs?
        allow(_STACK_READS, arn("cloudformation", f"stack/{scope.prefix}-bootstrap/*")),
        allow(["iam:SimulatePrincipalPolicy"], _own_roles(scope)),
        # It takes an id that belongs to no stack: it cannot be narrowed.
        allow(["cloudformation:DescribeStackDriftDetectionStatus"], "*"),
        allow(["iam:PassRole"], {"Fn::GetAtt": ["CloudFormationRole", "Arn"]}, passed),
        *_warehouse(scope),
        # Statements of others are not shown: the condition is AWS's own (service authorization reference, Data API).
        allow(
            [
                f"redshift-data:{name}"
                for name in ("CancelStatement", "DescribeStatement", "GetStatementResult", "ListStatements")
            ],
            "*",
            {"StringEquals": {"redshift-data:statement-owner-iam-userid": "${aws:userid}"}},
        ),
    ]
    if scope.remote.secret:
        # Secrets Manager appends a hyphen and six characters to the name.
        named = arn("secretsmanager", f"secret:{scope.remote.secret}-??????")
        statements.append(allow(["secretsmanager:GetSecretValue"], named))
    return [
        *statements,
        *bootstrap_integration.deployer_statements(scope),
        *archive.deployer_statements(scope),
    ]


def _deployer(scope: Scope) -> Resources:
    return {
        "DeployerRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": deployer_name(scope.project, scope.environment),
                "Description": "Plans and deploys, and owns every object in the warehouse",
                "MaxSessionDuration": 4 * 3600,
                "AssumeRolePolicyDocument": document(*_trust(scope)),
                "PermissionsBoundary": {"Ref": "DeployerBoundary"},
                "Policies": [
                    {"PolicyName": "deploy", "PolicyDocument": document(*deployer_statements(scope))}
                ],
            },
        }
    }


def _warehouse(scope: Scope) -> list[dict[str, Any]]:
    if scope.environment.kind == CLUSTER:
        return [
            # It takes no resource (service authorization reference, Amazon Redshift).
            allow(["redshift:DescribeClusters"], "*"),
            *warehouse_access(scope),
        ]
    limits = [f"redshift-serverless:{name}UsageLimit" for name in ("Create", "Update", "Get")]
    return [
        allow(
            ["redshift-serverless:GetWorkgroup"],
            arn("redshift-serverless", f"workgroup/${{{WORKGROUP_ID}}}"),
        ),
        *warehouse_access(scope),
        # A limit has no name of ours: its id is not known beforehand.
        allow([*limits, "redshift-serverless:ListUsageLimits"], "*"),
    ]


def _trust(scope: Scope) -> list[dict[str, Any]]:
    trust = scope.remote.trust
    made: list[dict[str, Any]] = []
    if trust.roles:
        made.append(
            {
                "Effect": "Allow",
                "Principal": {"AWS": [iam_arn(f"role/{name}") for name in trust.roles]},
                "Action": "sts:AssumeRole",
            }
        )
    if trust.oidc_provider:
        subject = "StringLike" if set("*?") & set(trust.oidc_subject) else "StringEquals"
        made.append(
            {
                "Effect": "Allow",
                "Principal": {"Federated": iam_arn(f"oidc-provider/{trust.oidc_provider}")},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": _merged(
                    {"StringEquals": {f"{trust.oidc_provider}:aud": trust.oidc_audience}},
                    {subject: {f"{trust.oidc_provider}:sub": trust.oidc_subject}},
                ),
            }
        )
    return made


def _merged(*conditions: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    made: dict[str, dict[str, str]] = {}
    for condition in conditions:
        for operator, keys in condition.items():
            made.setdefault(operator, {}).update(keys)
    return made


def cloudformation_statements(scope: Scope) -> list[dict[str, Any]]:
    """What the role is allowed that CloudFormation makes the stacks' resources with. It grows with them."""
    roles = iam_arn(f"role{naming.role_path(scope.project, scope.environment)}*")
    bounded = {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "RunnerBoundary"}}}
    return [
        allow(
            [
                f"iam:{name}"
                for name in (
                    "CreateRole",
                    "PutRolePolicy",
                    "DeleteRolePolicy",
                    "AttachRolePolicy",
                    "DetachRolePolicy",
                    "PutRolePermissionsBoundary",
                )
            ],
            roles,
            bounded,
        ),  # fmt: skip
        allow(
            [
                *_ROLE_READS,
                *(
                    f"iam:{name}"
                    for name in (
                        "DeleteRole",
                        "TagRole",
                        "UntagRole",
                        "UpdateRole",
                        "UpdateRoleDescription",
                        "UpdateAssumeRolePolicy",
                    )
                ),
            ],
            roles,
        ),  # fmt: skip
        allow(
            [
                f"sqs:{name}"
                for name in (
                    "CreateQueue",
                    "DeleteQueue",
                    "GetQueueAttributes",
                    "GetQueueUrl",
                    "ListQueueTags",
                    "SetQueueAttributes",
                    "TagQueue",
                    "UntagQueue",
                )
            ],
            arn("sqs", f"{scope.prefix}-*"),
        ),  # fmt: skip
        allow(
            [
                f"sns:{name}"
                for name in (
                    "CreateTopic",
                    "DeleteTopic",
                    "GetDataProtectionPolicy",
                    "GetTopicAttributes",
                    "ListSubscriptionsByTopic",
                    "ListTagsForResource",
                    "SetTopicAttributes",
                    "Subscribe",
                    "TagResource",
                    "UntagResource",
                )
            ],
            arn("sns", f"{scope.prefix}-*"),
        ),  # fmt: skip
        # A subscription's ARN ends in an id, and these take no other resource.
        allow(
            [
                "sns:GetSubscriptionAttributes",
                "sns:SetSubscriptionAttributes",
                "sns:Unsubscribe",
            ],
            "*",
        ),  # fmt: skip
        *bootstrap_run.cloudformation_statements(scope),
        *bootstrap_integration.cloudformation_statements(scope),
        *archive.cloudformation_statements(scope),
    ]


def _cloudformation(scope: Scope) -> Resources:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudformation.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }
    return {
        "CloudFormationRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": cloudformation_name(scope.project, scope.environment),
                "Description": "What CloudFormation makes the stacks' resources with",
                "AssumeRolePolicyDocument": document(trust),
                "PermissionsBoundary": {"Ref": "DeployerBoundary"},
                "Policies": [
                    {"PolicyName": "stacks", "PolicyDocument": document(*cloudformation_statements(scope))}
                ],
            },
        }
    }
