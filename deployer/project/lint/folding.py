"""The value of an expression of a procedure, where its variables are known: texts, booleans, small integers and NULL.

Only what Redshift does in one way alone is computed: texts are not compared where one ends in a blank (trailing blanks
are not significant, developer guide, r_Character_types) or where case alone tells them apart (a database may be
CASE_INSENSITIVE, r_CREATE_DATABASE), no order of texts is asked for, and case is changed in ASCII only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from deployer.sql.lexer import LexError
from deployer.sql.parse.nodes import (
    Binary,
    Case,
    Column,
    Expr,
    FunctionCall,
    InList,
    IsTest,
    Like,
    Literal,
    Select,
    Unary,
)
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused

Constant = str | bool | int | None
NULL = None


class Unknown(Exception):
    """The value depends on what is not known here."""


def fold(text: str, known: Mapping[str, Constant]) -> Constant:
    """The value of the expression `text`, in which the names of `known` are variables. Raises Unknown."""
    try:
        parser = Parser(f"select ({text}\n)")
        query = parser.query()
        parser.done()
    except (Refused, LexError, RecursionError):
        raise Unknown from None
    body = query.body
    if not isinstance(body, Select) or body.tables or body.where is not None or len(body.items) != 1:
        raise Unknown
    return _fold(body.items[0].expr, known)


def _fold(node: Expr, known: Mapping[str, Constant]) -> Constant:
    match node:
        case Literal(kind="string"):
            return node.value
        case Literal(kind="true" | "false"):
            return node.kind == "true"
        case Literal(kind="null"):
            return NULL
        case Literal(kind="number") if re.fullmatch(r"\d{1,9}", node.value):
            return int(node.value)
        case Column(parts=(name,)) if name in known:
            return known[name]
        case Unary(op="not"):
            value = _truth(node.operand, known)
            return NULL if value is None else not value
        case Binary(op="and" | "or"):
            return _logic(node, known)
        case Binary(op="=" | "<>" | "!="):
            same = _same(_fold(node.left, known), _fold(node.right, known))
            return same if node.op == "=" or same is None else not same
        case Binary(op="||"):
            left, right = _text(node.left, known), _text(node.right, known)
            return NULL if left is None or right is None else left + right
        case IsTest(test="null"):
            return (_fold(node.operand, known) is NULL) != node.negated
        case IsTest(test="true" | "false"):
            return (_truth(node.operand, known) is (node.test == "true")) != node.negated
        case InList():
            return _in(node, known)
        case Like(op="like", escape=None):
            return _like(node, known)
        case Case():
            return _case(node, known)
        case FunctionCall(schema="", over=None, distinct=False):
            return _call(node, known)
    raise Unknown


def _truth(node: Expr, known: Mapping[str, Constant]) -> bool | None:
    value = _fold(node, known)
    if value is NULL or isinstance(value, bool):
        return value
    raise Unknown


def _text(node: Expr, known: Mapping[str, Constant]) -> str | None:
    value = _fold(node, known)
    if value is NULL or isinstance(value, str):
        return value
    raise Unknown


def _logic(node: Binary, known: Mapping[str, Constant]) -> bool | None:
    """AND and OR: one side may decide alone."""
    decisive = node.op == "or"
    sides: list[bool | None] = []
    untold = False
    for side in (node.left, node.right):
        try:
            sides.append(_truth(side, known))
        except Unknown:
            untold = True
    if decisive in sides:
        return decisive
    if untold:
        raise Unknown
    return NULL if NULL in sides else not decisive


def _same(left: Constant, right: Constant) -> bool | None:
    if left is NULL or right is NULL:
        return NULL
    if type(left) is not type(right) or any(
        isinstance(side, str) and side.endswith(" ") for side in (left, right)
    ):
        raise Unknown
    if isinstance(left, str) and isinstance(right, str) and left != right and left.lower() == right.lower():
        raise Unknown
    return left == right


def _in(node: InList, known: Mapping[str, Constant]) -> bool | None:
    value = _fold(node.operand, known)
    found = [_same(value, _fold(item, known)) for item in node.items]
    if True in found:
        return not node.negated
    return NULL if NULL in found else node.negated


def _like(node: Like, known: Mapping[str, Constant]) -> bool | None:
    value, pattern = _text(node.operand, known), _text(node.pattern, known)
    if value is None or pattern is None:
        return NULL
    if "\\" in pattern:
        raise Unknown
    wanted = "".join({"%": ".*", "_": "."}.get(sign, re.escape(sign)) for sign in pattern)
    found = bool(re.fullmatch(wanted, value, re.S))
    if found != bool(re.fullmatch(wanted, value, re.S | re.I)):
        raise Unknown
    return found != node.negated


def _case(node: Case, known: Mapping[str, Constant]) -> Constant:
    for when, then in node.whens:
        if node.operand is None:
            holds = _truth(when, known)
        else:
            holds = _same(_fold(node.operand, known), _fold(when, known))
        if holds:
            return _fold(then, known)
    return NULL if node.default is None else _fold(node.default, known)


def _call(node: FunctionCall, known: Mapping[str, Constant]) -> Constant:
    if node.name in ("coalesce", "nvl"):
        return next((value for item in node.args if (value := _fold(item, known)) is not NULL), NULL)
    if node.name not in _FUNCTIONS:
        raise Unknown
    types, function = _FUNCTIONS[node.name]
    values = [_fold(item, known) for item in node.args]
    if len(values) != len(types):
        raise Unknown
    if any(value is NULL for value in values):
        return NULL
    if any(type(value) is not kind for value, kind in zip(values, types, strict=True)):
        raise Unknown
    return function(*values)


def _split_part(text: str, delimiter: str, number: int) -> str:
    if not delimiter or number < 1:
        raise Unknown
    parts = text.split(delimiter)
    return parts[number - 1] if number <= len(parts) else ""


def _in_ascii(change: Callable[[str], str]) -> Callable[[str], str]:
    def function(text: str) -> str:
        if not text.isascii():
            raise Unknown
        return change(text)

    return function


_FUNCTIONS: Mapping[str, tuple[tuple[type, ...], Callable[..., str | int]]] = {
    "split_part": ((str, str, int), _split_part),
    "left": ((str, int), lambda text, count: text[:count]),
    "right": ((str, int), lambda text, count: text[len(text) - count :] if count < len(text) else text),
    "lower": ((str,), _in_ascii(str.lower)),
    "upper": ((str,), _in_ascii(str.upper)),
    "len": ((str,), len),
    "length": ((str,), len),
}
"""By name what each takes and does (developer guide, SPLIT_PART, r_LEFT, r_LOWER, r_UPPER, r_LEN)."""
