"""Whatever the condition: an external table answers as a table with the same rows does, and pruning changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.local.gateway.scans import _conditions

KEYS = {
    "n": st.sampled_from(["1", "2", "3", "null"]),
    "p": st.sampled_from(["'a'", "'b and c'", "'b and c '", "null"]),
    "d": st.sampled_from(["'2024-01-01'::date", "'2024-02-29'::date", "null::date"]),
}
COLUMNS = {**KEYS, "x": st.sampled_from(["0", "1", "5", "null"])}


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth and draw(st.booleans()):
        word = draw(st.sampled_from(["and", "or"]))
        left, right = draw(conditions(depth - 1)), draw(conditions(depth - 1))
        return f"{'not ' if draw(st.booleans()) else ''}({left} {word} {right})"
    name = draw(st.sampled_from(sorted(COLUMNS)))
    one, two = draw(COLUMNS[name]), draw(COLUMNS[name])
    other = draw(st.sampled_from(sorted(COLUMNS)))
    return draw(
        st.sampled_from(
            [
                f"{name} = {one}", f"{name} <> {one}", f"{name} in ({one}, {two})", f"{name} between {one} and {two}",
                f"{name} is null", f"{name} is not null", f"coalesce({name}, {one}) >= {two}",
                f"case when {name} = {one} and x > 0 then true when {other} is null then false else {name} is null end",
                f"({name} = {one}) = ({other} is null)", "n = x", "x is not null and n > 1", "p like 'b%'",
                f"nvl({name}, {one}) = {two} and x = 1", "date_part(month, d) = 2", "n in (select 2)",
            ]
        )
    )  # fmt: skip


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=conditions())
def test_pruning_changes_no_answer(
    lake: Any, connect: Callable[..., Any], fresh_database: Any, condition: str
) -> None:
    cursor = connect(autocommit=True).cursor()
    if not _made(cursor):
        _make(cursor)
    answers = []
    for table in ("public.here", "spectrum.there"):
        cursor.execute(f"select n, p, d, x from {table} as t where {condition} order by 1, 2, 3, 4")
        answers.append(cursor.fetchall())
    assert answers[0] == answers[1]
    cursor.execute(f"select count(*) from both_of_them where {condition}")
    assert cursor.fetchone()[0] == 2 * len(answers[0])


def _made(cursor: Any) -> bool:
    cursor.execute("select count(*) from svv_external_tables where schemaname = 'spectrum'")
    return bool(cursor.fetchone()[0])


def _make(cursor: Any) -> None:
    cursor.execute("create table here as select n.n::integer, p.p::varchar(10), d.d::date, x.x::integer from"
                   " (select 1 as n union all select 2 union all select null) n,"
                   " (select 'b and c' as p union all select null) p,"
                   " (select '2024-02-29' as d union all select null) d,"
                   " (select 0 as x union all select 1 union all select 5 union all select null) x")  # fmt: skip
    cursor.execute("unload ('select * from here') to 's3://lake/p/' iam_role default parquet"
                   " partition by (n, p, d) allowoverwrite")  # fmt: skip
    cursor.execute("create external schema spectrum from data catalog database 'lake' iam_role default"
                   " create external database if not exists")  # fmt: skip
    cursor.execute("create external table spectrum.there (x integer) partitioned by (n integer, p varchar(10), d date)"
                   " stored as parquet location 's3://lake/p/'")  # fmt: skip
    null = "__HIVE_DEFAULT_PARTITION__"
    parts = " ".join(
        f"partition (n='{n}', p='{p}', d='{d}') location 's3://lake/p/n={n}/p={p}/d={d}/'"
        for n in ("1", "2", null)
        for p in ("b and c", null)
        for d in ("2024-02-29", null)
    )
    cursor.execute(f"alter table spectrum.there add {parts}")
    cursor.execute("create view both_of_them as select n, p, d, x from public.here union all"
                   " select n, p, d, x from spectrum.there with no schema binding")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("((b.n = 1) AND (b.x > 2))", ["b.n = 1"]),
        ("(b.n = 1)", ["b.n = 1"]),
        ("((b.n = 1) OR (b.x > 2))", []),
        (
            "(((b.n = 1) OR (b.p = ') AND ('::text)) AND (b.n <> $1))",
            ["(b.n = 1) OR (b.p = ') AND ('::text)"],
        ),
        ("((b.n = a.n) AND (b.p = 'x'::text))", ["b.p = 'x'::text"]),
        ("((redshift.f(b.n) > 1) AND (hashed SubPlan 1))", ["redshift.f(b.n) > 1"]),
        ("((b.n)::double precision < random())", []),
        ("(CASE WHEN (b.n = 1) THEN true ELSE (b.x IS NULL) END AND (b.n IS NOT NULL))", ["b.n IS NOT NULL"]),
    ],
)
def test_the_conditions_that_concern_keys_only(text: str, found: list[str]) -> None:
    stripped = [
        one.strip("()") if one.count("(") == one.count(")") == 1 else one
        for one in _conditions(text, "b", {"n", "p"})
    ]
    assert stripped == [one.strip("()") if one.count("(") == one.count(")") == 1 else one for one in found]
