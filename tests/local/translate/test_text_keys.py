"""Text that is grouped, told apart and compared: without trailing blanks, and by COLLATE without regard to case.

Source of the case-insensitive answers and errors: DG r_CREATE_DATABASE, "Database collation", and r_COLLATE.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.local.environment import Status
from tests.local.translate.text_answers import Ask, Rows, asking

TABLES = """
create table t (id int, a varchar(10), n int);
insert into t values (1, 'x', 1), (2, 'x ', 2), (3, 'y', 3), (4, null, 4), (5, 'Y', 5);
create table ci (name varchar(20) collate case_insensitive, cs varchar(10));
insert into ci values ('bob', 'b'), ('john', 'j'), ('Mary', 'm'), ('JOHN', 'j'), ('Bob', 'b');
create table ci_copy as select * from ci;
create view ci_view as select name from ci
"""


@pytest.fixture(scope="module")
def ask(status: Status) -> Iterator[Ask]:
    with asking(status, "text_keys", TABLES) as made:
        yield made


ALL: Rows = [("Y",), ("x",), ("y",), (None,)]

ANSWERS: list[tuple[str, Rows]] = [
    ("select a, count(*) from t group by a order by 1", [("Y", "1"), ("x", "2"), ("y", "1"), (None, "1")]),
    ("select a, count(*) from t group by 1 having a = 'x'", [("x", "2")]),
    ("select upper(a) as k, a, count(*) from t group by 1, a having a = 'x'", [("X", "x", "2")]),
    ("select trim(a) as b, count(*) from t where b = 'x' group by b", [("x", "2")]),
    ("select a, sum(n), listagg(a, '|') within group (order by id) from t group by a order by a limit 2",
     [("Y", "5", "Y"), ("x", "3", "x|x ")]),
    ("select a, (select count(*) from t u where u.a = t.a) from t group by a order by 1 limit 2",
     [("Y", "1"), ("x", "2")]),
    ("select a, grouping(a), count(*) from t group by rollup(a) order by 1, 2",
     [("Y", "0", "1"), ("x", "0", "2"), ("y", "0", "1"), (None, "0", "1"), (None, "1", "5")]),
    ("select a, rank() over (order by a) from t group by a order by 2 limit 2", [("Y", "1"), ("x", "2")]),
    ("select distinct a from t order by a", ALL),
    ("select count(distinct a) from t", [("3",)]),
    ("select id, row_number() over (partition by a order by id) from t order by id limit 2", [("1", "1"), ("2", "2")]),
    ("select id, rank() over (order by a desc) from t order by 2, 1 limit 4",
     [("4", "1"), ("3", "2"), ("1", "3"), ("2", "3")]),
    ("select a from t union select 'x   ' order by 1", ALL),
    ("select a from t intersect select 'x   '", [("x",)]),
    ("select a from t minus select 'x   ' order by 1", [("Y",), ("y",), (None,)]),
    ("select distinct a, row_number() over (partition by a order by id) as r from t s qualify r = 1 order by a",
     [("Y", "1"), ("x", "1"), ("y", "1"), (None, "1")]),
    # case-insensitive
    ("select name from ci where name = 'John' order by cs", [("john",), ("JOHN",)]),
    ("select count(*) from ci where name like 'J%' and name in ('joHn') and name between 'a' and 'z'", [("2",)]),
    ("select max(n) from (select lower(name), count(*) as n from ci group by name)", [("2",)]),
    ("select rank() over (order by name) from ci order by name", [("1",), ("1",), ("3",), ("3",), ("5",)]),
    ("select count(*) from (select distinct name from ci)", [("3",)]),
    ("select count(*) from (select name from ci union select name from ci_copy)", [("3",)]),
    ("select lower(min(name)), max(name), count(distinct name) from ci", [("bob", "Mary", "3")]),
    ("select count(*) from ci_view where name = 'BOB'", [("2",)]),
    ("select a.cs from ci a join ci_copy b using (name) where b.name = 'MARY'", [("m",)]),
    ("select count(*) from ci where collate(name, 'case_sensitive') = 'john'", [("1",)]),
    ("select count(*) from ci where collate(cs, 'case_insensitive') = 'J'", [("2",)]),
    ("select count(*) from ci where collate(cs, 'ci') = 'J' and collate(name, 'cs') <> 'x'", [("2",)]),
    ("select case name when 'MARY' then 1 else 0 end from ci where cs = 'm'", [("1",)]),
    ("select count(*) from ci where upper(name) = 'bob'", [("2",)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "rows"), ANSWERS)
def test_answer(ask: Ask, sql: str, rows: Rows) -> None:
    assert ask(sql) == rows


@pytest.mark.parametrize(
    "sql",
    [
        "select name = cs from ci",
        "select concat(name, cs) from ci",
        "select name from ci union select cs from ci",
        "select 1 from ci a, ci b where a.name = b.cs",
        "select coalesce(name, cs) from ci",
        "select case when cs > 'a' then name else cs end from ci",
    ],
)
def test_columns_of_both_collations_do_not_meet(ask: Ask, sql: str) -> None:
    with pytest.raises(AssertionError, match="Query with different collations is not supported yet."):
        ask(sql)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            "select collate(usename, 'case_insensitive') from pg_user",
            "not supported in leader node only query",
        ),
        ("select collate(name, 'c') from ci", "COLLATE takes a text and"),
        ("create table no (a int collate case_insensitive)", "CHAR, VARCHAR and SUPER columns"),
        ("create table no (a super collate case_insensitive)", "on a SUPER column is not run"),
        ("select strpos(name, 'B') from ci", "STRPOS on case-insensitive text"),
        ("select distinct a from t order by upper(a)", "ORDER BY expressions must appear in select list"),
    ],
)
def test_refused(ask: Ask, sql: str, told: str) -> None:
    with pytest.raises(AssertionError) as caught:
        ask(sql)
    assert told in str(caught.value)
