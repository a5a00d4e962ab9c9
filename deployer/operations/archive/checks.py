"""Whether S3 holds what was unloaded: against the manifest, and by reading the files back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from deployer.errors import Unsafe
from deployer.operations.archive.columns import (
    CONVERSIONS,
    HEX,
    TEXT,
    UTC,
    Column,
    base_of,
    filled_and_checksum,
)
from deployer.operations.archive.place import Place
from deployer.project.archive.model import PERIOD_COLUMN
from deployer.sql.names import quote_ident, quote_literal
from deployer.warehouse.archive_ledger import ArchiveRun, ColumnCheck, Partition
from deployer.warehouse.session import Session

MANIFEST = "manifest"
NOTES = "_zeroshift.json"
"""Beside the manifest: Spectrum does not look at names that begin with an underscore."""


@dataclass(frozen=True)
class Held:
    """What the manifest says, with what S3 has: files, bytes and, by period, both."""

    files: int
    size: int
    by_period: dict[date, tuple[int, int]]


def stage_name(run: ArchiveRun) -> str:
    """The temporary table that a run's files are read into. Each has its own: one that a transaction has read cannot
    always be dropped in it."""
    return quote_ident(f"archive_stage_{run.archive_run}")


def counted(session: Session, columns: Sequence[Column], source: str) -> tuple[int, tuple[ColumnCheck, ...]]:
    """The number of rows of `source`, which has the columns as files do, and each column's check."""
    values = session.execute(f"select {filled_and_checksum(columns)} from {source}").rows[0]
    found = tuple(
        ColumnCheck(
            column.name,
            None if column.is_own else column.type,
            column.file_type,
            int(values[1 + 2 * index]),
            None if values[2 + 2 * index] is None else str(values[2 + 2 * index]),
        )
        for index, column in enumerate(columns)
    )
    return int(values[0]), found


def columns_of(checks: Sequence[ColumnCheck]) -> tuple[Column, ...]:
    """The columns of a run's files, as they were recorded."""
    by_type = {"varbyte": HEX, "timestamptz": UTC, "time": TEXT, "timetz": TEXT}
    return tuple(
        Column(
            check.name,
            check.warehouse_type or check.file_type,
            check.file_type,
            by_type.get(base_of(check.warehouse_type or ""), ""),
            check.warehouse_type is None,
        )
        for check in checks
    )


def held(place: Place, run: ArchiveRun) -> Held:
    """What S3 holds of a run. Raises Unsafe when a file of the manifest is missing or of another size or number."""
    key = place.bucket.key(run.location)
    data = place.bucket.read(key + MANIFEST)
    if data is None:
        # No page says whether UNLOAD writes a manifest for no rows at all.
        if run.row_count == 0:
            return Held(0, 0, {})
        raise Unsafe(
            f"{run.location}{MANIFEST} is missing: S3 does not hold the archive run {run.archive_run} any more"
        )
    sizes = {item.key: item.size for item in place.bucket.list(key)}
    rows = total = 0
    by_period: dict[date, tuple[int, int]] = {}
    listed = _entries(data, f"{run.location}{MANIFEST}")
    for url, period, length, count in listed:
        size = sizes.get(place.bucket.key(url))
        if size is None or size != length:
            raise Unsafe(
                f"{url} {'is gone' if size is None else f'has {size} bytes'}, where the manifest says {length} bytes:"
                " restore its version in S3"
            )
        files, bytes_ = by_period.get(period, (0, 0))
        by_period[period] = files + 1, bytes_ + size
        rows, total = rows + count, total + size
    if rows != run.row_count:
        raise Unsafe(
            f"the manifest of the archive run {run.archive_run} has {rows} rows, where {run.row_count} were unloaded"
        )
    return Held(len(listed), total, by_period)


def _entries(data: bytes, url: str) -> list[tuple[str, date, int, int]]:
    """A manifest's files: URL, period, bytes and rows. Raises Unsafe for what UNLOAD has not written."""
    try:
        return [
            (
                entry["url"],
                date.fromisoformat(entry["url"].partition(f"/{PERIOD_COLUMN}=")[2].partition("/")[0]),
                int(entry["meta"]["content_length"]),
                int(entry["meta"]["record_count"]),
            )
            for entry in json.loads(data)["entries"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unsafe(f"{url} is not the manifest that UNLOAD wrote: restore its version in S3") from None


def stage(session: Session, place: Place, run: ArchiveRun, columns: Sequence[Column]) -> None:
    """Read all files of a run into its stage, in the order of their own columns."""
    listed = ", ".join(f"{quote_ident(column.name)} {column.file_type}" for column in columns)
    table = stage_name(run)
    session.execute(f"drop table if exists {table}")
    session.execute(f"create temp table {table} ({listed})")
    if run.row_count == 0:
        return
    role = place.role if place.role == "default" else quote_literal(place.role)
    json_option = " serializetojson" if any(column.base == "super" for column in columns) else ""
    session.execute(
        f"copy {table} from {quote_literal(run.location + MANIFEST)} iam_role {role}"
        f" format as parquet{json_option} manifest"
    )


def compare(run: ArchiveRun, wanted: Sequence[ColumnCheck], rows: int, found: Sequence[ColumnCheck]) -> None:
    """Raise Unsafe, with the first column that differs, when files do not hold what was unloaded."""
    if rows != run.row_count:
        raise Unsafe(f"the files of the archive run {run.archive_run} hold {rows} rows, not {run.row_count}")
    for before, after in zip(wanted, found, strict=True):
        if (before.filled_rows, before.checksum) != (after.filled_rows, after.checksum):
            raise Unsafe(
                f"column {before.name} of the archive run {run.archive_run} differs in the files:"
                f" {after.filled_rows} values with checksum {after.checksum}, where {before.filled_rows} with"
                f" {before.checksum} were unloaded"
            )


def partitions(session: Session, run: ArchiveRun, stored: Held, period: str) -> tuple[Partition, ...]:
    """What the run's stage holds by period; `period` is the policy's column, empty for a snapshot."""
    column = quote_ident(period or PERIOD_COLUMN)
    found = session.execute(
        f"select {PERIOD_COLUMN}, count(*), min({column}), max({column}) from {stage_name(run)} group by 1 order by 1"
    )
    made = []
    for day, rows, lowest, highest in found.rows:
        files, size = stored.by_period.get(day, (0, 0))
        made.append(
            Partition(
                run.archive_run, run.policy, run.table_name, day, f"{run.location}{PERIOD_COLUMN}={day}/",
                int(rows), size, files, _instant(lowest), _instant(highest),
            )
        )  # fmt: skip
    return tuple(made)


def _instant(value: object) -> datetime | None:
    if isinstance(value, datetime) or value is None:
        return value
    assert isinstance(value, date)
    return datetime(value.year, value.month, value.day)


def notes(run: ArchiveRun, wanted: Sequence[ColumnCheck]) -> bytes:
    """What somebody needs who has the files and no warehouse: the columns' own types, and what was converted."""
    made = {
        "archive_run": run.archive_run,
        "policy": run.policy,
        "table": run.table_name,
        "period_from": str(run.period_from),
        "period_to": str(run.period_to),
        "rows": run.row_count,
        "bytes": run.file_bytes,
        "schema": [
            {
                "name": column.name,
                "type": None if column.is_own else column.type,
                "file_type": column.file_type,
                **({"conversion": CONVERSIONS[column.conversion]} if column.conversion else {}),
                "filled_rows": check.filled_rows,
                "checksum": check.checksum,
            }
            for column, check in zip(columns_of(wanted), wanted, strict=True)
        ],
    }
    return json.dumps(made, indent=2, ensure_ascii=False).encode()
