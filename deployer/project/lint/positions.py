"""From an offset in a piece of SQL to the line and column of the file that it stands in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

Locate = Callable[[int], tuple[int, int]]
"""Offset (0-based, characters) -> line and column, both 1-based."""


def in_text(text: str, start: int = 0) -> Locate:
    """Offsets are into `text`, counted from `start`."""
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)

    def locate(offset: int) -> tuple[int, int]:
        at = min(max(start + offset, 0), len(text))
        line = bisect_right(starts, at)
        return line, at - starts[line - 1] + 1

    return locate


def shifted(locate: Locate, by: int, least: int = 0) -> Locate:
    """Offsets are counted from `by` characters further on; none comes to lie before `least`."""
    return lambda offset: locate(max(offset + by, least))


def by_lines(text: str, line: int, column: int) -> Locate:
    """`text` begins at `line` and `column`, but its characters are not those of the file (escapes, joined literals):
    only the lines can be told.
    """

    def locate(offset: int) -> tuple[int, int]:
        passed = text.count("\n", 0, max(offset, 0))
        return line + passed, 1 if passed else column

    return locate
