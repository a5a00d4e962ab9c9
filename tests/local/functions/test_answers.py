"""Calls and what the documentation of each function says they give: answers.tsv, through the gateway."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Ask = Callable[[str], list[list[str]]]

TABLE = [
    line.split("\t")
    for line in (Path(__file__).parent / "answers.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(("chapter", "expression", "expected"), TABLE, ids=[row[1][:60] for row in TABLE])
def test_answer(ask: Ask, chapter: str, expression: str, expected: str) -> None:
    if expected.startswith("error: "):
        with pytest.raises(Exception) as raised:
            ask(f"select {expression}")
        assert type(raised.value).__name__ == "Answered", raised.value
        assert expected.removeprefix("error: ") in str(raised.value)
    else:
        assert ask(f"select {expression}") == [[expected]]


def test_every_chapter_has_rows() -> None:
    chapters = {row[0] for row in TABLE}
    assert chapters == {
        "dates", "strings", "numbers", "conditional", "formatting", "hashes", "json", "varbyte", "system",
    }  # fmt: skip
    assert len(TABLE) > 250
