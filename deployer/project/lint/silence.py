"""Comments that keep a finding quiet: `-- lint: ignore ZS301 because the table is made by the caller`.

The comment stands on the finding's line, on the first line of its statement, or on comment lines directly above
either; `ignore-file` anywhere in the file speaks for all of it. A reason must be given, several codes are separated by
commas, and a comment that keeps nothing quiet is itself reported. In a migration, `#` may stand for `--`; in a file of
TOML it does.
"""

from __future__ import annotations

import io
import re
import tokenize as python_tokens
from collections.abc import Iterator
from dataclasses import dataclass, field

from deployer.project.lint.findings import SourceFile
from deployer.sql.lexer import LexError, tokenize

_SPOKEN = re.compile(r"lint:\s*(?P<rest>.*)$", re.I)
_FORM = re.compile(
    r"(?P<verb>ignore(?:-file)?)\s+(?P<codes>ZS\d+(?:\s*,\s*ZS\d+)*)\s+because\s+(?P<reason>\S.*)$", re.I
)
_COMMENT = re.compile(r"--[^\n]*")
_OPENED = re.compile(r"\$(?:[^\W\d]\w*)?\$")


@dataclass
class Silencer:
    """One comment. `fault` says what is wrong with it, empty when it is well formed."""

    line: int
    column: int
    codes: tuple[str, ...] = ()
    whole_file: bool = False
    fault: str = ""
    used: set[str] = field(default_factory=set)


class Silencers:
    """The comments of one file."""

    def __init__(self, file: SourceFile) -> None:
        comments = list(_COMMENTS.get(file.kind, _sql_comments)(file.text))
        self.found = [_read(line, column, text) for line, column, text in comments if _SPOKEN.search(text)]
        lines = file.text.split("\n")
        marks = ("--", "#") if file.kind == "migration" else ("#",) if file.kind in _TOML else ("--",)
        self._only_comment = {n for n, text in enumerate(lines, 1) if text.strip().startswith(marks)}

    def quiets(self, code: str, line: int, first_line: int) -> bool:
        """Whether a finding is kept quiet: its own line, and the first line of its statement."""
        lines = {line, first_line}
        for start in (line, first_line):
            above = start - 1
            while above in self._only_comment:
                lines.add(above)
                above -= 1
        quiet = False
        for silencer in self.found:
            if code in silencer.codes and (silencer.whole_file or silencer.line in lines):
                silencer.used.add(code)
                quiet = True
        return quiet


def _read(line: int, column: int, text: str) -> Silencer:
    spoken = _SPOKEN.search(text)
    rest = spoken.group("rest").strip() if spoken else ""
    form = _FORM.match(rest)
    if form is None:
        return Silencer(line, column, fault="write `lint: ignore CODE because <reason>`")
    codes = tuple(code.strip().upper() for code in form.group("codes").split(","))
    return Silencer(line, column, codes, form.group("verb").lower() == "ignore-file")


def _sql_comments(text: str, line: int = 1, column: int = 1) -> Iterator[tuple[int, int, str]]:
    """The -- comments outside of quotes, those of procedures' bodies included: line, column, text."""
    if "lint:" not in text.lower():
        return
    for start, end in _gaps(text):
        for comment in _COMMENT.finditer(text, start, end):
            at = comment.start()
            passed = text.count("\n", 0, at)
            yield line + passed, at - text.rfind("\n", 0, at) + (0 if passed else column - 1), comment.group()


def _gaps(text: str, base: int = 0) -> Iterator[tuple[int, int]]:
    """The stretches between tokens, where comments are; the insides of dollar quotes count as text."""
    try:
        tokens = tokenize(text)
    except LexError:
        return
    end = 0
    for token in tokens:
        yield base + end, base + token.start
        end = token.end
        opened = _OPENED.match(text, token.start) if token.kind == "string" else None
        if opened is not None:
            inner = text[opened.end() : token.end - len(opened.group())]
            yield from _gaps(inner, base + opened.end())


def _python_comments(text: str) -> Iterator[tuple[int, int, str]]:
    """The # comments, and the -- comments inside of string literals."""
    if "lint:" not in text.lower():
        return
    try:
        for token in python_tokens.generate_tokens(io.StringIO(text).readline):
            line, column = token.start
            if token.type == python_tokens.COMMENT:
                yield line, column + 1, token.string
            elif token.type == python_tokens.STRING:
                tripled = token.string.endswith(('"""', "'''"))
                quote = token.string[-3:] if tripled else token.string[-1]
                begin = token.string.find(quote) + len(quote)
                inner = token.string[begin : -len(quote)]
                yield from _sql_comments(inner, line, column + begin + 1)
    except (python_tokens.TokenError, SyntaxError):
        return


_TOML_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")


def _toml_comments(text: str) -> Iterator[tuple[int, int, str]]:
    """The # comments of a TOML file of ours, whose texts are not longer than a line."""
    for number, line in enumerate(text.split("\n"), 1):
        at = _TOML_QUOTED.sub(lambda quoted: " " * len(quoted.group()), line).find("#")
        if at >= 0:
            yield number, at + 1, line[at:]


_TOML = ("grants", "schedule", "rule", "alarm")
_COMMENTS = {"migration": _python_comments, **dict.fromkeys(_TOML, _toml_comments)}
