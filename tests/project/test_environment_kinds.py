"""The [env.<name>] tables of kinds serverless and cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.project import config
from deployer.project.environments import Cost, Remote, Trust

SERVERLESS = """\
[project]
name = "shop"

[env.prod]
kind = "serverless"
workgroup = "analytics"
database = "dev"
region = "eu-central-1"
"""

FULL = (
    SERVERLESS
    + """\
profile = "shop-prod"
host = "localhost"
port = 15439
credentials = "secret"
secret = "shop/prod/owner"
owner = "shop-prod-deployer"
runner = "shop_runner"
cloudformation_role = "shop-prod-cloudformation"
alerts = ["data@example.com"]

[env.prod.tags]
team = "data"

[env.prod.cost]
statement_timeout = 600
query_group = "etl"
usage_limit_rpu_hours = 10
usage_limit_period = "weekly"
usage_limit_action = "deactivate"

[env.prod.trust]
roles = ["admin"]
oidc_provider = "token.actions.githubusercontent.com"
oidc_subject = "repo:acme/shop:environment:prod"
"""
)


def load(directory: Path, text: str) -> config.Environment:
    (directory / "zeroshift.toml").write_text(text, encoding="utf-8")
    return config.load(directory).environment("prod")


def test_what_is_not_said_has_careful_defaults(tmp_path: Path) -> None:
    environment = load(tmp_path, SERVERLESS)
    assert environment.kind == "serverless"
    remote = environment.remote
    assert remote == Remote("analytics", "dev", "eu-central-1")
    assert remote.cost == Cost(3600, "zeroshift", 64, "daily", "emit-metric")
    assert remote.trust.is_empty


def test_every_key_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, FULL).remote == Remote(
        identifier="analytics",
        database="dev",
        region="eu-central-1",
        profile="shop-prod",
        host="localhost",
        port=15439,
        secret="shop/prod/owner",
        owner="shop-prod-deployer",
        runner="shop_runner",
        cloudformation_role="shop-prod-cloudformation",
        alerts=("data@example.com",),
        tags={"team": "data"},
        cost=Cost(600, "etl", 10, "weekly", "deactivate"),
        trust=Trust(
            ("admin",),
            "token.actions.githubusercontent.com",
            "repo:acme/shop:environment:prod",
            "sts.amazonaws.com",
        ),
    )


def test_a_cluster_has_no_usage_limit(tmp_path: Path) -> None:
    text = SERVERLESS.replace("serverless", "cluster").replace("workgroup", "cluster")
    environment = load(tmp_path, text)
    assert environment.remote is not None
    assert environment.remote.cost.usage_limit_rpu_hours == 0


def test_a_local_environment_has_an_aws_side_only_when_told(tmp_path: Path) -> None:
    text = '[project]\nname = "shop"\n[env.prod]\nkind = "local"\n'
    assert load(tmp_path, text).remote is None
    assert load(tmp_path, text + "aws = true\n").remote is not None


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('workgroup = "analytics"\n', "", 4, "[env.prod] lacks the key 'workgroup'"),
        ('"analytics"', '"Analytics"', 6, "workgroup of [env.prod] must be a workgroup's name, not 'Analytics'"),
        ('"eu-central-1"', '"Frankfurt"', 8, "must be a region like eu-central-1"),
        ("15439", "0", 11, "port of [env.prod] must be a whole number from 1 to 65535, not 0"),
        ("15439", "true", 11, "must be a whole number"),
        ('credentials = "secret"\n', "", 12, "go together"),
        ('secret = "shop/prod/owner"\n', "", 12, "go together"),
        ('"shop/prod/owner"', '"arn:aws:secretsmanager:eu-central-1:1:secret:x"', 13, "not its ARN"),
        ('"shop-prod-deployer"', '"arn:aws:iam::1:role/x"', 14, "an IAM role's name, not its ARN"),
        ('["data@example.com"]', '"data@example.com"', 17, "must be a list of e-mail addresses"),
        ('team = "data"', 'team = 7', 20, "tag 'team'"),
        ('team = "data"', '"aws:team" = "x"', 20, "no name that begins with aws:"),
        ("= 600", "= 90000", 23, "a whole number from 1 to 86400"),
        ('"deactivate"', '"stop"', 27, "is not one of: log, emit-metric, deactivate"),
        ('oidc_subject = "repo:acme/shop:environment:prod"\n', "", 31, "go together"),
        ("repo:acme/shop:environment:prod", "*", 32, "would trust every job"),
        ("kind = \"serverless\"", "kind = \"serverless\"\nstage = 1", 6, "unknown key 'stage' in [env.prod]"),
        ("[env.prod.cost]", "[env.prod.costs]", 22, "unknown key 'costs'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in FULL
    with pytest.raises(UsageError) as caught:
        load(tmp_path, FULL.replace(old, new))
    assert f"zeroshift.toml:{line}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_name_that_no_stack_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"zeroshift.toml:4: .*'pre_prod'.* letters, digits and hyphens"):
        load(tmp_path, SERVERLESS.replace("env.prod", "env.pre_prod"))
