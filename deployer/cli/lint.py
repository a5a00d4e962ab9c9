"""`zeroshift lint`: rules about the project's SQL, without a warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deployer.cli import encode, github, output
from deployer.cli.options import CONTEXT
from deployer.project import config

if TYPE_CHECKING:
    from deployer.project.lint.findings import Report, Rule


@click.command(context_settings=CONTEXT)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--rules", "list_rules", is_flag=True, help="List the rules.")
@click.option("--explain", metavar="CODE", help="Say what a rule is about, and how to mend what it finds.")
def lint(paths: tuple[Path, ...], strict: bool, as_json: bool, list_rules: bool, explain: str | None) -> int:
    """Check PATHS, by default procedures/ and migrations/, against what Redshift does and what breaks pipelines.

    Looks into procedures' bodies and into the SQL of migrations. Exits with 1 when an error is found. A comment keeps a
    finding quiet: `-- lint: ignore ZS301 because the caller makes the table`. docs/lint has a page for each rule.
    """
    # The rules take a while to load, and `zeroshift --help` does not need them.
    from deployer.operations import lint as operations

    if explain is not None:
        rule = operations.rule(explain)
        output.line(encode.dump(rule) if as_json else explanation(rule))
        return 0
    if list_rules:
        rules = operations.rules()
        if as_json:
            output.line(encode.dump(rules))
        else:
            output.table(["code", "severity", "name"], [(r.code, r.severity, r.name) for r in rules])
        return 0
    project = config.load(config.find_root(Path.cwd()))
    report = operations.lint(project, paths)
    if as_json:
        output.line(encode.dump(report))
    else:
        show(report, project.root)
    return 1 if report.errors or (strict and report.warnings) else 0


def show(report: Report, root: Path) -> None:
    """Print findings for people, and for GitHub where it runs."""
    for found in report.findings:
        place = f"{found.path}:{found.line}:{found.column}"
        output.line(f"{place}: {found.severity} {found.code} {found.name}: {found.message}")
    if github.wanted():
        for found in report.findings:
            title = f"{found.code} {found.name}"
            told = github.annotation(
                found.severity,
                found.path,
                found.line,
                title,
                found.message,
                column=found.column,
                root=root,
            )
            output.line(told)
    parts = [_count(report.files, "file"), _count(report.errors, "error"), _count(report.warnings, "warning")]
    if report.silenced:
        parts.append(f"{report.silenced} silenced")
    output.line(", ".join(parts))
    codes = sorted({found.code for found in report.findings})
    if codes:
        output.line(f"`zeroshift lint --explain {codes[0]}` says more")


def explanation(rule: Rule) -> str:
    """A rule's page in short."""
    parts = [
        f"{rule.code} {rule.name} ({rule.severity})",
        rule.problem,
        f"Redshift: {rule.redshift}" + (f"\n{rule.page}" if rule.page else ""),
        f"Mend: {rule.mend}",
        f"Caught:\n{_indented(rule.bad)}",
        f"Not caught:\n{_indented(rule.good)}",
    ]
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"    {line[:150]}{'...' if len(line) > 150 else ''}".rstrip() for line in lines)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"
