"""Materialized views: what they hold, what they refuse, what the catalog tells of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from patience import wait_until
from redshift_connector import ProgrammingError


@pytest.fixture
def cursor(connect: Callable[..., Any], fresh_database: object) -> Any:
    cursor = connect(autocommit=True).cursor()
    cursor.execute("create table sales (id integer, kind varchar(10), amount decimal(10, 2))")
    cursor.execute("insert into sales values (1, 'a', 1.5), (2, 'b', 2.5), (3, 'a', 3.25)")
    return cursor


def rows(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


STATE = "select trim(name), is_stale, state, autorefresh from stv_mv_info order by 1"


def test_it_keeps_its_rows_until_it_is_refreshed(cursor: Any) -> None:
    cursor.execute(
        "create materialized view by_kind backup no diststyle key distkey (kind) sortkey (kind) auto refresh no as"
        " select kind, sum(amount) as total, count(*) as n from sales group by kind"
    )
    shown = "select kind, total::varchar, n from by_kind order by kind"
    before = [("a", "4.75", 2), ("b", "2.50", 1)]
    assert rows(cursor, shown) == before
    assert rows(cursor, STATE) == [("by_kind", "f", 1, "f")]
    cursor.execute("insert into sales values (4, 'c', 1)")
    assert rows(cursor, shown) == before
    assert rows(cursor, STATE) == [("by_kind", "t", 1, "f")]
    cursor.execute("refresh materialized view by_kind")
    assert rows(cursor, shown) == [*before, ("c", "1.00", 1)]
    cursor.execute("refresh materialized view by_kind")
    assert rows(cursor, STATE) == [("by_kind", "f", 1, "f")]
    log = rows(
        cursor,
        "select trim(mv_name), status, endtime >= starttime from svl_mv_refresh_status order by starttime",
    )
    assert log == [
        ("by_kind", "Refresh successfully recomputed MV from scratch", True),
        ("by_kind", "MV was already updated", True),
    ]
    for change in ("update sales set amount = 9", "delete from sales", "truncate sales"):
        cursor.execute("refresh materialized view by_kind")
        cursor.execute(change)
        assert rows(cursor, STATE)[0][1] == "t", change


def test_the_catalog_shows_it_as_a_view_with_its_text(cursor: Any) -> None:
    text = "create materialized view mv distkey (id) sortkey (kind) as select id, kind from sales"
    cursor.execute(text)
    assert rows(cursor, "select pg_catalog.pg_get_viewdef('mv'::regclass::oid, true)") == [(text,)]
    assert rows(cursor, "select definition from pg_views where viewname = 'mv'") == [(text,)]
    assert rows(cursor, "select table_type from svv_tables where table_name = 'mv'") == [("VIEW",)]
    assert rows(cursor, "select diststyle, sortkey1 from svv_table_info where \"table\" = 'mv'") == [
        ("KEY(id)", "kind")
    ]
    keys = rows(
        cursor,
        "select a.attname, a.attisdistkey, a.attsortkeyord from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relname like 'mv_tbl__mv__%' order by a.attnum",
    )
    assert keys == [("id", True, 0), ("kind", False, 1)]
    cursor.execute("create materialized view over_mv as select count(*) as n from mv")
    assert rows(cursor, "select trim(name), trim(ref_name) from stv_mv_deps") == [("over_mv", "mv")]
    cursor.execute("insert into sales values (9, 'z', 0)")
    cursor.execute("refresh materialized view mv")
    assert [row[:2] for row in rows(cursor, STATE)] == [("mv", "f"), ("over_mv", "t")]


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("select a.id from sales a join sales b on a.id = b.id", 1),
        ("select a.id from sales a left join sales b on a.id = b.id", 0),
        ("select count(distinct kind) as n from sales", 0),
        ("select distinct kind from sales", 0),
        ("select id, row_number() over (order by id) as n from sales", 0),
        ("select median(amount) as m from sales", 0),
        ("select id from sales union all select id from sales", 1),
        ("select id from sales union select id from sales", 0),
        ("select id from sales where id in (select id from sales)", 0),
        ("select id, getdate() as now from sales", 0),
    ],
)
def test_how_redshift_would_refresh_it(cursor: Any, query: str, state: int) -> None:
    cursor.execute(f"create materialized view mv as {query}")
    assert rows(cursor, "select state from svv_mv_info") == [(state,)]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("create materialized view mv as select * from sales order by id", "takes no ORDER BY"),
        ("create materialized view mv as select * from sales limit 1", "takes no LIMIT"),
        ("create materialized view mv as select * from v", 'cannot read the view "v"'),
        ("create materialized view mv as select * from lb", "cannot read the late binding view"),
        ("create materialized view mv as select * from tmp", 'cannot read the temporary table "tmp"'),
        ("create materialized view mv as select tablename from pg_tables", "cannot read the system table"),
        (
            "create materialized view mv auto refresh yes as select getdate() as d from sales",
            "mutable function",
        ),
        ("create materialized view mv auto refresh yes as select id from kept", "another materialized view"),
        ("insert into kept values (1)", "cannot insert into the view"),
        ("alter table kept rename to other", "cannot be renamed or altered"),
        ("drop view kept", "is not a view"),
        ("refresh materialized view sales", "is not a materialized view"),
        ("refresh materialized view gone", 'relation "gone" does not exist'),
        ("drop table sales", "other objects depend on it"),
        ("alter materialized view kept alter sortkey (id)", "AUTO REFRESH is"),
        ("create materialized view #mv as select * from sales", "cannot be temporary"),
    ],
)
def test_refused(cursor: Any, statement: str, told: str) -> None:
    cursor.execute("create view v as select id from sales")
    cursor.execute("create view lb as select id from public.sales with no schema binding")
    cursor.execute("create temp table tmp (i integer)")
    cursor.execute("create materialized view kept as select id from sales")
    with pytest.raises(ProgrammingError) as caught:
        cursor.execute(statement)
    assert told in caught.value.args[0]["M"]


def test_auto_refresh_follows_its_table(cursor: Any) -> None:
    cursor.execute("create materialized view mv auto refresh yes as select id from sales")
    cursor.execute("create materialized view later as select id from sales")
    cursor.execute("alter materialized view later auto refresh yes")
    cursor.execute("insert into sales values (4, 'd', 0)")
    for view in ("mv", "later"):
        wait_until(lambda view=view: rows(cursor, f"select count(*) from {view}") == [(4,)])
    assert [row[1:] for row in rows(cursor, STATE)] == [("f", 1, "t"), ("f", 1, "t")]
    assert rows(cursor, "select distinct trim(refresh_type) from svl_mv_refresh_status") == [("Auto",)]


def test_only_its_owner_refreshes_it(cursor: Any, connect: Callable[..., Any]) -> None:
    cursor.execute("create materialized view mv as select id from sales")
    cursor.execute("create user reader password 'Reader123'")
    cursor.execute("grant select on mv to reader")
    other = connect(user="reader", password="Reader123", autocommit=True).cursor()
    assert len(rows(other, "select id from mv")) == 3
    with pytest.raises(ProgrammingError, match="must be owner"):
        other.execute("refresh materialized view mv")
    cursor.execute("drop materialized view if exists mv, gone")
    assert rows(cursor, STATE) == []


def test_two_of_one_table_may_be_made_at_once(cursor: Any, connect: Callable[..., Any], engine: Any) -> None:
    first, second = connect(), connect()
    first.cursor().execute("create materialized view one as select id from sales")
    made = threading.Thread(
        target=lambda: second.cursor().execute("create materialized view two as select id from sales")
    )
    made.start()
    waits = "select count(*) from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"
    wait_until(lambda: engine.execute(waits).fetchone() == (1,))
    first.commit()
    made.join()
    second.commit()
    assert [row[0] for row in rows(cursor, STATE)] == ["one", "two"]
