"""Leases, locks and lost connections: who waits for whom, who is told, and what is repeated."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_project import SmallProject

from deployer.errors import LeaseHeld, StatementFailed
from deployer.operations import plan_migrations, repair, unlock
from deployer.operations.deploy import Deployment, deploy
from deployer.warehouse import lease, ledger, retry
from deployer.warehouse.session import Session

ROOT = Path(__file__).resolve().parents[2]


def run(small: SmallProject, **options: Any) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"), **options)


@pytest.fixture
def second(session: Session) -> Iterator[Session]:
    with Session(session.target) as opened:
        yield opened


def test_a_second_deployment_waits_and_is_told_for_whom(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small)
    held = lease.acquire(session)
    small.view("shown.nothing_else", "select id from shop.sales")
    told: list[str] = []
    waiting = threading.Event()

    def progress(line: str) -> None:
        told.append(line)
        if line.startswith("waiting for"):
            waiting.set()

    found: list[Deployment] = []
    thread = threading.Thread(target=lambda: found.append(run(small, wait=240, progress=progress)))
    thread.start()
    assert waiting.wait(120)
    lease.release(session, held)
    thread.join(240)
    assert found[0].replaced == ("shown.nothing_else",)
    assert any(f"waiting for {lease.owner()} on {socket.gethostname()} (process " in line for line in told)


def test_one_that_does_not_wait_is_told_who_has_it(small: SmallProject, session: Session) -> None:
    run(small)
    lease.acquire(session)
    small.view("shown.nothing_else", "select id from shop.sales")
    with pytest.raises(LeaseHeld, match=rf"{lease.owner()} on .* \(process \d+\) since .*zeroshift unlock"):
        run(small)


def test_a_lease_is_renewed_by_every_transaction_and_beside_a_long_statement(
    small: SmallProject, session: Session, second: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small)
    held = lease.acquire(session)
    age = f"update {ledger.SCHEMA}.lease set expires_at = dateadd(minute, -1, getdate())"
    session.execute(age)
    with session.transaction():
        lease.renew(session, held)
    found = lease.holder(session)
    assert found is not None and not found.expired
    # Outside of transactions a second connection does it.
    monkeypatch.setattr(lease, "_RENEW_EVERY", 0.05)
    session.execute(age)
    renewed = threading.Event()
    with lease.kept(session, held):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not renewed.is_set():
            found = lease.holder(second)
            if found is not None and not found.expired:
                renewed.set()
            renewed.wait(0.05)
    assert renewed.is_set()


def expired(session: Session) -> lease.Lease:
    """A lease that is held, and was to be renewed a minute ago."""
    held = lease.acquire(session)
    session.execute(f"update {ledger.SCHEMA}.lease set expires_at = dateadd(minute, -1, getdate())")
    return held


def test_an_expired_lease_in_an_open_transaction_is_not_taken(
    small: SmallProject, session: Session, second: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small)
    held = expired(session)
    monkeypatch.setattr(lease, "_LOCK_SECONDS", 0.5)
    with session.transaction():
        lease.renew(session, held)
        # A long migration is at work; what others read is the row before it.
        with pytest.raises(LeaseHeld, match="another deployment is at work"):
            lease.acquire(second)
    with pytest.raises(LeaseHeld):
        lease.acquire(second)
    assert second.execute("show statement_timeout").rows[0][0] in ("0", 0)


def test_a_lease_that_is_given_back_while_its_lock_is_waited_for_is_taken(
    small: SmallProject, session: Session, second: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the end of the wait and the look at who has it, the holder has gone."""
    run(small)
    held = expired(session)
    monkeypatch.setattr(lease, "_LOCK_SECONDS", 0.3)
    session.execute("begin")
    lease.renew(session, held)
    reset = lease.reset_timeout

    def reset_and_give_back(asked: Session) -> None:
        reset(asked)
        session.execute("commit")
        lease.release(session, held)
        monkeypatch.setattr(lease, "reset_timeout", reset)
        monkeypatch.setattr(lease, "_LOCK_SECONDS", 60.0)

    monkeypatch.setattr(lease, "reset_timeout", reset_and_give_back)
    taken = lease.acquire(second)
    found = lease.holder(session)
    assert found is not None and found.token == taken.token


def test_a_timeout_that_ends_its_own_reset_is_reset_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.execute("set statement_timeout to 5000")
    execute, left = Session.execute, [2]

    def cancelled(self: Session, sql: str, *arguments: Any, **named: Any) -> Any:
        if sql.startswith("reset") and left[0]:
            left[0] -= 1
            raise StatementFailed("Query cancelled on user's request", sqlstate=retry.CANCELLED)
        return execute(self, sql, *arguments, **named)

    monkeypatch.setattr(Session, "execute", cancelled)
    lease.reset_timeout(session)
    assert left == [0]
    assert session.execute("show statement_timeout").rows[0][0] in ("0", 0)


def test_ctrl_c_is_told_and_not_the_connection_that_it_closed(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small)

    def interrupted(asked: Session) -> None:
        # As Session.execute leaves it.
        asked.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(plan_migrations, "read", interrupted)
    project = small.load()
    with pytest.raises(KeyboardInterrupt):
        repair.repair(project, project.environment("local"))
    left = lease.holder(session)
    assert left is not None
    lease.give_back(session, lease.Lease(left.token))
    assert lease.holder(session) is None


def test_a_lock_without_a_lease_is_no_endless_wait(
    small: SmallProject, session: Session, second: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small)
    monkeypatch.setattr(lease, "_LOCK_SECONDS", 0.2)
    with session.transaction():
        session.execute(f"delete from {ledger.SCHEMA}.lease")
        with pytest.raises(LeaseHeld, match="locked without having the lease"):
            lease.acquire(second)


def test_unlock_names_whose_lease_it_takes_and_spares_the_living(
    small: SmallProject, session: Session
) -> None:
    run(small)
    project = small.load()
    local = project.environment("local")
    assert unlock.look(project, local).holder is None
    held = lease.acquire(session)
    found = unlock.look(project, local).holder
    assert found is not None and found.alive is True
    with pytest.raises(LeaseHeld, match="is alive and at work"):
        unlock.unlock(project, local, of=found)
    # On another machine, where its session is the proof.
    session.execute(f"update {ledger.SCHEMA}.lease set host = 'elsewhere'")
    elsewhere = unlock.look(project, local).holder
    assert elsewhere is not None and elsewhere.alive is True
    session.execute(f"update {ledger.SCHEMA}.lease set session_id = 1")
    unknown = unlock.look(project, local).holder
    assert unknown is not None and unknown.alive is None
    assert unlock.unlock(project, local, of=unknown).taken
    with pytest.raises(LeaseHeld, match="lost its lease"), session.transaction():
        lease.renew(session, held)
    # The dead need no unlocking, and neither is anything of theirs left.
    lease.acquire(session)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    session.execute(f"update {ledger.SCHEMA}.lease set process_id = {gone.pid}")
    dead = unlock.look(project, local).holder
    assert dead is not None and dead.alive is False
    lease.acquire(session)


def test_force_takes_it_from_the_living(small: SmallProject, session: Session) -> None:
    run(small)
    project = small.load()
    lease.acquire(session)
    found = unlock.look(project, project.environment("local")).holder
    assert found is not None
    assert unlock.unlock(project, project.environment("local"), of=found, force=True).taken
    assert lease.holder(session) is None


def test_a_reader_that_holds_a_view_is_named_and_a_deployment_gives_way(
    small: SmallProject, session: Session, second: Session
) -> None:
    run(small)
    before = ledger.read(session)
    small.view("shown.a_base", "select id, amount, 1 as one from shop.sales")
    process = second.execute("select pg_backend_pid()").rows[0][0]
    told: list[str] = []
    with second.transaction():
        second.execute("select * from shown.a_base")
        with pytest.raises(StatementFailed) as caught:
            run(small, statement_seconds=0.2, progress=told.append)
        assert f"session {process} of admin" in str(caught.value)
        assert "on shown.a_base" in str(caught.value)
        assert (caught.value.sqlstate, caught.value.where) == ("57014", "procedures/shown/a_base.sql:1")
        assert sum("waiting for session" in line for line in told) == len(retry.PAUSES)
        # Nobody waits behind us any more, and nothing has changed.
        assert session.execute("select count(*) from shown.a_base").rows == ((2,),)
    assert ledger.read(session) == before
    assert [item.status for item in ledger.deployments(session)] == ["failed", "done"]
    assert run(small).replaced == ("shown.a_base",)


def test_a_reader_that_goes_in_time_is_waited_for(
    small: SmallProject, session: Session, second: Session
) -> None:
    run(small)
    small.view("shown.a_base", "select id, amount, 1 as one from shop.sales")
    second.execute("begin")
    second.execute("select * from shown.a_base")

    def progress(line: str) -> None:
        if "waiting for session" in line:
            second.execute("commit")

    assert run(small, statement_seconds=2, progress=progress).replaced == ("shown.a_base",)


# -- lost connections, and errors that pass ---


@pytest.fixture
def broken_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Breaks the connection once, before or after the n-th statement that begins with a text."""
    original = Session.execute

    def break_at(beginning: str, count: int = 1, *, after: bool = False) -> list[str]:
        broken: list[str] = []
        left = [count]

        def execute(self: Session, sql: str, parameters: Any = None, *, where: str = "") -> Any:
            hit = sql.lstrip().startswith(beginning) and not broken
            left[0] -= hit
            if hit and left[0] == 0:
                broken.append(sql)
                if after:
                    original(self, sql, parameters, where=where)
                self.driver_connection._usock.shutdown(socket.SHUT_RDWR)
                if after:
                    raise StatementFailed("the connection to the warehouse broke: test", sqlstate="08006")
            return original(self, sql, parameters, where=where)

        monkeypatch.setattr(Session, "execute", execute)
        return broken

    yield break_at


@pytest.mark.parametrize(
    ("beginning", "after"),
    [
        ("create table shop.more", False),
        ("insert into zeroshift_deploy.applied", True),
        ("create or replace view shown.nothing_else", False),
        ("insert into zeroshift_deploy.history", True),
    ],
)
def test_a_lost_connection_is_opened_again_and_each_change_applied_once(
    small: SmallProject, session: Session, broken_once: Any, beginning: str, after: bool
) -> None:
    run(small)
    small.migration(
        "0002", "0001", "create table shop.more (id bigint)", "insert into shop.sales (id) values (3)"
    )
    small.view("shown.nothing_else", "select id from shop.sales")
    broken = broken_once(beginning, after=after)
    result = run(small)
    assert len(broken) == 1
    assert (result.migrations, result.replaced) == (("0002",), ("shown.nothing_else",))
    assert session.execute("select count(*) from shop.sales").rows == ((3,),)
    assert [item.status for item in ledger.deployments(session)] == ["done", "done"]
    assert run(small).did_nothing


@pytest.mark.parametrize("number", range(1, 5))
def test_a_connection_lost_behind_any_commit_repeats_nothing(
    small: SmallProject, session: Session, broken_once: Any, number: int
) -> None:
    run(small)
    small.migration("0002", "0001", "insert into shop.sales (id) values (3)")
    small.view("shown.nothing_else", "select id from shop.sales")
    broken = broken_once("commit", number + 1, after=True)
    run(small)
    assert len(broken) == 1
    assert session.execute("select count(*) from shop.sales").rows == ((3,),)
    assert run(small).did_nothing
