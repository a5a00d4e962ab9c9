"""The file behind the Data API."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from deployer.local.data_api import limits
from deployer.local.data_api.records import Caller, Place, Request, Statement
from deployer.local.data_api.store import FILE, Store

REQUEST = Request(
    ("select 1", "select 2"), Place("dev", "admin", cluster="c"), Caller("eu-west-1", "0" * 12), "TRANSACTION"
)


def added(store: Store, identifier: str, now: float, status: str = "FINISHED") -> Statement:
    store.add(identifier, REQUEST, now)
    statement = store.statement(identifier)
    assert statement is not None
    statement.status = status
    store.save(statement)
    return statement


def test_a_statement_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = added(store, "a", 10.0)
    made.parts[1].columns, made.parts[1].rows = [{"name": "n"}], 7
    store.save_part("a", made.parts[1])
    store.close()
    found = Store(tmp_path).statement("a")
    assert found == made and found is not None and found.request == REQUEST
    assert found.rows == 7 and found.size == -1 and found.has_result


def test_it_is_for_its_owner_only(tmp_path: Path) -> None:
    Store(tmp_path)
    for path in tmp_path.glob(FILE + "*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_all_of_a_transaction_or_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.transaction():
        added(store, "a", 10.0)
        store.add_event("{}", 10.0)
        raise RuntimeError
    assert store.statement("a") is None and store.events(1) == []


def test_a_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    added(store, "a", 10.0)
    store.close()
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("pragma user_version = 99")
    other.close()
    store = Store(tmp_path)
    assert store.statement("a") is None
    added(store, "b", 10.0)


def test_what_expires_gives_its_room_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    added(store, "old", 10.0)
    for page in range(8):
        store.add_page("old", 1, page, bytes(1_000_000))
    added(store, "running", 10.0, status="STARTED")
    added(store, "new", 20.0)
    store.add_token("t", "old", "digest", 10.0)
    now = 15.0 + limits.RETENTION_SECONDS
    store.expire(now)
    store.close()
    assert (tmp_path / FILE).stat().st_size < 200_000
    store = Store(tmp_path)
    assert store.statement("old") is None and store.pages("old", 1, 0, 9) == []
    assert store.statement("running") is not None and store.statement("new") is not None
    assert store.token("t", 0.0) is None
