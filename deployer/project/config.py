"""zeroshift.toml: which project this is, and where it is deployed to."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import UsageError

CONFIG_FILE = "zeroshift.toml"
DEFAULT_ENVIRONMENT = "local"
KINDS = ("local",)

_TOP_KEYS = ("project", "env")
_PROJECT_KEYS = ("name",)
_ENVIRONMENT_KEYS = ("kind",)


@dataclass(frozen=True)
class Environment:
    """One [env.<name>] table. `kind` says what stands behind it; the only kind so far is "local"."""

    name: str
    kind: str


@dataclass(frozen=True)
class Project:
    """A checked-out repository: its root directory and what zeroshift.toml says."""

    root: Path
    name: str
    environments: Mapping[str, Environment]

    @property
    def procedures(self) -> Path:
        return self.root / "procedures"

    @property
    def migrations(self) -> Path:
        return self.root / "migrations"

    @property
    def home(self) -> Path:
        """Where the local environment keeps its state: $ZEROSHIFT_HOME, else .zeroshift beside
        zeroshift.toml.
        """
        told = os.environ.get("ZEROSHIFT_HOME")
        return Path(told).expanduser().absolute() if told else self.root / ".zeroshift"

    def environment(self, name: str) -> Environment:
        """The environment called `name`; raises UsageError that lists those there are."""
        try:
            return self.environments[name]
        except KeyError:
            known = ", ".join(sorted(self.environments)) or "none"
            raise UsageError(
                f"{self.root / CONFIG_FILE} has no environment {name!r}; it has: {known}"
            ) from None


def find_root(start: Path) -> Path:
    """The nearest directory at or above `start` that holds zeroshift.toml; raises UsageError."""
    start = start.absolute()
    for directory in (start, *start.parents):
        if (directory / CONFIG_FILE).is_file():
            return directory
    raise UsageError(
        f"there is no {CONFIG_FILE} in {start} or above it; run this in the directory of a Zeroshift project"
    )


def load(root: Path) -> Project:
    """Read `root`/zeroshift.toml. Raises UsageError with file and line for what it does not understand."""
    path = root / CONFIG_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # tomllib's message ends with "(at line 3, column 5)".
        found = re.search(r"\(at line (\d+)", str(error))
        line = found.group(1) if found else str(text.count("\n") + 1)
        raise UsageError(f"{path}:{line}: not valid TOML: {error}") from None

    reader = _Reader(path, text)
    reader.check_keys((), document, _TOP_KEYS)
    project = reader.table(("project",), document.get("project", {}))
    reader.check_keys(("project",), project, _PROJECT_KEYS)
    name = reader.text(("project",), project, "name")
    environments = {}
    for env_name, value in reader.table(("env",), document.get("env", {})).items():
        table = reader.table(("env", env_name), value)
        reader.check_keys(("env", env_name), table, _ENVIRONMENT_KEYS)
        kind = reader.text(("env", env_name), table, "kind")
        if kind not in KINDS:
            line = reader.line_of(("env", env_name), "kind")
            allowed = ", ".join(KINDS)
            raise UsageError(f"{path}:{line}: kind {kind!r} of env.{env_name} is not one of: {allowed}")
        environments[env_name] = Environment(env_name, kind)
    return Project(root, name, environments)


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


class _Reader:
    """Checks a parsed document and finds the lines of what is wrong, which tomllib does not keep."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def line_of(self, table: tuple[str, ...], key: str | None = None) -> int:
        """The 1-based line of the header or assignment that first names `table` (and `key` in it); else 1."""
        wanted = table if key is None else (*table, key)
        current: tuple[str, ...] = ()
        for number, line in enumerate(self._lines, start=1):
            header = re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]", line)
            if header:
                named = current = _parts(header.group(1))
            else:
                assignment = re.match(r"\s*([\w.\"'-]+)\s*=", line)
                if not assignment:
                    continue
                named = (*current, *_parts(assignment.group(1)))
            if wanted and named[: len(wanted)] == wanted:
                return number
        return 1

    def check_keys(self, table: tuple[str, ...], value: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
        for key in value:
            if key not in allowed:
                inside = f"[{'.'.join(table)}]" if table else "the file"
                raise UsageError(
                    f"{self._path}:{self.line_of(table, key)}: unknown key {key!r} in {inside};"
                    f" it knows: {', '.join(allowed)}"
                )

    def table(self, table: tuple[str, ...], value: object) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            line = self.line_of(table[:-1], table[-1])
            raise UsageError(f"{self._path}:{line}: {'.'.join(table)} must be a table")
        return value

    def text(self, table: tuple[str, ...], value: Mapping[str, Any], key: str) -> str:
        if key not in value:
            raise UsageError(f"{self._path}:{self.line_of(table)}: [{'.'.join(table)}] lacks the key {key!r}")
        found = value[key]
        if not isinstance(found, str) or not found:
            line = self.line_of(table, key)
            inside = ".".join(table)
            raise UsageError(f"{self._path}:{line}: {key} of [{inside}] must be a text, not {found!r}")
        return found
