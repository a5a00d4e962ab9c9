"""The tables of the schema archive: runs, their columns, what S3 holds, horizons. They are made by a migration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TypeVar

from deployer.errors import StatementFailed, Unavailable
from deployer.mask import mask
from deployer.warehouse.session import Session

UNLOADING, UNLOADED, VERIFIED, ARCHIVED = "unloading", "unloaded", "verified", "archived"
RESTORED, EXPIRED, PRUNED, ABANDONED = "restored", "expired", "pruned", "abandoned"
UNFINISHED = (UNLOADING, UNLOADED, VERIFIED)
HELD = (ARCHIVED, RESTORED)
"""States of runs whose files are in S3 and good."""

_COLUMNS = (
    "archive_run, policy, table_name, period_from, period_to, after, location, kms_key, state, is_visible, row_count,"
    " file_bytes, file_count, started_at, unloaded_at, finished_at, seconds, rows_per_second, bytes_per_second"
)


@dataclass(frozen=True)
class ArchiveRun:
    """A row of archive.runs. Times are UTC; the period is half-open. `location` is an S3 URL that ends in a slash."""

    archive_run: str
    policy: str
    table_name: str
    period_from: date
    period_to: date
    after: str
    location: str
    kms_key: str
    state: str
    is_visible: bool = False
    row_count: int | None = None
    file_bytes: int | None = None
    file_count: int | None = None
    started_at: datetime | None = None
    unloaded_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    rows_per_second: float | None = None
    bytes_per_second: float | None = None


@dataclass(frozen=True)
class ColumnCheck:
    """A row of archive.run_columns. `warehouse_type` is None for the archive's own column."""

    name: str
    warehouse_type: str | None
    file_type: str
    filled_rows: int
    checksum: str | None


@dataclass(frozen=True)
class Partition:
    """A row of archive.partitions: what S3 holds of one period."""

    archive_run: str
    policy: str
    table_name: str
    archive_period: date
    location: str
    row_count: int
    file_bytes: int
    file_count: int
    period_min: datetime | None
    period_max: datetime | None


Located = TypeVar("Located", ArchiveRun, Partition)


def masked(row: Located) -> Located:
    """The row for people to read: the bucket's name without the account id that it ends in."""
    return replace(row, location=mask(row.location))


def runs(session: Session, policy: str = "") -> tuple[ArchiveRun, ...]:
    """All runs, or those of a policy, the oldest first. Raises Unavailable before the first deployment."""
    where, values = (" where policy = %s", (policy,)) if policy else ("", None)
    try:
        found = session.execute(
            f"select {_COLUMNS} from archive.runs{where} order by started_at, archive_run", values
        )
    except StatementFailed as error:
        if error.sqlstate in ("3F000", "42P01"):
            raise Unavailable(
                "this warehouse has no table archive.runs: deploy the migrations first (`zeroshift deploy`)"
            ) from None
        raise
    return tuple(_run(row) for row in found.rows)


def _run(row: Sequence[object]) -> ArchiveRun:
    values = list(row)
    for index in (16, 17, 18):
        values[index] = None if values[index] is None else float(str(values[index]))
    return ArchiveRun(*values)  # type: ignore[arg-type]  # the driver gives each column's own type


def checks(session: Session, archive_run: str) -> tuple[ColumnCheck, ...]:
    """The columns of a run's files, in their order."""
    found = session.execute(
        "select column_name, warehouse_type, file_type, filled_rows, checksum from archive.run_columns"
        " where archive_run = %s order by ordinal",
        (archive_run,),
    )
    return tuple(ColumnCheck(*row) for row in found.rows)


def partitions(session: Session, policy: str = "") -> tuple[Partition, ...]:
    """What S3 holds, by table and period."""
    where, values = (" where policy = %s", (policy,)) if policy else ("", None)
    found = session.execute(
        "select archive_run, policy, table_name, archive_period, location, row_count, file_bytes, file_count,"
        f" period_min, period_max from archive.partitions{where} order by policy, archive_period, archive_run",
        values,
    )
    return tuple(Partition(*row) for row in found.rows)


def horizons(session: Session) -> dict[str, date]:
    """Of each table the day before which its rows may have been deleted."""
    found = session.execute("select table_name, max(horizon) from archive.horizons group by table_name")
    return {str(table): horizon for table, horizon in found.rows}


def register(session: Session, run: ArchiveRun) -> None:
    """Write a run that begins, at state unloading."""
    session.execute(
        "insert into archive.runs (archive_run, policy, table_name, period_from, period_to, after, location, kms_key,"
        " state, is_visible, started_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, false, sysdate)",
        (
            run.archive_run, run.policy, run.table_name, run.period_from, run.period_to, run.after, run.location,
            run.kms_key, UNLOADING,
        ),
    )  # fmt: skip


def record_columns(session: Session, archive_run: str, found: Sequence[ColumnCheck], row_count: int) -> None:
    """Write what was unloaded: the number of rows, and each column's check."""
    session.execute("update archive.runs set row_count = %s where archive_run = %s", (row_count, archive_run))
    for ordinal, item in enumerate(found, start=1):
        session.execute(
            "insert into archive.run_columns (archive_run, ordinal, column_name, warehouse_type, file_type,"
            " filled_rows, checksum) values (%s, %s, %s, %s, %s, %s, %s)",
            (
                archive_run,
                ordinal,
                item.name,
                item.warehouse_type,
                item.file_type,
                item.filled_rows,
                item.checksum,
            ),
        )


def record_partitions(
    session: Session, archive_run: str, found: Sequence[Partition], file_bytes: int, file_count: int
) -> None:
    """Write what S3 holds of a run, instead of what an attempt before may have written, and that it is verified."""
    session.execute("delete from archive.partitions where archive_run = %s", (archive_run,))
    for item in found:
        session.execute(
            "insert into archive.partitions (archive_run, policy, table_name, archive_period, location, row_count,"
            " file_bytes, file_count, period_min, period_max) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                item.archive_run, item.policy, item.table_name, item.archive_period, item.location, item.row_count,
                item.file_bytes, item.file_count, item.period_min, item.period_max,
            ),
        )  # fmt: skip
    session.execute(
        "update archive.runs set state = %s, file_bytes = %s, file_count = %s where archive_run = %s",
        (VERIFIED, file_bytes, file_count, archive_run),
    )


def finish(session: Session, run: ArchiveRun, *, visible: bool, seconds: float) -> None:
    """The run is done; with `visible` the union view shows its rows from now on."""
    spent = max(seconds, 0.001)
    session.execute(
        "update archive.runs set state = %s, is_visible = %s, finished_at = getdate(), seconds = %s,"
        " rows_per_second = %s, bytes_per_second = %s where archive_run = %s",
        (
            ARCHIVED, visible, round(spent, 3), round((run.row_count or 0) / spent, 1),
            round((run.file_bytes or 0) / spent, 1), run.archive_run,
        ),
    )  # fmt: skip


def set_state(session: Session, archive_run: str, state: str, *, visible: bool | None = None) -> None:
    """Move a run to another state, and perhaps show or hide it."""
    if visible is None:
        session.execute("update archive.runs set state = %s where archive_run = %s", (state, archive_run))
    else:
        session.execute(
            "update archive.runs set state = %s, is_visible = %s where archive_run = %s",
            (state, visible, archive_run),
        )


def forget_partitions(session: Session, archive_run: str) -> None:
    """S3 holds nothing of the run any more."""
    session.execute("delete from archive.partitions where archive_run = %s", (archive_run,))


def lower_horizon(session: Session, without: ArchiveRun) -> None:
    """Set the horizon back to the end of what is deleted but for that run, which is restored or given up."""
    deleted = [run.period_to for run in runs(session, without.policy) if run.is_visible]
    session.execute(
        "update archive.horizons set horizon = %s, changed_at = getdate() where table_name = %s and policy = %s",
        (max(deleted, default=date.min), without.table_name, without.policy),
    )


def set_horizon(session: Session, table: str, policy: str, column: str, horizon: date) -> None:
    """Rows of `table` before `horizon` may be deleted from now on. One row a table and policy."""
    session.execute("delete from archive.horizons where table_name = %s and policy = %s", (table, policy))
    session.execute(
        "insert into archive.horizons (table_name, policy, period_column, horizon, changed_at)"
        " values (%s, %s, %s, %s, getdate())",
        (table, policy, column, horizon),
    )
