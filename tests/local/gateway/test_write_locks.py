"""The write lock of a table: who waits for whom, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gateway_wire import Refusal, Wire
from patience import PATIENCE, wait_until

from deployer.local.environment import Status
from deployer.local.gateway import codec

CONFLICT = "could not complete because of conflict with concurrent transaction"


@pytest.fixture
def pair(fresh_database: Status) -> Iterator[tuple[Wire, Wire]]:
    with Wire(fresh_database) as first, Wire(fresh_database) as second:
        first.login().query("create table t (a int, b int); insert into t values (1, 0), (2, 0)")
        yield first, second.login()


def waiting(engine: Any, wire: Wire) -> bool:
    """Whether the session of `wire` waits for a lock of another one."""
    (found,) = engine.execute("select cardinality(pg_blocking_pids(%s)) > 0", [wire.key[0]]).fetchone()
    return bool(found)


def in_thread(wire: Wire, sql: str) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []

    def run() -> None:
        seen = wire.query(sql)
        errors = [codec.unpack_fields(data)["M"] for kind, data in seen if kind == b"E"]
        answers.append(errors[0] if errors else [data[:-1].decode() for kind, data in seen if kind == b"C"])

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def until_waiting(engine: Any, wire: Wire) -> None:
    wait_until(lambda: waiting(engine, wire))


WRITES = {
    "update": "update t set b = b + 1 where a = 2",
    "delete": "delete from t where a = 2",
    "merge": "merge into t using (select 2 as k) s on t.a = s.k when matched then update set b = 9 "
    "when not matched then insert values (s.k, 9)",
}


@pytest.mark.parametrize("begin", ["", "begin; "])
@pytest.mark.parametrize("write", ["update", "delete", "merge"])
def test_a_writer_waits_for_the_writer_of_other_rows(
    pair: tuple[Wire, Wire], engine: Any, write: str, begin: str
) -> None:
    """DG "Concurrent write examples": the second waits for the first, and then succeeds on what it has committed."""
    first, second = pair
    first.query("begin; update t set b = 1 where a = 1")
    thread, answers = in_thread(second, begin + WRITES[write])
    until_waiting(engine, second)
    first.query("commit")
    thread.join(PATIENCE)
    assert answers[0][-1] in ("UPDATE 1", "DELETE 1", "MERGE 1")
    if begin:
        second.query("commit")
    assert first.rows("select count(*) from t where b = 1 and a = 1") == [("1",)]


def test_the_same_row_is_no_conflict_for_who_waited_without_a_snapshot(
    pair: tuple[Wire, Wire], engine: Any
) -> None:
    """ "the second transaction does not obtain its snapshot of data until after the first transaction has released its
    lock" (c_write_readwrite)."""
    first, second = pair
    first.query("begin; update t set b = 1 where a = 1")
    thread, answers = in_thread(second, "update t set b = b + 10 where a = 1")
    until_waiting(engine, second)
    first.query("commit")
    thread.join(PATIENCE)
    assert answers == [["UPDATE 1"]]
    assert first.rows("select b from t where a = 1") == [("11",)]


@pytest.mark.parametrize("row, outcome", [(1, CONFLICT), (2, ["UPDATE 1"])])
def test_with_an_older_snapshot_only_the_same_row_is_a_conflict(
    pair: tuple[Wire, Wire], engine: Any, row: int, outcome: Any
) -> None:
    first, second = pair
    second.query("begin; select * from t")
    first.query("begin; update t set b = 1 where a = 1")
    thread, answers = in_thread(second, f"update t set b = 2 where a = {row}")
    until_waiting(engine, second)
    first.query("commit")
    thread.join(PATIENCE)
    assert answers == [outcome]


def test_inserts_share_a_table_and_others_wait_for_them(pair: tuple[Wire, Wire], engine: Any) -> None:
    first, second = pair
    first.query("begin; insert into t values (3, 0)")
    assert second.tags("begin; insert into t values (4, 0)") == ["BEGIN", "INSERT 0 1"]
    assert second.rows("select count(*) from t") == [("3",)]
    # Now either one that goes on to an exclusive lock waits for the other: the page's deadlock in a single table.
    thread, answers = in_thread(second, "update t set b = 1")
    until_waiting(engine, second)
    with pytest.raises(Refusal, match="deadlock detected"):
        first.rows("delete from t")
    first.query("rollback")
    thread.join(PATIENCE)
    assert answers == [["UPDATE 3"]]


def test_readers_do_not_wait(pair: tuple[Wire, Wire]) -> None:
    first, second = pair
    first.query("begin; update t set b = 1")
    assert second.rows("select count(*) from t where b = 0") == [("2",)]


def test_a_write_without_a_block_ends_with_its_message(pair: tuple[Wire, Wire]) -> None:
    """The block around it is the gateway's own: it must neither stay open nor survive an error."""
    first, second = pair
    assert first.tags("update t set b = 1; select 1; insert into t values (7, 7)") == [
        "UPDATE 2",
        "SELECT",
        "INSERT 0 1",
    ]
    assert second.rows("select sum(b) from t") == [("9",)]
    with pytest.raises(Refusal, match="division by zero"):
        first.rows("delete from t; select 1/0")
    assert second.rows("select count(*) from t") == [("3",)]
    assert first.tags("update t set b = 2; begin; update t set b = 5") == ["UPDATE 3", "BEGIN", "UPDATE 3"]
    assert second.rows("select sum(b) from t") == [("9",)]
    first.query("commit")
    assert second.rows("select sum(b) from t") == [("15",)]


def test_a_driver_that_prepares_first_waits_and_succeeds(
    pair: tuple[Wire, Wire], engine: Any, connect: Callable[..., Any]
) -> None:
    """Parse alone would take the snapshot in PostgreSQL, and make a conflict of what is none."""
    first, _ = pair
    blocked = f"select count(*) from pg_stat_activity where {first.key[0]} = any (pg_blocking_pids(pid))"
    for autocommit in (True, False):
        connection = connect(autocommit=autocommit)
        cursor = connection.cursor()
        first.query("begin; update t set b = 1 where a = 1")
        arguments = ("update t set b = b + %s where a = 1", (10,))
        thread = threading.Thread(target=cursor.execute, args=arguments)
        thread.start()
        wait_until(lambda: engine.execute(blocked).fetchone() == (1,))
        first.query("commit")
        thread.join(PATIENCE)
        assert cursor.rowcount == 1
        connection.commit()
        assert first.rows("select b from t where a = 1") == [("11",)]


def test_a_column_grant_is_enough_for_the_lock(fresh_database: Status, connect: Callable[..., Any]) -> None:
    admin = connect(autocommit=True).cursor()
    admin.execute("create table t (a int, b int)")
    admin.execute("insert into t values (1, 1)")
    admin.execute("create user clerk password 'Secret123x'")
    admin.execute("grant usage on schema public to clerk")
    admin.execute("grant update (b) on t to clerk")
    admin.execute("grant select on t to clerk")
    clerk = connect(user="clerk", password="Secret123x", autocommit=True).cursor()
    clerk.execute("update t set b = 5")
    assert clerk.rowcount == 1
    with pytest.raises(Exception, match="permission denied for table t"):
        clerk.execute("delete from t")
    clerk.execute("select current_user")
    assert clerk.fetchone()[0] == "clerk"
