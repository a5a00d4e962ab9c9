"""What a value of each source type looks like in a CSV file.

Two descriptions of one thing: a regular expression that runs over the raw bytes at some hundred megabytes a
second, and `parse`, which says in words what is wrong with one value. PostgreSQL checks what a regular
expression cannot: that a day is in the calendar, that a number fits, that a text is not too long and is
UTF-8.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from deployer.local.landing.dates import DateFormat
from deployer.local.landing.tables import TEXT_BYTES, Column

Value = int | Decimal | str | date | datetime | None

_BOOLEANS = {"0": 0, "1": 1, "false": 0, "true": 1}
_BOOLEAN = "0|1|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]"
_INTEGER = r"[+-]?+\d++"
_RANGES = {"int": 31, "bigint": 63}


def _decimal(column: Column) -> str:
    """Digits with an optional sign and point. Zeros that change nothing may stand at both ends."""
    whole = column.size - column.scale
    return rf"[+-]?+(?=\.?\d)0*+\d{{0,{whole}}}+(?:\.\d{{0,{column.scale}}}+0*+)?+"


def pattern(column: Column, dates: DateFormat, *, required: bool) -> bytes:
    """A regular expression for the column's field, quotes included; an empty field matches unless `required`.

    Its quantifiers are possessive, so that a row costs one pass whatever is in it.
    """
    if column.is_text:
        some = "++" if required else "*+"
        return rf'(?:"(?:[^"]++|""){some}"|[^",\r\n]{some})'.encode()
    match column.kind:
        case "bigint" | "int":
            form = _INTEGER
        case "boolean":
            form = _BOOLEAN
        case "decimal":
            form = _decimal(column)
        case "date":
            form = dates.pattern
        case _:
            form = dates.datetime_pattern
    optional = "" if required else '|""|'
    return rf'(?:(?:{form})|"(?:{form})"{optional})'.encode()


def parse(column: Column, text: str, dates: DateFormat) -> Value:
    """The value that a CSV field holds in this column; "" is NULL.

    Raises ValueError with the rest of the sentence "'<text>' ..." for a value that the column cannot hold.
    """
    if not text:
        return None
    match column.kind:
        case "bigint" | "int":
            return _parse_integer(column, text)
        case "boolean":
            if text.lower() not in _BOOLEANS or not text.isascii():
                raise ValueError("is not a boolean (0, 1, true or false)")
            return _BOOLEANS[text.lower()]
        case "decimal":
            return _parse_decimal(column, text)
        case "date":
            return dates.parse_date(text)
        case "datetime":
            return dates.parse_datetime(text)
        case _:
            return _parse_text(column, text)


def _parse_integer(column: Column, text: str) -> int:
    if not re.fullmatch(_INTEGER, text, flags=re.ASCII):
        raise ValueError("is not a whole number")
    # Python refuses to read thousands of digits at once, and nothing that long is in range.
    value = int(text) if len(text) <= 1000 else 2**64
    limit = 2 ** _RANGES[column.kind]
    if not -limit <= value < limit:
        raise ValueError(f"is out of the range of {column.source_type}")
    return value


def _parse_decimal(column: Column, text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?(?=\.?\d)\d*(?:\.\d*)?", text, flags=re.ASCII):
        raise ValueError("is not a decimal number")
    whole, _, fraction = text.lstrip("+-").partition(".")
    if len(fraction.rstrip("0")) > column.scale:
        raise ValueError(f"has more than {column.scale} decimal{'s' if column.scale != 1 else ''}")
    if len(whole.lstrip("0")) > column.size - column.scale:
        raise ValueError(f"is out of the range of {column.source_type}")
    return Decimal(text)


def _parse_text(column: Column, text: str) -> str:
    if column.kind == "text":
        if len(text.encode()) > TEXT_BYTES:
            raise ValueError(f"is longer than {TEXT_BYTES} bytes")
        return text
    # MySQL cuts blanks beyond the width without an error, and keeps no blanks at the end of a CHAR.
    if len(text) > column.size:
        if text[column.size :].strip(" "):
            raise ValueError(f"is longer than {column.size} character{'s' if column.size != 1 else ''}")
        text = text[: column.size]
    return text.rstrip(" ") if column.kind == "char" else text
