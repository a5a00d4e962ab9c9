"""How an operation tells what it is doing: it never prints."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Called with one short line when something begins or is done."""


def silent(line: str) -> None:
    """Progress that nobody watches."""


def changes_of(progress: Progress) -> Progress:
    """`progress` for what is said anew each time one looks: it hears what differs from the last time."""
    last = ""

    def say(message: str) -> None:
        nonlocal last
        if message != last:
            last = message
            progress(message)

    return say
