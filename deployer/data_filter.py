"""Data filters of zero-ETL integrations, in Maxwell's syntax.

Aurora User Guide, "Data filtering for Aurora zero-ETL integrations": `include: db.table, exclude: db./regex/`,
evaluated from left to right, the last pattern that matches wins; at most 99 patterns of 256 characters. Tables of
PostgreSQL are database.schema.table, without a regular expression for the database, of which one must be named. The
API's model (botocore, rds CreateIntegration DataFilter) allows fewer characters than regular expressions need, which
is kept here, so that a filter that works locally is accepted by AWS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ALLOWED = re.compile(r'[a-zA-Z0-9_ "\\\-$,*.:?+/]*')
_PATTERN = re.compile(r"\s*(include|exclude)\s*:\s*(.*?)\s*", re.DOTALL | re.IGNORECASE)
_PART = r"(?:/(?:[^/\\]|\\.)+/|\*|\"[^\"]+\"|[A-Za-z0-9_$-]+)"
_NAMES = {2: re.compile(rf"({_PART})\.({_PART})"), 3: re.compile(rf"({_PART})\.({_PART})\.({_PART})")}
_WRITTEN = {2: "database.table", 3: "database.schema.table"}
_SPLIT = re.compile(r",(?=\s*(?:include|exclude)\s*:)", re.IGNORECASE)
MOST_PATTERNS = 99
LONGEST_PATTERN = 256


class FilterError(ValueError):
    """A filter that AWS would not take; the message follows the words "the data filter"."""


@dataclass(frozen=True)
class Pattern:
    """One include or exclude; its parts are regular expressions that must match whole."""

    include: bool
    parts: tuple[re.Pattern[str], ...]


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
    def parse(cls, text: str, parts: int = 2) -> DataFilter:
        """`parts` of a table's name: two in MySQL, three in PostgreSQL. Raises FilterError for what AWS refuses."""
        bad = next((letter for letter in text if not _ALLOWED.fullmatch(letter)), None)
        if bad is not None:
            raise FilterError(f"holds {bad!r}, which the API does not accept in a filter")
        written = _SPLIT.split(text)
        if len(written) > MOST_PATTERNS:
            raise FilterError(f"has {len(written)} patterns; {MOST_PATTERNS} are the most")
        names = [_pattern(each, parts) for each in written]
        if parts == 3:
            if any(database.startswith("/") for _, (database, *_) in names):
                raise FilterError("has a regular expression for the database, which must be named")
            if not any(include and database != "*" for include, (database, *_) in names):
                raise FilterError("names no database; one include: must, like include: database.*.*")
        return cls(text, tuple(Pattern(include, tuple(map(_part, name))) for include, name in names))

    def lets_through(self, *names: str) -> bool:
        """Whether a source table, named by all its parts, is replicated: first of all is an implicit exclude: *.*"""
        included = False
        for pattern in self.patterns:
            if len(names) != len(pattern.parts):
                raise ValueError(f"a table's name has {len(pattern.parts)} parts, not {len(names)}")
            if all(part.fullmatch(name) for part, name in zip(pattern.parts, names, strict=True)):
                included = pattern.include
        return included


def _pattern(text: str, parts: int) -> tuple[bool, tuple[str, ...]]:
    """Whether the pattern includes, and the parts of its name as they are written."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise FilterError(f"has {text.strip()!r}; each pattern begins with include: or exclude:")
    if len(found[2]) > LONGEST_PATTERN:
        raise FilterError(f"has a pattern of {len(found[2])} characters; {LONGEST_PATTERN} are the most")
    name = _NAMES[parts].fullmatch(found[2])
    if name is None:
        raise FilterError(f"has {found[2]!r}; a pattern names {_WRITTEN[parts]}, each a name, * or /regex/")
    return found[1].lower() == "include", name.groups()


def _part(text: str) -> re.Pattern[str]:
    if text == "*":
        return re.compile(".*", re.DOTALL)
    if text.startswith("/"):
        try:
            return re.compile(text[1:-1])
        except re.error as error:
            raise FilterError(f"has the regular expression {text}, which is none: {error}") from None
    return re.compile(re.escape(text.strip('"')))
