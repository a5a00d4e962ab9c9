"""PostgreSQL's types as zero-ETL lands them, and the text of their values where that differs.

Aurora User Guide, "Data type differences between Aurora and Amazon Redshift databases" (facts/redshift.md 1.9).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

LONGEST_TEXT = 65_535
_LONGEST_BYTES = 16_777_216
_MOST_CHARACTERS = 4096
"""Of a CHAR (DG, "Character types")."""
HEADER = 4
"""What PostgreSQL adds to a length in a type's modifier."""
_YEAR_TO_MONTH, _DAY_TO_SECOND = 0x0006, 0x1C08
"""The fields of an interval's modifier: PostgreSQL's datatype/timestamp.h."""

_FIXED = {
    "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
    "money": "decimal(20,3)", "bool": "boolean", "date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz",
    "uuid": "varchar(36)", "time": "varchar(19)", "timetz": "varchar(22)", "inet": "varchar(19)", "cidr": "varchar(19)",
    "macaddr": "varchar(17)", "name": "varchar(64)", "oid": "bigint", "xid": "bigint", "cid": "bigint",
    "xid8": "decimal(20,0)", "json": "super", "jsonb": "super", "int2vector": "super", "oidvector": "super",
    "bytea": f"varbyte({_LONGEST_BYTES})", "bit": f"varbyte({_LONGEST_BYTES})",
    "varbit": f"varbyte({_LONGEST_BYTES})",
} | dict.fromkeys(("varchar", "text", "xml", "tsvector"), f"varchar({LONGEST_TEXT})")  # fmt: skip
_NUMBERS = frozenset(["int2", "int4", "int8", "numeric", "float4", "float8", "oid"])
_TOKEN = re.compile(r'[{},]|"((?:[^"\\]|\\.)*)"|[^{},"]+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

Convert = Callable[[str], str]


def landing_type(name: str, modifier: int) -> str | None:
    """The type in Redshift's words; None where zero-ETL does not support it. Arrays begin with _, as in pg_type."""
    if name.startswith("_"):
        return "super" if landing_type(name[1:], 0xFFFF) is not None or name == "_numeric" else None
    if name in _FIXED:
        return _FIXED[name]
    if name == "numeric" and modifier >= HEADER:
        precision, scale = (modifier - HEADER) >> 16 & 0xFFFF, (modifier - HEADER & 0x7FF ^ 1024) - 1024
        if 0 <= scale <= min(precision, 37) and precision <= 38:
            return f"decimal({precision},{scale})"
    if name == "bpchar" and HEADER < modifier <= _MOST_CHARACTERS + HEADER:
        return f"char({modifier - HEADER})"
    if name == "interval" and modifier >= 0:
        fields = modifier >> 16 & 0x7FFF
        if fields in (_YEAR_TO_MONTH, _DAY_TO_SECOND):
            return "interval year to month" if fields == _YEAR_TO_MONTH else "interval day to second"
    return None


def condition(name: str) -> str:
    """What a value must meet to be one of Redshift's, as SQL with {} for the column; "" where every value does."""
    if name == "numeric":
        return "{} <> 'NaN'"
    if name == "date":
        return "isfinite({})"
    if name in ("timestamp", "timestamptz"):
        # timestamptz: the engine's constants are in UTC.
        return "{} >= '0001-01-01 00:00:00' and {} < '10000-01-01 00:00:00'"
    return ""


def converter(name: str) -> Convert | None:
    """What makes the landing text of the source's text; None where both are the same."""
    if name.startswith("_"):
        element = name[1:]
        return lambda text: array_as_json(text, element)
    return _CONVERTERS.get(name)


def _money(text: str) -> str:
    """In the locale C: -$1,234.56."""
    return text.replace("$", "").replace(",", "") + "0"


def _bits(text: str) -> str:
    """The bits from the first on, zeros behind the last: how PostgreSQL itself sends them. AWS's page says no order."""
    size = (len(text) + 7) // 8
    return "\\x" + (int(text.ljust(size * 8, "0"), 2).to_bytes(size, "big").hex() if size else "")


def _vector(text: str) -> str:
    return f"[{','.join(text.split())}]"


_CONVERTERS: dict[str, Convert] = {
    "money": _money, "bit": _bits, "varbit": _bits, "int2vector": _vector, "oidvector": _vector,
}  # fmt: skip


def array_as_json(text: str, element: str) -> str:
    """An array's text as JSON: {{1,NULL},{3,4}} is [[1,null],[3,4]]. Raises ValueError for what is no array.

    Numbers and booleans stay what they are, JSON is embedded, and everything else is a string; bounds are lost.
    """
    if text.startswith("["):
        text = text.partition("=")[2]
    out: list[str] = []
    for match in _TOKEN.finditer(text):
        token, quoted = match[0], match[1]
        if token in ("{", "}", ","):
            out.append({"{": "[", "}": "]", ",": ","}[token])
        elif quoted is None and token == "NULL":
            out.append("null")
        else:
            value = token if quoted is None else _ESCAPED.sub(r"\1", quoted)
            out.append(_element(value, element))
    made = "".join(out)
    json.loads(made)
    return made


def _element(value: str, kind: str) -> str:
    if kind in _NUMBERS and value not in ("NaN", "Infinity", "-Infinity"):
        return value
    if kind == "bool":
        return "true" if value == "t" else "false"
    if kind in ("json", "jsonb"):
        return value
    convert = _CONVERTERS.get(kind)
    return json.dumps(convert(value) if convert is not None else value, ensure_ascii=False)
