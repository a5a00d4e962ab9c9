"""UNLOAD ... FORMAT PARQUET: rows as PostgreSQL's CSV into Parquet files.

Memory is bounded: rows are held until they fill a row group, then they are in a file on disk. Source: Redshift Database
Developer Guide, "UNLOAD", "FORMAT AS PARQUET clause".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from deployer.local.files.columns import arrow_type
from deployer.local.files.output import SLICES, Output
from deployer.local.files.partitions import folder
from deployer.sql.transfer.unload import Unload
from deployer.sql.types import RedshiftType

BATCH_BYTES = 4 << 20
HELD_BYTES = 96 << 20
"""What all partitions together may hold before the largest goes to its file."""
OPEN_FILES = 64
"""More partitions than this have no file open at one time: the next rows of one begin another part."""

Columns = Sequence[tuple[str, RedshiftType]]


def write_parquet(unload: Unload, columns: Columns, pieces: Iterable[bytes], output: Output) -> int:
    """Write all rows; returns their number. `pieces` are whole rows of CSV."""
    writer = _Partitioned(unload, columns, output) if unload.partition_by else _Sliced(unload, output)
    rows = 0
    for table in _tables(columns, pieces):
        rows += table.num_rows
        writer.add(table)
    writer.close()
    return rows


def _tables(columns: Columns, pieces: Iterable[bytes]) -> Iterator[Any]:
    """The rows as Arrow tables of about BATCH_BYTES."""
    import pyarrow as pa
    from pyarrow import csv

    schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns])
    convert = csv.ConvertOptions(
        column_types=schema,
        check_utf8=False,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
        timestamp_parsers=[csv.ISO8601],
    )
    parse = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)

    def table(data: bytes) -> Any:
        # One block: a row is never cut, whatever it holds.
        read = csv.ReadOptions(column_names=schema.names, block_size=len(data) + 1, use_threads=False)
        return csv.read_csv(
            pa.BufferReader(data), read_options=read, parse_options=parse, convert_options=convert
        )

    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BATCH_BYTES:
            yield table(b"".join(held))
            held, size = [], 0
    if held:
        yield table(b"".join(held))


class _File:
    """The Parquet file that one slice or partition is writing, and the rows that wait for its next row group."""

    def __init__(self, unload: Unload, output: Output, partition: str, number: int) -> None:
        self._unload = unload
        self._output = output
        self._partition = partition
        self._number = number
        self._waiting: list[Any] = []
        self._writer: Any = None
        self._path: Path | None = None
        self._rows = 0
        self._groups = 0
        self.waiting = 0
        """Bytes that wait for the next row group."""

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    def add(self, table: Any) -> None:
        self._waiting.append(table)
        self.waiting += table.nbytes
        if self.waiting >= self._unload.row_group_size:
            self.write_group()

    def write_group(self) -> None:
        """One row group of what waits; the file ends when it holds as many as MAXFILESIZE has room for."""
        import pyarrow as pa
        from pyarrow import parquet

        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting, self.waiting = [], 0
        if self._writer is None:
            self._path = self._output.temporary()
            self._writer = parquet.ParquetWriter(
                self._path, table.schema, version="1.0", compression="snappy", store_schema=False
            )
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._rows += table.num_rows
        self._groups += 1
        if self._groups >= max(1, self._unload.max_file_size // self._unload.row_group_size):
            self.close()

    def close(self) -> None:
        """Write what waits and hand the file over."""
        self.write_group()
        if self._writer is not None and self._path is not None:
            self._writer.close()
            self._output.finish(self._path, self._partition, self._number, self._rows)
        self._writer, self._path, self._rows, self._groups = None, None, 0, 0


class _Sliced:
    """Rows in files of the slices, a batch each in turn."""

    def __init__(self, unload: Unload, output: Output) -> None:
        self._files = [
            _File(unload, output, "", number) for number in range(SLICES if unload.parallel else 1)
        ]
        self._turn = 0

    def add(self, table: Any) -> None:
        self._files[self._turn % len(self._files)].add(table)
        self._turn += 1

    def close(self) -> None:
        for file in self._files:
            file.close()


class _Partitioned:
    """Rows in files of the partitions."""

    def __init__(self, unload: Unload, columns: Columns, output: Output) -> None:
        self._unload = unload
        self._output = output
        self._kept = [name for name, _ in columns if unload.include or name not in unload.partition_by]
        self._files: dict[str, _File] = {}

    def add(self, table: Any) -> None:
        for partition, rows in self._split(table):
            file = self._files.get(partition)
            if file is None:
                file = self._files[partition] = _File(self._unload, self._output, partition, 0)
            file.add(rows)
        while sum(file.waiting for file in self._files.values()) > HELD_BYTES:
            max(self._files.values(), key=lambda file: file.waiting).write_group()
        open_files = [file for file in self._files.values() if file.is_open]
        for file in sorted(open_files, key=lambda file: file.waiting)[: len(open_files) - OPEN_FILES]:
            file.close()

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _split(self, table: Any) -> Iterator[tuple[str, Any]]:
        """The rows of each partition, in their order."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = self._unload.partition_by
        texts = [pc.cast(table[name], pa.string()) for name in names]
        keys = [pc.fill_null(text, "\x00") for text in texts]
        joined = pc.binary_join_element_wise(*keys, "\x01") if len(keys) > 1 else keys[0]
        encoded = pc.dictionary_encode(joined).combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.chunk(0)
        kept = table.select(self._kept)
        # Documented as stable: a partition's rows keep their order.
        order = pc.array_sort_indices(encoded.indices)
        counts = {item["values"]: item["counts"] for item in pc.value_counts(encoded.indices).to_pylist()}
        at = 0
        for index, key in enumerate(encoded.dictionary.to_pylist()):
            values = [None if value == "\x00" else value for value in key.split("\x01")]
            count = counts[index]
            # A copy, not a slice: a slice would keep the whole batch in memory.
            yield folder(names, values), kept.take(order.slice(at, count)).combine_chunks()
            at += count
