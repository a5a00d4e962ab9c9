"""The rules by their codes. A rule is a check with its description; the modules of `rules` register them here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from deployer.project.lint.catalog import Catalog
from deployer.project.lint.findings import Rule
from deployer.project.lint.units import Content, Procedure, Unit

Found = Iterator[tuple[int, str]]
"""Where (an offset into the unit's text, or into the procedure's body) and what is wrong there."""

UnitCheck = Callable[[Unit, Catalog], Found]
ProcedureCheck = Callable[[Procedure, Catalog], Found]
FileCheck = Callable[[Content, Catalog], Iterator[tuple[int, int, str]]]
"""Yields line, column and message."""

RULES: dict[str, Rule] = {}
UNIT_CHECKS: list[tuple[Rule, UnitCheck]] = []
PROCEDURE_CHECKS: list[tuple[Rule, ProcedureCheck]] = []
FILE_CHECKS: list[tuple[Rule, FileCheck]] = []

C = TypeVar("C")


def _register(checks: list[tuple[Rule, C]], rule: Rule) -> Callable[[C], C]:
    def add(check: C) -> C:
        describe(rule)
        checks.append((rule, check))
        return check

    return add


def describe(rule: Rule) -> Rule:
    """Register a rule that the runner itself checks."""
    if rule.code in RULES:
        raise ValueError(f"two rules have the code {rule.code}")
    RULES[rule.code] = rule
    return rule


def on_units(rule: Rule) -> Callable[[UnitCheck], UnitCheck]:
    """The check looks at each statement and each expression, wherever it stands."""
    return _register(UNIT_CHECKS, rule)


def on_procedures(rule: Rule) -> Callable[[ProcedureCheck], ProcedureCheck]:
    """The check looks at each procedure; its offsets are into the body."""
    return _register(PROCEDURE_CHECKS, rule)


def also_on_files(code: str) -> Callable[[FileCheck], FileCheck]:
    """The check looks at a whole file for a rule that is registered already."""

    def add(check: FileCheck) -> FileCheck:
        FILE_CHECKS.append((RULES[code], check))
        return check

    return add


def on_files(rule: Rule) -> Callable[[FileCheck], FileCheck]:
    """The check looks at a whole file."""
    return _register(FILE_CHECKS, rule)
