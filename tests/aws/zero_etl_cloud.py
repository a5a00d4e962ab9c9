"""Zero-ETL on the local AWS, for tests: sources, targets, and what is told to fail. Fixture `zero_etl`: conftest.py."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from model_checks import check_response

from deployer import aurora
from deployer.local.aws.environment import AwsStatus
from deployer.local.aws.faults import Faults
from deployer.local.aws.integrations.behaviour import SECONDS, Behaviour

REGION = "eu-central-1"
MYSQL_VERSION = "8.0.mysql_aurora.3.08.0"


class ZeroEtlCloud:
    """Clients, and the objects that an integration needs. Transitions take no time unless a test says so."""

    def __init__(self, home: Path, status: AwsStatus) -> None:
        self.behaviour = Behaviour(home)
        self.faults = Faults(home)
        self._status = status
        self.rds, self.redshift = self.client("rds"), self.client("redshift")
        self.serverless, self.cloudformation = (
            self.client("redshift-serverless"),
            self.client("cloudformation"),
        )
        self.behaviour.clear()
        self.faults.clear()
        self.behaviour.seconds(**dict.fromkeys(SECONDS, 0.0))

    def client(self, service: str, region: str = REGION) -> Any:
        """A client whose answers are all held against botocore's model. It sends a call again once."""
        made = boto3.client(
            service,
            endpoint_url=self._status.endpoint_url,
            region_name=region,
            aws_access_key_id=self._status.access_key,
            aws_secret_access_key=self._status.secret_key,
            config=Config(retries={"total_max_attempts": 2}),
        )

        def check(parsed: dict[str, Any], model: Any, **_: Any) -> None:
            if "Error" not in parsed:
                check_response(service, boto3.session.botocore.xform_name(model.name), parsed)

        made.meta.events.register(f"after-call.{service}", check)
        return made

    def cluster(
        self,
        name: str = "shop",
        engine: str = aurora.MYSQL,
        version: str = MYSQL_VERSION,
        parameters: dict[str, str] | None = None,
    ) -> str:
        """The ARN of an Aurora cluster with one instance, whose parameters are as integrations need them, but for
        those given."""
        wanted = {one.name: one.value for one in aurora.PARAMETERS[engine] if not one.never}
        self.rds.create_db_cluster_parameter_group(
            DBClusterParameterGroupName=f"{name}-zero-etl",
            DBParameterGroupFamily=aurora.FAMILIES[engine],
            Description="for zero-ETL",
        )
        self.rds.modify_db_cluster_parameter_group(
            DBClusterParameterGroupName=f"{name}-zero-etl",
            Parameters=[
                {"ParameterName": key, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
                for key, value in (wanted | (parameters or {})).items()
            ],
        )
        made = self.rds.create_db_cluster(
            DBClusterIdentifier=name,
            Engine=engine,
            EngineVersion=version,
            DBClusterParameterGroupName=f"{name}-zero-etl",
            MasterUsername="admin",
            ManageMasterUserPassword=True,
        )
        self.rds.create_db_instance(
            DBInstanceIdentifier=f"{name}-1",
            DBInstanceClass="db.r6g.large",
            Engine=engine,
            DBClusterIdentifier=name,
        )
        return str(made["DBCluster"]["DBClusterArn"])

    def namespace(self, name: str = "shop") -> str:
        """The ARN of a namespace that is there; its workgroup becomes case sensitive."""
        arn = str(self.serverless.get_namespace(namespaceName=name)["namespace"]["namespaceArn"])
        groups = self.serverless.list_workgroups()["workgroups"]
        self.serverless.update_workgroup(
            workgroupName=next(one["workgroupName"] for one in groups if one["namespaceName"] == name),
            configParameters=[
                {"parameterKey": "enable_case_sensitive_identifier", "parameterValue": "true"},
            ],
        )
        return arn

    def authorize(self, target: str, source: str) -> None:
        """Make the resource policy of the target that the guide shows, with this source."""
        account = source.split(":")[4]
        self.redshift.put_resource_policy(
            ResourceArn=target,
            Policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "redshift.amazonaws.com"},
                            "Action": "redshift:AuthorizeInboundIntegration",
                            "Resource": target,
                            "Condition": {"StringEquals": {"aws:SourceArn": source}},
                        },
                        {
                            "Effect": "Allow",
                            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                            "Action": "redshift:CreateInboundIntegration",
                            "Resource": target,
                        },
                    ],
                }
            ),
        )

    def ready(self, name: str = "shop", namespace: str = "shop") -> tuple[str, str]:
        """Source and target that an integration can be made of, by their ARNs."""
        source, target = self.cluster(name), self.namespace(namespace)
        self.authorize(target, source)
        return source, target

    def status(self, arn: str) -> str:
        """The integration's status, "" when there is none."""
        try:
            found = self.rds.describe_integrations(IntegrationIdentifier=arn)["Integrations"]
        except self.rds.exceptions.IntegrationNotFoundFault:
            return ""
        return str(found[0]["Status"])

    def until(self, holds: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait for a condition."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.02)

    def clear(self) -> None:
        """Delete integrations, policies, clusters and orders."""
        self.faults.clear()
        self.behaviour.clear()
        self.behaviour.seconds(**dict.fromkeys(SECONDS, 0.0))
        for one in self.rds.describe_integrations()["Integrations"]:
            self.until(lambda: self.status(one["IntegrationArn"]) not in ("creating", "modifying"))  # noqa: B023
            with contextlib.suppress(self.rds.exceptions.ClientError):
                self.rds.delete_integration(IntegrationIdentifier=one["IntegrationArn"])
            self.until(lambda: self.status(one["IntegrationArn"]) == "")  # noqa: B023
        for one in self.serverless.list_namespaces()["namespaces"]:
            with contextlib.suppress(self.redshift.exceptions.ResourceNotFoundFault):
                self.redshift.delete_resource_policy(ResourceArn=one["namespaceArn"])
        for one in self.rds.describe_db_instances()["DBInstances"]:
            self.rds.delete_db_instance(
                DBInstanceIdentifier=one["DBInstanceIdentifier"], SkipFinalSnapshot=True
            )
        for one in self.rds.describe_db_clusters()["DBClusters"]:
            self.rds.delete_db_cluster(DBClusterIdentifier=one["DBClusterIdentifier"], SkipFinalSnapshot=True)
        for one in self.rds.describe_db_cluster_parameter_groups()["DBClusterParameterGroups"]:
            self.rds.delete_db_cluster_parameter_group(
                DBClusterParameterGroupName=one["DBClusterParameterGroupName"]
            )
