"""The demo's source as a real server: its history written to it, replicated, and changed while one looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.errors import Unavailable, Unsafe, UsageError
from deployer.operations import replicators
from deployer.operations.local import Loaded, TableLoad
from deployer.operations.metrics import last_week
from deployer.operations.progress import Progress
from deployer.operations.replicators import DEMO_INTEGRATION, local_source
from deployer.project.config import Environment, Project
from deployer.project.zero_etl import ZeroEtl
from deployer.warehouse.session import Session

if TYPE_CHECKING:
    from deployer.local.mariadb.server import LocalSource
    from deployer.local.marketplace.model import Snapshot

FILES, MARIADB = "files", "mariadb"
SOURCES = (FILES, MARIADB)

_MARK = "demo.json"
_SECONDS = 300.0
_BOOKING_ID = 9_999_999_999
_PRICE = 50_000
_REVENUE = """\
select revenue_rank, bookings, revenue_usd from presentation.top_performing_listings_weekly
where week_start = %s and apartment_id = %s"""


@dataclass(frozen=True)
class LiveChange:
    """A change at the source and how it reached a metric: a listing's revenue in the last complete week.

    `landed` is the seconds from the commit at the source until the landing database showed it, `shown` until the
    metric did, the run included. `rank`, `bookings` and `revenue_usd` are the metric then.
    """

    what: str
    landed: float
    shown: float
    rank: int | None
    bookings: int
    revenue_usd: object


def integration(environment: Environment, source: str) -> ZeroEtl | None:
    """What the demo replicates, None when it loads files. Raises UsageError where zeroshift.toml says otherwise."""
    there = [each for each in environment.zero_etl if each.landing == DEMO_INTEGRATION.landing]
    if source == MARIADB and environment.zero_etl:
        if len(environment.zero_etl) == 1 and there and there[0].is_local and there[0].history_mode:
            return there[0]
    elif source == MARIADB:
        return DEMO_INTEGRATION
    elif not there:
        return None
    raise UsageError(
        f"environment {environment.name} replicates another source into {DEMO_INTEGRATION.landing}, which the demo"
        f' feeds itself; use a project without [env.{environment.name}.zero_etl], or with source = "local" in'
        " history mode and `zeroshift demo --source mariadb`"
    )


def check(project: Project) -> LocalSource:
    """The local source, if the demo may empty it. Raises Unsafe when it holds rows of another origin."""
    from deployer.local.mariadb import replay, server

    server.program()
    source = local_source(project)
    if source.directory.exists() and not (source.directory / _MARK).exists():
        if source.status().port is not None:
            source.up()
            if not replay.is_empty(source):
                raise Unsafe(
                    f"the demo writes to a fresh source, but the local source in {source.directory} holds rows of"
                    " another origin; empty it with `zeroshift local source reset --yes`, or set ZEROSHIFT_HOME to"
                    " another directory"
                )
    return source


@contextmanager
def fresh(source: LocalSource) -> Iterator[Any]:
    """The source empty, marked as the demo's, and a connection that may write to it."""
    source.reset()
    source.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (source.directory / _MARK).touch()
    source.up()
    with source.connect() as connection:
        yield connection


def fill(
    project: Project,
    environment: Environment,
    one: ZeroEtl,
    source: LocalSource,
    connection: Any,
    engine_dsn: str,
    snapshots: Sequence[Snapshot],
    progress: Progress,
) -> list[Loaded]:
    """Write the snapshots to the source, the first before replication copies it, the others while it follows.

    Landing has everything at the end. Raises Unavailable when it does not get there.
    """
    from deployer.local.mariadb.replay import Replay, clock

    writer = Replay(connection)

    def write(path: Path, at: datetime) -> Loaded:
        return Loaded(
            at,
            tuple(
                TableLoad(each.table, each.inserted, each.updated, each.deleted, each.unchanged)
                for each in writer.write(path, at)
            ),
            (),
        )

    first, *others = snapshots
    loads = [write(first.path, first.at)]
    progress("replicating MariaDB: the first copy")
    with clock(source, first.at):
        replicators.start(project, environment)
        _catch_up(project, one, engine_dsn)
    for snapshot in others:
        loads.append(write(snapshot.path, snapshot.at))
        if len(loads) % 20 == 0 or len(loads) == len(snapshots):
            progress(f"wrote {len(loads)} of {len(snapshots)} snapshots to MariaDB, up to {snapshot.at}")
    _catch_up(project, one, engine_dsn)
    return loads


def _catch_up(project: Project, one: ZeroEtl, engine_dsn: str) -> None:
    """Wait until landing equals the source in its number of rows, at the source's position."""
    from deployer.local.replication import monitor

    for row in monitor.compare(engine_dsn, replicators.settings(project, one), _SECONDS):
        schema, table, state, source_rows, landing_rows = row
        if source_rows != landing_rows:
            raise Unavailable(
                f"landing has {landing_rows} rows of {schema}.{table} ({state}), the source {source_rows};"
                " `zeroshift integration status` says why"
            )


def change(
    session: Session,
    connection: Any,
    as_of: datetime,
    run: Callable[[datetime], object],
    progress: Progress,
) -> tuple[LiveChange, ...]:
    """Book the last of the week's ten best listings, dearly, and take it back: the metric follows both times.

    `run` runs the pipeline as of an instant. The source's clock goes on from `as_of`.
    """
    from deployer.local.mariadb.replay import set_clock

    week = last_week(as_of)
    found = session.execute(
        "select apartment_id, currency from presentation.top_performing_listings_weekly as t"
        " join rental_landing.rental.apartments as a on a.id = t.apartment_id and a._record_is_active"
        " where t.week_start = %s and a.currency in ('USD', 'EUR', 'GBP') "
        " order by t.revenue_rank desc, t.apartment_id limit 1",
        (week,),
    ).rows
    if not found:
        return ()
    apartment, currency = found[0]
    steps = (
        (
            f"insert a booking of listing {apartment}",
            "insert into rental.bookings (booking_id, user_id, apartment_id, booking_date, checkin_date, checkout_date,"
            " total_price, currency, booking_status, payment_status) values"
            " (%s, 1, %s, %s, %s, %s, %s, %s, 'confirmed', 'paid')",
            (_BOOKING_ID, apartment, week, week, week + timedelta(days=2), _PRICE, currency),
            1,
        ),
        ("delete it again", "delete from rental.bookings where booking_id = %s", (_BOOKING_ID,), 0),
    )
    seen = [LiveChange("before", 0.0, 0.0, *_metric(session, week, apartment))]
    at = as_of
    for what, statement, arguments, rows in steps:
        progress(f"MariaDB: {what}")
        with connection.cursor() as cursor:
            set_clock(cursor, at + timedelta(seconds=30))
            cursor.execute(statement, arguments)
            connection.commit()
        began = time.monotonic()
        while _landed(session) != rows:
            if time.monotonic() - began > _SECONDS:
                raise Unavailable("the change does not land; `zeroshift integration status` says why")
            time.sleep(0.02)
        landed = time.monotonic() - began
        at += timedelta(minutes=1)
        run(at)
        seen.append(LiveChange(what, landed, time.monotonic() - began, *_metric(session, week, apartment)))
    return tuple(seen)


def _landed(session: Session) -> object:
    return session.execute(
        "select count(*) from rental_landing.rental.bookings where booking_id = %s and _record_is_active",
        (_BOOKING_ID,),
    ).rows[0][0]


def _metric(session: Session, week: date, apartment: object) -> tuple[int | None, int, object]:
    rows = session.execute(_REVENUE, (week, apartment)).rows
    return (int(str(rows[0][0])), int(str(rows[0][1])), rows[0][2]) if rows else (None, 0, None)
