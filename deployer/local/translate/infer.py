"""Redshift's result types: arithmetic, set operations, CASE, literals.

Source: Redshift Database Developer Guide, "Computations with numeric values" (r_numeric_computations201), "Numeric
types", "Date and time literals". Pure functions over types; None stands for "cannot be told".
"""

from __future__ import annotations

from deployer.sql.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTEGER,
    INTEGERS,
    INTERVAL,
    MAX_PRECISION,
    MAX_VARCHAR,
    REAL,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
    VARCHAR,
    RedshiftType,
    decimal,
)

Kind = RedshiftType | None

MAX_SCALE = 37
MIN_DIVISION_SCALE = 4
_UNION_PRECISION = 19
_INTEGER_ORDER = ("smallint", "integer", "bigint")
_MOMENTS = ("date", "timestamp", "timestamptz")


class Undetermined(Exception):
    """The documented type of an operation cannot be told; the message says of which operand and what to do."""


def number_literal(text: str) -> RedshiftType:
    """The type of a number as written: the smallest of INTEGER, BIGINT, DECIMAL that holds it.

    A literal with a decimal point is DECIMAL with as many digits as are written (at least one before the point); the
    guide does not say so, but PostgreSQL 8 counts like this. One with an exponent is DOUBLE PRECISION: the
    guide calls it a floating-point literal.
    """
    digits = text.lstrip("-")
    if "e" in digits.lower():
        return DOUBLE
    whole, point, fraction = digits.partition(".")
    if not point:
        value = int(digits)
        if value <= 2**31 - 1:
            return INTEGER
        if value <= 2**63 - 1:
            return BIGINT
        if len(digits.lstrip("0")) > MAX_PRECISION:
            raise Undetermined(f"the number {digits[:20]}... has more than {MAX_PRECISION} digits")
        return decimal(len(digits.lstrip("0")), 0)
    precision = max(len(whole.lstrip("0")), 1) + len(fraction)
    if precision > MAX_PRECISION or len(fraction) > MAX_SCALE:
        raise Undetermined(f"the number {text[:20]}... has more than {MAX_PRECISION} digits")
    return decimal(precision, len(fraction))


def as_decimal(kind: RedshiftType) -> tuple[int, int]:
    """Precision and scale of an operand of DECIMAL arithmetic; integers count 5, 10 and 19 digits."""
    if kind.is_integer:
        return INTEGERS[kind.name], 0
    if kind.precision is None or kind.scale is None:
        raise Undetermined("the precision and scale of an operand are not known")
    return kind.precision, kind.scale


def arithmetic(op: str, left: RedshiftType, right: RedshiftType) -> RedshiftType:
    """The type of `left op right` for two numeric types and + - * / %."""
    if left.is_float or right.is_float:
        return REAL if left == right == REAL else DOUBLE
    if left.is_integer and right.is_integer:
        return max(left, right, key=lambda kind: _INTEGER_ORDER.index(kind.name))
    p1, s1 = as_decimal(left)
    p2, s2 = as_decimal(right)
    if op in "+-":
        scale = max(s1, s2)
        precision = max(p1 - s1, p2 - s2) + 1 + scale
    elif op == "*":
        scale = s1 + s2
        precision = p1 + p2 + 1
        if scale > MAX_SCALE:
            raise Undetermined(
                f"the product of scales {s1} and {s2} has scale {scale}, and Redshift's limit is {MAX_SCALE}"
            )
    elif op == "/":
        return division(p1, s1, p2, s2)
    else:
        # The guide gives MOD no formula for DECIMAL; the remainder needs no more digits than the smaller operand.
        scale = max(s1, s2)
        precision = min(p1 - s1, p2 - s2) + scale
    return decimal(max(1, min(precision, MAX_PRECISION)), scale)


def division(p1: int, s1: int, p2: int, s2: int) -> RedshiftType:
    """DECIMAL / DECIMAL. Too high a precision is cut to 38 and takes its digits from the scale, down to 4.

    Whether Redshift rounds or truncates the quotient at that scale is not documented; here it is rounded half away
    from zero, as by every assignment to a DECIMAL.
    """
    scale = max(MIN_DIVISION_SCALE, s1 + p2 - s2 + 1)
    precision = p1 - s1 + s2 + scale
    if precision > MAX_PRECISION:
        scale = max(MAX_PRECISION + scale - precision, MIN_DIVISION_SCALE)
        precision = MAX_PRECISION
    return decimal(precision, min(scale, MAX_SCALE))


def date_arithmetic(op: str, left: RedshiftType, right: RedshiftType) -> Kind:
    """The type of + - * / where a date, time or interval takes part; None when Redshift has no such operator."""
    a, b = left.name, right.name
    if op == "+":
        if "interval" in (a, b):
            other = b if a == "interval" else a
            if other == "date":
                return TIMESTAMP
            return (
                RedshiftType(other)
                if other in ("timestamp", "timestamptz", "time", "timetz", "interval")
                else None
            )
        if (a == "date" and right.is_integer) or (b == "date" and left.is_integer):
            return DATE
        if {a, b} == {"date", "time"}:
            return TIMESTAMP
        return TIMESTAMPTZ if {a, b} == {"date", "timetz"} else None
    if op == "-":
        if b == "interval":
            if a == "date":
                return TIMESTAMP
            return (
                RedshiftType(a) if a in ("timestamp", "timestamptz", "time", "timetz", "interval") else None
            )
        if a == "date" and right.is_integer:
            return DATE
        if a == b == "date":
            return INTEGER
        return INTERVAL if (a in _MOMENTS and b in _MOMENTS) or a == b == "time" else None
    if op in "*/" and "interval" in (a, b):
        return INTERVAL if left.is_numeric or right.is_numeric else None
    return None


def common(kinds: list[Kind]) -> Kind:
    """The one type of CASE, UNION, INTERSECT and EXCEPT over `kinds`; None when it cannot be told.

    Of DECIMALs: scale = max(s1, s2), precision = min(max(p1-s1, p2-s2) + scale, 19). An operand that is wider
    than 19 digits is stored in 128 bits, and the limit is then taken as 38: the guide's formula would overflow.
    Bare literals and NULL take the type of the others.
    """
    known = [kind for kind in kinds if kind != UNKNOWN]
    if not known:
        return UNKNOWN
    result = known[0]
    for kind in known[1:]:
        if result is None or kind is None:
            return None
        result = _meet(result, kind)
    return result


def _meet(left: RedshiftType, right: RedshiftType) -> Kind:
    if left == right:
        return left
    if left.is_numeric and right.is_numeric:
        if left.is_float or right.is_float:
            return DOUBLE
        if left.is_integer and right.is_integer:
            return max(left, right, key=lambda kind: _INTEGER_ORDER.index(kind.name))
        try:
            (p1, s1), (p2, s2) = as_decimal(left), as_decimal(right)
        except Undetermined:
            return None
        limit = _UNION_PRECISION if max(p1, p2) <= _UNION_PRECISION else MAX_PRECISION
        scale = max(s1, s2)
        return decimal(max(min(max(p1 - s1, p2 - s2) + scale, limit), scale), scale)
    if left.is_text and right.is_text:
        collation = left.collation or right.collation
        if left.length is None or right.length is None:
            return RedshiftType("varchar", collation=collation)
        name = "char" if left.name == right.name == "char" else "varchar"
        return RedshiftType(name, length=max(left.length, right.length), collation=collation)
    if left.name in _MOMENTS and right.name in _MOMENTS:
        return TIMESTAMPTZ if "timestamptz" in (left.name, right.name) else TIMESTAMP
    return None


def concatenation(left: RedshiftType, right: RedshiftType) -> RedshiftType:
    """The type of `||` over text: the lengths add up, to 65535 bytes at most."""
    if left.length is None or right.length is None:
        return VARCHAR
    return RedshiftType("varchar", length=min(left.length + right.length, MAX_VARCHAR))


def stored(kind: Kind) -> Kind:
    """The column type that CREATE TABLE AS and SELECT INTO give a value of this type.

    A value without a derived length is stored as VARCHAR(65535), the widest; the guide does not say which
    width Redshift derives for each function.
    """
    if kind is None:
        return None
    if kind.name in ("varchar", "char", "name") and kind.length is None:
        return RedshiftType("varchar", length=MAX_VARCHAR, collation=kind.collation)
    return kind
