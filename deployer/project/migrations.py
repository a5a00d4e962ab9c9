"""The versioned part of a project: migrations/versions/NNNN_name.py, one line of descent, one head."""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError

CHECKSUM = "sha256"

_FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.py$")


@dataclass(frozen=True)
class Migration:
    """One migration. `revision` is the four digits that its file name begins with."""

    revision: str
    down_revision: str | None
    path: Path

    @property
    def text(self) -> str:
        """The file, its line ends made `\\n`. Raises UsageError when it cannot be read."""
        try:
            return self.path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {self.path}: {error}") from None

    @property
    def checksum(self) -> str:
        """`sha256:...` over the text, so that a checkout with other line ends has the same."""
        return checksum(self.text)


def checksum(text: str) -> str:
    """A text's checksum, with the algorithm's name before it."""
    return f"{CHECKSUM}:{hashlib.new(CHECKSUM, text.encode()).hexdigest()}"


def read(directory: Path) -> tuple[Migration, ...]:
    """All migrations in order; raises UsageError with file and line unless they form one line.

    The files are parsed, not run, so that a check needs neither a warehouse nor trust in them.
    """
    versions = directory / "versions"
    found = []
    for path in sorted(versions.glob("*.py")):
        if path.name == "__init__.py":
            continue
        name = _FILE_NAME.match(path.name)
        if not name:
            raise UsageError(f"{path}: a migration's file name is NNNN_name.py, in lower case")
        values = _assignments(path)
        revision = values.get("revision", (None, 1))
        if revision[0] != name.group(1):
            raise UsageError(
                f"{path}:{revision[1]}: revision is {revision[0]!r}, but the file name says {name.group(1)!r}"
            )
        down, _ = values.get("down_revision", (None, 1))
        found.append(Migration(name.group(1), down, path))
    previous: str | None = None
    for migration in found:
        if migration.revision == previous:
            raise UsageError(f"{migration.path}: a second migration {previous}; number it anew")
        if migration.down_revision != previous:
            line = _assignments(migration.path).get("down_revision", (None, 1))[1]
            raise UsageError(
                f"{migration.path}:{line}: down_revision is {migration.down_revision!r}, but the migration"
                f" before it is {previous!r}: migrations form one line"
            )
        previous = migration.revision
    return tuple(found)


def _assignments(path: Path) -> dict[str, tuple[str | None, int]]:
    """The module's top-level `name = "text"` or `name = None`, with their lines."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UsageError(f"{path}:{line}: not Python: {error}") from None
    result: dict[str, tuple[str | None, int]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                text = value.value if isinstance(value.value, str) else None
                result[target.id] = (text, node.lineno)
    return result
