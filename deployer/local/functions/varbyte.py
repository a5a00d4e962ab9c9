"""Functions of VARBYTE, which is PostgreSQL's bytea here.

Source: https://docs.aws.amazon.com/redshift/latest/dg/varbyte-functions.html and each function's page.
"""

from __future__ import annotations

from deployer.local.functions.api import Call, Function
from deployer.local.functions.render import bigint, integer, literal, page, refuse, text
from deployer.sql.types import INTEGER, VARCHAR, RedshiftType

VARBYTE = RedshiftType("varbyte")
_FORMATS = {"hex": "hex", "binary": "binary", "utf8": "utf8", "utf-8": "utf8"}


def as_varbyte(call: Call, index: int) -> str:
    """Argument `index` as VARBYTE: strings by their UTF-8 bytes."""
    kind = call.types[index]
    if kind is not None and kind.name == "varbyte":
        return f"({call.args[index]})::bytea"
    if kind is not None and not (kind.is_text or kind.name == "unknown"):
        raise refuse(call, f"argument {index + 1} is {kind.name.upper()}, not VARBYTE", sqlstate="42883")
    return f"pg_catalog.convert_to({text(call, index)}, 'UTF8')"


def _format(call: Call) -> str:
    value = (literal(call, 1) or "").lower()
    if value not in _FORMATS:
        raise refuse(call, "the format must be one of 'hex', 'binary', 'utf8', 'utf-8'", sqlstate="22023")
    return _FORMATS[value]


def _from_varbyte(call: Call) -> str:
    return f"redshift.from_varbyte({as_varbyte(call, 0)}, '{_format(call)}')"


def _to_varbyte(call: Call) -> str:
    return f"redshift.to_varbyte({text(call, 0)}, '{_format(call)}')"


def _from_hex(call: Call) -> str:
    return f"redshift.to_varbyte({text(call, 0)}, 'hex')"


def _to_hex(call: Call) -> str:
    kind = call.types[0]
    if kind is not None and (kind.name == "varbyte" or kind.is_text):
        return f"pg_catalog.encode({as_varbyte(call, 0)}, 'hex')"
    if kind is not None and kind.name in ("smallint", "integer"):
        return f"pg_catalog.to_hex(({call.args[0]})::integer)"
    return f"pg_catalog.to_hex({bigint(call, 0)})"


def _getbit(call: Call) -> str:
    return f"redshift.getbit({as_varbyte(call, 0)}, {integer(call, 1)})"


FUNCTIONS: tuple[Function, ...] = (
    Function("from_hex", _from_hex, VARBYTE, 1, 1, source=page("r_FROM_HEX")),
    Function("from_varbyte", _from_varbyte, VARCHAR, 2, 2, source=page("r_FROM_VARBYTE")),
    Function("to_varbyte", _to_varbyte, VARBYTE, 2, 2, source=page("r_TO_VARBYTE")),
    Function("to_hex", _to_hex, VARCHAR, 1, 1, source=page("r_TO_HEX")),
    Function("getbit", _getbit, INTEGER, 2, 2, source=page("r_GETBIT")),
)
