"""The SQL of a migration: the literal texts of op.execute, found in the Python tree without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from deployer.project.lint.findings import SourceFile
from deployer.project.lint.positions import Locate, by_lines, in_text, shifted
from deployer.project.lint.units import MIGRATION, Content, add_sql


@dataclass
class Operation:
    """A call of op.<name>, which is not op.execute of a literal; `line` and `column` are 1-based. `keywords` are the
    names of its keyword arguments.
    """

    name: str
    line: int
    column: int
    downgrade: bool
    keywords: frozenset[str] = frozenset()


@dataclass
class MigrationContent(Content):
    """As Content, and the operations that hold no literal SQL."""

    operations: list[Operation] = field(default_factory=list)


def read_migration(file: SourceFile) -> MigrationContent:
    """The statements of a migration. Never raises for its text."""
    content = MigrationContent(file)
    try:
        tree = ast.parse(file.text)
    except (SyntaxError, ValueError) as error:
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        content.broken.append((f"not Python: {getattr(error, 'msg', error)}", line, max(column, 1)))
        return content
    except RecursionError:
        content.broken.append(("the Python is nested too deeply", 1, 1))
        return content
    constants = _constants(tree)
    for call, downgrade in _calls(tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        literal = _literal(call.args[0], constants) if name == "execute" and call.args else None
        if literal is None and not _is_operation(call):
            continue
        if literal is None:
            keywords = frozenset(keyword.arg or "" for keyword in call.keywords)
            operation = Operation(name, call.lineno, call.col_offset + 1, downgrade, keywords)
            content.operations.append(operation)
            continue
        add_sql(content, str(literal.value), _place(file.text, literal), MIGRATION, downgrade=downgrade)
    return content


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, bool]]:
    """Every op.something(...) and connection.execute(...) in the order of the text, and whether in downgrade()."""
    for top in tree.body:
        downgrade = isinstance(top, ast.FunctionDef) and top.name == "downgrade"
        found = [node for node in ast.walk(top) if isinstance(node, ast.Call) and _is_wanted(node)]
        for call in sorted(found, key=lambda node: (node.lineno, node.col_offset)):
            yield call, downgrade


def _is_wanted(call: ast.Call) -> bool:
    return _is_operation(call) or (isinstance(call.func, ast.Attribute) and call.func.attr == "execute")


def _is_operation(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in ("op", "batch_op")
    )


def _constants(tree: ast.Module) -> dict[str, ast.Constant]:
    """NAME = "text", at the top of the module or in a function, where the name has one value only."""
    found: dict[str, ast.Constant | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
            found[name] = node.value if text and name not in found else None  # type: ignore[assignment]
    return {name: value for name, value in found.items() if value is not None}


def _literal(node: ast.expr, constants: dict[str, ast.Constant]) -> ast.Constant | None:
    """The text itself, a name that stands for one, or sa.text(...) of either."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.Call) and len(node.args) == 1:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name == "text":
            return _literal(node.args[0], constants)
    return None


def _place(text: str, literal: ast.Constant) -> Locate:
    """Exact where the source holds the value as it is; by lines where it has escapes or several pieces."""
    lines = [line + "\n" for line in text.split("\n")]
    # ast counts columns in UTF-8 bytes.
    before = lines[literal.lineno - 1].encode()[: literal.col_offset].decode(errors="replace")
    start = sum(len(line) for line in lines[: literal.lineno - 1]) + len(before)
    value = str(literal.value)
    end_line = literal.end_lineno or literal.lineno
    end = sum(len(line) for line in lines[: end_line - 1]) + len(
        lines[end_line - 1].encode()[: literal.end_col_offset or 0].decode(errors="replace")
    )
    inside = text[start:end].find(value)
    if value and inside >= 0:
        return shifted(in_text(text), start + inside)
    return by_lines(value, literal.lineno, len(before) + 1)
