"""Text files of an external table as PostgreSQL's COPY text, by the reader that COPY has.

Source: Redshift Database Developer Guide, "CREATE EXTERNAL TABLE". What a field means that does not fit its column, or
a line with too many or too few fields, it says only for tables with data handling switched on: here it ends the query.
An empty field is NULL but in text columns; \\N is NULL, as Hive writes it, unless serialization.null.format names
another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deployer.local.files.convert import converter, copy_line
from deployer.local.files.s3 import Object
from deployer.local.files.sources import opened
from deployer.local.files.spectrum import ExternalTable, scan_error
from deployer.local.files.text_in import BadRecord, read_text
from deployer.sql.names import Name
from deployer.sql.transfer.copy import Copy
from deployer.sql.types import RedshiftType

SEND_ROWS = 2000
_SUFFIXES = {".gz": "gzip", ".bz2": "bzip2"}
_UNREADABLE = (".snappy", ".lzo", ".zip", ".xz", ".zst")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATES = (
    re.compile(r"(?P<y>\d{3,4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})"),
    re.compile(r"(?P<m>\d{1,2})-(?P<d>\d{1,2})-(?P<y>\d{1,4})"),
    re.compile(r"(?P<y>\d{3,4})-(?P<m>[a-z]{3})-(?P<d>\d{1,2})", re.I),
    re.compile(r"(?P<m>[a-z]{3})-(?P<d>\d{1,2})-(?P<y>\d{1,4})", re.I),
    re.compile(r"(?P<d>\d{1,2})-(?P<m>[a-z]{3})-(?P<y>\d{3,4})", re.I),
)


def read(
    path: Path,
    item: Object,
    table: ExternalTable,
    known: Mapping[str, str | None],
    needed: Sequence[tuple[str, RedshiftType]],
) -> Iterator[tuple[int, bytes]]:
    """The rows in pieces. Fields of columns that are not needed are not looked at."""
    copy = Copy(
        Name(table.name),
        (),
        delimiter=table.delimiter,
        compression=_compression(item, table),
        ignore_header=int(table.properties.get("skip.header.line.count", "0")),
        null=table.properties.get("serialization.null.format", "\\N"),
        truncate_columns=True,
        date_format="auto",
    )
    places = {name: number for number, (name, _) in enumerate(table.columns)}
    wanted = [(name, kind) for name, kind in needed if name not in known]
    dates = {index for index, (_, kind) in enumerate(wanted) if kind.name == "date"}
    convert = converter(replace(copy, null=copy.null), wanted)
    # Where each needed value comes from: a field of the line, or what is known of the file.
    order = {name: index for index, (name, _) in enumerate(wanted)}
    held: list[str] = []
    try:
        with opened(copy, path) as stream:
            for number, fields in read_text(copy, stream):
                if isinstance(fields, BadRecord):
                    raise fields
                if len(fields) != len(table.columns):
                    raise BadRecord(
                        number, f"{len(fields)} fields where the table has {len(table.columns)} columns"
                    )
                chosen = [fields[places[name]] for name, _ in wanted]
                for index in dates:
                    chosen[index] = _date(number, chosen[index], wanted[index][0], copy.null)
                values = convert(number, chosen)
                held.append(copy_line([known[n] if n in known else values[order[n]] for n, _ in needed]))
                if len(held) >= SEND_ROWS:
                    yield len(held), "".join(held).encode()
                    held = []
    except BadRecord as error:
        where = f"line {error.number}" + (f", column '{error.column}'" if error.column else "")
        raise scan_error(item, f"cannot be read at {where}: {error.reason}") from error
    except OSError as error:
        raise scan_error(item, f"cannot be read: {error}") from error
    yield len(held), "".join(held).encode()


def _compression(item: Object, table: ExternalTable) -> str | None:
    """By the property, which goes before the name's extension, or by the extension."""
    told = table.properties.get("compression_type")
    if told is not None:
        return None if told == "none" else told
    suffix = Path(item.key).suffix.lower()
    if suffix in _UNREADABLE:
        raise scan_error(
            item, f"is compressed as {suffix}, which the local Redshift does not read in text files"
        )
    return _SUFFIXES.get(suffix)


def _date(number: int, text: str, column: str, null: str) -> str:
    """A DATE in any of the documented forms as YYYY-MM-DD."""
    if text == null or not text.strip():
        return text
    match = next((found for form in _DATES if (found := form.fullmatch(text.strip()))), None)
    month = match["m"].lower() if match is not None else ""
    if match is None or not (month.isdigit() or month in _MONTHS):
        raise BadRecord(number, f"Invalid date format: {text[:40]!r}", column)
    year = int(match["y"])
    if year < 100:
        # "less than 70 ... plus 2000 ... less than 100 and greater than 69 ... plus 1900"
        year += 2000 if year < 70 else 1900
    ordinal = int(month) if month.isdigit() else _MONTHS.index(month) + 1
    return f"{year:04}-{ordinal:02}-{int(match['d']):02}"
