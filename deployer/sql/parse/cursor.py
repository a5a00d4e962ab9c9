"""Walking over tokens: words, names, identifiers and types, with Redshift's errors."""

from __future__ import annotations

from typing import NoReturn

from deployer.sql.lexer import LexError, Token, tokenize
from deployer.sql.names import MAX_IDENTIFIER_BYTES, Name
from deployer.sql.parse.datatypes import read_type
from deployer.sql.parse.words import RESERVED
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

_LOOK_AHEAD = 8

LOCAL_IDENTIFIER_BYTES = 63
"""PostgreSQL's limit. It would cut a longer name in silence, so a longer one is refused."""


def check_identifier(name: str, pos: int | None = None) -> str:
    """`name`, when both Redshift and the local engine can hold it."""
    size = len(name.encode())
    if size > MAX_IDENTIFIER_BYTES:
        raise Refused(
            f'identifier "{name[:40]}..." is longer than {MAX_IDENTIFIER_BYTES} bytes',
            position=pos,
            sqlstate="42622",
        )
    if size > LOCAL_IDENTIFIER_BYTES:
        raise Refused(
            f'identifier "{name[:40]}..." has {size} bytes: Redshift allows {MAX_IDENTIFIER_BYTES}, '
            f"the local Redshift only {LOCAL_IDENTIFIER_BYTES}; choose a shorter name",
            position=pos,
            sqlstate="42622",
        )
    if not name:
        raise Refused("zero-length delimited identifier", position=pos, sqlstate="42601")
    return name


class Cursor:
    """A place in a statement's tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.tokens = tokenize(text)
        except LexError as error:
            raise Refused(error.message, position=error.position, sqlstate="42601") from None
        # Looking ahead needs no check of the end: no rule looks further than this over tokens it has not seen.
        self.tokens += self.tokens[-1:] * _LOOK_AHEAD
        self.at = 0
        self.catalog_only: list[Refused] = []
        """PostgreSQL syntax met on the way: refused unless every relation read is a catalog one."""
        self.leader_node: list[Refused] = []
        """The same, but refused only beside a user's table: types like REGCLASS."""

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[self.at + ahead]

    def next(self) -> Token:
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def fail(self, token: Token | None = None) -> NoReturn:
        """Redshift's syntax error at a token."""
        token = token or self.token
        if token.kind == "end":
            raise Refused("syntax error at end of input", position=token.start, sqlstate="42601")
        written = self.text[token.start : token.end]
        if token.kind == "word" and token.value.upper() in RESERVED:
            raise Refused(
                f'syntax error at or near "{written}"',
                position=token.start,
                sqlstate="42601",
                hint=f'{token.value.upper()} is a reserved word; as a name it must be written "{token.value}".',
            )
        raise Refused(f'syntax error at or near "{written[:60]}"', position=token.start, sqlstate="42601")

    def refuse(self, message: str, token: Token | None = None, sqlstate: str = "0A000") -> NoReturn:
        raise Refused(message, position=(token or self.token).start, sqlstate=sqlstate)

    def only_on_catalogs(self, message: str, token: Token, sqlstate: str = "0A000") -> None:
        self.catalog_only.append(Refused(message, position=token.start, sqlstate=sqlstate))

    # words and operators

    def is_word(self, word: str, *more: str) -> bool:
        """Whether the coming tokens are these words, one after the other."""
        token = self.tokens[self.at]
        if token.value != word or token.kind != "word":
            return False
        for offset, following in enumerate(more, 1):
            token = self.tokens[self.at + offset]
            if token.value != following or token.kind != "word":
                return False
        return True

    def any_word(self, words: frozenset[str] | set[str] | tuple[str, ...]) -> bool:
        return self.token.kind == "word" and self.token.value in words

    def accept(self, *words: str) -> bool:
        if self.is_word(*words):
            self.at += len(words)
            return True
        return False

    def expect(self, *words: str) -> Token:
        first = self.token
        for word in words:
            if self.token.kind != "word" or self.token.value != word:
                self.fail()
            self.at += 1
        return first

    def is_op(self, op: str, ahead: int = 0) -> bool:
        token = self.tokens[self.at + ahead]
        return token.value == op and token.kind == "op"

    def accept_op(self, op: str) -> bool:
        if self.is_op(op):
            self.at += 1
            return True
        return False

    def expect_op(self, op: str) -> Token:
        if not self.is_op(op):
            self.fail()
        return self.next()

    def done(self) -> None:
        """Nothing but an end (and one semicolon) may follow."""
        self.accept_op(";")
        if self.token.kind != "end":
            self.fail()

    # names

    def is_identifier(self, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == "quoted" or (token.kind == "word" and token.value.upper() not in RESERVED)

    def identifier(self) -> str:
        """One identifier, folded to lower case unless it is delimited."""
        token = self.token
        if not self.is_identifier():
            self.fail()
        self.at += 1
        return check_identifier(token.value, token.start)

    def qualified(self) -> tuple[str, ...]:
        """One to three identifiers with dots between.

        RAW is on Redshift's list of reserved words; before a dot it can only be a schema, and is read as one.
        """
        token = self.token
        if token.kind == "word" and token.value == "raw" and self.is_op(".", 1):
            self.at += 1
            parts = ["raw"]
        else:
            parts = [self.identifier()]
        while self.accept_op("."):
            if len(parts) == 3:
                self.fail()
            parts.append(self._label())
        return tuple(parts)

    def _label(self) -> str:
        """A name after a dot, where even PostgreSQL's grammar needs no delimiters; Redshift's list still holds."""
        if self.token.kind == "word" and self.token.value == "raw" and self.is_op(".", 1):
            self.at += 1
            return "raw"
        return self.identifier()

    def name(self) -> Name:
        """A relation's or procedure's name."""
        parts = self.qualified()
        return to_name(parts)

    def identifiers(self) -> tuple[str, ...]:
        """A parenthesised list of identifiers, its opening parenthesis next."""
        self.expect_op("(")
        found = [self.identifier()]
        while self.accept_op(","):
            found.append(self.identifier())
        self.expect_op(")")
        return tuple(found)

    def string(self) -> str:
        if self.token.kind != "string":
            self.fail()
        return self.next().value

    def integer(self) -> int:
        """An integer literal, with its sign."""
        sign = -1 if self.accept_op("-") else 1
        if self.token.kind != "number" or not self.token.value.isdigit():
            self.fail()
        return sign * int(self.next().value)

    def type(self, *, ddl: bool = False) -> RedshiftType:
        """A data type. With `ddl`, as a column's: a bare VARCHAR is VARCHAR(256) there."""
        return read_type(self, ddl=ddl)


def to_name(parts: tuple[str, ...]) -> Name:
    """Parts as written, the object's own name last, as a Name."""
    database = parts[-3] if len(parts) > 2 else None
    schema = parts[-2] if len(parts) > 1 else None
    return Name(parts[-1], schema, database)
