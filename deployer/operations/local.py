"""`zeroshift local`: the Redshift on your own machine, and the source that feeds its landing database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import UsageError
from deployer.operations import replicators
from deployer.operations.progress import Progress, silent
from deployer.operations.replicators import DEMO_MARK, local_source
from deployer.operations.warehouses import local_aws, local_environment, local_scheduler
from deployer.project.config import Environment, Project

if TYPE_CHECKING:
    from deployer.local.aws.environment import AwsStatus
    from deployer.local.environment import Status
    from deployer.local.landing import load as landing
    from deployer.local.mariadb.server import SourceStatus


@dataclass(frozen=True)
class TableLoad:
    """What a load did to one source table."""

    table: str
    inserted: int
    updated: int
    deleted: int
    unchanged: int


@dataclass(frozen=True)
class Loaded:
    """A load: the instant (UTC) as of which the source now equals the files, and what the user should
    know.
    """

    at: datetime
    tables: tuple[TableLoad, ...]
    notices: tuple[str, ...]


def up(project: Project, environment: Environment | None = None) -> Status:
    """Start the local warehouse, and what replicates into the environment, unless it runs."""
    started = local_environment(project).up()
    if environment is not None:
        replicators.start(project, environment)
    return started


def down(project: Project) -> bool:
    """Stop it, the local AWS and the local source; False when none ran. Their data stays."""
    local = local_environment(project)
    cloud = local_aws(project)
    was_running = local.status().running or cloud.running
    # It would start both again.
    local_scheduler(project).stop()
    replicators.stop_all(project)
    cloud.down()
    local.down()
    stopped = (project.home / "source").exists() and source_stop(project)
    return was_running or stopped


def aws(project: Project) -> AwsStatus:
    """Start the local AWS unless it runs."""
    return local_aws(project).up()


def status(project: Project) -> Status:
    """Whether it runs, and how to reach it."""
    return local_environment(project).status()


def reset(project: Project) -> None:
    """Stop it and the local AWS, and delete everything that they hold. The local source keeps its rows."""
    local_scheduler(project).stop()
    stop_replication(project)
    local_aws(project).reset()
    local_environment(project).reset()
    (project.home / DEMO_MARK).unlink(missing_ok=True)


def stop_replication(project: Project) -> None:
    """Stop what replicates into a warehouse that is about to be emptied, and forget it."""
    replicators.stop_all(project)
    for leftover in project.home.glob("replication-*"):
        leftover.unlink()


def source_start(project: Project) -> SourceStatus:
    """Start the local source, a MariaDB with the rental tables. Raises Unavailable where that is not installed."""
    return local_source(project).up()


def source_stop(project: Project) -> bool:
    """Stop the local source; False when it did not run. Its data stays."""
    return local_source(project).down()


def source_status(project: Project) -> SourceStatus:
    """Whether the local source runs, and how to reach it."""
    return local_source(project).status()


def source_reset(project: Project) -> None:
    """Stop the local source and delete its rows and its log."""
    local_source(project).reset()


def load(
    project: Project,
    directory: Path,
    at: datetime,
    *,
    date_format: str | None = None,
    progress: Progress = silent,
) -> Loaded:
    """Make the source equal to the CSV files in `directory` as of `at`; starts the warehouse when it does
    not run.
    """
    local = local_environment(project)
    if not local.status().running:
        progress("starting the local warehouse")
    engine_dsn = local.ensure_up().engine_dsn
    if engine_dsn is None:
        raise UsageError("this local warehouse has no engine of its own to load into")
    loaded = load_into(engine_dsn, directory, at, date_format=date_format, progress=progress)
    # From now on it holds more than a demo: the next demo must not sweep it away.
    (project.home / DEMO_MARK).unlink(missing_ok=True)
    return loaded


def load_into(
    engine_dsn: str,
    directory: Path,
    at: datetime,
    *,
    date_format: str | None = None,
    progress: Progress = silent,
) -> Loaded:
    """`load`, into an engine that runs."""
    from deployer.local.landing.load import Progress as Step
    from deployer.local.landing.load import load as load_snapshot

    tenths: dict[str, int] = {}

    def tell(step: Step) -> None:
        # A line for each tenth of a large file, and one for each small one.
        share = step.bytes_read * 10 // max(step.bytes_total, 1)
        if share > tenths.get(step.table, -1) and (share == 10 or step.bytes_total > 20_000_000):
            tenths[step.table] = share
            progress(f"loading {step.table}: {step.rows:,} rows ({share * 10} %)")

    result: landing.LoadResult = load_snapshot(engine_dsn, directory, at, date_format, tell)
    tables = tuple(
        TableLoad(name, counts.inserted, counts.updated, counts.deleted, counts.unchanged)
        for name, counts in result.tables.items()
    )
    return Loaded(result.at, tables, result.notices)


def parse_instant(text: str, what: str) -> datetime:
    """An ISO date or timestamp, in UTC when it names no zone; returned in UTC without a zone.

    `what` is the option's name, for the message. A date alone is its first instant.
    """
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{what} {text!r} is no ISO date or timestamp; write it like 2026-01-31 or 2026-01-31T12:00:00"
        ) from None
    return parsed if parsed.tzinfo is None else parsed.astimezone(UTC).replace(tzinfo=None)
