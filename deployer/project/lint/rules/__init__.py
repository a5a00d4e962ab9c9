"""The rules, a module for each matter. Importing this package registers all of them."""

from __future__ import annotations

from deployer.project.lint.rules import (
    archive,
    bodies,
    databases,
    events,
    lacking,
    names,
    reading,
    results,
    schedules,
    security,
    tables,
    transactions,
)

__all__ = [
    "archive", "bodies", "databases", "events", "lacking", "names", "reading", "results", "schedules", "security",
    "tables", "transactions",
]  # fmt: skip
