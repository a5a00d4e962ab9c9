"""Reads a TOML file strictly: unknown keys and wrong values are refused with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deployer.errors import UsageError

Table = tuple[str, ...]
"""The path of a table: ("env", "prod")."""


def parse(path: Path) -> tuple[Mapping[str, Any], Reader]:
    """The document in `path` and a Reader that knows its lines. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    return parse_text(text, path)


def parse_text(text: str, path: Path) -> tuple[Mapping[str, Any], Reader]:
    """As `parse`, of a text that was read already; `path` is what errors name. Raises UsageError."""
    try:
        return tomllib.loads(text), Reader(path, text)
    except tomllib.TOMLDecodeError as error:
        # tomllib's message ends with "(at line 3, column 5)".
        found = re.search(r"\(at line (\d+)", str(error))
        line = found.group(1) if found else str(text.count("\n") + 1)
        raise UsageError(f"{path}:{line}: not valid TOML: {error}") from None


_PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[+\s*({_KEY})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEY})\s*=")


def _parts(dotted: str) -> Table:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


class Reader:
    """Checks a parsed document and finds the lines of what is wrong, which tomllib does not keep."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines = text.splitlines()

    def line_of(self, table: Table, key: str | None = None) -> int:
        """The 1-based line of the header or assignment that first names `table` (and `key` in it); else 1."""
        wanted = table if key is None else (*table, key)
        current: Table = ()
        for number, line in enumerate(self._lines, start=1):
            header = _HEADER.match(line)
            if header:
                named = current = _parts(header.group(1))
            else:
                assignment = _ASSIGNMENT.match(line)
                if not assignment:
                    continue
                named = (*current, *_parts(assignment.group(1)))
            if wanted and named[: len(wanted)] == wanted:
                return number
        return 1

    def wrong(self, table: Table, key: str | None, what: str) -> UsageError:
        """The error for `key` of `table`, at its line."""
        return UsageError(f"{self.path}:{self.line_of(table, key)}: {what}")

    def check_keys(self, table: Table, value: Mapping[str, Any], allowed: Sequence[str]) -> None:
        for key in value:
            if key not in allowed:
                raise self.wrong(
                    table, key, f"unknown key {key!r} in {_shown(table)}; it knows: {', '.join(allowed)}"
                )

    def table(self, table: Table, value: object) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(table[:-1], table[-1], f"{'.'.join(table)} must be a table")
        return value

    def text(self, table: Table, value: Mapping[str, Any], key: str, default: str | None = None) -> str:
        """A text that is not empty; `default` where the key is absent, an error where there is none."""
        if key not in value:
            if default is not None:
                return default
            raise UsageError(f"{self.path}:{self.line_of(table)}: {_shown(table)} lacks the key {key!r}")
        found = value[key]
        if not isinstance(found, str) or not found:
            raise self._type(table, key, "a text", found)
        return found

    def matching(
        self,
        table: Table,
        value: Mapping[str, Any],
        key: str,
        pattern: str,
        what: str,
        default: str | None = None,
    ) -> str:
        """A text that matches `pattern` whole; `what` says in the error what it must be."""
        found = self.text(table, value, key, default)
        if key in value and not re.fullmatch(pattern, found):
            raise self._type(table, key, what, found)
        return found

    def choice(
        self,
        table: Table,
        value: Mapping[str, Any],
        key: str,
        allowed: Sequence[str],
        default: str | None = None,
    ) -> str:
        found = self.text(table, value, key, default)
        if found not in allowed:
            raise self.wrong(
                table,
                key,
                f"{key} {found!r} of {'.'.join(table) or 'the file'} is not one of: {', '.join(allowed)}",
            )
        return found

    def number(
        self, table: Table, value: Mapping[str, Any], key: str, lowest: int, highest: int, default: int
    ) -> int:
        found = value.get(key, default)
        if not isinstance(found, int) or isinstance(found, bool) or not lowest <= found <= highest:
            raise self._type(table, key, f"a whole number from {lowest} to {highest}", found)
        return found

    def flag(self, table: Table, value: Mapping[str, Any], key: str, *, default: bool = False) -> bool:
        found = value.get(key, default)
        if not isinstance(found, bool):
            raise self._type(table, key, "true or false", found)
        return found

    def texts(
        self, table: Table, value: Mapping[str, Any], key: str, pattern: str, what: str
    ) -> tuple[str, ...]:
        """A list of texts that match `pattern`; empty where the key is absent."""
        found = value.get(key, [])
        good = isinstance(found, list) and all(
            isinstance(item, str) and re.fullmatch(pattern, item) for item in found
        )
        if not good:
            raise self._type(table, key, f"a list of {what}", found)
        return tuple(found)

    def _type(self, table: Table, key: str, wanted: str, found: object) -> UsageError:
        return self.wrong(table, key, f"{key} of {_shown(table)} must be {wanted}, not {found!r}")


def _shown(table: Table) -> str:
    return f"[{'.'.join(table)}]" if table else "the file"
