"""The rules, a module for each matter. Importing this package registers all of them."""

from __future__ import annotations

from deployer.project.lint.rules import (
    bodies,
    databases,
    lacking,
    names,
    reading,
    results,
    security,
    tables,
    transactions,
)

__all__ = [
    "bodies", "databases", "lacking", "names", "reading", "results", "security", "tables", "transactions",
]  # fmt: skip
