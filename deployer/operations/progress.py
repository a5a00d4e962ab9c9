"""How an operation tells what it is doing: it never prints."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Called with one short line when something begins or is done."""


def silent(line: str) -> None:
    """Progress that nobody watches."""
