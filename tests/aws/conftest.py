"""Fixtures for tests on the local AWS.

cloud          (function)  a project whose environments `prod` (serverless) and `local` (with aws = true) stand on the
                           tests' own local AWS and local Redshift; no stack of it is left from an earlier test
checked        (function, always)  every call is held against botocore's model
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from model_checks import check_request, check_response

from deployer.aws import naming, stacks
from deployer.aws.client import Aws
from deployer.local.aws.environment import AwsStatus, LocalAws
from deployer.local.environment import LocalEnvironment
from deployer.project import config
from deployer.project.config import Project
from deployer.project.environments import Environment

TOML = """\
[project]
name = "shop"

[env.local]
kind = "local"
aws = true

[env.prod]
kind = "serverless"
workgroup = "analytics"
database = "dev"
region = "eu-central-1"
alerts = ["data@example.com"]

[env.prod.tags]
team = "data"

[env.prod.trust]
roles = ["ci"]
"""


class Cloud:
    """The project on the local AWS, and the calls that were made."""

    def __init__(self, root: Path, calls: list[tuple[str, str]]) -> None:
        self.root = root
        self.calls = calls
        self.write(TOML)

    def write(self, text: str) -> Project:
        (self.root / "zeroshift.toml").write_text(text, encoding="utf-8")
        return self.project

    @property
    def project(self) -> Project:
        return config.load(self.root)

    @property
    def prod(self) -> Environment:
        return self.project.environment("prod")

    @cached_property
    def aws(self) -> Aws:
        assert self.prod.remote is not None
        return Aws(self.prod.remote)

    def stack(self, part: str = "base") -> str:
        return naming.stack(self.project, self.prod, part)

    def clear(self) -> None:
        for part in reversed(naming.PARTS):
            stacks.settle(self.aws, self.stack(part), lambda _: None)
            stacks.delete(self.aws, self.stack(part), lambda _: None)


@pytest.fixture(scope="session")
def local_aws(environment: LocalEnvironment) -> Iterator[AwsStatus]:
    """The local AWS beside the tests' local Redshift, with the workgroup `analytics`."""
    import boto3

    local = LocalAws(environment.home)
    status = local.up()
    client = boto3.client(
        "redshift-serverless",
        region_name="eu-central-1",
        endpoint_url=status.endpoint_url,
        aws_access_key_id=status.access_key,
        aws_secret_access_key=status.secret_key,
    )
    client.create_namespace(namespaceName="shop", manageAdminPassword=True)
    client.create_workgroup(workgroupName="analytics", namespaceName="shop")
    yield status
    local.down()


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every call that is made, held against botocore's model of it."""
    made: list[tuple[str, str]] = []
    real = Aws._call

    def checked(self: Aws, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        made.append((service, operation))
        check_request(service, operation, parameters)
        answer = real(self, service, operation, parameters)
        check_response(service, operation, answer)
        return answer

    monkeypatch.setattr(Aws, "_call", checked)
    return made


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own AWS set-up reaches a test, and no test reaches AWS."""
    forget_credentials(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")


def forget_credentials(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Take AWS's variables and files out of the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(directory / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(directory / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def cloud(
    nowhere: None,
    tmp_path: Path,
    environment: LocalEnvironment,
    local_aws: AwsStatus,
    calls: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cloud]:
    for name, value in local_aws.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ZEROSHIFT_HOME", str(environment.home))
    made = Cloud(tmp_path, calls)
    yield made
    made.write(TOML)
    with contextlib.suppress(Exception):
        made.clear()
