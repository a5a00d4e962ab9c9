"""From an environment in AWS to where its warehouse listens and temporary or stored credentials for it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from deployer.aws.client import Aws, AwsError, is_loopback
from deployer.errors import Unavailable, UsageError
from deployer.project.environments import CLUSTER, Environment, Remote
from deployer.warehouse.session import Target

PORT = 5439
CREDENTIAL_SECONDS = 3600
"""As long as GetCredentials and GetClusterCredentialsWithIAM give (900 to 3600 seconds). A session that is open
lives on after that."""


@dataclass(frozen=True)
class Namespace:
    """What an integration has as its target: the namespace behind the warehouse. Not for printing."""

    arn: str
    id: str


@dataclass(frozen=True)
class Place:
    """Where a warehouse listens. `workgroup_id` and `arn` identify it in policies; neither is for printing."""

    host: str
    port: int
    arn: str
    workgroup_id: str = ""


def target(environment: Environment) -> Target:
    """The warehouse of a serverless or cluster environment, with credentials for one hour, which renew themselves.

    Raises AwsError, Unavailable, or UsageError for a secret of another shape.
    """
    assert environment.remote is not None
    remote = environment.remote
    aws = Aws(remote)
    where = place(aws, environment, needs_arn=False)
    user, password, until = _credentials(aws, environment, remote)
    service = "redshift" if environment.kind == CLUSTER else "redshift-serverless"
    # Only the local AWS, which gives out the local Redshift, speaks without TLS: a tunnel on loopback to a real
    # warehouse does not.
    local = aws.is_local(service) and is_loopback(where.host)
    return Target(
        where.host,
        where.port,
        remote.database,
        user,
        password,
        ssl=not local,
        settings=(
            ("statement_timeout", str(remote.cost.statement_timeout * 1000)),
            ("query_group", remote.cost.query_group),
        ),
        until=until,
        renew=lambda: target(environment),
    )


def admin_target(environment: Environment) -> Target | None:
    """The warehouse as the superuser of the key `admin_secret`; None where the environment names none.

    Raises as `target`.
    """
    remote = environment.remote
    if remote is None or not remote.admin_secret:
        return None
    return target(replace(environment, remote=replace(remote, secret=remote.admin_secret)))


def namespace(aws: Aws, environment: Environment) -> Namespace:
    """The warehouse's namespace (Aurora User Guide, zero-etl.creating, has both ARNs' shapes). Raises as `place`."""
    remote = aws.remote
    if environment.kind == CLUSTER:
        found = _described(aws, remote).get("ClusterNamespaceArn")
        if not found:
            raise Unavailable(
                f"AWS names no namespace of the cluster {remote.identifier}: only RA3 and RG nodes have one, which"
                " zero-ETL needs"
            )
        return Namespace(str(found), str(found).rpartition(":")[2])
    name = _get_workgroup(aws, remote)["namespaceName"]
    told = aws.call("redshift-serverless", "get_namespace", namespaceName=name)["namespace"]
    return Namespace(str(told["namespaceArn"]), str(told["namespaceId"]))


def place(aws: Aws, environment: Environment, *, needs_arn: bool = True) -> Place:
    """Where the warehouse listens, asked of AWS unless the configuration says it and no ARN is needed."""
    remote = aws.remote
    if remote.host and not needs_arn:
        return Place(remote.host, remote.port or PORT, "")
    found = _cluster(aws, remote) if environment.kind == CLUSTER else _workgroup(aws, remote)
    return Place(remote.host or found.host, remote.port or found.port, found.arn, found.workgroup_id)


def _workgroup(aws: Aws, remote: Remote) -> Place:
    found = _get_workgroup(aws, remote)
    endpoint = _endpoint(found.get("endpoint") or {}, "address", "port", found.get("status"), remote)
    return Place(*endpoint, found["workgroupArn"], found["workgroupId"])


def _get_workgroup(aws: Aws, remote: Remote) -> dict[str, Any]:
    try:
        found: dict[str, Any] = aws.call(
            "redshift-serverless", "get_workgroup", workgroupName=remote.identifier
        )["workgroup"]
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            raise UsageError(
                f"there is no workgroup {remote.identifier!r} in {remote.region}; create it, or mend the key"
                " 'workgroup' or 'region' in zeroshift.toml"
            ) from None
        raise
    return found


def _cluster(aws: Aws, remote: Remote) -> Place:
    found = _described(aws, remote)
    endpoint = _endpoint(found.get("Endpoint") or {}, "Address", "Port", found.get("ClusterStatus"), remote)
    return Place(*endpoint, "")


def _described(aws: Aws, remote: Remote) -> dict[str, Any]:
    try:
        answer = aws.call("redshift", "describe_clusters", ClusterIdentifier=remote.identifier)
    except AwsError as error:
        if error.code in ("ClusterNotFound", "ClusterNotFoundFault"):
            raise UsageError(
                f"there is no cluster {remote.identifier!r} in {remote.region}; create it, or mend the key"
                " 'cluster' or 'region' in zeroshift.toml"
            ) from None
        raise
    found: dict[str, Any] = answer["Clusters"][0]
    return found


def _endpoint(
    found: dict[str, Any], address: str, port: str, status: object, remote: Remote
) -> tuple[str, int]:
    if not found.get(address):
        raise Unavailable(
            f"{remote.identifier} has no endpoint yet, its status is {status}; wait until it is available,"
            " or resume it"
        )
    return str(found[address]), int(found.get(port) or PORT)


def _credentials(aws: Aws, environment: Environment, remote: Remote) -> tuple[str, str, float]:
    """User and password: from the secret, or temporary ones of the IAM identity; and until when (Unix time)."""
    if remote.secret:
        # Rotation may change it at any time; whoever connects again after a while reads it again.
        return (*read_secret(aws, remote), _until(None))
    if environment.kind != CLUSTER:
        given = aws.call(
            "redshift-serverless",
            "get_credentials",
            workgroupName=remote.identifier,
            dbName=remote.database,
            durationSeconds=CREDENTIAL_SECONDS,
        )
        return given["dbUser"], given["dbPassword"], _until(given.get("expiration"))
    given = aws.call(
        "redshift",
        "get_cluster_credentials_with_iam",
        ClusterIdentifier=remote.identifier,
        DbName=remote.database,
        DurationSeconds=CREDENTIAL_SECONDS,
    )
    return given["DbUser"], given["DbPassword"], _until(given.get("Expiration"))


def _until(told: datetime | None) -> float:
    return told.timestamp() if told is not None else time.time() + CREDENTIAL_SECONDS


def read_secret(aws: Aws, remote: Remote) -> tuple[str, str]:
    """`username` and `password` of the secret's JSON, as Redshift's own secrets have them (management guide,
    data-api-secrets). Raises UsageError when there is none, or when it holds something else."""
    try:
        text = aws.call("secretsmanager", "get_secret_value", SecretId=remote.secret).get("SecretString")
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            raise UsageError(
                f"there is no secret {remote.secret!r} in {remote.region}; create it with the keys"
                " username and password"
            ) from None
        raise
    try:
        content = json.loads(text or "")
        return str(content["username"]), str(content["password"])
    except (ValueError, TypeError, KeyError):
        # Without the error's own words: they would show what the secret holds.
        raise UsageError(
            f"the secret {remote.secret!r} must hold a JSON object with the keys username and password"
        ) from None
