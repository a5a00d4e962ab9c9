"""Aurora clusters of ministack as RDS shows them: parameters with defaults, and which wait for a reboot.

Runs inside of ministack. ministack 1.5.33 keeps clusters, instances and parameter groups, but it knows no default
groups and not the parameters that integrations ask for, has every member in-sync, and does not say which versions can
be sources. Of the other parameters only those are told that somebody has set.

A parameter takes effect when the member is rebooted: the Aurora User Guide's own example sets all of these with
ApplyMethod pending-reboot, and a group that is attached to a cluster needs a reboot, too (zero-etl.setting-up).
"""

from __future__ import annotations

import re
from typing import Any

from deployer import aurora

_MEMBER = re.compile(
    r"(<DBInstanceIdentifier>([^<]*)</DBInstanceIdentifier>.*?<DBClusterParameterGroupStatus>)in-sync",
    re.DOTALL,
)
_VERSION = re.compile(r"<Engine>([^<]+)</Engine>\s*<EngineVersion>([^<]+)</EngineVersion>")
_EMPTY = re.compile(r"<ReplicaMode>\s*</ReplicaMode>")
_STATUS = 200
_DEFAULT = "default."
_BOOTED = "_booted_with"


def install() -> None:
    """Put these rules into ministack."""
    from ministack.services import rds

    shown, boot = rds._cluster_xml, rds._reboot_db_instance
    create, describe, versions = (
        rds._create_db_cluster,
        rds._describe_db_cluster_parameters,
        rds._describe_engine_versions,
    )
    groups, add = rds._describe_db_cluster_param_groups, rds._create_db_instance

    def create_cluster(p: Any) -> Any:
        answer = create(p)
        cluster = rds._clusters.get(rds._p(p, "DBClusterIdentifier"))
        if answer[0] == _STATUS and not rds._p(p, "DBClusterParameterGroupName"):
            cluster["DBClusterParameterGroup"] = _DEFAULT + _family(
                cluster["Engine"], cluster["EngineVersion"]
            )
            return answer[0], answer[1], _replaced(answer[2], cluster)
        return answer

    def create_instance(p: Any) -> Any:
        answer = add(p)
        if answer[0] == _STATUS:
            _booted(rds, rds._p(p, "DBInstanceIdentifier"))
        return answer

    def reboot(p: Any) -> Any:
        answer = boot(p)
        if answer[0] == _STATUS:
            _booted(rds, rds._p(p, "DBInstanceIdentifier"))
        return answer

    def cluster_xml(cluster: dict[str, Any]) -> str:
        def status(found: re.Match[str]) -> str:
            instance = rds._instances.get(found[2]) or {}
            same = instance.get(_BOOTED, _stand(rds, cluster)) == _stand(rds, cluster)
            return found[1] + ("in-sync" if same else "pending-reboot")

        return _MEMBER.sub(status, shown(cluster))

    def describe_parameters(p: Any) -> Any:
        name = rds._p(p, "DBClusterParameterGroupName")
        group = rds._db_cluster_param_groups.get(name)
        family = group["DBParameterGroupFamily"] if group else name.removeprefix(_DEFAULT)
        engine = next((one for one in aurora.PARAMETERS if family.startswith(one)), None)
        if engine is None or (group is None and not name.startswith(_DEFAULT)):
            return describe(p)
        wanted = rds._p(p, "Source")
        told = "".join(_parameter(rds, *one) for one in _parameters(engine, group) if wanted in ("", one[2]))
        return rds._xml(
            _STATUS,
            "DescribeDBClusterParametersResponse",
            f"<DescribeDBClusterParametersResult><Parameters>{told}</Parameters></DescribeDBClusterParametersResult>",
        )

    def describe_groups(p: Any) -> Any:
        name = rds._p(p, "DBClusterParameterGroupName")
        if not name.startswith(_DEFAULT):
            return groups(p)
        family = name.removeprefix(_DEFAULT)
        arn = f"arn:aws:rds:{rds.get_region()}:{rds.get_account_id()}:cluster-pg:{name}"
        return rds._xml(
            _STATUS,
            "DescribeDBClusterParameterGroupsResponse",
            "<DescribeDBClusterParameterGroupsResult><DBClusterParameterGroups><DBClusterParameterGroup>"
            f"<DBClusterParameterGroupName>{rds._esc(name)}</DBClusterParameterGroupName>"
            f"<DBParameterGroupFamily>{rds._esc(family)}</DBParameterGroupFamily>"
            f"<Description>Default cluster parameter group for {rds._esc(family)}</Description>"
            f"<DBClusterParameterGroupArn>{rds._esc(arn)}</DBClusterParameterGroupArn>"
            "</DBClusterParameterGroup></DBClusterParameterGroups></DescribeDBClusterParameterGroupsResult>",
        )

    def describe_versions(p: Any) -> Any:
        status, headers, body = versions(p)

        def supports(found: re.Match[str]) -> str:
            can = str(aurora.is_supported(found[1], found[2])).lower()
            return f"{found[0]}<SupportsIntegrations>{can}</SupportsIntegrations>"

        return status, headers, _VERSION.sub(supports, body.decode()).encode()

    shown_instance = rds._instance_xml
    # An empty element is a value, and not one that a ReplicaMode may have.
    rds._instance_xml = lambda instance: _EMPTY.sub("", shown_instance(instance))
    rds._cluster_xml = cluster_xml
    rds._ACTION_MAP |= {
        "CreateDBCluster": create_cluster,
        "CreateDBInstance": create_instance,
        "RebootDBInstance": reboot,
        "DescribeDBClusterParameters": describe_parameters,
        "DescribeDBClusterParameterGroups": describe_groups,
        "DescribeDBEngineVersions": describe_versions,
    }


def _family(engine: str, version: str) -> str:
    """The parameter group family: aurora-mysql8.0, aurora-postgresql16."""
    major = version.split(".")
    return engine + (".".join(major[:2]) if engine == aurora.MYSQL else major[0])


def _replaced(body: bytes, cluster: dict[str, Any]) -> bytes:
    name = cluster["DBClusterParameterGroup"].encode()
    return re.sub(rb"(<DBClusterParameterGroup>)[^<]*", rb"\g<1>" + name, body)


def _parameters(engine: str, group: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """Name, value and Source of each."""
    given = {name: one["ParameterValue"] for name, one in (group or {}).get("Parameters", {}).items()}
    known = {one.name: (one.name, one.default, "engine-default") for one in aurora.PARAMETERS[engine]}
    return sorted((known | {name: (name, value, "user") for name, value in given.items()}).values())


def _parameter(rds: Any, name: str, value: str, source: str) -> str:
    # A parameter without a value has no element for it.
    told = f"<ParameterValue>{rds._esc(value)}</ParameterValue>" if value else ""
    return (
        f"<Parameter><ParameterName>{rds._esc(name)}</ParameterName>{told}<Source>{source}</Source>"
        "<ApplyType>static</ApplyType><DataType>string</DataType><IsModifiable>true</IsModifiable>"
        "<ApplyMethod>pending-reboot</ApplyMethod></Parameter>"
    )


def _booted(rds: Any, identifier: str) -> None:
    """Note with which parameters the instance runs from now on."""
    instance = rds._instances.get(identifier)
    cluster = rds._clusters.get(instance.get("DBClusterIdentifier")) if instance else None
    if cluster:
        instance[_BOOTED] = _stand(rds, cluster)


def _stand(rds: Any, cluster: dict[str, Any]) -> list[Any]:
    """The parameters that a reboot would bring into force; as a list, which JSON keeps."""
    name = cluster.get("DBClusterParameterGroup", "")
    group = rds._db_cluster_param_groups.get(name) or {}
    given = {key: one["ParameterValue"] for key, one in group.get("Parameters", {}).items()}
    return [name, sorted([key, value] for key, value in given.items())]
