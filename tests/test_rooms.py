"""Imports inside deployer/ go one way only (CONTRIBUTING.md, "Where things live")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("cli", "operations", "aws", "warehouse", "project", "local", "sql", "")
"""From the top down; modules beside the rooms (errors, mask) are everybody's ground."""

STARTS_LOCAL = {"operations", "local"}
"""Rooms that may import local/: what starts an environment of kind local, and local itself."""

MODULES = sorted((ROOT / "deployer").rglob("*.py"))


def room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else ""


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("deployer."):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("deployer.")}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    here = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for name in imported(path):
        there = room_of(name)
        if name in ("deployer.cli.main.main", "deployer.__version__") and here == "":
            continue
        assert ROOMS.index(here) <= ROOMS.index(there), f"{path.name} imports {name}"
        if there == "local":
            assert here in STARTS_LOCAL, f"{path.name} imports {name}"
