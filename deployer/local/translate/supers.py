"""SUPER among other types: dynamic typing in comparisons and arithmetic, casts from and to it.

Source: DG query-super (dynamic typing, lax semantics), limitations-super (casting).
"""

from __future__ import annotations

from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Typed
from deployer.sql.parse.datatypes import redshift_text
from deployer.sql.refused import Refused
from deployer.sql.types import BOOLEAN, SUPER, UNKNOWN, RedshiftType

_CASTS = frozenset(
    "smallint integer bigint decimal real double boolean date time timetz timestamp timestamptz".split()
)


def is_super(kind: Kind) -> bool:
    return kind == SUPER


def as_super(value: Typed, pos: int | None = None) -> str:
    """`value` as SUPER: numbers, booleans, strings and NULL convert, dates and times do not."""
    kind = value.type
    if kind == SUPER:
        return f"({value.sql})::redshift.super"
    if value.sql == "NULL":
        return "NULL::redshift.super"
    if kind == UNKNOWN or (kind is not None and kind.is_text):
        return f"redshift.super_of_text(({value.sql})::text)"
    if kind is not None and (kind.is_numeric or kind == BOOLEAN):
        return f"redshift.super_of_json(pg_catalog.to_json({value.sql}))"
    what = "a value whose type cannot be told" if kind is None else f"type {redshift_text(kind)}"
    raise Refused(f"cannot cast {what} to super", position=pos, sqlstate="42846")


def compare(op: str, left: Typed, right: Typed) -> Typed:
    """A comparison where one side is SUPER: = and <> are false and true of different types, the others NULL."""
    a, b = as_super(left), as_super(right)
    if op == "=":
        return Typed(f"redshift.super_equal({a}, {b})", BOOLEAN)
    if op == "<>":
        return Typed(f"(NOT redshift.super_equal({a}, {b}))", BOOLEAN)
    return Typed(f"(redshift.super_compared({a}, {b}) {op} 0)", BOOLEAN)


def arithmetic(op: str, left: Typed, right: Typed, pos: int) -> Typed:
    """+ - * / % over SUPER (operators-functions): of what is no number NULL, but + joins two strings."""
    return Typed(f"redshift.super_arithmetic('{op}', {as_super(left, pos)}, {as_super(right, pos)})", SUPER)


def cast_from(value: Typed, kind: RedshiftType, pos: int) -> Typed:
    """SUPER cast to another type but text; what does not fit is NULL."""
    if kind.name not in _CASTS:
        raise Refused(f"cannot cast type super to {redshift_text(kind)}", position=pos, sqlstate="42846")
    target = pg_type(kind)
    return Typed(f"redshift.super_cast({value.sql}, '{target}')::{target}", kind)
