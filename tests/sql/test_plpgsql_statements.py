"""Every statement and declaration of Redshift's PL/pgSQL, and by name what it lacks."""

from __future__ import annotations

import pytest

from deployer.sql.plpgsql import BodyError, parse_body
from deployer.sql.plpgsql_ast import (
    Assign,
    Block,
    Call,
    Case,
    Cursor,
    Execute,
    ForInteger,
    ForQuery,
    GetRowCount,
    If,
    Leave,
    Loop,
    Null,
    Raise,
    Return,
    Sql,
    Statement,
    Transaction,
)


def body(statements: str, declarations: str = "") -> str:
    head = f"declare\n{declarations}\n" if declarations else ""
    return f"\n{head}begin\n{statements}\nend;\n"


def only(statements: str, declarations: str = "") -> Statement:
    block = parse_body(body(statements, declarations))
    assert len(block.body) == 1
    return block.body[0]


DECLARATIONS = """
    customer_id integer;
    total numeric(12, 2) not null default 1.5;
    url constant varchar(max) := 'http://' || 'x';
    stamp timestamp without time zone = getdate();
    line record;
    other line%type;
    "Row" public.sales%rowtype;
    c refcursor;
    d cursor for select 1;
    e cursor is select 2;
    first_one alias for $1;
"""


def test_declarations() -> None:
    block = parse_body(body("null;", DECLARATIONS))
    told = {d.name: (d.type_text, d.default.sql if d.default else None) for d in block.declarations}
    assert told == {
        "customer_id": ("integer", None),
        "total": ("numeric(12, 2)", "1.5"),
        "url": ("varchar(max)", "'http://' || 'x'"),
        "stamp": ("timestamp without time zone", "getdate()"),
        "line": ("record", None),
        "other": ("line%type", None),
        "Row": ("public.sales%rowtype", None),
        "c": ("refcursor", None),
        "d": ("cursor", "select 1"),
        "e": ("cursor", "select 2"),
        "first_one": ("", None),
    }
    by_name = {d.name: d for d in block.declarations}
    assert by_name["total"].not_null and not by_name["total"].constant
    assert by_name["url"].constant
    assert by_name["first_one"].alias_of == "$1"


def test_a_body_may_end_without_a_semicolon_and_have_a_label() -> None:
    block = parse_body("<<outer>> begin null; end outer")
    assert (block.label, [type(s) for s in block.body]) == ("outer", [Null])


@pytest.mark.parametrize("sign", [":=", "="])
def test_assignment(sign: str) -> None:
    statement = only(f"tip {sign} subtotal * (0.15 + case when a then 1 else 2 end);")
    assert isinstance(statement, Assign)
    assert (statement.target, statement.value.sql) == (
        "tip",
        "subtotal * (0.15 + case when a then 1 else 2 end)",
    )


def test_assignment_to_a_field() -> None:
    statement = only('"Rec".Field := 1;')
    assert isinstance(statement, Assign) and statement.target == "Rec.field"


def test_if_with_every_branch() -> None:
    statement = only(
        """if a = 1 then null; elsif case when b then true else false end then x := 1; x := 2;
        elseif c then null; else return; end if;"""
    )
    assert isinstance(statement, If)
    assert [(condition.sql, len(run)) for condition, run in statement.branches] == [
        ("a = 1", 1),
        ("case when b then true else false end", 2),
        ("c", 1),
    ]
    assert [type(s) for s in statement.otherwise] == [Return]


def test_simple_and_searched_case() -> None:
    simple = only("case x when 1, 2 then null; when f(3, 4) then null; else return; end case;")
    assert isinstance(simple, Case) and simple.subject is not None and simple.subject.sql == "x"
    assert [[value.sql for value in values] for values, _ in simple.branches] == [["1", "2"], ["f(3, 4)"]]
    assert simple.otherwise is not None
    searched = only("case when x between 0 and 10 then null; end case;")
    assert isinstance(searched, Case) and searched.subject is None and searched.otherwise is None


def test_loops() -> None:
    loop = only("<<l>> loop exit l when (i >= x); continue; end loop l;")
    assert isinstance(loop, Loop) and loop.label == "l" and loop.condition is None
    leave, again = loop.body
    assert isinstance(leave, Leave) and (leave.label, leave.again) == ("l", False)
    assert leave.when is not None and leave.when.sql == "(i >= x)"
    assert isinstance(again, Leave) and again.again and again.when is None and again.label == ""
    loop = only("while not done loop null; end loop;")
    assert isinstance(loop, Loop) and loop.condition is not None and loop.condition.sql == "not done"


@pytest.mark.parametrize(
    ("head", "lower", "upper", "reverse", "step"),
    [
        ("i in 1..10", "1", "10", False, None),
        ("i in 1 .. 10", "1", "10", False, None),
        ("i in reverse 10..1", "10", "1", True, None),
        ("i in a..b by 2", "a", "b", False, "2"),
        ("i in 1..f1", "1", "f1", False, None),
        ("i in 1..(f1)", "1", "(f1)", False, None),
        ("i in 1..-1", "1", "-1", False, None),
        ("i in f(1, 2)..(select max(x) from t)", "f(1, 2)", "(select max(x) from t)", False, None),
        ("i in (select 1)..2", "(select 1)", "2", False, None),
    ],
)
def test_for_over_integers(head: str, lower: str, upper: str, reverse: bool, step: str | None) -> None:
    loop = only(f"for {head} loop null; end loop;")
    assert isinstance(loop, ForInteger)
    assert (loop.variable, loop.lower.sql, loop.upper.sql, loop.reverse) == ("i", lower, upper, reverse)
    assert (loop.step.sql if loop.step else None) == step


def test_for_over_a_query() -> None:
    loop = only("for rec in select * from a order by 1 loop null; end loop;")
    assert isinstance(loop, ForQuery)
    assert (loop.targets, loop.query.sql, loop.dynamic) == (("rec",), "select * from a order by 1", False)
    loop = only("for a, b in with c as (select 1) select * from c loop null; end loop;")
    assert isinstance(loop, ForQuery) and loop.targets == ("a", "b")
    loop = only("for rec in execute 'select ' || x loop null; end loop;")
    assert isinstance(loop, ForQuery) and loop.dynamic and loop.query.sql == "'select ' || x"


@pytest.mark.parametrize(
    ("clause", "text", "into"),
    [
        ("into x, y", "select a, b {} from t", ("x", "y")),
        ("into x", "select {} a from t", ("x",)),
        ("into rec", "select {} * from cust where name = n", ("rec",)),
        ("into a, b", "select {} max(c), min(c) from t", ("a", "b")),
        ("into x", "with q as (select 1 as n) select n {} from q", ("x",)),
        ("into x", "select (select max(a) from t) {}", ("x",)),
        ("into rec.total", "select count(*) {} from t", ("rec.total",)),
        ("into x", "select extract(year from d) {} from t", ("x",)),
        ("into x", "select a from t where b = 1 {}", ("x",)),
        ("into x", "select max(a) {} from (select 1 as a union select 2)", ("x",)),
        ("into\n x\n", "select max(a) {} from t", ("x",)),
    ],
)
def test_select_into_variables(clause: str, text: str, into: tuple[str, ...]) -> None:
    statement = only(f"{text.format(clause)};")
    assert isinstance(statement, Sql)
    assert (statement.kind, statement.into) == ("select", into)
    # the clause is blanked, so that the offsets and lines of what follows stay
    blank = "".join(c if c == "\n" else " " for c in clause.rstrip())
    assert statement.text.sql == text.format(blank + clause[len(clause.rstrip()) :]).rstrip() or (
        statement.text.sql == text.format(blank)
    )
    assert "into" not in statement.text.sql


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("insert into t select 1", "insert"),
        ("update t set a = 1 where b in (select c from d)", "update"),
        ("delete from t using u where t.a = u.a", "delete"),
        ("merge into t using s on t.a = s.a when matched then delete when not matched then insert values (1)", "merge"),
        ("create temp table x as select 1 as a", "create_table_as"),
        ("create table #x (a int)", "ddl"),
        ("drop table if exists x", "ddl"),
        ("truncate table x", "truncate"),
        ("lock a, b", "lock"),
        ("analyze t", "analyze"),
        ("grant select on t to u", "grant"),
        ("set search_path to a", "set"),
        ("create or replace procedure q() as $q$ begin null; end $q$ language plpgsql", "create_procedure"),
        ("select a into temp table x from t", "create_table_as"),
        ("select a into #x from t", "create_table_as"),
        ("with q as (select 1) insert into t select * from q", "insert"),
    ],
)  # fmt: skip
def test_sql_statements(text: str, kind: str) -> None:
    statement = only(f"{text};")
    assert isinstance(statement, Sql)
    assert (statement.kind, statement.text.sql, statement.into) == (kind, text, ())


def test_semicolons_and_words_inside_of_quotes_and_comments_do_not_count() -> None:
    block = parse_body(body("insert into t values ('a;b', $$end;$$, \"end\"); -- end;\n /* end; */ null;"))
    assert [type(s) for s in block.body] == [Sql, Null]


def test_execute() -> None:
    statement = only("execute 'select ' || quote_ident(x) into a, rec.b;")
    assert isinstance(statement, Execute)
    assert (statement.command.sql, statement.into) == ("'select ' || quote_ident(x)", ("a", "rec.b"))


def test_call() -> None:
    statement = only("call \"Ops\".load(f(1, 2), x, 'a,b');")
    assert isinstance(statement, Call)
    assert (statement.schema, statement.name) == ("Ops", "load")
    assert [a.sql for a in statement.arguments] == ["f(1, 2)", "x", "'a,b'"]


def test_raise() -> None:
    statement = only("raise exception '100 %% of % and %', a, rec.b;")
    assert isinstance(statement, Raise)
    assert (statement.level, statement.format, statement.arguments) == (
        "exception",
        "100 %% of % and %",
        ("a", "rec.b"),
    )
    for level in ("debug", "log", "info", "notice", "warning"):
        told = only(f"raise {level} 'x';")
        assert isinstance(told, Raise) and told.level == level


def test_cursor_statements() -> None:
    block = parse_body(
        body(
            "open c for select * from t; open d for execute 'x'; open e; fetch c into a, b; fetch c into rec; close c;",
            "c refcursor; d refcursor; e cursor for select 1; a int; b int; rec record;",
        )
    )
    assert [(s.verb, s.name, s.into, s.dynamic) for s in block.body if isinstance(s, Cursor)] == [
        ("open", "c", (), False),
        ("open", "d", (), True),
        ("open", "e", (), False),
        ("fetch", "c", ("a", "b"), False),
        ("fetch", "c", ("rec",), False),
        ("close", "c", (), False),
    ]


def test_transactions_and_diagnostics() -> None:
    kinds = parse_body(
        body(
            "commit; rollback; start transaction; get diagnostics n := row_count; get diagnostics n = row_count;"
        )
    ).body
    assert [s.verb for s in kinds if isinstance(s, Transaction)] == ["commit", "rollback", "start"]
    assert [s.target for s in kinds if isinstance(s, GetRowCount)] == ["n", "n"]


def test_handlers() -> None:
    for words, resume in (("", False), ("exit_handler", False), ("continue_handler", True)):
        block = parse_body(f"begin null; exception {words} when others then null; null; end;")
        assert block.handler is not None
        assert (block.handler.resume, len(block.handler.body)) == (resume, 2)


def test_nested_blocks() -> None:
    inner = only("<<i>> declare x int; begin null; end i;")
    assert isinstance(inner, Block) and inner.label == "i" and inner.declarations[0].name == "x"


def test_offsets_point_at_the_source() -> None:
    text = body(
        "\n  x := 1 + 2;\n\n  -- é\n  select max(a)\n    into x\n  from t;\n  if x > 1 then\n    return;\n  end if;",
        "  x int := 41 + 1;",
    )
    block = parse_body(text)
    assert text.startswith("x int", block.declarations[0].at)
    default = block.declarations[0].default
    assert default is not None and text.startswith("41 + 1;", default.at)
    assign, select, condition = block.body
    assert isinstance(assign, Assign) and text.startswith("x := 1", assign.at)
    assert text.startswith("1 + 2;", assign.value.at)
    assert isinstance(select, Sql) and text.startswith("select max", select.text.at)
    assert select.text.sql == "select max(a)\n          \n  from t"
    assert isinstance(condition, If) and text.startswith("if x", condition.at)
    assert text.startswith("x > 1", condition.branches[0][0].at)


USING = "EXECUTE ... USING is not supported on Redshift; use QUOTE_LITERAL"
STRICT = "SELECT INTO STRICT is not supported on Redshift"
VARIABLES = "the arguments of RAISE must be simple variables on Redshift"
PERFORM = "PERFORM is not among Redshift's PL/pgSQL statements; use SELECT ... INTO a variable, or CALL"
FORMAT = "RAISE takes a level and a format string on Redshift"
OTHERS = "Redshift handles exceptions only with WHEN OTHERS"


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ("select a into strict x from t;", STRICT),
        ("execute 'x' into strict y;", STRICT),
        ("execute 'x' using y;", USING),
        ("execute 'x' into y using z;", USING),
        ("for r in execute 'x' using y loop null; end loop;", USING),
        ("open c for execute 'x' using y;", USING),
        ("raise exception 'x' using errcode = 'P0002';", "RAISE ... USING is not supported on Redshift"),
        ("raise notice 'x %', a + 1;", VARIABLES),
        ("raise notice 'x %', 'a';", VARIABLES),
        ("raise notice 'x %', 1;", VARIABLES),
        ("raise notice 'x %', f(a);", VARIABLES),
        ("raise exception sqlstate '22012';", FORMAT),
        ("raise division_by_zero;", FORMAT),
        ("raise notice 'x' || a;", FORMAT),
        ("return 1;", "RETURN cannot have a value in a procedure; use an OUT argument"),
        ("return next;", "RETURN cannot have a value in a procedure; use an OUT argument"),
        ("perform f();", PERFORM),
        ("commit work;", "only plain COMMIT is supported in a procedure on Redshift"),
        ("commit and chain;", "only plain COMMIT is supported in a procedure on Redshift"),
        ("rollback transaction;", "only plain ROLLBACK is supported in a procedure on Redshift"),
        ("rollback to savepoint a;", "only plain ROLLBACK is supported in a procedure on Redshift"),
        ("start transaction read only;", "START TRANSACTION takes no options in a procedure on Redshift"),
        ("savepoint a;", "savepoints are not supported on Redshift"),
        ("release savepoint a;", "savepoints are not supported on Redshift"),
        ("begin transaction;", "use START TRANSACTION in a NONATOMIC procedure; BEGIN opens a block"),
        ("begin;", "use START TRANSACTION in a NONATOMIC procedure; BEGIN opens a block"),
        ("get diagnostics x = result_oid;", "GET DIAGNOSTICS has only ROW_COUNT on Redshift"),
        ("get stacked diagnostics x = message_text;", "GET STACKED DIAGNOSTICS is not supported on Redshift"),
        ("move c;", "MOVE is not supported on Redshift"),
        (
            "fetch prior from c into x;",
            "FETCH takes only the next row in a procedure on Redshift: FETCH cursor INTO target",
        ),
        ("open c(1);", "cursors with arguments are not supported by the local Redshift yet"),
        ("foreach x in array y loop null; end loop;", "FOREACH is not supported on Redshift"),
        ("assert x > 1;", "ASSERT is not supported on Redshift; use IF and RAISE EXCEPTION"),
        ("for i in 1 loop null; end loop;", "FOR takes an integer range (1..10), a query, or EXECUTE on Redshift"),
        ("for r in c loop null; end loop;", "FOR takes an integer range (1..10), a query, or EXECUTE on Redshift"),
        ("update t set a = 1 returning a into x;", "RETURNING is not supported on Redshift"),
        ("vacuum t;", "VACUUM cannot be used in a procedure on Redshift"),
        ("create database d;", "CREATE DATABASE cannot be used in a procedure on Redshift"),
        ("drop database d;", "DROP DATABASE cannot be used in a procedure on Redshift"),
        ("prepare p as select 1;", "PREPARE cannot be used in a procedure on Redshift"),
        ("set local search_path to a;", "SET LOCAL cannot be used in a procedure on Redshift"),
        ("alter table t append from u;", "ALTER TABLE APPEND cannot be used in a procedure on Redshift"),
        ("alter table t alter column a type varchar(9);", "ALTER TABLE cannot be used in a procedure on Redshift"),
        ("create external table s.t (a int);", "CREATE EXTERNAL TABLE cannot be used in a procedure on Redshift"),
    ],
)  # fmt: skip
def test_refused_by_name(statements: str, message: str) -> None:
    with pytest.raises(BodyError) as caught:
        parse_body(body(statements))
    assert (caught.value.message, caught.value.unsupported) == (message, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("begin null; exception when division_by_zero then null; end;", OTHERS),
        ("begin null; exception when others or unique_violation then null; end;", OTHERS),
        ("begin null; exception when sqlstate '22012' then null; end;", OTHERS),
        (
            "begin null; exception when others then null; when others then null; end;",
            "Redshift handles exceptions with one WHEN OTHERS only",
        ),
        (
            "declare c scroll cursor for select 1; begin null; end;",
            "SCROLL cursors are not supported on Redshift",
        ),
        (
            "declare c no scroll cursor for select 1; begin null; end;",
            "SCROLL cursors are not supported on Redshift",
        ),
        (
            "declare c cursor (k int) for select k; begin null; end;",
            "cursors with arguments are not supported by the local Redshift yet",
        ),
        ("declare a integer[]; begin null; end;", "array types are not supported on Redshift; use SUPER"),
    ],
)
def test_refused_blocks(text: str, message: str) -> None:
    with pytest.raises(BodyError) as caught:
        parse_body(text)
    assert (caught.value.message, caught.value.unsupported) == (message, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "syntax error at end of input: expected BEGIN"),
        ("begin", "syntax error at end of input: expected END or EXCEPTION"),
        ("begin null end;", 'syntax error at or near "end": expected ";"'),
        ("begin x := ; end;", 'syntax error at or near ";": expected an expression'),
        ("begin if a then end; end;", 'syntax error at or near "end": expected END IF'),
        ("begin if a; end if; end;", 'syntax error at or near ";": expected THEN'),
        ("begin end; select 1", 'syntax error at or near "select"'),
        ("begin raise notice '%'; end;", "too few parameters specified for RAISE"),
        ("begin raise notice 'x', a; end;", "too many parameters specified for RAISE"),
        ("begin nonsense here; end;", 'syntax error at or near "nonsense"'),
        (
            "begin <<l>> null; end;",
            'syntax error at or near "null": expected a block or a loop after the label',
        ),
        ("begin x := (1; y := 2); end;", 'syntax error at or near ";"'),
        ("begin x := 1); end;", 'syntax error at or near ")"'),
        ("begin loop null; end loop other; end;", 'syntax error at or near "other": expected ";"'),
        ("begin 'x'; end;", "syntax error at or near \"'x'\""),
        ("begin x := 'a; end;", "unterminated quoted string"),
        ("begin exit nowhere; end;", 'label "nowhere" does not exist'),
        ("begin exit; end;", "EXIT cannot be used outside a loop"),
        ("begin continue; end;", "CONTINUE cannot be used outside a loop"),
        ("<<b>> begin continue b; end;", 'CONTINUE needs the label of a loop, and "b" is a block'),
        ("begin raise; end;", "RAISE without a message can only be used in an exception handler"),
        ("declare a int; A int; begin null; end;", 'duplicate declaration of variable "a"'),
        (
            "declare a int not null; begin null; end;",
            'variable "a" is NOT NULL and must have a default value',
        ),
    ],
)
def test_syntax_errors(text: str, message: str) -> None:
    with pytest.raises(BodyError) as caught:
        parse_body(text)
    assert (caught.value.message, caught.value.unsupported) == (message, False)


def test_limits() -> None:
    with pytest.raises(BodyError, match="at most 2 MB"):
        parse_body("begin null; end; --" + "x" * (2 * 1024 * 1024))
    many = "".join(f"v{i} int;\n" for i in range(1025))
    with pytest.raises(BodyError, match="at most 1024 variables"):
        parse_body(f"declare {many} begin null; end;")
    deep = "if a then " * 5000 + "null;" + "end if;" * 5000
    with pytest.raises(BodyError, match="nested too deeply"):
        parse_body(f"begin {deep} end")
