"""The SQL that docs/add-a-metric.md writes passes lint, as our own does."""

from __future__ import annotations

import shutil
from pathlib import Path

from walk import Type, steps, write

from deployer.project.lint.run import lint

ROOT = Path(__file__).resolve().parents[2]


def test_the_walks_sql_breaks_no_rule(tmp_path: Path) -> None:
    for name in ("migrations", "procedures", "eventbridge"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for step in steps((ROOT / "docs" / "add-a-metric.md").read_text(encoding="utf-8")):
        if not isinstance(step, Type):
            write(step, tmp_path)
    report = lint(tmp_path)
    assert report.files > lint(ROOT).files
    assert report.findings == ()
