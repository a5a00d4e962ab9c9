"""Sessions share translations, and none gets one that is not its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployer.local.gateway import translations
from deployer.local.gateway.translations import Translations
from deployer.local.translate.api import Translation


def one(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchall()


def test_a_text_follows_each_session_s_own_relations(
    connect: Callable[..., Any], fresh_database: object
) -> None:
    first, second = connect().cursor(), connect().cursor()
    first.execute("create table t (a integer)")
    first.execute("insert into t values (7)")
    first.execute("commit")
    query = "select t.*, a / 2 as half from t"
    assert list(one(first, query)[0]) == list(one(second, query)[0]) == [7, 3]
    # A temporary table, and a table that only its transaction has changed, stand before it in one session only.
    first.execute("create temp table t (a decimal(8,2), b varchar(3))")
    first.execute("insert into t values (7, 'x')")
    assert one(first, query)[0][1] == "x"
    assert list(one(second, query)[0]) == [7, 3]
    assert one(first, query)[0][1] == "x"
    first.execute("commit")
    second.execute("commit")
    second.execute("alter table public.t add column c varchar(5)")
    assert list(one(second, query.replace("from t", "from public.t"))[0]) == [7, None, 3]
    assert list(one(second, query)[0]) == [7, None, 3]
    second.execute("rollback")
    assert list(one(second, query)[0]) == [7, 3]


def test_the_least_recently_used_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translations, "KEPT", 2)
    kept = Translations()
    for text in ("a", "b"):
        kept.put((text, (), ()), Translation((text,)), {})
    assert kept.get(("a", (), ())) is not None
    kept.put(("c", (), ()), Translation(("c",)), {})
    assert kept.get(("b", (), ())) is None
    assert kept.get(("a", (), ())) is not None
