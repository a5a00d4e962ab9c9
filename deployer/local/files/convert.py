"""What COPY makes of a field before it is the column's value.

Source: Redshift Database Developer Guide, "Data conversion parameters".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from deployer.local.files.text_in import BadRecord, Values
from deployer.sql.refused import Refused
from deployer.sql.transfer.copy import Copy
from deployer.sql.transfer.moments import EPOCHS, Reader, reader
from deployer.sql.types import RedshiftType

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T].*)?")
_TIMESTAMP = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?(?:\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?"
)
_DECIMAL = re.compile(r"\s*([+-]?\d*)(?:\.(\d*))?\s*")
_SPECIAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

Columns = Sequence[tuple[str, RedshiftType]]


def converter(
    copy: Copy, columns: Columns, required: Collection[str] = ()
) -> Callable[[int, Sequence[str | None]], Values]:
    """A function from a record's number and fields to the columns' values. It raises BadRecord.

    `required` are the columns that a NULL does not fit.
    """
    parts = [_column(copy, name, kind) for name, kind in columns]
    names = [name for name, _ in columns]
    needed = [(index, name) for index, name in enumerate(names) if name in required]

    def convert(number: int, fields: Sequence[str | None]) -> Values:
        if len(fields) > len(parts):
            raise BadRecord(number, "Extra column(s) found")
        if len(fields) < len(parts):
            if not copy.fill_record:
                raise BadRecord(number, "Delimiter not found", names[len(fields)])
            fields = [*fields, *[""] * (len(parts) - len(fields))]
        values = [part(number, field) for part, field in zip(parts, fields, strict=True)]
        for index, name in needed:
            if values[index] is None:
                raise BadRecord(number, "Missing data for not-null field", name)
        return values

    return convert


def copy_line(values: Values) -> str:
    """A row of PostgreSQL's COPY text."""
    return "\t".join("\\N" if value is None else value.translate(_SPECIAL) for value in values) + "\n"


def _column(copy: Copy, name: str, kind: RedshiftType) -> Callable[[int, str | None], str | None]:
    if kind.is_text:
        return _text(copy, name, kind)
    cut = _decimal(copy, name, kind) if kind.is_decimal else None
    pattern = _pattern(copy, kind)
    moment = _moment(copy, kind)

    def convert(number: int, field: str | None) -> str | None:
        # "Blank fields for other data types, such as INT, are always loaded with NULL."
        if field is None or field == copy.null or not field.strip():
            return None
        if kind.name == "varbyte":
            return "\\x" + field
        if moment is not None:
            read = moment(field)
            if read is None and not copy.accept_any_date:
                raise BadRecord(number, f"Invalid {kind.name} format: {field[:40]!r}", name, value=field)
            return read
        if pattern is not None and not pattern.fullmatch(field.strip()):
            raise BadRecord(number, f"Invalid {kind.name} format: {field[:40]!r}", name, value=field)
        return cut(number, field) if cut is not None else field

    return convert


def _pattern(copy: Copy, kind: RedshiftType) -> re.Pattern[str] | None:
    """The default formats YYYY-MM-DD and YYYY-MM-DD HH:MI:SS are held strictly; 'auto' is PostgreSQL's reader."""
    if kind.name == "date" and copy.date_format is None:
        return _DATE
    if kind.name in ("timestamp", "timestamptz") and copy.time_format is None:
        return _TIMESTAMP
    return None


def _moment(copy: Copy, kind: RedshiftType) -> Reader | None:
    """The reader for a column whose format the statement gives."""
    if kind.name == "date" and copy.date_format not in (None, "auto"):
        assert copy.date_format is not None
        return reader(copy.date_format, "DATEFORMAT")
    if kind.name in ("timestamp", "timestamptz") and copy.time_format not in (None, "auto"):
        assert copy.time_format is not None
        if kind.name == "timestamptz" and copy.time_format not in EPOCHS:
            # "To load TIMESTAMPTZ data that is in a format different from the default format, specify 'auto'"
            raise Refused("COPY: a TIMESTAMPTZ column takes no TIMEFORMAT but 'auto'", sqlstate="22023")
        return reader(copy.time_format, "TIMEFORMAT")
    return None


def _text(copy: Copy, name: str, kind: RedshiftType) -> Callable[[int, str | None], str | None]:
    def convert(number: int, field: str | None) -> str | None:
        if field is None or field == copy.null:
            return None
        if copy.trim_blanks:
            field = field.rstrip(" ")
        if copy.blanks_as_null and field and not field.strip():
            return None
        if not field and copy.empty_as_null:
            return None
        if kind.length is None:
            return field
        raw = field.encode()
        if kind.name == "char" and len(raw) > kind.length:
            # CHAR's trailing blanks have no meaning.
            raw = raw[: kind.length] if not raw[kind.length :].strip(b" ") else raw
        if len(raw) > kind.length:
            if not copy.truncate_columns:
                raise BadRecord(number, "String length exceeds DDL length", name, value=field)
            return raw[: kind.length].decode(errors="ignore")
        return raw.decode()

    return convert


def _decimal(copy: Copy, name: str, kind: RedshiftType) -> Callable[[int, str], str]:
    """ "By default, COPY truncates values when necessary to fit the scale of the column"; ROUNDEC rounds."""
    scale = kind.scale or 0

    def cut(number: int, field: str) -> str:
        match = _DECIMAL.fullmatch(field)
        if match is None or copy.round_decimals:
            # An exponent is left to PostgreSQL, which rounds: refused, since it would not be cut.
            if match is None and re.search(r"\d[eE][+-]?\d", field):
                raise BadRecord(number, f"Invalid digit in {field[:40]!r} for a DECIMAL", name, value=field)
            return field
        whole, fraction = match[1], match[2] or ""
        return f"{whole or '0'}.{fraction[:scale]}" if scale and fraction else whole or "0"

    return cut
