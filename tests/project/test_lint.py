"""Every rule catches its example and not the mended one; pages and rules are the same set; our own SQL is clean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lint_examples import codes, findings

from deployer.cli import lint_pages
from deployer.operations import lint as operations
from deployer.project.lint.findings import Rule
from deployer.project.lint.run import lint

ROOT = Path(__file__).resolve().parents[2]
RULES = operations.rules()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_catches_its_example_and_not_the_mended_one(rule: Rule) -> None:
    assert rule.code in codes(rule.bad)
    # Not even another rule finds anything in what the page recommends.
    assert findings(rule.good) == []


def test_there_are_at_least_thirty_rules_with_names_of_their_own() -> None:
    assert len(RULES) >= 30
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"ZS\d{3}", rule.code)
        assert rule.severity in ("error", "warning")
        for text in (rule.problem, rule.redshift, rule.mend):
            assert text.endswith((".", ")")) and "  " not in text, (rule.code, text)


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    directory = ROOT / "docs" / "lint"
    assert {path.name for path in directory.iterdir()} == {
        "README.md",
        *(f"{rule.code}.md" for rule in RULES),
    }
    for name, text in lint_pages.pages().items():
        written = (directory / name).read_text(encoding="utf-8")
        assert written == text, f"docs/lint/{name} is old: run `python -m deployer.cli.lint_pages`"


def test_every_page_says_what_a_page_must_say() -> None:
    for rule in RULES:
        page = (ROOT / "docs" / "lint" / f"{rule.code}.md").read_text(encoding="utf-8")
        for heading in ("## Problem", "## Redshift's rule", "## How to mend", "## How to silence"):
            assert heading in page
        own = rule.code in ("ZS002", "ZS003", "ZS308")
        assert own or f"Source: <https://{'docs.aws.amazon.com'}" in page, rule.code


def test_our_own_sql_is_clean_without_a_silencing_comment() -> None:
    report = lint(ROOT)
    assert report.findings == ()
    assert report.silenced == 0
    assert report.files > 60
    for path in [*(ROOT / "procedures").rglob("*.sql"), *(ROOT / "migrations").rglob("*.py")]:
        assert "lint:" not in path.read_text(encoding="utf-8"), path
