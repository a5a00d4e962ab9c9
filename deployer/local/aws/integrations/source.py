"""Whether a cluster of the local AWS can be the source of an integration, as it stands when one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployer import aurora
from deployer.local.aws.query import fault

Client = Callable[[str, str], Any]
"""A boto3 client of ministack: by service and region."""


def cluster(client: Client, arn: str, region: str) -> dict[str, Any]:
    """The cluster of this ARN; raises DBClusterNotFoundFault, DBInstanceNotFoundFault."""
    parts = arn.split(":")
    if parts[5] == "db":
        raise fault(
            "rds",
            "DBInstanceNotFoundFault",
            f"DBInstance {parts[6]} not found: the local AWS takes Aurora clusters as sources, no RDS instances.",
        )
    rds = client("rds", region)
    missing = fault("rds", "DBClusterNotFoundFault", f"DBCluster {parts[6]} not found.")
    if parts[3] != region:
        raise missing
    try:
        found: dict[str, Any] = rds.describe_db_clusters(DBClusterIdentifier=parts[6])["DBClusters"][0]
    except rds.exceptions.DBClusterNotFoundFault:
        raise missing from None
    if found["DBClusterArn"] != arn:
        raise missing
    return found


def problems(client: Client, source: dict[str, Any], region: str) -> list[dict[str, str]]:
    """Why an integration from this cluster fails: Aurora User Guide, zero-etl.troubleshooting, "creation fails" with an
    unsupported engine version or with parameters that are wrong or not associated. The guides show neither codes nor
    messages of Errors; these are ours."""
    engine, version = source["Engine"], source["EngineVersion"]
    if not aurora.is_supported(engine, version):
        return [
            _error("UnsupportedEngineVersion", f"{engine} {version} cannot be the source of an integration.")
        ]
    if not source.get("DBClusterMembers"):
        return [_error("NoInstance", "The source DB cluster has no DB instance.")]
    if any(
        one.get("DBClusterParameterGroupStatus") == "pending-reboot" for one in source["DBClusterMembers"]
    ):
        return [
            _error("InvalidParameters", "The source DB cluster's parameters wait for a reboot of its writer.")
        ]
    values = parameters(client, source["DBClusterParameterGroup"], region)
    wrong = [one.name for one in aurora.PARAMETERS[engine] if not one.holds(values.get(one.name))]
    if wrong:
        return [
            _error("InvalidParameters", f"DB cluster parameters are not as required: {', '.join(wrong)}.")
        ]
    return []


def parameters(client: Client, group: str, region: str) -> dict[str, str | None]:
    """The values of a DB cluster parameter group."""
    pages = client("rds", region).get_paginator("describe_db_cluster_parameters")
    found: dict[str, str | None] = {}
    for page in pages.paginate(DBClusterParameterGroupName=group):
        found |= {one["ParameterName"]: one.get("ParameterValue") for one in page["Parameters"]}
    return found


def _error(code: str, message: str) -> dict[str, str]:
    return {"ErrorCode": code, "ErrorMessage": message}
