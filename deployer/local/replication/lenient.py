"""What TRUNCATECOLUMNS and ACCEPTINVCHARS make of values on their way into landing: DG "CREATE DATABASE".

Without them such a value puts its table into Failed. With TRUNCATECOLUMNS a text is cut at the last whole character
that fits; with ACCEPTINVCHARS a question mark stands for what is no character. So it does here for NUL, which the local
engine cannot hold; the page does not name it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from deployer.local.replication.definition import TableDefinition

if TYPE_CHECKING:
    from deployer.local.replication.rowimage import Row

QUESTION_MARKS = "zeroshift.question_marks"
"""The name of the error handler for decoding that gives one question mark for each invalid sequence."""

_ESCAPED = re.compile(rb"\\(.)", re.S)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_SPECIAL = re.compile(rb"[\\\n\r\t]")
_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t"}
_NULL = b"\\N"


class Lenient:
    """The two settings for one table's values. Neither set: everything stays as it is."""

    def __init__(self, table: TableDefinition, *, truncate: bool, accept: bool) -> None:
        limits = [
            column.most_bytes if truncate and column.can_be_longer else None for column in table.columns
        ]
        self._limits = [(place, limit) for place, limit in enumerate(limits) if limit is not None]
        self._shortest = min((limit for _, limit in self._limits), default=0)
        self._accept = accept

    @property
    def idle(self) -> bool:
        """Whether no value can be changed."""
        return not self._limits and not self._accept

    def row(self, row: Row) -> Row:
        """The row as it may land."""
        made = list(row)
        for place, limit in self._limits:
            value = made[place]
            # No character has more than four bytes.
            if value is not None and len(value) * 4 > limit:
                made[place] = cut(value.encode(), limit).decode()
        if self._accept:
            made = [
                value.replace("\0", "?") if value is not None and "\0" in value else value for value in made
            ]
        return tuple(made)

    def lines(self, pieces: Iterable[bytes]) -> Generator[bytes, None, None]:
        """Pieces of COPY's text format, of any size, with their values as they may land."""
        rest: list[bytes] = []
        for piece in pieces:
            if self._accept and b"\0" in piece:
                piece = piece.replace(b"\0", b"?")
            if not self._limits:
                yield piece
                continue
            whole, newline, behind = piece.rpartition(b"\n")
            if not newline:
                rest.append(piece)
                continue
            yield b"".join([self._line(line) + b"\n" for line in b"".join([*rest, whole]).split(b"\n")])
            rest = [behind] if behind else []
        if rest:
            yield self._line(b"".join(rest))

    def _line(self, line: bytes) -> bytes:
        if len(line) <= self._shortest:
            return line
        values = line.split(b"\t")
        for place, limit in self._limits:
            value = values[place]
            if len(value) > limit and value != _NULL:
                plain = _ESCAPED.sub(lambda found: _LETTERS.get(found[1], found[1]), value)
                values[place] = _SPECIAL.sub(lambda found: _ESCAPES[found[0]], cut(plain, limit))
        return b"\t".join(values)


def cut(text: bytes, most: int) -> bytes:
    """The whole characters among the first `most` bytes of UTF-8."""
    if len(text) <= most:
        return text
    end = most
    while end and text[end] & 0xC0 == 0x80:
        end -= 1
    return text[:end]


def _question_mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "?", error.end


codecs.register_error(QUESTION_MARKS, _question_mark)
