"""MySQL's binary JSON, as its binlog has it, into the text that MySQL shows.

Format: MySQL source documentation, "json_binary.h: Serialized data format"; opaque values: "JSON Data Type" (what is no
JSON type of its own is shown as "base64:type15:...", dates and times as text, decimals as numbers). MariaDB's JSON is
text.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from decimal import Decimal

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = range(5)
_DOUBLE, _STRING, _OPAQUE = 0x0B, 0x0C, 0x0F
_NUMBERS = {
    0x05: struct.Struct("<h"), 0x06: struct.Struct("<H"), 0x07: struct.Struct("<i"), 0x08: struct.Struct("<I"),
    0x09: struct.Struct("<q"), 0x0A: struct.Struct("<Q"),
}  # fmt: skip
_LITERALS = ("null", "true", "false")
_TIMESTAMP, _DATE, _TIME, _DATETIME, _DECIMAL = 7, 10, 11, 12, 246


class BadJson(ValueError):
    """Bytes that are no binary JSON."""


def text(data: bytes, decimal: Callable[[int, int], Callable[[bytes, int], tuple[str, int]]]) -> str:
    """The document as JSON text. `decimal` makes a decoder of DECIMAL(precision, scale). Raises BadJson.

    No bytes at all are a JSON null: so INSERT IGNORE writes it (MySQL source, Field_json::val_json).
    """
    if not data:
        return "null"
    try:
        return _Document(data, decimal).value(data[0], 1)
    except (IndexError, struct.error, UnicodeDecodeError, RecursionError) as error:
        raise BadJson(str(error)) from None


class _Document:
    def __init__(
        self, data: bytes, decimal: Callable[[int, int], Callable[[bytes, int], tuple[str, int]]]
    ) -> None:
        self._data = data
        self._decimal = decimal

    def value(self, kind: int, at: int) -> str:
        """The value of a type that begins at byte `at`."""
        if kind in (_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY):
            return self._container(kind, at)
        if kind == _LITERAL:
            return _LITERALS[self._data[at]]
        if kind in _NUMBERS:
            return str(_NUMBERS[kind].unpack_from(self._data, at)[0])
        if kind == _DOUBLE:
            return repr(struct.unpack_from("<d", self._data, at)[0])
        if kind == _STRING:
            return json.dumps(self._bytes(at).decode(), ensure_ascii=False)
        if kind == _OPAQUE:
            return self._opaque(self._data[at], self._bytes(at + 1))
        raise BadJson(f"no value has the type {kind}")

    def _container(self, kind: int, start: int) -> str:
        """An object or array: counts, then entries that point behind them, from `start` on."""
        large = kind in (_LARGE_OBJECT, _LARGE_ARRAY)
        number, width = (struct.Struct("<I"), 4) if large else (struct.Struct("<H"), 2)
        count, size = (number.unpack_from(self._data, start + place * width)[0] for place in range(2))
        if start + size > len(self._data):
            raise BadJson("a container is longer than its document")
        at = start + 2 * width
        names = []
        if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
            for _ in range(count):
                offset = start + number.unpack_from(self._data, at)[0]
                length = struct.unpack_from("<H", self._data, at + width)[0]
                names.append(json.dumps(self._slice(offset, length).decode(), ensure_ascii=False))
                at += width + 2
        values = []
        for _ in range(count):
            inner = self._data[at]
            # Small enough to stand where others have their offset.
            inline = inner in (_LITERAL, 0x05, 0x06) or large and inner in (0x07, 0x08)
            place = at + 1 if inline else start + number.unpack_from(self._data, at + 1)[0]
            if not inline and place < at + 1 + width:
                raise BadJson("a value points backwards")
            values.append(self.value(inner, place))
            at += 1 + width
        if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
            return (
                "{" + ", ".join(f"{name}: {value}" for name, value in zip(names, values, strict=True)) + "}"
            )
        return "[" + ", ".join(values) + "]"

    def _opaque(self, kind: int, data: bytes) -> str:
        if kind == _DECIMAL:
            number, _ = self._decimal(data[0], data[1])(data, 2)
            return format(Decimal(number), "f")
        if kind in (_DATE, _DATETIME, _TIMESTAMP, _TIME):
            (packed,) = struct.unpack("<q", data)
            sign, packed = ("-", -packed) if packed < 0 else ("", packed)
            whole, part = packed >> 24, packed & 0xFFFFFF
            clock = f"{whole >> 6 & 63:02d}:{whole & 63:02d}.{part:06d}"
            if kind == _TIME:
                return f'"{sign}{whole >> 12 & 1023:02d}:{clock}"'
            year, month = divmod(whole >> 22, 13)
            day = f"{year:04d}-{month:02d}-{whole >> 17 & 31:02d}"
            return f'"{day}"' if kind == _DATE else f'"{day} {whole >> 12 & 31:02d}:{clock}"'
        return f'"base64:type{kind}:{base64.b64encode(data).decode()}"'

    def _bytes(self, at: int) -> bytes:
        """What stands behind its length: seven bits a byte, the lowest first."""
        length = 0
        for place in range(5):
            byte = self._data[at + place]
            length |= (byte & 0x7F) << 7 * place
            if not byte & 0x80:
                return self._slice(at + place + 1, length)
        raise BadJson("a length has more than five bytes")

    def _slice(self, at: int, length: int) -> bytes:
        if at + length > len(self._data):
            raise BadJson("a text is longer than its document")
        return self._data[at : at + length]
