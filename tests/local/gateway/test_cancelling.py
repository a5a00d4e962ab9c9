"""Cancel requests that come between two of PostgreSQL's statements, and ends that come between two of the client's."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gateway_wire import Wire
from patience import PATIENCE, wait_until

from deployer.local.daemon import Daemon
from deployer.local.environment import Status
from deployer.local.gateway.backend import Backend, ServerError
from deployer.local.gateway.cancel import Cancellation
from deployer.local.gateway.codec import Disconnected, message, text
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.server import Gateway
from deployer.local.gateway.session import Session


@pytest.fixture
def wire(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as connection:
        yield connection.login()


class Idle:
    """A PostgreSQL that ignores cancel requests, as it does between two statements."""

    def __init__(self) -> None:
        self.asked = 0

    def cancel(self) -> None:
        self.asked += 1


def test_a_request_is_repeated_until_the_statement_has_ended() -> None:
    cancellation, postgres = Cancellation(), Idle()
    backend = cast(Backend, postgres)
    cancellation.request(backend)
    assert postgres.asked == 0, "no statement runs"
    cancellation.begin()
    cancellation.request(backend)
    wait_until(lambda: postgres.asked >= 3)
    with pytest.raises(ServerError, match="cancelled"):
        cancellation.check()
    cancellation.end()
    # The next one begins when nobody asks for the end of this one any more.
    cancellation.begin()
    seen = postgres.asked
    cancellation.check()
    assert not cancellation.wanted and postgres.asked == seen


def test_a_request_holds_for_the_whole_batch() -> None:
    cancellation = Cancellation()
    cancellation.begin()
    cancellation.request(cast(Backend, Idle()))
    # The next message of the same batch.
    cancellation.begin()
    with pytest.raises(ServerError, match="cancelled"):
        cancellation.check()
    cancellation.end()


def test_what_cleans_up_waits_for_a_request_that_is_on_its_way() -> None:
    """It would cancel a ROLLBACK, and the client's next statement met a transaction that has failed."""
    cancellation, reached, passed_on = Cancellation(), threading.Event(), threading.Event()

    def cancel() -> None:
        reached.set()
        passed_on.wait(PATIENCE)

    cancellation.begin()
    asking = threading.Thread(target=cancellation.request, args=(SimpleNamespace(cancel=cancel),))
    asking.start()
    assert reached.wait(PATIENCE)
    failing = threading.Thread(target=cancellation.taken)
    failing.start()
    failing.join(0.2)
    assert failing.is_alive()
    passed_on.set()
    failing.join(PATIENCE)
    asking.join(PATIENCE)
    assert not failing.is_alive()


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_block_of_the_gateway_s_own_does_not_stay_open(ending: str) -> None:
    """A short statement_timeout counts for COMMIT and ROLLBACK as well."""
    sent: list[str] = []

    def query(sql: str) -> None:
        sent.append(sql)
        if len(sent) < 3:
            backend.status = "E"
            raise ServerError({"C": "57014", "M": "canceling statement due to statement timeout"})
        backend.status = "I"

    backend = cast(Any, SimpleNamespace(status="T", query=query))
    runner = Runner(backend, cast(Any, None), "dev", "ann")
    runner.own_block = True
    if ending == "commit":
        with pytest.raises(ServerError, match="statement timeout"):
            runner.sync()
    else:
        runner.fail()
    assert sent == [ending, "rollback", "rollback"] and not runner.own_block


@pytest.mark.parametrize("sql", ["select pg_cancel_backend({})", "cancel {}"])
def test_a_call_that_asks_postgresql_nothing_is_cancelled_by_sql(wire: Wire, sql: str) -> None:
    wire.query(
        "create procedure endless() as $$ begin raise info 'in'; loop null; end loop; end; $$ language plpgsql"
    )
    with Wire(wire.status) as other:
        other.login()
        wire.send(message(b"Q", text("call endless()")))
        assert wire.stream.next()[0] == b"N"
        assert [kind for kind, _ in other.query(sql.format(wire.key[0])) if kind in b"EN"] == []
        assert [data for kind, data in wire.until() if kind == b"E" and b"57014" in data]
        assert wire.rows("select 1") == [("1",)]


def test_who_is_ended_amid_a_statement_is_told_why(wire: Wire) -> None:
    with Wire(wire.status) as other:
        other.login()
        wire.send(
            message(
                b"Q", text("select count(*) from svv_columns a, svv_columns b, svv_columns c, svv_columns d")
            )
        )
        running = (
            f"select count(*) from sys_query_history where session_id = {wire.key[0]} and status = 'running'"
            " and query_text like '%svv_columns d%'"
        )
        wait_until(lambda: other.rows(running) == [("1",)])
        assert other.rows(f"select pg_terminate_backend({wire.key[0]})") == [("t",)]
        told = [data for kind, data in wire.rest() if kind == b"E"]
    assert len(told) == 1 and b"terminating connection due to administrator command" in told[0]


def test_two_logins_at_once_do_not_share_the_last_place() -> None:
    gateway = cast(Any, object.__new__(Gateway))
    gateway._lock, gateway._sessions = threading.Lock(), {}
    gateway.internal = SimpleNamespace(query=lambda *_: None)
    first, second, other = (
        cast(Session, SimpleNamespace(user=user, limit=1, key=(pid, 0), remote="", application="", told=str))
        for pid, user in ((1, "ann"), (2, "ann"), (3, "joe"))
    )
    for session in (first, second, other):
        gateway.check_limit(session)
    gateway.register(first)
    gateway.register(other)
    with pytest.raises(ServerError, match='too many connections for user "ann"'):
        gateway.register(second)


def test_a_session_that_ends_while_postgresql_recovers_leaves_the_list_later() -> None:
    gateway = cast(Any, object.__new__(Gateway))
    session = SimpleNamespace(user="ann", key=(1, 0), ended_by_server=False, timed_out=False)
    gateway._lock, gateway._sessions, gateway._closing = threading.Lock(), {1: session}, False
    asked: list[object] = []

    def query(*given: object) -> None:
        asked.append(given)
        if len(asked) < 3:
            raise Disconnected("PostgreSQL recovers")

    gateway.internal = SimpleNamespace(query=query)
    gateway.unregister(session)
    wait_until(lambda: len(asked) == 3)
    assert len(set(map(str, asked))) == 1


def test_postgresql_may_end_again_while_it_is_started_again(tmp_path: Path) -> None:
    daemon = cast(Any, Daemon(tmp_path))
    daemon._external = ""
    ends = iter([1, 1, None])
    starts: list[str] = []
    process = SimpleNamespace(poll=lambda: next(ends), returncode=-9)
    daemon.engine = SimpleNamespace(
        process=process, start=lambda: starts.append("start"), has_ended=lambda: len(starts) < 2
    )
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.write(writer, b"\x11")

    def moved(_: object) -> None:
        os.write(writer, b"\x11")
        if len(starts) < 2:
            raise Disconnected("it has ended again")

    def written(_: object) -> None:
        os.write(writer, b"\x0f")

    daemon.gateway = SimpleNamespace(end_sessions=lambda *_: None, moved=moved)
    daemon._prepare = lambda: SimpleNamespace(target=None)
    daemon._write = written
    try:
        assert daemon.watch(reader) == 0
    finally:
        os.close(reader)
        os.close(writer)
    assert starts == ["start", "start"]


@pytest.mark.parametrize("begin", ["", "begin"])
def test_who_waits_for_a_table_keeps_nobody_else_waiting(wire: Wire, engine: Any, begin: str) -> None:
    """SHOW TABLE waits for who alters the table; it asked over the connection that all sessions share."""
    wire.query("create table t (a integer default 5)")
    wire.query("begin; alter table t add column b integer default 4")
    with Wire(wire.status) as waiting, Wire(wire.status) as other:
        waiting.login()
        waiting.query(begin)
        waiting.send(message(b"Q", text("show table t")))
        blocked = f"select count(*) from pg_stat_activity where {wire.key[0]} = any (pg_blocking_pids(pid))"
        wait_until(lambda: engine.execute(blocked).fetchone() == (1,))
        assert other.login().rows("select count(*) from pg_tables where tablename = 't'") == [("1",)]
        wire.query("commit")
        assert [data for kind, data in waiting.until() if kind == b"D" and b"a integer" in data]


def test_who_has_locked_a_table_is_shown_it(wire: Wire) -> None:
    wire.query("create table t (a integer default 5)")
    wire.query("begin; lock t")
    assert "a integer" in str(wire.rows("show table t"))
