"""Where an environment archives to: a bucket, and the role that the warehouse writes and reads it with."""

from __future__ import annotations

import os
from dataclasses import dataclass

from deployer.aws import naming, stacks
from deployer.aws.client import Aws, AwsError, Endpoint
from deployer.aws.storage import Bucket
from deployer.errors import Unavailable
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import local_aws, local_environment
from deployer.project.archive.model import RUN_COLUMN
from deployer.project.config import Environment, Project
from deployer.project.environments import LOCAL, Remote

BUCKET_OUTPUT, ROLE_OUTPUT = "ArchiveBucketName", "ArchiveRoleArn"
DEFAULT_ROLE = "default"
S3_ENDPOINT = "ZEROSHIFT_S3_ENDPOINT"


@dataclass(frozen=True)
class Place:
    """The bucket as the deployer sees it, and the role as the warehouse names it: an ARN, or `default`."""

    bucket: Bucket
    role: str
    folder: str
    """What all keys of ours begin with, a slash last: a bucket that exists already may hold other things."""
    database: str
    """The data catalog's database of the external tables."""
    spectrum: bool
    """Whether the files are made readable as external tables, which need a data catalog."""


def place(project: Project, environment: Environment, progress: Progress = silent) -> Place:
    """The environment's place; the local AWS is started, and a local bucket made, when they are not there. S3 may be
    another one: the one that UNLOAD and COPY of the local Redshift use.

    Raises Unavailable when the stack that has the bucket is not deployed.
    """
    aws = _s3(project, environment, progress)
    rest = (
        folder(project, environment), naming.glue_database(project, environment), environment.archive.spectrum,
    )  # fmt: skip
    if environment.remote is None:
        name = environment.archive.bucket or f"{naming.prefix(project, environment).lower()}-archive"
        _ensure(aws, name)
        return Place(Bucket(aws, name), DEFAULT_ROLE, *rest)
    outputs = stacks.outputs(aws, naming.stack(project, environment, "base"))
    if ROLE_OUTPUT not in outputs:
        raise Unavailable(
            f"the stack {naming.stack(project, environment, 'base')} has no archive role yet:"
            f" `zeroshift deploy --env {environment.name}` makes it when procedures/archive has policies"
        )
    return Place(Bucket(aws, outputs[BUCKET_OUTPUT]), outputs[ROLE_OUTPUT], *rest)


def folder(project: Project, environment: Environment) -> str:
    """The prefix of all keys of an environment, a slash last."""
    return f"{naming.prefix(project, environment)}/"


def location(where: Place, policy: str, archive_run: str) -> str:
    """The URL that all files of a run begin with."""
    return where.bucket.url(f"{where.folder}{policy}/{RUN_COLUMN}={archive_run}/")


def _s3(project: Project, environment: Environment, progress: Progress) -> Aws:
    """S3 as the warehouse sees it. A local Redshift that does not run yet will be started with our environment."""
    if environment.kind == LOCAL and environment.remote is None:
        status = local_environment(project).status()
        named = status.s3_endpoint if status.running else os.environ.get(S3_ENDPOINT)
        if named:
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
            return Aws(Remote("local", "dev", region), Endpoint(named))
    return _aws(project, environment, progress)


def _aws(project: Project, environment: Environment, progress: Progress) -> Aws:
    if environment.kind != LOCAL:
        assert environment.remote is not None
        return Aws(environment.remote)
    local = local_aws(project)
    if not local.running:
        progress("starting the local AWS")
    status = local.up()
    assert status.endpoint_url is not None
    endpoint = Endpoint(status.endpoint_url, status.access_key, status.secret_key)
    return Aws(environment.remote or Remote("local", "dev", "us-east-1"), endpoint)


def _ensure(aws: Aws, name: str) -> None:
    try:
        aws.call("s3", "head_bucket", Bucket=name)
    except AwsError as error:
        if error.code not in ("404", "NoSuchBucket"):
            raise
        aws.call("s3", "create_bucket", Bucket=name)
