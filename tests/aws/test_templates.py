"""The generated templates: valid for AWS's own schemas, without ids or secrets, and as narrow as they claim."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import TOML

from deployer.aws import bootstrap, changesets, naming, schedule_starts, scope, stacks, templates
from deployer.aws.client import Aws, AwsError
from deployer.aws.resources import run
from deployer.aws.stacks import Stack
from deployer.errors import UsageError
from deployer.local.aws.environment import LocalAws
from deployer.local.environment import LocalEnvironment
from deployer.operations import stacks as operations
from deployer.operations.doctor import examine
from deployer.operations.doctor.model import OK, UNKNOWN
from deployer.project import config
from deployer.project.config import Project

CLUSTER = """\
[project]
name = "Shop of 2026"

[env.test]
kind = "cluster"
cluster = "warehouse"
database = "shop"
region = "eu-central-1"
credentials = "secret"
secret = "shop/owner"

[env.test.trust]
oidc_provider = "gitlab.com"
oidc_subject = "project_path:acme/shop:ref_type:branch:ref:*"
oidc_audience = "https://gitlab.com"
"""


def load(directory: Path, text: str) -> Project:
    (directory / "zeroshift.toml").write_text(text, encoding="utf-8")
    return config.load(directory)


INTEGRATIONS = """\
[project]
name = "fed"

[env.zero]
kind = "serverless"
workgroup = "analytics"
database = "dev"
region = "eu-central-1"
admin_secret = "redshift!shop-admin"

[env.zero.trust]
roles = ["ci"]

[env.zero.zero_etl.rental]
source = "rental"
filter = "include: rental.*, exclude: rental./tmp.*/"
kms_key = "alias/zero-etl"
refresh_interval = 600

[env.zero.zero_etl.rental.tags]
team = "data"

[env.zerocluster]
kind = "cluster"
cluster = "warehouse"
database = "shop"
region = "eu-central-1"

[env.zerocluster.trust]
roles = ["ci"]

[env.zerocluster.zero_etl.a__2b]
source = "rental"
engine = "aurora-postgresql"
database = "shop"
kms_key = "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"
refresh_interval = 0
"""


def all_templates(directory: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for text in (TOML, CLUSTER, INTEGRATIONS):
        project = load(directory, text)
        for environment in project.environments.values():
            for part in ("base", "run", "bootstrap"):
                if part == "bootstrap" and environment.kind == "local":
                    continue
                found = operations.template(project, environment, part)
                if found is not None:
                    yield environment.name, part, found


@pytest.mark.slow
def test_cloudformation_s_own_schemas_accept_every_template(tmp_path: Path) -> None:
    from cfnlint.api import ManualArgs, lint
    from cfnlint.helpers import REGIONS

    seen = []
    for name, part, found in all_templates(tmp_path):
        # Not all regions have integrations.
        regions = ["eu-central-1"] if name.startswith("zero") else REGIONS
        config = ManualArgs(include_experimental=True, regions=regions)
        problems = lint(json.dumps(found), config=config)
        assert not problems, f"{name} {part}: {problems}"
        seen.append((name, part))
    assert set(seen) == {
        ("local", "base"), ("prod", "base"), ("prod", "bootstrap"), ("test", "base"), ("test", "bootstrap"),
        *((name, part) for name in ("zero", "zerocluster") for part in ("base", "run", "bootstrap")),
    }  # fmt: skip


def test_templates_hold_no_account_no_region_and_no_secret(tmp_path: Path) -> None:
    for name, part, found in all_templates(tmp_path):
        text = json.dumps(found)
        assert not re.search(r"\d{12}", text), f"{name} {part}"
        assert "eu-central-1" not in text, f"{name} {part}"
        assert len(text) < changesets.LARGEST_TEMPLATE / 2


def test_every_role_is_bounded_and_no_policy_allows_everything_on_everything(tmp_path: Path) -> None:
    for name, part, found in all_templates(tmp_path):
        for logical_id, resource in found["Resources"].items():
            if resource["Type"] != "AWS::IAM::Role":
                continue
            properties = resource["Properties"]
            assert "PermissionsBoundary" in properties, f"{name} {part} {logical_id}"
            for policy in properties["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    assert not any("*" in action for action in statement["Action"]), statement
                    if "iam:CreateRole" in statement["Action"] or "iam:PutRolePolicy" in statement["Action"]:
                        bound = statement["Condition"]["StringEquals"]["iam:PermissionsBoundary"]
                        assert bound == {"Ref": "RunnerBoundary"}
                    if statement["Resource"] == "*":
                        # What AWS cannot narrow to a resource; none of it gives or takes a right.
                        assert not any(action.startswith(("iam:", "sts:")) for action in statement["Action"])


def test_the_trust_is_what_the_file_says(tmp_path: Path) -> None:
    made = {(name, part): found["Resources"] for name, part, found in all_templates(tmp_path)}
    by_role = made["prod", "bootstrap"]["DeployerRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert [item["Action"] for item in by_role] == ["sts:AssumeRole"]
    (by_token,) = made["test", "bootstrap"]["DeployerRole"]["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    assert by_token["Condition"] == {
        "StringEquals": {"gitlab.com:aud": "https://gitlab.com"},
        "StringLike": {"gitlab.com:sub": "project_path:acme/shop:ref_type:branch:ref:*"},
    }
    runner = made["prod", "base"]["RunnerRole"]["Properties"]
    assert runner["Tags"] == [{"Key": "RedshiftDbRoles", "Value": "zeroshift_runner"}]
    assert runner["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
        "Service": "scheduler.amazonaws.com"
    }


def test_what_holds_data_is_retained(tmp_path: Path) -> None:
    for _, _, found in all_templates(tmp_path):
        for resource in found["Resources"].values():
            if resource["Type"] in changesets.DATA_TYPES:
                assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
                assert resource["UpdateReplacePolicy"] == "Retain"


def test_names_are_made_of_project_and_environment_and_never_too_long(tmp_path: Path) -> None:
    project = load(tmp_path, CLUSTER)
    environment = project.environment("test")
    assert naming.stack(project, environment, "base") == "zeroshift-shop-of-2026-test-base"
    assert naming.role_path(project, environment) == "/zeroshift/shop-of-2026-test/"
    long = load(tmp_path, CLUSTER.replace("Shop of 2026", "s" * 40))
    with pytest.raises(UsageError, match="at most 48 characters"):
        naming.stack(long, long.environment("test"), "base")


def test_every_schedule_is_a_resource_of_its_own(tmp_path: Path) -> None:
    project = load(tmp_path, CLUSTER)
    directory = tmp_path / "eventbridge" / "schedules"
    directory.mkdir(parents=True)
    for name in ("group", "rental-1", "rental_1"):
        (directory / f"{name}.toml").write_text('expression = "rate(1 hour)"\nstatement = "call ops.x()"\n')
    found = scope.scope(project, project.environment("test"))
    body = templates.template(project, project.environment("test"), "run")
    assert body is not None
    kinds = [resource["Type"] for resource in body["Resources"].values()]
    assert kinds.count("AWS::Scheduler::Schedule") == 3 and kinds.count("AWS::Scheduler::ScheduleGroup") == 1
    assert run.sources(found)["ScheduleRental1"] == "eventbridge/schedules/rental-1.toml"
    assert set(run.sources(found)) <= set(body["Resources"])

    (directory / "rental1.toml").write_text('expression = "rate(1 hour)"\nstatement = "call ops.x()"\n')
    with pytest.raises(
        UsageError, match=r"schedules/rental1.toml: the names 'rental1' and 'rental-1' differ in a hy"
    ):
        templates.template(project, project.environment("test"), "run")


@pytest.mark.parametrize(
    "text, told",
    [
        ('expression = "cron(5 * * * * *)"\n', "1: exactly one of day-of-month and day-of-week must be ?"),
        (
            'expression = "rate(1 hour)"\ntimezone = "Europe/Atlantis"\n',
            "1: 'Europe/Atlantis' is no timezone",
        ),
    ],
)
def test_a_time_that_scheduler_would_refuse_is_refused_in_the_plan(
    tmp_path: Path, text: str, told: str
) -> None:
    project = load(tmp_path, CLUSTER)
    path = tmp_path / "eventbridge" / "schedules" / "bad.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'{text}statement = "call ops.x()"\n')
    with pytest.raises(UsageError, match=re.escape(f"eventbridge/schedules/bad.toml:{told}")):
        templates.template(project, project.environment("test"), "run")


def test_a_start_that_has_passed_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    project = load(tmp_path, CLUSTER)
    directory = tmp_path / "eventbridge" / "schedules"
    directory.mkdir(parents=True)

    def refuse(expression: str, action: str, now: datetime) -> None:
        (directory / "early.toml").write_text(
            f'expression = "{expression}"\nstatement = "call ops.x()"\nstart = 2026-01-01T01:00:00+01:00\n'
        )
        stack = stacks.Stack("run", templates.template(project, project.environment("test"), "run"))
        change = changesets.ResourceChange(action, "AWS::Scheduler::Schedule", "ScheduleEarly")
        schedule_starts.refuse_past(changesets.Planned(stack, "update", (change,)), now)

    begun = datetime(2026, 1, 1, 0, 5, 1, tzinfo=UTC)
    for action in ("Add", "Modify"):
        with pytest.raises(
            UsageError, match="schedules/early.toml: its start, 2026-01-01T00:00:00Z, has passed, .*fi"
        ):
            refuse("cron(5 * * * ? *)", action, begun)
    with pytest.raises(UsageError, match="a rate counts from it"):
        refuse("rate(1 hour)", "Add", begun)
    refuse("rate(1 hour)", "Add", datetime(2026, 1, 1, 0, 4, 59, tzinfo=UTC))
    refuse("at(2026-06-01T00:00:00)", "Add", begun)
    refuse("cron(5 * * * ? *)", "Remove", begun)


def test_a_bootstrap_needs_to_know_whom_to_trust(tmp_path: Path) -> None:
    project = load(tmp_path, CLUSTER.split("[env.test.trust]")[0])
    with pytest.raises(UsageError, match=r"\[env.test.trust\] must say who may become the deployer"):
        bootstrap.template(project, project.environment("test"))
    local = load(tmp_path, '[project]\nname = "x"\n[env.local]\nkind = "local"\n')
    with pytest.raises(UsageError, match="the environment 'local' has no AWS side; write aws = true"):
        scope.scope(local, local.environment("local"))


@pytest.mark.slow
def test_the_deployer_can_deploy_and_destroy_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With IAM deciding: bootstrap by the administrator, then everything as the deployer, assumed by the role ci."""
    home = tmp_path / "home"
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    monkeypatch.setenv("ZEROSHIFT_HOME", str(home))
    local = LocalAws(home)
    status = local.up(enforce=True)
    for name, value in status.variables.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(Path(__file__).resolve().parents[2] / "eventbridge", tmp_path / "eventbridge")
    try:
        _bootstrapped(load(tmp_path, TOML), monkeypatch)
    finally:
        local.down()
        LocalEnvironment(home).down()


def _bootstrapped(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = project.environment("prod")
    assert environment.remote is not None
    admin = Aws(environment.remote)
    admin.call("redshift-serverless", "create_namespace", namespaceName="shop")
    admin.call("redshift-serverless", "create_workgroup", workgroupName="analytics", namespaceName="shop")
    workgroup = admin.call("redshift-serverless", "get_workgroup", workgroupName="analytics")["workgroup"]
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": admin.role_arn("x").replace("role/x", "root")},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    may_assume = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}],
    }
    admin.call("iam", "create_role", RoleName="ci", AssumeRolePolicyDocument=json.dumps(trust))
    admin.call("iam", "put_role_policy", RoleName="ci", PolicyName="p", PolicyDocument=json.dumps(may_assume))
    made = Stack(
        naming.stack(project, environment, "bootstrap"),
        bootstrap.template(project, environment),
        {"WorkgroupId": workgroup["workgroupId"]},
    )
    changesets.apply(admin, made, lambda _: None)
    outputs = stacks.outputs(admin, made.name)

    job = admin.call("sts", "assume_role", RoleArn=admin.role_arn("ci"), RoleSessionName="job")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", job["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", job["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", job["SessionToken"])
    owned = load(
        project.root,
        TOML.replace(
            'database = "dev"',
            f'database = "dev"\nowner = "{outputs["DeployerRole"]}"\n'
            f'cloudformation_role = "{outputs["CloudFormationRole"]}"',
        ),
    )
    as_deployer = owned.environment("prod")

    # Doctor as the deployer, before and after: what it asks, the bootstrap allows.
    seen = {(check.part, check.name): check for check in examine.examine(owned, as_deployer).checks}
    assert seen["caller", "deployer"].state == OK
    assert seen["stacks", "bootstrap"].state == OK, seen["stacks", "bootstrap"].found
    # ministack narrows no policy for SimulatePrincipalPolicy to one role, as AWS does: here it cannot be told.
    rights = {check.state for check in seen.values() if check.part == "rights"}
    assert rights == {UNKNOWN}

    planned = operations.plan(owned, as_deployer)
    assert len(planned.changes) > 20
    operations.apply_base(owned, as_deployer, planned)
    operations.apply_run(owned, as_deployer, planned)
    assert operations.changes(owned, as_deployer) == ()
    assert operations.drifted(owned, as_deployer) == ()

    assert as_deployer.remote is not None
    deployer, name = Aws(as_deployer.remote), outputs["DeployerRole"]
    for service, operation, parameters in (
        ("iam", "create_role", {"RoleName": "mine", "AssumeRolePolicyDocument": json.dumps(trust)}),
        ("iam", "put_role_policy", {"RoleName": name, "PolicyName": "more", "PolicyDocument": "{}"}),
        ("iam", "delete_role_permissions_boundary", {"RoleName": name}),
        ("cloudformation", "delete_stack", {"StackName": made.name}),
        ("cloudformation", "create_stack", {"StackName": "another", "TemplateBody": "{}"}),
        ("sqs", "list_queues", {}),
        ("secretsmanager", "get_secret_value", {"SecretId": "x"}),
    ):  # fmt: skip
        with pytest.raises(AwsError) as caught:
            deployer.call(service, operation, **parameters)
        assert caught.value.code.startswith("AccessDenied"), f"{service} {operation}: {caught.value}"
        assert "000000000000" not in str(caught.value)
        assert "zeroshift template --bootstrap" in str(caught.value)
    assert operations.destroy(owned, as_deployer, yes=True).changes
