"""Translated statements run on a real PostgreSQL, and give what Redshift's documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.local.translate.api import Translation
from deployer.local.translate.position import map_position
from deployer.local.translate.translator import translate
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType
from tests.local.translate.catalog import CATALOG

ROWS = """
insert into sales values
 (1, 1, 10, 100.10, 1.5, 'Rome', 'EUR', '2024-01-31', '2024-01-31 10:00:00', '2024-01-31 10:00:00+00', true, 1.5, 2.5,
  json_parse('{"a": {"b": [1, "x"]}}')),
 (2, 2, 3, 50.05, 0.00000001, 'Rome  ', 'USD', '2024-02-01', '2024-02-01 00:00:00', null, false, 0.1, 0.1, null),
 (3, 3, -7, 0.01, 2, 'Oslo', 'NOK', '2024-02-29', '2024-02-29 23:59:59', null, null, 1, 1, null),
 (4, null, null, null, null, null, null, null, null, null, null, null, null, null)
"""


@pytest.fixture(scope="module")
def run(engine_dsn: str) -> Iterator[Any]:
    """Runs Redshift text over the tables of CATALOG and gives the cursor."""
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        connection.execute("drop schema if exists translate_test cascade; create schema translate_test")

        def execute(sql: str) -> psycopg.Cursor[Any]:
            found = translate(sql, Moved())
            cursor = connection.cursor()
            for index, text in enumerate(found.statements):
                if index == found.main:
                    cursor.execute(text.encode())
                else:
                    connection.execute(text.encode())
            return cursor

        connection.execute("set search_path to translate_test")
        for name in ("sales", "listing"):
            listed = ", ".join(f'"{column}" {_text(kind)}' for column, kind in Moved().table(name))
            execute(f"create table translate_test.{name} ({listed})")
        execute(ROWS)
        execute("insert into listing values (1, 'Rome', '2023-01-01'), (2, 'Oslo', '2023-02-01')")
        yield execute
        connection.execute("drop schema translate_test cascade")


def _text(kind: RedshiftType) -> str:
    if kind.is_decimal:
        return f"decimal({kind.precision},{kind.scale})"
    if kind.length:
        return f"{kind.name}({kind.length})"
    return "double precision" if kind.name == "double" else kind.name


class Moved:
    """CATALOG with its tables in the test's own schema."""

    database = "dev"

    def table(self, name: str) -> Any:
        from deployer.sql.names import Name

        found = CATALOG.relation(Name(name))
        assert found is not None
        return found.columns

    def relation(self, name: Any) -> Any:
        from dataclasses import replace

        if name.schema == "translate_test" and name.name in MADE:
            return MADE[name.name]
        found = CATALOG.relation(replace(name, schema=None)) if name.schema == "translate_test" else None
        found = found or CATALOG.relation(name)
        if found is None or found.physical[0] != "public":
            return found
        return replace(found, physical=("translate_test", found.physical[1]))

    def functions(self, name: Any) -> Any:
        return CATALOG.functions(name)


MADE: dict[str, Any] = {}

QUERIES = [
    ("select sum(price) / count(*) from sales", [(Decimal("37.5400"),)]),
    ("select avg(price) from sales", [(Decimal("50.05"),)]),
    ("select avg(units) from sales", [(2,)]),
    ("select 7 / 2, -7 / 2, 7 % 3", [(3, -3, 1)]),
    ("select price / qty from sales where id = 1", [(Decimal("100.10000000"),)]),
    ("select count(*) from sales where city = 'Rome'", [(2,)]),
    ("select count(*) from sales where city in ('Rome ', 'x')", [(2,)]),
    ("select count(*) from sales where city between 'Rome' and 'Rome'", [(2,)]),
    ("select s.id from sales s join listing l using (city) order by s.id", [(1,), (2,), (3,)]),
    ("select s.id from sales s natural join (select city from listing) l order by 1", [(1,), (2,), (3,)]),
    ("select count(*) from sales where city in (select city from listing)", [(3,)]),
    ("select case city when 'Rome' then 1 else 0 end from sales order by id limit 2", [(1,), (1,)]),
    ("select qty * 2 as a, a + 1 as b from sales where a = 2", [(2, 3)]),
    ("select top 2 id from sales order by id desc", [(4,), (3,)]),
    ("select qty from sales order by qty desc limit 2", [(None,), (3,)]),
    ("select qty from sales order by qty desc nulls last limit 1", [(3,)]),
    (
        "select city, count(*) from sales s group by city having count(*) > 0 order by 1 limit 1",
        [("Oslo", 1)],
    ),
    (
        "select id, row_number() over (partition by code order by id) as n from sales s qualify n = 1 "
        "order by price desc",
        [(4, 1), (1, 1), (2, 1), (3, 1)],
    ),
    (
        "select distinct paid from sales s qualify count(*) over () = 4 order by 1",
        [(False,), (True,), (None,)],
    ),
    ("select day + 1 from sales where id = 1", [("2024-02-01",)]),
    ("select day - date '2024-01-01' from sales where id = 1", [(30,)]),
    ("select day + interval '1 day, 3 hours' from sales where id = 1", [("2024-02-01 03:00:00",)]),
    ("select day + interval '90' from sales where id = 1", [("2024-01-31 00:01:30",)]),
    # r_interval_data_types, r_interval_literals.
    (
        "select '2024-01-15'::date + interval '1' month, date '2024-02-29' - interval '1' year",
        [("2024-02-15", "2023-02-28")],
    ),
    (
        "select '2024-01-15'::date + interval '1 month', '2024-01-15'::date + interval '1' day",
        [("2024-02-15 00:00:00", "2024-01-16 00:00:00")],
    ),
    ("select 'größe'::varchar(4), 'abcdef'::char(3)", [("grö", "abc")]),
    ("select city::varchar(3) from sales where id = 1", [("Rom",)]),
    ("select 109.652::decimal(4,1), 0.5::decimal(2,0), -0.5::decimal(2,0)", [("109.7", "1", "-1")]),
    ("select cast('12.345' as decimal(5,2))", [("12.35",)]),
    ("select convert(integer, '12')", [(12,)]),
    ("select 1 minus select 1", []),
    ("select 1 union all select 2.50 order by 1", [("1.00",), ("2.50",)]),
    ("select 1 union select 2 intersect select 2 order by 1", [(1,), (2,)]),
    (
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3) select sum(i) from n",
        [(6,)],
    ),
    ("select extra.a.b[1] from sales where id = 1", [("x",)]),
    ("select s.extra.a.nosuch from sales s where id = 1", [(None,)]),
    ("select coalesce(qty, 0) + 0.5 from sales order by id desc limit 1", [("0.5",)]),
    (
        "select (select max(opened) from listing where listing.id = sales.id) from sales where id = 2",
        [("2023-02-01",)],
    ),
    ("select 1 where not exists (select 1 from sales where id = 9)", [(1,)]),
    ("select id from (select id from sales) where id = 1", [(1,)]),
    ("select 'a' || 1 || null", [(None,)]),
    ("select city || '-' || code from sales where id = 1", [("Rome-EUR",)]),
    ("select seen_at at time zone 'Europe/Rome' from sales where id = 1", [("2024-01-31 11:00:00",)]),
    (
        "select nullif(units, 3) is null, not paid, paid = true from sales where id = 2 and paid is not true",
        [(True, True, False)],
    ),
    ("select 'abc' similar to '(a|b)%', 'abc' not like 'b%', 'ABC' ilike 'a%'", [(True, True, True)]),
    ("select r'x' from (select 1 as r) q", None),
    ("select city from sales group by 1 order by count(*) desc, 1 limit 1", None),
    (
        "select max(price) over (order by id rows unbounded preceding) from sales order by id limit 1",
        [("100.10",)],
    ),
    ("select extract(month from day), date_part(week, day) from sales where id = 1", [(1, 5.0)]),
    (
        "select trim(both 'x' from 'xax'), substring('abcd' from 2 for 2), position('b' in 'ab')",
        [("a", "bc", 2)],
    ),
    ("select decode(code, 'EUR', 1, 'USD', 2, 0), nvl2(qty, 'y', 'n') from sales where id = 2", [(2, "y")]),
    ("select listagg(code, ',') within group (order by id desc) from sales", [("NOK,USD,EUR",)]),
    ("select median(units), percentile_cont(0.5) within group (order by units) from sales", None),
    ("select count(*) from sales where id = '1'::varchar and price > '50.5'::varchar", [(1,)]),
    ("select grouping(code), count(*) from sales group by rollup(code) order by 1 desc limit 1", [(1, 4)]),
]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int) else str(value).rstrip()


@pytest.mark.parametrize("sql, expected", QUERIES)
def test_queries_answer_as_documented(run: Any, sql: str, expected: list[tuple[Any, ...]] | None) -> None:
    if sql.startswith("select r'x'"):
        with pytest.raises(Refused):
            run(sql)
        return
    rows = run(sql).fetchall()
    if expected is not None:
        assert [tuple(map(_plain, row)) for row in rows] == [tuple(map(_plain, row)) for row in expected]


def test_trailing_blanks_do_not_hide_an_index(run: Any) -> None:
    run("create table translate_test.keyed (k varchar(20), v int) sortkey (k, v)")
    rows = run("select 1 from sales limit 0").connection.execute(
        "select indexdef from pg_indexes where schemaname = 'translate_test' and tablename = 'keyed'"
    )
    assert [row[0].split(" USING ")[1] for row in rows] == [
        "brin (((k)::bpchar), v) WITH (pages_per_range='16')"
    ]


def test_create_table_as_has_the_inferred_types(run: Any) -> None:
    cursor = run(
        "create table translate_test.made distkey(a) sortkey(b) as select id as a, price * rate as b, 'abc' as c, "
        "city || 'x' as d, avg(price) over () as e, sum(units) over () as f, paid as g from sales"
    )
    assert cursor.statusmessage == "INSERT 0 4"
    rows = cursor.connection.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = 'translate_test.made'::regclass and attnum > 0 order by attnum"
    ).fetchall()
    assert rows == [
        ("a", "bigint"),
        ("b", "numeric(31,10)"),
        ("c", "character varying(3)"),
        ("d", "character varying(101)"),
        ("e", "numeric(38,2)"),
        ("f", "bigint"),
        ("g", "boolean"),
    ]


def test_varchar_counts_bytes(run: Any) -> None:
    run("create table translate_test.narrow (a varchar(4), b char(2))")
    table = CATALOG.relation
    from deployer.local.translate.api import Relation
    from deployer.sql.names import Name

    assert table is not None
    MADE["narrow"] = Relation(
        Name("narrow", "translate_test"), "table", ("translate_test", "narrow"),
        (("a", RedshiftType("varchar", length=4)), ("b", RedshiftType("char", length=2))),
    )  # fmt: skip
    run("insert into translate_test.narrow values ('grö', 'ab')")
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        run("insert into translate_test.narrow values ('größ', 'ab')")
    assert caught.value.diag.constraint_name == "zs_bytes_4_a"
    with pytest.raises(psycopg.errors.CheckViolation):
        run("insert into translate_test.narrow values ('a', 'ö')")
    run("insert into translate_test.narrow values ('abcd    ', 'a')")


def test_rows_are_changed(run: Any) -> None:
    MADE.update(_target("target", "id bigint, city varchar(10), price decimal(12,2), info super"))
    run("create table translate_test.target (id bigint, city varchar(10), price decimal(12,2), info super)")
    run("insert into translate_test.target (id, city) select id, city from sales where id < 3")
    assert (
        run("update translate_test.target t set price = s.price from sales s where s.id = t.id").rowcount == 2
    )
    merge = (
        "merge into translate_test.target using (select id, code from sales where id in (2, 3)) s on target.id = s.id "
        "when matched then update set city = 'M' when not matched then insert (id, city) values (s.id, s.code)"
    )
    assert run(merge).rowcount == 2
    assert run("select id, city, price from translate_test.target order by id").fetchall() == [
        (1, "Rome", Decimal("100.10")),
        (2, "M", Decimal("50.05")),
        (3, "NOK", None),
    ]
    assert run("delete from translate_test.target using listing l where target.id = l.id").rowcount == 2
    run(
        "insert into translate_test.target values (7, 'x', '1.5', 'text'), (8, default, 2, json_parse('{\"a\":1}'))"
    )
    rows = run("select info from translate_test.target where id > 6 order by id").fetchall()
    assert [row[0] for row in rows] == ["text", {"a": 1}]
    with pytest.raises(psycopg.errors.CardinalityViolation):
        run(
            "merge into translate_test.target using (select 7 as id from sales) s on target.id = s.id "
            "when matched then delete when not matched then insert (id) values (s.id)"
        )


def _target(name: str, text: str) -> dict[str, Any]:
    from deployer.local.translate.api import Relation
    from deployer.sql.names import Name
    from tests.local.translate.catalog import columns

    physical = ("translate_test", name)
    return {name: Relation(Name(name, "translate_test"), "table", physical, columns(text))}


NUMBERS = ["id", "qty", "units", "price", "rate", "1", "2.50", "cast(3 as decimal(38,4))", "7::smallint"]


def _arithmetic(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.builds("({} {} {})".format, children, st.sampled_from("+-*/"), children)
    choice = st.builds("case when id > 1 then {} else {} end".format, children, children)
    either = st.builds("coalesce({}, {})".format, children, children)
    return binary | choice | either | st.builds("(- {})".format, children)


EXPRESSIONS = st.recursive(st.sampled_from(NUMBERS), _arithmetic, max_leaves=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expression=EXPRESSIONS)
def test_the_result_has_the_inferred_type(run: Any, expression: str) -> None:
    """Whatever is accepted runs, or fails for a value (overflow, division by zero); never for its text."""
    sql = f"select {expression} as x from sales"
    try:
        inferred = _columns(translate(sql, Moved()))
    except Refused as error:
        assert error.sqlstate in ("42804", "22003"), error.message
        return
    try:
        cursor = run(f"select * from ({sql}) q limit 0")
    except psycopg.errors.DataError:
        # PostgreSQL folds constants while planning: 1 / 0 fails without a row.
        return
    column = cursor.description[0]
    names = {20: "bigint", 21: "smallint", 23: "integer", 1700: "decimal", 701: "double", 700: "real"}
    assert names[column.type_code] == inferred.name
    if inferred.is_decimal:
        assert (column.precision, column.scale) == (inferred.precision, inferred.scale)
    try:
        run(sql)
    except psycopg.errors.DataError:
        pass


def _columns(found: Translation) -> RedshiftType:
    kind = found.columns[0][1]
    assert kind is not None
    return kind


def test_positions_map_to_the_users_text(run: Any) -> None:
    sql = "select id, 'a' as b, city || (select 'x') from sales where id / 0 > 1 and code::int = 2"
    found = translate(sql, Moved())
    text = found.statements[0]
    for written, ours in (("city", '"city" ||'), ("code", '"code"'), ("0 >", "0) >")):
        assert map_position(sql, text, text.index(ours)) == sql.index(written)
