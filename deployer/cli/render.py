"""Rows as a table for people, as CSV (RFC 4180) and as JSON. Pure functions: they return text."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from rich.cells import cell_len

from deployer.warehouse.session import Column

SUPER_OID = 4000
"""The type OID under which Redshift sends SUPER, whose text is JSON."""

_GAPS = ("  ", " ")
"""What stands between columns: the second where the first is too much."""

_UNBROKEN = 14
"""Cells that any column gets before a text in it is wrapped."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def text_of(value: object) -> str:
    """A value as Redshift would write it; NULL is the empty text (each format says what it makes of NULL)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        # "f" keeps every digit and never turns to 1E+3.
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    return str(value)


def csv_lines(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """RFC 4180: CRLF after every record, a header, quotes only where needed.

    NULL is an empty field; an empty text is `""`, so that the two can be told apart.
    """
    yield ",".join(_csv_field(column.name) for column in columns) + "\r\n"
    for row in rows:
        yield ",".join("" if value is None else _csv_field(text_of(value)) for value in row) + "\r\n"


def _csv_field(text: str) -> str:
    if text == "" or any(mark in text for mark in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def json_lines(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """An array of objects, one row a line.

    DECIMAL is a JSON number with all its digits and its scale (12.50): exact for every reader that does not
    turn numbers into binary floats (Python: parse_float=Decimal). SUPER is nested as it is. NULL is null.
    Dates and times are texts. NaN and infinity, which JSON lacks, are texts.
    """
    names = [json.dumps(column.name, ensure_ascii=False) for column in columns]
    yield "["
    separator = "\n"
    for row in rows:
        pairs = (
            f"{name}: {json_value(value, column.type_oid)}"
            for name, column, value in zip(names, columns, row, strict=True)
        )
        yield separator + "  {" + ", ".join(pairs) + "}"
        separator = ",\n"
    yield "\n]\n" if separator == ",\n" else "]\n"


def json_value(value: object, type_oid: int = 0) -> str:
    """One value as JSON text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else json.dumps(str(value))
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if type_oid == SUPER_OID and isinstance(value, str):
        return value
    return json.dumps(text_of(value), ensure_ascii=False)


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[object]], width: int) -> Iterator[str]:
    """A table that fits `width` cells: headers break at underscores, long texts are wrapped, never cut.

    What does not fit even so is printed as one record after the other. NULL is an empty cell.
    """
    cells = [[_CONTROL.sub(_visible, text_of(value)) for value in row] for row in rows]
    right = [_is_number(index, rows) for index in range(len(columns))]
    names = [column.name for column in columns]
    for gap in _GAPS:
        widths = _widths(names, cells, right, width - len(gap) * max(len(names) - 1, 0))
        if widths is not None:
            break
    else:
        yield from _records(columns, cells, width)
        return
    header = [_wrap_name(column.name, size) for column, size in zip(columns, widths, strict=True)]
    height = max((len(lines) for lines in header), default=0)
    # Headers stand at the bottom, close to their values.
    for line in range(height):
        parts = [
            _pad(lines[line - height + len(lines)] if line >= height - len(lines) else "", size, number)
            for lines, size, number in zip(header, widths, right, strict=True)
        ]
        yield gap.join(parts).rstrip() + "\n"
    yield gap.join("-" * size for size in widths) + "\n"
    for row in cells:
        wrapped = [_wrap(text, size) for text, size in zip(row, widths, strict=True)]
        for line in range(max((len(lines) for lines in wrapped), default=0)):
            parts = [
                _pad(lines[line] if line < len(lines) else "", size, number)
                for lines, size, number in zip(wrapped, widths, right, strict=True)
            ]
            yield gap.join(parts).rstrip() + "\n"


def _is_number(index: int, rows: Sequence[Sequence[object]]) -> bool:
    values = [row[index] for row in rows if row[index] is not None]
    return bool(values) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values
    )


def _widths(
    names: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool], room: int
) -> list[int] | None:
    """A width for each column, in all at most `room`; None when numbers or name parts would have to be
    cut.
    """
    least, wanted = [], []
    for index, name in enumerate(names):
        longest = max((cell_len(row[index]) for row in cells), default=0)
        part = max((cell_len(piece) for piece in _pieces(name)), default=1)
        wanted.append(max(longest, part, 1))
        # Numbers and short texts (dates, codes) stay whole; longer texts may be wrapped.
        least.append(max(part, longest if right[index] or longest <= _UNBROKEN else _UNBROKEN, 1))
    if sum(least) > room:
        return None
    result = list(least)
    spare = room - sum(least)
    for index in sorted(range(len(names)), key=lambda item: wanted[item] - least[item]):
        more = min(wanted[index] - least[index], spare)
        result[index] += more
        spare -= more
    # What is left over lets headers stand on fewer lines.
    for index, name in enumerate(names):
        more = min(max(cell_len(name) - result[index], 0), spare)
        result[index] += more
        spare -= more
    return result


def _pieces(name: str) -> list[str]:
    return re.findall(r"[^_]*_+|[^_]+", name) or [name]


def _wrap_name(name: str, size: int) -> list[str]:
    lines = [""]
    for piece in _pieces(name):
        if lines[-1] and cell_len(lines[-1] + piece) > size:
            lines.append(piece)
        else:
            lines[-1] += piece
    return lines


def _wrap(text: str, size: int) -> list[str]:
    """`text` in lines of at most `size` cells, broken at spaces where there are any."""
    lines = []
    while cell_len(text) > size:
        end, used, space = 0, 0, -1
        for end, character in enumerate(text):  # noqa: B007  # the position where it stopped is what we want
            used += cell_len(character)
            if used > size:
                break
            if character == " ":
                space = end
        cut = space if space > 0 else max(end, 1)
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    lines.append(text)
    return lines


def _pad(text: str, size: int, right: bool) -> str:
    blanks = " " * max(size - cell_len(text), 0)
    return blanks + text if right else text + blanks


def _records(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    label = max((cell_len(column.name) for column in columns), default=0)
    for number, row in enumerate(cells, start=1):
        yield f"-- row {number} " + "-" * max(width - len(f"-- row {number} "), 3) + "\n"
        for column, text in zip(columns, row, strict=True):
            lines = _wrap(text, max(width - label - 3, 10))
            yield f"{_pad(column.name, label, False)} | {lines[0]}".rstrip() + "\n"
            for line in lines[1:]:
                yield f"{' ' * label} | {line}\n"


def _visible(found: re.Match[str]) -> str:
    """A control character as an escape: it must not drive the reader's terminal nor break a line."""
    character = found.group(0)
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{ord(character):02x}")
