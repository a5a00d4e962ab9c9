"""`:name` in a statement's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.local.data_api.errors import Invalid
from deployer.local.data_api.parameters import bind, check_used, named
from deployer.sql.lexer import LexError, tokenize


@pytest.mark.parametrize(
    ("sql", "bound", "names"),
    [
        ("select :a", "select $1", ("a",)),
        ("select :a, :b, :a", "select $1, $2, $3", ("a", "b", "a")),
        ("select :a::int", "select $1::int", ("a",)),
        ("select ':a', \":a\", $$:a$$ /* :a */ -- :a", "select ':a', \":a\", $$:a$$ /* :a */ -- :a", ()),
        ("select :ab, x::a", "select :ab, x::a", ()),
        ("select :A", "select :A", ()),
        ("select :1, :1b", "select $1, $2", ("1", "1b")),
        ("select : a", "select : a", ()),
        ("select x where n=:a", "select x where n=$1", ("a",)),
        ("select 'open :a", "select 'open :a", ()),
        ("select 1 between:a and:b", "select 1 between $1 and $2", ("a", "b")),
        ("select :a$$, :é", "select :a$$, :é", ()),
    ],
)
def test_bind(sql: str, bound: str, names: tuple[str, ...]) -> None:
    assert bind(sql, {"a": "1", "b": "2", "1": "3", "1b": "4"}) == (bound, names)


def test_no_parameters_no_change() -> None:
    assert bind("select :a", {}) == ("select :a", ())


def test_each_must_be_used() -> None:
    check_used(["select :a", "select :b"], {"a": "1", "b": "2"})
    with pytest.raises(Invalid, match=r"unused parameters. Unused parameters: \[b, c\]"):
        check_used(["select :a"], {"a": "1", "b": "2", "c": "3"})
    with pytest.raises(Invalid, match="twice"):
        named([{"name": "a", "value": "1"}, {"name": "a", "value": "2"}])


PIECES = st.sampled_from(
    [
        "select ",
        ":a",
        ":b",
        "::int",
        " ",
        ",",
        "'",
        '"',
        "--",
        "\n",
        "/*",
        "*/",
        "$$",
        "x",
        ":",
        "1",
        "''",
        "\\",
    ]
)


@given(st.lists(PIECES, max_size=20).map("".join))
def test_the_rest_of_the_text_is_untouched(sql: str) -> None:
    values = {"a": "1", "b": "2"}
    bound, names = bind(sql, values)
    try:
        before, after = tokenize(sql), tokenize(bound)
    except LexError:
        assert names == ()
        return
    # The tokens are the same but for the parameters, each of which is two tokens in the text: a colon and a name.
    assert sum(token.kind == "param" for token in after) == len(names)
    assert len(before) - len(after) == len(names)
