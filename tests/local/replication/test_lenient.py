"""TRUNCATECOLUMNS and ACCEPTINVCHARS on rows and on lines of COPY: both ways give the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.local.replication.definition import ColumnDefinition, TableDefinition
from deployer.local.replication.lenient import Lenient, cut

TABLE = TableDefinition(
    "rental",
    "notes",
    (
        ColumnDefinition("id", "int"),
        ColumnDefinition("note", "tinytext"),
        ColumnDefinition("name", "varchar", 9),
    ),
    ("id",),
)
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def line(values: tuple[str | None, ...]) -> bytes:
    return "\t".join(
        "\\N" if value is None else "".join(_ESCAPES.get(letter, letter) for letter in value)
        for value in values
    ).encode()


TEXTS = st.none() | st.text(st.sampled_from("aäß\\N€😀\0\n\t\r"), max_size=400)


@settings(max_examples=200)
@given(
    rows=st.lists(st.tuples(st.just("1"), TEXTS, st.none() | st.text("ab", max_size=9)), max_size=6),
    size=st.integers(1, 300),
    truncate=st.booleans(),
    accept=st.booleans(),
)
def test_rows_and_lines_agree(
    rows: list[tuple[str | None, ...]], size: int, truncate: bool, accept: bool
) -> None:
    lenient = Lenient(TABLE, truncate=truncate, accept=accept)
    text = b"".join(line(row) + b"\n" for row in rows)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    mended = [lenient.row(row) for row in rows]
    assert b"".join(lenient.lines(pieces)) == b"".join(line(row) + b"\n" for row in mended)
    for before, after in zip(rows, mended, strict=True):
        assert (before[1] is None) == (after[1] is None)
        if truncate and after[1] is not None:
            assert len(after[1].encode()) <= 255
        if not truncate and not accept:
            assert before == after


@given(text=st.text(), most=st.integers(0, 60))
def test_cut_keeps_whole_characters_and_as_many_as_fit(text: str, most: int) -> None:
    found = cut(text.encode(), most).decode()
    assert text.startswith(found)
    assert len(found.encode()) <= most
    assert found == text or len(text[: len(found) + 1].encode()) > most
