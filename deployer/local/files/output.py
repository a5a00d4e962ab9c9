"""The objects that one UNLOAD writes: their names, what may be overwritten, the manifest.

Source: Redshift Database Developer Guide, "UNLOAD"; "Unloading data to Amazon S3" for names and manifests.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from deployer.local.files.columns import schema_element
from deployer.local.files.s3 import Storage
from deployer.sql.refused import Refused
from deployer.sql.transfer.unload import Unload
from deployer.sql.types import RedshiftType

SLICES = 2
"""As many as the smallest cluster has. Each writes files of its own unless PARALLEL is off."""

NOT_EMPTY = (
    "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually removing"
    " the target files in S3, or using the ALLOWOVERWRITE option."
)


@dataclass(frozen=True)
class Written:
    """One object that was written: its key, its size in bytes and its rows (with the header line, if there is one)."""

    key: str
    size: int
    rows: int


class Output:
    """Where an UNLOAD's files go. A context: its temporary directory ends with it."""

    def __init__(self, unload: Unload, storage: Storage) -> None:
        self._unload = unload
        self._storage = storage
        self._parts: Counter[tuple[str, int]] = Counter()
        self._cleaned: set[str] = set()
        self._directory = tempfile.TemporaryDirectory(prefix="zeroshift-unload-")
        self._files = 0
        self.written: list[Written] = []

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directory.cleanup()

    def check(self) -> None:
        """Before anything is written: refuse what would be overwritten, or clear the path where that is asked."""
        unload = self._unload
        if unload.clean_path:
            if not unload.partition_by:
                self._clean(unload.prefix)
            return
        if not unload.allow_overwrite and self._storage.list(unload.bucket, unload.prefix):
            raise Refused(NOT_EMPTY, sqlstate="XX000")

    def temporary(self) -> Path:
        """A new name for a file on its way to S3."""
        self._files += 1
        return Path(self._directory.name) / str(self._files)

    def finish(self, path: Path, partition: str, number: int, rows: int) -> None:
        """Put a finished file into S3 as the next part of slice `number`, and forget it here.

        `partition` is "", or the folder of a partition, with a slash at its end.
        """
        unload = self._unload
        if unload.clean_path and unload.partition_by:
            self._clean(unload.prefix + partition)
        part = self._parts[partition, number]
        self._parts[partition, number] += 1
        name = f"{number:04d}_part_{part:02d}" if unload.parallel else f"{part:03d}"
        key = unload.prefix + partition + name + unload.suffix
        size = path.stat().st_size
        self._storage.upload(path, unload.bucket, key, unload.kms_key)
        path.unlink()
        self.written.append(Written(key, size, rows))

    def _clean(self, prefix: str) -> None:
        if prefix not in self._cleaned:
            self._cleaned.add(prefix)
            self._storage.delete(self._storage.list(self._unload.bucket, prefix))

    def write_manifest(self, columns: list[tuple[str, RedshiftType]]) -> None:
        """The manifest, after all files are there: whoever finds it finds them."""
        unload = self._unload
        entries: list[dict[str, Any]] = []
        for item in self.written:
            meta = {"content_length": item.size}
            if unload.verbose:
                meta["record_count"] = item.rows
            entries.append({"url": f"s3://{unload.bucket}/{item.key}", "meta": meta})
        manifest: dict[str, Any] = {"entries": entries}
        if unload.verbose:
            gone = set(unload.partition_by) if not unload.include else set()
            manifest["schema"] = {
                "elements": [schema_element(name, kind) for name, kind in columns if name not in gone]
            }
            manifest["meta"] = {
                "content_length": sum(item.size for item in self.written),
                "record_count": sum(item.rows for item in self.written),
            }
            manifest["author"] = {"name": "Amazon Redshift", "version": "1.0.0"}
        data = json.dumps(manifest, indent=2).encode()
        self._storage.put(unload.bucket, unload.prefix + "manifest", data, unload.kms_key)
