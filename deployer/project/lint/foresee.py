"""Whether a procedure is bound to refuse, whatever the warehouse holds: its body is followed as far as that is certain.

A variable that a query, a call or an unknown expression has written is not known; a condition that cannot be told, a
loop, or anything that is not understood ends the look without a verdict. What stands between (queries, calls, updates)
may fail by itself, and then the procedure has refused, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from deployer.project.lint.folding import NULL, Constant, Unknown, fold
from deployer.sql.plpgsql_ast import (
    Assign,
    Block,
    Call,
    Cursor,
    Execute,
    GetRowCount,
    If,
    Null,
    Raise,
    Return,
    Sql,
    Statement,
)
from deployer.sql.procedure import CreateProcedure

_TEXT = re.compile(r"\s*(?:varchar|character\s+varying|text)\s*(?:\(\s*(\d+|max)\s*\))?\s*", re.I)
_LONGEST = {None: 256, "max": 65535}
"""VARCHAR without a length is VARCHAR(256) (developer guide, r_Character_types)."""


class _End(Enum):
    GOES_ON, RETURNS, UNTOLD = range(3)


class _Refused(Exception):
    """RAISE EXCEPTION was reached."""


def refusal(created: CreateProcedure, arguments: Mapping[str, str]) -> str | None:
    """The message that the procedure is bound to raise when the named arguments have these values; others are unknown.

    None when it may well succeed, as far as can be told.
    """
    try:
        _Walk(created, arguments).block(created.block)
    except (_Refused, RecursionError) as error:
        return str(error) if isinstance(error, _Refused) else None
    return None


class _Walk:
    def __init__(self, created: CreateProcedure, arguments: Mapping[str, str]) -> None:
        self._types = {argument.name: argument.type_text for argument in created.arguments}
        self._known: dict[str, Constant] = {}
        for name, value in arguments.items():
            self._set(name, value)

    def block(self, block: Block) -> _End:
        if block.handler is not None:
            return _End.UNTOLD
        for declaration in block.declarations:
            if declaration.name in self._types or declaration.alias_of or declaration.type_text == "cursor":
                # A variable that hides another one, or two names for one.
                return _End.UNTOLD
            self._types[declaration.name] = declaration.type_text
            if declaration.default is None:
                self._set(declaration.name, NULL)
            else:
                self._assign(declaration.name, declaration.default.sql)
        return self._all(block.body)

    def _all(self, body: tuple[Statement, ...]) -> _End:
        for statement in body:
            end = self._one(statement)
            if end is not _End.GOES_ON:
                return end
        return _End.GOES_ON

    def _one(self, node: Statement) -> _End:
        match node:
            case Null():
                pass
            case Assign():
                self._assign(node.target, node.value.sql)
            case If():
                return self._if(node)
            case Raise(level="exception"):
                raise _Refused(self._message(node))
            case Raise(level=level) if level:
                pass
            case Return():
                return _End.RETURNS
            case Sql() | Execute() | Cursor():
                self._forget(*node.into)
            case GetRowCount():
                self._forget(node.target)
            case Call():
                # An argument that is a variable may come back changed.
                self._forget(*(argument.sql.strip() for argument in node.arguments))
            case Block(declarations=()):
                return self.block(node)
            case _:
                return _End.UNTOLD
        return _End.GOES_ON

    def _if(self, node: If) -> _End:
        for condition, body in node.branches:
            try:
                holds = fold(condition.sql, self._known)
            except Unknown:
                return _End.UNTOLD
            if holds is True:
                return self._all(body)
            if holds is not False and holds is not NULL:
                return _End.UNTOLD
        return self._all(node.otherwise)

    def _assign(self, name: str, text: str) -> None:
        try:
            self._set(name, fold(text, self._known))
        except Unknown:
            self._forget(name)

    def _set(self, name: str, value: Constant) -> None:
        """Remember a text that fits its variable. Other types would convert it: those stay unknown."""
        self._forget(name)
        found = _TEXT.fullmatch(self._types.get(name, ""))
        if found is None or not (value is NULL or isinstance(value, str)):
            return
        longest = _LONGEST.get(found[1]) or int(found[1])
        if value is NULL or len(value.encode()) <= longest:
            self._known[name] = value

    def _forget(self, *names: str) -> None:
        for name in names:
            for spelling in (name, name.lower(), name.strip('"')):
                self._known.pop(spelling, None)

    def _message(self, node: Raise) -> str:
        """The format with its arguments; what is not known stands there by its name."""
        values = iter(node.arguments)

        def value(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            name = next(values, "?")
            known = self._known.get(name, NULL)
            return known if isinstance(known, str) else f"<{name}>"

        return re.sub("%%?", value, node.format)
