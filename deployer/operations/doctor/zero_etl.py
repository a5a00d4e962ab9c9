"""Zero-ETL: what the source cluster, the warehouse and the caller need for each integration, and how the integration
is.

Sources: Aurora User Guide, zero-etl.setting-up and zero-etl (limitations); Redshift Management Guide,
zero-etl.reqs-lims and zero-etl-using.redshift-iam. The rights of the caller are those of `zeroshift template
--bootstrap`, which the part "rights" asks IAM about. What is in the source is asked over its own connection, see
zero_etl_source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deployer import aurora
from deployer.aws import connect, integrations, namespace_policy
from deployer.aws.client import Aws, AwsError
from deployer.errors import Unavailable, UsageError, ZeroshiftError
from deployer.operations import integration_part, integration_stack, landing_plan
from deployer.operations.doctor import zero_etl_source
from deployer.operations.doctor.caller import no_aws
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.project.environments import CLUSTER
from deployer.project.zero_etl_aws import AwsZeroEtl


def checks(seen: Examination) -> Iterator[Check]:
    """Nothing for an environment without integrations."""
    if not seen.environment.integrations:
        return
    if seen.aws is None:
        yield no_aws("integrations")
        return
    yield from _target(seen, seen.aws)
    for one in seen.environment.integrations:
        yield from _source(seen, seen.aws, one)
        yield from zero_etl_source.checks(seen.project, one)
        yield _policy(seen, seen.aws, one)
        yield _state(seen, seen.aws, one)
    yield _admin(seen)


def _source(seen: Examination, aws: Aws, one: AwsZeroEtl) -> Iterator[Check]:
    """The cluster: engine and version, instances, and its parameters."""
    name = f"{one.name}: source"
    try:
        (found,) = aws.call("rds", "describe_db_clusters", DBClusterIdentifier=one.source)["DBClusters"]
    except AwsError as error:
        if error.code == "DBClusterNotFoundFault":
            yield missing(
                name,
                f"there is no cluster {one.source} in {aws.remote.region}",
                f"mend the key 'source' of [env.{seen.environment.name}.zero_etl.{one.name}] in zeroshift.toml",
            )
        else:
            yield unknown(name, str(error))
        return
    engine, version = str(found["Engine"]), str(found.get("EngineVersion", ""))
    if engine != one.engine:
        yield missing(
            name,
            f"{one.source} is {engine}, and zeroshift.toml calls it {one.engine}",
            f'write engine = "{engine}" into [env.{seen.environment.name}.zero_etl.{one.name}]',
        )
        return
    if aurora.is_supported(engine, version):
        yield ok(name, f"{one.source}: {engine} {version}")
    else:
        yield missing(
            name,
            f"{one.source}: {engine} {version}; integrations need {aurora.SINCE[engine]} or later",
            f"aws rds modify-db-cluster --db-cluster-identifier {one.source} --engine-version VERSION"
            " --apply-immediately",
        )
    members = found.get("DBClusterMembers", [])
    if not members:
        yield missing(
            f"{one.name}: instances",
            f"{one.source} has no instance",
            f"aws rds create-db-instance --db-cluster-identifier {one.source} --db-instance-identifier"
            f" {one.source}-1 --engine {engine} --db-instance-class db.serverless",
        )
    if found.get("CrossAccountClone"):
        yield missing(
            f"{one.name}: clone", f"{one.source} is a clone of another account's cluster, which cannot be a source",
            f"aws rds restore-db-cluster-from-snapshot --db-cluster-identifier {one.source}-own"
            " --snapshot-identifier SNAPSHOT --engine " + engine,
        )  # fmt: skip
    yield from _parameters(aws, one, found, members)


def _parameters(
    aws: Aws, one: AwsZeroEtl, cluster: dict[str, Any], members: list[dict[str, Any]]
) -> Iterator[Check]:
    """Each parameter of the cluster's group; and whether the writer runs with the group as it is."""
    group = str(cluster.get("DBClusterParameterGroup", ""))
    try:
        values = {
            item["ParameterName"]: item.get("ParameterValue")
            for item in _all_parameters(aws, group)
            if "ParameterName" in item
        }
    except AwsError as error:
        yield unknown(f"{one.name}: parameters", str(error))
        return
    wrong = [item for item in aurora.PARAMETERS[one.engine] if not item.holds(values.get(item.name))]
    # A default group cannot be changed (Aurora User Guide, "Working with parameter groups").
    own = f"{one.source}-zero-etl" if group.startswith("default.") else group
    if wrong and own != group:
        yield missing(
            f"{one.name}: parameter group",
            f"{one.source} has {group}, which cannot be changed",
            f"aws rds create-db-cluster-parameter-group --db-cluster-parameter-group-name {own}"
            f" --db-parameter-group-family {aurora.family(one.engine, str(cluster.get('EngineVersion', '')))}"
            " --description zero-ETL && aws rds"
            f" modify-db-cluster --db-cluster-identifier {one.source} --db-cluster-parameter-group-name {own}"
            " --apply-immediately",
        )
    for item in wrong:
        actual = values.get(item.name)
        must = f"must not be {item.value}" if item.never else f"must be {item.value}"
        value = item.default if item.never else item.value
        command = "modify-db-cluster-parameter-group" if value else "reset-db-cluster-parameter-group"
        setting = f",ParameterValue={value}" if value else ""
        yield missing(
            f"{one.name}: {item.name}",
            f"{'not set' if actual is None else actual} in {group}; it {must}",
            f"aws rds {command} --db-cluster-parameter-group-name {own} --parameters"
            f" ParameterName={item.name}{setting},ApplyMethod=pending-reboot",
        )
    if not wrong:
        yield ok(
            f"{one.name}: parameters", f"{group} has all {len(aurora.PARAMETERS[one.engine])} as they must be"
        )
    writers = [item for item in members if item.get("IsClusterWriter")] or members
    for writer in writers[:1]:
        status = writer.get("DBClusterParameterGroupStatus", "")
        instance = writer["DBInstanceIdentifier"]
        if status == "in-sync":
            yield ok(f"{one.name}: reboot", f"{instance} runs with the parameters of {group}")
        else:
            # The group may be right, and the instance still run with what it was before.
            yield missing(
                f"{one.name}: reboot",
                f"{instance} does not run with the parameters of {group} yet: {status or 'unknown'}",
                f"aws rds reboot-db-instance --db-instance-identifier {instance}",
            )


def _all_parameters(aws: Aws, group: str) -> Iterator[dict[str, Any]]:
    marker: dict[str, str] = {}
    while True:
        page = aws.call(
            "rds",
            "describe_db_cluster_parameters",
            DBClusterParameterGroupName=group,
            MaxRecords=100,
            **marker,
        )
        yield from page.get("Parameters", [])
        if not page.get("Marker"):
            return
        marker = {"Marker": page["Marker"]}


def _target(seen: Examination, aws: Aws) -> Iterator[Check]:
    """A cluster's node type and encryption; of serverless every workgroup will do. Case sensitivity is looked at in the
    session, by the part "database"."""
    remote = aws.remote
    if seen.environment.kind != CLUSTER:
        yield ok(
            "warehouse", f"the workgroup {remote.identifier} is serverless: encrypted, and fit for zero-ETL"
        )
        return
    try:
        (found,) = aws.call("redshift", "describe_clusters", ClusterIdentifier=remote.identifier)["Clusters"]
    except AwsError as error:
        yield unknown("warehouse", str(error))
        return
    node = str(found.get("NodeType", ""))
    if node.startswith(("ra3.", "rg.")):
        # The Aurora guide asks for two nodes of RA3, the management guide does not.
        nodes = int(found.get("NumberOfNodes", 1))
        note = "; the Aurora guide asks for two nodes, the Redshift guide does not" if nodes < 2 else ""
        yield ok("nodes", f"{nodes} of {node}{note}")
    else:
        yield missing(
            "nodes", f"{node} cannot be a target of zero-ETL: RA3 or RG can",
            f"aws redshift resize-cluster --cluster-identifier {remote.identifier} --node-type ra3.large"
            " --number-of-nodes 2",
        )  # fmt: skip
    if found.get("Encrypted"):
        yield ok("encryption", f"{remote.identifier} is encrypted")
    else:
        yield missing(
            "encryption", f"{remote.identifier} is not encrypted, as a target of zero-ETL must be",
            f"aws redshift modify-cluster --cluster-identifier {remote.identifier} --encrypted",
        )  # fmt: skip
    for group in found.get("ClusterParameterGroups", []):
        if group.get("ParameterApplyStatus") not in (None, "in-sync"):
            yield missing(
                "parameters",
                f"{remote.identifier} does not run with {group.get('ParameterGroupName')} yet:"
                f" {group['ParameterApplyStatus']}",
                f"aws redshift reboot-cluster --cluster-identifier {remote.identifier}",
            )


def _policy(seen: Examination, aws: Aws, one: AwsZeroEtl) -> Check:
    name = f"{one.name}: policy"
    try:
        namespace = connect.namespace(aws, seen.environment).arn
        wanted = dict(
            zip(
                seen.environment.integrations,
                integration_part.policies(aws, seen.environment, namespace),
                strict=True,
            )
        )[one]
        present = namespace_policy.read(aws, namespace)
    except (AwsError, Unavailable, UsageError) as error:
        return unknown(name, str(error))
    if not namespace_policy.lacking(present, [wanted]):
        return ok(name, f"the namespace's resource policy lets {one.source} feed the warehouse")
    if not seen.deployed:
        return ok(name, f"the first deployment adds {one.source} to the namespace's resource policy")
    return missing(
        name,
        f"the namespace's resource policy does not let {one.source} feed the warehouse, and AWS deactivates an"
        " integration whose source was taken out of it",
        f"zeroshift deploy {seen.env}",
    )


def _state(seen: Examination, aws: Aws, one: AwsZeroEtl) -> Check:
    name = f"{one.name}: integration"
    try:
        live = integrations.find(
            aws, integration_stack.source_arn(aws, one), connect.namespace(aws, seen.environment).arn
        )
    except (AwsError, Unavailable, UsageError) as error:
        return unknown(name, str(error))
    if live is None:
        return ok(name, "not there yet: the next deployment makes it")
    if live.status in (integrations.FAILED, integrations.NEEDS_ATTENTION):
        mend = (
            f"zeroshift integration recreate {one.name} {seen.env}"
            if live.status == integrations.FAILED
            else f"zeroshift integration tables {seen.env}"
        )
        return missing(name, integrations.explain(one.name, live), mend)
    more = f": {live.trouble}" if live.trouble else ""
    return ok(name, f"{live.name} is {live.status}{more}")


def _admin(seen: Examination) -> Check:
    """Whether a superuser can be had, for landing databases and SVV_INTEGRATION."""
    if seen.session is None:
        return unknown("superuser", "the warehouse is not reached, see above")
    try:
        with landing_plan.administrator(seen.environment, seen.session) as admin:
            if admin is not None:
                (row,) = admin.execute("select current_user").rows
                return ok("superuser", f"{row[0]} makes landing databases")
    except ZeroshiftError as error:
        return missing(
            "superuser", f"the key admin_secret leads to none: {error}",
            f"write into it the name of a secret whose username and password are a superuser's:"
            f" [env.{seen.environment.name}] of zeroshift.toml",
        )  # fmt: skip
    return missing(
        "superuser",
        "this login is none, and no key admin_secret names the secret of one: landing databases can neither be made nor"
        " altered",
        f'write admin_secret = "SECRET" into [env.{seen.environment.name}] of zeroshift.toml',
    )
