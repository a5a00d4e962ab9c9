"""`zeroshift local load`: make the local source equal to a directory of CSV files, as of an instant.

Zero-ETL is played here by one transaction: it reads the snapshot of every table, finds what is new, changed
or missing, and writes it to the landing tables as history mode would show it. Nothing of a refused, broken or
killed load remains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from deployer.errors import UsageError
from deployer.local.landing import integration, stage
from deployer.local.landing.csvfile import CsvFile
from deployer.local.landing.dates import DateFormat
from deployer.local.landing.integration import Connection
from deployer.local.landing.stage import Counts
from deployer.local.landing.tables import LANDING_SCHEMA, TABLES, Table


@dataclass(frozen=True)
class Progress:
    """How far a load is: bytes of one file read so far. `rows` counts the rows in them."""

    table: str
    rows: int
    bytes_read: int
    bytes_total: int


@dataclass(frozen=True)
class LoadResult:
    """What a load did, by table (only those that had a file), and what the user should know about it."""

    at: datetime
    tables: Mapping[str, Counts]
    notices: tuple[str, ...]


def load(
    engine_dsn: str,
    directory: Path,
    at: datetime,
    date_format: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> LoadResult:
    """Make the source's tables equal to the CSV files in `directory`, as of `at` (UTC when it has no zone).

    A table without a file is left as it is. Two loads at the same instant are two changes at one instant.
    Raises UsageError for a bad file or argument, LeaseHeld while another load runs, Unavailable without an
    engine; then nothing has changed.
    """
    dates = DateFormat(date_format)
    paths = _find_files(directory)
    # Headers are read before the engine is asked for anything: most bad directories fail here, at once.
    files = [CsvFile(paths[table.name], table, dates) for table in TABLES if table.name in paths]
    notices = [note for table in TABLES for note in _notes(table, paths, files)]
    counts: dict[str, Counts] = {}
    with integration.writing(engine_dsn) as connection:
        integration.ensure(connection, created=integration.utc(at))
        checkpoint = integration.begin_commit(connection, at)
        for file in files:
            counts[file.table.name] = _load_file(connection, file, checkpoint, progress)
        integration.end_commit(connection, checkpoint)
    return LoadResult(checkpoint.at, counts, tuple(notices))


def _load_file(
    connection: Connection,
    file: CsvFile,
    checkpoint: integration.Checkpoint,
    progress: Callable[[Progress], None] | None,
) -> Counts:
    """Bring one table up to its file."""
    table = file.table

    def tell() -> None:
        if progress is not None:
            progress(Progress(table.name, file.rows, file.bytes_read, file.size))

    started = datetime.now(UTC).replace(tzinfo=None)
    duplicate = None
    try:
        stage.copy_file(connection, file, tell)
        duplicate = stage.find_duplicate(connection, file)
        if duplicate is None:
            counts = stage.apply(connection, file, checkpoint)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        # PostgreSQL's own words tell neither the line in the user's terms nor what to write instead.
        raise file.explain() or file.refusal(str(error).splitlines()[0]) from None
    if duplicate is not None:
        raise file.explain(duplicate) or file.refusal(f"the key {duplicate} stands in it twice")
    snapshot = counts.updated + counts.deleted + counts.unchanged == 0 and _is_first(connection, table)
    if snapshot or counts.inserted or counts.updated or counts.deleted:
        integration.record_activity(
            connection,
            table,
            checkpoint,
            snapshot=snapshot,
            inserted=counts.inserted,
            updated=counts.updated,
            deleted=counts.deleted,
            started=started,
        )
        changed = counts.inserted + counts.updated + counts.deleted
        integration.refresh_statistics(connection, table, analyze=changed * 10 >= counts.unchanged)
    tell()
    return counts


def _is_first(connection: Connection, table: Table) -> bool:
    """Whether the table has never been loaded: zero-ETL's first copy is a snapshot, not a change."""
    found = connection.execute(
        "select copied_at is null from zeroshift.integration_tables"
        " where integration_id = %s and schema_name = %s and table_name = %s",
        (integration.identifier(connection), LANDING_SCHEMA, table.name),
    ).fetchone()
    return found == (True,)


def _find_files(directory: Path) -> dict[str, Path]:
    """The CSV files by table name; raises UsageError for none, or one that is named as no table."""
    try:
        entries = sorted(path for path in directory.iterdir() if path.suffix.lower() == ".csv")
    except OSError as error:
        raise UsageError(f"cannot read the directory {directory}: {error.strerror}") from None
    known = ", ".join(f"{table.name}.csv" for table in TABLES)
    names = {f"{table.name}.csv": table.name for table in TABLES}
    for path in entries:
        if path.name not in names:
            raise UsageError(f"{path} is named as no source table; a snapshot may hold: {known}")
    if not entries:
        raise UsageError(f"{directory} holds no CSV file; a snapshot may hold: {known}")
    return {names[path.name]: path for path in entries}


def _notes(table: Table, paths: Mapping[str, Path], files: list[CsvFile]) -> list[str]:
    """What is not in the snapshot of a table, in a sentence each."""
    if table.name not in paths:
        return [f"there is no {table.name}.csv: the table is left as it is"]
    (file,) = (file for file in files if file.table is table)
    notes = []
    for column in file.missing:
        if column.name in table.key:
            notes.append(
                f"{file.path.name} has no column {column.name}: rows keep the number of an equal row, new"
                " ones get the next"
            )
        else:
            notes.append(f"{file.path.name} has no column {column.name}: it is NULL in every row")
    return notes
