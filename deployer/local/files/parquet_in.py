"""COPY ... FORMAT PARQUET and ORC: columnar files as PostgreSQL's CSV.

Source: Redshift Database Developer Guide, "COPY from columnar data formats": values go by the order of the columns,
whose number must match. Which Parquet type fits which column no page lists in full: here the one that UNLOAD writes for
it, and nothing else, as Redshift refuses what does not fit ("incompatible Parquet schema"). Nor does a page say whether
SERIALIZETOJSON reads a text column as JSON: here it does, so that what UNLOAD wrote comes back equal, and text that is
no JSON is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from deployer.local.files.columns import arrow_type
from deployer.local.files.s3 import Object
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

_BATCH_ROWS = 65_536

Columns = Sequence[tuple[str, RedshiftType]]


def read_columnar(
    path: Path, item: Object, columns: Columns, form: str, *, serialize: bool, fill: bool = False
) -> Iterator[bytes]:
    """The rows of a Parquet or ORC file as CSV, in pieces of whole rows. Raises Refused.

    `serialize`: SERIALIZETOJSON, which SUPER columns need: the file's text is taken for JSON. `fill`: FILLRECORD,
    the last columns may be missing in the file and are NULL then.
    """
    import pyarrow as pa
    from pyarrow import csv

    written = "ORC" if form == "orc" else "Parquet"
    try:
        schema_arrow, batches = _opened(path, form)
    except (pa.ArrowInvalid, OSError) as error:
        raise Refused(
            f"{item.url} is not {'an' if form == 'orc' else 'a'} {written} file", sqlstate="XX000"
        ) from error
    given = columns[: len(schema_arrow)] if fill else columns
    schema = _checked(schema_arrow, item, given, serialize, written)
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in _read(batches, item, written):
        # By position: the names in the file are not looked at.
        table = pa.Table.from_batches([batch]).rename_columns(schema.names).cast(schema)
        for name, _ in columns[len(given) :]:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
        buffer = BytesIO()
        csv.write_csv(table, buffer, options)
        yield buffer.getvalue()


def _read(batches: Iterator[Any], item: Object, written: str) -> Iterator[Any]:
    """The batches; a file whose end is well and whose pages are damaged shows itself here only."""
    import pyarrow as pa

    try:
        yield from batches
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise Refused(
            f"Spectrum Scan Error: File '{item.url}' cannot be read as {written}: {reason}", sqlstate="XX000"
        ) from error


def _opened(path: Path, form: str) -> tuple[Any, Iterator[Any]]:
    """The file's schema and its rows, batch by batch."""
    from pyarrow import orc, parquet

    if form == "orc":
        stripes = orc.ORCFile(path)
        return stripes.schema, (stripes.read_stripe(number) for number in range(stripes.nstripes))
    file = parquet.ParquetFile(path)
    return file.schema_arrow, file.iter_batches(batch_size=_BATCH_ROWS)


def _checked(found: Any, item: Object, columns: Columns, serialize: bool, written: str) -> Any:
    """The schema that the file's batches are cast to, before they are written as text."""
    import pyarrow as pa

    if len(found) != len(columns):
        raise Refused(
            f"Unmatched number of columns between table and file. Table columns: {len(columns)}, Data columns:"
            f" {len(found)}, File name: {item.url}",
            sqlstate="XX000",
        )
    fields = []
    for number, (name, kind) in enumerate(columns):
        given = found.field(number).type
        wanted = arrow_type(kind)
        if kind.name == "super" and not serialize:
            raise Refused(
                f'column "{name}" is SUPER: COPY from {written} needs SERIALIZETOJSON', sqlstate="0A000"
            )
        if not fits(given, wanted, kind):
            raise Refused(
                f"Spectrum Scan Error: File '{item.url}' has an incompatible {written} schema for column"
                f" '{found.field(number).name}'. Column type: {kind.name.upper()}, {written} schema: {given}",
                sqlstate="XX000",
            )
        # Names of our own: those of the file may repeat.
        fields.append(pa.field(f"c{number}", wanted))
    return pa.schema(fields)


def fits(given: Any, wanted: Any, kind: RedshiftType) -> bool:
    """Whether a column of the Arrow type `given` can be read as `kind`, which `wanted` stands for."""
    from pyarrow import types

    if kind.name in ("timestamp", "timestamptz"):
        return bool(types.is_timestamp(given))
    if kind.is_decimal:
        return (
            bool(types.is_decimal(given))
            and given.scale == wanted.scale
            and given.precision <= wanted.precision
        )
    if kind.is_text or kind.name == "super":
        return bool(types.is_string(given) or types.is_large_string(given))
    return bool(given == wanted) and kind.name in (
        "smallint", "integer", "bigint", "real", "double", "boolean", "date",
    )  # fmt: skip
