"""The warehouse's own guard: the same logical run does its work once, and of two at a time one is skipped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from deployer.errors import StatementFailed
from deployer.warehouse.session import Session
from warehouse.conftest import House
from warehouse.rows import listing, place, stay

ROWS = (listing(1), place(1), stay(1, "2024-01-02", "2024-01-03", "2024-01-05"))
CALL = "call ops.run_rental('2024-01-08', 'incremental')"
WAITING = "select pid from pg_locks where locktype = 'advisory' and not granted"


@dataclass
class Worker:
    """A run of another session; `error` is what it ended with, None when it succeeded."""

    session: Session
    call: str
    error: StatementFailed | None = None

    def work(self) -> None:
        try:
            self.session.execute(self.call)
        except StatementFailed as error:
            self.error = error


@contextmanager
def at_work(house: House, call: str = CALL) -> Iterator[Worker]:
    """A run that stands still in its publishing transaction until the body has ended."""
    engine = house.warehouse.engine
    engine.execute(
        "create function public.zs_test_gate() returns trigger language plpgsql as $$ begin"
        " perform pg_advisory_lock(4711); perform pg_advisory_unlock(4711); return new; end $$"
    )
    engine.execute(
        "create trigger zs_test_gate before insert on ops.freshness for each row"
        " execute function public.zs_test_gate()"
    )
    engine.execute("select pg_advisory_lock(4711)")
    with Session(house.warehouse.target) as session:
        worker = Worker(session, call)
        thread = threading.Thread(target=worker.work)
        thread.start()
        try:
            _until(house, f"select count(*) from ({WAITING}) as waiting", 1)
            yield worker
        finally:
            engine.execute("select pg_advisory_unlock_all()")
            thread.join(240)
            engine.execute("drop function public.zs_test_gate() cascade")


def _until(house: House, query: str, wanted: object) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        row = house.warehouse.engine.execute(query).fetchone()
        if row is not None and row[0] == wanted:
            return
        time.sleep(0.02)
    raise AssertionError(f"{query} did not become {wanted}")


def states(house: House) -> list[str]:
    return house.ask("select state from ops.runs")


def test_the_same_run_twice_works_once(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    for mode in ("incremental", "full"):
        session = house.warehouse.session
        session.execute(f"call ops.run_rental('2024-01-08', '{mode}')")
        before = house.warehouse.row_versions("curated", "metrics")
        steps = house.ask("select count(*) from ops.run_steps")
        session.execute(f"call ops.run_rental('2024-01-08', '{mode}')")
        assert house.ask("select count(*) from ops.run_steps") == steps, "a duplicate worked"
        assert house.warehouse.row_versions("curated", "metrics") == before
    assert states(house) == ["duplicate", "duplicate", "succeeded", "succeeded"]
    assert house.ask("select distinct error from ops.runs where state = 'duplicate'") == [
        "the same run has succeeded, and nothing has changed since"
    ]
    assert house.ask("select token from ops.leases") == ["null"]
    assert house.ask("select count(*) from ops.runs where state = 'running'") == ["0"]


def test_what_changed_meanwhile_is_no_duplicate(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-01-08")
    house.load("2024-01-02", *ROWS, stay(2, "2024-01-02", "2024-01-03", "2024-01-05"))
    house.run("2024-01-08")
    assert states(house) == ["succeeded", "succeeded"]
    assert house.ask("select sum(bookings) from presentation.top_listings_weekly") == ["2"]
    # Turned back and forth again: what is published is not what the same run has published.
    house.run("2024-01-03", "rewind")
    house.run("2024-01-08")
    assert states(house) == ["succeeded"] * 4


def test_what_failed_may_run_again(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    assert house.warehouse.run(datetime(2024, 1, 8), publish_fails=True) == "failed"
    # At once, its session having ended.
    assert house.run("2024-01-08") == "published"
    assert states(house) == ["failed", "succeeded"]
    # And in the session in which it failed.
    with house.warehouse._publish_fault():
        for _ in range(2):
            with pytest.raises(StatementFailed, match="fault injected"):
                house.warehouse.session.execute("call ops.run_rental('2024-01-09', 'incremental')")
    house.warehouse.session.execute("call ops.run_rental('2024-01-09', 'incremental')")
    assert states(house) == ["failed", "failed", "failed", "succeeded", "succeeded"]


def test_a_run_beside_another_is_skipped_at_once(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    with at_work(house):
        # It does not wait: the other one stands still until we are done.
        for call in (CALL, "call ops.run_rental('2024-01-09', 'full')"):
            house.warehouse.session.execute(call)
        told = house.ask("select distinct error from ops.runs where state = 'skipped'")
        assert len(told) == 1 and told[0].endswith(
            "of pipeline rental as of 2024-01-08 00:00:00 UTC is at work"
        )
    assert states(house) == ["skipped", "skipped", "succeeded"]


def test_of_runs_at_the_same_instant_one_works(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    at_once = 4
    for day in range(8, 12):
        barrier = threading.Barrier(at_once)

        def once(call: str, barrier: threading.Barrier = barrier) -> None:
            with Session(house.warehouse.target) as session:
                barrier.wait()
                session.execute(call)

        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(once, [f"call ops.run_rental('2024-01-{day:02}', 'incremental')"] * at_once))
        found = house.ask(f"select state from ops.runs where as_of = '2024-01-{day:02}'")
        assert found.count("succeeded") == 1, found
        # One that came when the work was done already is a duplicate.
        assert set(found) <= {"succeeded", "skipped", "duplicate"}


def test_a_killed_run_keeps_nobody_waiting(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    with at_work(house) as worker:
        engine = house.warehouse.engine
        ((pid,),) = engine.execute(WAITING).fetchall()
        engine.execute("select pg_terminate_backend(%s, 5000)", [pid])
        _until(house, f"select count(*) from zeroshift.sessions where pid = {pid}", 0)
        engine.execute("select pg_advisory_unlock_all()")
        house.warehouse.session.execute(CALL)
    assert worker.error is not None
    assert states(house) == ["failed", "succeeded"]


@contextmanager
def last_seen(house: House, ago: str) -> Iterator[None]:
    """Every run notes its commits as of another instant, so that no clock decides how old the last one is."""
    engine = house.warehouse.engine
    engine.execute(
        "create function public.zs_test_clock() returns trigger language plpgsql as $$ begin"
        f" new.touched_at := new.touched_at - interval '{ago}'; return new; end $$"
    )
    engine.execute(
        "create trigger zs_test_clock before update on ops.leases for each row"
        " when (new.token = old.token) execute function public.zs_test_clock()"
    )
    try:
        yield
    finally:
        engine.execute("drop function public.zs_test_clock() cascade")


def test_another_users_run_is_alive_by_its_commits_and_its_lock(house: House) -> None:
    """Where sessions of others are not shown: who waits for the lock sees what was committed meanwhile."""
    house.load("2024-01-01", *ROWS)
    admin = house.warehouse.session
    admin.execute("create user a_guard password 'Somebody-1'")
    admin.execute("grant role zeroshift_runner to a_guard")
    target = replace(house.warehouse.target, user="a_guard", password="Somebody-1")
    try:
        with Session(target) as runner, ThreadPoolExecutor(1) as pool:
            # It has committed a moment ago, however long the machine takes to ask.
            with last_seen(house, "-1 hour"), at_work(house):
                runner.execute(CALL)
                assert states(house) == ["running", "skipped"]
            assert states(house) == ["skipped", "succeeded"]
            # Five seconds after its last commit nothing is known of it any more but its lock.
            later = CALL.replace("-08", "-09")
            with last_seen(house, "6 seconds"):
                with at_work(house, later):
                    waiting = pool.submit(runner.execute, later)
                    _until(
                        house, "select count(*) from pg_locks where not granted and locktype = 'relation'", 1
                    )
                waiting.result(240)
        assert states(house) == ["skipped", "skipped", "succeeded", "succeeded"]
    finally:
        house.warehouse.session.execute("drop user a_guard")


CHECK = "call archive.check_horizon('curated.bookings', 'closed_on', '2024-02-01')"
HORIZON = "insert into archive.horizons values ('curated.bookings', 'bookings', 'closed_on', '2024-02-01', getdate())"
TOO_EARLY = (
    "call ops.run_rental('2024-02-20', 'rewind')",
    "call ops.backfill_rental('2024-01-15', '2024-03-01')",
)


def test_nothing_is_closed_while_a_run_is_at_work(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-04-10")
    before = house.ask("select as_of from ops.freshness")
    with at_work(house, TOO_EARLY[0]):
        # It does not wait: the run stands still until we are done.
        with pytest.raises(StatementFailed, match="cannot be closed now: lease held: run .* is at work"):
            house.warehouse.session.execute(CHECK)
        house.warehouse.session.execute("rollback")
    assert house.ask("select as_of from ops.freshness") != before
    assert states(house) == ["succeeded", "succeeded"]


@pytest.mark.parametrize("call", [TOO_EARLY[0], pytest.param(TOO_EARLY[1], marks=pytest.mark.slow)])
def test_a_run_that_begins_while_something_is_closed_sees_it(house: House, call: str) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-04-10")
    with Session(house.warehouse.target) as runner, ThreadPoolExecutor(1) as pool:
        with house.warehouse.session.transaction():
            house.warehouse.session.execute(CHECK)
            waiting = pool.submit(runner.execute, call)
            _until(house, "select count(*) from pg_locks where not granted and locktype = 'relation'", 1)
            house.warehouse.session.execute(HORIZON)
        with pytest.raises(StatementFailed, match="the archive has closed"):
            waiting.result(240)
    assert house.ask("select as_of from ops.freshness") == ["2024-04-10 00:00:00"]
