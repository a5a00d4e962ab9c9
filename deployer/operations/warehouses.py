"""From an environment's name to a warehouse that can be asked."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from deployer.aws.client import Aws, Endpoint
from deployer.aws.statements import DataApi
from deployer.errors import Unavailable
from deployer.operations import replicators
from deployer.operations.progress import Progress, silent
from deployer.project.config import Environment, Project
from deployer.project.environments import LOCAL, Remote
from deployer.warehouse.session import Target

if TYPE_CHECKING:
    from deployer.local.aws.environment import LocalAws
    from deployer.local.environment import LocalEnvironment, Status
    from deployer.local.scheduler.process import LocalScheduler


def local_environment(project: Project) -> LocalEnvironment:
    """The project's local warehouse. Raises Unavailable when the extra `local` is not installed."""
    # Tried by itself, so that a broken module of ours is not mistaken for a missing extra.
    try:
        importlib.import_module("psycopg")
    except ModuleNotFoundError:
        raise Unavailable(
            "the local warehouse needs the extra 'local', which is not installed:"
            " pip install 'zeroshift[local]', or `make install` in a clone"
        ) from None
    # Not at the top: only code that starts an environment of kind local may import deployer.local.
    from deployer.local.environment import LocalEnvironment

    return LocalEnvironment(project.home)


def local_aws(project: Project) -> LocalAws:
    """The project's local AWS. Raises Unavailable when the extra `local` is not installed."""
    local_environment(project)
    from deployer.local.aws.environment import LocalAws

    return LocalAws(project.home)


def local_scheduler(project: Project) -> LocalScheduler:
    """The process that fires the local AWS's schedules. Raises Unavailable when the extra `local` is not installed."""
    local_environment(project)
    from deployer.local.scheduler.process import LocalScheduler

    return LocalScheduler(project.home)


def target(project: Project, environment: Environment, progress: Progress = silent) -> Target:
    """Where `environment` listens, and as whom; the local one is started when it does not run, and what replicates
    into it.

    Raises AwsError or Unavailable when AWS gives no credentials.
    """
    if environment.kind != LOCAL:
        # boto3 takes longer to load than most commands to run.
        from deployer.aws import connect

        progress(f"asking AWS for credentials for {environment.name}")
        return connect.target(environment)
    local = local_environment(project)
    if not local.status().running:
        progress("starting the local warehouse")
    status = local.ensure_up()
    replicators.start(project, environment)
    return target_of(status)


def data_api(project: Project, environment: Environment) -> DataApi:
    """The environment's warehouse by way of the Redshift Data API; the local one is started when it does not run."""
    if environment.kind != LOCAL:
        assert environment.remote is not None
        return DataApi(Aws(environment.remote), environment)
    status = local_environment(project).ensure_up()
    replicators.start(project, environment)
    return data_api_of(status, environment)


def data_api_of(status: Status, environment: Environment) -> DataApi:
    """The Data API in front of a running local warehouse, which takes any signature."""
    if status.data_api_url is None:
        raise Unavailable(
            "the local warehouse that runs has no Data API yet; restart it: `zeroshift local down`, then repeat"
        )
    endpoint = Endpoint(status.data_api_url, "local", "local")
    return DataApi(Aws(Remote("local", status.database, "us-east-1"), endpoint), environment)


def target_of(status: Status) -> Target:
    """The target that a running local warehouse is."""
    if status.host is None or status.port is None or status.password is None:
        raise Unavailable("the local warehouse does not run; start it with `zeroshift local up`")
    return Target(status.host, status.port, status.database, status.user, status.password)
