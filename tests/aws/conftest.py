"""Fixtures for tests on the local AWS.

cloud          (function)  a project whose environments `prod` (serverless) and `local` (with aws = true) stand on the
                           tests' own local AWS and local Redshift; no stack of it is left from an earlier test
zero_etl       (function)  sources, targets and integrations on the tests' own local AWS, gone after the test
checked        (function, always)  every call is held against botocore's model
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import TOML, Cloud, forget_credentials
from model_checks import check_request, check_response
from zero_etl_cloud import ZeroEtlCloud

from deployer.aws.client import Aws
from deployer.local.aws.environment import AwsStatus, LocalAws
from deployer.local.environment import LocalEnvironment


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


@pytest.fixture
def zero_etl(nowhere: None, environment: LocalEnvironment, local_aws: AwsStatus) -> Iterator[ZeroEtlCloud]:
    made = ZeroEtlCloud(environment.home, local_aws)
    yield made
    made.clear()
