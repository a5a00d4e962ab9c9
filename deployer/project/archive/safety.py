"""Whether a table's rows may be deleted once they are archived: whatever writes the table has to know the horizon.

A refresh that rebuilds a table from its source would bring the deleted rows back, and a law of accounts that counts
both sides would no longer come out. So each procedure that writes the table must read archive.horizons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deployer.project.archive.model import DELETE, NEVER_DELETED, Policy

HORIZONS = "archive.horizons"

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
_WRITES = r"\b(?:insert\s+into|update|merge\s+into|copy|alter\s+table)\s+"


def problems(policy: Policy, root: Path) -> Iterator[str]:
    """Why the policy's rows must not be deleted, each in a sentence; nothing for a policy that keeps them."""
    if policy.after != DELETE:
        return
    if policy.table in NEVER_DELETED:
        yield (
            f"rows of {policy.table} are never deleted: it is the only record of what landing forgets; write"
            ' after = "keep"'
        )
        return
    for path in _blind_writers(policy, root / "procedures"):
        yield (
            f"{path.relative_to(root)} writes {policy.table} and does not read {HORIZONS}: it could bring deleted rows"
            ' back; leave out what is before the horizon there, or write after = "keep"'
        )


def _blind_writers(policy: Policy, directory: Path) -> Iterator[Path]:
    schema, name = (rf'(?:"{part}"|{part})' for part in (policy.schema, policy.relation))
    writes = re.compile(rf"{_WRITES}{schema}\s*\.\s*{name}(?![\w$])", re.I)
    for path in sorted(directory.rglob("*.sql")):
        text = _COMMENT.sub(" ", path.read_text(encoding="utf-8"))
        if writes.search(text) and HORIZONS not in text.lower():
            yield path
