"""A plan as text: for a terminal, for a pull request, and as GitHub's annotations. Pure functions."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator

import click

from deployer.cli import github
from deployer.mask import mask
from deployer.operations.changes import Change
from deployer.operations.plan import Plan
from deployer.operations.plan_migrations import Problem
from deployer.project.config import CONFIG_FILE

_MARKS = {
    "create": "+", "grant": "+", "attach": "+", "apply": ">", "drop": "-", "remove": "-", "revoke": "-", "detach": "-",
}  # fmt: skip
"""Everything else changes what is there: ~."""
_PAINTS = {"+": "green", "-": "red", "~": "yellow", ">": "cyan"}
_COMMENT_CHARACTERS = 60_000
"""GitHub refuses a comment of more than 65,536 characters."""


def summary(made: Plan) -> str:
    """A plan in one line."""
    if not made.changes and made.problems:
        return f"a deployment into {made.environment} would refuse to begin"
    if not made.changes:
        return f"nothing to do: all {made.unchanged} objects are as the project says"
    counted = Counter((change.action, change.kind) for change in made.changes)
    parts = [f"{action} {count} {_plural(kind, count)}" for (action, kind), count in counted.items()]
    lossy = len(made.destructive)
    return (
        f"plan for {made.environment}: {', '.join(parts)}"
        + (f"; {lossy} destroy{'s' if lossy == 1 else ''} something" if lossy else "")
        + f"; {made.unchanged} unchanged"
    )


def lines(made: Plan, *, colours: bool = False) -> Iterator[str]:
    """For people: every change with its statements or its diff."""
    for warning in made.warnings:
        yield _painted(f"! WARNING: {warning}\n\n", "red", colours)
    for problem in made.problems:
        yield _painted(f"! {_where(problem)}{problem.message}\n", "red", colours)
        if problem.repair:
            yield f"    `zeroshift repair` would {problem.repair}\n"
    if made.problems:
        yield "\n"
    for change in made.changes:
        mark = _MARKS.get(change.action, "~")
        place = f"  ({change.path}:{change.line})" if change.path else ""
        yield _painted(f"{mark} {change.title}", _PAINTS[mark], colours) + f"{place}\n"
        if change.destructive:
            yield _painted(
                f"    destroys {change.destructive} (--allow-destructive {shlex.quote(change.name)})\n",
                "red",
                colours,
            )
        if change.reason:
            yield f"    {change.reason}\n"
        yield from (_painted(*_line(text), colours) for text in _details(change))
    if made.changes:
        yield "\n"
    yield summary(made) + "\n"
    for name in made.orphans:
        yield f"left over: {name} is deployed, but no longer in the project (--prune drops it)\n"


def markdown(made: Plan) -> Iterator[str]:
    """For a comment on a pull request; details that would make it too long are left out by name."""
    yield f"### zeroshift: {summary(made)}\n\n"
    for warning in made.warnings:
        yield f"> :warning: **{warning}**\n\n"
    for problem in made.problems:
        yield f"- :x: {_where(problem)}{problem.message}\n"
    if made.problems:
        yield "\n"
    if made.changes:
        yield "| | what | file | |\n|---|---|---|---|\n"
    for change in made.changes:
        place = f"`{change.path}:{change.line}`" if change.path else ""
        notes = [f":warning: **destroys {change.destructive}**"] if change.destructive else []
        notes += [change.reason] if change.reason else []
        yield f"| {change.action} | {change.kind} `{change.name}` | {place} | {_cell('; '.join(notes))} |\n"
    room = _COMMENT_CHARACTERS
    left = []
    yield "\n" if made.changes else ""
    for change in made.changes:
        details = "".join(_details(change, indent=""))
        if not details:
            continue
        if len(details) > room:
            left.append(change.key)
            continue
        room -= len(details)
        kind = "diff" if change.diff else "sql"
        # A fence longer than any in the text.
        fence = "`" * max(3, _longest_run(details) + 1)
        yield (
            f"<details><summary>{change.title}</summary>\n\n{fence}{kind}\n{details}{fence}\n\n</details>\n"
        )
    if left:
        yield f"\nToo long to show here: {', '.join(left)}.\n"
    if made.orphans:
        yield f"\nLeft over in the warehouse: {', '.join(f'`{name}`' for name in made.orphans)}.\n"


def github_lines(made: Plan) -> Iterator[str]:
    """GitHub's workflow commands: an error for each problem, a warning for what destroys, a notice for the rest."""
    for warning in made.warnings:
        # Of the warehouse, hence beside the file that names it.
        yield github.annotation("warning", CONFIG_FILE, 1, "zeroshift plan", warning) + "\n"
    for problem in made.problems:
        yield (
            github.annotation(
                "error",
                problem.path,
                max(problem.line, 1),
                f"zeroshift plan: {problem.code}",
                problem.message,
            )
            + "\n"
        )
    for change in made.changes:
        if change.path:
            level = "warning" if change.destructive else "notice"
            message = (
                f"destroys {change.destructive}" if change.destructive else change.reason or "as planned"
            )
            yield (
                github.annotation(level, change.path, change.line, f"zeroshift plan: {change.title}", message)
                + "\n"
            )


def _details(change: Change, indent: str = "    ") -> Iterator[str]:
    """The lines below a change: its diff, else its statements, without secrets. A new object's text is the file
    itself."""
    if change.action == "create" and change.diff:
        return
    if change.diff:
        # What is sent beside the file's own statement: drops before it, grants and comments behind it.
        for statement in change.statements:
            if not statement.lstrip().lower().startswith("create"):
                yield f"{indent}{' '.join(mask(statement).split())};\n"
        for line in mask(change.diff).splitlines():
            yield f"{indent}{line}\n"
        return
    for statement in change.statements:
        text = mask(statement.rstrip())
        for line in f"{text};".splitlines():
            yield f"{indent}{line}\n"


def _line(text: str) -> tuple[str, str]:
    """A diff's line and its colour."""
    stripped = text.lstrip()
    if stripped.startswith("+") and not stripped.startswith("+++"):
        return text, "green"
    if stripped.startswith("-") and not stripped.startswith("--"):
        return text, "red"
    return text, ""


def _painted(text: str, paint: str, colours: bool) -> str:
    return click.style(text, fg=paint) if colours and paint else text


def _where(problem: Problem) -> str:
    return f"{problem.path}:{max(problem.line, 1)}: " if problem.path else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _plural(kind: str, count: int) -> str:
    if count == 1 or "::" in kind:
        return kind
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _longest_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
