"""PIVOT, UNPIVOT, the elements of SUPER values and Oracle's (+): on the local Redshift, with the guide's answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.local.environment import Status
from tests.local.translate.text_answers import Ask, Rows, asking

TABLES = """
create table parts (name varchar, maker varchar, quality int, price decimal(12, 2));
insert into parts values ('prop', 'local', 2, 10.00), ('prop', 'big', null, 9.00), ('prop', 'small', 1, 12.00),
  ('wing', 'local', null, 7.50), ('wing', 'big', 1, 15.20), ('wing', 'small', null, 11.80);
create table colors (quality varchar, red int, green bigint);
insert into colors values ('high', 15, 20), ('low', 10, null);
create table docs (id int, doc super);
insert into docs values
  (1, json_parse('{"items": [{"x": 1, "tags": ["a", "b"]}, {"x": 2.5, "tags": []}], "state": "open "}')),
  (2, json_parse('{"items": [{"x": "z"}], "state": 7}')), (3, json_parse('{"items": "none", "state": [1, 2]}')),
  (4, null);
create table l (id int, name varchar(10)); insert into l values (1, 'a'), (2, 'b'), (3, 'c');
create table r (id int, kind int); insert into r values (1, 7), (2, 8);
create table q (kind int, word varchar(10)); insert into q values (7, 'seven');
create table staff (id int, name varchar(20), boss int);
insert into staff values (1, 'Carlos', null), (2, 'John', 1), (3, 'Jorge', 2), (4, 'Liu', 2), (5, 'Mateo', 3);
create table bits (b varbyte(4), c char(4), n int, t timetz);
insert into bits values (to_varbyte('4d', 'hex'), 'aa', 2, '23:00:00 EST');
create table cased (doc super);
insert into cased values (json_parse('{"A": "A", "a": "a", "L": [{"Q": 1}]}'))
"""


@pytest.fixture(scope="module")
def ask(status: Status) -> Iterator[Ask]:
    with asking(status, "from_items", TABLES) as made:
        yield made


PIVOT = "select * from (select quality, maker from parts) pivot (count(*) {}) order by 1"

ANSWERS: list[tuple[str, Rows]] = [
    ("select * from (select name, price from parts) pivot (avg(price) for name in ('prop', 'wing'))",
     [("10.33", "11.50")]),
    (PIVOT.format("for quality in (1, 2, null)"),
     [("big", "1", "0", "1"), ("local", "0", "1", "1"), ("small", "1", "0", "1")]),
    ("with p as (select quality, maker from parts) select t.na_n, high_n from p pivot (count(*) as n for quality in "
     "(1 as high, null as na)) as t where maker = 'big'", [("1", "1")]),
    ("select v.color, v.cnt from colors unpivot (cnt for color in (red, green as g)) as v order by 1, 2",
     [("g", "20"), ("red", "10"), ("red", "15")]),
    ("select * from colors unpivot include nulls (cnt for color in (red, green)) where quality = 'low' order by 2",
     [("low", "green", None), ("low", "red", "10")]),
    ("select d.id, i.x, at from docs d, d.doc.items as i at at order by 1, 3",
     [("1", "1", "0"), ("1", "2.5", "1"), ("2", '"z"', "0")]),
    ("select d.id, t from docs d, d.doc.items i, i.tags t order by 2 desc", [("1", '"b"'), ("1", '"a"')]),
    ("select array, i from docs d, d.doc.items as array, array.tags as i order by 2 limit 1",
     [('{"x":1,"tags":["a","b"]}', '"a"')]),
    ("select d.id, u.e, u.place from docs d, unnest(d.doc.items[0].tags) with offset as u (e, place) order by 3",
     [("1", '"a"', "0"), ("1", '"b"', "1")]),
    ("select name, json_typeof(val) from docs d, unpivot d.doc.items[0] as val at name where id = 1 order by 1",
     [("tags", "array"), ("x", "number")]),
    ("select id from docs d where exists (select 1 from d.doc.items i where i.x = 2.5)", [("1",)]),
    ("select d.id, count(i.x) from docs d left join d.doc.items as i on true group by d.id order by 1",
     [("1", "2"), ("2", "1"), ("3", "0"), ("4", "0")]),
    # dynamic typing: of different types = is false, < is NULL; trailing blanks do not count
    ("select id from docs where doc.state = 'open'", [("1",)]),
    ("select id from docs where doc.state <> 'open' order by 1", [("2",), ("3",)]),
    ("select id from docs where doc.state < 'zzz' or doc.state > 8", [("1",)]),
    ("select id from docs where doc.state in (7, 'x') or doc.state between 'open' and 'open' order by 1",
     [("1",), ("2",)]),
    ("select doc.state from docs order by doc.state", [("7",), ('"open "',), ("[1,2]",), (None,)]),
    ("select doc.state, count(*) from docs group by doc.state having count(*) = 1 order by 1 limit 1", [("7", "1")]),
    ("select doc.items[0].x + 1, doc.items[0].x::int, doc.items[0].x::varchar from docs order by id",
     [("2", "1", "1"), (None, None, "z"), (None, None, None), (None, None, None)]),
    ("select 5::super::bool, 5.0::super::bool, '2001-09-08'::super::date, array(1)::varchar",
     [("t", None, "2001-09-08", None)]),
    # CONNECT BY, GROUP BY ALL, EXCLUDE
    ("select name, level from staff where level < 3 start with name = 'John' connect by prior id = boss order by 2, 1",
     [("John", "1"), ("Jorge", "2"), ("Liu", "2")]),
    ("select level, count(*) from staff s connect by s.boss = prior s.id and level <= 3 start with boss is null "
     "group by all order by 1", [("1", "1"), ("2", "1"), ("3", "2")]),
    ("select * exclude (id, name) from staff group by all order by 1", [("1",), ("2",), ("3",), (None,)]),
    ("select * exclude boss, name from staff order by 1 limit 1", [("1",)]),
    ("select doc.a, doc.A from cased", [('"a"', '"a"')]),
    # with arguments that are no constants, which PostgreSQL plans in another way
    ("select getbit(b, n), split_part(c || ',x', ',', n), left(c, n) from bits", [("1", "x", "aa")]),
    ("select c::varbyte, t from bits", [("61612020", "04:00:00+00")]),
    ("select approximate count(distinct n), approximate percentile_disc(0.5) within group (order by n) from bits",
     [("1", "2")]),
    # (+)
    ("select l.name, r.kind from l, r where l.id = r.id(+) order by 1", [("a", "7"), ("b", "8"), ("c", None)]),
    ("select name from l, r where r.id(+) = l.id and r.kind(+) = 7 and r.id is null order by 1", [("b",), ("c",)]),
    ("select name, word from l, r, q where l.id = r.id(+) and r.kind = q.kind(+) order by 1",
     [("a", "seven"), ("b", None), ("c", None)]),
    # "A join with mixed syntax styles runs as an inner join"
    ("select name from l, r where l.id = r.id(+) and l.id < r.kind", [("a",), ("b",)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "rows"), ANSWERS)
def test_answer(ask: Ask, sql: str, rows: Rows) -> None:
    assert ask(sql) == rows


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            "select * from parts pivot (listagg(maker) for quality in (1))",
            "PIVOT supports the aggregate functions",
        ),
        ("select * from parts pivot (sum(price) for quality in (price))", "cannot be column references"),
        ("select * from l join r on true pivot (count(*) for kind in (1))", "cannot be applied to a JOIN"),
        ("select * from colors unpivot (v for k in (quality, red))", "no common type"),
        ("select * from docs d right join d.doc.items i on true", "right or full outer join"),
        ("select i from docs d, d.id i", "takes a SUPER value"),
        ("select * from l, r where l.id = r.id(+) or l.id = 0", "not allowed in operand of OR or IN."),
        (
            "select * from l, r, q where l.id = r.id(+) and q.kind = r.kind(+)",
            "outer joined to at most one other table.",
        ),
        ("select * from l join q on true, r where l.id = r.id(+)", "FROM clause join syntax"),
        ("select date '2024-01-01'::super", "cannot cast type date to super"),
    ],
)
def test_refused(ask: Ask, sql: str, told: str) -> None:
    with pytest.raises(AssertionError, match="ERROR") as caught:
        ask(sql)
    assert told in str(caught.value)


def test_attributes_keep_their_case_where_the_session_says_so(ask: Ask) -> None:
    ask("set enable_case_sensitive_super_attribute to true")
    try:
        assert ask("select doc.a, doc.A, c.doc.L[0].Q from cased c") == [('"a"', '"A"', "1")]
        assert ask("select e.Q, e.q from cased c, c.doc.L e") == [("1", None)]
        ask("begin")
        ask("set enable_case_sensitive_super_attribute to false")
        assert ask("select doc.A from cased") == [('"a"',)]
        ask("rollback")
        assert ask("select doc.A from cased") == [('"A"',)]
    finally:
        ask("reset enable_case_sensitive_super_attribute")
    assert ask("select doc.A from cased") == [('"a"',)]


def test_create_table_as_takes_places_as_keys(ask: Ask) -> None:
    """DG r_CTAS_examples."""
    ask("create table placed distkey (1) sortkey (1, 3) as select n as one, c, b as two from bits")
    assert ask(
        "select \"column\", distkey, sortkey from pg_table_def where tablename = 'placed' and sortkey > 0 order by 3"
    ) == [("one", "t", "1"), ("two", "f", "2")]


def test_a_function_of_a_procedure_s_variable(ask: Ask) -> None:
    """The error of a position that is not there is raised by such a position only."""
    ask("create table said (s varchar(20))")
    ask(
        "create procedure parts() as $$ begin for i in 1..8 loop insert into said values (split_part('a,b', ',', i)); "
        "end loop; end; $$ language plpgsql"
    )
    ask("call parts()")
    assert ask("select count(*) from said where s in ('a', 'b')") == [("2",)]


def test_an_update_that_is_not_deterministic(ask: Ask) -> None:
    """DG r_error_on_nondeterministic_update."""
    ask("create table goal (x int, y int)")
    ask("insert into goal values (1, 10), (2, 20)")
    update = (
        "update goal set y = s.y from (select 2 as x, 40 as y union all select 2, 50) s where goal.x = s.x"
    )
    ask("set error_on_nondeterministic_update to on")
    try:
        with pytest.raises(AssertionError, match="Found multiple matches to update the same tuple."):
            ask(update)
        assert ask("select y from goal order by x") == [("10",), ("20",)]
        ask("update goal set y = s.y from (select 1 as x, 11 as y) s where goal.x = s.x")
        assert ask("select y from goal order by x") == [("11",), ("20",)]
    finally:
        ask("reset error_on_nondeterministic_update")
    ask(update)
    assert ask("select y > 30 from goal where x = 2") == [("t",)]
