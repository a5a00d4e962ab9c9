"""What CREATE PROCEDURE says of the SQL in a body: its syntax, with the place, and nothing else."""

from __future__ import annotations

import pytest

from deployer.local.procedures.create import parse
from deployer.sql.refused import Refused

HEAD = "create procedure p(n in out integer) as $$ declare t integer := 0; r record; begin "
TAIL = " end; $$ language plpgsql"


@pytest.mark.parametrize(
    "body, near",
    [
        ("select a from where b;", "where"),
        ("insert into u values (1, );", ")"),
        ("update u set a = ;", ""),
        ("delete from u where;", ""),
        ("with x as (select 1 select 2;", "select"),
        ("t := 1 +;", ""),
        ("if n > then t := 1; end if;", ""),
        ("while n < loop null; end loop;", ""),
        ("for r in select a, from u loop null; end loop;", "from"),
        ("for t in 1..n+ loop null; end loop;", ""),
        ("execute 'select ' || ;", ""),
        ("call q(1, n +);", ""),
        ("select count(*) into t from a join b; exit when n >;", ""),
        ("loop exit when n > * 3; end loop;", "*"),
        ("merge into a using b on a.x = b.x when matched then delete;", ""),
        ("case n when 1 then select 1 from; else null; end case;", ""),
        ("begin select 1 1 1; exception when others then raise info 'a'; end;", "1 1"),
    ],
)
def test_a_syntax_error_fails_at_once(body: str, near: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(HEAD + body + TAIL)
    assert caught.value.sqlstate == "42601"
    if near:
        assert caught.value.position is not None
        assert (HEAD + body + TAIL)[caught.value.position :].startswith(near.split(" ")[-1])


@pytest.mark.parametrize(
    "body",
    [
        "insert into no_such_schema.no_such_table (a) select nothing from nowhere;",
        "select max(a), b into t, n from nowhere group by 2;",
        "for r in execute 'selec' loop null; end loop;",
        "if n > 1 then select * from a pivot (sum(x) for y in (1, 2)); end if;",
        "t := (select count(*) from nowhere where a = n) + r.field;",
        "create table x (a int, b mistaken_type);",
        "lock nowhere; truncate nowhere; analyze nowhere;",
    ],
)
def test_what_only_the_call_can_tell(body: str) -> None:
    assert parse(HEAD + body + TAIL).body
