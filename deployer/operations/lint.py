"""Lint a project's SQL. Needs the files only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deployer.errors import UsageError
from deployer.project.config import Project
from deployer.project.lint import run
from deployer.project.lint.findings import Report, Rule
from deployer.project.lint.registry import RULES


def lint(project: Project, paths: Sequence[Path] = ()) -> Report:
    """Lint `paths`, by default the project's procedures and migrations. Raises UsageError for a path to nothing."""
    return run.lint(project.root, paths)


def rules() -> tuple[Rule, ...]:
    """All rules by their codes."""
    return tuple(RULES[code] for code in sorted(RULES))


def rule(name: str) -> Rule:
    """The rule with this code or name; raises UsageError."""
    for known in RULES.values():
        if name.lower() in (known.code.lower(), known.name):
            return known
    raise UsageError(f"there is no lint rule {name}; `zeroshift lint --rules` lists them")
