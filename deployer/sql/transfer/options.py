"""What UNLOAD and COPY have in common: reading options from the text, places in S3, authorization."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deployer.sql.lexer import LexError, Token, tokenize
from deployer.sql.refused import Refused

_S3 = re.compile(r"s3://([^/]+)/(.*)", re.S)
_ROLE = re.compile(r"arn:[a-z0-9-]*:iam::\d{12}:role/\S+")

MEGABYTE = 1024 * 1024
_KEYS = ("credentials", "with", "access_key_id", "secret_access_key", "session_token", "master_symmetric_key")


class Options:
    """A reader over a statement's tokens: `take` looks at words, the others read what must come. Raises Refused."""

    def __init__(self, text: str, command: str) -> None:
        self.command = command
        self._text = text
        try:
            self._tokens = tokenize(text)
        except LexError as error:
            raise Refused(error.message, position=error.position, sqlstate="42601") from error
        self._at = 0

    @property
    def token(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._at]

    @property
    def ended(self) -> bool:
        return self.token.kind == "end" or self.token.value == ";"

    def refuse(self, message: str, position: int | None = None) -> Refused:
        """A Refused at the next token, or at `position`."""
        return Refused(message, position=self.token.start if position is None else position, sqlstate="42601")

    def syntax(self) -> Refused:
        """The syntax error at the next token."""
        found = self._text[self.token.start : self.token.end]
        near = f'at or near "{found}"' if found else "at end of input"
        return self.refuse(f"syntax error {near} in {self.command}")

    def take(self, *values: str) -> bool:
        """Whether the next tokens are these words or operators, which are then read."""
        for offset, value in enumerate(values):
            token = self._tokens[min(self._at + offset, len(self._tokens) - 1)]
            if token.kind not in ("word", "op") or token.value != value:
                return False
        self._at += len(values)
        return True

    def expect(self, *values: str) -> None:
        if not self.take(*values):
            raise self.syntax()

    def string(self) -> str:
        """A string literal; an AS before it is skipped."""
        self.take("as")
        if self.token.kind != "string":
            raise self.syntax()
        return self._next().value

    def has_string(self) -> bool:
        return self.token.kind == "string"

    def name(self) -> str:
        """An identifier."""
        if self.token.kind not in ("word", "quoted"):
            raise self.syntax()
        return self._next().value

    def names(self) -> tuple[str, ...]:
        """A list of identifiers in parentheses."""
        self.expect("(")
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        self.expect(")")
        return tuple(found)

    def number(self) -> float:
        self.take("as")
        if self.token.kind != "number":
            raise self.syntax()
        return float(self._next().value)

    def size(self, low: float, high: float, what: str) -> int:
        """A size in bytes, written in MB (the default) or GB."""
        start = self.token.start
        size = self.number()
        size *= 1024 * MEGABYTE if self.take("gb") else MEGABYTE
        self.take("mb")
        if not low * MEGABYTE <= size <= high * MEGABYTE:
            raise self.refuse(f"{what} must be between {low:g} MB and {high / 1024:g} GB", start)
        return int(size)

    def switch(self) -> bool:
        """ON, TRUE, OFF or FALSE; on if none is there."""
        if self.take("off") or self.take("false"):
            return False
        return self.take("on") or self.take("true") or True

    def place(self) -> tuple[str, str]:
        """Bucket and key prefix of an s3:// string."""
        start = self.token.start
        path = self.string()
        match = _S3.fullmatch(path)
        if match is None:
            raise self.refuse(
                f"\"{path}\" is no place in Amazon S3: {self.command} takes 's3://bucket/prefix'", start
            )
        return match[1], match[2]

    def role(self) -> str:
        """What follows IAM_ROLE: "default", or the ARNs of a chain of roles, joined by commas."""
        if self.take("default"):
            return "default"
        start = self.token.start
        role = self.string()
        if role.upper() == "SESSION":
            raise self.refuse(
                "IAM_ROLE 'SESSION' is not supported by the local Redshift: there is no federated identity",
                start,
            )
        if not all(_ROLE.fullmatch(part) for part in role.split(",")):
            raise self.refuse("IAM_ROLE takes default or the ARN of a role", start)
        return role

    def refuse_keys(self) -> None:
        """Authorization by keys is Redshift's, too, but not ours: what stands in SQL text ends in logs."""
        if self.token.kind == "word" and self.token.value in _KEYS:
            raise self.refuse(
                f"{self.token.value.upper()} is not supported by the local Redshift; use IAM_ROLE, which"
                " Redshift recommends"
            )

    def _next(self) -> Token:
        token = self.token
        self._at += 1
        return token


def exclusive(command: str, given: Iterable[str], others: Iterable[str]) -> None:
    """Refuse options that exclude each other: any of `given` together with any of `others`."""
    left, right = [name for name in given if name], [name for name in others if name]
    if left and right:
        raise Refused(f"{command}: {left[0]} cannot be used with {right[0]}", sqlstate="42601")
