"""What lint knows about a rule, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ERROR = "error"
WARNING = "warning"

GUIDE = "https://docs.aws.amazon.com/redshift/latest/dg/"
"""The Redshift Database Developer Guide, where a rule's `source` is a page's name only."""


@dataclass(frozen=True)
class Rule:
    """One rule. `code` and `name` are stable: teams write them into their files and their CI.

    `problem` says what goes wrong, `redshift` what Redshift's documentation says, `source` names the page (of the
    Developer Guide, or a whole address), `mend` what to write instead. `bad` is SQL that the rule catches, `good` the
    same mended; both are run by the tests. docs/lint holds one page a rule, made from these.
    """

    code: str
    name: str
    severity: str
    problem: str
    redshift: str
    source: str
    mend: str
    bad: str
    good: str

    @property
    def page(self) -> str:
        """The address of the documentation that the rule comes from; empty for lint's own rules."""
        if not self.source:
            return ""
        return self.source if "://" in self.source else f"{GUIDE}{self.source}.html"


@dataclass(frozen=True, order=True)
class Finding:
    """One place that breaks a rule. `line` and `column` are 1-based; `path` is relative to the project."""

    path: str
    line: int
    column: int
    code: str
    name: str
    severity: str
    message: str


@dataclass(frozen=True)
class Report:
    """What a whole run found, in the order of the files. `silenced` counts what comments keep quiet."""

    files: int
    errors: int
    warnings: int
    silenced: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class SourceFile:
    """A file that was read. `kind` is sql, migration, grants, schedule, rule, alarm or archive; `shown` is its path."""

    path: Path
    shown: str
    text: str
    kind: str
