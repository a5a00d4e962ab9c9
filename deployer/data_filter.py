"""Data filters of zero-ETL integrations, in Maxwell's syntax.

Aurora User Guide, "Data filtering for Aurora zero-ETL integrations": `include: db.table, exclude: db./regex/`,
evaluated from left to right, the last pattern that matches wins; at most 99 patterns of 256 characters. The
API's model (botocore, rds CreateIntegration DataFilter) allows fewer characters than regular expressions need, which
is kept here, so that a filter that works locally is accepted by AWS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ALLOWED = re.compile(r'[a-zA-Z0-9_ "\\\-$,*.:?+/]*')
_PATTERN = re.compile(r"\s*(include|exclude)\s*:\s*(.*?)\s*", re.DOTALL | re.IGNORECASE)
_PART = r"(?:/(?:[^/\\]|\\.)+/|\*|\"[^\"]+\"|[A-Za-z0-9_$-]+)"
_NAME = re.compile(rf"({_PART})\.({_PART})")
_SPLIT = re.compile(r",(?=\s*(?:include|exclude)\s*:)", re.IGNORECASE)
MOST_PATTERNS = 99
LONGEST_PATTERN = 256


class FilterError(ValueError):
    """A filter that AWS would not take; the message follows the words "the data filter"."""


@dataclass(frozen=True)
class Pattern:
    """One include or exclude; both parts are regular expressions that must match whole."""

    include: bool
    database: re.Pattern[str]
    table: re.Pattern[str]


@dataclass(frozen=True)
class DataFilter:
    """A parsed filter. `text` is what was written; the same text means the same filter."""

    text: str
    patterns: tuple[Pattern, ...]

    @classmethod
    def everything(cls) -> DataFilter:
        """No filter means include: *.*"""
        return cls.parse("include: *.*")

    @classmethod
    def parse(cls, text: str) -> DataFilter:
        """Raises FilterError for what AWS would refuse."""
        bad = next((letter for letter in text if not _ALLOWED.fullmatch(letter)), None)
        if bad is not None:
            raise FilterError(f"holds {bad!r}, which the API does not accept in a filter")
        parts = _SPLIT.split(text)
        if len(parts) > MOST_PATTERNS:
            raise FilterError(f"has {len(parts)} patterns; {MOST_PATTERNS} are the most")
        return cls(text, tuple(map(_pattern, parts)))

    def lets_through(self, database: str, table: str) -> bool:
        """Whether a source table is replicated: a filter begins with an implicit exclude: *.*"""
        included = False
        for pattern in self.patterns:
            if pattern.database.fullmatch(database) and pattern.table.fullmatch(table):
                included = pattern.include
        return included


def _pattern(text: str) -> Pattern:
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise FilterError(f"has {text.strip()!r}; each pattern begins with include: or exclude:")
    if len(found[2]) > LONGEST_PATTERN:
        raise FilterError(f"has a pattern of {len(found[2])} characters; {LONGEST_PATTERN} are the most")
    name = _NAME.fullmatch(found[2])
    if name is None:
        raise FilterError(f"has {found[2]!r}; a pattern names database.table, each a name, * or /regex/")
    return Pattern(found[1].lower() == "include", _part(name[1]), _part(name[2]))


def _part(text: str) -> re.Pattern[str]:
    if text == "*":
        return re.compile(".*", re.DOTALL)
    if text.startswith("/"):
        try:
            return re.compile(text[1:-1])
        except re.error as error:
            raise FilterError(f"has the regular expression {text}, which is none: {error}") from None
    return re.compile(re.escape(text.strip('"')))
