"""`zeroshift status`: how the warehouse is doing, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from deployer.errors import StatementFailed, ZeroshiftError
from deployer.operations import dead_runs, expected, replicators
from deployer.operations.expected import Expected, Planned
from deployer.operations.replicators import Replication
from deployer.operations.schedules import deployed
from deployer.operations.warehouses import data_api, local_aws, local_environment, local_scheduler, target
from deployer.project.config import Environment, Project
from deployer.project.environments import LOCAL
from deployer.sql.names import quote_literal
from deployer.warehouse import ledger, runlog
from deployer.warehouse.runlog import Backfill, Freshness, Gap, RunRecord
from deployer.warehouse.session import Session

RUNS_SHOWN = 10
_BROKEN = ("Failed", "ResyncRequired")
"""States of SVV_INTEGRATION_TABLE_STATE in which a table is not replicated."""

_NO_RIGHT = "42501"
_CLOCKS = timedelta(minutes=5)
"""How far the clocks of a warehouse and of this machine may be apart."""


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
class Integration:
    """A zero-ETL integration, as SVV_INTEGRATION shows it. `lag_ms` is its current_lag."""

    id: str
    database: str
    source: str
    state: str
    lag_ms: int | None


@dataclass(frozen=True)
class Rejected:
    """Rows in quarantine, by source table and reason."""

    table: str
    reason: str
    rows: int


@dataclass(frozen=True)
class WarehouseStatus:
    """Everything `status` shows. `deployed` is False before the first deployment: then only landing is known.

    `logs_runs`: whether what was deployed logs runs (ops.start_run). `firing`: whether somebody fires the schedules; on
    AWS they fire when they are deployed. `schedules_note` says where they were read when not where they fire. `stale`
    is what the schedules' own checks (ops.assert_fresh) say now. `landing_note` says why the landing tables are not
    shown. `problems` are what people should look at, one sentence each; without any the warehouse is healthy.
    """

    deployed: bool
    migration: str | None
    objects: int
    freshness: tuple[Freshness, ...]
    runs: tuple[RunRecord, ...]
    landing: tuple[LandingTable, ...]
    rejected: tuple[Rejected, ...]
    integrations: tuple[Integration, ...] = ()
    logs_runs: bool = False
    schedules: tuple[Expected, ...] = ()
    firing: bool = False
    schedules_note: str = ""
    backfills: tuple[Backfill, ...] = ()
    gaps: tuple[Gap, ...] = ()
    replication: tuple[Replication, ...] = ()
    landing_note: str = ""
    stale: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


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
        firing = environment.kind != LOCAL or local_scheduler(project).running
        schedules, note = planned(project, environment)
        now = datetime.now(UTC).replace(tzinfo=None)
        if found.deployed and not found.logs_runs:
            # None of their runs can be missed.
            schedules = tuple(replace(one, pipeline="") for one in schedules)
        log = runlog.logged(session, now - expected.LOOK_BACK) if found.logs_runs else ()
        found = replace(
            found,
            firing=firing,
            schedules=expected.expected(schedules, log, now, firing=firing, always=environment.kind != LOCAL),
            schedules_note=note,
            stale=unfresh(session, schedules) if firing and found.logs_runs else (),
        )
        if environment.kind == LOCAL:
            engine_dsn = local_environment(project).status().engine_dsn
            found = replace(found, replication=replicators.shown(project, environment, engine_dsn))
        return replace(found, problems=problems(found))


def planned(project: Project, environment: Environment) -> tuple[tuple[Planned, ...], str]:
    """The deployed schedules; those of eventbridge/ where there is no AWS side or it does not tell, and why.

    Whoever reads the warehouse need not have Scheduler's rights. A local AWS that does not run is not started.
    """
    if environment.remote is None:
        return expected.of_files(project.root), ""
    if environment.kind == LOCAL and not local_aws(project).running:
        return expected.of_files(project.root), "the local AWS does not run: these are of eventbridge/"
    try:
        return expected.of_deployed(deployed(project, environment)), ""
    except ZeroshiftError as error:
        return expected.of_files(project.root), f"these are of eventbridge/, not what is deployed: {error}"


def unfresh(session: Session, schedules: Sequence[Planned]) -> tuple[str, ...]:
    """What the schedules that call ops.assert_fresh would tell people now: each pipeline by its own limit."""
    told = []
    for one in schedules:
        if not one.enabled or one.asserts is None:
            continue
        pipeline, minutes = one.asserts
        try:
            session.execute(f"call ops.assert_fresh({quote_literal(pipeline)}, {minutes})")
        except StatementFailed as error:
            # Whoever looks may lack the right that the schedules' role has.
            if error.sqlstate != _NO_RIGHT:
                told.append(f"{str(error).splitlines()[0]} (checked as the schedule {one.name} does)")
    return tuple(told)


def problems(found: WarehouseStatus, now: datetime | None = None) -> tuple[str, ...]:
    """What is wrong, the worst first. `now`: UTC, without a zone."""
    soon = (now or datetime.now(UTC).replace(tzinfo=None)) + _CLOCKS
    told: list[str] = []
    seen: set[str] = set()
    for run in found.runs:
        # What was skipped, superseded or a duplicate says nothing of how the pipeline is.
        if run.pipeline in seen or run.state not in ("succeeded", "failed", "running"):
            continue
        seen.add(run.pipeline)
        if run.state == "failed":
            told.append(f"the last run of {run.pipeline}, {run.run_id}, failed: {run.error}")
    told += [
        f"runs of the schedule {one.name} are missing: {len(one.missing)} since {one.missing[0]} UTC"
        for one in found.schedules
        if one.missing
    ]
    told += found.stale
    told += [
        f"what is published of {one.pipeline} speaks for {one.as_of} UTC, which is still to come: until then every"
        f" other run is superseded; `zeroshift run {one.pipeline} --rewind` turns back to now"
        for one in found.freshness
        if one.as_of > soon
    ]
    told += [
        f"the integration into {one.database} is in the state {one.state}"
        for one in found.integrations
        if one.state == "ErrorState"
    ]
    told += [
        f"replication of {one.name} from {one.source}: {one.message}"
        if one.running
        else f"the replicator of {one.name} does not run; `zeroshift local up` starts it"
        for one in found.replication
        if one.message or not one.running
    ]
    told += [
        f"the landing table {item.database}.{item.schema}.{item.table} is {item.state}"
        + (f": {item.reason}" if item.reason else "")
        for item in found.landing
        if item.state in _BROKEN
    ]
    told += [
        f"{gap.metric} lacks {gap.periods} of its periods; `zeroshift run rental --from {gap.first} --to"
        f" {gap.last}` computes them"
        for gap in found.gaps
    ]
    at_work = any(run.mode == "backfill" and run.state == "running" for run in found.runs)
    told += [
        f"a backfill of {one.pipeline} has not ended; `zeroshift run {one.pipeline} --from {one.first_date}"
        f" --to {one.last_date}` goes on where it stopped"
        for one in found.backfills
        if not at_work
    ]
    return tuple(told)


def read(session: Session) -> WarehouseStatus:
    """`status`, over a session that is open."""
    try:
        tables, fed, note = landing(session), integrations(session), ""
    except StatementFailed as error:
        # Both views are for superusers (DG "SVV_INTEGRATION" and "..._TABLE_STATE"); who deploys need not be one.
        if error.sqlstate != _NO_RIGHT:
            raise
        tables, fed = (), ()
        note = "landing tables are shown to superusers only; see `zeroshift integration status`"
    if not ledger.exists(session) or not (deployed := ledger.read(session)):
        return WarehouseStatus(False, None, 0, (), (), tables, (), landing_note=note)
    heads = ledger.migration_heads(session)
    # A project has what it has: one without the rental pipeline may log no runs, publish no metrics, reject no rows.
    logs_runs = "procedure ops.start_run" in deployed
    return WarehouseStatus(
        deployed=True,
        logs_runs=logs_runs,
        migration=heads[0] if heads else None,
        objects=len(deployed),
        freshness=runlog.freshness(session) if "view presentation.freshness" in deployed else (),
        runs=runlog.with_steps(session, runlog.latest(session, RUNS_SHOWN)) if logs_runs else (),
        landing=tables,
        rejected=rejected(session, deployed),
        integrations=fed,
        landing_note=note,
        # A warehouse of an earlier deployment has neither.
        backfills=runlog.backfills(session) if "view ops.metric_gaps" in deployed else (),
        gaps=runlog.gaps(session) if "view ops.metric_gaps" in deployed else (),
    )


def integrations(session: Session) -> tuple[Integration, ...]:
    """The integrations into this warehouse, as far as this user is shown them (the view is for superusers)."""
    found = session.execute(
        "select trim(integration_id), trim(target_database), trim(source), trim(state), current_lag"
        " from svv_integration order by 1"
    )
    return tuple(Integration(*row) for row in found.rows)


def rejected(session: Session, deployed: Collection[str]) -> tuple[Rejected, ...]:
    """The quarantine's counts by reason, the most frequent first."""
    result = []
    for table, relation, keeper in (
        ("bookings", "curated.rejected_bookings", "procedure curated.reject_bookings"),
        ("user_viewing", "curated.rejected_views", "procedure curated.reject_views"),
    ):
        if keeper not in deployed:
            continue
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
