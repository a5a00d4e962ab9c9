"""Cut a text of several statements at its semicolons."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.sql.lexer import tokenize


@dataclass(frozen=True)
class Statement:
    """One statement without its semicolon and outer blanks.

    `start` is the 0-based offset of its first character in the whole text, `line` that character's 1-based line.
    A comment before the statement's first word is not part of it.
    """

    text: str
    start: int
    line: int


def split(text: str) -> list[Statement]:
    """The statements of `text`, in order; empty ones are left out.

    Semicolons inside quotes, dollar quotes (a procedure's body) and comments do not count. Raises LexError for an
    unterminated quote or comment.
    """
    statements: list[Statement] = []
    start = end = -1
    line, counted = 1, 0
    for token in tokenize(text):
        if token.kind == "end" or (token.kind == "op" and token.value == ";"):
            if start >= 0:
                line += text.count("\n", counted, start)
                counted = start
                statements.append(Statement(text[start:end], start, line))
            start = -1
            continue
        if start < 0:
            start = token.start
        end = token.end
    return statements
