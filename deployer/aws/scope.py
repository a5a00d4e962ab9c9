"""What the parts of the templates are made from: an environment, ARNs without account or region, statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployer.aws import naming
from deployer.errors import UsageError
from deployer.project import pipelines
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import CLUSTER, Environment, Remote
from deployer.project.schedules import calls, files
from deployer.project.schedules.calls import Call, Warehouse
from deployer.project.schedules.model import Eventbridge, Schedule

Resources = dict[str, dict[str, Any]]
Template = dict[str, Any]

RETAIN = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
"""For what holds data: it outlives its stack, but not a first deployment that failed (CloudFormation User Guide,
aws-attribute-deletionpolicy)."""

DAY = 86400
WORKGROUP_ID = "WorkgroupId"
NAMESPACE_ID = "NamespaceId"


@dataclass(frozen=True)
class Scope:
    """What the parts of a template are made from."""

    project: Project
    environment: Environment
    remote: Remote
    eventbridge: Eventbridge = Eventbridge()

    @property
    def prefix(self) -> str:
        return naming.prefix(self.project, self.environment)

    @property
    def warehouse(self) -> Warehouse:
        """How the Data API's calls name the warehouse."""
        name, database = self.remote.identifier, self.remote.database
        return Warehouse(database, cluster=name) if self.is_cluster else Warehouse(database, workgroup=name)

    @property
    def is_cluster(self) -> bool:
        return self.environment.kind == CLUSTER

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is there to be told of: no schedule and no integration."""
        return self.eventbridge.is_empty and not self.environment.integrations

    def call(self, schedule: Schedule) -> Call:
        """What a schedule sends. Limits and label of its pipeline come first, where zeroshift.toml sets them."""
        pipeline = self.project.pipelines.get(schedule.pipeline)
        settings = pipelines.settings(pipeline, self.remote.cost) if pipeline is not None else ()
        return calls.call(schedule, self.prefix, self.warehouse, settings)


def scope(project: Project, environment: Environment) -> Scope:
    """The Scope of an environment; raises UsageError for one without an AWS side."""
    if environment.remote is None:
        raise UsageError(
            f"{project.root / CONFIG_FILE}: the environment {environment.name!r} has no AWS side;"
            " write aws = true into its table to plan it on the local AWS"
        )
    return Scope(project, environment, environment.remote, files.load(project.root))


def sub(text: str) -> dict[str, str]:
    """CloudFormation fills ${AWS::Region}, ${AWS::AccountId} and parameters in."""
    return {"Fn::Sub": text}


def arn(service: str, rest: str) -> dict[str, str]:
    """An ARN in the stack's own partition, region and account."""
    return sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}")


def iam_arn(rest: str) -> dict[str, str]:
    """An IAM ARN, which has no region."""
    return sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{rest}")


def allow(actions: list[str], resources: object, condition: object = None) -> dict[str, Any]:
    """One Allow statement."""
    made: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return made if condition is None else made | {"Condition": condition}


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def warehouse_access(scope: Scope, *, any_workgroup: bool = False) -> list[dict[str, Any]]:
    """What a role needs to send statements through the Data API as itself.

    Resources as the service authorization reference has them: a workgroup's ARN ends in its id, not its name.
    """
    remote = scope.remote
    if scope.environment.kind == CLUSTER:
        return [
            allow(["redshift-data:ExecuteStatement"], arn("redshift", f"cluster:{remote.identifier}")),
            allow(
                ["redshift:GetClusterCredentialsWithIAM"],
                arn("redshift", f"dbname:{remote.identifier}/{remote.database}"),
            ),
        ]
    workgroup = arn(
        "redshift-serverless", "workgroup/*" if any_workgroup else f"workgroup/${{{WORKGROUP_ID}}}"
    )
    return [allow(["redshift-data:ExecuteStatement", "redshift-serverless:GetCredentials"], workgroup)]
