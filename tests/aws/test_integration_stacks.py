"""Integrations in the stack base, on the local AWS: made, changed in place, adopted, and never replaced."""

from __future__ import annotations

import pytest
from aws_cloud import TOML, Cloud
from zero_etl_cloud import ZeroEtlCloud

from deployer.errors import Unsafe
from deployer.operations import integration_part, integration_stack, stacks
from deployer.operations.changes import Change

SOURCE = """
[env.prod.zero_etl.rental]
source = "shop"
filter = "include: rental.*"
refresh_interval = 600
"""


class Deployer:
    """What a deployment does about AWS, without the SQL."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.said: list[str] = []

    def write(self, text: str) -> None:
        self.cloud.write(TOML + text)

    def plan(self) -> tuple[Change, ...]:
        return stacks.plan(self.cloud.project, self.cloud.prod).changes

    def policy(self) -> tuple[Change, ...]:
        part = integration_part.PolicyPart()
        changes = part.changes(self.cloud.project, self.cloud.prod, None, ())  # type: ignore[arg-type]
        if changes:
            part.apply(self.cloud.project, self.cloud.prod, None, changes, self.said.append)  # type: ignore[arg-type]
        return changes

    def base(self) -> tuple[Change, ...]:
        planned = stacks.plan(self.cloud.project, self.cloud.prod, parts=("base",))
        return stacks.apply_base(self.cloud.project, self.cloud.prod, planned, self.said.append).changes


@pytest.fixture
def deployer(cloud: Cloud, zero_etl: ZeroEtlCloud) -> Deployer:
    made = Deployer(cloud)
    made.write(SOURCE)
    return made


def integrations(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(one.action, one.name, one.reason) for one in changes if one.kind == "AWS::RDS::Integration"]


@pytest.mark.slow
def test_an_integration_is_made_changed_in_place_and_never_replaced(
    deployer: Deployer, zero_etl: ZeroEtlCloud
) -> None:
    source, target = zero_etl.cluster("shop"), zero_etl.namespace("shop")
    assert [one.title for one in deployer.policy()] == ["create namespace policy rental"]
    assert deployer.policy() == ()
    assert integrations(deployer.plan()) == [("create", "IntegrationRental", "")]
    deployer.base()
    (made,) = zero_etl.rds.describe_integrations()["Integrations"]
    assert (made["SourceArn"], made["TargetArn"], made["Status"]) == (source, target, "active")
    assert made["IntegrationName"] == "zeroshift-shop-prod-rental"
    assert {"Key": "team", "Value": "data"} in made["Tags"]
    assert integrations(deployer.plan()) == []

    deployer.write(SOURCE.replace("rental.*", "rental.*, exclude: rental.secrets"))
    (planned,) = [one for one in deployer.plan() if one.kind == "AWS::RDS::Integration"]
    assert (planned.action, planned.reason) == (
        "modify", "changes DataFilter; its data filter changes from 'include: rental.*' to 'include: rental.*, exclude:"
        " rental.secrets'",
    )  # fmt: skip
    assert "tables that the new data filter of rental leaves out" in planned.destructive
    deployer.base()
    (changed,) = zero_etl.rds.describe_integrations()["Integrations"]
    assert changed["IntegrationArn"] == made["IntegrationArn"]
    assert changed["DataFilter"] == "include: rental.*, exclude: rental.secrets"

    zero_etl.cluster("other")
    for text, what in (
        (SOURCE.replace('"shop"', '"other"'), "source"),
        (SOURCE + 'kms_key = "alias/mine"', "kms_key"),
    ):
        deployer.write(text)
        with pytest.raises(Unsafe, match=f"changing {what} would replace the integration rental") as refused:
            deployer.plan()
        assert refused.value.exit_code == 3
        with pytest.raises(Unsafe, match="zeroshift integration recreate rental --env prod"):
            deployer.base()
    assert [one["IntegrationArn"] for one in zero_etl.rds.describe_integrations()["Integrations"]] == [
        made["IntegrationArn"]
    ]

    # Taken out of zeroshift.toml it leaves the stack, and goes on.
    deployer.write("")
    (gone,) = [one for one in deployer.plan() if one.kind == "AWS::RDS::Integration"]
    assert (gone.action, gone.destructive) == ("remove", "")
    deployer.base()
    assert zero_etl.status(made["IntegrationArn"]) == "active"


@pytest.mark.slow
@pytest.mark.parametrize("with_stack", [False, True])
def test_an_integration_that_exists_is_adopted(
    deployer: Deployer, zero_etl: ZeroEtlCloud, with_stack: bool
) -> None:
    source, target = zero_etl.ready()
    if with_stack:
        deployer.write("")
        deployer.base()
        deployer.write(SOURCE)
    made = zero_etl.rds.create_integration(
        SourceArn=source, TargetArn=target, IntegrationName="by-hand", DataFilter="include: *.*"
    )["IntegrationArn"]
    zero_etl.until(lambda: zero_etl.status(made) == "active")
    assert deployer.policy() == ()
    (planned,) = integrations(deployer.plan())
    assert planned[:2] == ("import", "IntegrationRental")
    assert "exists already, as by-hand (active): it is taken over" in planned[2]
    assert "its data filter changes from 'include: *.*' to 'include: rental.*'" in planned[2]
    deployer.base()
    (now,) = zero_etl.rds.describe_integrations()["Integrations"]
    assert (now["IntegrationArn"], now["DataFilter"], now["IntegrationName"]) == (
        made, "include: rental.*", "zeroshift-shop-prod-rental",
    )  # fmt: skip
    assert integrations(deployer.plan()) == []
    assert "importing AWS::RDS::Integration IntegrationRental into zeroshift-shop-prod-base" in deployer.said
    deployer.cloud.clear()
    assert zero_etl.status(made) == "active", "what holds data outlives its stack"


@pytest.mark.parametrize(
    ("before", "after", "surely"),
    [
        ("include: a.*", "", True),
        ("", "include: a.*", False),
        ("include: a.*", "include: a.*, include: b.*", True),
        ("include: a.*", "include: a.*, exclude: a.x", False),
        ("include: a.*", "include: a.b", False),
        ("include: a.*, include: b.*", "include: b.*, include: a.*", False),
    ],
)
def test_a_filter_that_may_let_through_less_is_destructive(before: str, after: str, surely: bool) -> None:
    assert integration_stack.widens(before, after) is surely
