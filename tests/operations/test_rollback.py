from __future__ import annotations

import pytest
from click.testing import CliRunner
from small_project import SmallProject

from deployer.cli.rollback import rollback as command
from deployer.errors import LeaseHeld, Unsafe, UsageError
from deployer.operations import rollback as operations
from deployer.operations.deploy import Deployment, deploy
from deployer.operations.drift import drift
from deployer.operations.rollback import Rollback
from deployer.project import contracts
from deployer.warehouse import catalog, lease, ledger
from deployer.warehouse.session import Session


def run(small: SmallProject) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"))


def rollback(small: SmallProject, to: int, *, prune: bool = False) -> Rollback:
    project = small.load()
    return operations.rollback(project, project.environment("local"), to, prune=prune)


@pytest.fixture
def twice(small: SmallProject, session: Session) -> SmallProject:
    """Deployed twice: the second time a view has a column more and its dependent too, one object is new, one gone."""
    run(small)
    small.view("shown.a_base", "select id, amount, id as twin from shop.sales")
    small.view("shown.totals", "select count(*) as sales from shown.a_base")
    small.file("shown.nothing_else").unlink()
    small.view("shown.added", "select id from shown.nothing_new")
    small.view("shown.nothing_new", "select id from shop.sales")
    small.procedure(
        "shop.add_one", "(new_id bigint, twin bigint)", "insert into shop.sales (id) values (twin);"
    )
    project = small.load()
    done = deploy(project, project.environment("local"), prune=True, allow=["shown.nothing_else"])
    assert done.number == 2
    return small


def test_objects_go_back_with_their_columns_and_signatures(
    twice: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = catalog.definitions(session)
    session.execute("grant select on shown.a_base to role reader")
    done = rollback(twice, 1)
    assert done.deployment.created == ("shown.nothing_else",)
    assert set(done.deployment.replaced) == {"shop.add_one", "shown.a_base", "shown.totals"}
    assert done.deployment.left_over == ("shown.added", "shown.nothing_new")
    first = catalog.definitions(session)
    assert first["view shown.a_base"] == "select id, amount from shop.sales"
    assert "procedure shop.add_one" in first and "(bigint)" in first["procedure shop.add_one"]
    assert session.execute("select sales, amount from shown.totals").rows[0][0] == 2
    assert [str(grant.grantee) for grant in catalog.grants(session, "shown", "a_base")] == ["reader"]
    project = twice.load()
    assert drift(project, project.environment("local")).items == ()

    # The files have not changed: the next deployment brings them back, and so does a rollback forward.
    assert set(run(twice).replaced) == {"shop.add_one", "shown.a_base", "shown.totals"}
    assert catalog.definitions(session) == second | {
        "view shown.nothing_else": first["view shown.nothing_else"]
    }
    rollback(twice, 1)
    monkeypatch.chdir(twice.root)
    ran = CliRunner().invoke(command, ["2"], catch_exceptions=False)
    assert "back at deployment 2; deployed: 3 replaced" in ran.output, ran.output
    assert "left over: shown.nothing_else did not exist then (--prune drops it)\n" in ran.output
    assert "the files in this checkout have not changed: revert them too" in ran.output
    assert run(twice).did_nothing

    # Every one of them was a deployment, with the commit that its files are of.
    ran = CliRunner().invoke(command, [], catch_exceptions=False)
    lines = [line.split() for line in ran.output.splitlines()]
    assert [line[0] for line in lines if line and line[0].isdigit()] == ["6", "5", "4", "3", "2", "1"]


def test_what_was_changed_by_hand_is_overwritten(twice: SmallProject, session: Session) -> None:
    session.execute("create or replace view shown.totals as select count(*) + 1 as sales from shown.a_base")
    session.execute("drop view shown.added")
    done = rollback(twice, 2)
    assert done.restored == ("shown.totals",)
    assert done.deployment.replaced == ("shown.totals",) and done.deployment.created == ("shown.added",)
    project = twice.load()
    assert drift(project, project.environment("local")).items == ()
    assert rollback(twice, 2).deployment.did_nothing


def test_what_cannot_go_back_is_refused(twice: SmallProject, session: Session) -> None:
    with pytest.raises(UsageError, match=r"there is no deployment 9 \(there are: 1 to 2\)"):
        rollback(twice, 9)
    held = lease.acquire(session)
    with pytest.raises(LeaseHeld, match="another deployment is at work"):
        rollback(twice, 1)
    lease.release(session, held)

    # A contract of today that the older view does not keep.
    path = twice.file("shown.a_base").with_suffix(".contract.toml")
    contracts.write(path, "shown.a_base", {"id": "bigint", "twin": "bigint"})
    before = catalog.definitions(session)
    with pytest.raises(Unsafe, match="shown.a_base.twin is promised as bigint, but there is no such column"):
        rollback(twice, 1)
    path.unlink()

    # A view that did not exist then, on one that must be dropped.
    session.execute("create or replace view shown.added as select id from shown.a_base")
    with pytest.raises(
        Unsafe, match="the view shown.added, which is left over from an earlier deployment, uses it; drop"
    ):
        rollback(twice, 1)
    session.execute("create or replace view shown.added as select id from shown.nothing_new")

    # What would be lost is named first.
    with pytest.raises(Unsafe, match="--allow-destructive shown.added"):
        rollback(twice, 1, prune=True)

    # A migration since then.
    twice.migration("0002", "0001", "alter table shop.sales add column note varchar(10)")
    run(twice)
    with pytest.raises(
        Unsafe, match="migration 0002 was applied after deployment 2, and tables and data do not go back"
    ):
        rollback(twice, 2)
    assert catalog.definitions(session) == before
    project = twice.load()
    found = operations.candidates(project, project.environment("local"))
    assert [(item.deployment.id, item.migrations_since) for item in found] == [
        (3, ()),
        (2, ("0002",)),
        (1, ("0002",)),
    ]
    # To the deployment that migrated one can go back; a migration that is still pending stays pending.
    twice.migration("0003", "0002", "alter table shop.sales add column more varchar(10)")
    twice.view("shown.totals", "select count(*) as sales, 1 as one from shown.a_base")
    assert rollback(twice, 3).deployment.did_nothing
    assert ledger.migration_heads(session) == ("0002",)
