"""`zeroshift doctor` for integrations, on the local AWS: the source cluster, its parameters, the policy, the state."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cloud import TOML, Cloud
from model_checks import check_request, check_response
from zero_etl_cloud import ZeroEtlCloud

from deployer.aws.client import Aws, AwsError
from deployer.operations.doctor import zero_etl
from deployer.operations.doctor.model import MISSING, OK, UNKNOWN, Check, Examination
from deployer.operations.progress import silent
from deployer.project import config
from deployer.warehouse.session import Session

SOURCE = """
[env.prod.zero_etl.rental]
source = "shop"
refresh_interval = 600
"""


def look(cloud: Cloud, session: Session | None = None, *, deployed: bool = False) -> dict[str, Check]:
    cloud.write(TOML + SOURCE)
    seen = Examination(cloud.project, cloud.prod, silent, Aws(cloud.prod.remote), None, session, deployed)  # type: ignore[arg-type]
    return {check.name.removeprefix("rental: "): check for check in zero_etl.checks(seen)}


def test_a_source_that_is_fit(cloud: Cloud, zero_etl: ZeroEtlCloud) -> None:
    zero_etl.cluster("shop")
    zero_etl.namespace("shop")
    checks = look(cloud)
    assert {name: check.state for name, check in checks.items()} == {
        "warehouse": OK, "source": OK, "parameters": OK, "reboot": OK, "tables": UNKNOWN, "policy": OK,
        "integration": OK, "superuser": UNKNOWN,
    }  # fmt: skip
    assert checks["policy"].found.startswith("the first deployment adds shop")
    assert look(cloud, deployed=True)["policy"].mend == "zeroshift deploy --env prod"


def test_each_wrong_parameter_is_told_with_its_command_and_the_reboot_apart(
    cloud: Cloud, zero_etl: ZeroEtlCloud
) -> None:
    zero_etl.cluster(
        "shop", parameters={"binlog_format": "MIXED", "binlog_row_value_options": "PARTIAL_JSON"}
    )
    checks = look(cloud)
    wrong = {name: check.found for name, check in checks.items() if check.state == MISSING}
    assert wrong == {
        "binlog_format": "MIXED in shop-zero-etl; it must be ROW",
        "binlog_row_value_options": "PARTIAL_JSON in shop-zero-etl; it must not be PARTIAL_JSON",
    }
    assert checks["binlog_format"].mend == (
        "aws rds modify-db-cluster-parameter-group --db-cluster-parameter-group-name shop-zero-etl --parameters"
        " ParameterName=binlog_format,ParameterValue=ROW,ApplyMethod=pending-reboot"
    )
    assert checks["binlog_row_value_options"].mend.startswith("aws rds reset-db-cluster-parameter-group")
    zero_etl.rds.modify_db_cluster_parameter_group(
        DBClusterParameterGroupName="shop-zero-etl",
        Parameters=[
            {"ParameterName": "binlog_format", "ParameterValue": "ROW", "ApplyMethod": "pending-reboot"},
        ],
    )
    checks = look(cloud)
    assert "binlog_format" not in checks
    assert (checks["reboot"].state, checks["reboot"].mend) == (
        MISSING, "aws rds reboot-db-instance --db-instance-identifier shop-1",
    )  # fmt: skip
    assert "pending-reboot" in checks["reboot"].found


def test_what_is_not_there_or_of_another_kind_is_named(cloud: Cloud, zero_etl: ZeroEtlCloud) -> None:
    gone = look(cloud)["source"]
    assert (gone.state, gone.found) == (MISSING, "there is no cluster shop in eu-central-1")
    zero_etl.cluster("shop", version="8.0.mysql_aurora.3.04.0")
    old = look(cloud)["source"]
    assert (old.state, old.found) == (
        MISSING, "shop: aurora-mysql 8.0.mysql_aurora.3.04.0; integrations need 3.05.2 or later",
    )  # fmt: skip


class Told(Aws):
    """A cluster as a target, as DescribeClusters tells of it; everything else is refused."""

    def __init__(self, remote: Any, cluster: dict[str, Any]) -> None:
        super().__init__(remote)
        self._cluster = cluster

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        check_request(service, operation, parameters)
        if operation != "describe_clusters":
            raise AwsError(service, operation, "AccessDenied", "no")
        answer = {"Clusters": [self._cluster]}
        check_response(service, operation, answer)
        return answer

    def identity(self) -> str:
        return "arn:aws:iam::000000000000:user/x"


@pytest.mark.parametrize(
    ("cluster", "wrong"),
    [
        ({"NodeType": "ra3.4xlarge", "NumberOfNodes": 2, "Encrypted": True}, {}),
        (
            {"NodeType": "dc2.large", "NumberOfNodes": 1, "Encrypted": False},
            {
                "nodes": "aws redshift resize-cluster --cluster-identifier warehouse --node-type ra3.large"
                " --number-of-nodes 2",
                "encryption": "aws redshift modify-cluster --cluster-identifier warehouse --encrypted",
            },
        ),
        (
            {
                "NodeType": "ra3.large", "NumberOfNodes": 1, "Encrypted": True,
                "ClusterParameterGroups": [
                    {"ParameterGroupName": "mine", "ParameterApplyStatus": "pending-reboot"},
                ],
            },
            {"parameters": "aws redshift reboot-cluster --cluster-identifier warehouse"},
        ),
    ],
)  # fmt: skip
def test_a_cluster_as_target(tmp_path: Any, cluster: dict[str, Any], wrong: dict[str, str]) -> None:
    (tmp_path / "zeroshift.toml").write_text(
        '[project]\nname = "shop"\n[env.prod]\nkind = "cluster"\ncluster = "warehouse"\ndatabase = "d"\n'
        'region = "eu-central-1"\n' + SOURCE
    )
    project = config.load(tmp_path)
    environment = project.environment("prod")
    seen = Examination(project, environment, silent, Told(environment.remote, cluster))
    found = {check.name: check for check in zero_etl.checks(seen)}
    assert {name: check.mend for name, check in found.items() if check.state == MISSING} == wrong
    # What the caller may not ask, cannot be told.
    assert found["rental: source"].state == UNKNOWN
