"""The files of an external table, and what a scan makes of them.

Source: Redshift Database Developer Guide, "CREATE EXTERNAL TABLE" (LOCATION, table properties, data_type), "Creating
data files for queries in Amazon Redshift Spectrum", "Troubleshooting queries in Amazon Redshift Spectrum".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployer.local.files.s3 import Object, Storage, entries
from deployer.sql.refused import Refused
from deployer.sql.types import BIGINT, VARCHAR, RedshiftType

Columns = Sequence[tuple[str, RedshiftType]]

PATH, SIZE = "$path", "$size"


@dataclass(frozen=True)
class ExternalTable:
    """An external table as the catalog has it. `name` is as users write it."""

    name: str
    columns: tuple[tuple[str, RedshiftType], ...]
    keys: tuple[tuple[str, RedshiftType], ...]
    format: str
    delimiter: str
    location: str
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def all_columns(self) -> tuple[tuple[str, RedshiftType], ...]:
        """Its columns, its partition keys and the pseudo-columns, in the order of the catalog."""
        return (*self.columns, *self.keys, (PATH, VARCHAR), (SIZE, BIGINT))


@dataclass(frozen=True)
class Part:
    """A place with files: a partition with the values of its keys, or the whole table without any."""

    location: str
    keys: tuple[str | None, ...] = ()


def constants(table: ExternalTable, part: Part, item: Object) -> dict[str, str | None]:
    """What every row of a file has: the partition's keys and the pseudo-columns."""
    known = {name: value for (name, _), value in zip(table.keys, part.keys, strict=True)}
    return {**known, PATH: item.url, SIZE: str(item.size)}


def files_of(storage: Storage, location: str) -> list[Object]:
    """The files at a location: those of a folder and its subfolders, or those that a manifest lists. Raises Refused.

    "Redshift Spectrum ignores hidden files and files that begin with a period or underscore": here also what lies in
    such a folder, as Hive does. Files without content have no rows in any format.
    """
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if key and not key.endswith("/"):
        size = storage.size(bucket, key)
        if size is not None:
            return _listed(storage, bucket, key)
        key += "/"
    found = storage.list(bucket, key)
    return [item for item in found if item.size and not _hidden(item.key[len(key) :])]


def _hidden(path: str) -> bool:
    return any(part.startswith((".", "_")) for part in path.split("/"))


def _listed(storage: Storage, bucket: str, key: str) -> list[Object]:
    """The files of a manifest. "If a file is listed twice, the file is loaded twice." """
    url = f"s3://{bucket}/{key}"
    try:
        manifest = json.loads(storage.read(bucket, key))
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise Refused(
            f"{url} is no manifest: a LOCATION is a folder or a manifest in JSON",
            sqlstate="XX000",
        )
    for entry in manifest.get("entries") or []:
        meta = entry.get("meta") if isinstance(entry, dict) else None
        if not isinstance(meta, dict) or not isinstance(meta.get("content_length"), int):
            raise Refused(
                f"the manifest {url} has no meta.content_length for one of its files", sqlstate="XX000"
            )
    found = list(entries(storage, bucket, key, manifest))
    told = {entry["url"]: entry["meta"]["content_length"] for entry in manifest["entries"]}
    for item in found:
        if told[item.url] != item.size:
            raise Refused(
                f"{item.url} has {item.size} bytes, the manifest {url} says {told[item.url]}: it is not the file that"
                " was written",
                sqlstate="XX000",
            )
    return found


def scan_error(item: Object, reason: str) -> Refused:
    """What ends a query on a file that cannot be read as the table says."""
    return Refused(f"Spectrum Scan Error: File '{item.url}' {reason}", sqlstate="XX000")


def incompatible(item: Object, name: str, kind: RedshiftType, found: str) -> Refused:
    """DG "Troubleshooting queries in Amazon Redshift Spectrum", "Incompatible data formats"."""
    written = {"double": "DOUBLE PRECISION"}.get(kind.name, kind.name.upper())
    return scan_error(
        item,
        f"has an incompatible Parquet schema for column '{name}'. Column type: {written}, Parquet schema: {found}",
    )


def rows_of(
    path: Any, item: Object, table: ExternalTable, part: Part, needed: Columns
) -> Iterator[tuple[int, bytes]]:
    """The file's rows for PostgreSQL's COPY of the `needed` columns: pieces of whole rows, with their numbers.

    Parquet gives CSV, text gives COPY's text. Raises Refused.
    """
    from deployer.local.files import spectrum_parquet, spectrum_text

    reader = spectrum_parquet.read if table.format == "parquet" else spectrum_text.read
    yield from reader(path, item, table, constants(table, part, item), needed)
