"""`zeroshift status`: how the warehouse is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deployer.operations import dead_runs
from deployer.operations.warehouses import data_api, target
from deployer.project.config import Environment, Project
from deployer.warehouse import ledger, runlog
from deployer.warehouse.runlog import Freshness, RunRecord
from deployer.warehouse.session import Session

RUNS_SHOWN = 10


@dataclass(frozen=True)
class LandingTable:
    """A replicated table, as SVV_INTEGRATION_TABLE_STATE shows it; `changed_at` in UTC."""

    database: str
    schema: str
    table: str
    state: str
    rows: int | None
    changed_at: datetime | None
    reason: str


@dataclass(frozen=True)
class Rejected:
    """Rows in quarantine, by source table and reason."""

    table: str
    reason: str
    rows: int


@dataclass(frozen=True)
class WarehouseStatus:
    """Everything `status` shows. `deployed` is False before the first deployment: then only landing is
    known.
    """

    deployed: bool
    migration: str | None
    objects: int
    freshness: tuple[Freshness, ...]
    runs: tuple[RunRecord, ...]
    landing: tuple[LandingTable, ...]
    rejected: tuple[Rejected, ...]


def status(project: Project, environment: Environment) -> WarehouseStatus:
    """Ask the warehouse for its deployment, runs, freshness, landing tables and quarantine.

    A run that died is closed first, with the error that the Data API knows of its statement.
    """
    with Session(target(project, environment)) as session:
        found = read(session)
        if any(run.state == "running" for run in found.runs) and dead_runs.close(
            session, data_api(project, environment), found.runs
        ):
            found = read(session)
        return found


def read(session: Session) -> WarehouseStatus:
    """`status`, over a session that is open."""
    tables = landing(session)
    if not ledger.exists(session) or not (deployed := ledger.read(session)):
        return WarehouseStatus(False, None, 0, (), (), tables, ())
    heads = ledger.migration_heads(session)
    return WarehouseStatus(
        deployed=True,
        migration=heads[0] if heads else None,
        objects=len(deployed),
        freshness=runlog.freshness(session),
        runs=runlog.latest(session, RUNS_SHOWN),
        landing=tables,
        rejected=rejected(session),
    )


def rejected(session: Session) -> tuple[Rejected, ...]:
    """The quarantine's counts by reason, the most frequent first."""
    result = []
    for table, relation in (
        ("bookings", "curated.rejected_bookings"),
        ("user_viewing", "curated.rejected_views"),
    ):
        found = session.execute(f"select reason, count(*) from {relation} group by reason order by 2 desc, 1")
        result += [Rejected(table, reason, rows) for reason, rows in found.rows]
    return tuple(result)


def landing(session: Session) -> tuple[LandingTable, ...]:
    """The replicated tables and their states; empty where nothing replicates into this warehouse."""
    # The character columns are blank-padded.
    found = session.execute(
        "select trim(target_database), trim(schema_name), trim(table_name), trim(table_state), table_rows,"
        " last_updated_timestamp, trim(reason) from svv_integration_table_state order by 1, 2, 3"
    )
    return tuple(_landing_table(row) for row in found.rows)


def _landing_table(row: Sequence[object]) -> LandingTable:
    database, schema, table, state, rows, changed_at, reason = row
    return LandingTable(
        str(database),
        str(schema),
        str(table),
        str(state),
        rows if isinstance(rows, int) else None,
        changed_at if isinstance(changed_at, datetime) else None,
        str(reason or ""),
    )
