"""From the bytes of a row in the binlog to the text of its values, as PostgreSQL reads them.

mysql-replication decodes about ten thousand rows a second: a dictionary by name, a Decimal and a datetime for each
value, which would only be turned into text again. Here the columns of a table map are turned into one function each,
once, and a row into a tuple of texts. Formats: MySQL internals manual, "Rows_event" and "Date and Time Data Type
Representation"; a test compares what lands so with what the first copy of the same rows lands.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from pymysqlreplication.constants import FIELD_TYPE

from deployer.local.replication import json_binary
from deployer.local.replication.definition import BINARIES, ColumnDefinition

Row = tuple[str | None, ...]
Decode = Callable[[bytes, int], tuple[str, int]]

_ENCODINGS = {
    "utf8": "utf-8", "utf8mb3": "utf-8", "utf8mb4": "utf-8", "ascii": "ascii", "latin1": "cp1252", "cp1252": "cp1252",
    "latin2": "iso8859_2", "iso8859_2": "iso8859_2", "greek": "iso8859_7", "iso8859_7": "iso8859_7",
    "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256", "cp1257": "cp1257", "koi8r": "koi8_r",
    "koi8_r": "koi8_r",
    "sjis": "shift_jis", "cp932": "cp932", "gbk": "gbk", "gb18030": "gb18030", "big5": "big5", "euckr": "euc_kr",
    "ujis": "euc_jp", "ucs2": "utf_16_be", "utf16": "utf_16_be", "utf16le": "utf_16_le", "utf32": "utf_32_be",
}  # fmt: skip
_INTEGERS = {
    FIELD_TYPE.TINY: ("b", 1),
    FIELD_TYPE.SHORT: ("h", 2),
    FIELD_TYPE.LONG: ("i", 4),
    FIELD_TYPE.LONGLONG: ("q", 8),
}
_DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_FRACTION_BYTES = (0, 1, 1, 2, 2, 3, 3)


class Undecodable(Exception):
    """A column that cannot be read from the binlog; the message is a table's reason."""


class RowDecoder:
    """Decodes the rows of one table's events."""

    def __init__(
        self, columns: Sequence[Any], definitions: Sequence[ColumnDefinition], errors: str = "strict"
    ) -> None:
        """`columns` are those of mysql-replication's table map; `errors` is what str() does with invalid characters.
        Raises Undecodable.
        """
        self._columns = [
            _decoder(column, known, errors) for column, known in zip(columns, definitions, strict=True)
        ]
        self._count = len(self._columns)
        self._nulls = (self._count + 7) // 8

    def rows(self, data: bytes, end: int) -> list[Row]:
        """All row images of an event's body up to byte `end`; an update's are before, after, before, after ..."""
        at, nulls_size, columns = 0, self._nulls, self._columns
        found = []
        while at < end:
            nulls = int.from_bytes(data[at : at + nulls_size], "little")
            at += nulls_size
            row: list[str | None] = []
            append = row.append
            if not nulls:
                for decode in columns:
                    text, at = decode(data, at)
                    append(text)
            else:
                for decode in columns:
                    if nulls & 1:
                        append(None)
                    else:
                        text, at = decode(data, at)
                        append(text)
                    nulls >>= 1
            found.append(tuple(row))
        return found


def _decoder(column: Any, known: ColumnDefinition, errors: str) -> Decode:
    kind = column.type
    if kind in _INTEGERS:
        letter, size = _INTEGERS[kind]
        return _integer(struct.Struct("<" + (letter.upper() if column.unsigned else letter)), size)
    if kind == FIELD_TYPE.INT24:
        return _medium(column.unsigned)
    if kind in (FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE):
        return _floating(struct.Struct("<f" if kind == FIELD_TYPE.FLOAT else "<d"))
    if kind == FIELD_TYPE.NEWDECIMAL:
        return _decimal(column.precision, column.decimals)
    if kind in (FIELD_TYPE.VARCHAR, FIELD_TYPE.STRING, FIELD_TYPE.VAR_STRING):
        return _text(column, known, 1 if column.max_length <= 255 else 2, errors)
    if kind == FIELD_TYPE.BLOB:
        return _text(column, known, column.length_size, errors)
    if kind == FIELD_TYPE.JSON:
        return _json(known, column.length_size)
    if kind == FIELD_TYPE.DATE:
        return _date
    if kind == FIELD_TYPE.DATETIME2:
        return _datetime(column.fsp)
    if kind == FIELD_TYPE.TIMESTAMP2:
        return _timestamp(column.fsp)
    if kind == FIELD_TYPE.TIME2:
        return _time(column.fsp)
    if kind == FIELD_TYPE.YEAR:
        return lambda data, at: (str(data[at] + 1900) if data[at] else "0000", at + 1)
    if kind in (FIELD_TYPE.ENUM, FIELD_TYPE.SET):
        return _choice(column, known, kind == FIELD_TYPE.SET)
    if kind == FIELD_TYPE.BIT:
        size = column.bytes
        return lambda data, at: ("\\x" + data[at : at + size].hex(), at + size)
    raise Undecodable(
        f"The column {known.name} has a binlog format that is not supported ({known.type.upper()})"
    )


def _integer(packed: struct.Struct, size: int) -> Decode:
    unpack = packed.unpack_from
    return lambda data, at: (str(unpack(data, at)[0]), at + size)


def _medium(unsigned: bool) -> Decode:
    return lambda data, at: (
        str(int.from_bytes(data[at : at + 3], "little", signed=not unsigned)),
        at + 3,
    )


def _floating(packed: struct.Struct) -> Decode:
    unpack, size = packed.unpack_from, packed.size
    return lambda data, at: (repr(unpack(data, at)[0]), at + size)


def _decimal(precision: int, decimals: int) -> Decode:
    """Nine digits in four bytes, the rest in as few as hold them; the sign in the highest bit, negatives inverted."""
    whole = precision - decimals
    groups = [(_DIGIT_BYTES[whole % 9], whole % 9)] + [(4, 9)] * (whole // 9)
    point = len(groups)
    groups += [(4, 9)] * (decimals // 9) + [(_DIGIT_BYTES[decimals % 9], decimals % 9)]
    size = sum(width for width, _ in groups)
    ones = (1 << 8 * size) - 1
    sign = 1 << (8 * size - 1)
    shifts, left = [], 8 * size
    for width, digits in groups:
        left -= 8 * width
        shifts.append((left, (1 << 8 * width) - 1, digits))
    before, after = [s for s in shifts[:point] if s[2]], [s for s in shifts[point:] if s[2]]

    def decode(data: bytes, at: int) -> tuple[str, int]:
        number = int.from_bytes(data[at : at + size], "big") ^ sign
        negative = bool(number & sign)
        if negative:
            number ^= ones
        head = 0
        for shift, mask, digits in before:
            head = head * 10**digits + (number >> shift & mask)
        text = ("-" if negative else "") + str(head)
        if after:
            text += "." + "".join([f"{number >> shift & mask:0{digits}d}" for shift, mask, digits in after])
        return text, at + size

    return decode


def _text(column: Any, known: ColumnDefinition, prefix: int, errors: str) -> Decode:
    """Text or bytes behind their length. BINARY loses the zero bytes at its end in the binlog, and gets them back."""
    if known.type in BINARIES:
        width = known.size if known.type == "binary" else 0

        def binary(data: bytes, at: int) -> tuple[str, int]:
            start = at + prefix
            end = start + int.from_bytes(data[at:start], "little")
            return "\\x" + data[start:end].ljust(width, b"\0").hex(), end

        return binary
    encoding = _encoding(column, known)
    if prefix == 1:

        def short(data: bytes, at: int) -> tuple[str, int]:
            end = at + 1 + data[at]
            return str(data[at + 1 : end], encoding, errors), end

        return short

    def long(data: bytes, at: int) -> tuple[str, int]:
        start = at + prefix
        end = start + int.from_bytes(data[at:start], "little")
        return str(data[start:end], encoding, errors), end

    return long


def _json(known: ColumnDefinition, prefix: int) -> Decode:
    """MySQL's own JSON; MariaDB's is a text."""

    def decode(data: bytes, at: int) -> tuple[str, int]:
        start = at + prefix
        end = start + int.from_bytes(data[at:start], "little")
        try:
            return json_binary.text(data[start:end], _decimal), end
        except json_binary.BadJson as error:
            raise Undecodable(f"The column {known.name} holds JSON that cannot be read: {error}") from None

    return decode


def _encoding(column: Any, known: ColumnDefinition) -> str:
    found = _ENCODINGS.get((column.character_set_name or "").lower())
    if found is None:
        raise Undecodable(
            f"The column {known.name} has the unsupported character set {column.character_set_name}"
        )
    return found


def _choice(column: Any, known: ColumnDefinition, several: bool) -> Decode:
    """ENUM by number, SET by bits. The library reads the values as UTF-8 and drops those that are not."""
    values = list(column.set_values or []) if several else list(column.enum_values or [])
    plain = all(value.isascii() for value in values) and "" not in (values if several else values[1:])
    if _encoding(column, known) != "utf-8" and not plain:
        raise Undecodable(
            f"The column {known.name} has values in {column.character_set_name}, which cannot be read"
        )
    size = column.size

    def one(data: bytes, at: int) -> tuple[str, int]:
        return values[int.from_bytes(data[at : at + size], "little")], at + size

    def some(data: bytes, at: int) -> tuple[str, int]:
        bits = int.from_bytes(data[at : at + size], "little")
        return ",".join([value for place, value in enumerate(values) if bits >> place & 1]), at + size

    return some if several else one


@lru_cache(maxsize=1 << 16)
def _day(packed: int) -> str:
    return f"{packed >> 9:04d}-{packed >> 5 & 15:02d}-{packed & 31:02d}"


def _date(data: bytes, at: int) -> tuple[str, int]:
    return _day(data[at] | data[at + 1] << 8 | data[at + 2] << 16), at + 3


def _fraction(data: bytes, at: int, digits: int) -> str:
    """The digits behind the second's point: two in each byte."""
    value = int.from_bytes(data[at : at + _FRACTION_BYTES[digits]], "big")
    if digits % 2:
        value //= 10
    return f".{value:0{digits}d}"


def _datetime(digits: int) -> Decode:
    size = 5 + _FRACTION_BYTES[digits]

    def decode(data: bytes, at: int) -> tuple[str, int]:
        packed = int.from_bytes(data[at : at + 5], "big") & 0x7FFFFFFFFF
        year, month = divmod(packed >> 22, 13)
        text = (
            f"{year:04d}-{month:02d}-{packed >> 17 & 31:02d}"
            f" {packed >> 12 & 31:02d}:{packed >> 6 & 63:02d}:{packed & 63:02d}"
        )
        return (text + _fraction(data, at + 5, digits) if digits else text), at + size

    return decode


@lru_cache(maxsize=1 << 14)
def _unix_day(day: int) -> str:
    import datetime

    return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=day))


def _timestamp(digits: int) -> Decode:
    size = 4 + _FRACTION_BYTES[digits]

    def decode(data: bytes, at: int) -> tuple[str, int]:
        seconds = int.from_bytes(data[at : at + 4], "big")
        if not seconds:
            # MySQL's zero timestamp: no instant has it, since the type begins one second later.
            return "0000-00-00 00:00:00", at + size
        day, rest = divmod(seconds, 86400)
        text = f"{_unix_day(day)} {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
        return (text + _fraction(data, at + 4, digits) if digits else text), at + size

    return decode


def _time(digits: int) -> Decode:
    """Hours, minutes and seconds with an offset that keeps the order; negatives borrow from their fraction."""
    width = _FRACTION_BYTES[digits]
    size = 3 + width
    offset = 1 << (8 * size - 1)
    scale = 10 ** (6 - 2 * width)

    def decode(data: bytes, at: int) -> tuple[str, int]:
        packed = int.from_bytes(data[at : at + size], "big") - offset
        sign, packed = ("-", -packed) if packed < 0 else ("", packed)
        whole, part = packed >> 8 * width, packed & ((1 << 8 * width) - 1)
        text = f"{sign}{whole >> 12 & 1023:02d}:{whole >> 6 & 63:02d}:{whole & 63:02d}"
        if digits:
            text += "." + f"{part * scale:06d}"[:digits]
        return text, at + size

    return decode
