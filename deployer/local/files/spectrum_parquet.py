"""Parquet files of an external table as PostgreSQL's CSV.

Columns are found by their names ("Mapping is done by column name": DG "Creating external tables for Redshift Spectrum",
of the tables whose files are Parquet); a column that a file lacks is NULL. "The column type in the CREATE EXTERNAL
TABLE definition must match the column type of the data file": which Parquet type matches which column no page lists.
Taken is the one that UNLOAD writes; TIMESTAMP in any unit, INT96 included; VARBYTE as plain binary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from deployer.local.files.columns import arrow_type
from deployer.local.files.parquet_in import fits
from deployer.local.files.s3 import Object
from deployer.local.files.spectrum import ExternalTable, incompatible, scan_error
from deployer.local.translate.casts import cut_bytes
from deployer.sql.types import RedshiftType

_BATCH_ROWS = 65_536


def read(
    path: Path,
    item: Object,
    table: ExternalTable,
    known: Mapping[str, str | None],
    needed: Sequence[tuple[str, RedshiftType]],
) -> Iterator[tuple[int, bytes]]:
    """The rows in pieces. Only the columns that are needed are read; those in `known` stand in no file."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        file = parquet.ParquetFile(path, coerce_int96_timestamp_unit="us")
    except (pa.ArrowInvalid, OSError) as error:
        raise scan_error(item, "is not a Parquet file") from error
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    with file:
        places = _places(file, item, [(name, kind) for name, kind in needed if name not in known])
        try:
            for size, batch in _batches(file, sorted(set(places.values()))):
                arrays = [
                    _constant(known[name], size)
                    if name in known
                    else _column(batch, places.get(name), kind, size)
                    for name, kind in needed
                ]
                made = pa.Table.from_arrays(arrays, names=[f"c{number}" for number in range(len(arrays))])
                buffer = BytesIO()
                csv.write_csv(made, buffer, options)
                yield size, buffer.getvalue()
        except (pa.ArrowException, OSError) as error:
            # OSError: pages that are damaged behind a footer that is well.
            raise scan_error(item, f"cannot be read: {str(error).partition(chr(10))[0]}") from error


def _batches(file: Any, names: list[str]) -> Iterator[tuple[int, Any]]:
    """The rows' numbers and the columns, batch by batch; without columns only the numbers are looked up."""
    if names:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
            yield batch.num_rows, batch
        return
    left = file.metadata.num_rows
    while left:
        size = min(left, _BATCH_ROWS)
        yield size, None
        left -= size


def _places(file: Any, item: Object, wanted: Sequence[tuple[str, RedshiftType]]) -> dict[str, str]:
    """Column -> the file's own name of it. A column that the file lacks is not in it."""
    schema = file.schema_arrow
    lower: dict[str, list[str]] = {}
    for name in schema.names:
        lower.setdefault(name.lower(), []).append(name)
    found = {}
    for name, kind in wanted:
        exact = [name] if schema.names.count(name) == 1 else lower.get(name.lower(), [])
        if len(exact) > 1:
            raise scan_error(item, f"has several columns '{name}', which differ in case only")
        if not exact:
            continue
        given = schema.field(exact[0]).type
        if not _matches(given, kind):
            raise incompatible(item, exact[0], kind, _written(file, exact[0]))
        found[name] = exact[0]
    return found


def _matches(given: Any, kind: RedshiftType) -> bool:
    from pyarrow import types

    if types.is_dictionary(given):
        # How Arrow writes it down; in the file the column is of the value's type.
        given = given.value_type
    if kind.name == "varbyte":
        return bool(types.is_binary(given) or types.is_large_binary(given))
    return fits(given, arrow_type(kind), kind)


def _written(file: Any, name: str) -> str:
    """The column's schema, as Redshift prints it: optional int64 l_orderkey [i:0 d:1 r:0]."""
    number = next((i for i, one in enumerate(file.schema) if one.path.partition(".")[0] == name), 0)
    column = file.schema.column(number)
    if column.path != name:
        return f"group {name}"
    optional = "optional" if column.max_definition_level else "required"
    physical = {"INT32": "int32", "INT64": "int64", "INT96": "int96", "BYTE_ARRAY": "byte_array"}.get(
        column.physical_type, column.physical_type.lower()
    )
    logical = str(column.logical_type)
    kind = f" ({logical})" if logical not in ("None", "NONE") else ""
    levels = f"[i:{number} d:{column.max_definition_level} r:{column.max_repetition_level}]"
    return f"{optional} {physical} {name}{kind} {levels}"


def _constant(value: str | None, size: int) -> Any:
    import pyarrow as pa

    return pa.nulls(size, pa.string()) if value is None else pa.repeat(pa.scalar(value, pa.string()), size)


def _column(batch: Any, name: str | None, kind: RedshiftType, size: int) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    if name is None:
        return pa.nulls(size, pa.string())
    array = batch.column(name)
    if kind.name == "varbyte":
        # "By default, Redshift Spectrum sets the value to null for data that exceeds the width of the column."
        values = (
            None if v is None or len(v) > (kind.length or 0) else f"\\x{v.hex()}" for v in array.to_pylist()
        )
        return pa.array(values, pa.string())
    array = array.cast(arrow_type(kind), safe=not pa.types.is_timestamp(array.type))
    if kind.is_text and kind.length:
        longest = compute.max(compute.binary_length(array)).as_py()
        if longest is not None and longest > kind.length:
            # "results are truncated to fit the defined column size without returning an error"
            cut = (None if v is None else cut_bytes(v, kind.length) for v in array.to_pylist())
            return pa.array(cut, pa.string())
    return array
