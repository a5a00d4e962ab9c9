"""Variables, messages, errors and dynamic SQL of procedures, against the real local Redshift."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redshift_connector
from cancelling import cancelling
from patience import PATIENCE

Run = Callable[..., Any]


@pytest.fixture
def connection(fresh_database: None, connect: Callable[..., Any]) -> Any:
    return connect(autocommit=True)


@pytest.fixture
def run(connection: Any) -> Run:
    def run(sql: str, *arguments: Any) -> Any:
        cursor = connection.cursor()
        cursor.execute(sql, arguments or None)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else None

    return run


def failure(run: Run, sql: str, *arguments: Any) -> dict[str, str]:
    with pytest.raises(redshift_connector.Error) as caught:
        run(sql, *arguments)
    told: dict[str, str] = caught.value.args[0]
    return told


def create(run: Run, body: str, head: str = "p()", tail: str = "") -> None:
    run(f"create or replace procedure {head} as $$\n{body}\n$$ language plpgsql {tail}")


def result(run: Run, body: str, kind: str = "varchar(99)") -> Any:
    create(run, body, f"answer(x out {kind})")
    return run("call answer()")[0][0]


@pytest.mark.parametrize(
    ("declaration", "expression", "shown"),
    [
        ("decimal(8, 2)", "2.345", "2.35"),
        ("decimal(8, 2)", "-2.345", "-2.35"),
        ("integer", "2.5", "3"),
        ("integer", "'17'", "17"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("smallint", "1 + 1", "2"),
        ("date", "'2024-02-29'", "2024-02-29"),
        ("timestamp", "date '2024-02-29'", "2024-02-29 00:00:00"),
        ("varchar(3)", "'abc   '", "abc"),
        ("varchar(3)", "12", "12"),
        ("double precision", "1.5", "1.5"),
    ],
)
def test_assignment_converts(run: Run, declaration: str, expression: str, shown: str) -> None:
    text = "x := v::varchar(99);"
    assert result(run, f"declare v {declaration}; begin v := {expression}; {text} end") == shown


@pytest.mark.parametrize(
    ("declaration", "expression", "state", "message"),
    [
        ("varchar(3)", "'abcd'", "22001", "value too long for type character varying(3)"),
        ("varchar(3)", "'äé'", "22001", "value too long for type character varying(3)"),
        ("char(2)", "'abc'", "22001", "value too long for type character(2)"),
        ("smallint", "32768", "22003", "smallint out of range"),
        ("integer", "2147483648", "22003", "integer out of range"),
        ("integer", "2147483647 + 1", "22003", "integer out of range"),
        ("decimal(4, 2)", "100", "22003", "Numeric data overflow (result precision)"),
        ("integer", "'x'", "22P02", 'invalid input syntax for type integer: "x"'),
        ("constant integer", "2", "22005", '"v" is declared CONSTANT'),
        (
            "integer not null",
            "null",
            "22004",
            'null value cannot be assigned to variable "v" declared NOT NULL',
        ),
    ],
)
def test_assignment_refuses(run: Run, declaration: str, expression: str, state: str, message: str) -> None:
    create(run, f"declare v {declaration} := 1; begin\n v := {expression}; end")
    told = failure(run, "call p()")
    assert (told["C"], told["M"]) == (state, message)
    assert told["W"].endswith('PL/pgSQL function "p" line 2 at assignment')


def test_variables_of_inner_blocks_and_labels(run: Run) -> None:
    body = """<<whole>>
declare v int := 1;
begin
    declare v int := 2;
    begin
        x := whole.v || '-' || v;
        whole.v := 5;
    end;
    <<rounds>> for v in 8..9 loop x := x || '-' || rounds.v; end loop;
    x := x || '-' || v;
end"""
    assert result(run, body) == "1-2-8-9-5"


def test_types_of_columns_rows_and_variables(run: Run) -> None:
    run("create table t (n decimal(6, 1), w varchar(2))")
    run("insert into t values (1.25, 'ab')")
    body = """declare
    a t.n%type := 7.77;
    b a%type := 1.11;
    r t%rowtype;
begin
    select * into r from t;
    x := a || ' ' || b || ' ' || r.n || ' ' || r.w;
end"""
    assert result(run, body) == "7.8 1.1 1.3 ab"


def test_a_record_takes_the_form_of_each_row(run: Run) -> None:
    body = """declare r record;
begin
    select 1 as a, 'q' as b into r;
    x := r.a || r.b;
    select 'z' as c into r;
    x := x || r.c;
    select 5 as c into r where false;
    if r.c is null and not found then x := x || '?'; end if;
end"""
    assert result(run, body) == "1qz?"
    create(run, "declare r record; y int; begin y := r.a; end")
    told = failure(run, "call p()")
    assert (told["C"], told["M"]) == ("55000", 'record "r" is not assigned yet')


def test_arguments_without_names_have_aliases(run: Run) -> None:
    create(
        run,
        "declare one alias for $1; out_var alias for $2; begin out_var := one + 1 || '/' || $1; end",
        "p(int, out varchar)",
    )
    assert run("call p(4)") == [("5/4",)]


def test_select_into_takes_the_first_row_or_nulls(run: Run) -> None:
    body = """declare a int := 9; b varchar(9) := 'q'; n bigint;
begin
    select into a, b v, w from (select 2 as v, 'two' as w union all select 1, 'one') s order by v;
    get diagnostics n := row_count;
    x := a || b || found || n;
    select 1, 'c' into a, b where 1 = 0;
    get diagnostics n := row_count;
    x := x || case when a is null and b is null and not found then ' none' else ' some' end || n;
end"""
    assert result(run, body.replace("|| found", "|| case when found then 't' else 'f' end")) == "1onet1 none0"
    create(run, "declare a int; begin select 1, 2 into a; end")
    assert "INTO names 1 variables, and the query gives 2 columns" in failure(run, "call p()")["M"]


def test_found_and_row_count(run: Run) -> None:
    run("create table t (v int)")
    body = """declare n int; r record;
begin
    x := '';
    insert into t values (1), (2), (3);
    get diagnostics n := row_count; x := x || n || case when found then 't ' else 'f ' end;
    update t set v = 5 where v > 7;
    get diagnostics n := row_count; x := x || n || case when found then 't ' else 'f ' end;
    delete from t where v < 3;
    get diagnostics n := row_count; x := x || n || case when found then 't ' else 'f ' end;
    execute 'delete from t where v = 77';
    get diagnostics n := row_count; x := x || n || case when found then 't ' else 'f ' end;
    for i in 1..0 loop null; end loop;
    x := x || case when found then 't ' else 'f ' end;
    for r in select v from t loop null; end loop;
    x := x || case when found then 't ' else 'f ' end;
end"""
    assert result(run, body) == "3t 0f 2t 0t f t "


def test_case_evaluates_its_subject_once_and_needs_a_match(run: Run) -> None:
    run("create table t (v bigint identity(1, 1), w int)")
    body = "begin case 3 * 2 when 1, 5 then x := 'a'; when 6 then x := 'b'; end case; end"
    assert result(run, body) == "b"
    create(run, "begin case 1 when 2 then null; end case; end")
    told = failure(run, "call p()")
    assert (told["C"], told["M"], told["H"]) == (
        "20000",
        "case not found",
        "CASE statement is missing ELSE part.",
    )


def test_null_conditions_are_false(run: Run) -> None:
    body = (
        "declare b boolean; begin x := ''; if b then x := 'if'; end if; while b loop x := 'w'; end loop; end"
    )
    assert result(run, body) == ""


def test_messages_reach_the_client(run: Run, connection: Any) -> None:
    create(
        run,
        "declare v int; w varchar(9) := '50%'; begin raise info 'v is %, w is %, 100%%', v, w; "
        "raise warning 'careful'; raise log 'not for clients'; end",
    )
    connection.notices.clear()
    run("call p()")
    told = [(n[b"S"].decode(), n[b"M"].decode()) for n in connection.notices]
    assert told == [("INFO", "v is <NULL>, w is 50%, 100%"), ("WARNING", "careful")]


def test_a_message_comes_while_the_procedure_runs(run: Run, status: Any) -> None:
    psycopg = pytest.importorskip("psycopg")
    create(run, "begin raise info 'started'; loop null; end loop; end")
    heard = threading.Event()
    with psycopg.connect(
        host=status.host,
        port=status.port,
        user=status.user,
        password=status.password,
        dbname="dev",
        autocommit=True,
    ) as client:
        client.add_notice_handler(lambda notice: heard.set())
        in_time: list[bool] = []

        def cancel() -> None:
            in_time.append(heard.wait(PATIENCE / 2))
            client.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            client.execute("call p()")
        canceller.join()
        assert in_time == [True]


def test_a_raised_exception_names_procedures_and_lines(run: Run) -> None:
    create(
        run,
        "begin\n    raise exception 'no % of %', n, 'x'\n    ;\nend".replace(", 'x'", ", n"),
        "inner_one(n int)",
    )
    create(
        run,
        "declare\n    v int := 3;\nbegin\n    if v > 1 then\n        call inner_one(v);\n    end if;\nend",
    )
    told = failure(run, "call p()")
    assert (told["C"], told["M"]) == ("P0001", "no 3 of 3")
    assert told["W"].splitlines() == [
        'PL/pgSQL function "inner_one" line 2 at raise',
        'PL/pgSQL function "p" line 5 at call',
    ]


def test_an_error_of_a_statement_tells_statement_and_position(run: Run) -> None:
    run("create table t (v int)")
    create(run, "begin\n    insert into t (v)\n    select wrong + 1 from t;\nend")
    told = failure(run, "call p()")
    assert told["C"] == "42703" and 'column "wrong" does not exist' in told["M"]
    assert told["q"] == "insert into t (v)\n    select wrong + 1 from t"
    assert told["q"][int(told["p"]) - 1 :].startswith("wrong + 1")
    assert "P" not in told
    assert told["W"].endswith('PL/pgSQL function "p" line 2 at SQL statement')


def test_a_variable_that_is_a_column_too_is_refused(run: Run) -> None:
    run("create table t (v int)")
    create(run, "declare v int := 1; begin delete from t where v = 1; end")
    assert failure(run, "call p()")["C"] == "42702"


def test_dynamic_sql(run: Run) -> None:
    run("create table t (v int)")
    body = """declare n int; s varchar(200);
begin
    execute 'insert into t values (1), (2);';
    execute 'select ' || quote_ident('v') || ' from t order by v desc' into n;
    execute 'select v from t';
    s := 'create temp table u as select max(v) as m from t';
    execute s;
    select m + n into x from u;
end"""
    assert result(run, body) == "4"
    create(run, "begin execute null; end")
    assert failure(run, "call p()")["M"] == "cannot EXECUTE a null querystring"
    create(run, "begin execute 'select 1; select 2'; end")
    assert "takes one command" in failure(run, "call p()")["M"]
    create(run, "begin execute 'vacuum t'; end")
    assert failure(run, "call p()")["M"] == "VACUUM cannot be used in a procedure on Redshift"
    create(run, "begin execute 'insert into t values (' || a || ')'; end", "q(a int)")
    create(run, "begin execute 'call q(7)'; end")
    run("call p()")
    assert (7,) in run("select v from t")
    create(run, "declare v int := 1; begin execute 'insert into t values (v)'; end")
    assert failure(run, "call p()")["C"] == "42703"


def test_dynamic_sql_is_translated(run: Run) -> None:
    assert (
        result(run, "begin execute 'select datediff(day, ''2024-01-01'', ''2024-03-01'')' into x; end")
        == "60"
    )
    create(run, "begin execute 'select distinct on (1) 1'; end")
    assert failure(run, "call p()")["C"] in ("0A000", "42601")


def test_cursors(run: Run) -> None:
    run("create table t (v int)")
    run("insert into t values (1), (2), (3)")
    body = """declare
    c refcursor; d cursor for select v from t where v >= least_one order by v;
    v1 int; least_one int := 2;
begin
    x := '';
    open c for select v from t order by v desc;
    loop fetch c into v1; exit when not found; x := x || v1; end loop;
    close c;
    open d; fetch d into v1; close d;
    x := x || '-' || v1;
    open c for execute 'select count(*) from t'; fetch c into v1; close c;
    x := x || '-' || v1;
end"""
    assert result(run, body) == "321-2-3"


def test_one_cursor_at_a_time(run: Run) -> None:
    create(run, "declare c cursor for select 1; d cursor for select 2; begin open c; open d; end")
    assert "only one cursor can be open" in failure(run, "call p()")["M"]
    create(
        run,
        "declare c cursor for select 1; r record; begin open c; for r in select 1 loop null; end loop; end",
    )
    assert "only one cursor can be open" in failure(run, "call p()")["M"]
    create(run, "declare r record; begin for r in select 1 loop call q(); end loop; end")
    create(run, "declare r record; begin for r in select 1 loop null; end loop; end", "q()")
    assert "only one cursor can be open" in failure(run, "call p()")["M"]
    with pytest.raises(redshift_connector.Error) as caught:
        create(
            run,
            "declare r record; s record; "
            "begin for r in select 1 loop for s in select 2 loop null; end loop; end loop; end",
        )
    assert "only one cursor can be open" in caught.value.args[0]["M"]
    run("begin")
    run("declare c cursor for select 1")
    assert failure(run, "declare d cursor for select 2")["M"] == (
        'only one cursor can be open in a session on Redshift: close "c" first'
    )
    run("rollback")
    run("begin")
    run("declare c cursor for select 1")
    run("close c")
    run("declare d cursor for select 2")
    assert run("fetch all from d") == [(2,)]
    run("rollback")


def test_a_cursor_is_returned_to_the_client(run: Run) -> None:
    run("create table fact_tbl (id int, name varchar(9))")
    run("insert into fact_tbl values (1, 'Joe'), (2, 'Mary')")
    create(
        run,
        "BEGIN OPEN rs_out FOR SELECT * FROM fact_tbl where id >= param order by id; END;",
        "get_result_set(param IN integer, rs_out INOUT refcursor)",
    )
    run("begin")
    assert run("call get_result_set(1, 'mycursor')") == [("mycursor",)]
    assert run("fetch all from mycursor") == [(1, "Joe"), (2, "Mary")]
    create_other = (
        "create procedure p() as $$ declare r record; begin for r in select 1 loop null; end loop; end $$ "
    )
    run(create_other + "language plpgsql")
    assert "only one cursor can be open" in failure(run, "call p()")["M"]
    run("rollback")


def test_a_temporary_table_is_returned_to_the_client(run: Run) -> None:
    run("create table fact_tbl (id int, name varchar(9))")
    run("insert into fact_tbl values (1, 'Joe'), (2, 'Mary')")
    create(
        run,
        """BEGIN
  EXECUTE 'drop table if exists ' || tmp_name;
  EXECUTE 'create temp table ' || tmp_name || ' as select * from fact_tbl where id >= ' || param;
END;""",
        "get_result_set(param IN integer, tmp_name INOUT varchar(256))",
    )
    assert run("call get_result_set(2, 'myresult')") == [("myresult",)]
    assert run("select * from myresult") == [(2, "Mary")]
    assert run("call get_result_set(1, 'myresult')") == [("myresult",)]


def test_the_guides_nested_call(run: Run) -> None:
    create(run, "BEGIN a := b * a; c := b * c; END;", "inner_proc(INOUT a int, b int, INOUT c int)")
    create(
        run,
        """DECLARE
  x int := 3;
  y int := 4;
BEGIN
  DROP TABLE IF EXISTS test_tbl;
  CREATE TEMP TABLE test_tbl(a int, b varchar(256));
  CALL inner_proc(x, multiplier, y);
  insert into test_tbl values (x, y::varchar);
END;""",
        "outer_proc(multiplier int)",
    )
    run("call outer_proc(5)")
    assert run("select * from test_tbl") == [(15, "20")]


def test_nested_calls_need_variables_for_inout_and_no_out(run: Run) -> None:
    create(run, "begin a := 1; end", "q(a inout int)")
    create(run, "begin call q(3); end")
    assert "INOUT: pass it a variable" in failure(run, "call p()")["M"]
    create(run, "begin a := 1; end", "r(a out int)")
    create(run, "begin call r(); end")
    assert "a nested call needs INOUT on Redshift" in failure(run, "call p()")["M"]


def test_parameters_are_bound_to_a_call(run: Run) -> None:
    create(run, "begin x := n + 1 || t || d; end", "p(n int, t varchar(9), d date, x out varchar(40))")
    import datetime

    assert run("call p(%s, %s, %s)", 4, "it's", datetime.date(2024, 1, 2)) == [("5it's2024-01-02",)]
    assert run("call p(%s, %s, %s)", None, "x", None) == [(None,)]


def test_results_have_their_declared_types(run: Run, connection: Any) -> None:
    create(run, "begin a := 1.5; b := true; c := 7; d := '2024-01-02'; end",
           "p(a out decimal(8, 3), b out boolean, c out bigint, d out date)")  # fmt: skip
    cursor = connection.cursor()
    cursor.execute("call p()")
    assert [column[0] for column in cursor.description] == ["a", "b", "c", "d"]
    row = cursor.fetchone()
    assert [str(value) for value in row] == ["1.500", "True", "7", "2024-01-02"]


def test_queries_are_no_arguments(run: Run) -> None:
    create(run, "begin null; end", "p(n int)")
    assert "cannot be queries" in failure(run, "call p((select 1))")["M"]
    run("call p(abs(-3) + 1)")


def test_a_select_needs_a_destination(run: Run) -> None:
    create(run, "begin select 1; end")
    assert failure(run, "call p()")["M"] == "SELECT query has no destination for result data"


def test_statement_time_and_transaction_time(run: Run) -> None:
    body = """declare a timestamp; b timestamp; c timestamp; d timestamp;
begin
    select sysdate into a;
    commit;
    select sysdate into b;
    select sysdate into c;
    x := case when b > a then 'later' else 'same' end || case when b = c then ' same' else ' later' end;
end"""
    assert result(run, body) == "later same"


def test_a_cancel_is_not_caught_and_ends_a_loop_that_asks_nothing(
    run: Run, connect: Callable[..., Any], status: Any
) -> None:
    psycopg = pytest.importorskip("psycopg")
    create(run, "begin loop null; end loop; exception when others then raise info 'caught'; end")
    with psycopg.connect(
        host=status.host,
        port=status.port,
        user=status.user,
        password=status.password,
        dbname="dev",
        autocommit=True,
    ) as client:
        with cancelling(client.cancel), pytest.raises(psycopg.errors.QueryCanceled):
            client.execute("call p()")
        assert client.execute("select 1").fetchone() == (1,)


def test_show_procedure_gives_back_a_statement_that_makes_it(run: Run) -> None:
    create(run, "begin null; end", "p(f1 int, inout f2 varchar(20), out decimal(8, 2))", "security definer")
    shown = run("show procedure p(int, varchar)")[0][0]
    assert shown == (
        "CREATE OR REPLACE PROCEDURE public.p(f1 integer, INOUT f2 character varying(20), OUT numeric(8,2))\n"
        "LANGUAGE plpgsql\nSECURITY DEFINER\nAS $_$\nbegin null; end\n$_$"
    )
    run(shown)
    assert run("show procedure public.p")[0][0] == shown
    create(run, "begin null; end", "p(f1 int)")
    assert "is not unique" in failure(run, "show procedure p")["M"]
    assert failure(run, "show procedure nowhere")["C"] == "42883"


def test_the_catalog_has_names_and_modes_of_arguments(run: Run) -> None:
    create(run, "begin null; end", "p(f1 int, inout f2 varchar(20), out decimal(8, 2))", "security definer")
    create(run, "begin null; end", "q()")
    told = run(
        "select proname, pronargs, prosecdef, prokind from pg_proc_info where proname in ('p', 'q') order by 1"
    )
    assert told == [("p", 2, True, "p"), ("q", 0, False, "p")]
    assert run("select array_to_string(proargnames, ',') from pg_proc_info where proname = 'p'") == [
        ("f1,f2,",)
    ]
    assert run("select array_to_string(proargmodes, ',') from pg_proc_info where proname = 'p'") == [
        ("i,b,o",)
    ]


def test_replace_keeps_the_signature_and_may_rename_arguments(run: Run) -> None:
    create(run, "begin x := a; end", "p(a int, x out int)")
    create(run, "begin x := b + 1; end", "p(b int, x out int)")
    assert run("call p(1)") == [(2,)]
    create(run, "begin x := b + 2; end", "p(b bigint, x out int)")
    assert run("call p(1::bigint)") == [(3,)]
    run("drop procedure p(int)")
    assert run("call p(1)") == [(3,)]


def test_a_dropped_procedure_is_gone(run: Run) -> None:
    create(run, "begin null; end", "p(volume INOUT bigint, at_price IN numeric, result OUT int)")
    run("drop procedure p(volume INOUT bigint, at_price IN numeric, result OUT int)")
    assert failure(run, "call p(1, 2)")["C"] == "42883"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("create procedure p(a int[]) as $$ begin null; end $$ language plpgsql", "array types are not supported"),
        ("create procedure p() as $$ declare a json; begin null; end $$ language plpgsql", "type JSON is not"),
        ("create procedure p(a nonsense) as $$ begin null; end $$ language plpgsql", 'type "nonsense" does not exist'),
        ("create procedure p(a int, a int) as $$ begin null; end $$ language plpgsql", "used more than once"),
        ("create procedure p() as $$ begin null; end $$ language sql", 'language "sql" is not supported'),
        ("create procedure p() as $$ begin null; end $$", "needs AS $$ ... $$ and LANGUAGE plpgsql"),
        ("create procedure p() nonatomic as $$ begin null; end $$ language plpgsql set a to b", "cannot have SET"),
        (f"create procedure p({', '.join(f'a{i} int' for i in range(33))}) as $$ begin null; end $$ language plpgsql",
         "at most 32 input arguments"),
    ],
)  # fmt: skip
def test_what_cannot_be_created(run: Run, text: str, message: str) -> None:
    assert message in failure(run, text)["M"]


def test_an_error_in_a_body_points_into_the_clients_text(run: Run) -> None:
    text = "create procedure p() as $$\nbegin\n  perform 1;\nend $$ language plpgsql"
    told = failure(run, text)
    assert text[int(told["P"]) - 1 :].startswith("perform")
