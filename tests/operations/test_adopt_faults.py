"""Kill -9 behind every statement of a baseline and of a rollback, and then do it again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from small_project import SmallProject
from test_deploy_faults import killed

from deployer.local.environment import Status
from deployer.operations.baseline import baseline
from deployer.operations.deploy import deploy
from deployer.operations.drift import drift
from deployer.operations.rollback import rollback
from deployer.operations.warehouses import target_of
from deployer.warehouse import catalog, lease, ledger
from deployer.warehouse.session import Session

BY_HAND = (
    "create schema shop",
    "create role reader",
    "create table shop.sales (id bigint not null, amount decimal(12, 2)) distkey (id) sortkey (id)",
    "create view shop.totals as select sum(amount) as amount from shop.sales",
    "grant select on shop.totals to role reader",
    "create procedure shop.nothing(a bigint) as $$ begin null; end; $$ language plpgsql",
)


def adopt(small: SmallProject) -> None:
    project = small.load()
    baseline(project, project.environment("local"), wait=240)


def go_back(small: SmallProject) -> None:
    project = small.load()
    rollback(project, project.environment("local"), 1, wait=240)


def found(small: SmallProject, status: Status) -> tuple[Any, ...]:
    """The files, and all that the ledger says but for times and numbers."""
    files = {
        str(path.relative_to(small.root)): path.read_text()
        for kind in ("*.sql", "0*.py")
        for path in sorted(small.root.rglob(kind))
    }
    with Session(target_of(status)) as session:
        migrated = {key: item.checksum for key, item in ledger.applied(session).items()}
        assert lease.holder(session) is None
        return (
            files,
            ledger.read(session),
            ledger.live(session),
            ledger.source(session),
            ledger.migration_heads(session),
            migrated,
            catalog.definitions(session),
        )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_baseline_that_is_killed_anywhere_and_repeated(
    small: SmallProject, status: Status, make_empty: Callable[[], None]
) -> None:
    def before() -> None:
        make_empty()
        for name in ("procedures", "migrations"):
            shutil.rmtree(small.root / name, ignore_errors=True)
        with Session(target_of(status)) as session:
            for sql in BY_HAND:
                session.execute(sql)

    before()
    statements = killed(lambda: adopt(small), 0)
    assert statements > 20
    wanted = found(small, status)
    assert len(wanted[0]) == 3 and len(wanted[1]) == 2 and wanted[4] == ("0001",)
    for number in range(1, statements + 1):
        before()
        killed(lambda: adopt(small), number)
        adopt(small)
        assert found(small, status) == wanted, number
    project = small.load()
    assert deploy(project, project.environment("local")).did_nothing


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_rollback_that_is_killed_anywhere_and_repeated(
    small: SmallProject, status: Status, make_empty: Callable[[], None]
) -> None:
    first = "select id, amount from shop.sales"
    second = "select id, amount, id as twin from shop.sales"

    def before() -> None:
        make_empty()
        project = small.load()
        for query in (first, second):
            small.view("shown.a_base", query)
            deploy(project, project.environment("local"))
        with Session(target_of(status)) as session:
            session.execute("grant select on shown.a_base to role reader")
            session.execute(
                "create or replace view shown.nothing_else as select id from shop.sales where id > 9"
            )

    before()
    statements = killed(lambda: go_back(small), 0)
    assert statements > 15
    wanted = found(small, status)
    assert "twin" not in wanted[3]["view shown.a_base"]
    for number in range(1, statements + 1):
        before()
        killed(lambda: go_back(small), number)
        go_back(small)
        assert found(small, status) == wanted, number
        with Session(target_of(status)) as session:
            assert [item.grantee for item in catalog.grants(session, "shown", "a_base")] == ["reader"]
    project = small.load()
    assert drift(project, project.environment("local")).items == ()
