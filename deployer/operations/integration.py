"""`zeroshift integration`: zero-ETL into the local warehouse, from a real MySQL, MariaDB or PostgreSQL."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from deployer.errors import Unavailable, UsageError
from deployer.operations import replicators
from deployer.operations.progress import Progress, changes_of, silent
from deployer.operations.warehouses import local_environment, target_of
from deployer.project.config import Environment, Project
from deployer.project.environments import LOCAL
from deployer.project.zero_etl import ZeroEtl
from deployer.sql.names import quote_ident
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session

CATCH_UP_SECONDS = 60.0
_COMPARISONS = 5
_FRESH_MS = 5000
_CONNECTING = "PendingDbConnectState"

PASSING_SECONDS = 10.0
"""How long what a replicator says is wrong may last before a refresh gives up: a source may just restart."""
REFRESH_PAUSES = (0.1,) * 300
"""The replicator of a busy source writes its tables' states several times a second, and each time wins against a
statement that waits for a reader of one: many tries then, and short ones.
"""
SETTLING_SECONDS = 30.0
"""How long a status waits for a replicator that has just been started to say how it is: longer than a source may take
to answer (connect_timeout of both kinds, 10 s).
"""
GONE = ("Deleted", "DroppedSource")
"""States of tables that the source has no more, so that nothing can be copied."""


@dataclass(frozen=True)
class IntegrationStatus:
    """One integration. `lag_ms` is SVV_INTEGRATION.current_lag, None before the first copy; `message` what is wrong.

    In AWS a number is None that only a superuser could tell.
    """

    name: str
    source: str
    landing: str
    running: bool
    state: str
    lag_ms: int | None
    checkpoint: str
    synced: int | None
    failed: int | None
    waiting: int | None
    message: str


@dataclass(frozen=True)
class IntegrationTable:
    """One replicated table, as SVV_INTEGRATION_TABLE_STATE shows it."""

    landing: str
    schema: str
    table: str
    state: str
    rows: int
    changed_at: datetime | None
    reason: str


@dataclass(frozen=True)
class Difference:
    """Present rows of a table in the source and in landing, at one position of the source's log."""

    schema: str
    table: str
    state: str
    source_rows: int
    landing_rows: int | None

    @property
    def apart(self) -> int:
        return abs(self.source_rows - (self.landing_rows or 0))


def status(project: Project, environment: Environment) -> tuple[IntegrationStatus, ...]:
    """Every configured integration, started if it does not run."""
    with _session(project, environment) as (session, dsn, started):
        deadline = time.monotonic() + SETTLING_SECONDS
        while True:
            found = _statuses(project, environment, session, dsn)
            # One whose log was lost stays as it is until a refresh. The lag of one that has just been started is, until
            # it has asked its source, how long it was away.
            settling = [
                each
                for each in found
                if not each.message
                and not each.waiting
                and (each.state == _CONNECTING or (each.name in started and (each.lag_ms or 0) > _FRESH_MS))
            ]
            if not settling or time.monotonic() > deadline:
                return found
            time.sleep(0.1)


def _statuses(
    project: Project, environment: Environment, session: Session, dsn: str
) -> tuple[IntegrationStatus, ...]:
    from deployer.local.replication import process
    from deployer.local.replication.monitor import message

    found = {
        str(row[0]): row
        for row in session.execute(
            "select trim(target_database), trim(state), current_lag, trim(last_replicated_checkpoint)"
            " from svv_integration"
        ).rows
    }
    listed = listed_tables(session)
    result = []
    for each in replicators.integrations(project, environment):
        row = found.get(each.landing)
        states = [table.state for table in listed if table.landing == each.landing]
        copied = row is not None and "Synced" in states
        result.append(
            IntegrationStatus(
                each.name,
                replicators.source_of(each),
                each.landing,
                process.running(project.home, each.name),
                str(row[1]) if row is not None else _CONNECTING,
                int(str(row[2])) if row is not None and copied else None,
                str(row[3]) if row is not None else "",
                states.count("Synced"),
                states.count("Failed"),
                states.count("ResyncRequired") + states.count("ResyncInitiated"),
                message(dsn, each.landing),
            )
        )
    return tuple(result)


def tables(project: Project, environment: Environment) -> tuple[IntegrationTable, ...]:
    """The replicated tables of every configured integration."""
    landings = {each.landing for each in replicators.integrations(project, environment)}
    with _session(project, environment) as (session, _, _):
        return tuple(table for table in listed_tables(session) if table.landing in landings)


def refresh(
    project: Project,
    environment: Environment,
    names: Sequence[str],
    *,
    everything: bool = False,
    failed: bool = False,
    integration: str | None = None,
    progress: Progress = silent,
) -> tuple[IntegrationTable, ...]:
    """Copy tables anew, and wait until that is done: those named schema.table, the failed ones, or all.

    Returns those tables. Raises UsageError for a choice that is none, StatementFailed for a table that is unknown,
    Unavailable when the replicator cannot go on, or it takes longer than an hour.
    """
    if sum([bool(names), everything, failed]) != 1:
        raise UsageError("name the tables to refresh as schema.table, or say --failed or --all")
    one = _chosen(project, environment, integration)
    places = {place(name) for name in names}
    listed = ", ".join(f"{quote_ident(schema)}.{quote_ident(table)}" for schema, table in sorted(places))
    what = "all tables" if everything else "inerror tables" if failed else f"table {listed}"
    from deployer.local.replication.monitor import message

    with _session(project, environment) as (session, dsn, _):
        before = [table for table in listed_tables(session) if table.landing == one.landing]
        # DG "ALTER DATABASE": not said whether it may stand in a transaction block, so it does not.
        statement = f"alter database {quote_ident(one.landing)} integration refresh {what}"
        retrying(lambda: session.execute(statement), pauses=REFRESH_PAUSES)
        meant = {
            (table.schema, table.table)
            for table in before
            if (everything and table.state not in GONE)
            or (failed and table.state in ("Failed", "ResyncRequired"))
            or (table.schema, table.table) in places
        }
        say, deadline = changes_of(progress), time.monotonic() + 3600
        well = time.monotonic()
        while True:
            now = [
                t for t in listed_tables(session) if t.landing == one.landing and (t.schema, t.table) in meant
            ]
            waiting = [t for t in now if t.state == "ResyncInitiated"]
            if not waiting:
                return tuple(now)
            if time.monotonic() > deadline:
                raise Unavailable(
                    "the refresh takes longer than an hour; `zeroshift integration status` says why"
                )
            say(f"copying {len(waiting)} of {len(meant)} tables")
            wrong = message(dsn, one.landing)
            well = well if wrong else time.monotonic()
            if time.monotonic() - well > PASSING_SECONDS:
                raise Unavailable(
                    f"the tables are not copied: {wrong}; they will be as soon as that is mended, and cannot be"
                    " queried before"
                )
            time.sleep(0.2)


def reconcile(
    project: Project,
    environment: Environment,
    *,
    integration: str | None = None,
    threshold: int = 0,
    progress: Progress = silent,
) -> tuple[Difference, ...]:
    """Count the present rows of every table in the source and in landing.

    "Synced" is not proof of data. Both are counted at the same position where the source holds still long enough; else
    what the last comparison found stands, and `threshold` rows may be apart.
    """
    from deployer.local.replication import monitor

    one = _chosen(project, environment, integration)
    settings = replicators.settings(project, one)
    with _session(project, environment) as (_, dsn, _):
        found: tuple[Difference, ...] = ()
        for attempt in range(_COMPARISONS):
            progress(f"counting ({attempt + 1})")
            counted = monitor.compare(dsn, settings, CATCH_UP_SECONDS)
            found = tuple(Difference(*row) for row in counted)
            if all(each.apart <= threshold and each.landing_rows is not None for each in found):
                break
        return found


@contextmanager
def _session(project: Project, environment: Environment) -> Iterator[tuple[Session, str, list[str]]]:
    """A session with the local warehouse, which is started with its replicators; the engine's DSN; the names of the
    replicators that did not run."""
    if environment.kind != LOCAL or not replicators.integrations(project, environment):
        raise UsageError(
            f"environment {environment.name} replicates nothing: zeroshift.toml has no"
            f" [env.{environment.name}.zero_etl.<name>]"
        )
    found = local_environment(project).ensure_up()
    started = replicators.start(project, environment)
    assert found.engine_dsn is not None
    with Session(target_of(found)) as session:
        yield session, found.engine_dsn, started


def listed_tables(session: Session) -> list[IntegrationTable]:
    """SVV_INTEGRATION_TABLE_STATE, as a superuser."""
    # The character columns are blank-padded.
    rows = session.execute(
        "select trim(target_database), trim(schema_name), trim(table_name), trim(table_state), table_rows,"
        " last_updated_timestamp, trim(reason) from svv_integration_table_state order by 1, 2, 3"
    ).rows
    return [
        IntegrationTable(
            str(row[0]),
            str(row[1]),
            str(row[2]),
            str(row[3]),
            int(str(row[4] or 0)),
            row[5] if isinstance(row[5], datetime) else None,
            str(row[6] or ""),
        )
        for row in rows
    ]


def _chosen(project: Project, environment: Environment, name: str | None) -> ZeroEtl:
    """The integration called `name`, or the only one."""
    there = {each.name: each for each in replicators.integrations(project, environment)}
    if name is None and len(there) <= 1:
        if not there:
            raise UsageError(
                f"environment {environment.name} has no integration: add [env.{environment.name}.zero_etl.<name>] to "
                "zeroshift.toml (docs/local-replication.md, docs/zero-etl.md)"
            )
        return next(iter(there.values()))
    if name not in there:
        raise UsageError(f"say which integration is meant, --integration: {', '.join(there)}")
    return there[name]


def place(name: str) -> tuple[str, str]:
    """Schema and table of `schema.table`, either part perhaps quoted; raises UsageError."""
    found = re.fullmatch(r'("[^"]+"|[^".]+)\.("[^"]+"|[^".]+)', name)
    if found is None:
        raise UsageError(f"{name!r} is no table of an integration; write schema.table")
    return found[1].strip('"'), found[2].strip('"')
