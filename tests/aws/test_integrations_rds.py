"""Zero-ETL integrations of the local AWS: the API's rules, states, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from zero_etl_cloud import ZeroEtlCloud

from deployer import aurora
from deployer.local.aws.environment import LocalAws
from deployer.local.aws.integrations.store import Store


def refused(call: Any, code: str, **parameters: Any) -> str:
    """The message of the error that the call is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return str(caught.value.response["Error"]["Message"])


def create(cloud: ZeroEtlCloud, source: str, target: str, name: str = "rental", **more: Any) -> str:
    made = cloud.rds.create_integration(SourceArn=source, TargetArn=target, IntegrationName=name, **more)
    return str(made["IntegrationArn"])


def test_an_integration_lives_from_creating_to_gone(zero_etl: ZeroEtlCloud) -> None:
    source, target = zero_etl.ready()
    zero_etl.behaviour.hold("rental", "creating")
    made = zero_etl.rds.create_integration(
        SourceArn=source,
        TargetArn=target,
        IntegrationName="rental",
        DataFilter="include: rental.*, exclude: rental.audit",
        Description="bookings",
        Tags=[{"Key": "team", "Value": "data"}],
    )
    arn = made["IntegrationArn"]
    assert made["Status"] == "creating"
    assert zero_etl.serverless.get_workgroup(workgroupName="analytics")["workgroup"]["status"] == "MODIFYING"
    refused(
        zero_etl.serverless.update_workgroup,
        "ConflictException",
        workgroupName="analytics",
        configParameters=[{"parameterKey": "auto_mv", "parameterValue": "false"}],
    )
    refused(
        zero_etl.rds.modify_integration,
        "InvalidIntegrationStateFault",
        IntegrationIdentifier=arn,
        Description="x",
    )
    refused(zero_etl.rds.delete_integration, "InvalidIntegrationStateFault", IntegrationIdentifier=arn)
    zero_etl.behaviour.release("rental")
    zero_etl.until(lambda: zero_etl.status(arn) == "active")

    zero_etl.behaviour.hold("*", "modifying")
    changed = zero_etl.rds.modify_integration(IntegrationIdentifier=arn, DataFilter="include: rental.*")
    assert (changed["Status"], changed["DataFilter"]) == ("modifying", "include: rental.*")
    zero_etl.behaviour.release()
    zero_etl.until(lambda: zero_etl.status(arn) == "active")
    (found,) = zero_etl.rds.describe_integrations(IntegrationIdentifier=arn.rpartition(":")[2])[
        "Integrations"
    ]
    assert (found["Description"], found["Tags"]) == ("bookings", [{"Key": "team", "Value": "data"}])
    (inbound,) = zero_etl.redshift.describe_inbound_integrations(TargetArn=target)["InboundIntegrations"]
    assert (inbound["IntegrationArn"], inbound["SourceArn"], inbound["Status"]) == (arn, source, "active")

    zero_etl.rds.add_tags_to_resource(
        ResourceName=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "team", "Value": "x"}]
    )
    zero_etl.rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["a"])
    assert zero_etl.rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "team", "Value": "x"}]

    refused(zero_etl.rds.delete_db_cluster, "InvalidDBClusterStateFault", DBClusterIdentifier="shop")
    refused(zero_etl.serverless.delete_namespace, "ConflictException", namespaceName="shop")
    zero_etl.behaviour.hold("rental", "deleting")
    assert zero_etl.rds.delete_integration(IntegrationIdentifier=arn)["Status"] == "deleting"
    refused(zero_etl.rds.delete_integration, "InvalidIntegrationStateFault", IntegrationIdentifier=arn)
    zero_etl.behaviour.release()
    zero_etl.until(lambda: zero_etl.status(arn) == "")
    refused(zero_etl.redshift.describe_inbound_integrations, "IntegrationNotFoundFault", IntegrationArn=arn)


def test_what_the_request_or_another_integration_rules_out(zero_etl: ZeroEtlCloud) -> None:
    source, target = zero_etl.ready()
    call = zero_etl.rds.create_integration
    good = {"SourceArn": source, "TargetArn": target, "IntegrationName": "rental"}
    for change, code in (
        ({"IntegrationName": "has_underscore"}, "InvalidParameterValue"),
        ({"IntegrationName": "x" * 64}, "InvalidParameterValue"),
        ({"SourceArn": source + "-none"}, "DBClusterNotFoundFault"),
        ({"SourceArn": source.replace("cluster", "db")}, "DBInstanceNotFound"),
        ({"TargetArn": target[:-1] + "x"}, "InvalidParameterValue"),
        ({"KMSKeyId": "00000000-0000-0000-0000-000000000000"}, "KMSKeyNotAccessibleFault"),
        ({"AdditionalEncryptionContext": {"a": "b"}}, "InvalidParameterCombination"),
        ({"DataFilter": "include: rental.(a|b)"}, "InvalidParameterValue"),
        ({"DataFilter": "exclude: rental.a"}, "InvalidParameterValue"),
        ({"DataFilter": "rental.a"}, "InvalidParameterValue"),
    ):
        refused(call, code, **(good | change))
    key = zero_etl.client("kms").create_key()["KeyMetadata"]["KeyId"]
    context = {"KMSKeyId": key, "AdditionalEncryptionContext": {"Department": "Data & more"}}
    arn = create(zero_etl, source, target, **context)
    (found,) = zero_etl.rds.describe_integrations()["Integrations"]
    assert context.items() <= found.items()
    zero_etl.until(lambda: zero_etl.status(arn) == "active")

    refused(call, "IntegrationAlreadyExistsFault", **(good | {"IntegrationName": "other"}))
    other = zero_etl.cluster("other")
    zero_etl.authorize(target, other)
    taken = refused(call, "IntegrationConflictOperationFault", **(good | {"SourceArn": other}))
    assert "must be unique within an account" in taken
    refused(
        zero_etl.rds.describe_integrations, "InvalidParameterValue", Filters=[{"Name": "x", "Values": ["y"]}]
    )
    refused(zero_etl.rds.describe_integrations, "InvalidParameterValue", MaxRecords=19)
    refused(zero_etl.rds.describe_integrations, "IntegrationNotFoundFault", IntegrationIdentifier="none")
    assert zero_etl.client("rds", "us-east-1").describe_integrations()["Integrations"] == []


def test_creation_fails_where_the_guides_say_so(zero_etl: ZeroEtlCloud) -> None:
    target = zero_etl.namespace()
    outcomes = {}
    for name, version, parameters in (
        ("old", "8.0.mysql_aurora.3.04.0", {}),
        (
            "wrong",
            "8.0.mysql_aurora.3.08.0",
            {"binlog_format": "MIXED", "binlog_row_value_options": "PARTIAL_JSON"},
        ),
    ):
        source = zero_etl.cluster(name, version=version, parameters=parameters)
        zero_etl.authorize(target, source)
        arn = create(zero_etl, source, target, name)
        zero_etl.until(lambda: zero_etl.status(arn) == "failed")  # noqa: B023
        outcomes[name] = zero_etl.rds.describe_integrations(IntegrationIdentifier=arn)["Integrations"][0][
            "Errors"
        ]
    assert outcomes["old"][0]["ErrorCode"] == "UnsupportedEngineVersion"
    assert outcomes["wrong"][0]["ErrorMessage"].endswith(": binlog_format, binlog_row_value_options.")
    zero_etl.serverless.update_workgroup(
        workgroupName="analytics",
        configParameters=[{"parameterKey": "enable_case_sensitive_identifier", "parameterValue": "false"}],
    )
    source = zero_etl.cluster("shop")
    zero_etl.authorize(target, source)
    arn = create(zero_etl, source, target, "shop")
    zero_etl.until(lambda: zero_etl.status(arn) == "failed")


def test_parameters_wait_for_a_reboot(zero_etl: ZeroEtlCloud) -> None:
    rds = zero_etl.rds
    rds.create_db_cluster(
        DBClusterIdentifier="plain",
        Engine=aurora.MYSQL,
        MasterUsername="admin",
        ManageMasterUserPassword=True,
    )
    rds.create_db_instance(
        DBInstanceIdentifier="plain-1",
        DBInstanceClass="db.r6g.large",
        Engine=aurora.MYSQL,
        DBClusterIdentifier="plain",
    )

    def status() -> str:
        (found,) = rds.describe_db_clusters(DBClusterIdentifier="plain")["DBClusters"]
        return str(found["DBClusterMembers"][0]["DBClusterParameterGroupStatus"])

    group = rds.describe_db_clusters(DBClusterIdentifier="plain")["DBClusters"][0]["DBClusterParameterGroup"]
    assert group == "default.aurora-mysql8.0"
    defaults = rds.describe_db_cluster_parameters(DBClusterParameterGroupName=group)["Parameters"]
    assert {one["Source"] for one in defaults} == {"engine-default"}
    assert rds.describe_db_cluster_parameter_groups(DBClusterParameterGroupName=group)[
        "DBClusterParameterGroups"
    ]
    zero_etl.cluster("shop")
    rds.modify_db_cluster(DBClusterIdentifier="plain", DBClusterParameterGroupName="shop-zero-etl")
    assert status() == "pending-reboot"
    rds.reboot_db_instance(DBInstanceIdentifier="plain-1")
    zero_etl.until(lambda: rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "available")
    assert status() == "in-sync"
    rds.modify_db_cluster_parameter_group(
        DBClusterParameterGroupName="shop-zero-etl",
        Parameters=[
            {"ParameterName": "binlog_format", "ParameterValue": "OFF", "ApplyMethod": "pending-reboot"}
        ],
    )
    assert status() == "pending-reboot"
    versions = rds.describe_db_engine_versions(Engine=aurora.MYSQL)["DBEngineVersions"]
    supported = {one["EngineVersion"]: one["SupportsIntegrations"] for one in versions}
    assert supported["8.0.mysql_aurora.3.08.0"] and not supported["8.0.mysql_aurora.3.04.6"]


def test_the_resource_policy_decides(zero_etl: ZeroEtlCloud) -> None:
    source, target = zero_etl.cluster(), zero_etl.namespace()
    redshift = zero_etl.redshift
    refused(redshift.get_resource_policy, "ResourceNotFoundFault", ResourceArn=target)
    refused(redshift.get_resource_policy, "ResourceNotFoundFault", ResourceArn=target + "0")
    refused(redshift.describe_clusters, "InvalidAction")
    good = {"SourceArn": source, "TargetArn": target, "IntegrationName": "rental"}
    refused(zero_etl.rds.create_integration, "AccessDenied", **good)
    for text in (
        "{",
        "[]",
        json.dumps({"Version": "2012-10-17", "Statement": []}),
        json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "redshift:*"}}),
        json.dumps(
            {"Version": "2012-10-17", "Statement": statement(target, source) | {"Action": "s3:GetObject"}}
        ),
        json.dumps({"Version": "2012-10-17", "Statement": statement(target, source) | {"Resource": source}}),
    ):
        refused(redshift.put_resource_policy, "InvalidPolicyFault", ResourceArn=target, Policy=text)
    for denied in (
        statement(target, source + "-other"),
        statement(target, source) | {"Principal": {"Service": "s3.amazonaws.com"}},
        statement(target, source) | {"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}},
    ):
        put(zero_etl, target, denied)
        refused(zero_etl.rds.create_integration, "AccessDenied", **good)
    put(zero_etl, target, statement(target, source), statement(target, source) | {"Effect": "Deny"})
    refused(zero_etl.rds.create_integration, "AccessDenied", **good)
    put(zero_etl, target, {k: v for k, v in statement(target, source).items() if k != "Resource"})
    arn = create(zero_etl, source, target)
    zero_etl.until(lambda: zero_etl.status(arn) == "active")

    assumed = assume(zero_etl, "maker")
    another = good | {"TargetArn": zero_etl.namespace("local"), "IntegrationName": "other"}
    put(zero_etl, another["TargetArn"], statement(another["TargetArn"], source))
    refused(assumed.create_integration, "AccessDenied", **another)
    account = source.split(":")[4]
    principal = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:role/maker"},
        "Action": "redshift:CreateInboundIntegration",
    }
    put(zero_etl, another["TargetArn"], statement(another["TargetArn"], source), principal)
    assert assumed.create_integration(**another)["Status"] == "creating"

    put(zero_etl, target, statement(target, source + "-other"))
    assert zero_etl.status(arn) == "failed", "a source that is no longer authorized is out"
    put(zero_etl, target, statement(target, source))
    assert zero_etl.status(arn) == "failed", "for good"


def assume(cloud: ZeroEtlCloud, role: str) -> Any:
    """A client of RDS that signs as this role."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    iam.delete_role(RoleName=role)
    return boto3.client(
        "rds",
        region_name="eu-central-1",
        endpoint_url=cloud.rds.meta.endpoint_url,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def statement(target: str, source: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": "redshift.amazonaws.com"},
        "Action": "redshift:AuthorizeInboundIntegration",
        "Resource": target,
        "Condition": {"StringEquals": {"aws:SourceArn": source}},
    }


def put(cloud: ZeroEtlCloud, target: str, *statements: dict[str, Any]) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    cloud.redshift.put_resource_policy(ResourceArn=target, Policy=text)
    assert cloud.redshift.get_resource_policy(ResourceArn=target)["ResourcePolicy"]["Policy"] == text


def test_it_fails_on_order(zero_etl: ZeroEtlCloud) -> None:
    source, target = zero_etl.ready()
    faults, rds = zero_etl.faults, zero_etl.rds
    faults.refuse("rds", "DescribeIntegrations", "AccessDenied", "no", status=403, at=2)
    assert rds.describe_integrations()["Integrations"] == []
    refused(rds.describe_integrations, "AccessDenied")
    assert rds.describe_integrations()["Integrations"] == []
    # boto3 sends a call again whose connection ends: the second one meets what the first has made.
    faults.cut("rds", "CreateIntegration")
    refused(
        rds.create_integration, "IntegrationAlreadyExistsFault",
        SourceArn=source, TargetArn=target, IntegrationName="rental",
    )  # fmt: skip
    faults.clear()
    (made,) = rds.describe_integrations()["Integrations"]
    faults.cut("redshift-serverless", "GetNamespace", times=9, after=False)
    with pytest.raises(ConnectionClosedError):
        zero_etl.serverless.get_namespace(namespaceName="shop")
    faults.clear()
    faults.refuse(
        "redshift-serverless", "GetNamespace", "InternalServerException", "why", status=500, times=9
    )
    assert (
        refused(zero_etl.serverless.get_namespace, "InternalServerException", namespaceName="shop") == "why"
    )
    faults.clear()
    arn = made["IntegrationArn"]
    zero_etl.until(lambda: zero_etl.status(arn) == "active")
    zero_etl.behaviour.hold("rental", "syncing")
    zero_etl.behaviour.become("rental", "syncing")
    assert zero_etl.status(arn) == "syncing"
    zero_etl.behaviour.release()
    zero_etl.until(lambda: zero_etl.status(arn) == "active")
    zero_etl.behaviour.become("*", "needs_attention", "MissingPrimaryKey", "rental.audit has none")
    assert zero_etl.status(arn) == "needs_attention"


@pytest.mark.slow
def test_a_kill_forgets_nothing(tmp_path: Path) -> None:
    local = LocalAws(tmp_path / "home")
    try:
        cloud = ZeroEtlCloud(local.home, local.up())
        source = cloud.cluster()
        (namespace,) = cloud.serverless.list_namespaces()["namespaces"]
        target = namespace["namespaceArn"]
        cloud.authorize(target, source)
        cloud.behaviour.hold("rental", "creating")
        cloud.faults.refuse("rds", "ModifyIntegration", "InternalFailure", at=2)
        arn = create(cloud, source, target)
        pid = local.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        cloud.until(lambda: not local.running)

        again = ZeroEtlCloud.__new__(ZeroEtlCloud)
        again.__dict__ |= cloud.__dict__ | {"_status": local.up()}
        rds = again.client("rds")
        assert rds.describe_integrations()["Integrations"][0]["Status"] == "creating"
        assert again.client("redshift").get_resource_policy(ResourceArn=target)["ResourcePolicy"]["Policy"]
        cloud.behaviour.release()
        cloud.until(lambda: rds.describe_integrations()["Integrations"][0]["Status"] == "active")
        rds.modify_integration(IntegrationIdentifier=arn, Description="one")
        refused(rds.modify_integration, "InternalFailure", IntegrationIdentifier=arn, Description="two")
    finally:
        local.down()


def test_time_is_the_clock_s(tmp_path: Path) -> None:
    """A transition takes as long as the clock says, whoever asks."""
    (tmp_path / "aws").mkdir()
    now = [1000.0]
    record = {"IntegrationName": "rental", "TargetArn": "t"}
    store = Store(tmp_path, lambda: now[0])
    with store.use() as records:
        store.begin(record, "creating")
        records["one"] = record
    now[0] += 1.9
    assert store.is_creating_into("t")
    store = Store(tmp_path, lambda: now[0])
    now[0] += 0.1
    assert not store.is_creating_into("t")
    with store.use() as records:
        assert records["one"]["Status"] == "active"
        store.begin(records["one"], "deleting")
    now[0] += 1.0
    assert not store.is_target("t")


@pytest.mark.slow
def test_quotas(zero_etl: ZeroEtlCloud) -> None:
    """Five integrations of one source, one after the other, into namespaces of their own."""
    source = zero_etl.cluster()
    targets = []
    for number in range(6):
        name = f"quota-{number}"
        made = zero_etl.serverless.create_namespace(namespaceName=name)["namespace"]
        targets.append(made["namespaceArn"])
        zero_etl.serverless.create_workgroup(workgroupName=name, namespaceName=name)
        zero_etl.authorize(targets[-1], source)
    try:
        for number in range(5):
            arn = create(zero_etl, source, targets[number], f"rental-{number}")
            zero_etl.until(lambda: zero_etl.status(arn) != "creating")  # noqa: B023
        refused(
            zero_etl.rds.create_integration, "IntegrationQuotaExceededFault",
            SourceArn=source, TargetArn=targets[5], IntegrationName="rental-5",
        )  # fmt: skip
    finally:
        zero_etl.clear()
        for number in range(6):
            zero_etl.serverless.delete_workgroup(workgroupName=f"quota-{number}")
            zero_etl.serverless.delete_namespace(namespaceName=f"quota-{number}")
