"""The parser of procedure bodies: structure, offsets, refusals; no input may end in anything but BodyError."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.sql.plpgsql import BodyError, parse_body, parse_call
from deployer.sql.plpgsql_ast import Block, Call, ForInteger, If, Loop, Raise, Sql, Text
from deployer.sql.procedure import parse_create_procedure

NAMES = st.sampled_from(["a", "total", "#stage", "as_of", '"Mixed Case"'])
EXPRESSIONS = st.sampled_from(
    [
        "1",
        "a + 1",
        "'it''s; fine'",
        "f(a, 'b')",
        "case when a = 1 then 2 else 3 end",
        "(select max(x) from t)",
        "$q$;$q$",
    ]
)
SIMPLE = st.one_of(
    st.builds("{} := {};".format, st.sampled_from(["a", "total"]), EXPRESSIONS),
    st.builds("insert into t (x) values ({});".format, EXPRESSIONS),
    st.builds("select {} into a from t;".format, EXPRESSIONS),
    st.builds("raise info 'at %', {};".format, st.sampled_from(["a", "total"])),
    st.sampled_from(
        ["null;", "commit;", "rollback;", "return;", "truncate t;", "get diagnostics a := row_count;"]
    ),
    st.builds("call s.p({}, {});".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("execute {} into a;".format, EXPRESSIONS),
    st.just("-- a comment; with a semicolon\n  null;"),
)


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    bodies = st.lists(inner, min_size=1, max_size=3).map("\n".join)
    return st.one_of(
        st.builds(
            "if {} then {} elsif {} then {} else {} end if;".format,
            EXPRESSIONS,
            bodies,
            EXPRESSIONS,
            bodies,
            bodies,
        ),
        st.builds("while {} loop {} end loop;".format, EXPRESSIONS, bodies),
        st.builds("for i in {}..{} loop {} end loop;".format, st.integers(0, 9), st.integers(0, 9), bodies),
        st.builds("for r in select * from t loop {} end loop;".format, bodies),
        st.builds("begin {} exception when others then {} end;".format, bodies, bodies),
        st.builds(
            "case {} when {} then {} else {} end case;".format, EXPRESSIONS, EXPRESSIONS, bodies, bodies
        ),
    )


BODIES = st.lists(st.recursive(SIMPLE, _nested, max_leaves=12), min_size=1, max_size=5)


def _pieces(node: Any) -> Iterator[Text]:
    if isinstance(node, Text):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from _pieces(item)
    elif hasattr(node, "__dataclass_fields__"):
        for name in node.__dataclass_fields__:
            yield from _pieces(getattr(node, name))


@given(BODIES)
def test_every_body_of_the_grammar_parses_and_its_pieces_stand_where_they_say(statements: list[str]) -> None:
    body = "declare a integer; total bigint := 0;\nbegin\n" + "\n".join(statements) + "\nend;"
    try:
        block = parse_body(body)
    except BodyError as error:
        # The grammar nests loops over queries, which Redshift's one cursor forbids.
        assert error.message.startswith("only one cursor") and body.count("for r in select") > 1
        return
    assert len(block.body) == len(statements)
    assert [d.name for d in block.declarations] == ["a", "total"]
    for piece in _pieces(block):
        written = body[piece.at : piece.at + len(piece.sql)]
        # INTO and its targets are blanked out of a SELECT; everything else stands as it was written.
        assert all(kept in (" ", was) for kept, was in zip(piece.sql, written, strict=True))


@given(
    st.lists(
        st.sampled_from(
            "begin end if then else loop for in case when declare ; := ( ) 'a' a 1 .. << >> exception".split()
        )
    )
)
def test_nonsense_gives_one_clear_error(words: list[str]) -> None:
    body = " ".join(words)
    try:
        parse_body(body)
    except BodyError as error:
        assert 0 <= error.position <= len(body) and error.message


@given(st.text(max_size=80))
def test_any_text_gives_one_clear_error(body: str) -> None:
    try:
        parse_body(body)
    except BodyError as error:
        assert error.message


def test_the_structure_of_a_body() -> None:
    block = parse_body(
        "begin\n"
        "  <<outer>> for n in 1..3 loop\n"
        "    if n > 1 then exit outer; end if;\n"
        "  end loop outer;\n"
        "  select a, b into x, y from t where c in (select c from u);\n"
        "  loop raise warning 'w % %%', x; end loop;\n"
        "end"
    )
    loop, select, endless = block.body
    assert isinstance(loop, ForInteger) and (loop.label, loop.lower.sql, loop.upper.sql) == (
        "outer",
        "1",
        "3",
    )
    assert isinstance(loop.body[0], If)
    assert isinstance(select, Sql) and select.into == ("x", "y") and select.text.sql.count("into") == 0
    assert isinstance(endless, Loop) and endless.body == (
        Raise(endless.body[0].at, "warning", "w % %%", ("x",)),
    )


def test_a_call_statement() -> None:
    assert parse_call("call ops.run_rental(null, f(1, 2))") == Call(
        0, "ops", "run_rental", (Text("null", 20), Text("f(1, 2)", 26))
    )
    assert parse_call('CALL "P"()').name == "P"
    with pytest.raises(BodyError):
        parse_call("call p(1")


def test_the_parts_of_create_procedure() -> None:
    text = (
        "create or replace procedure ops.load(as_of timestamp, inout n integer, t out varchar(10), decimal(8,2))\n"
        "as $body$\nbegin null; end\n$body$ language plpgsql security definer set search_path to a, b"
    )
    parsed = parse_create_procedure(text)
    assert (str(parsed.name), parsed.replace, parsed.definer, parsed.nonatomic) == (
        "ops.load",
        True,
        True,
        False,
    )
    assert [(a.name, a.mode, a.type_text) for a in parsed.arguments] == [
        ("as_of", "in", "timestamp"), ("n", "inout", "integer"), ("t", "out", "varchar(10)"),
        ("", "in", "decimal(8,2)"),
    ]  # fmt: skip
    assert parsed.settings == ("search_path=a, b",)
    assert text[parsed.body_at :].startswith("\nbegin") and isinstance(parsed.block, Block)


@pytest.mark.parametrize(
    "body, position",
    [
        ("begin x := ; end", 11),
        ("begin\n  if a then null; end", 24),
        ("begin select 1 into strict a; end", 20),
    ],
)
def test_an_error_says_where(body: str, position: int) -> None:
    with pytest.raises(BodyError) as caught:
        parse_body(body)
    assert caught.value.position == position
