"""The IAM policies of a template, held against AWS's list of actions, resources and condition keys by parliament."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from parliament import analyze_policy_string

ACCOUNT = "123456789012"
_PSEUDO = {
    "AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": ACCOUNT,
    "WorkgroupId": "0f8fad5b-d9cb-469f-a165-70867728950e", "NamespaceId": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
}  # fmt: skip
_ARNS = {
    "AWS::SQS::Queue": f"arn:aws:sqs:eu-central-1:{ACCOUNT}:queue",
    "AWS::SNS::Topic": f"arn:aws:sns:eu-central-1:{ACCOUNT}:topic",
    "AWS::KMS::Key": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0f8fad5b-d9cb-469f-a165-70867728950e",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/role",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/policy",
}
"""What Ref of a topic and a policy, and Fn::GetAtt of the others, become."""

_BOUND = "a boundary says the most that there may ever be, what is granted stands in the role's own policy"
_EXPECTED = {
    ("DeployerBoundary", "CREDENTIALS_EXPOSURE"): _BOUND,
    ("DeployerBoundary", "PERMISSIONS_MANAGEMENT_ACTIONS"): _BOUND,
    ("DeployerBoundary", "PRIVILEGE_ESCALATION"): _BOUND,
    ("DeployerBoundary", "RESOURCE_STAR"): _BOUND,
    (
        "CloudFormationRole",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
    ): "it makes roles, each with the runner's boundary",
    (
        "CloudFormationRole",
        "MISMATCHED_TYPE_BUT_USABLE",
    ): "iam:PermissionsBoundary is compared as a text in AWS's guide",
    (
        "CloudFormationRole",
        "RESOURCE_MISMATCH",
    ): "the Aurora guide gives redshift:CreateInboundIntegration the namespace, parliament nothing",
    ("DeployerRole", "UNKNOWN_ACTION"): "cloudformation:DescribeEvents is newer than parliament's list",
}
"""Findings that are meant, with the reason. One that nothing gives any more is itself reported."""


seen: set[tuple[str, str]] = set()


def problems(template: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong in the policies of roles and managed policies."""
    kinds = {key: value["Type"] for key, value in template["Resources"].items()}
    for logical_id, resource in template["Resources"].items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::IAM::Role":
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        elif resource["Type"] == "AWS::IAM::ManagedPolicy":
            documents = [properties["PolicyDocument"]]
        else:
            continue
        for document in documents:
            text = json.dumps(_filled(document, kinds))
            for finding in analyze_policy_string(text, include_community_auditors=True).findings:
                if (logical_id, finding.issue) in _EXPECTED:
                    seen.add((logical_id, finding.issue))
                else:
                    told = f"{finding.issue} {finding.detail} {finding.location.get('string', '')}"
                    yield f"{logical_id}: {told.rstrip()}"


def unneeded() -> Iterator[str]:
    """Exceptions that no template needs any more, once all were looked at."""
    for logical_id, issue in sorted(set(_EXPECTED) - seen):
        yield f"the exception for {issue} of {logical_id} is not needed: take it out of .ci/policies.py"


def _filled(value: Any, kinds: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_filled(item, kinds) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return _PSEUDO.get(value["Ref"]) or _ARNS[kinds[value["Ref"]]]
    if set(value) == {"Fn::GetAtt"}:
        return _ARNS[kinds[value["Fn::GetAtt"][0]]]
    if set(value) == {"Fn::Sub"}:
        return re.sub(r"\$\{([\w:]+)\}", lambda found: _PSEUDO[found.group(1)], value["Fn::Sub"])
    return {key: _filled(item, kinds) for key, item in value.items()}
