"""What lineage promises, held against a database: a column that is no source of a result cannot change it.

Random queries run in SQLite, which knows the syntax used here and comes with Python. Then every source column that the
lineage does not name for a result gets other values; the result must be the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.project.lineage.frames import State
from deployer.project.lineage.model import CONTROL, Graph
from deployer.project.lineage.runs import Runner
from deployer.project.lineage.trace import trace

TABLES = {"s.a": ("k", "p", "q"), "s.b": ("k", "r", "t")}
ROWS = {
    "s.a": [(1, 5, 2), (2, 3, 9), (3, 8, 1), (4, 5, 5)],
    "s.b": [(1, 4, 7), (2, 6, 1), (3, 2, 2), (5, 9, 4)],
}


@st.composite
def expressions(draw: st.DrawFn, columns: Sequence[str], depth: int = 2) -> str:
    """An integer expression over `columns`."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([*columns, str(draw(st.integers(0, 9)))]))
    one, two, three = (draw(expressions(columns, depth - 1)) for _ in range(3))
    form = draw(st.sampled_from(["sum", "case", "coalesce", "nullif", "sub"]))
    return {
        "sum": f"({one} + {two})",
        "case": f"case when {one} > {two} then {three} else {one} end",
        "coalesce": f"coalesce({one}, {two})",
        "nullif": f"nullif({one}, {two})",
        "sub": f"(select max(inside.r) from s.b as inside where inside.k >= {one})",
    }[form]


@st.composite
def selects(draw: st.DrawFn, depth: int = 2) -> str:
    """A query with the columns v and u."""
    if depth and draw(st.integers(0, 3)) == 0:
        return f"{draw(selects(depth - 1))} union all {draw(selects(depth - 1))}"
    sources, columns = draw(froms(depth))
    where = (
        f" where {draw(expressions(columns))} > {draw(expressions(columns))}" if draw(st.booleans()) else ""
    )
    shape = draw(st.sampled_from(["plain", "grouped", "window", "whole"]))
    v, u = draw(expressions(columns)), draw(expressions(columns, 1))
    key = draw(st.sampled_from(columns))
    if shape == "grouped":
        aggregate = draw(st.sampled_from(["sum({})", "max({})", "count({})", "count(*)"])).format(v)
        having = f" having min({draw(expressions(columns, 1))}) > 1" if draw(st.booleans()) else ""
        return f"select {aggregate} as v, {key} as u from {sources}{where} group by {key}{having}"
    if shape == "window":
        over = f"over (partition by {key} order by {draw(expressions(columns, 1))}, {', '.join(columns)})"
        function = draw(st.sampled_from([f"sum({v})", "row_number()", f"lag({v})", "rank()"]))
        return f"select {function} {over} as v, {u} as u from {sources}{where}"
    if shape == "whole":
        return f"select count(*) as v, sum({u}) as u from {sources}{where}"
    return f"select {v} as v, {u} as u from {sources}{where}"


@st.composite
def froms(draw: st.DrawFn, depth: int) -> tuple[str, list[str]]:
    """A FROM list and what may be named of it."""
    kind = draw(st.sampled_from(["one", "inner", "left", "cross", "derived"] if depth else ["one", "inner"]))
    if kind == "derived":
        return f"({draw(selects(depth - 1))}) as d", ["d.v", "d.u"]
    if kind == "one":
        return "s.a as x", ["x.k", "x.p", "x.q"]
    both = ["x.k", "x.p", "x.q", "y.r", "y.t"]
    if kind == "cross":
        return "s.a as x cross join s.b as y", both
    if kind == "left":
        # By the key, which is unique: lineage leaves out that a left join may make more rows.
        return "s.a as x left join s.b as y on x.k = y.k", both
    return f"s.a as x join s.b as y on {draw(expressions(both, 1))} >= {draw(expressions(both, 1))}", both


def sources_of(query: str) -> dict[str, set[str]]:
    """For v and u the columns that have any influence on them."""
    graph = Graph()
    for table, columns in TABLES.items():
        graph.named(table, "table", list(columns))
    runner = Runner(graph, lambda parts: graph.relations.get(".".join(parts)))
    writer = runner.writer(None, State(), lambda pos: None)  # type: ignore[arg-type, return-value]
    view = runner.view(f"create view s.v as {query}", writer)
    assert not graph.gaps, graph.gaps
    found = {}
    for column in ("v", "u"):
        walk = trace(graph, [(view, column)], depth=CONTROL, transitive=True)
        found[column] = {f"{point.relation.name}.{point.column}" for point in walk.reached}
    return found


def result(query: str, rows: dict[str, list[tuple[int, ...]]]) -> dict[str, list[object]]:
    """The values of v and of u, in no order."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("attach ':memory:' as s")
        for table, columns in TABLES.items():
            connection.execute(f"create table {table} ({', '.join(columns)})")
            marks = ", ".join("?" for _ in columns)
            connection.executemany(f"insert into {table} values ({marks})", rows[table])
        found = connection.execute(query).fetchall()
    return {name: sorted((row[index] for row in found), key=repr) for index, name in enumerate(("v", "u"))}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(selects(), st.integers(1, 20))
def test_what_is_no_source_changes_nothing(query: str, shift: int) -> None:
    named = sources_of(query)
    before = result(query, ROWS)
    for table, columns in TABLES.items():
        for index, column in enumerate(columns):
            changed = [
                tuple((value * 7 + shift) % 11 if at == index else value for at, value in enumerate(row))
                for row in ROWS[table]
            ]
            after = result(query, {**ROWS, table: changed})
            for name in ("v", "u"):
                if f"{table}.{column}" not in named[name]:
                    assert after[name] == before[name], f"{table}.{column} changes {name} of {query}"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(selects())
def test_a_table_that_is_not_read_at_all_is_no_source(query: str) -> None:
    named = sources_of(query)
    for table in TABLES:
        if f"{table} " not in query:
            assert not any(source.startswith(table) for names in named.values() for source in names)
