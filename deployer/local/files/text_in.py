"""COPY of delimited text and CSV: records into values, as the COPY pages say.

Source: Redshift Database Developer Guide, "Data format parameters", "Data conversion parameters".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from deployer.sql.transfer.copy import Copy

Values = list[str | None]

_ESCAPED = re.compile(r"\\(.)", re.S)


class BadRecord(Exception):
    """A record that cannot be loaded: its number in the file, from 1, the column if it is known, and the reason.

    `raw` is the record as it stands in the file, `value` the field, as far as they are known.
    """

    def __init__(
        self, number: int, reason: str, column: str | None = None, raw: str = "", value: str = ""
    ) -> None:
        super().__init__(reason)
        self.number = number
        self.reason = reason
        self.column = column
        self.raw = raw
        self.value = value


def read_text(copy: Copy, stream: IO[bytes]) -> Iterator[tuple[int, list[str] | BadRecord]]:
    """The records of a file with their line numbers, each as its fields, still as they are written.

    One that cannot be cut into fields comes as a BadRecord: the caller knows whether the others are wanted then.
    """
    lines = _lines(copy, stream)
    if copy.format == "csv":
        yield from _csv(copy, lines)
        return
    split = _slicer(copy.widths) if copy.widths else _splitter(copy)
    for number, line in lines:
        if isinstance(line, BadRecord):
            yield number, line
            continue
        if copy.ignore_blank_lines and not line.strip("\r\n"):
            continue
        try:
            fields = split(number, line)
        except BadRecord as error:
            error.raw = line
            yield number, error
            continue
        yield number, fields


def _slicer(widths: Sequence[int]) -> Callable[[int, str], list[str]]:
    """FIXEDWIDTH: "The field widths are based on the number of characters". The last field may be shorter."""

    def split(number: int, line: str) -> list[str]:
        fields, at = [], 0
        for width in widths:
            if at >= len(line):
                raise BadRecord(number, "Input line is shorter than the widths of FIXEDWIDTH")
            fields.append(line[at : at + width])
            at += width
        if len(line) > at:
            raise BadRecord(number, "Extra column(s) found")
        return fields

    return split


def _lines(copy: Copy, stream: IO[bytes]) -> Iterator[tuple[int, str | BadRecord]]:
    """The records' lines without their ends; an escaped line end belongs to the record."""
    pending = b""
    first = 0
    for number, raw in enumerate(_physical(stream), 1):
        if number <= copy.ignore_header:
            continue
        first = first or number
        line = pending + raw
        body = line.removesuffix(b"\n")
        if copy.escape and (len(body) - len(body.rstrip(b"\\"))) % 2:
            # The backslash escapes the line end.
            pending = line
            continue
        if copy.format != "csv":
            line = body.removesuffix(b"\r")
        yield first, _decoded(copy, first, line)
        pending, first = b"", 0
    if pending:
        yield first, _decoded(copy, first, pending)


def _physical(stream: IO[bytes]) -> Iterable[bytes]:
    rest = b""
    while data := stream.read(1 << 20):
        parts = (rest + data).split(b"\n")
        rest = parts.pop()
        for part in parts:
            yield part + b"\n"
    if rest:
        yield rest


def _decoded(copy: Copy, number: int, raw: bytes) -> str | BadRecord:
    # NUL ends a record: what follows it is dropped (NULL AS, DG "Data conversion parameters").
    raw = raw.partition(b"\0")[0] if b"\0" in raw else raw
    try:
        return raw.decode()
    except UnicodeDecodeError:
        if copy.accept_invalid is None:
            shown = raw.decode(errors="replace")
            return BadRecord(number, "String contains invalid or unsupported UTF8 codepoints", raw=shown)
        replacement = copy.accept_invalid
        # "replaces each invalid UTF-8 character with a string of equal length"
        return raw.decode(errors="surrogateescape").translate(
            {code: replacement for code in range(0xDC80, 0xDD00)}
        )


def _csv(
    copy: Copy, lines: Iterable[tuple[int, str | BadRecord]]
) -> Iterator[tuple[int, list[str] | BadRecord]]:
    at = 0

    def texts() -> Iterator[str]:
        nonlocal at
        for number, line in lines:
            at = number
            if isinstance(line, BadRecord):
                raise line
            yield line

    reader = csv.reader(texts(), delimiter=copy.separator, quotechar=copy.quote, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield at, BadRecord(at, f"Invalid quote formatting for CSV ({error})")
            continue
        except BadRecord as error:
            # The line may be part of a record over several: the reader begins anew behind it.
            yield at, error
            reader = csv.reader(texts(), delimiter=copy.separator, quotechar=copy.quote, strict=True)
            continue
        if not fields:
            if copy.ignore_blank_lines:
                continue
            fields = [""]
        for field in fields:
            if field.startswith((" ", "\t")) and field.lstrip().startswith(copy.quote):
                # Redshift ignores the white space; Python's reader would make it part of the value.
                yield (
                    at,
                    BadRecord(
                        at, "white space before a quoted field is not supported by the local Redshift yet"
                    ),
                )
                break
        else:
            yield at, fields


def _splitter(copy: Copy) -> Callable[[int, str], list[str]]:
    separator = copy.separator
    if not copy.escape and not copy.remove_quotes:
        return lambda number, line: line.split(separator)
    escape = r"\\." if copy.escape else r"(?!)"
    plain = re.escape(separator) + (r"\\" if copy.escape else "")
    if copy.remove_quotes:
        quoted = rf'"(?:{escape}|[^"])*"|\'(?:{escape}|[^\'])*\''
        # A quote that is not closed before the next delimiter matches nothing.
        field = re.compile(
            rf"(?P<quoted>{quoted})(?={re.escape(separator)}|$)|(?P<plain>(?![\"'])(?:{escape}|[^{plain}])*)",
            re.S,
        )
    else:
        field = re.compile(rf"(?P<quoted>(?!))|(?P<plain>(?:{escape}|[^{plain}])*)", re.S)

    def split(number: int, line: str) -> list[str]:
        fields: list[str] = []
        at = 0
        while True:
            match = field.match(line, at)
            if match is None:
                raise BadRecord(number, "Missing closing quotation mark")
            value = match["quoted"][1:-1] if match["quoted"] is not None else match["plain"]
            # NULL AS is looked for in the text as it stands: "\N" is NULL with ESCAPE, too.
            fields.append(value if not copy.escape or value == copy.null else _ESCAPED.sub(r"\1", value))
            at = match.end()
            if at >= len(line):
                return fields
            if line[at] != separator:
                raise BadRecord(number, "Delimiter not found")
            at += 1
            if at == len(line):
                return [*fields, ""]

    return split
