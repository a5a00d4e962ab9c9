"""Reading one snapshot file: RFC 4180, strictly, as a stream.

A file is checked while it streams by one regular expression that spans a whole row, so that memory stays at a
few chunks and the check is hidden behind the server's own work. Only a row that does not match is taken apart
to say what is wrong.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError
from deployer.local.landing.dates import DateFormat
from deployer.local.landing.tables import Column, Table
from deployer.local.landing.values import Value, parse, pattern

_CHUNK = 1 << 18
_RECORD_LIMIT = 4 << 20
"""A row longer than this has a quote that is never closed: no table can hold so much text in a row."""

_FIELD = re.compile(rb'"[^"]*(?:""[^"]*)*"|[^",\r\n]*')
_SHOWN = 60


@dataclass(frozen=True)
class Field:
    """One field of a row as it stands in the file: its bytes without quotes, the line on which it begins."""

    raw: bytes
    line: int


class _Incomplete(Exception):
    """The row does not end in what has been read so far; `line` is where its last quote opens."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class CsvFile:
    """A snapshot of one source table. Opening it reads and checks the header.

    Raises UsageError for a file that cannot be read or whose header does not fit the table.
    """

    def __init__(self, path: Path, table: Table, dates: DateFormat) -> None:
        self.path = path
        self.table = table
        self.dates = dates
        self.rows = 0
        """Rows that `chunks` has passed on."""
        self.bytes_read = 0
        try:
            self.size = path.stat().st_size
            with path.open("rb") as stream:
                start = stream.read(1 << 16)
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        self._bom = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0
        start = start[self._bom :]
        if not start:
            raise UsageError(
                f"{path} is empty: it needs at least a header line with the names of the columns"
            )
        self._newline = b"\r\n" if re.match(rb"[^\n]*\r\n", start) else b"\n"
        try:
            names, end, self._first_line = self._split(start, 0, 1, len(start) >= self.size - self._bom)
        except _Incomplete:
            raise UsageError(f"{path}:1: the header line does not end; is this a CSV file?") from None
        self._body = self._bom + end
        self.columns = self._header(names)
        self.missing = tuple(column for column in table.columns if column not in self.columns)
        row = b",".join(pattern(column, dates, required=column.name in table.key) for column in self.columns)
        # Not possessive: CPython before 3.11.5 loses rows at the end of a possessive group (python/cpython#106052).
        self._rows = re.compile(b"(?:" + row + re.escape(self._newline) + b")*")

    def chunks(self) -> Iterator[bytes]:
        """The file's rows as they stand, in chunks of whole rows; raises UsageError at the first bad one."""
        line = self._first_line
        for data, last in self._buffers():
            found = self._rows.match(data)
            end = found.end() if found else 0
            good = data[:end]
            # A line break inside of quotes is no row; without quotes the rows are the lines.
            line += good.count(b"\n")
            self.rows += good.count(b"\n") if b'"' not in good else self._count(good)
            if good:
                yield good
            if end < len(data):
                try:
                    fields, _, _ = self._split(data, end, line, last)
                except _Incomplete as error:
                    if not last and len(data) - end < _RECORD_LIMIT:
                        self._carry = data[end:]
                        continue
                    raise self._error(error.line, "the quote that opens here is never closed") from None
                self._check(fields, line)
                raise self._error(line, "this row cannot be read")
            self._carry = b""

    def explain(self, duplicate: tuple[Value, ...] | None = None) -> UsageError | None:
        """What is wrong with the first bad row, looking at every value; None when nothing is.

        With `duplicate`, a key that stands in the file more than once: the second row that has it.
        """
        first: int | None = None
        line = self._first_line
        for data, last in self._buffers():
            at = 0
            while at < len(data):
                try:
                    fields, end, next_line = self._split(data, at, line, last)
                    values = self._check(fields, line)
                except _Incomplete as error:
                    if not last and len(data) - at < _RECORD_LIMIT:
                        break
                    return self._error(error.line, "the quote that opens here is never closed")
                except UsageError as error:
                    return error
                if duplicate is not None and tuple(values[name] for name in self.table.key) == duplicate:
                    if first is not None:
                        return self._duplicate(fields, line, first)
                    first = line
                at, line = end, next_line
            self._carry = data[at:]
        return None

    def refusal(self, sentence: str) -> UsageError:
        """The refusal of the whole file for a reason that has no line."""
        return UsageError(f"{self.path}: {sentence}")

    def _buffers(self) -> Iterator[tuple[bytes, bool]]:
        """What was carried over plus the next chunk, and whether it is the last.

        The last row is given its line end.
        """
        self._carry = b""
        self.rows = 0
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._body)
                self.bytes_read = self._body
                while True:
                    chunk = stream.read(_CHUNK)
                    self.bytes_read += len(chunk)
                    data = self._carry + chunk
                    if not chunk and data and not data.endswith(b"\n"):
                        data += self._newline
                    if data:
                        yield data, not chunk
                    if not chunk:
                        return
        except OSError as error:
            raise UsageError(f"cannot read {self.path}: {error.strerror}") from None

    def _count(self, rows: bytes) -> int:
        """How many rows these whole rows are: line ends outside of quotes."""
        outside = rows.split(b'"')[::2]
        return sum(part.count(b"\n") for part in outside)

    def _split(self, data: bytes, at: int, line: int, last: bool) -> tuple[list[Field], int, int]:
        """The fields of the row that begins at `at`, where the next one begins, and on which line that is."""
        fields: list[Field] = []
        while True:
            found = _FIELD.match(data, at)
            assert found is not None  # the pattern matches the empty string
            raw, end = found.group(), found.end()
            here, line = line, line + raw.count(b"\n")
            if raw[:1] == b'"':
                fields.append(Field(raw[1:-1].replace(b'""', b'"'), here))
            elif data[end : end + 1] == b'"':
                if raw:
                    raise self._error(
                        here, "a quote stands in the middle of a value; quote the whole value", fields, raw
                    )
                raise _Incomplete(here)
            else:
                fields.append(Field(raw, here))
            after = data[end : end + 1]
            if after == b",":
                at = end + 1
            elif data.startswith(self._newline, end):
                return fields, end + len(self._newline), line + 1
            elif not after or (after == b"\r" and end + 1 == len(data) and not last):
                if last:
                    return fields, end, line
                raise _Incomplete(here)
            elif after == b'"':
                # A doubled quote without an end behind it.
                raise _Incomplete(here)
            elif after == b"\r" and data[end + 1 : end + 2] != b"\n":
                raise self._error(line, "a carriage return stands outside of quotes")
            elif after in b"\r\n":
                raise self._error(line, f"the line does not end with {self._end} as the header line does")
            else:
                raise self._error(
                    line, "a closing quote must be followed by a comma or the line's end", fields, raw
                )

    @property
    def _end(self) -> str:
        return "CR LF" if self._newline == b"\r\n" else "LF"

    def _header(self, fields: list[Field]) -> tuple[Column, ...]:
        """The columns in the order of the file."""
        columns: list[Column] = []
        for entry in fields:
            name = self._text(entry, None)
            try:
                column = self.table.column(name)
            except KeyError:
                hint = ""
                if len(fields) == 1 and re.search("[;\t|]", name):
                    hint = "; are the columns separated by commas?"
                known = ", ".join(self.table.names)
                raise self._error(
                    entry.line, f"unknown column {_show(name)}; {self.table.name} has: {known}{hint}"
                ) from None
            if column in columns:
                raise self._error(entry.line, f"the column {name} stands in the header twice")
            columns.append(column)
        for column in self.table.columns:
            made_up = self.table.numbered and column.name in self.table.key
            if column not in columns and not column.optional and not made_up:
                raise self._error(1, f"the column {column.name} is missing")
        return tuple(columns)

    def _check(self, fields: list[Field], line: int) -> dict[str, Value]:
        """The row's values by column name; raises UsageError for the first that is wrong."""
        if len(fields) == 1 and not fields[0].raw and len(self.columns) > 1:
            raise self._error(line, "the line is empty")
        if len(fields) != len(self.columns):
            more = "values" if len(fields) != 1 else "value"
            raise self._error(
                line, f"the row has {len(fields)} {more}, the header {len(self.columns)} columns"
            )
        values: dict[str, Value] = {}
        for column, entry in zip(self.columns, fields, strict=True):
            text = self._text(entry, column)
            try:
                value = parse(column, text, self.dates)
            except ValueError as error:
                raise self._error(entry.line, f"column {column.name}: {_show(text)} {error}") from None
            if value is None and column.name in self.table.key:
                raise self._error(entry.line, f"column {column.name}: '' is NULL, which a key cannot be")
            values[column.name] = value
        return values

    def _text(self, entry: Field, column: Column | None) -> str:
        named = f"column {column.name}: " if column else ""
        try:
            text = entry.raw.decode()
        except UnicodeDecodeError as error:
            line = entry.line + entry.raw[: error.start].count(b"\n")
            # The bytes that are no UTF-8 as \xe9, once.
            shown = _show(entry.raw.decode(errors="backslashreplace")).replace("\\\\x", "\\x")
            raise self._error(line, f"{named}{shown} is not UTF-8") from None
        if "\x00" in text:
            raise self._error(entry.line, f"{named}{_show(text)} holds a NUL character")
        return text

    def _duplicate(self, fields: list[Field], line: int, first: int) -> UsageError:
        by_name = {column.name: entry for column, entry in zip(self.columns, fields, strict=True)}
        names = ", ".join(self.table.key)
        shown = ", ".join(_show(by_name[name].raw.decode()) for name in self.table.key)
        plural = "s" if len(self.table.key) > 1 else ""
        return self._error(line, f"column{plural} {names}: {shown} is the key of line {first} too")

    def _error(
        self, line: int, sentence: str, before: list[Field] | None = None, raw: bytes | None = None
    ) -> UsageError:
        """The refusal of the file.

        `before` and `raw` name the column and show the value of a broken field.
        """
        if before is not None and raw is not None:
            columns = getattr(self, "columns", ())
            # A field with a text after its closing quote is already among the fields.
            number = len(before) - 1 if raw[:1] == b'"' else len(before)
            if number < len(columns):
                shown = _show(raw.decode(errors="backslashreplace"))
                sentence = f"column {columns[number].name}: {shown}: {sentence}"
        return UsageError(f"{self.path}:{line}: {sentence}")


def _show(text: str) -> str:
    """A value for a message: in quotes, in one line, not endless."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
