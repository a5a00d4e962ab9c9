"""Names of derived environments: which pattern of zeroshift.toml they match, and the suffix of their schemas."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from deployer.errors import UsageError
from deployer.project.toml_file import Reader

MAX_HOURS = 24 * 365
DEFAULT_HOURS = 72
_LONGEST = 24
_HASHED = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")


@dataclass(frozen=True)
class Pattern:
    """[env."pr-*"]: environments of these names are derived from `base` and live for `hours` after a deployment."""

    pattern: str
    base: str
    hours: int = DEFAULT_HOURS


@dataclass(frozen=True)
class Derived:
    """One derived environment. Its schemas are the project's with `suffix` behind their names."""

    name: str
    base: str
    hours: int
    suffix: str


def is_pattern(name: str) -> bool:
    """Whether the name of an [env.<name>] table stands for many."""
    return "*" in name


def read(reader: Reader, name: str, value: object) -> Pattern:
    """The table [env.<pattern>]; raises UsageError with file and line."""
    at = ("env", name)
    table: Mapping[str, Any] = reader.table(at, value)
    reader.check_keys(at, table, ("base", "hours"))
    return Pattern(
        name, reader.text(at, table, "base"), reader.number(at, table, "hours", 1, MAX_HOURS, DEFAULT_HOURS)
    )


def derive(patterns: Mapping[str, Pattern], name: str) -> Derived | None:
    """The derived environment that `name` is; None when no pattern has it. The longest pattern wins.

    Raises UsageError for a name that no schema's can be made of.
    """
    matching = [pattern for pattern in patterns.values() if fnmatchcase(name, pattern.pattern)]
    if not matching:
        return None
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no environment's name: letters, digits and . _ / -, beginning with a letter or digit"
        )
    pattern = max(matching, key=lambda one: len(one.pattern))
    return Derived(name, pattern.base, pattern.hours, suffix(name))


def suffix(name: str) -> str:
    """What stands behind the names of an environment's schemas: `__pr_123` for pr-123.

    Two names may have one suffix (pr-1 and pr_1); the warehouse's list of environments refuses the second.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if len(plain) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_HASHED]
        plain = f"{plain[: _LONGEST - _HASHED - 1].rstrip('_')}_{digest}"
    return f"__{plain}"
