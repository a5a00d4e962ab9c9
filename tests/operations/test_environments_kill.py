"""A deployment of a derived environment that dies behind each of its statements, and is then done again."""

from __future__ import annotations

from typing import Any

import pytest
from small_project import SmallProject
from test_environments import PIPELINE, TOML, make, rows

from deployer.errors import UsageError
from deployer.operations import environments
from deployer.operations.deploy import deploy
from deployer.warehouse import environment_ledger
from deployer.warehouse.session import Result, Session


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Death:
    """Ends the deployment's session behind its nth statement: the server rolls back, and nothing is cleaned up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        execute = Session.execute

        def dying(session: Session, sql: str, *arguments: Any, **named: Any) -> Result:
            if self.left == 0:
                session.close()
                raise Killed
            self.left -= 1
            return execute(session, sql, *arguments, **named)

        monkeypatch.setattr(Session, "execute", dying)
        # The process that held the lease is this one, which lives on.
        monkeypatch.setattr(environment_ledger, "_is_dead", lambda host, process: True)


def dump(session: Session) -> list[tuple[object, ...]]:
    """All that is in the warehouse's user schemas, and what the list has, without times and ids."""
    relations = rows(
        session,
        "select n.nspname, c.relname, c.relkind from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n"
        " on n.\"oid\" = c.relnamespace where n.nspname like '%__pr_%' order by 1, 2",
    )
    procedures = rows(
        session,
        "select n.nspname, p.proname, p.prosrc from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n"
        " on n.\"oid\" = p.pronamespace where n.nspname like '%__pr_%' order by 1, 2",
    )
    tables = [
        (schema, name, tuple(rows(session, f'select * from "{schema}"."{name}" order by 1')))
        for schema, name, _ in relations
    ]
    listed = [
        (item.name, item.checksum, tuple(environment_ledger.parts(session, item.name)))
        for item in environment_ledger.read(session)
    ]
    return [*relations, *procedures, *tables, *listed]


@pytest.mark.slow
def test_killed_behind_any_statement_and_done_again(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small.root / "zeroshift.toml").write_text(TOML)
    small.migration("0002", "0001", "create table shop.daily (id bigint, amount decimal(18, 2))",
                    "create table shop.notes (text varchar(50))")  # fmt: skip
    small.procedure("shop.note", "(what varchar(50))", "insert into shop.notes (text) values (what);")
    small.procedure("shop.refresh", "()", PIPELINE)
    small.view("shown.daily", "select id, amount from shop.daily")
    project = small.load()
    base = project.environment("local")
    deploy(project, base)
    session.execute("call shop.refresh()")
    small.view("shown.totals", "select count(*) as sales from shown.a_base")
    make(small)
    small.procedure("shop.refresh", "()", PIPELINE.replace("sum(amount)", "max(amount)"))
    death = Death(monkeypatch)
    old = dump(session)
    make(small)
    new = dump(session)
    assert old != new
    environments.drop(project, base, "pr-123")
    none = dump(session)

    def disturbed(before: list[tuple[object, ...]], after: list[tuple[object, ...]], work: Any) -> int:
        """Kill `work` behind each statement until it gets through; returns how often."""
        for count in range(10_000):
            death.left = count
            try:
                work()
                return count
            except UsageError:
                # Dropped already: it was killed behind its commit.
                assert count and dump(session) == after
                return count
            except Killed:
                death.left = -1
                # Either nothing of it or all of it is there; an environment that never was has but its lease.
                left = [entry for entry in dump(session) if entry != ("pr-123", "", ())]
                assert left in (before, after), count
            finally:
                death.left = -1
        raise AssertionError("it never ends")

    assert disturbed(none, new, lambda: make(small)) > 30
    make(small)
    assert dump(session) == new
    assert disturbed(new, none, lambda: environments.drop(project, base, "pr-123")) > 10
