"""Integrations from zeroshift.toml to the landing database and back, on the local AWS: deployed, killed, recreated."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from aws_cloud import TOML, Cloud
from click.testing import CliRunner
from zero_etl_cloud import ZeroEtlCloud

from deployer.aws.client import Aws
from deployer.cli.integration import integration
from deployer.errors import Unavailable, Unsafe
from deployer.local.environment import Status
from deployer.operations import integration_aws, integration_recreate
from deployer.operations import plan as plans
from deployer.operations.deploy import Deployment, deploy
from deployer.operations.status import status
from deployer.operations.warehouses import target_of
from deployer.warehouse import integration_ledger, landing
from deployer.warehouse.session import Session

SECRET = 'region = "eu-central-1"\ncredentials = "secret"\nsecret = "redshift!shop-admin"'
SOURCE = """
[env.prod.zero_etl.rental]
source = "shop"
landing = "made_rental"
refresh_interval = 600
truncatecolumns = true
"""
CREATED = [
    "create namespace policy rental",
    "create AWS::RDS::Integration IntegrationRental",
    "create landing database made_rental",
]


class Story:
    """A project of nothing but an integration."""

    def __init__(self, cloud: Cloud, zero_etl: ZeroEtlCloud, status: Status) -> None:
        self.cloud, self.zero_etl, self.status = cloud, zero_etl, status
        (cloud.root / "migrations" / "versions").mkdir(parents=True)
        (cloud.root / "procedures").mkdir()
        self.write(SOURCE)
        self.said: list[str] = []

    def write(self, text: str, head: str = SECRET) -> None:
        self.cloud.write(TOML.replace('region = "eu-central-1"', head) + text)

    def deploy(self) -> Deployment:
        return deploy(self.cloud.project, self.cloud.prod, progress=self.said.append)

    def plan(self) -> list[str]:
        made = plans.plan(self.cloud.project, self.cloud.prod)
        return [f"{one.title}: {one.reason}".rstrip(": ") for one in made.changes]

    def recreate(self, *, yes: bool = True) -> integration_recreate.Recreated:
        return integration_recreate.recreate(
            self.cloud.project, self.cloud.prod, "rental", yes=yes, progress=self.said.append
        )

    def session(self) -> Session:
        """As administrator."""
        return Session(target_of(self.status))

    def fed(self) -> list[landing.Landing]:
        with self.session() as session:
            return [row for row in landing.landings(session) if row.database == "made_rental"]

    def integrations(self) -> list[Any]:
        return list(self.zero_etl.rds.describe_integrations()["Integrations"])

    def stands(self) -> str:
        """Check that everything is as it should be; the integration's id."""
        (made,) = self.integrations()
        (row,) = self.fed()
        identifier = str(made["IntegrationArn"].rpartition(":")[2])
        assert made["Status"] == "active"
        assert (row.integration, row.refresh_interval, row.history_mode) == (identifier, "600", "true")
        assert self.plan() == []
        with self.session() as session:
            assert integration_ledger.read(session, "rental") == {
                "query_all_states": "false", "acceptinvchars": "false", "refresh_interval": "600",
                "truncatecolumns": "true", "history_mode": "true", "landing": "made_rental",
            }  # fmt: skip
        return identifier

    def clear(self) -> None:
        self.zero_etl.clear()
        with self.session() as session:
            if "made_rental" in landing.databases(session):
                session.execute("drop database made_rental")


@pytest.fixture
def story(cloud: Cloud, zero_etl: ZeroEtlCloud, fresh_database: Status) -> Iterator[Story]:
    made = Story(cloud, zero_etl, fresh_database)
    yield made
    made.write(SOURCE)
    made.cloud.clear()
    made.clear()


def dies(before: str, act: Callable[[], object]) -> bool:
    """Run `act` in a child that dies, as by kill -9, before its first call of AWS or statement that begins like
    `before`; whether it got that far."""
    child = os.fork()
    if child == 0:
        real, execute = Aws._call, Session.execute

        def call(self: Aws, service: str, operation: str, parameters: Any) -> Any:
            if operation.startswith(before):
                os._exit(9)
            return real(self, service, operation, parameters)

        def run(self: Session, sql: str, *rest: Any, **more: Any) -> Any:
            if sql.startswith(before):
                os._exit(9)
            return execute(self, sql, *rest, **more)

        Aws._call, Session.execute = call, run  # type: ignore[method-assign]
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.slow
def test_one_plan_one_deployment_and_then_nothing(story: Story) -> None:
    story.zero_etl.cluster("shop")
    story.zero_etl.namespace("shop")
    planned = story.plan()
    assert planned[0].startswith("create namespace policy rental: lets the cluster shop feed the warehouse")
    assert "create AWS::RDS::Integration IntegrationRental" in planned
    assert planned.index("create AWS::RDS::Integration IntegrationRental") < planned.index(
        "create landing database made_rental: from the integration rental, once it is active, with"
        " query_all_states false, acceptinvchars false, refresh_interval 600, truncatecolumns true, history_mode true"
    )
    assert "create AWS::CloudWatch::Alarm IntegrationRentalLagAlarm" in planned
    assert "create AWS::Events::Rule IntegrationRentalRule" in planned
    done = story.deploy()
    assert [one for one in done.other if one in CREATED] == CREATED
    identifier = story.stands()
    assert story.deploy().did_nothing

    alarms = story.zero_etl.client("cloudwatch").describe_alarms()["MetricAlarms"]
    watched = {
        one["MetricName"]: one["Threshold"]
        for one in alarms
        if {"Name": "IntegrationId", "Value": identifier} in one["Dimensions"]
    }
    assert watched == {"IntegrationLag": 2100.0, "IntegrationNumTablesFailedReplication": 0.0}
    rule = story.zero_etl.client("events").describe_rule(Name="zeroshift-shop-prod-integration-rental")
    assert f":integration:{identifier}" in rule["EventPattern"]

    story.write(SOURCE.replace("600", "1200").replace("true", "false"))
    assert [one for one in story.plan() if "Alarm" not in one] == [
        "modify landing database made_rental refresh_interval: refresh_interval from 600 to 1200",
        "modify landing database made_rental truncatecolumns: truncatecolumns from true to false",
    ]
    story.deploy()
    (row,) = story.fed()
    assert row.refresh_interval == "1200"


@pytest.mark.slow
def test_history_mode_is_turned_off_and_on(story: Story) -> None:
    """Turning it off takes the columns from the tables: a destructive change. It takes tables that are Synced."""
    story.zero_etl.cluster("shop")
    story.zero_etl.namespace("shop")
    story.deploy()
    off = SOURCE + "history_mode = false\nquery_all_states = true\n"
    story.write(off)
    assert [one for one in story.plan() if "Alarm" not in one] == [
        "modify landing database made_rental query_all_states: query_all_states from false to true",
        "modify landing database made_rental history_mode: history_mode from true to false",
    ]
    with pytest.raises(Unsafe, match="_record_create_time and _record_delete_time of its tables") as no:
        story.deploy()
    assert no.value.exit_code == 3
    assert story.status.engine_dsn is not None
    with psycopg.connect(story.status.engine_dsn, autocommit=True) as engine:
        engine.execute(
            "insert into zeroshift.integration_tables (integration_id, schema_name, table_name, table_state,"
            " is_history_mode) select integration_id, 'rental', 'bookings', 'Failed', true from zeroshift.integrations"
            " where target_database = 'made_rental'"
        )
        with pytest.raises(
            Unsafe, match="history_mode of rental cannot become false .*, and rental.bookings is Failed; mend"
        ):
            story.plan()
        engine.execute("delete from zeroshift.integration_tables where table_name = 'bookings'")

    def turn() -> Deployment:
        return deploy(story.cloud.project, story.cloud.prod, progress=story.said.append, allow=None)

    assert dies("alter database", turn)
    turn()
    assert [row.history_mode for row in story.fed()] == ["false"]
    assert story.plan() == []
    story.write(SOURCE)
    story.deploy()
    story.stands()


@pytest.mark.slow
def test_an_integration_that_does_not_become_active_says_why_and_the_next_deployment_goes_on(
    story: Story,
) -> None:
    story.zero_etl.cluster("shop")
    story.zero_etl.namespace("shop")
    name = "zeroshift-shop-prod-rental"
    story.zero_etl.behaviour.outcome(name, "needs_attention", "PARAMETERS", "binlog_format is MIXED")
    with pytest.raises(
        Unavailable, match="rental needs attention: .*binlog_format is MIXED; `zeroshift doctor`"
    ):
        story.deploy()
    assert story.fed() == []
    (live,) = story.integrations()
    story.zero_etl.behaviour.become(name, "active")
    story.deploy()
    assert story.stands() == live["IntegrationArn"].rpartition(":")[2]


@pytest.mark.slow
def test_without_a_superuser_only_what_needs_one_is_refused(story: Story) -> None:
    story.zero_etl.ready()
    with story.session() as session:
        session.execute("drop user if exists ordinary")
        session.execute("create user ordinary password 'Ordinary1'")
        session.execute("grant create on database dev to ordinary")
    story.zero_etl.client("secretsmanager").create_secret(
        Name="shop/ordinary", SecretString='{"username": "ordinary", "password": "Ordinary1"}'
    )
    ordinary = 'region = "eu-central-1"\ncredentials = "secret"\nsecret = "shop/ordinary"'
    story.write(SOURCE, ordinary)
    (one,) = [one for one in story.plan() if "made_rental" in one]
    assert "takes a superuser, which this login is not: see admin_secret" in one
    with pytest.raises(Unavailable, match="making the landing database made_rental takes a superuser"):
        story.deploy()
    assert [one["Status"] for one in story.integrations()] == ["active"]
    found = integration_aws.status(story.cloud.project, story.cloud.prod)
    assert [(one.running, one.state, one.lag_ms) for one in found] == [(True, "active", None)]
    with pytest.raises(Unavailable, match=r"takes a superuser, .* admin_secret = \.\.\., in \[env.prod\]"):
        integration_aws.tables(story.cloud.project, story.cloud.prod)
    shown = status(story.cloud.project, story.cloud.prod)
    assert (shown.landing, shown.landing_note) == (
        (), "landing tables are shown to superusers only; see `zeroshift integration status`",
    )  # fmt: skip
    story.write(SOURCE, ordinary + '\nadmin_secret = "shop/ordinary"')
    with pytest.raises(Unavailable, match=r"admin_secret of \[env.prod\] names is no superuser"):
        integration_aws.tables(story.cloud.project, story.cloud.prod)

    story.write(SOURCE, ordinary + '\nadmin_secret = "redshift!shop-admin"')
    story.deploy()
    # Settings are known from the ledger, too, so that a plan needs nobody.
    story.write(SOURCE, ordinary)
    story.stands()


@pytest.mark.slow
def test_a_foreign_database_is_not_taken_and_a_name_not_changed_in_one_step(story: Story) -> None:
    story.zero_etl.ready()
    story.deploy()
    story.write(SOURCE.replace("rental]", "second]"))
    with pytest.raises(
        Unsafe, match="in the stack base as IntegrationRental already, and cannot be renamed to second"
    ):
        plans.plan(story.cloud.project, story.cloud.prod)
    story.write(SOURCE.replace("made_rental", "other_rental"))
    with pytest.raises(
        Unsafe, match='rental feeds the database made_rental already, and only one: write landing = "made'
    ):
        plans.plan(story.cloud.project, story.cloud.prod)
    # Another integration, whose landing database is the one that is there.
    story.zero_etl.cluster("other")
    story.write(SOURCE.replace('"shop"', '"other"').replace("rental]", "second]"))
    with pytest.raises(
        Unsafe, match="made_rental exists, but another integration feeds it; choose another name"
    ):
        plans.plan(story.cloud.project, story.cloud.prod)
    # To make it anew would drop what somebody else needs.
    before = story.integrations(), story.fed()
    for yes in (False, True):
        with pytest.raises(
            Unsafe, match="nothing shows that the integration second has fed it .* not dropped"
        ):
            integration_recreate.recreate(story.cloud.project, story.cloud.prod, "second", yes=yes)
    assert (story.integrations(), story.fed()) == before


@pytest.mark.slow
def test_a_deployment_killed_at_each_step_is_taken_up_again(story: Story) -> None:
    """Killed in the statement that puts the policy, in the stack's change set, at the landing database, and behind it;
    the calls of the stacks between them have tests of their own."""
    story.zero_etl.cluster("shop")
    story.zero_etl.namespace("shop")
    for step in (
        "put_resource_policy",
        "execute_change_set",
        "create database",
        "insert into zeroshift_deploy.integrations",
    ):
        assert dies(step, story.deploy), step
    # What was set is not known until it is noted, so it is set again.
    left = [one.partition(":")[0] for one in story.plan() if "made_rental" in one]
    assert left == [
        f"modify landing database made_rental {name}"
        for name in ("query_all_states", "acceptinvchars", "truncatecolumns")
    ]
    story.deploy()
    story.stands()


@pytest.mark.slow
def test_recreate_says_what_is_lost_and_survives_kills(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.zero_etl.cluster("shop")
    story.zero_etl.namespace("shop")
    story.deploy()
    before = story.stands()
    with pytest.raises(
        Unsafe, match="deletes the integration rental and the database made_rental.* say --yes"
    ) as no:
        story.recreate(yes=False)
    assert no.value.exit_code == 3
    assert story.stands() == before
    for step in (
        "execute_change_set",  # which takes it out of the stack
        "delete_integration",
        "drop database",
    ):
        assert dies(step, story.recreate), step
    # Between the two a deployment would have to guess.
    with pytest.raises(
        Unsafe, match="cannot feed a database that exists; `zeroshift integration recreate rental"
    ):
        story.plan()
    assert dies("execute_change_set", story.recreate)
    for step in ("create database", "insert into zeroshift_deploy.integrations"):
        assert dies(step, story.recreate), step
        (made,) = story.integrations()
        assert not made["IntegrationArn"].endswith(before)
    again = made["IntegrationArn"].rpartition(":")[2]
    assert story.recreate().state == "active"
    # The last ones did not begin at the beginning.
    assert story.stands() == again
    before = again
    alarms = story.zero_etl.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert any({"Name": "IntegrationId", "Value": before} in one["Dimensions"] for one in alarms)

    # What AWS cannot change is changed this way, and one that failed is mended.
    story.zero_etl.behaviour.become("zeroshift-shop-prod-rental", "failed", "X", "broken")
    monkeypatch.chdir(story.cloud.root)
    runner = CliRunner()
    with pytest.raises(Unavailable, match="has failed: X broken"):
        runner.invoke(integration, ["status", "--env", "prod"], catch_exceptions=False)
    told = runner.invoke(
        integration, ["recreate", "rental", "--env", "prod", "--yes"], catch_exceptions=False
    )
    assert "integration rental is active; lost is no history" in told.output
    assert story.stands() != before
