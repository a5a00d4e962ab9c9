"""Snapshot isolation, its conflicts, locks, TRUNCATE, and what happens after large writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_wire import Wire
from patience import PATIENCE, wait_until

from deployer.local.environment import Status

CONFLICT = "could not complete because of conflict with concurrent transaction"


@pytest.fixture
def pair(fresh_database: Status) -> Iterator[tuple[Wire, Wire]]:
    with Wire(fresh_database) as first, Wire(fresh_database) as second:
        first.login().query("create table t (a int, b int); insert into t values (1, 0), (2, 0)")
        yield first, second.login()


def test_a_transaction_keeps_its_snapshot(pair: tuple[Wire, Wire]) -> None:
    first, second = pair
    first.query("begin; select count(*) from t")
    second.query("insert into t values (3, 0)")
    assert first.rows("select count(*) from t") == [("2",)]
    first.query("commit")
    assert first.rows("select count(*) from t") == [("3",)]


def test_the_snapshot_is_taken_by_the_first_query_not_by_begin(pair: tuple[Wire, Wire]) -> None:
    first, second = pair
    first.query("begin")
    second.query("insert into t values (3, 0)")
    assert first.rows("select count(*) from t") == [("3",)]


def test_locking_first_sees_what_was_committed_before_the_lock(pair: tuple[Wire, Wire], engine: Any) -> None:
    """The lease's pattern: BEGIN, LOCK, then read and write without a conflict."""
    first, second = pair
    second.query("begin; lock t; update t set b = 1 where a = 1")
    answers: list[Any] = []
    thread = threading.Thread(
        target=lambda: answers.append(first.rows("begin; lock t; select b from t where a = 1"))
    )
    thread.start()
    blocked = "select %s = any (pg_blocking_pids(%s))"
    wait_until(lambda: engine.execute(blocked, [second.key[0], first.key[0]]).fetchone()[0])
    second.query("commit")
    thread.join(PATIENCE)
    assert answers == [[("1",)]]
    assert first.tags("update t set b = b + 1 where a = 1; commit") == ["UPDATE 1", "COMMIT"]


def test_writing_the_same_row_is_a_conflict(pair: tuple[Wire, Wire]) -> None:
    first, second = pair
    first.query("begin; select * from t")
    second.query("update t set b = 5 where a = 1")
    fields = first.error("update t set b = 6 where a = 1")
    assert (fields["C"], fields["M"]) == ("40001", CONFLICT)
    assert first.query("rollback")[-1] == (b"Z", b"I")


def test_write_skew_is_possible(pair: tuple[Wire, Wire]) -> None:
    first, second = pair
    for wire in pair:
        wire.query("begin; select sum(b) from t")
    assert first.tags("update t set b = 1 where a = 1; commit") == ["UPDATE 1", "COMMIT"]
    assert second.tags("update t set b = 1 where a = 2; commit") == ["UPDATE 1", "COMMIT"]


@pytest.mark.parametrize(
    "begin",
    [
        "begin", "begin work", "begin transaction", "start transaction", "begin isolation level serializable",
        "begin transaction isolation level read committed", "begin read write",
    ],
)  # fmt: skip
def test_isolation_levels_are_accepted_and_change_nothing(pair: tuple[Wire, Wire], begin: str) -> None:
    first, _ = pair
    assert first.tags(begin) == ["BEGIN"]
    assert first.rows("show transaction isolation level") == [("repeatable read",)]


@pytest.mark.parametrize("end", ["commit", "commit work", "end", "end transaction", "commit transaction"])
def test_commit_in_all_spellings(pair: tuple[Wire, Wire], end: str) -> None:
    first, second = pair
    first.query("begin; insert into t values (3, 0)")
    assert first.tags(end) == ["COMMIT"]
    assert second.rows("select count(*) from t") == [("3",)]


@pytest.mark.parametrize("end", ["rollback", "abort", "rollback work", "abort transaction"])
def test_rollback_in_all_spellings(pair: tuple[Wire, Wire], end: str) -> None:
    first, second = pair
    first.query("begin; insert into t values (3, 0)")
    assert first.tags(end) == ["ROLLBACK"]
    assert second.rows("select count(*) from t") == [("2",)]


@pytest.mark.parametrize(
    "sql",
    [
        "savepoint a",
        "rollback to savepoint a",
        "release savepoint a",
        "begin; commit and chain",
        "prepare transaction 'x'",
    ],
)
def test_savepoints_and_chains_are_refused(pair: tuple[Wire, Wire], sql: str) -> None:
    assert pair[0].error(sql)["C"] in ("0A000", "42601")


def test_truncate_commits_its_transaction(pair: tuple[Wire, Wire]) -> None:
    first, second = pair
    first.query("begin; insert into t values (3, 0)")
    assert first.query("truncate t")[-1] == (b"Z", b"I")
    assert second.rows("select count(*) from t") == [("0",)]


def test_vacuum_needs_to_stand_alone(pair: tuple[Wire, Wire]) -> None:
    first, _ = pair
    assert first.tags("vacuum t") == ["VACUUM"]
    assert first.query("begin")[-1] == (b"Z", b"T")
    assert first.error("vacuum t")["C"] == "25001"


def test_definitions_are_transactional(pair: tuple[Wire, Wire]) -> None:
    first, second = pair
    first.query("begin; create table made (a int); alter table t add column c int")
    assert first.rows("select count(c) from t") == [("0",)]
    first.query("rollback")
    assert second.error("select * from made")["C"] == "42P01"
    assert second.error("select c from t")["C"] == "42703"


def told_at_once(pair: tuple[Wire, Wire], engine: Any, create: str) -> list[dict[str, str]]:
    """What the second session is told, which runs a statement while the first one's same is not committed yet."""
    first, second = pair
    first.query(f"begin; {create}")
    told: list[dict[str, str]] = []
    thread = threading.Thread(target=lambda: told.append(second.error(create)))
    thread.start()
    blocked = "select %s = any (pg_blocking_pids(%s))"
    wait_until(lambda: engine.execute(blocked, [first.key[0], second.key[0]]).fetchone()[0])
    first.query("commit")
    thread.join(PATIENCE)
    return told


@pytest.mark.parametrize(
    ("create", "code"),
    [
        ("create table made (a int)", "42P07"),
        ("create view made as select 1 as one", "42P07"),
        ("create procedure made() as $$ begin null; end $$ language plpgsql", "42723"),
        ("create schema made", "42P06"),
        ("create user made password 'Password1'", "42710"),
    ],
)
def test_what_two_make_at_once_is_there_already(
    pair: tuple[Wire, Wire], engine: Any, create: str, code: str
) -> None:
    told = told_at_once(pair, engine, create)
    # As if it had come a moment later.
    later = {letter: value for letter, value in pair[1].error(create).items() if letter != "P"}
    assert told == [later] and later["C"] == code and '"made" already exists' in later["M"]


def test_what_two_replace_at_once_is_a_conflict(pair: tuple[Wire, Wire], engine: Any) -> None:
    create = "create or replace procedure made() as $$ begin null; end $$ language plpgsql"
    pair[0].query(create)
    told = told_at_once(pair, engine, create)
    assert [(one["C"], one["M"]) for one in told] == [("40001", CONFLICT)]


def test_a_prepared_statement_follows_a_changed_table(pair: tuple[Wire, Wire], connect: Any) -> None:
    first, _ = pair
    cursor = connect(autocommit=True).cursor()
    cursor.execute("select a, b from t order by 1")
    # Another table of the same name, its columns in another order and of other lengths.
    first.query(
        "drop table t; create table t (b int, filler varchar(5), a int); insert into t values (7, 'x', 8)"
    )
    cursor.execute("select a, b from t order by 1")
    assert cursor.fetchall() == ([8, 7],)
    first.query("drop table t; create table t (a varchar(5), b int)")
    with pytest.raises(Exception, match="must not change result type"):
        cursor.execute("select a, b from t order by 1")


def test_a_large_write_leaves_statistics_and_zone_maps(fresh_database: Status, engine: Any) -> None:
    with Wire(fresh_database) as wire:
        wire.login().query(
            "create table seed (a int); insert into seed values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)"
        )
        wire.query("create table large (a int) sortkey (a)")
        tags = wire.tags(
            "insert into large select p.a from seed p, seed q, seed r, seed s, seed t order by 1"
        )
    assert tags == ["INSERT 0 100000"]
    assert engine.execute(
        "select reltuples from pg_class where oid = 'public.large'::regclass"
    ).fetchone() == (100000,)
    (index,) = engine.execute(
        "select indexrelid::regclass::text from pg_index where indrelid = 'public.large'::regclass"
    ).fetchone()
    # Nothing is left to summarise.
    assert engine.execute("select brin_summarize_new_values(%s::regclass)", [index]).fetchone() == (0,)


def test_a_temporary_table_hides_a_permanent_one(pair: tuple[Wire, Wire]) -> None:
    first, second = pair
    assert first.tags("create temp table t (only_here int); insert into t values (7)") == [
        "CREATE TABLE",
        "INSERT 0 1",
    ]
    assert first.rows("select only_here from t") == [("7",)]
    assert second.error("select only_here from t")["C"] == "42703"
    assert first.rows("select count(*) from public.t") == [("2",)]


def test_search_path_decides(pair: tuple[Wire, Wire]) -> None:
    first, _ = pair
    first.query("create schema other; create table other.t (z int)")
    assert first.error("select z from t")["C"] == "42703"
    assert first.tags("set search_path to other, public") == ["SET"]
    assert first.rows("select count(z) from t") == [("0",)]
    first.query("begin; set search_path to public; rollback")
    assert first.rows("show search_path") == [("other, public",)]
    assert first.rows("select count(z) from t") == [("0",)]
