"""The SQL that migrations run, read out of their source: literals in op.execute(...) of upgrade().

The files are parsed, not run. What is not a literal is told as a gap; so is every other operation of Alembic's, since
what it does to a table's columns is then not known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError

_HARMLESS = frozenset(["get_bind", "get_context", "f"])


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal of SQL, and the line it begins on."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Unread:
    """An operation that cannot be read, and why."""

    line: int
    reason: str


def read(path: Path) -> Iterator[Literal | Unread]:
    """What upgrade() does, in the order of the text. Raises UsageError for a file that is not Python."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}:{getattr(error, 'lineno', None) or 1}: not Python: {error}") from None
    texts = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.name == "upgrade":
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
                yield from _call(call, texts)


def _call(call: ast.Call, texts: dict[str, ast.Constant]) -> Iterator[Literal | Unread]:
    function = call.func
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
        return
    if function.value.id != "op" or function.attr in _HARMLESS:
        return
    if function.attr != "execute" or not call.args:
        yield Unread(call.lineno, f"op.{function.attr}() is not read; write op.execute() with the SQL")
        return
    given = call.args[0]
    if isinstance(given, ast.Call) and given.args:
        given = given.args[0]  # sa.text("...")
    if isinstance(given, ast.Name):
        given = texts.get(given.id, given)
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        yield Literal(given.value, given.lineno)
    else:
        yield Unread(call.lineno, "op.execute() of something else than a literal is not read")
