"""Migrations that cannot run in one transaction, and that go on behind the last statement that took place."""

from __future__ import annotations

from typing import Any

import pytest
from small_project import SmallProject

from deployer.errors import StatementFailed, Unsafe
from deployer.operations.deploy import Deployment, deploy
from deployer.warehouse import ledger
from deployer.warehouse.session import Session


class Killed(BaseException):
    """Stands for a kill: nothing catches it, and nothing is noted."""


def run(small: SmallProject) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"), allow=("0002_step",))


@pytest.fixture
def in_steps(small: SmallProject) -> SmallProject:
    run(small)
    small.migration(
        "0002",
        "0001",
        "create table shop.wide (id bigint)",
        "insert into shop.wide values (1)",
        "create database elsewhere",
        "insert into shop.wide values (2)",
        "drop database elsewhere",
    )
    return small


def databases(monkeypatch: pytest.MonkeyPatch, *, killed_in: str) -> list[str]:
    """A warehouse with databases, which the local one lacks; the process dies once, right behind `killed_in`."""
    there: set[str] = set()
    done: list[str] = []
    original = Session.execute

    def execute(self: Session, sql: str, parameters: Any = None, *, where: str = "") -> Any:
        verb = sql.split()[0]
        if sql.split()[1:2] != ["database"]:
            return original(self, sql, parameters, where=where)
        if verb == "create" and "elsewhere" in there:
            raise StatementFailed(
                'database "elsewhere" already exists', sqlstate="42P04", sql=sql, where=where
            )
        if verb == "drop" and "elsewhere" not in there:
            raise StatementFailed(
                'database "elsewhere" does not exist', sqlstate="3D000", sql=sql, where=where
            )
        there.symmetric_difference_update({"elsewhere"})
        done.append(sql)
        if verb == killed_in and done.count(sql) == 1:
            raise Killed
        return None

    monkeypatch.setattr(Session, "execute", execute)
    return done


@pytest.mark.parametrize("killed_in", ["create", "drop"])
def test_a_statement_that_had_taken_place_is_not_mistaken_for_a_failure(
    in_steps: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    done = databases(monkeypatch, killed_in=killed_in)
    with pytest.raises(Killed):
        run(in_steps)
    assert ledger.migration_heads(session) == ("0001",)
    stands = ledger.steps(session)
    assert stands is not None and stands.attempted == stands.done + 1
    told: list[str] = []
    project = in_steps.load()
    deploy(project, project.environment("local"), allow=("0002_step",), progress=told.append)
    assert f"migration 0002_step: {stands.done} of 5 statements are done" in told
    assert done == ["create database elsewhere", "drop database elsewhere"]
    assert session.execute("select id from shop.wide order by 1").rows == ((1,), (2,))
    assert (ledger.migration_heads(session), ledger.steps(session)) == (("0002",), None)


def test_without_a_kill_the_same_error_is_one(
    in_steps: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases(monkeypatch, killed_in="neither")
    in_steps.migration(
        "0002", "0001", "create table shop.wide (id bigint)", "drop database elsewhere", "vacuum shop.sales"
    )
    with pytest.raises(StatementFailed, match="does not exist") as caught:
        run(in_steps)
    assert (caught.value.where, caught.value.sqlstate) == ("migrations/versions/0002_step.py:15", "3D000")
    stands = ledger.steps(session)
    assert stands is not None and (stands.done, stands.attempted) == (1, 1)
    # Again it is an error: it was refused, so it has not taken place.
    with pytest.raises(StatementFailed, match="does not exist"):
        run(in_steps)
    # What has run must stay; what was wrong may be mended, and then it goes on behind what has run.
    in_steps.migration(
        "0002",
        "0001",
        "create table shop.wide (id integer)",
        "vacuum shop.sales",
        "insert into shop.wide values (3)",
    )
    with pytest.raises(Unsafe, match="1 of its statements are done, and one of those was edited since"):
        run(in_steps)
    in_steps.migration(
        "0002", "0001", "create table shop.wide (id bigint)", "insert into shop.wide values (3)"
    )
    run(in_steps)
    assert session.execute("select id from shop.wide").rows == ((3,),)


def test_statements_that_need_no_steps_share_a_transaction(small: SmallProject, session: Session) -> None:
    run(small)
    small.migration(
        "0002", "0001", "create table shop.half (id bigint)", "create table shop.sales (id bigint)"
    )
    with pytest.raises(StatementFailed):
        run(small)
    assert session.execute("select count(*) from svv_tables where table_name = 'half'").rows == ((0,),)
    assert ledger.steps(session) is None
