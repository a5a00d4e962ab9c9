"""Kill -9 behind every statement of a deployment that has every kind of change in it, and two deployments at once."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from catalog_dump import dump
from small_project import SmallProject

from deployer.local.environment import Status
from deployer.operations.deploy import Deployment, deploy
from deployer.operations.warehouses import target_of
from deployer.sql.classify import classify
from deployer.warehouse import lease, ledger
from deployer.warehouse.session import Session

SCHEMAS = ("shop", "shown")


def run(small: SmallProject) -> Deployment:
    project = small.load()
    return deploy(
        project,
        project.environment("local"),
        prune=True,
        allow=(
            "0003_step",
            "shown.former",
            "0004_step",
            "shop.former_one",
            "only_big",
            "old_mask",
            "old_mask on shop.sales (amount) from role reader",
            "shown.nothing_else",
        ),
        wait=240,
    )


def before(small: SmallProject, status: Status) -> None:
    """An empty warehouse, and the small project in it, with something to lose."""
    for number in ("0002", "0003", "0004"):
        (small.root / "migrations" / "versions" / f"{number}_step.py").unlink(missing_ok=True)
    small.view("shown.a_base", "select id, amount from shop.sales")
    small.view("shown.totals", "select count(*) as sales, sum(amount) as amount from shown.a_base")
    small.view("shown.nothing_else", "select id from shop.sales where id > 1")
    small.view("shown.former", "select 1 as one")
    small.view("shown.late", "select id from shop.sales with no schema binding")
    small.procedure("shop.add_one", "(new_id bigint)", "insert into shop.sales (id) values (new_id);")
    small.procedure("shop.former_one", "()", "insert into shop.sales (id) values (7);")
    small.file("shown.fresh").unlink(missing_ok=True)
    (small.root / "procedures" / "security" / "hide_amount.sql").unlink(missing_ok=True)
    security(
        small, "only_big.sql", "create rls policy only_big with (amount decimal(12, 2)) using (amount > 15);"
    )
    security(small, "old_mask.sql", MASK.format("old_mask"))
    security(
        small,
        "policies.toml",
        "[row_level_security.'shown.a_base']\npolicies = { only_big = ['role reader'] }\n"
        "[row_level_security.'shown.nothing_else']\npolicies = {}\n"
        "[masking.'shop.sales']\namount = { policy = 'old_mask', to = ['role reader'], priority = 5 }\n",
    )
    run(small)
    with Session(target_of(status)) as session:
        session.execute("create user dora password 'Secret123'")
        session.execute("grant select on shown.totals to role reader")
        session.execute("grant select on shown.a_base to dora with grant option")
        session.execute("grant execute on procedure shop.add_one(bigint) to dora")
        session.execute("comment on view shown.totals is 'the total'")
        session.execute("comment on column shown.a_base.id is 'the id'")


MASK = "create masking policy {} with (a decimal(12, 2)) using (0.00::decimal(12, 2));"


def security(small: SmallProject, name: str, text: str) -> None:
    path = small.root / "procedures" / "security" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def after(small: SmallProject) -> None:
    """Every kind of change at once."""
    # Policies: one changed, one new, one detached and dropped, attached to a view that is recreated and to a new one.
    security(
        small, "only_big.sql", "create rls policy only_big with (amount decimal(12, 2)) using (amount > 5);"
    )
    security(small, "hide_amount.sql", MASK.format("hide_amount"))
    (small.root / "procedures" / "security" / "old_mask.sql").unlink()
    security(
        small,
        "policies.toml",
        "[row_level_security.'shown.a_base']\npolicies = { only_big = ['role reader', 'public'] }\n"
        "[masking.'shop.sales']\namount = { policy = 'hide_amount', to = ['role reader'], priority = 7 }\n"
        "[masking.'shown.totals']\namount = { policy = 'hide_amount', to = ['public'], priority = 1 }\n",
    )
    small.migration("0002", "0001", "create table shop.more (id bigint)", "insert into shop.more values (1)")
    # In steps: two groups, and statements that run alone.
    small.migration(
        "0003",
        "0002",
        "create table shop.wide (id bigint, note varchar(10))",
        "insert into shop.wide values (1, 'a')",
        "alter table shop.wide alter column note type varchar(40)",
        "vacuum shop.sales",
        "insert into shop.wide values (2, 'b')",
        "truncate shop.more",
        "insert into shop.more values (3)",
    )
    # One that reads.
    path = small.migration("0004", "0003", "create table shop.counted (n bigint)")
    path.write_text(
        path.read_text()
        + "    found = op.get_bind().exec_driver_sql('select count(*) from shop.sales').scalar()\n"
        "    op.execute(f'insert into shop.counted values ({found})')\n"
    )
    small.view("shown.a_base", "select 'x' as kind, id, amount from shop.sales")
    small.view("shown.nothing_else", "select id from shop.sales where id > 0")
    small.view("shown.fresh", "select sales from shown.totals")
    small.view("shown.late", "select id, amount from shop.sales with no schema binding")
    small.procedure("shop.add_one", "(new_id integer)", "insert into shop.sales (id) values (new_id);")
    small.file("shown.former").unlink()
    small.file("shop.former_one").unlink()


def killed(work: Callable[[], Any], behind: int) -> int:
    """Do `work` in a process that is killed behind its n-th statement; returns how many it sent when it was not.

    The warehouse has executed that statement: what the process does not know is lost with it. A statement that only
    reads is not counted: who dies behind it dies behind the one before it.
    """
    import redshift_connector

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sent = [0]
            original = redshift_connector.Cursor.execute

            def execute(self: Any, *arguments: Any, **options: Any) -> Any:
                result = original(self, *arguments, **options)
                writes = classify(arguments[0].replace("%s", "null")).name != "select"
                sent[0] += writes
                if writes and sent[0] == behind:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            redshift_connector.Cursor.execute = execute
            work()
            os.write(writing, str(sent[0]).encode())
        except BaseException:
            # For whoever reads why the test has failed.
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    _, code = os.waitpid(child, 0)
    assert os.WIFSIGNALED(code) or said, "it failed by itself"
    return int(said) if said else 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_behind_any_statement_and_repeated_it_ends_the_same(
    small: SmallProject, status: Status, engine_dsn: str, make_empty: Callable[[], None]
) -> None:
    before(small, status)
    after(small)
    statements = killed(lambda: run(small), 0)
    assert statements > 90
    wanted = dump(engine_dsn, *SCHEMAS)
    assert wanted["half-applied"] == []
    for number in range(1, statements + 1):
        make_empty()
        before(small, status)
        after(small)
        assert killed(lambda: run(small), number) == 0, f"not killed behind statement {number}"
        run(small)
        found = dump(engine_dsn, *SCHEMAS)
        for name in {*wanted, *found}:
            assert found.get(name) == wanted.get(name), f"killed behind statement {number}: {name} differ"
        assert run(small).did_nothing
        # One that was killed just before it gave the lease back leaves a row that hinders nobody.
        with Session(target_of(status)) as session:
            left = lease.holder(session)
        assert left is None or left.alive is False


def forked(work: Callable[[], Deployment]) -> tuple[int, int]:
    """Do `work` in a process of its own; returns that, and where to read what it has migrated and replaced."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            done = work()
            os.write(writing, f"{list(done.migrations)} {list(done.replaced)}".encode())
        except Exception as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    return child, reading


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_deployments_at_once_a_hundred_times(small: SmallProject, session: Session) -> None:
    run(small)
    for number in range(2, 102):
        revision, down = f"{number:04d}", f"{number - 1:04d}"
        small.migration(revision, down, "insert into shop.sales (id, amount) values (0, 1)")
        small.view("shown.nothing_else", f"select id from shop.sales where id > {number}")
        both = [forked(lambda: run(small)) for _ in range(2)]
        said = []
        for child, reading in both:
            with os.fdopen(reading) as stream:
                said.append(stream.read())
            # Not any child: whoever has another one waits for it.
            os.waitpid(child, 0)
        # One has done it, the other has found it done.
        assert sorted(said, key=len) == ["[] []", f"['{revision}'] ['shown.nothing_else']"], said
    assert session.execute("select count(*) from shop.sales where id = 0").rows == ((100,),)
    assert session.execute(f"select count(*) from {ledger.SCHEMA}.applied").rows == ((101,),)
    assert ledger.migration_heads(session) == ("0101",)
    assert [item.status for item in ledger.deployments(session)] == ["done"] * 101
    assert [item.objects for item in ledger.deployments(session)] == [1] * 100 + [4]
