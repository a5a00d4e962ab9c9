from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from small_project import REPOSITORY, SmallProject

from deployer.errors import LeaseHeld, StatementFailed, Unsafe
from deployer.operations.deploy import Deployment, deploy
from deployer.warehouse import catalog, lease, ledger
from deployer.warehouse.session import Session


def run(small: SmallProject, *, prune: bool = False, allow: tuple[str, ...] = ()) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"), prune=prune, allow=allow)


def one(session: Session, sql: str) -> object:
    return session.execute(sql).rows[0][0]


def state(session: Session) -> tuple[object, ...]:
    """Everything that a failed deployment must leave alone."""
    return (
        sorted(catalog.view_names(session)),
        sorted(catalog.procedure_names(session)),
        ledger.read(session),
        ledger.migration_heads(session),
    )


def test_a_first_deploy_creates_everything_and_a_second_does_nothing(
    small: SmallProject, session: Session
) -> None:
    first = run(small)
    assert first.migrations == ("0001",)
    assert set(first.created) == {"shown.a_base", "shown.totals", "shown.nothing_else", "shop.add_one"}
    assert first.created.index("shown.a_base") < first.created.index("shown.totals")
    assert one(session, "select amount from shown.totals") is not None
    before = state(session)
    second = run(small)
    assert second.did_nothing
    assert second.unchanged == 4
    assert state(session) == before


def test_line_ends_alone_change_nothing(small: SmallProject) -> None:
    run(small)
    path = small.file("shown.totals")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert run(small).did_nothing


def test_an_edited_object_is_replaced_and_nothing_else(small: SmallProject, session: Session) -> None:
    run(small)
    small.view("shown.nothing_else", "select id from shop.sales where id > 0")
    small.procedure("shop.add_one", "(new_id bigint)", "insert into shop.sales (id) values (new_id + 100);")
    done = run(small)
    assert set(done.replaced) == {"shown.nothing_else", "shop.add_one"}
    assert (done.created, done.recreated, done.unchanged) == ((), (), 2)
    assert one(session, "select count(*) from shown.nothing_else") == 2
    session.execute("call shop.add_one(1)")
    assert one(session, "select max(id) from shop.sales") == 101


def test_a_new_migration_is_applied_alone(small: SmallProject, session: Session) -> None:
    run(small)
    small.migration("0002", "0001", "create table shop.more (id bigint)")
    done = run(small)
    assert (done.migrations, done.unchanged) == (("0002",), 4)
    assert one(session, "select count(*) from shop.more") == 0


def test_a_view_whose_columns_change_keeps_its_dependents_and_grants(
    small: SmallProject, session: Session
) -> None:
    run(small)
    session.execute("create user ann password 'Secret123'")
    session.execute("grant role reader to ann")
    session.execute("grant select on shown.totals to role reader")
    session.execute("grant select on shown.a_base to ann with grant option")
    before = {name: set(catalog.grants(session, "shown", name)) for name in ("a_base", "totals")}
    assert all(before.values())
    small.view(
        "shown.a_base", "select 'new' as kind, id, cast(amount as decimal(14, 2)) as amount from shop.sales"
    )
    done = run(small)
    assert (done.replaced, done.recreated) == (("shown.a_base",), ("shown.totals",))
    assert [column.name for column in session.execute("select * from shown.a_base").columns] == [
        "kind",
        "id",
        "amount",
    ]
    assert one(session, "select sales from shown.totals") == 2
    assert {name: set(catalog.grants(session, "shown", name)) for name in before} == before
    assert run(small).did_nothing


def test_dependent_and_base_change_together(small: SmallProject, session: Session) -> None:
    run(small)
    small.view("shown.a_base", "select id from shop.sales")
    small.view("shown.totals", "select count(*) as sales from shown.a_base")
    done = run(small)
    assert set(done.replaced) == {"shown.a_base", "shown.totals"}
    assert one(session, "select sales from shown.totals") == 2
    # Turned around: what was the base is now built on what was built on it.
    small.view("shown.totals", "select 7 as sales")
    small.view("shown.a_base", "select sales as id, 'x' as word from shown.totals")
    run(small)
    assert session.execute("select id, word from shown.a_base").rows == ((7, "x"),)
    assert run(small).did_nothing


def test_a_view_that_somebody_else_uses_is_not_dropped(small: SmallProject, session: Session) -> None:
    run(small)
    session.execute("create view shop.foreign_view as select id from shown.a_base")
    before = state(session)
    small.view("shown.a_base", "select id, amount, 1 as one from shop.sales")
    with pytest.raises(Unsafe, match=r"shown\.a_base must be dropped, and the view shop\.foreign_view"):
        run(small)
    assert state(session) == before
    assert one(session, "select count(*) from shop.foreign_view") == 2


def test_a_view_that_its_base_would_break_is_named(small: SmallProject, session: Session) -> None:
    run(small)
    before = state(session)
    small.view("shown.a_base", "select id from shop.sales")
    with pytest.raises(
        StatementFailed, match=r"shown\.totals did not change, .*shown\.a_base.* broken"
    ) as caught:
        run(small)
    assert caught.value.where == "procedures/shown/totals.sql:3"
    assert state(session) == before


def test_a_procedure_with_other_arguments_leaves_no_overload(small: SmallProject, session: Session) -> None:
    run(small)
    small.procedure(
        "shop.add_one", "(new_id bigint, note varchar(10))", "insert into shop.sales (id) values (new_id);"
    )
    run(small)
    with pytest.raises(StatementFailed):
        session.execute("call shop.add_one(5)")
    session.execute("call shop.add_one(5, 'x')")


def test_an_object_dropped_by_hand_comes_back(small: SmallProject, session: Session) -> None:
    run(small)
    session.execute("drop view shown.nothing_else")
    session.execute("drop procedure shop.add_one(bigint)")
    assert set(run(small).created) == {"shown.nothing_else", "shop.add_one"}


def test_what_left_the_project_is_named_and_only_pruned_when_told(
    small: SmallProject, session: Session
) -> None:
    run(small)
    small.file("shown.totals").unlink()
    small.file("shop.add_one").unlink()
    done = run(small)
    assert done.did_nothing
    assert set(done.left_over) == {"shown.totals", "shop.add_one"}
    assert "shown.totals" in catalog.view_names(session)
    allow = ("shown.totals", "shop.add_one")
    assert set(run(small, prune=True, allow=allow).dropped) == {"shown.totals", "shop.add_one"}
    assert "shown.totals" not in catalog.view_names(session)
    assert run(small).did_nothing


@pytest.mark.parametrize(
    ("query", "line", "sqlstate"),
    [
        ("select id,\n    no_such_column\nfrom shop.sales", 4, "42703"),
        ("select id\nfrom shop.no_such_table", 4, "42P01"),
        ("select id\nfrom shop.sales\nwhere where", 5, "42601"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_nothing_changes(
    small: SmallProject, session: Session, query: str, line: int, sqlstate: str
) -> None:
    run(small)
    before = state(session)
    small.view("shown.a_base", "select id, amount from shop.sales where id > 0")
    small.view("shown.nothing_else", query)
    with pytest.raises(StatementFailed) as caught:
        run(small)
    assert caught.value.where == f"procedures/shown/nothing_else.sql:{line}"
    assert caught.value.sqlstate == sqlstate
    assert "shown.nothing_else" in caught.value.sql
    assert state(session) == before


def test_a_broken_migration_is_named_and_the_ones_before_it_stay(
    small: SmallProject, session: Session
) -> None:
    run(small)
    small.migration("0002", "0001", "create table shop.good (id bigint)")
    small.migration(
        "0003", "0002", "create table shop.half (id bigint)", "create table shop.sales (id bigint)"
    )
    with pytest.raises(StatementFailed) as caught:
        run(small)
    assert caught.value.where == "migrations/versions/0003_step.py:15"
    assert caught.value.sqlstate == "42P07"
    assert ledger.migration_heads(session) == ("0002",)
    with pytest.raises(StatementFailed, match="half"):
        session.execute("select * from shop.half")
    # Mended, it goes on from there.
    small.migration("0003", "0002", "create table shop.half (id bigint)")
    assert run(small).migrations == ("0003",)


def test_a_warehouse_ahead_of_the_checkout_is_refused(small: SmallProject) -> None:
    path = small.migration("0002", "0001", "create table shop.more (id bigint)")
    run(small)
    path.unlink()
    with pytest.raises(Unsafe, match="stands at migration 0002"):
        run(small)


def test_alembic_sends_no_returning_and_nothing_cascades(small: SmallProject, engine: object) -> None:
    import redshift_connector

    sent: list[str] = []
    original = redshift_connector.Cursor.execute

    def record(self: object, operation: str, *arguments: object, **options: object) -> object:
        sent.append(operation.lower())
        return original(self, operation, *arguments, **options)

    redshift_connector.Cursor.execute = record
    try:
        run(small)
        small.view("shown.a_base", "select id from shop.sales")
        small.view("shown.totals", "select count(*) as n from shown.a_base")
        run(small)
    finally:
        redshift_connector.Cursor.execute = original
    assert any("create table shop.sales" in sql for sql in sent)
    assert any(sql.startswith("drop view") for sql in sent)
    assert not [sql for sql in sent if "returning" in sql or "cascade" in sql]


def test_two_deploys_exclude_each_other(small: SmallProject, session: Session) -> None:
    run(small)
    held = lease.acquire(session)
    small.view("shown.nothing_else", "select id from shop.sales")
    with pytest.raises(LeaseHeld, match="another deployment is at work"):
        run(small)
    lease.release(session, held)
    assert run(small).replaced == ("shown.nothing_else",)


def test_a_lease_of_a_dead_process_is_taken_over(small: SmallProject, session: Session) -> None:
    run(small)
    lease.acquire(session)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    session.execute(f"update {ledger.SCHEMA}.lease set process_id = {gone.pid}")
    small.view("shown.nothing_else", "select id from shop.sales")
    assert run(small).replaced == ("shown.nothing_else",)


def test_a_deployment_that_lost_its_lease_commits_nothing(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small)
    before = state(session)
    small.view("shown.nothing_else", "select id from shop.sales")
    acquire = lease.acquire

    def acquire_and_lose(connection: Session, **options: object) -> lease.Lease:
        held = acquire(connection)
        session.execute(f"update {ledger.SCHEMA}.lease set token = 'another'")
        return held

    monkeypatch.setattr(lease, "acquire", acquire_and_lose)
    with pytest.raises(LeaseHeld, match="lost its lease"):
        run(small)
    assert state(session) == before


def test_no_deploy_during_a_run(small: SmallProject, session: Session) -> None:
    run(small)
    session.execute("create schema ops")
    session.execute("create table ops.leases (pipeline varchar(64), token varchar(64), expires_at timestamp)")
    session.execute("insert into ops.leases values ('rental', 'x', dateadd(hour, 1, getdate()))")
    small.view("shown.nothing_else", "select id from shop.sales")
    with pytest.raises(LeaseHeld, match="a run of rental is at work"):
        run(small)
    session.execute("update ops.leases set expires_at = dateadd(hour, -1, getdate())")
    assert run(small).replaced == ("shown.nothing_else",)


def test_a_deploy_waits_for_the_open_transaction_of_a_run(small: SmallProject, session: Session) -> None:
    run(small)
    session.execute("create schema ops")
    session.execute("create table ops.leases (pipeline varchar(64), token varchar(64), expires_at timestamp)")
    session.execute("insert into ops.leases values ('rental', 'run 1', getdate())")
    small.view("shown.nothing_else", "select id from shop.sales")
    session.execute("begin")
    session.execute("update ops.leases set expires_at = getdate() where token = 'run 1'")
    done: list[Deployment] = []
    deploying = threading.Thread(target=lambda: done.append(run(small)))
    deploying.start()
    deploying.join(timeout=2)
    assert deploying.is_alive()
    session.execute("commit")
    deploying.join(timeout=240)
    assert done and done[0].replaced == ("shown.nothing_else",)
    # The run's next transaction finds its lease gone.
    assert (
        session.execute("update ops.leases set expires_at = getdate() where token = 'run 1'").row_count == 0
    )


@pytest.mark.parametrize(
    "stop_at", ["migration 0002", "replace view shown.a_base", "recreate view shown.totals"]
)
def test_killed_at_any_moment_and_repeated_it_ends_the_same(
    small: SmallProject, session: Session, stop_at: str, environment: object, tmp_path: Path
) -> None:
    run(small)
    small.migration("0002", "0001", "create table shop.more (id bigint)")
    small.view("shown.a_base", "select 1 as one, id, amount from shop.sales")
    program = tmp_path / "killed.py"
    program.write_text(
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from deployer.project import config\n"
        "from deployer.operations.deploy import deploy\n"
        "project = config.load(Path(sys.argv[1]))\n"
        "def progress(line):\n"
        "    if line.startswith(sys.argv[2]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "deploy(project, project.environment('local'), progress=progress)\n"
    )
    done = subprocess.run(
        [sys.executable, str(program), str(small.root), stop_at],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=240,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    deadline = time.monotonic() + 120
    while True:
        try:
            run(small)
            break
        except LeaseHeld:
            # The kernel may need a moment to bury the process.
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert one(session, "select one from shown.a_base") == 1
    assert one(session, "select sales from shown.totals") == 2
    assert ledger.migration_heads(session) == ("0002",)
    assert run(small).did_nothing


def test_two_first_deploys_at_once_end_as_one(small: SmallProject, session: Session) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "deployer", "deploy"],
            cwd=small.root,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=240) for process in started]
    codes = sorted(process.returncode for process in started)
    # The later one waits for a lock and finds nothing to do, or is told of the lease.
    assert codes in ([0, 0], [0, 4]), said
    assert run(small).did_nothing
    assert session.execute(f"select count(*) from {ledger.SCHEMA}.objects").rows == ((4,),)
    assert session.execute(f"select count(*) from {ledger.SCHEMA}.{ledger.VERSION_TABLE}").rows == ((1,),)
