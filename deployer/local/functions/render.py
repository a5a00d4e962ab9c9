"""Small pieces that renderers share: how an argument becomes the type that a compat function takes.

Redshift converts arguments implicitly where PostgreSQL asks for an exact match, above all numbers and dates
to VARCHAR for string functions. The casts are written out, so that PostgreSQL never chooses an overload.
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.functions.api import Call
from deployer.sql.parse.nodes import Literal
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

PAGE = "https://docs.aws.amazon.com/redshift/latest/dg/"


def page(name: str) -> str:
    """The address of a page of the Redshift Database Developer Guide."""
    return f"{PAGE}{name}.html"


def refuse(call: Call, why: str, *, sqlstate: str = "0A000") -> Refused:
    """The refusal of this call; `why` says what is wrong and what to write instead."""
    return Refused(f"{call.name.upper()}: {why}", sqlstate=sqlstate)


def text(call: Call, index: int) -> str:
    """Argument `index` as VARCHAR, converted as Redshift converts implicitly."""
    kind = call.types[index]
    if kind is not None and kind.name in ("boolean", "super", "varbyte", "interval"):
        raise refuse(
            call, f"argument {index + 1} is {kind.name.upper()}; cast it to VARCHAR first", sqlstate="42883"
        )
    return f"({call.args[index]})::text"


def blank_free(call: Call, index: int) -> str:
    """Argument `index` for a comparison: CHAR and VARCHAR compare without trailing blanks, as bpchar does."""
    kind = call.types[index]
    if kind is not None and kind.collation == "ci":
        return f"redshift.lower(({call.args[index]})::text)::bpchar"
    return f"({call.args[index]})::bpchar" if kind is not None and kind.is_text else call.args[index]


def integer(call: Call, index: int) -> str:
    """Argument `index` as INTEGER; a DECIMAL or a float is refused, as its rounding is not documented."""
    kind = call.types[index]
    if kind is not None and (kind.is_decimal or kind.is_float):
        raise refuse(
            call, f"argument {index + 1} must be an integer; write CAST(... AS INTEGER)", sqlstate="42883"
        )
    return f"({call.args[index]})::integer"


def bigint(call: Call, index: int) -> str:
    """Argument `index` as BIGINT, on the terms of `integer`."""
    return integer(call, index).removesuffix("integer") + "bigint"


def double(call: Call, index: int) -> str:
    """Argument `index` as DOUBLE PRECISION."""
    return f"({call.args[index]})::double precision"


def timestamp(call: Call, index: int) -> str:
    """Argument `index` as TIMESTAMP: dates, strings and TIMESTAMPTZ (in the session's time zone) convert."""
    return f"({call.args[index]})::timestamp"


def moment_type(call: Call, index: int) -> str:
    """The name of the date or time type that argument `index` has, with strings read as TIMESTAMP."""
    kind = call.types[index]
    if kind is None:
        raise refuse(call, f"the type of argument {index + 1} cannot be told; cast it to DATE or TIMESTAMP")
    if kind.is_text or kind.name == "unknown":
        return "timestamp"
    if kind.name not in ("date", "timestamp", "timestamptz", "time", "timetz"):
        raise refuse(
            call, f"argument {index + 1} is {kind.name.upper()}, not a date or time", sqlstate="42883"
        )
    return kind.name


def literal(call: Call, index: int) -> str | None:
    """The value of argument `index` when it is written as a string or number literal, else None."""
    node = call.nodes[index]
    return node.value if isinstance(node, Literal) and node.kind in ("string", "number") else None


def strings(pattern: str, *integers: int) -> Callable[[Call], str]:
    """A renderer that gives every argument as VARCHAR, those listed in `integers` as INTEGER.

    `pattern` holds {args} or {0} {1} ...
    """

    def renderer(call: Call) -> str:
        args = [integer(call, i) if i in integers else text(call, i) for i in range(len(call.args))]
        return pattern.format(*args, args=", ".join(args))

    return renderer


def doubles(pattern: str) -> Callable[[Call], str]:
    """A renderer that gives every argument as DOUBLE PRECISION."""

    def renderer(call: Call) -> str:
        args = [double(call, i) for i in range(len(call.args))]
        return pattern.format(*args, args=", ".join(args))

    return renderer


def pg_type(kind: RedshiftType) -> str:
    """`kind` as PostgreSQL writes it, for a cast."""
    if kind.is_decimal:
        return f"numeric({kind.precision},{kind.scale})"
    names = {
        "double": "double precision",
        "varchar": "text",
        "char": "text",
        "varbyte": "bytea",
        "super": "redshift.super",
        "unknown": "text",
    }
    return names.get(kind.name, kind.name)


def window(call: Call, *, order_by: str = "", frame: str = "") -> str:
    """An OVER clause with this call's PARTITION BY and the given order and frame."""
    parts = []
    if call.partition_by:
        parts.append(f"PARTITION BY {call.partition_by}")
    if order_by:
        parts.append(f"ORDER BY {order_by}")
    if frame:
        parts.append(frame)
    return f"OVER ({' '.join(parts)})"


WHOLE = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
"""The frame that is the whole partition."""
