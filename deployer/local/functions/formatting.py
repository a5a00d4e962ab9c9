"""Data type formatting functions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/r_Data_type_formatting.html and each function's page.
"""

from __future__ import annotations

import re

from deployer.local.functions.api import Call, Function, Types
from deployer.local.functions.render import literal, page, refuse, text
from deployer.sql.types import INTEGER, VARCHAR, RedshiftType, decimal

_ZONE = re.compile(r"TZ|OF", re.IGNORECASE)


def _to_char(call: Call) -> str:
    pattern = literal(call, 1)
    if pattern is None:
        raise refuse(call, "the format must be a string literal", sqlstate="42601")
    kind = call.types[0]
    value = call.args[0]
    if kind is None:
        raise refuse(call, "the type of its first argument cannot be told; cast it")
    if kind.is_text or kind.name == "unknown":
        raise refuse(
            call, "the first argument is a string; cast it to a TIMESTAMP or a number", sqlstate="42883"
        )
    if kind.name in ("date", "timestamp"):
        # A TIMESTAMP has no zone, and Redshift prints the session's for TZ (r_TO_CHAR, "HH12:MI:SS TZ").
        value = f"({value})::{'timestamptz' if _ZONE.search(pattern) else 'timestamp'}"
    elif kind.name in ("smallint", "integer"):
        value = f"({value})::integer"
    elif kind.name in ("time", "timetz", "boolean", "super", "varbyte"):
        raise refuse(call, f"it takes a TIMESTAMP or a number, not {kind.name.upper()}", sqlstate="42883")
    return f"pg_catalog.to_char({value}, {text(call, 1)})"


def _to_number(call: Call) -> str:
    pattern = literal(call, 1)
    if pattern is None:
        raise refuse(call, "the format must be a string literal", sqlstate="42601")
    return f"pg_catalog.to_number({text(call, 0)}, {text(call, 1)})"


def _text_to_int(call: Call) -> str:
    return f"redshift.text_to_int_alt({_alt(call, 0)})"


def _alt(call: Call, index: int) -> str:
    formats = literal(call, 1) if len(call.args) > 1 else None
    if formats is not None and not formats.isdigit():
        raise refuse(call, "Teradata-style format strings are not run by the local Redshift yet")
    return text(call, index)


def _text_to_numeric(call: Call) -> str:
    result = _numeric_result(call)
    return f"redshift.text_to_numeric_alt({text(call, 0)})::numeric({result.precision},{result.scale})"


def _numeric_result(call: Call) -> RedshiftType:
    numbers = [literal(call, i) for i in range(1, len(call.args))]
    if any(number is None or not number.isdigit() for number in numbers):
        raise refuse(
            call, "precision and scale must be number literals; format strings are not run locally yet"
        )
    given = [int(str(number)) for number in numbers]
    precision, scale = (*given, *((38, 0)[len(given) :]))
    return decimal(precision, scale)


def _unknown_scale(types: Types) -> RedshiftType | None:
    return None


FUNCTIONS: tuple[Function, ...] = (
    Function("to_char", _to_char, VARCHAR, 2, 2, source=page("r_TO_CHAR")),
    Function("to_number", _to_number, _unknown_scale, 2, 2, source=page("r_TO_NUMBER")),
    Function("text_to_int_alt", _text_to_int, INTEGER, 1, 2, source=page("r_TEXT_TO_INT_ALT")),
    Function(
        "text_to_numeric_alt", _text_to_numeric, _unknown_scale, 1, 3, source=page("r_TEXT_TO_NUMERIC_ALT")
    ),
)
