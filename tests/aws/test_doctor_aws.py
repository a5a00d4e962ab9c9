"""`zeroshift doctor` for an environment in AWS, on the local AWS: identity, rights, route, secret, stacks, limit."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_cloud import TOML, Cloud
from model_checks import check_request

from deployer.aws import bootstrap, naming, scope
from deployer.aws.client import Aws
from deployer.local.environment import Status
from deployer.operations.doctor import examine, rights
from deployer.operations.doctor.model import MISSING, OK, Check, Diagnosis, Examination
from deployer.operations.progress import silent
from deployer.operations.warehouses import target_of
from deployer.project import config
from deployer.warehouse.session import Session

CLUSTER = """\
[project]
name = "shop"

[env.prod]
kind = "cluster"
cluster = "warehouse"
database = "shop"
region = "eu-central-1"
owner = "deployer"
secret = "shop/owner"
credentials = "secret"
cloudformation_role = "builder"

[env.prod.trust]
roles = ["ci"]
"""


@pytest.fixture
def session(status: Status) -> Iterator[Session]:
    with Session(target_of(status)) as opened:
        yield opened


def look(cloud: Cloud) -> Diagnosis:
    return examine.examine(cloud.project, cloud.prod)


def states(found: Diagnosis, part: str) -> dict[str, str]:
    return {check.name: check.state for check in found.checks if check.part == part}


def one(found: Diagnosis, name: str) -> Check:
    (check,) = [check for check in found.checks if check.name == name]
    return check


@pytest.mark.usefixtures("fresh_database")
def test_an_environment_before_its_first_deployment(cloud: Cloud, session: Session) -> None:
    before = len(cloud.calls)
    found = look(cloud)
    (lacking,) = [check for check in found.checks if check.state != OK]
    assert (lacking.name, lacking.state) == ("owner's rights", MISSING)
    # As an administrator does: what is told is what mends it.
    session.execute(lacking.mend.partition(" --")[0])
    found = look(cloud)
    assert [check for check in found.checks if check.state != OK] == []
    assert states(found, "route") == dict.fromkeys(("workgroup", "DNS", "TCP", "login", "Data API"), OK)
    assert states(found, "stacks") == dict.fromkeys(("bootstrap", *naming.PARTS, "usage limit"), OK)
    assert "the first deployment makes it" in one(found, "base").found
    verbs = {operation.partition("_")[0] for _, operation in cloud.calls[before:]}
    assert verbs <= {"get", "list", "describe", "simulate"}, "doctor only looks"
    assert "000000000000" not in repr(found)


@pytest.mark.usefixtures("fresh_database")
def test_rights_that_are_missing_are_named(cloud: Cloud) -> None:
    """Simulated by IAM itself, for a deployer whose policy says less than the bootstrap's."""
    text = TOML.replace('database = "dev"', 'database = "dev"\nowner = "short"')
    cloud.write(text)
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
    }
    narrow = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["cloudformation:Describe*", "redshift-serverless:*", "redshift-data:*"],
                "Resource": "*",
            }
        ],
    }
    admin = Aws(config.load(cloud.root).environment("local").remote or pytest.fail("no AWS side"))
    admin.call("iam", "create_role", RoleName="short", AssumeRolePolicyDocument=json.dumps(trust))
    admin.call("iam", "put_role_policy", RoleName="short", PolicyName="p", PolicyDocument=json.dumps(narrow))
    try:
        found = look(cloud)
        wanted = one(found, "deployer: cloudformation")
        assert wanted.state == MISSING
        assert "role short may not" in wanted.found and "cloudformation:CreateChangeSet" in wanted.found
        assert "cloudformation:DescribeStacks" not in wanted.found
        assert "--stack-name zeroshift-shop-prod-bootstrap" in wanted.mend
        assert one(found, "deployer: redshift-serverless").state == OK
        # Without a role of its own CloudFormation does what the deployer may.
        assert one(found, "deployer: sqs").state == MISSING
        assert one(found, "bootstrap").state == OK, "the owner is a role of their own"
    finally:
        admin.call("iam", "delete_role_policy", RoleName="short", PolicyName="p")
        admin.call("iam", "delete_role", RoleName="short")


@pytest.mark.usefixtures("fresh_database")
def test_the_way_to_the_warehouse_is_tried_from_far_to_near(cloud: Cloud, closed_port: int) -> None:
    base = TOML.replace('database = "dev"', 'database = "dev"\n{}')
    cloud.write(base.format(f'host = "localhost"\nport = {closed_port}'))
    found = look(cloud)
    assert one(found, "TCP").state == MISSING
    assert "the tunnel that the key 'host' names is not open" in one(found, "TCP").found
    assert f"localPortNumber={closed_port}" in one(found, "TCP").mend
    assert one(found, "login").state == MISSING
    assert states(found, "database")["isolation level"] == "cannot tell"
    cloud.write(base.format('host = "warehouse.invalid"'))
    assert "does not resolve here" in one(look(cloud), "DNS").found
    cloud.write(TOML.replace("analytics", "nowhere"))
    found = look(cloud)
    assert "there is no workgroup 'nowhere'" in one(found, "workgroup").found
    assert "create-workgroup --workgroup-name nowhere" in one(found, "workgroup").mend


@pytest.mark.usefixtures("fresh_database")
def test_a_secret_that_is_not_there_and_one_that_is(cloud: Cloud, status: Status) -> None:
    cloud.write(
        TOML.replace('database = "dev"', 'database = "dev"\ncredentials = "secret"\nsecret = "shop/doctor"')
    )
    assert "create-secret --name 'shop/doctor'" in one(look(cloud), "secret").mend
    cloud.aws.call(
        "secretsmanager",
        "create_secret",
        Name="shop/doctor",
        SecretString=json.dumps({"username": status.user, "password": status.password}),
    )
    try:
        found = look(cloud)
        assert one(found, "secret").state == OK
        assert status.password not in repr(found)
    finally:
        cloud.aws.call(
            "secretsmanager", "delete_secret", SecretId="shop/doctor", ForceDeleteWithoutRecovery=True
        )


def test_nobody_is_logged_in(tmp_path: Path) -> None:
    (tmp_path / "zeroshift.toml").write_text(TOML.replace("region", 'profile = "data"\nregion'))
    project = config.load(tmp_path)
    found = examine.examine(project, project.environment("prod"))
    (lacking,) = [check for check in found.checks if check.state == MISSING]
    assert (lacking.name, lacking.mend) == ("identity", "aws sso login --profile data")


@pytest.mark.parametrize("text", [TOML, CLUSTER])
def test_every_statement_of_the_bootstrap_can_be_simulated(tmp_path: Path, text: str) -> None:
    """All resources and conditions become concrete: those of a cluster, too, which the local AWS does not have."""
    (tmp_path / "zeroshift.toml").write_text(text)
    project = config.load(tmp_path)
    environment = project.environment("prod")
    assert environment.remote is not None
    aws = Aws(environment.remote)
    aws._identity = {"Account": "123456789012", "Arn": "arn:aws:sts::123456789012:assumed-role/ci/job"}
    assert aws.principal() == "arn:aws:iam::123456789012:role/ci"
    seen = Examination(project, environment, silent)
    known = {
        "AWS::Partition": "aws",
        "AWS::AccountId": "123456789012",
        "AWS::Region": "eu-central-1",
        "WorkgroupId": "0" * 36,
        "RunnerBoundary": "arn:aws:iam::123456789012:policy/runner",
    }
    made = scope.scope(project, environment)
    for statement in (*bootstrap.deployer_statements(made), *bootstrap.cloudformation_statements(made)):
        for resource in rights._resources(seen, statement["Resource"], known, aws):
            assert resource == "*" or resource.startswith("arn:aws:")
            assert resource == "*" or not set("*?$") & set(resource)
            check_request(
                "iam",
                "simulate_principal_policy",
                {
                    "PolicySourceArn": aws.principal(),
                    "ActionNames": statement["Action"],
                    "ResourceArns": [resource],
                    "ContextEntries": rights._context(statement.get("Condition", {}), known),
                },
            )


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine on which nobody listens: bound, so that nobody else gets it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
