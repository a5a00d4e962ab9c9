"""The objects that a COPY reads, on this machine one at a time.

Source: Redshift Database Developer Guide, "COPY from Amazon S3", "Using a manifest to specify data files", "COPY from
columnar data formats".
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from deployer.local.files.s3 import Object, Storage, entries
from deployer.sql.refused import Refused
from deployer.sql.transfer.copy import COLUMNAR, Copy

_COMPRESSIONS = {"gzip": "gzip", "bzip2": "bz2", "zstd": "zstd"}


def objects(copy: Copy, storage: Storage) -> list[Object]:
    """What is to be read: the manifest's files, or all whose keys begin with the prefix. Raises Refused."""
    if not copy.manifest:
        found = storage.list(copy.bucket, copy.prefix)
        if not found:
            raise Refused(f"The specified S3 prefix '{copy.prefix}' does not exist", sqlstate="XX000")
        return [item for item in found if item.size]
    key = copy.prefix
    if storage.size(copy.bucket, key) is None:
        raise Refused(f"the manifest s3://{copy.bucket}/{key} does not exist", sqlstate="XX000")
    try:
        manifest = json.loads(storage.read(copy.bucket, key))
    except ValueError as error:
        raise Refused(f"the manifest s3://{copy.bucket}/{key} is not JSON", sqlstate="XX000") from error
    if not isinstance(manifest, dict):
        raise Refused(f"the manifest s3://{copy.bucket}/{key} is no JSON object", sqlstate="XX000")
    if copy.format in COLUMNAR:
        _check_lengths(copy, storage, manifest)
    return list(entries(storage, copy.bucket, key, manifest))


def _check_lengths(copy: Copy, storage: Storage, manifest: dict[str, Any]) -> None:
    """A manifest for Parquet says how long each file is."""
    for entry in manifest.get("entries", []):
        told = entry.get("meta", {}).get("content_length") if isinstance(entry, dict) else None
        url = entry.get("url") if isinstance(entry, dict) else None
        if not isinstance(told, int):
            raise Refused(
                f"the manifest s3://{copy.bucket}/{copy.prefix} has no meta.content_length for {url}, which Parquet"
                " files need",
                sqlstate="XX000",
            )
        bucket, _, key = str(url).removeprefix("s3://").partition("/")
        size = storage.size(bucket, key)
        if size is not None and size != told:
            raise Refused(
                f"{url} has {size} bytes, the manifest says {told}: it is not the file that was written",
                sqlstate="XX000",
            )


@contextmanager
def local_file(storage: Storage, item: Object) -> Iterator[Path]:
    """The object as a file, for as long as the context lasts."""
    with tempfile.NamedTemporaryFile(prefix="zeroshift-copy-") as target:
        storage.download(item.bucket, item.key, target.file)
        target.flush()
        yield Path(target.name)


def opened(copy: Copy, path: Path) -> IO[bytes]:
    """The file's content, uncompressed."""
    import pyarrow as pa

    if copy.compression is None:
        return path.open("rb")
    stream: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), _COMPRESSIONS[copy.compression])
    return stream
