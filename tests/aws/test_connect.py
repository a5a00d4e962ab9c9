"""From an environment in AWS to a session with its warehouse, and what is said when that fails."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import TOML, Cloud
from botocore.stub import ANY, Stubber

from deployer.aws import connect
from deployer.aws.client import Aws, AwsError, is_loopback
from deployer.errors import Unavailable, UsageError
from deployer.operations.warehouses import target
from deployer.project import config
from deployer.project.config import Project
from deployer.project.environments import Environment, Remote
from deployer.warehouse.session import Session

CLUSTER = """\
[project]
name = "shop"

[env.prod]
kind = "cluster"
cluster = "warehouse"
database = "shop"
region = "eu-central-1"

[env.prod.cost]
statement_timeout = 60
query_group = "etl"
"""


def load(directory: Path, text: str) -> tuple[Project, Environment]:
    (directory / "zeroshift.toml").write_text(text, encoding="utf-8")
    project = config.load(directory)
    return project, project.environment("prod")


class Stubbed:
    """Clients whose answers a test gives; botocore holds requests and answers against its models."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stubbers: dict[str, Stubber] = {}
        real = Aws._client
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "https://aws.invalid")
        clients: dict[str, Any] = {}

        def stubbed(aws: Aws, service: str) -> Any:
            if service not in clients:
                clients[service] = real(aws, service)
                self._stubbers[service] = Stubber(clients[service])
                self._stubbers[service].activate()
            return clients[service]

        monkeypatch.setattr(Aws, "_client", stubbed)
        self._make = lambda service: stubbed(Aws(Remote("x", "y", "eu-central-1")), service)

    def answers(self, service: str, method: str, answer: dict[str, Any], **expected: Any) -> None:
        self._make(service)
        self._stubbers[service].add_response(method, answer, expected)

    def refuses(self, service: str, method: str, code: str, message: str = "no") -> None:
        self._make(service)
        self._stubbers[service].add_client_error(method, code, message)


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Stubbed:
    return Stubbed(monkeypatch)


ENDPOINT = {"Address": "warehouse.example.eu-central-1.redshift.amazonaws.com", "Port": 5439}


def test_a_serverless_session_is_the_iam_identity_s_with_its_settings(cloud: Cloud) -> None:
    cloud.write(TOML + '\n[env.prod.cost]\nstatement_timeout = 60\nquery_group = "etl"\n')
    told: list[str] = []
    where = target(cloud.project, cloud.prod, told.append)
    assert told == ["asking AWS for credentials for prod"]
    assert (where.user, where.database, where.ssl) == ("IAM:root", "dev", False)
    with Session(where) as session:
        assert session.execute("select current_user").rows == (("IAM:root",),)
        assert session.execute("show statement_timeout").rows[0][0] in ("60000", "1min")
        assert session.execute("show query_group").rows == (("etl",),)
        # What Redshift gives a new user: nothing in other schemas.
        with pytest.raises(Exception, match="permission denied"):
            session.execute("create schema mine")


def test_credentials_are_given_again_so_that_two_at_once_do_not_shut_each_other_out(cloud: Cloud) -> None:
    first, second = (target(cloud.project, cloud.prod) for _ in range(2))
    assert first.password == second.password
    assert first.password not in repr(first)


def test_a_connection_after_the_credentials_end_is_made_with_fresh_ones(cloud: Cloud) -> None:
    """A deployment that lasts longer than its password: the session that is open stays, the next one needs another."""
    where = target(cloud.project, cloud.prod)
    assert time.time() + 3000 < where.until < time.time() + 3700
    assert where.current() is where
    ended = replace(where, password="ended", until=time.time() - 1)
    with Session(ended) as session:
        assert session.execute("select current_user").rows == (("IAM:root",),)
        assert session.target.until > time.time()
        # As lease.kept and `zeroshift run` open a second one.
        with Session(replace(session.target, until=0.0)) as second:
            assert second.execute("select 1").rows == ((1,),)
    with pytest.raises(Unavailable, match="password authentication failed"):
        Session(replace(ended, until=time.time() + 3600))


def test_the_owner_s_session_is_assumed_anew_before_it_ends(
    tmp_path: Path, stubbed: Stubbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, environment = load(
        tmp_path, CLUSTER.replace('region = "eu-central-1"', 'region = "eu-central-1"\nowner = "owner"')
    )
    assert environment.remote is not None
    aws = Aws(environment.remote)
    arn = "arn:aws:sts::123456789012:assumed-role/ci/job"
    stubbed.answers("sts", "get_caller_identity", {"Account": "123456789012", "Arn": arn})
    for number, minutes in enumerate((1, 60)):
        given = {
            "AccessKeyId": f"ASIAIOSFODNN7EXAMPLE{number}",
            "SecretAccessKey": "s",
            "SessionToken": "t",
            "Expiration": datetime.now(UTC) + timedelta(minutes=minutes),
        }
        stubbed.answers(
            "sts",
            "assume_role",
            {"Credentials": given},
            RoleArn=ANY,
            RoleSessionName=ANY,
            DurationSeconds=3600,
        )
        stubbed.answers("sqs", "list_queues", {})
    aws.call("sqs", "list_queues")
    assert aws._assumed["AccessKeyId"].endswith("0")
    aws.call("sqs", "list_queues")
    assert aws._assumed["AccessKeyId"].endswith("1"), "a minute is no time to begin anything"
    stubbed.answers("sqs", "list_queues", {})
    aws.call("sqs", "list_queues")
    assert aws._assumed["AccessKeyId"].endswith("1")


def test_user_and_password_come_from_a_secret_by_its_name(cloud: Cloud) -> None:
    text = TOML.replace(
        'region = "eu-central-1"',
        'region = "eu-central-1"\ncredentials = "secret"\nsecret = "redshift!shop-admin"',
    )
    cloud.write(text)
    with Session(target(cloud.project, cloud.prod)) as session:
        assert session.execute("select current_user").rows == (("admin",),)

    cloud.write(text.replace("redshift!shop-admin", "not/there"))
    with pytest.raises(UsageError, match=r"there is no secret 'not/there' in eu-central-1; create it"):
        target(cloud.project, cloud.prod)

    cloud.aws.call("secretsmanager", "create_secret", Name="shop/odd", SecretString="hunter2")
    cloud.write(text.replace("redshift!shop-admin", "shop/odd"))
    with pytest.raises(UsageError) as caught:
        target(cloud.project, cloud.prod)
    assert "must hold a JSON object with the keys username and password" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    cloud.aws.call("secretsmanager", "delete_secret", SecretId="shop/odd", ForceDeleteWithoutRecovery=True)


def test_a_workgroup_that_is_not_there_is_named(cloud: Cloud) -> None:
    cloud.write(TOML.replace('"analytics"', '"analitics"'))
    with pytest.raises(
        UsageError, match=r"there is no workgroup 'analitics' in eu-central-1; create it, or mend"
    ):
        target(cloud.project, cloud.prod)


def test_the_owner_s_role_is_assumed_and_its_tag_gives_database_roles(cloud: Cloud) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    cloud.aws.call(
        "iam",
        "create_role",
        RoleName="owner",
        AssumeRolePolicyDocument=json.dumps(trust),
        Tags=[{"Key": "RedshiftDbRoles", "Value": "reader_of_shop:not_there"}],
    )
    admin = TOML.replace(
        'region = "eu-central-1"',
        'region = "eu-central-1"\ncredentials = "secret"\nsecret = "redshift!shop-admin"',
    )
    cloud.write(admin)
    with Session(target(cloud.project, cloud.prod)) as session:
        session.execute("create role reader_of_shop")
    cloud.write(TOML.replace('region = "eu-central-1"', 'region = "eu-central-1"\nowner = "owner"'))
    with Session(target(cloud.project, cloud.prod)) as session:
        assert session.execute("select current_user").rows == (("IAMR:owner",),)
        found = session.execute("select role_name from svv_user_grants where user_name = 'IAMR:owner'").rows
        assert found == (("reader_of_shop",),)
    assert ("sts", "assume_role") in cloud.calls
    cloud.aws.call("iam", "delete_role", RoleName="owner")


def test_a_cluster_gives_temporary_credentials_over_tls(tmp_path: Path, stubbed: Stubbed) -> None:
    _, environment = load(tmp_path, CLUSTER)
    stubbed.answers(
        "redshift",
        "describe_clusters",
        {"Clusters": [{"ClusterIdentifier": "warehouse", "Endpoint": ENDPOINT}]},
        ClusterIdentifier="warehouse",
    )
    stubbed.answers(
        "redshift",
        "get_cluster_credentials_with_iam",
        {"DbUser": "IAMR:ci", "DbPassword": "s3cret", "Expiration": datetime(2026, 1, 1, tzinfo=UTC)},
        ClusterIdentifier="warehouse",
        DbName="shop",
        DurationSeconds=3600,
    )
    where = connect.target(environment)
    assert (where.host, where.port, where.user, where.ssl) == (ENDPOINT["Address"], 5439, "IAMR:ci", True)
    assert where.settings == (("statement_timeout", "60000"), ("query_group", "etl"))


def test_a_tunnel_on_loopback_to_a_real_warehouse_keeps_tls(tmp_path: Path, stubbed: Stubbed) -> None:
    _, environment = load(
        tmp_path, CLUSTER.replace('"eu-central-1"', '"eu-central-1"\nhost = "localhost"\nport = 15439')
    )
    stubbed.answers(
        "redshift",
        "get_cluster_credentials_with_iam",
        {"DbUser": "IAMR:ci", "DbPassword": "s3cret"},
        ClusterIdentifier="warehouse",
        DbName="shop",
        DurationSeconds=ANY,
    )
    where = connect.target(environment)
    assert (where.host, where.port, where.ssl) == ("localhost", 15439, True)


def test_a_cluster_that_is_paused_or_absent_is_told(tmp_path: Path, stubbed: Stubbed) -> None:
    _, environment = load(tmp_path, CLUSTER)
    stubbed.answers(
        "redshift", "describe_clusters", {"Clusters": [{"ClusterStatus": "paused"}]}, ClusterIdentifier=ANY
    )
    with pytest.raises(Unavailable, match="warehouse has no endpoint yet, its status is paused; wait"):
        connect.target(environment)
    stubbed.refuses("redshift", "describe_clusters", "ClusterNotFound")
    with pytest.raises(UsageError, match="there is no cluster 'warehouse' in eu-central-1"):
        connect.target(environment)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("AccessDeniedException", "compare it with `zeroshift template --bootstrap`"),
        ("ExpiredTokenException", "log in again, e.g. `aws sso login`"),
        ("ThrottlingException", "wait a minute and repeat"),
        ("SomethingNew", "AWS refused redshift DescribeClusters (SomethingNew): "),
    ],
)
def test_a_refusal_is_one_sentence_without_ids(
    tmp_path: Path, stubbed: Stubbed, code: str, says: str
) -> None:
    _, environment = load(tmp_path, CLUSTER)
    stubbed.refuses(
        "redshift",
        "describe_clusters",
        code,
        "User: arn:aws:sts::123456789012:assumed-role/ci/x of 123456789012 is not authorized",
    )
    with pytest.raises(AwsError) as caught:
        connect.target(environment)
    assert says in str(caught.value)
    assert "123456789012" not in str(caught.value)
    assert "User: arn:aws:sts::***:assumed-role/ci/x of *** is not authorized" in str(caught.value)
    assert caught.value.exit_code == 1


def test_no_credentials_an_unknown_profile_and_no_network_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, environment = load(tmp_path, CLUSTER)
    with pytest.raises(Unavailable, match="there are no AWS credentials; log in with `aws sso login`"):
        connect.target(environment)
    _, profiled = load(tmp_path, CLUSTER.replace('"eu-central-1"', '"eu-central-1"\nprofile = "shop"'))
    with pytest.raises(Unavailable, match="there is no AWS profile 'shop' on this machine"):
        connect.target(profiled)
    # The environment's own credentials win over the profile, as CI needs it.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(
        Unavailable, match=r"AWS redshift DescribeClusters failed in eu-central-1: .*check the network"
    ):
        connect.target(profiled)


def test_loopback_is_told_from_other_hosts() -> None:
    assert [is_loopback(name) for name in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert [is_loopback(name) for name in ("10.0.0.1", "example.com", "")] == [False] * 3
