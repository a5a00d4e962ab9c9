"""Walking over the tokens of a procedure's text, with Redshift's errors."""

from __future__ import annotations

from typing import NoReturn

from deployer.sql.lexer import LexError, Token, tokenize
from deployer.sql.plpgsql_ast import Text


class BodyError(Exception):
    """The text is not Redshift PL/pgSQL.

    `position` is a 0-based offset into it; `unsupported` tells that PostgreSQL has the construct and Redshift not.
    """

    def __init__(self, message: str, position: int, unsupported: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.unsupported = unsupported


def read_tokens(text: str) -> list[Token]:
    """The tokens of `text`. `1..10`, which the lexer cuts into the numbers 1. and .10, is a range here."""
    try:
        tokens = tokenize(text)
    except LexError as error:
        raise BodyError(error.message, error.position) from error
    result: list[Token] = []
    for token in tokens:
        before = result[-1] if result else None
        touching = before is not None and before.kind == "number" and before.end == token.start
        if touching and before is not None and before.value.endswith(".") and token.value.startswith("."):
            result[-1] = Token("number", before.value[:-1], before.start, before.end - 1)
            result.append(Token("op", "..", before.end - 1, token.start + 1))
            if token.kind == "number":
                result.append(Token("number", token.value[1:], token.start + 1, token.end))
        elif touching and before is not None and before.value.endswith(".") and token.kind == "word":
            # `1..n` comes as the number 1., the operator . and the word n; `1.n` is nothing.
            raise BodyError(f'syntax error at or near "{text[token.start : token.end]}"', token.start)
        else:
            result.append(token)
    return result


class Reader:
    """A place among the tokens of `text`."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.at = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.at += 1
        return token

    def is_word(self, *words: str) -> bool:
        """Whether any of `words` comes next."""
        return self.token.kind == "word" and self.token.value in words

    def accept(self, *words: str) -> bool:
        """Take all of `words`, one after another, or none."""
        for index, word in enumerate(words):
            token = self.peek(index)
            if token.kind != "word" or token.value != word:
                return False
        self.at += len(words)
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            self.fail(f"expected {' '.join(words).upper()}")

    def is_op(self, *values: str) -> bool:
        """Whether any of the operators `values` comes next."""
        return self.token.kind == "op" and self.token.value in values

    def accept_op(self, value: str) -> bool:
        if self.is_op(value):
            self.at += 1
            return True
        return False

    def expect_op(self, value: str) -> None:
        if not self.accept_op(value):
            self.fail(f'expected "{value}"')

    def fail(self, expected: str = "") -> NoReturn:
        token = self.token
        near = self.text[token.start : token.end]
        where = f'at or near "{near[:60]}"' if near else "at end of input"
        raise BodyError(f"syntax error {where}" + (f": {expected}" if expected else ""), token.start)

    def refuse(self, message: str, at: int | None = None) -> NoReturn:
        """PostgreSQL has it, Redshift has not."""
        raise BodyError(message, self.token.start if at is None else at, True)

    def name(self) -> str:
        """An identifier, in lower case unless it is quoted."""
        if self.token.kind not in ("word", "quoted"):
            self.fail("expected a name")
        return self.next().value

    def until(self, *words: str, ops: tuple[str, ...] = (";",)) -> Text:
        """The text up to one of the words or operators, outside of parentheses and CASE; that one is not taken."""
        start = self.at
        depth = cases = 0
        while True:
            token = self.token
            if token.kind == "end":
                self.fail(f"expected {' or '.join((*(w.upper() for w in words), *ops))}")
            if depth == 0 and cases == 0:
                if token.kind == "op" and token.value in ops:
                    break
                if token.kind == "word" and token.value in words:
                    break
            if token.kind == "op":
                if token.value == ";":
                    self.fail(f"expected {' or '.join(w.upper() for w in words)}" if words else "")
                depth += (token.value in "([") - (token.value in ")]")
                if depth < 0:
                    self.fail()
            elif token.kind == "word":
                cases += (token.value == "case") - (token.value == "end" and cases > 0)
            self.at += 1
        if self.at == start:
            self.fail("expected an expression")
        return self.slice(start, self.at)

    def slice(self, first: int, end: int) -> Text:
        """The text of the tokens from `first` up to `end`, without the blanks around it."""
        begin = self.tokens[first].start
        return Text(self.text[begin : self.tokens[end - 1].end], begin)
