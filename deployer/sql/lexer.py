"""Redshift's tokens, with their exact offsets.

Rules of the Redshift Database Developer Guide, "Names and identifiers" and "Literals", and, where it is silent, of
PostgreSQL 8.0, from which its grammar descends: a backslash escapes inside `'...'`, comments nest, `$tag$...$tag$`
quotes without escapes, and `#` may begin a name (a temporary table).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


class LexError(Exception):
    """The text cannot be cut into tokens: something opened at `position` (0-based) is never closed."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(slots=True)
class Token:
    """One token.

    `kind` is word, quoted (a delimited identifier), string, number, param ($1), op or end. `value` is what it
    means: a word in lower case, an identifier or string without its quotes and escapes, else the text itself.
    `start` and `end` are 0-based character offsets of the token's text.
    """

    kind: str
    value: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n\f\v]+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<estring>[eE]')
    | (?P<word>(?:[A-Za-z_\u0080-\U0010ffff]|\#(?=[A-Za-z_\u0080-\U0010ffff]))[A-Za-z0-9_$\u0080-\U0010ffff#]*)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<string>'(?:[^'\\]|''|\\.)*')
    | (?P<param>\$\d+)
    | (?P<dollar>\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?\$)
    | (?P<op>::|:=|\.\.|<=|>=|<>|!=|!~~\*|!~~|!~\*|!~|~~\*|~~|~\*|\|\|/|\|\||\|/|<<|>>|@>|<@|@@|&&|->>|->|\#>>|\#>
        |[-+*/%^=<>(),.;\[\]{}|&~!@?:\#\\`])
    """,
    re.X | re.S,
)

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))|''", re.S)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def _unescape(match: re.Match[str]) -> str:
    octal, hexadecimal, other = match.groups()
    if octal is not None:
        return chr(int(octal, 8))
    if hexadecimal is not None:
        return chr(int(hexadecimal, 16))
    return "'" if other is None else _ESCAPES.get(other, other)


def string_value(text: str) -> str:
    """What a string literal's text, its quotes included, stands for."""
    body = text[1:-1]
    if "\\" not in body and "'" not in body:
        return body
    # A literal ends at a NUL character, as in PostgreSQL 8: the guide's STRTOL page has '\0', an empty one.
    return _ESCAPE.sub(_unescape, body).partition("\0")[0]


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise LexError("unterminated /* comment", start)


_STRING = re.compile(r"'(?:[^'\\]|''|\\.)*'", re.S)


def tokenize(text: str) -> list[Token]:
    """The tokens of `text` without blanks and comments, closed by one of kind "end".

    Raises LexError for an unterminated comment, string or identifier, and for a character no token begins with.
    """
    tokens: list[Token] = []
    at, size = 0, len(text)
    match_at = _TOKEN.match
    while at < size:
        match = match_at(text, at)
        if match is None:
            raise _unreadable(text, at)
        kind = match.lastgroup or ""
        end = match.end()
        if kind == "word":
            tokens.append(Token("word", match.group().lower(), at, end))
        elif kind == "op" or kind == "number" or kind == "param":
            tokens.append(Token(kind, match.group(), at, end))
        elif kind == "comment":
            end = _comment_end(text, at)
        elif kind == "quoted":
            tokens.append(Token("quoted", match.group()[1:-1].replace('""', '"'), at, end))
        elif kind == "string":
            tokens.append(Token("string", string_value(match.group()), at, end))
        elif kind == "estring":
            literal = _STRING.match(text, at + 1)
            if literal is None:
                raise LexError("unterminated quoted string", at)
            end = literal.end()
            tokens.append(Token("string", string_value(literal.group()), at, end))
        elif kind == "dollar":
            close = text.find(match.group(), end)
            if close < 0:
                raise LexError(f"unterminated dollar-quoted string {match.group()}", at)
            tokens.append(Token("string", text[end:close], at, close + end - at))
            end = close + end - at
        at = end
    tokens.append(Token("end", "", size, size))
    return tokens


def _unreadable(text: str, at: int) -> LexError:
    if text[at] == "'":
        return LexError("unterminated quoted string", at)
    if text[at] == '"':
        return LexError("unterminated quoted identifier", at)
    return LexError(f'syntax error at or near "{text[at]}"', at)
