"""Stored procedures against the real local Redshift: values, control flow, transactions, rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redshift_connector

Run = Callable[..., Any]


@pytest.fixture
def run(fresh_database: None, connect: Callable[..., Any]) -> Run:
    connection = connect(autocommit=True)

    def run(sql: str) -> Any:
        cursor = connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else None

    run("create table log (id integer identity(1, 1), what varchar(200))")
    return run


def procedure(body: str, arguments: str = "", more: str = "", name: str = "p") -> str:
    return f"create or replace procedure {name}({arguments}) {more} as $$\n{body}\n$$ language plpgsql"


def logged(run: Run) -> list[str]:
    return [row[0] for row in run("select what from log order by id")]


def failure(run: Run, sql: str) -> dict[str, str]:
    with pytest.raises(redshift_connector.Error) as caught:
        run(sql)
    told: dict[str, str] = caught.value.args[0]
    return told


def say(what: str) -> str:
    return f"insert into log (what) values ({what});"


@pytest.mark.parametrize(
    "body, expected",
    [
        ("declare n integer := 2; begin n := n * 3; x := n; end", "6"),
        ("begin x := 'a' || 'b'; end", "ab"),
        (
            "begin if 1 > 2 then x := 'then'; elsif null then x := 'null'; else x := 'else'; end if; end",
            "else",
        ),
        ("begin x := ''; for i in 1..3 loop x := x || i; end loop; end", "123"),
        ("begin x := ''; for i in reverse 6..1 by 2 loop x := x || i; end loop; end", "642"),
        (
            "declare n int := 0; begin while n < 5 loop n := n + 1; continue when n < 3; exit; end loop; x := n; end",
            "3",
        ),
        (
            "declare n int := 0; begin <<a>> loop loop n := n + 1; exit a when n = 4; end loop; end loop; x := n; end",
            "4",
        ),
        ("begin case 2 when 1, 2 then x := 'low'; else x := 'high'; end case; end", "low"),
        (
            "declare r record; begin x := ''; for r in select 1 as a, 'q' as b loop x := r.a || r.b; end loop; end",
            "1q",
        ),
        (
            "begin select into x 'first' union all select 'first'; if found then x := x || '!'; end if; end",
            "first!",
        ),
        ("begin select what into x from log where what = 'no'; x := nvl(x, 'none'); end", "none"),
        (
            "declare n bigint; begin insert into log (what) select 'r'; get diagnostics n := row_count; x := n; end",
            "1",
        ),
        ("begin execute 'select ' || quote_literal('it''s') into x; end", "it's"),
        ("declare d decimal(8, 2) := 1.005; begin x := d; end", "1.01"),
        ("declare n int := 1; begin declare n int := 2; begin n := 3; end; x := n; end", "1"),
    ],
)
def test_values_and_control_flow(run: Run, body: str, expected: str) -> None:
    run(procedure(body, "x out varchar(40)"))
    assert run("call p()") == [(expected,)]


def test_inout_arguments_come_back(run: Run) -> None:
    run(
        procedure(
            "begin a := a + 1; b := 'x' || b; end", "a inout integer, b inout varchar(10)", name="inner_one"
        )
    )
    run(
        procedure(
            "declare n integer := 5; t varchar(10) := 'y'; begin call inner_one(n, t); x := n || t; end",
            "x out varchar(9)",
        )
    )
    assert run("call p()") == [("6xy",)]


def test_arguments_find_the_overload(run: Run) -> None:
    run(procedure("begin x := 'number'; end", "n integer, x out varchar(9)"))
    run(procedure("begin x := 'text'; end", "n varchar(5), x out varchar(9)"))
    assert run("call p(1)") == [("number",)]
    assert run("call p('1'::varchar)") == [("text",)]
    assert failure(run, "call p(1, 2)")["C"] == "42883"


def test_an_error_rolls_everything_back(run: Run) -> None:
    run(
        procedure(
            f"begin {say(chr(39) + 'lost' + chr(39))} raise exception 'no %', 1; end".replace(
                "', 1", "'"
            ).replace("no %", "no")
        )
    )
    told = failure(run, "call p()")
    assert (told["C"], told["M"]) == ("P0001", "no")
    assert told["W"] == 'PL/pgSQL function "p" line 1 at raise'
    assert logged(run) == []


def test_commit_and_truncate_commit(run: Run) -> None:
    run("create table t (a integer)")
    run(
        procedure(
            "begin insert into t values (1); commit; insert into t values (2); raise exception 'end'; end"
        )
    )
    failure(run, "call p()")
    assert run("select a from t") == [(1,)]
    run(
        procedure(
            "begin insert into log (what) values ('kept'); truncate t; insert into t values (3); "
            "raise exception 'end'; end"
        )
    )
    failure(run, "call p()")
    assert run("select count(*) from t") == [(0,)]
    assert logged(run) == ["kept"]


@pytest.mark.parametrize("ending", ["commit", "rollback", "truncate log"])
def test_a_transaction_block_of_the_client_cannot_be_ended(run: Run, ending: str) -> None:
    text = f"{ending.split()[0].upper()} cannot be invoked from a procedure that is executing in an atomic context."
    run(procedure(f"begin {ending}; end"))
    run("begin")
    assert failure(run, "call p()")["M"] == text
    run("rollback")
    run(
        procedure(f"begin {ending}; end", more="", name="q").replace(
            "language plpgsql", "language plpgsql set query_group to 'x'"
        )
    )
    assert failure(run, "call q()")["M"] == text


def test_a_handler_rolls_back_runs_commits_and_raises_again(run: Run) -> None:
    run(
        procedure(
            "begin insert into log (what) values ('lost'); x := 1 / 0; exception when others then "
            "insert into log (what) values ('handled ' || sqlstate); end",
            "x inout integer",
        )
    )
    told = failure(run, "call p(1)")
    assert told["C"] == "22012"
    assert logged(run) == ["handled 22012"]


def test_a_nonatomic_procedure_commits_each_statement_and_swallows_what_it_handles(run: Run) -> None:
    run(
        procedure(
            "declare n integer; begin insert into log (what) values ('kept'); n := 1 / 0; exception when others then "
            "insert into log (what) values ('handled'); end",
            more="nonatomic",
        )
    )
    run("call p()")
    assert logged(run) == ["kept", "handled"]
    run(
        procedure("begin insert into log (what) values ('stays'); raise exception 'x'; end", more="nonatomic")
    )
    failure(run, "call p()")
    assert logged(run) == ["kept", "handled", "stays"]


def test_a_definer_keeps_the_owners_rights_over_commits_and_gives_them_back(
    run: Run, connect: Callable[..., Any]
) -> None:
    run("create user caller password 'Secret123'")
    run("create table secret (a integer)")
    definer = procedure(
        "begin insert into public.secret values (1); commit; insert into public.secret values (2); "
        "x := current_user; end",
        "x out varchar(64)",
    )
    run(definer.replace("language plpgsql", "language plpgsql security definer"))
    other = connect(user="caller", password="Secret123", autocommit=True)

    def as_caller(sql: str) -> Any:
        cursor = other.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else None

    run("grant usage on schema public to caller")
    assert failure(as_caller, "call public.p()")["C"] == "42501"
    run("grant execute on procedure p(out varchar) to caller".replace("out varchar", ""))
    owner = run("select current_user")[0][0]
    assert as_caller("call public.p()") == [(owner,)]
    assert as_caller("select current_user") == [("caller",)]
    assert failure(as_caller, "select * from public.secret")["C"] == "42501"
    run("drop table secret")
    failure(as_caller, "call public.p()")
    assert as_caller("select current_user") == [("caller",)]


def test_temporary_tables_of_a_body_are_typed_and_visible(run: Run) -> None:
    run(
        procedure(
            "begin drop table if exists work; create temp table work as select 10.50::decimal(8, 2) as price;"
            "select sum(price) / count(*) into x from work; end",
            "x out varchar(40)",
        )
    )
    assert run("call p()") == [("10.5000",)]
    assert run("call p()") == [("10.5000",)]


@pytest.mark.parametrize(
    "text, message",
    [
        (procedure("begin perform 1; end"), "PERFORM"),
        (procedure("declare n int; begin select 1 into strict n; end"), "STRICT"),
        (procedure("begin execute 'select 1' using 1; end"), "USING"),
        (procedure("begin return 1; end"), "RETURN cannot have a value"),
        (procedure("begin raise info 'a %', 1 + 1; end"), "simple variables"),
        (procedure("begin null; exception when division_by_zero then null; end"), "WHEN OTHERS"),
        (procedure("begin commit work; end"), "only plain COMMIT"),
        (procedure("begin vacuum; end"), "VACUUM"),
        (procedure("begin null; end", "n integer default 1"), "default arguments"),
        (
            procedure("begin null; end", more="nonatomic").replace("language", "security definer language"),
            "NONATOMIC",
        ),
        ("create procedure p() as 'begin end' language plpgsql", "dollar"),
        (procedure("begin if true then null; end"), "syntax error"),
    ],
)
def test_what_redshift_lacks_is_refused_when_the_procedure_is_created(
    run: Run, text: str, message: str
) -> None:
    assert message in failure(run, text)["M"]


def test_calls_nest_sixteen_deep(run: Run) -> None:
    run(procedure("begin if n > 1 then call p(n - 1); end if; end", "n integer"))
    run("call p(16)")
    assert "nested deeper than 16" in failure(run, "call p(17)")["M"]


def test_commit_inside_a_query_loop_closes_the_loops_cursor(run: Run) -> None:
    run("insert into log (what) values ('a'), ('b')")
    run(procedure("declare r record; begin for r in select what from log loop commit; end loop; end"))
    assert "cursor" in failure(run, "call p()")["M"]


def test_an_empty_loop_finds_nothing(run: Run) -> None:
    run(
        procedure(
            "declare r record; begin for r in select what from log loop null; end loop; x := found; end",
            "x out boolean",
        )
    )
    assert run("call p()") == [(False,)]
