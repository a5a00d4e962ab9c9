"""docs/lint, one page a rule, from the rules themselves: `python -m deployer.cli.lint_pages` writes it."""

from __future__ import annotations

from pathlib import Path

from deployer.operations import lint
from deployer.project.lint.findings import Rule

INDEX = "README.md"

_GROUPS = {
    "ZS0": "Reading, and comments that keep lint quiet",
    "ZS1": "What Redshift lacks or limits",
    "ZS2": "Transactions, procedures, migrations",
    "ZS3": "Names, databases, landing tables, headers",
    "ZS4": "Tables",
    "ZS5": "Results",
    "ZS6": "Security",
    "ZS7": "COPY and UNLOAD",
    "ZS8": "Schedules, rules and alarms",
    "ZS9": "Archive policies",
}

_INTRODUCTION = """\
# Lint

Written by `python -m deployer.cli.lint_pages` from the rules; tests keep it current and run every example.

`zeroshift lint [PATHS]` checks the project's SQL, by default `procedures/` and `migrations/`: procedures' bodies
statement by statement, and the literal texts of `op.execute` in migrations; files of grants, too, as far as the rules
about grants go, the files of `eventbridge/` with the statements of schedules, and the policies of
`procedures/archive`. It needs files only, no warehouse. It exits with 1 when it finds an error, with `--strict` for a
warning too. `--json` prints one object; where
`GITHUB_ACTIONS` is `true`, every finding is also an annotation at its line. `zeroshift lint --rules` lists the rules,
`zeroshift lint --explain CODE` shows one. The whole project is read even when only some files are named, since
rules ask what the others define. `sqlfluff` remains the formatter.

A comment keeps a finding quiet, with a reason:

```sql
-- lint: ignore ZS301 because the session's search_path is part of the test
```

It stands on the finding's line, on the first line of the finding's statement, or on comment lines directly above one
of them; several codes are separated by commas. `-- lint: ignore-file ZS301 because ...` speaks for the whole file. In a
migration, `#` may stand for `--`; in a TOML file it does. A comment without a reason does nothing and is an error; one
that keeps nothing quiet is reported.
"""


def page(rule: Rule) -> str:
    """A rule's page."""
    source = f"\n\nSource: <{rule.page}>" if rule.page else ""
    silence = (
        f"""Above the statement or on its line:

```{_language(rule)}
{_comment(rule)} lint: ignore {rule.code} because <the reason that the next reader needs>
```"""
        if rule.code not in ("ZS002", "ZS003")
        else "It cannot be: mend it."
    )
    return f"""\
# {rule.code}: {rule.name}

Severity: {rule.severity}.

## Problem

{rule.problem}

```{_language(rule)}
{_short(rule.bad)}
```

## Redshift's rule

{rule.redshift}{source}

## How to mend

{rule.mend}

```{_language(rule)}
{_short(rule.good)}
```

## How to silence

{silence}
"""


def index(rules: tuple[Rule, ...]) -> str:
    """The overview: how lint is used, and all rules."""
    parts = [_INTRODUCTION]
    for group, title in _GROUPS.items():
        lines = [f"\n## {title}\n", "| code | severity | name |", "|---|---|---|"]
        lines += [
            f"| [{rule.code}]({rule.code}.md) | {rule.severity} | {rule.name} |"
            for rule in rules
            if rule.code.startswith(group)
        ]
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def pages() -> dict[str, str]:
    """File name in docs/lint -> text."""
    rules = lint.rules()
    return {INDEX: index(rules), **{f"{rule.code}.md": page(rule) for rule in rules}}


def _short(text: str) -> str:
    """An example that is long by its nature (a limit on bytes) is cut where a reader has seen enough."""
    return "\n".join(line if len(line) <= 400 else f"{line[:100]} ..." for line in text.split("\n"))


def _language(rule: Rule) -> str:
    if rule.code.startswith(("ZS8", "ZS9")):
        return "toml"
    return "python" if "op.execute" in rule.bad else "sql"


def _comment(rule: Rule) -> str:
    return "--" if _language(rule) == "sql" else "#"


def write(directory: Path) -> None:
    """Write every page, and remove those of rules that are gone."""
    directory.mkdir(parents=True, exist_ok=True)
    found = pages()
    for name, text in found.items():
        (directory / name).write_text(text, encoding="utf-8")
    for path in directory.glob("*.md"):
        if path.name not in found:
            path.unlink()


if __name__ == "__main__":
    write(Path("docs/lint"))
