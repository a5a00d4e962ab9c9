"""The comment that each SQL file begins with, read by machines: Purpose, Grain, Reads, Writes, Params,
Schedule, Owner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError

KEYS = ("Purpose", "Grain", "Reads", "Writes", "Params", "Schedule", "Owner")
REQUIRED = ("Purpose",)

_ENTRY = re.compile(r"^(\w+):(?:\s+(.*))?$")


@dataclass(frozen=True)
class Header:
    """The entries of one file's header; a key that is not written is absent."""

    entries: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.entries.get(key, "")


def parse(text: str, path: Path) -> Header:
    """Read the `--` lines at the top of `text`.

    `-- Key: words` begins an entry and an indented line goes on with it; other lines belong to none.
    Raises UsageError with file and line for a required entry that is missing or empty, and for one written
    twice.
    """
    entries: dict[str, str] = {}
    current: str | None = None
    number = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line.startswith("--"):
            if line:
                break
            continue
        comment = line[2:]
        found = _ENTRY.match(comment.strip())
        if found and found.group(1) in KEYS:
            current = found.group(1)
            if current in entries:
                raise UsageError(f"{path}:{number}: the header has a second entry {current}")
            entries[current] = (found.group(2) or "").strip()
        elif current and comment.startswith("  ") and comment.strip():
            entries[current] = f"{entries[current]} {comment.strip()}".strip()
        else:
            current = None
    for key in REQUIRED:
        if not entries.get(key):
            raise UsageError(f"{path}:1: the header lacks `-- {key}: ...`")
    return Header(entries)
