"""`integration tables | refresh | reconcile` as for AWS, over a real MariaDB: only the login is the local one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import mariadb
import pytest
from mariadb import MariaDb
from replica import Replica

from deployer.errors import Unavailable, UsageError
from deployer.local.environment import Status
from deployer.operations import integration_aws
from deployer.operations.warehouses import target_of
from deployer.project.config import Project
from deployer.project.environments import SERVERLESS, Environment, Remote
from deployer.project.zero_etl_aws import AwsZeroEtl, SourceConnection
from deployer.warehouse.session import Session

PROJECT = Project(Path("."), "shop", {})


@pytest.fixture
def prod(
    source_server: MariaDb, replica: Replica, status: Status, monkeypatch: pytest.MonkeyPatch
) -> Environment:
    """An environment whose warehouse and landing database are the local ones."""

    @contextmanager
    def sessions(*_: object) -> Iterator[tuple[Session, Session]]:
        with Session(target_of(status)) as session:
            yield session, session

    monkeypatch.setattr(integration_aws, "_sessions", sessions)
    monkeypatch.setattr(integration_aws, "_pause", lambda _: 0.05)
    monkeypatch.setenv("SOURCE_PASSWORD", mariadb.PASSWORD)
    where = SourceConnection("127.0.0.1", source_server.port, mariadb.USER, "SOURCE_PASSWORD")
    one = AwsZeroEtl("rental", "c", "rental_landing", connection=where)
    return Environment("prod", SERVERLESS, Remote("w", "dev", "eu-central-1"), integrations=(one,))


def test_counts_are_compared_and_tables_copied_anew(
    source_server: MariaDb, replica: Replica, prod: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_server.execute(
        "create table listings (id int primary key, title varchar(20))",
        "insert into listings values (1, 'a'), (2, 'b'), (3, 'c')",
        "create table bare (id int)",
    )
    replica.start()
    replica.catch_up()
    source_server.execute("update listings set title = 'z' where id = 1", "delete from listings where id = 2")
    replica.catch_up()
    assert {(one.table, one.state) for one in integration_aws.tables(PROJECT, prod)} == {
        ("listings", "Synced"), ("bare", "Failed"),
    }  # fmt: skip
    found = {one.table: one for one in integration_aws.reconcile(PROJECT, prod)}
    # Present rows, not versions of them; and what is not Synced has no count.
    assert (found["listings"].source_rows, found["listings"].landing_rows) == (2, 2)
    assert found["bare"].landing_rows is None

    (again,) = integration_aws.refresh(PROJECT, prod, ["rental.listings"])
    assert (again.table, again.state) == ("listings", "Synced")
    with pytest.raises(UsageError, match="rental_landing has no table rental.nothing"):
        integration_aws.refresh(PROJECT, prod, ["rental.nothing"])

    # Behind for good: the difference stays, after as long as it may take.
    replica.stop()
    source_server.execute(
        "insert into listings values (4, 'd')",
        "create table young (id int primary key) as select 1 as id",
        "create view seen as select * from young",
    )
    monkeypatch.setattr(integration_aws, "CATCH_UP_SECONDS", 0.2)
    found = {one.table: one for one in integration_aws.reconcile(PROJECT, prod)}
    assert found["listings"].apart == 1
    # What has not come into landing at all.
    assert (found["young"].state, found["young"].source_rows, found["young"].landing_rows) == ("", 1, None)
    assert "seen" not in found

    # One that is to be copied anew when it is counted.
    count = integration_aws._count

    def refreshed_meanwhile(*asked: Any) -> int:
        replica.engine.execute(
            "select zeroshift.refresh_integration('rental_landing', 'table', array['rental', 'listings'])"
        )
        return count(*asked)

    monkeypatch.setattr(integration_aws, "_count", refreshed_meanwhile)
    found = {one.table: one for one in integration_aws.reconcile(PROJECT, prod)}
    assert (found["listings"].state, found["listings"].landing_rows) == ("ResyncInitiated", None)


def test_what_cannot_be_compared_is_said(prod: Environment) -> None:
    bare = replace(prod, integrations=(replace(prod.integrations[0], connection=None, line=7),))
    with pytest.raises(UsageError, match="zeroshift.toml:7: .* lacks the key 'connection'"):
        integration_aws.reconcile(PROJECT, bare)
    closed = replace(prod.integrations[0].connection, password_env="NOT_SET")  # type: ignore[type-var]
    with pytest.raises(Unavailable, match="variable NOT_SET"):
        integration_aws.reconcile(
            PROJECT, replace(prod, integrations=(replace(prod.integrations[0], connection=closed),))
        )
    with pytest.raises(UsageError, match="has no integration 'other'; it has: rental"):
        integration_aws.reconcile(PROJECT, prod, integration="other")
    with pytest.raises(UsageError, match=r"zeroshift.toml has no \[env.prod.zero_etl.<name>\]"):
        integration_aws.status(PROJECT, replace(prod, integrations=()))
