"""redshift_connector's own IAM parameters, against the local AWS and the local Redshift."""

from __future__ import annotations

from typing import Any

import pytest
import redshift_connector

from deployer.local.aws.environment import AwsStatus
from deployer.local.certificate import CERTIFICATE
from deployer.local.environment import LocalEnvironment


@pytest.fixture
def parameters(
    environment: LocalEnvironment, local_aws: AwsStatus, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What a script on Redshift Serverless gives, and `endpoint_url`, which only the local one needs."""
    # The driver insists on SSL with IAM: docs/clients.md names this one setting.
    monkeypatch.setenv("SSL_CERT_FILE", str(environment.home / CERTIFICATE))
    return {
        "iam": True,
        "is_serverless": True,
        "serverless_work_group": "analytics",
        "database": environment.status().database,
        "region": "eu-central-1",
        "access_key_id": local_aws.access_key,
        "secret_access_key": local_aws.secret_key,
        "endpoint_url": local_aws.endpoint_url,
    }


def test_the_workgroup_s_name_is_enough(parameters: dict[str, Any]) -> None:
    """Host and port come from GetWorkgroup, user and password from GetCredentials."""
    with redshift_connector.connect(**parameters) as connection, connection.cursor() as cursor:
        cursor.execute("select current_user")
        assert cursor.fetchone()[0].startswith("IAM")


def test_an_unknown_workgroup(parameters: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="nothing_here"):
        redshift_connector.connect(**(parameters | {"serverless_work_group": "nothing_here"}))
