"""What integrations add to the rights of the deployer and of CloudFormation's role; nothing where there are none.

Actions: Aurora User Guide, zero-etl.creating ("Required permissions"), the handlers of AWS::RDS::Integration's
schema, and the service authorization reference for the reads.
"""

from __future__ import annotations

from typing import Any

from deployer.aws.resources.integration import target_arn
from deployer.aws.scope import NAMESPACE_ID, Scope, allow, arn


def deployer_statements(scope: Scope) -> list[dict[str, Any]]:
    """To merge the namespace's policy, wait, recreate, and look: at lag, and for `zeroshift doctor` at the source."""
    if not scope.environment.integrations:
        return []
    namespace = target_arn(scope)
    every = arn("rds", "integration:*")
    sources = [arn("rds", f"cluster:{one.source}") for one in scope.environment.integrations]
    made = [
        # The service authorization reference has the colon's form only, the management guide's examples serverless's.
        allow(
            ["redshift:GetResourcePolicy", "redshift:PutResourcePolicy"],
            [namespace]
            if scope.is_cluster
            else [namespace, arn("redshift", f"namespace:${{{NAMESPACE_ID}}}")],
        ),
        # An integration's id is not known before it exists.
        allow(["rds:DescribeIntegrations", "rds:DeleteIntegration"], every),
        allow(["rds:DescribeDBClusters"], sources),
        allow(["rds:DescribeDBClusterParameters"], arn("rds", "cluster-pg:*")),
        # It takes no resource (service authorization reference, CloudWatch).
        allow(["cloudwatch:GetMetricData"], "*"),
    ]
    if scope.is_cluster:
        made.append(
            allow(["redshift:DescribeClusterParameters"], arn("redshift", "parametergroup:*")),
        )
    else:
        made.append(allow(["redshift-serverless:GetNamespace"], namespace))
    made += [allow(["kms:DescribeKey"], *key) for key in _keys(scope)]
    if scope.remote.admin_secret:
        # Secrets Manager appends a hyphen and six characters to the name.
        named = arn("secretsmanager", f"secret:{scope.remote.admin_secret}-??????")
        made.append(allow(["secretsmanager:GetSecretValue"], named))
    return made


def cloudformation_statements(scope: Scope) -> list[dict[str, Any]]:
    """To make, change, adopt and delete the integrations."""
    if not scope.environment.integrations:
        return []
    every = arn("rds", "integration:*")
    sources = [arn("rds", f"cluster:{one.source}") for one in scope.environment.integrations]
    made = [
        allow(["rds:CreateIntegration"], [*sources, every]),
        allow(
            [
                f"rds:{name}"
                for name in (
                    "AddTagsToResource", "DeleteIntegration", "DescribeIntegrations", "ModifyIntegration",
                    "RemoveTagsFromResource",
                )
            ],
            every,
        ),
        allow(["redshift:CreateInboundIntegration"], target_arn(scope)),
    ]  # fmt: skip
    return [*made, *(allow(["kms:CreateGrant", "kms:DescribeKey"], *key) for key in _keys(scope))]


def _keys(scope: Scope) -> list[tuple[dict[str, str], dict[str, Any] | None]]:
    """The integrations' KMS keys, each as a resource and a condition. A right to use an alias is none to use the key
    (KMS Developer Guide, alias-authorization)."""
    return [
        (arn("kms", "key/*"), {"ForAnyValue:StringEquals": {"kms:ResourceAliases": key}})
        if key.startswith("alias/")
        else (arn("kms", f"key/{key}"), None)
        for key in sorted({one.kms_key for one in scope.environment.integrations if one.kms_key})
    ]
