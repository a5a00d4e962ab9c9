"""Findings stand at their line and column, and comments keep them quiet where they should."""

from __future__ import annotations

import pytest
from lint_examples import codes, findings, places


def test_a_finding_in_a_body_stands_at_its_line_and_column() -> None:
    text = (
        "-- a comment\n"
        "create or replace procedure ops.p()\n"
        "as $body$\n"
        "declare\n"
        "    n integer := (select count(*) from missing);\n"
        "begin\n"
        "    if n > 1 then\n"
        "        update s.t\n"
        "        set a = b.c from other as b\n"
        "        where t.a = b.a;\n"
        "    end if;\n"
        "    execute 'delete from\n"
        "        third where a = 1';\n"
        "    execute 'delete from fourth where a = ''x'' or\n"
        "  b in (select c from fifth)';\n"
        "end;\n"
        "$body$ language plpgsql;\n"
    )
    # The last two stand in a literal with doubled quotes: only the lines can be told behind its first one.
    assert places(text, "ZS301") == [(5, 40), (9, 26), (13, 9), (14, 13), (15, 1)]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("select a::decimal as b from s.t;", 11),
        ("select cast(nvl(a, cast(1 as integer)) as numeric) as b from s.t;", 43),
        ("select convert(decimal, a) as b from s.t;", 16),
        ("create temp table x (a decimal);", 24),
    ],
)
def test_a_type_is_found_where_it_is_written(text: str, column: int) -> None:
    assert places(text, "ZS405") == [(1, column)]


def test_a_finding_of_a_procedure_stands_at_the_statement() -> None:
    text = (
        "create or replace procedure ops.p()\nas $$\ndeclare\n    r record;\nbegin\n"
        "    for r in select a from s.t loop\n        commit;\n    end loop;\nend;\n$$ language plpgsql;"
    )
    assert places(text, "ZS205") == [(7, 9)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('op.execute("drop table s.t")', (1, 13)),
        ('op.execute(\n    """\n    create schema a;\n    drop table s.t\n    """\n)', (4, 5)),
        ("# Straße\nop.execute(\"select 'ü' as u; drop table s.t\")", (2, 30)),
        ('SQL = """\ndrop table s.t"""\n\n\nop.execute(SQL)', (2, 1)),
        ('bind = op.get_bind()\nbind.execute(sa.text("drop table s.t"))', (2, 23)),
        # Escapes and joined literals: the line of the literal, counted on by the lines of its value.
        ('op.execute("select \\"a\\" from s.t; "\n           "drop table s.t")', (1, 12)),
        ('op.execute("select 1 as one;\\n\\ndrop table s.t")', (3, 1)),
    ],
)
def test_a_finding_in_a_migration_stands_at_its_line(text: str, place: tuple[int, int]) -> None:
    assert places(text, "ZS408") == [place]


def test_broken_texts_are_one_sentence_at_their_place() -> None:
    (found,) = findings("select 1 as one;\nselect 'never\n closed;")
    assert (found.code, found.line, found.column, found.message) == (
        "ZS001",
        2,
        8,
        "unterminated quoted string",
    )
    (found,) = findings("op.execute(")
    assert (found.code, found.line, found.message) == ("ZS001", 1, "not Python: '(' was never closed")


BODY = """\
create or replace procedure ops.p()
as $$
begin
    {above}
    delete from s.t;{beside}
end;
$$ language plpgsql;
"""


@pytest.mark.parametrize(
    "text",
    [
        "delete from s.t; -- lint: ignore ZS507 because the table is small",
        "-- lint: ignore ZS507 because the table is small\ndelete from s.t;",
        "-- lint: ignore ZS507 because the table is small\n-- and is filled anew\ndelete from s.t;",
        "-- Lint: Ignore zs507 Because the table is small\ndelete from s.t;",
        "select 1 as one;\n-- lint: ignore-file ZS507 because the table is small\ndelete from s.t;\ndelete from s.u;",
        "-- lint: ignore ZS507, ZS301 because the table is small\ndelete from t;",
        BODY.format(above="-- lint: ignore ZS507 because the table is small", beside=""),
        BODY.format(above="", beside=" -- lint: ignore ZS507 because the table is small"),
        'op.execute("delete from s.t -- lint: ignore ZS507 because the table is small")',
        '# lint: ignore ZS507 because the table is small\nop.execute("delete from s.t")',
        'op.execute("delete from s.t")  # lint: ignore ZS507 because the table is small',
        'op.execute("""\n-- lint: ignore ZS507 because the table is small\ndelete from s.t""")',
    ],
)
def test_a_comment_keeps_a_finding_quiet(text: str) -> None:
    assert findings(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-- lint: ignore ZS507\ndelete from s.t;", {"ZS002", "ZS507"}),
        ("-- lint: ignore ZS507 because\ndelete from s.t;", {"ZS002", "ZS507"}),
        ("-- lint: ignore because it is small\ndelete from s.t;", {"ZS002", "ZS507"}),
        ("-- lint: disable\ndelete from s.t;", {"ZS002", "ZS507"}),
        ("-- lint: ignore ZS999 because there is no such rule\ndelete from s.t;", {"ZS002", "ZS507"}),
        ("-- lint: ignore ZS301 because it is small\ndelete from s.t;", {"ZS003", "ZS507"}),
        ("-- lint: ignore ZS507, ZS301 because it is small\ndelete from s.t;", {"ZS003"}),
        # Not above the statement: another one stands between.
        ("-- lint: ignore ZS507 because it is small\nselect 1 as one;\ndelete from s.t;", {"ZS003", "ZS507"}),
        ("-- lint: ignore ZS507 because it is small\n\ndelete from s.t;", {"ZS003", "ZS507"}),
        # Text, no comment.
        ("select '-- lint: ignore ZS507 because it is small' as x; delete from s.t;", {"ZS507"}),
        # What speaks of comments cannot be kept quiet.
        ("-- lint: ignore ZS003 because I like it\nselect 1 as one;", {"ZS003"}),
        (BODY.format(above="-- lint: ignore ZS301 because", beside=""), {"ZS002", "ZS507"}),
    ],
)
def test_a_comment_that_does_nothing_is_reported(text: str, expected: set[str]) -> None:
    assert codes(text) == expected


def test_the_places_of_comments_are_told() -> None:
    assert places("select 1 as one;  -- lint: ignore ZS507 because x", "ZS003") == [(1, 19)]
    assert places(BODY.format(above="-- lint: ignore ZS301 because y", beside=""), "ZS003") == [(4, 5)]
    assert places('op.execute("""\n  -- lint: ignore ZS301\n  delete from s.t where a = 1""")', "ZS002") == [
        (2, 3)
    ]
