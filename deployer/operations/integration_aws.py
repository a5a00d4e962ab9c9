"""`zeroshift integration status | tables | refresh | reconcile` for integrations of AWS.

What RDS tells anybody with the right to describe integrations; SVV_INTEGRATION and its kin show themselves to
superusers only, so that without one lag and counts come from CloudWatch's metrics (management guide,
zero-etl-using.metrics).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from deployer.aws import connect, integrations
from deployer.aws.client import Aws, AwsError
from deployer.errors import StatementFailed, Unavailable, UsageError
from deployer.operations import integration_stack, landing_plan, source_database
from deployer.operations.integration import (
    GONE,
    REFRESH_PAUSES,
    Difference,
    IntegrationStatus,
    IntegrationTable,
    listed_tables,
    place,
)
from deployer.operations.integration_recreate import chosen
from deployer.operations.progress import Progress, changes_of, silent
from deployer.operations.warehouses import target
from deployer.project.config import Environment, Project
from deployer.project.zero_etl_aws import AURORA_MYSQL, AwsZeroEtl
from deployer.sql.names import quote_ident
from deployer.warehouse import landing
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session

CATCH_UP_SECONDS = 60.0
"""How long counts may differ while the source is being written to: what is read is behind it by the lag."""
REFRESH_SECONDS = 3600.0
_METRICS = "AWS/Redshift"
_LOOK_BACK = timedelta(minutes=15)


def status(project: Project, environment: Environment) -> tuple[IntegrationStatus, ...]:
    """Every configured integration. `running`: AWS calls it active."""
    _some(environment)
    aws = _aws(environment)
    namespace = connect.namespace(aws, environment).arn
    with _sessions(project, environment) as (_, admin):
        fed = {row.integration: row for row in landing.landings(admin)} if admin is not None else {}
        listed = listed_tables(admin) if admin is not None else []
    return tuple(
        _status(aws, namespace, one, fed, listed, admin is not None) for one in environment.integrations
    )


def _status(
    aws: Aws,
    namespace: str,
    one: AwsZeroEtl,
    fed: dict[str, landing.Landing],
    listed: Sequence[IntegrationTable],
    is_super: bool,
) -> IntegrationStatus:
    live = integrations.find(aws, integration_stack.source_arn(aws, one), namespace)
    if live is None:
        return IntegrationStatus(
            one.name, one.source, one.landing, False, "absent", None, "", 0, 0, 0,
            "there is no such integration yet: `zeroshift deploy` makes it",
        )  # fmt: skip
    message = "" if live.status == integrations.ACTIVE else integrations.explain(one.name, live)
    if not is_super:
        lag, synced, failed = _metrics(aws, live.id)
        return IntegrationStatus(
            one.name, one.source, one.landing, live.status == integrations.ACTIVE, live.status, lag, "",
            synced, failed, None, message,
        )  # fmt: skip
    row = fed.get(live.id)
    if row is None or not row.database:
        message = message or f"it feeds no database yet: `zeroshift deploy` makes {one.landing}"
    states = [table.state for table in listed if table.landing == one.landing] if row is not None else []
    return IntegrationStatus(
        one.name,
        one.source,
        one.landing,
        live.status == integrations.ACTIVE and row is not None and row.state != "ErrorState",
        live.status if row is None else f"{live.status}, {row.state}",
        row.lag if row is not None else None,
        "",
        states.count("Synced"),
        states.count("Failed"),
        states.count("ResyncRequired") + states.count("ResyncInitiated"),
        message,
    )


def _metrics(aws: Aws, integration: str) -> tuple[int | None, int | None, int | None]:
    """Lag in milliseconds, tables that replicate and that do not, as CloudWatch had them last; None for no value."""
    names = ("IntegrationLag", "IntegrationNumTablesReplicated", "IntegrationNumTablesFailedReplication")
    now = datetime.now(UTC)
    try:
        told = aws.call(
            "cloudwatch",
            "get_metric_data",
            StartTime=now - _LOOK_BACK,
            EndTime=now,
            ScanBy="TimestampDescending",
            MetricDataQueries=[
                {
                    "Id": f"m{number}",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": _METRICS,
                            "MetricName": name,
                            "Dimensions": [{"Name": "IntegrationId", "Value": integration}],
                        },
                        "Period": 60,
                        "Stat": "Maximum",
                    },
                }
                for number, name in enumerate(names)
            ],
        )
    except AwsError as error:
        if "AccessDenied" not in error.code:
            raise
        return None, None, None
    found = {item["Id"]: item.get("Values", []) for item in told.get("MetricDataResults", [])}
    lag, synced, failed = (found.get(f"m{number}", [])[:1] for number in range(3))
    return (
        int(lag[0] * 1000) if lag else None,
        int(synced[0]) if synced else None,
        int(failed[0]) if failed else None,
    )


def tables(project: Project, environment: Environment) -> tuple[IntegrationTable, ...]:
    """The replicated tables of every configured integration. Raises Unavailable without a superuser."""
    _some(environment)
    landings = {one.landing for one in environment.integrations}
    with _sessions(project, environment) as (_, admin):
        found = listed_tables(landing_plan.need(admin, environment, "listing the tables of an integration"))
    return tuple(table for table in found if table.landing in landings)


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
    """As of a local environment: copy tables anew and wait. The statement's own error may be empty on AWS: what is
    wrong with a table stands in its reason."""
    if sum([bool(names), everything, failed]) != 1:
        raise UsageError("name the tables to refresh as schema.table, or say --failed or --all")
    one = _one(environment, integration)
    places = {place(name) for name in names}
    listed = ", ".join(f"{quote_ident(schema)}.{quote_ident(table)}" for schema, table in sorted(places))
    what = "all tables" if everything else "inerror tables" if failed else f"table {listed}"
    with _sessions(project, environment) as (_, session):
        admin = landing_plan.need(session, environment, "refreshing tables of an integration")
        before = {(t.schema, t.table): t for t in listed_tables(admin) if t.landing == one.landing}
        unknown = sorted(places - set(before))
        if unknown:
            raise UsageError(
                f"{one.landing} has no table {'.'.join(unknown[0])}; `zeroshift integration tables --env"
                f" {environment.name}` lists them"
            )
        meant = {
            key
            for key, table in before.items()
            if (everything and table.state not in GONE)
            or (failed and table.state in ("Failed", "ResyncRequired"))
            or key in places
        }
        if not meant:
            return ()
        # DG "ALTER DATABASE": not said whether it may stand in a transaction block, so it does not.
        statement = f"alter database {quote_ident(one.landing)} integration refresh {what}"
        retrying(lambda: admin.execute(statement), pauses=REFRESH_PAUSES)
        return _refreshed(admin, one, before, meant, progress, _pause(environment))


def _refreshed(
    admin: Session,
    one: AwsZeroEtl,
    before: dict[tuple[str, str], IntegrationTable],
    meant: set[tuple[str, str]],
    progress: Progress,
    pause: float,
) -> tuple[IntegrationTable, ...]:
    """The tables, once each has been touched and none is being copied any more."""
    say, deadline = changes_of(progress), time.monotonic() + REFRESH_SECONDS
    while True:
        now = [t for t in listed_tables(admin) if t.landing == one.landing and (t.schema, t.table) in meant]
        # Right after the statement a table may still show what it was before it.
        waiting = [
            t
            for t in now
            if t.state == "ResyncInitiated"
            or (t.state, t.changed_at)
            == (before[t.schema, t.table].state, before[t.schema, t.table].changed_at)
        ]
        if not waiting:
            return tuple(now)
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{len(waiting)} of {len(meant)} tables are not copied after an hour; `zeroshift integration tables`"
                " says how they stand"
            )
        say(f"copying {len(waiting)} of {len(meant)} tables")
        time.sleep(pause)


def reconcile(
    project: Project,
    environment: Environment,
    *,
    integration: str | None = None,
    threshold: int = 0,
    progress: Progress = silent,
) -> tuple[Difference, ...]:
    """Count the present rows of every table in the source and in landing; what differs is counted again for a minute.
    Tables that only the source has are told, too, without a state.

    "Synced" is not proof of data. Landing is behind the source by the lag, so a source that is being written to needs
    a `threshold`. Raises UsageError without the key 'connection', Unavailable without a superuser.
    """
    one = _one(environment, integration)
    if one.connection is None:
        raise UsageError(
            f"zeroshift.toml:{one.line}: [env.{environment.name}.zero_etl.{one.name}] lacks the key 'connection', the"
            " source's own address, over which its rows are counted"
        )
    with _sessions(project, environment) as (_, session), source_database.opened(project, one) as source:
        admin = landing_plan.need(session, environment, "listing the tables of an integration")
        found: dict[tuple[str, str], Difference] = {}
        left = [t for t in listed_tables(admin) if t.landing == one.landing and t.state not in GONE]
        history = _with_history(admin, one)
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while left:
            progress(f"counting {len(left)} tables")
            for table in left:
                key = table.schema, table.table
                found[key] = _difference(source, admin, one, table, key in history)
            left = [t for t in left if t.state == "Synced" and found[t.schema, t.table].apart > threshold]
            if time.monotonic() > deadline:
                break
            if left:
                time.sleep(_pause(environment))
        known = {(t.schema, t.table) for t in listed_tables(admin) if t.landing == one.landing}
        for schema, name in source_database.tables(source, one).keys() - known:
            found[schema, name] = Difference(schema, name, "", _count(source, one, schema, name), None)
        return tuple(found[key] for key in sorted(found))


def _difference(
    source: source_database.Source, admin: Session, one: AwsZeroEtl, table: IntegrationTable, history: bool
) -> Difference:
    # The source first: what is written after it can only make landing the fuller one for a moment.
    there = _count(source, one, table.schema, table.table)
    here: int | None = None
    if table.state == "Synced":
        name = ".".join(quote_ident(part) for part in (one.landing, table.schema, table.table))
        # Active versions: how _record_delete_time of one reads is not documented.
        active = " where _record_is_active" if history else ""
        try:
            here = int(admin.execute(f"select count(*) from {name}{active}").rows[0][0])
        except StatementFailed:
            # It may be copied anew by now, and not be queried, or be gone.
            key = table.landing, table.schema, table.table
            state = next((t.state for t in listed_tables(admin) if (t.landing, t.schema, t.table) == key), "")
            if state == table.state:
                raise
            return Difference(table.schema, table.table, state, there, None)
    return Difference(table.schema, table.table, table.state, there, here)


def _count(source: source_database.Source, one: AwsZeroEtl, schema: str, name: str) -> int:
    """The rows of a table of the source."""
    quote = _mysql_name if one.engine == AURORA_MYSQL else quote_ident
    ((rows,),) = source.rows(f"select count(*) from {quote(schema)}.{quote(name)}")
    return int(rows)


def _mysql_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _with_history(admin: Session, one: AwsZeroEtl) -> set[tuple[str, str]]:
    rows = admin.execute(
        "select trim(schema_name), trim(table_name) from svv_integration_table_state"
        " where trim(target_database) = %s and is_history_mode",
        (one.landing,),
    ).rows
    return {(str(row[0]), str(row[1])) for row in rows}


@contextmanager
def _sessions(project: Project, environment: Environment) -> Iterator[tuple[Session, Session | None]]:
    """The deployer's session, and a superuser's where there is one."""
    with (
        Session(target(project, environment)) as own,
        landing_plan.administrator(environment, own) as admin,
    ):
        yield own, admin


def _one(environment: Environment, name: str | None) -> AwsZeroEtl:
    """The integration called `name`, or the only one."""
    _some(environment)
    if name is None and len(environment.integrations) == 1:
        return environment.integrations[0]
    if name is None:
        there = ", ".join(one.name for one in environment.integrations)
        raise UsageError(f"say which integration is meant, --integration: {there}")
    return chosen(environment, name)


def _some(environment: Environment) -> None:
    if not environment.integrations:
        raise UsageError(
            f"environment {environment.name} has no integrations: zeroshift.toml has no"
            f" [env.{environment.name}.zero_etl.<name>]"
        )


def _aws(environment: Environment) -> Aws:
    assert environment.remote is not None
    return Aws(environment.remote)


def _pause(environment: Environment) -> float:
    """Seconds between two looks at the warehouse; the local AWS's warehouse answers at once."""
    return 0.2 if _aws(environment).is_local("rds") else 5.0
