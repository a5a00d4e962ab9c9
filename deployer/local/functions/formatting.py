"""Data type formatting functions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/r_Data_type_formatting.html and each function's page.
"""

from __future__ import annotations

import re

from deployer.local.functions.api import Call, Function
from deployer.local.functions.render import literal, page, refuse, text
from deployer.sql.names import quote_literal
from deployer.sql.parse.nodes import Expr, Literal
from deployer.sql.types import INTEGER, MAX_PRECISION, VARCHAR, RedshiftType, decimal

_ZONE = re.compile(r"TZ|OF", re.IGNORECASE)
_DIGITS = re.compile(r"[09]")
_QUOTED_OR_L = re.compile(r'("[^"]*"|[pP][lL])|[lL]')
_QUOTED_OR_FM = re.compile(r'("[^"]*")|[fF][mM]')


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
    if kind.is_numeric and not kind.is_float and "l" in pattern.lower():
        # L is the local currency symbol, which r_TO_CHAR prints as $; PL is the plus sign.
        dollar = _QUOTED_OR_L.sub(lambda match: match[1] or '"$"', pattern)
        return f"pg_catalog.to_char({value}, E{quote_literal(dollar)})"
    return f"pg_catalog.to_char({value}, {text(call, 1)})"


def _to_number(call: Call) -> str:
    pattern = literal(call, 1)
    if pattern is None:
        raise refuse(call, "the format must be a string literal", sqlstate="42601")
    # FM changes nothing in the number (r_TO_NUMBER), but PostgreSQL's stops reading early behind it.
    plain = _QUOTED_OR_FM.sub(lambda match: match[1] or "", pattern)
    return f"pg_catalog.to_number({text(call, 0)}, E{quote_literal(plain)})"


def _by_format(kind: RedshiftType | None, nodes: tuple[Expr, ...]) -> RedshiftType | None:
    """TO_NUMBER: a DECIMAL with the digits of the format; those behind D or the point are its scale."""
    pattern = nodes[1].value.upper() if len(nodes) > 1 and isinstance(nodes[1], Literal) else ""
    whole, _, fraction = pattern.replace("D", ".").partition(".")
    scale = len(_DIGITS.findall(fraction))
    precision = len(_DIGITS.findall(whole)) + scale
    return decimal(precision, scale) if 0 < precision <= MAX_PRECISION else None


def _text_to_int(call: Call) -> str:
    formats = literal(call, 1) if len(call.args) > 1 else None
    if len(call.args) > 1 and formats is None:
        raise refuse(call, "the format must be a string literal", sqlstate="42601")
    if formats is not None:
        raise refuse(call, "Teradata-style format strings are not run by the local Redshift yet")
    return f"redshift.text_to_int_alt({text(call, 0)})"


def _text_to_numeric(call: Call) -> str:
    if any(not (literal(call, i) or "").isdigit() for i in range(1, len(call.args))):
        raise refuse(
            call, "precision and scale must be number literals; format strings are not run locally yet"
        )
    scale = literal(call, 2) if len(call.args) > 2 else "0"
    return f"redshift.round_half_even(redshift.text_to_numeric_alt({text(call, 0)}), {scale})"


def _by_size(kind: RedshiftType | None, nodes: tuple[Expr, ...]) -> RedshiftType | None:
    """TEXT_TO_NUMERIC_ALT(text, precision, scale): DECIMAL(38, 0) when they are not given."""
    given = [int(node.value) for node in nodes[1:] if isinstance(node, Literal) and node.value.isdigit()]
    precision, scale = (*given, *((MAX_PRECISION, 0)[len(given) :]))
    return decimal(precision, scale) if scale <= precision <= MAX_PRECISION else None


FUNCTIONS: tuple[Function, ...] = (
    Function("to_char", _to_char, VARCHAR, 2, 2, source=page("r_TO_CHAR")),
    Function("to_number", _to_number, None, 2, 2, source=page("r_TO_NUMBER"), narrow=_by_format),
    Function("text_to_int_alt", _text_to_int, INTEGER, 1, 2, source=page("r_TEXT_TO_INT_ALT")),
    Function(
        "text_to_numeric_alt",
        _text_to_numeric,
        None,
        1,
        3,
        source=page("r_TEXT_TO_NUMERIC_ALT"),
        narrow=_by_size,
    ),
)
