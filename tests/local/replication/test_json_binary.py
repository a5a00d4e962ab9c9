"""MySQL's binary JSON: written here as its format says, and read back, also by mysql-replication."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysqlreplication import json_binary as library

from deployer.local.replication import json_binary
from deployer.local.replication.json_binary import BadJson
from deployer.local.replication.rowimage import _decimal


def read(data: bytes) -> str:
    return json_binary.text(data, _decimal)


def length(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def written(value: Any, large: bool) -> tuple[int, bytes]:
    """Type and bytes of a value, its containers of the large or the small kind."""
    if value is None or isinstance(value, bool):
        return 4, bytes([0 if value is None else 1 if value else 2])
    if isinstance(value, int):
        for kind, letter, low, high in (
            (5, "h", -(1 << 15), (1 << 15) - 1), (6, "H", 0, (1 << 16) - 1), (7, "i", -(1 << 31), (1 << 31) - 1),
            (8, "I", 0, (1 << 32) - 1), (9, "q", -(1 << 63), (1 << 63) - 1), (10, "Q", 0, (1 << 64) - 1),
        ):  # fmt: skip
            if low <= value <= high:
                return kind, struct.pack("<" + letter, value)
    if isinstance(value, float):
        return 11, struct.pack("<d", value)
    if isinstance(value, str):
        return 12, length(len(value.encode())) + value.encode()
    return (1 if large else 0) + (0 if isinstance(value, dict) else 2), container(value, large)


def container(value: Any, large: bool) -> bytes:
    width, letter = (4, "<I") if large else (2, "<H")
    keys = [key.encode() for key in value] if isinstance(value, dict) else []
    items = [written(each, large) for each in (value.values() if isinstance(value, dict) else value)]
    at = 2 * width + len(keys) * (width + 2) + len(items) * (1 + width)
    key_entries, value_entries, behind = b"", b"", b""
    for key in keys:
        key_entries += struct.pack(letter, at + len(behind)) + struct.pack("<H", len(key))
        behind += key
    for kind, data in items:
        if kind in (4, 5, 6) or large and kind in (7, 8):
            value_entries += bytes([kind]) + data.ljust(width, b"\0")
        else:
            value_entries += bytes([kind]) + struct.pack(letter, at + len(behind))
            behind += data
    head = struct.pack(letter, len(items)) + struct.pack(letter, at + len(behind))
    return head + key_entries + value_entries + behind


def document(value: Any, large: bool) -> bytes:
    kind, data = written(value, large)
    return bytes([kind]) + data


def plain(value: Any) -> Any:
    """As the library gives it: bytes for text."""
    if isinstance(value, dict):
        return {key.encode(): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.encode() if isinstance(value, str) else value


TEXTS = st.text(st.characters(codec="utf-8"), max_size=150)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150)
@given(value=VALUES, large=st.booleans())
def test_what_is_written_is_read(value: Any, large: bool) -> None:
    data = document(value, large)
    found = json.loads(read(data))
    assert found == value
    assert repr(found) == repr(value)
    assert library.parse_json(data[0], data[1:]) == plain(value)


@given(
    value=VALUES,
    large=st.booleans(),
    where=st.integers(0, 400),
    byte=st.integers(0, 255),
    end=st.integers(0, 400),
)
def test_damaged_bytes_are_no_crash(value: Any, large: bool, where: int, byte: int, end: int) -> None:
    data = bytearray(document(value, large))
    data[where % len(data)] = byte
    for each in (bytes(data), bytes(data[: end % len(data) + 1])):
        try:
            read(each)
        except BadJson:
            pass


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        # DECIMAL(4,2): precision, scale, then as in a row.
        (246, b"\x04\x02\x8c\x22", "12.34"),
        (246, b"\x04\x02\x73\xdd", "-12.34"),
        (10, struct.pack("<q", ((2024 * 13 + 2) << 5 | 29) << 17 << 24), '"2024-02-29"'),
        (
            12,
            struct.pack("<q", (((2024 * 13 + 2) << 5 | 29) << 17 | 23 << 12 | 59 << 6 | 58) << 24 | 7),
            '"2024-02-29 23:59:58.000007"',
        ),
        (11, struct.pack("<q", -((100 << 12 | 1 << 6 | 2) << 24 | 500_000)), '"-100:01:02.500000"'),
        (15, b"\xff\x00", f'"base64:type15:{base64.b64encode(bytes([255, 0])).decode()}"'),
    ],
)  # fmt: skip
def test_opaque_values(kind: int, data: bytes, shown: str) -> None:
    assert read(b"\x0f" + bytes([kind]) + length(len(data)) + data) == shown


def test_no_bytes_are_null() -> None:
    assert read(b"") == "null"
