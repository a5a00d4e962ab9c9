from __future__ import annotations

import pytest

from deployer.sql.lexer import LexError, tokenize


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Select A", [("word", "select"), ("word", "a")]),
        ('"Mixed ""Case"""', [("quoted", 'Mixed "Case"')]),
        ("'it''s'", [("string", "it's")]),
        (r"'a\'b\\c\n'", [("string", "a'b\\c\n")]),
        (r"'\101\x42'", [("string", "AB")]),
        ("$$a'b$$", [("string", "a'b")]),
        ("$x$ $$ $x$", [("string", " $$ ")]),
        ("$1::int", [("param", "$1"), ("op", "::"), ("word", "int")]),
        ("1.5e-3+.5", [("number", "1.5e-3"), ("op", "+"), ("number", ".5")]),
        ("a/* x /* y */ z */b--c\n,d", [("word", "a"), ("word", "b"), ("op", ","), ("word", "d")]),
        ("#temp", [("word", "#temp")]),
        ("a<>b!=c", [("word", "a"), ("op", "<>"), ("word", "b"), ("op", "!="), ("word", "c")]),
        ("a*-1", [("word", "a"), ("op", "*"), ("op", "-"), ("number", "1")]),
        ("größe", [("word", "größe")]),
    ],
)
def test_tokens(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(token.kind, token.value) for token in tokenize(text)[:-1]] == expected


def test_tokens_know_their_place() -> None:
    text = "select /* c */ 'a''b', \"C\"  from t"
    assert [text[token.start : token.end] for token in tokenize(text)[:-1]] == [
        "select", "'a''b'", ",", '"C"', "from", "t",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, position",
    [
        ("select 'abc", 7),
        ('select "abc', 7),
        ("select /* a /* b */", 7),
        ("select $a$ b $b$", 7),
        ("a 'b\\'", 2),
    ],
)
def test_what_is_never_closed_is_refused_where_it_opens(text: str, position: int) -> None:
    with pytest.raises(LexError) as caught:
        tokenize(text)
    assert caught.value.position == position
