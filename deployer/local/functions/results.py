"""Result types that follow from the argument types.

Source: Redshift Database Developer Guide, r_numeric_computations201 (set operators, COALESCE, DECODE),
c_Supported_data_types (implicit conversion).
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.functions.api import Types
from deployer.sql.types import (
    DOUBLE,
    INTEGERS,
    MAX_PRECISION,
    TIMESTAMP,
    TIMESTAMPTZ,
    VARCHAR,
    RedshiftType,
    decimal,
)

ORDER = ("smallint", "integer", "bigint", "decimal", "real", "double")
MOMENTS = ("date", "timestamp", "timestamptz")
LIMIT = 19
"""The precision at which the documented formula for COALESCE, DECODE and set operators stops."""


def same(index: int = 0) -> Callable[[Types], RedshiftType | None]:
    """The type of the argument at `index`."""
    return lambda types: types[index] if index < len(types) else None


def as_decimal(kind: RedshiftType) -> tuple[int, int] | None:
    """Precision and scale of a DECIMAL, or of an integer meeting one; None for anything else."""
    if kind.is_integer:
        return INTEGERS[kind.name], 0
    if kind.is_decimal and kind.precision is not None and kind.scale is not None:
        return kind.precision, kind.scale
    return None


def common(types: Types) -> RedshiftType | None:
    """The one type of COALESCE, NVL, DECODE, GREATEST, CASE and set operators over `types`.

    None when a type is unknown to inference or when two do not meet (then PostgreSQL decides or refuses).
    Of DECIMALs: scale = max(s1, s2), precision = min(max(p1-s1, p2-s2) + scale, 19); an argument of
    more than 19 digits makes 128-bit values, for which the limit is 38.
    """
    known = [kind for kind in types if kind is not None and kind.name != "unknown"]
    if len(known) != sum(1 for kind in types if kind is None or kind.name != "unknown"):
        return None
    if not known:
        return VARCHAR
    result = known[0]
    for kind in known[1:]:
        met = _meet(result, kind)
        if met is None:
            return None
        result = met
    return result


def _meet(left: RedshiftType, right: RedshiftType) -> RedshiftType | None:
    if left == right:
        return left
    if left.is_numeric and right.is_numeric:
        return _numbers(left, right)
    if left.is_text and right.is_text:
        if left.length is None or right.length is None:
            return VARCHAR
        name = "char" if left.name == right.name == "char" else "varchar"
        return RedshiftType(name, length=max(left.length, right.length))
    if left.name in MOMENTS and right.name in MOMENTS:
        return TIMESTAMPTZ if TIMESTAMPTZ in (left, right) else TIMESTAMP
    return None


def _numbers(left: RedshiftType, right: RedshiftType) -> RedshiftType | None:
    if left.is_float or right.is_float:
        return left if left == right else DOUBLE
    if left.is_integer and right.is_integer:
        return max(left, right, key=lambda kind: ORDER.index(kind.name))
    one, two = as_decimal(left), as_decimal(right)
    if one is None or two is None:
        return None
    scale = max(one[1], two[1])
    limit = LIMIT if max(one[0], two[0]) <= LIMIT else MAX_PRECISION
    return decimal(min(max(one[0] - one[1], two[0] - two[1]) + scale, limit), scale)
