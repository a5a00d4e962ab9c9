"""Whether a table's rows may be deleted once they are archived: whatever writes the table has to know the horizon.

A refresh that rebuilds a table from its source would bring the deleted rows back, and a law of accounts that counts
both sides would no longer come out. So each procedure that writes the table must read archive.horizons, itself or in
one that it calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from deployer.project.archive import files
from deployer.project.archive.model import DELETE, NEVER_DELETED, Policy

HORIZONS = "archive.horizons"

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
_CALLS = re.compile(r"\bcall\s+([a-z_][\w$]*\.[a-z_][\w$]*)\s*\(", re.I)
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
    for other in files.load(root):
        if shares(policy, other):
            yield missed(policy, other)
    for path in _blind_writers(policy, root / "procedures"):
        yield (
            f"{path.relative_to(root)} writes {policy.table} and does not read {HORIZONS}: it could bring deleted rows"
            ' back; leave out what is before the horizon there, or write after = "keep"'
        )


def shares(policy: Policy, other: Policy) -> bool:
    """Whether another policy's view would lack rows that this one deletes. A snapshot's view has days of its own."""
    return (
        policy.after == DELETE
        and other.table == policy.table
        and other.name != policy.name
        and not other.is_snapshot
    )


def missed(policy: Policy, other: Policy) -> str:
    """What is wrong with two such policies."""
    return (
        f"{other.name}.toml archives {policy.table}, too: rows that {policy.name} deletes would stand neither in the"
        f" table nor in archive.all_{other.name}; leave one of the policies out"
    )


def _blind_writers(policy: Policy, directory: Path) -> Iterator[Path]:
    schema, name = (rf'(?:"{part}"|{part})' for part in (policy.schema, policy.relation))
    writes = re.compile(rf"{_WRITES}{schema}\s*\.\s*{name}(?![\w$])", re.I)
    texts = {
        path: _COMMENT.sub(" ", path.read_text(encoding="utf-8")) for path in sorted(directory.rglob("*.sql"))
    }
    seeing = _seeing(texts)
    for path, text in texts.items():
        if writes.search(text) and path not in seeing:
            yield path


def _seeing(texts: Mapping[Path, str]) -> frozenset[Path]:
    """The files that read archive.horizons, or call a procedure that does. A file is called as its object is."""
    seeing = {path for path, text in texts.items() if HORIZONS in text.lower()}
    while True:
        names = {path.stem for path in seeing}
        more = {
            path
            for path, text in texts.items()
            if path not in seeing
            and any(name.split(".")[1].lower() in names for name in _CALLS.findall(text))
        }
        if not more:
            return frozenset(seeing)
        seeing |= more
