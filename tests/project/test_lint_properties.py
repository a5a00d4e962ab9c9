"""Whatever the text, lint answers with findings: it never raises, and a finding stands inside of the file."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from lint_examples import read

from deployer.operations.lint import rules
from deployer.project.lint.catalog import Catalog
from deployer.project.lint.run import check

ROOT = Path(__file__).resolve().parents[2]
SQL = [
    path.read_text(encoding="utf-8")
    for path in [
        *sorted((ROOT / "procedures").rglob("*.sql")),
        *sorted((ROOT / "migrations/versions").glob("*.py")),
    ]
]
EXAMPLES = [text for rule in rules() for text in (rule.bad, rule.good) if len(text) < 3000]
WORDS = (
    (
        "select from where as $$ ; ' \" ( ) -- /* */ begin end loop for in execute commit truncate create or "
        "replace procedure view table temp if then else case when merge into using on insert update set "
        "delete null  :: . , || / avg count * drop cascade grant to user alter column type with no schema "
        "binding exception others raise call declare\n 1 x s.t d.s.t language plpgsql copy unload limit union "
        "all not exists over partition by order cast decimal "
    )
    .strip()
    .split(" ")
)


def _lint(text: str) -> None:
    content = read(text)
    found, _ = check(content, Catalog([content]))
    lines = text.count("\n") + 1
    for finding in found:
        assert 1 <= finding.line <= lines and finding.column >= 1, finding
        assert finding.message and "\n" not in finding.message


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    _lint(text)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_any_words(words: list[str]) -> None:
    _lint(" ".join(words))


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(EXAMPLES + SQL), st.randoms(use_true_random=False))
def test_any_mutation_of_real_texts(text: str, rng: random.Random) -> None:
    if len(text) > 4000:
        start = rng.randrange(len(text) - 4000)
        text = text[start : start + 4000]
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(text) + 1), rng.randint(0, 12)
        other = rng.choice(EXAMPLES)
        cut = rng.randrange(len(other))
        new = rng.choice(["", " ".join(rng.choices(WORDS, k=3)), other[cut : cut + 40]])
        text = text[:at] + new + text[at + size :]
    _lint(text)


def test_deep_nesting_is_a_finding() -> None:
    for text in (
        "select " + "(" * 3000 + "1" + ")" * 3000 + " as x;",
        "select " + "not " * 3000 + "true as x;",
        "select " + " || ".join(["a"] * 3000) + " as x from s.t;",
        "select a from s.t where " + " and ".join(["a = 1"] * 3000) + ";",
        "create or replace procedure s.p() as $$ begin "
        + "if true then " * 1000
        + "end if; " * 1000
        + "end; $$"
        " language plpgsql;",
        "x = " + "(" * 500 + ")" * 500 + "\nop.execute('select 1')",
    ):
        _lint(text)
