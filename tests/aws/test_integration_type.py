"""AWS::RDS::Integration on the local CloudFormation: made, changed, kept, replaced, adopted, removed."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from zero_etl_cloud import ZeroEtlCloud

STACK = "zero-etl-stack"


def template(source: str, target: str, *, outputs: bool = True, **properties: Any) -> str:
    resource = {
        "Type": "AWS::RDS::Integration",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"IntegrationName": "rental", "SourceArn": source, "TargetArn": target} | properties,
    }
    # An import may bring no outputs and no tags of the stack.
    told = {"Arn": {"Value": {"Ref": "Rental"}}, "Made": {"Value": {"Fn::GetAtt": ["Rental", "CreateTime"]}}}
    return json.dumps({"Resources": {"Rental": resource}} | ({"Outputs": told} if outputs else {}))


class Stack:
    def __init__(self, cloud: ZeroEtlCloud) -> None:
        self.cloud = cloud
        self.api = cloud.cloudformation
        self._number = itertools.count()

    def change(self, text: str, kind: str, **more: Any) -> list[dict[str, Any]]:
        """Carry out a change set; its changes."""
        if kind != "IMPORT":
            more["Tags"] = [{"Key": "part", "Value": "base"}]
        made = self.api.create_change_set(
            StackName=STACK,
            ChangeSetName=f"set-{next(self._number)}",
            ChangeSetType=kind,
            TemplateBody=text,
            **more,
        )
        self.cloud.until(lambda: self.set(made["Id"])["Status"] in ("CREATE_COMPLETE", "FAILED"))
        found = self.set(made["Id"])
        assert found["Status"] == "CREATE_COMPLETE", found.get("StatusReason")
        self.api.execute_change_set(ChangeSetName=made["Id"])
        self.cloud.until(lambda: not self.status.endswith("_IN_PROGRESS"))
        return [one["ResourceChange"] for one in found["Changes"]]

    def set(self, identifier: str) -> dict[str, Any]:
        return dict(self.api.describe_change_set(ChangeSetName=identifier))

    @property
    def status(self) -> str:
        return str(self.described["StackStatus"])

    @property
    def described(self) -> dict[str, Any]:
        return dict(self.api.describe_stacks(StackName=STACK)["Stacks"][0])

    @property
    def arn(self) -> str:
        return str({one["OutputKey"]: one["OutputValue"] for one in self.described["Outputs"]}["Arn"])

    def reasons(self) -> str:
        events = self.api.describe_stack_events(StackName=STACK)["StackEvents"]
        return " ".join(one.get("ResourceStatusReason", "") for one in events)

    def delete(self) -> None:
        identifier = self.described["StackId"]
        self.api.delete_stack(StackName=STACK)
        self.cloud.until(
            lambda: (
                self.api.describe_stacks(StackName=identifier)["Stacks"][0]["StackStatus"]
                == "DELETE_COMPLETE"
            )
        )


@pytest.fixture
def stack(zero_etl: ZeroEtlCloud) -> Any:
    made = Stack(zero_etl)
    yield made
    names = [one["StackName"] for one in zero_etl.cloudformation.describe_stacks()["Stacks"]]
    if STACK in names:
        made.delete()


def test_a_stack_makes_changes_keeps_and_adopts_an_integration(zero_etl: ZeroEtlCloud, stack: Stack) -> None:
    source, target = zero_etl.ready()
    (added,) = stack.change(template(source, target, Tags=[{"Key": "team", "Value": "data"}]), "CREATE")
    assert (added["Action"], stack.status) == ("Add", "CREATE_COMPLETE")
    arn = stack.arn
    (found,) = zero_etl.rds.describe_integrations(IntegrationIdentifier=arn)["Integrations"]
    tags = {one["Key"]: one["Value"] for one in found["Tags"]}
    assert found["Status"] == "active"
    assert (tags["team"], tags["part"], tags["aws:cloudformation:logical-id"]) == ("data", "base", "Rental")

    (changed,) = stack.change(template(source, target, DataFilter="include: rental.*"), "UPDATE")
    assert (changed["Action"], changed["Replacement"]) == ("Modify", "False")
    (found,) = zero_etl.rds.describe_integrations(IntegrationIdentifier=arn)["Integrations"]
    assert (found["DataFilter"], "team" in {one["Key"] for one in found["Tags"]}) == (
        "include: rental.*",
        False,
    )

    zero_etl.rds.modify_integration(IntegrationIdentifier=arn, DataFilter="include: other.*")
    drift = stack.api.detect_stack_drift(StackName=STACK)["StackDriftDetectionId"]
    zero_etl.until(
        lambda: (
            stack.api.describe_stack_drift_detection_status(StackDriftDetectionId=drift)["DetectionStatus"]
            == "DETECTION_COMPLETE"
        )
    )
    (drifted,) = stack.api.describe_stack_resource_drifts(StackName=STACK)["StackResourceDrifts"]
    assert [one["PropertyPath"] for one in drifted["PropertyDifferences"]] == ["/DataFilter"]

    stack.delete()
    assert zero_etl.status(arn) == "active", "RetainExceptOnCreate keeps what was made whole"
    (taken,) = stack.change(
        template(source, target, outputs=False, DataFilter="include: other.*"),
        "IMPORT",
        ResourcesToImport=[
            {
                "ResourceType": "AWS::RDS::Integration",
                "LogicalResourceId": "Rental",
                "ResourceIdentifier": {"IntegrationArn": arn},
            }
        ],
    )
    assert (taken["Action"], taken["PhysicalResourceId"], stack.status) == ("Import", arn, "IMPORT_COMPLETE")


def test_a_replacement_cannot_stand_beside_its_predecessor(zero_etl: ZeroEtlCloud, stack: Stack) -> None:
    source, target = zero_etl.ready()
    stack.change(template(source, target), "CREATE")
    arn = stack.arn
    key = zero_etl.client("kms").create_key()["KeyMetadata"]["KeyId"]
    (changed,) = stack.change(template(source, target, KMSKeyId=key), "UPDATE")
    assert changed["Replacement"] == "True"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "There is an integration between this source and this target already" in stack.reasons()
    assert (stack.arn, zero_etl.status(arn)) == (arn, "active")


def test_a_creation_that_fails_leaves_nothing(zero_etl: ZeroEtlCloud, stack: Stack) -> None:
    source, target = zero_etl.ready()
    zero_etl.behaviour.outcome("rental", "failed", "InternalError", "of Redshift")
    stack.change(template(source, target), "CREATE")
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "a state that cannot complete creation: failed" in stack.reasons()
    assert zero_etl.rds.describe_integrations()["Integrations"] == []
    stack.delete()

    zero_etl.behaviour.outcome("rental", "needs_attention", "MissingPrimaryKey", "a table")
    stack.change(template(source, target), "CREATE")
    assert stack.status == "CREATE_COMPLETE", "needs_attention is stable for CloudFormation"
    stack.delete()
    assert zero_etl.rds.describe_integrations()["Integrations"], "kept"


def test_what_is_no_integration_is_not_adopted(zero_etl: ZeroEtlCloud) -> None:
    source, target = zero_etl.ready()
    missing = f"{source.rpartition(':cluster')[0]}:integration:00000000-0000-0000-0000-000000000000"
    stack = Stack(zero_etl)
    with pytest.raises(AssertionError, match="was not found"):
        stack.change(
            template(source, target, outputs=False),
            "IMPORT",
            ResourcesToImport=[
                {
                    "ResourceType": "AWS::RDS::Integration",
                    "LogicalResourceId": "Rental",
                    "ResourceIdentifier": {"IntegrationArn": missing},
                }
            ],
        )
    zero_etl.cloudformation.delete_stack(StackName=STACK)
