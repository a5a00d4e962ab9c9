"""Names that Redshift may take for a variable."""

from __future__ import annotations

import pytest

from deployer.sql.plpgsql import BodyError
from deployer.sql.procedure import parse_create_procedure


def create(statement: str, arguments: str = "v int, w int") -> str:
    return f"create procedure p({arguments}) as $$\nbegin\n{statement};\nend $$ language plpgsql"


@pytest.mark.parametrize(
    ("statement", "at"),
    [
        ("select 1 as v into w", "v into"),
        ("insert into t (a, v) values (1, w)", "v) values"),
        ("insert into v values (1)", "v values"),
        ("insert into s.t(v) select a from b", "v) select"),
        ("update t set v = 1", "v = 1"),
        ("update t set a = 1, v = 2 where c = 3", "v = 2"),
        ("update t set a = case when b in (1, 2) then 3 end, v = 2", "v = 2"),
        ("delete from v where a = 1", "v where"),
        ("create temp table t (a int, v int)", "v int)"),
        ("create table t as select a as v from b", "v from"),
        ("for i in 1..2 loop insert into t values (1, 2); select 3 as i into w; end loop", "i into"),
        ("for r in select 1 as v loop null; end loop", "v loop"),
        ("if w = 1 then truncate v; end if", "v; end if"),
    ],
)
def test_a_name_in_a_names_place_is_refused(statement: str, at: str) -> None:
    text = create(statement)
    with pytest.raises(BodyError) as caught:
        parse_create_procedure(text)
    assert "is a variable of the procedure and the name of something else here" in caught.value.message
    assert text[caught.value.position :].startswith(at)


@pytest.mark.parametrize(
    "statement",
    [
        "select v into w",
        "select t.v into w from t where t.v = v",
        "insert into t (a, b) values (v, w)",
        "insert into t select v, w",
        "update t set a = v, b = w where c = v",
        "update t set a = v where (b, c) in (select 1, w) and d = v",
        "select count(*) into w from t where a in (v, w)",
        "select cast(a as v) into w from t",
        "select extract(day from v) into w",
        "select substring('abc' from v) into w",
        "delete from t where a = v",
        "execute 'select 1 as v'",
        "create temp table t as select v + 1 as a",
        "call q(v, w)",
        "declare x int; begin x := v; end; insert into t (x) values (1)",
    ],
)
def test_variables_where_values_stand_are_fine(statement: str) -> None:
    parse_create_procedure(create(statement))
