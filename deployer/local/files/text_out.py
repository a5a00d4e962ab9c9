"""UNLOAD to delimited text, CSV and JSON.

Source: Redshift Database Developer Guide, "UNLOAD": CSV, JSON, DELIMITER, ADDQUOTES, NULL AS, ESCAPE, HEADER.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from deployer.local.files.output import SLICES, Output
from deployer.local.files.partitions import folder
from deployer.sql.transfer.unload import Unload
from deployer.sql.types import RedshiftType

Columns = Sequence[tuple[str, RedshiftType]]
Values = list[str | None]

_TURN_BYTES = 1 << 20
"""A slice writes so much before it is the next one's turn."""
OPEN_FILES = 64

_ESCAPES = {"\\b": "\b", "\\f": "\f", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\v": "\v", "\\\\": "\\"}
_ESCAPE = re.compile(r"\\[bfnrtv\\]")
_COMPRESSIONS = {"gzip": "gzip", "bzip2": "bz2", "zstd": "zstd"}


def write_text(unload: Unload, columns: Columns, pieces: Iterable[bytes], output: Output) -> int:
    """Write all rows; returns their number. `pieces` are whole rows of PostgreSQL's COPY text."""
    names = [name for name, _ in columns]
    keys = [names.index(name) for name in unload.partition_by]
    kept = [index for index in range(len(names)) if unload.include or index not in keys]
    line = _line(unload, [columns[index] for index in kept])
    header = _header(unload, [names[index] for index in kept])
    files: dict[tuple[str, int], _File] = {}
    slices = SLICES if unload.parallel and not keys else 1
    rows = turn = 0
    for values in _rows(pieces):
        partition = folder(unload.partition_by, [values[index] for index in keys])
        place = (partition, turn % slices)
        file = files.get(place)
        if file is None:
            file = files[place] = _File(unload, output, partition, place[1], header)
        if not file.is_open and sum(other.is_open for other in files.values()) >= OPEN_FILES:
            next(other for other in files.values() if other.is_open).close()
        if file.write(line([values[index] for index in kept])):
            turn += 1
        rows += 1
    for file in files.values():
        file.close()
    return rows


def _rows(pieces: Iterable[bytes]) -> Iterator[Values]:
    for piece in pieces:
        for line in piece.decode().removesuffix("\n").split("\n"):
            fields = line.split("\t")
            if "\\" in line:
                yield [
                    None if field == "\\N" else _ESCAPE.sub(lambda match: _ESCAPES[match[0]], field)
                    for field in fields
                ]
            else:
                yield list(fields)


def _line(unload: Unload, columns: Columns) -> Callable[[Values], str]:
    if unload.format == "json":
        return lambda values: _json(columns, values)
    written = [_csv(unload) if unload.format == "csv" else _text(unload)] * len(columns)
    null = unload.null or ""
    # "SUPER data columns ignore the NULL AS option": null is JSON's own.
    nulls = ["null" if kind.name == "super" else null for _, kind in columns]
    separator = unload.separator
    return lambda values: (
        separator.join(
            nulls[index] if value is None else written[index](value) for index, value in enumerate(values)
        )
        + "\n"
    )


def _csv(unload: Unload) -> Callable[[str], str]:
    special = re.compile(f'[{re.escape(unload.separator)}"\\n\\r]')
    always = unload.add_quotes

    def write(value: str) -> str:
        if always or special.search(value):
            return '"' + value.replace('"', '""') + '"'
        return value

    return write


def _text(unload: Unload) -> Callable[[str], str]:
    quotes = "\"'" if unload.add_quotes else ""
    special = re.compile("[" + re.escape(unload.separator + "\\" + quotes) + "\\n\\r]")

    def write(value: str) -> str:
        if unload.escape:
            value = special.sub(lambda match: "\\" + match[0], value)
        return f'"{value}"' if unload.add_quotes else value

    return write


def _json(columns: Columns, values: Values) -> str:
    parts = [
        f"{json.dumps(name, ensure_ascii=False)}:{_json_value(kind, value)}"
        for (name, kind), value in zip(columns, values, strict=True)
    ]
    return "{" + ",".join(parts) + "}\n"


def _json_value(kind: RedshiftType, value: str | None) -> str:
    if value is None:
        return "null"
    if kind.name == "super" or (kind.is_numeric and value not in ("NaN", "Infinity", "-Infinity")):
        return value
    # "boolean values are unloaded as t or f": as strings, or the file would be no JSON.
    return json.dumps(value, ensure_ascii=False)


def _header(unload: Unload, names: Sequence[str]) -> str | None:
    if not unload.header:
        return None
    write = _csv(unload) if unload.format == "csv" else _text(unload)
    return unload.separator.join(write(name) for name in names) + "\n"


class _File:
    """The file that one slice or partition is writing."""

    def __init__(
        self, unload: Unload, output: Output, partition: str, number: int, header: str | None
    ) -> None:
        self._unload = unload
        self._output = output
        self._partition = partition
        self._number = number
        self._header = header
        self._stream: Any = None
        self._path: Path | None = None
        self._rows = self._bytes = self._turn = 0

    @property
    def is_open(self) -> bool:
        return self._stream is not None

    def write(self, line: str) -> bool:
        """Write a row; whether it is the next slice's turn."""
        if self._stream is None:
            self._open()
        data = line.encode()
        if self._bytes and self._bytes + len(data) > self._unload.max_file_size:
            self.close()
            self._open()
        self._stream.write(data)
        self._rows += 1
        self._bytes += len(data)
        self._turn += len(data)
        if self._turn < _TURN_BYTES:
            return False
        self._turn = 0
        return True

    def _open(self) -> None:
        import pyarrow as pa

        self._path = self._output.temporary()
        compression = self._unload.compression
        if compression is None:
            self._stream = self._path.open("wb")
        else:
            self._stream = pa.CompressedOutputStream(str(self._path), _COMPRESSIONS[compression])
        if self._header is not None:
            data = self._header.encode()
            self._stream.write(data)
            self._rows, self._bytes = 1, len(data)

    def close(self) -> None:
        if self._stream is not None and self._path is not None:
            self._stream.close()
            self._output.finish(self._path, self._partition, self._number, self._rows)
        self._stream, self._path = None, None
        self._rows = self._bytes = 0
