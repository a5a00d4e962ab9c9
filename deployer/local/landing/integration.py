"""The landing database and its integration: the objects that zero-ETL makes, in the local engine.

A landing table `rental_landing.rental.bookings` is the PostgreSQL table "rental_landing.rental".bookings.
Users may only read it; the rows in schema zeroshift are what SVV_INTEGRATION and its kin show.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from deployer.errors import LeaseHeld, Unavailable, UsageError
from deployer.local.landing.tables import LANDING_DATABASE, LANDING_SCHEMA, SOURCE_DATABASE, TABLES, Table

SCHEMA = f"{LANDING_DATABASE}.{LANDING_SCHEMA}"
"""The PostgreSQL schema that stands for the landing database and its one schema."""

INTEGRATION_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, SCHEMA))
"""The same in every local environment, so that printed output can be compared. A landing database that was made FROM
INTEGRATION keeps its own."""

HISTORY_COLUMNS = ("_record_is_active", "_record_create_time", "_record_delete_time")

_LOCK = 0x5A53_4C4F_4144  # "ZSLOAD": one writer of landing tables at a time
_LOCK_WAIT = "30s"
_BRIN_PAGES = 16

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Checkpoint:
    """One commit of the source: its number, and the instant that its changes carry (UTC, without zone)."""

    txn_seq: int
    at: datetime

    @property
    def name(self) -> str:
        """As SVV_INTEGRATION.last_replicated_checkpoint writes it."""
        return json.dumps({"txn_seq": self.txn_seq, "txn_id": self.txn_seq}, separators=(",", ":"))


def landing_table(table: Table) -> sql.Composed:
    """The table's name in PostgreSQL, quoted."""
    return sql.SQL("{}.{}").format(sql.Identifier(SCHEMA), sql.Identifier(table.name))


def _zone_map(table: Table) -> str:
    """The name of the table's BRIN index on its record times."""
    return f"{table.name}_record_times"


@contextmanager
def writing(engine_dsn: str) -> Iterator[Connection]:
    """A connection in one transaction that is the only writer of landing tables; commits at the end.

    Another writer is waited for, half a minute long: a killed one needs a moment to vanish. Raises LeaseHeld
    after that, and Unavailable when the engine cannot be reached or goes away.
    """
    try:
        with psycopg.connect(engine_dsn, autocommit=True, application_name="zeroshift load") as connection:
            # Nothing of the database's own settings may change what a value means, or end a long load.
            connection.execute(
                "select set_config(name, value, false) from (values"
                " ('search_path', 'pg_catalog'), ('datestyle', 'ISO, YMD'), ('timezone', 'UTC'),"
                " ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), ('lock_timeout',"
                " %s),"
                " ('work_mem', '128MB'), ('temp_buffers', '32MB'), ('jit', 'off'), ('client_min_messages',"
                " 'warning'),"
                " ('client_connection_check_interval', '1s')) as s (name, value)",
                (_LOCK_WAIT,),
            )
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            with connection.transaction():
                connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
                yield connection
    except psycopg.errors.LockNotAvailable:
        raise LeaseHeld(
            "another load has been writing the landing tables for half a minute; repeat when it has ended"
        ) from None
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"the local engine cannot be reached or went away ({_first_line(error)}); nothing was loaded;"
            " start it with `zeroshift local up` and repeat"
        ) from None
    except psycopg.Error as error:
        raise Unavailable(
            f"the local engine refused to load: {_first_line(error)}; nothing was loaded"
        ) from None


def ensure(connection: Connection, *, created: datetime | None = None) -> None:
    """Make the landing tables and the integration's rows where they are missing. Does not commit.

    Raises UsageError where replication from a real source feeds that database.

    Sort keys are not replicated by zero-ETL; both record times have zone maps on Redshift, hence a BRIN index.
    One for both: PostgreSQL knows no order of the delete times alone, which are mostly NULL, and would rather
    read the whole table than use an index on them. `created` is the integration's creation time (default: now).
    """
    if _is_complete(connection):
        return
    script = resources.files("deployer.local") / "compat" / "020_integrations.sql"
    connection.execute(sql.SQL(script.read_text(encoding="utf-8")))
    other = connection.execute(
        "select from_aws, is_history_mode from zeroshift.integrations"
        " where target_database = %s and integration_id <> %s",
        (LANDING_DATABASE, INTEGRATION_ID),
    ).fetchone()
    if other is not None and not other[0]:
        raise UsageError(
            f"the landing database {LANDING_DATABASE} is fed by replication (zero_etl in zeroshift.toml), and takes no"
            " snapshots; change the source itself"
        )
    if other is not None and not other[1]:
        raise UsageError(
            f"the landing database {LANDING_DATABASE} was made without history mode, which snapshots are loaded in: run"
            f" ALTER DATABASE {LANDING_DATABASE} INTEGRATION SET HISTORY_MODE TRUE, and repeat"
        )
    schema = sql.Identifier(SCHEMA)
    connection.execute(sql.SQL("create schema if not exists {}").format(schema))
    for table in TABLES:
        columns = [
            sql.SQL("{} {}{}").format(
                sql.Identifier(column.name),
                sql.SQL(column.landing_type),
                sql.SQL(" not null" if column.name in table.key else ""),
            )
            for column in table.columns
        ]
        connection.execute(
            sql.SQL(
                "create table if not exists {} ({}, _record_is_active boolean not null,"
                " _record_create_time timestamp not null, _record_delete_time timestamp)"
            ).format(landing_table(table), sql.SQL(", ").join(columns))
        )
        connection.execute(
            sql.SQL("create index if not exists {} on {} using brin ({}) with (pages_per_range = {})").format(
                sql.Identifier(_zone_map(table)),
                landing_table(table),
                sql.SQL(", ").join(map(sql.Identifier, HISTORY_COLUMNS[1:])),
                sql.Literal(_BRIN_PAGES),
            )
        )
    connection.execute(
        "insert into zeroshift.integrations (integration_id, target_database, source, source_database, state,"
        " is_history_mode, creation_time) values (%s, %s, 'MySQL', %s, 'CdcRefreshState', true, %s)"
        " on conflict do nothing",
        (
            INTEGRATION_ID,
            LANDING_DATABASE,
            SOURCE_DATABASE,
            created or datetime.now(UTC).replace(tzinfo=None),
        ),
    )
    for table in TABLES:
        connection.execute(
            "insert into zeroshift.integration_tables (integration_id, schema_name, table_name, table_state,"
            " is_history_mode) values (%s, %s, %s, 'Synced', true) on conflict do nothing",
            (identifier(connection), LANDING_SCHEMA, table.name),
        )
    _grant(connection)


def identifier(connection: Connection) -> str:
    """The id of the integration that the landing database belongs to."""
    found = connection.execute(
        "select integration_id from zeroshift.integrations where target_database = %s and from_aws",
        (LANDING_DATABASE,),
    ).fetchone()
    return str(found[0]) if found else INTEGRATION_ID


def begin_commit(connection: Connection, at: datetime) -> Checkpoint:
    """The next commit of the source, at instant `at`.

    Raises UsageError when that precedes the last one: history only ever goes on.
    """
    naive = utc(at)
    found = connection.execute(
        "select last_applied_at, txn_seq from zeroshift.integrations where integration_id = %s",
        (identifier(connection),),
    ).fetchone()
    assert found is not None  # ensure() made it
    last, txn_seq = found
    if last is not None and naive < last:
        raise UsageError(
            f"{_iso(naive)} precedes the last load, which was as of {_iso(last)}; history cannot be changed"
            " afterwards"
        )
    return Checkpoint(txn_seq + 1, naive)


def end_commit(connection: Connection, checkpoint: Checkpoint) -> None:
    """Record that the source stands at the checkpoint. Does not commit."""
    connection.execute(
        "update zeroshift.integrations set last_applied_at = %s, txn_seq = %s, state = 'CdcRefreshState'"
        " where integration_id = %s",
        (checkpoint.at, checkpoint.txn_seq, identifier(connection)),
    )


def record_activity(
    connection: Connection,
    table: Table,
    checkpoint: Checkpoint,
    *,
    snapshot: bool,
    inserted: int,
    updated: int,
    deleted: int,
    started: datetime,
) -> None:
    """Record what a commit did to a table, and that the table is in sync. Does not commit.

    `snapshot` means that the table was copied whole, which begins a new epoch.
    """
    connection.execute(
        sql.SQL(
            "update zeroshift.integration_tables set table_state = 'Synced', reason = '',"
            " last_updated_timestamp = %s,"
            " txn_seq = %s, table_rows = case when %s then 0 else table_rows end + %s,"
            " copied_at = case when %s then %s else copied_at end"
            " where integration_id = %s and schema_name = %s and table_name = %s"
        ),
        (
            checkpoint.at,
            checkpoint.txn_seq,
            snapshot,
            inserted + updated,
            snapshot,
            checkpoint.at,
            identifier(connection),
            LANDING_SCHEMA,
            table.name,
        ),
    )
    connection.execute(
        "insert into zeroshift.integration_activity (integration_id, schema_name, table_name, txn_seq,"
        " checkpoint_type, record_time, inserted_rows, updated_rows, deleted_rows, started_at, ended_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            identifier(connection),
            LANDING_SCHEMA,
            table.name,
            checkpoint.txn_seq,
            "snapshot" if snapshot else "cdc",
            checkpoint.at,
            inserted,
            updated,
            deleted,
            started,
            datetime.now(UTC).replace(tzinfo=None),
        ),
    )


def refresh_statistics(connection: Connection, table: Table, *, analyze: bool) -> None:
    """Summarise the new pages in the BRIN indexes, as Redshift keeps zone maps at write time.

    `analyze` too when much is new, as Redshift does by itself.
    """
    index = sql.SQL("{}.{}").format(sql.Identifier(SCHEMA), sql.Identifier(_zone_map(table)))
    connection.execute("select brin_summarize_new_values(%s::regclass)", (index.as_string(connection),))
    if analyze:
        connection.execute(sql.SQL("analyze {}").format(landing_table(table)))


def utc(at: datetime) -> datetime:
    """The instant in UTC, without a zone; one without a zone is UTC already."""
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def _grant(connection: Connection) -> None:
    """Let `admin` read the landing database, and let it pass that on. Nobody may write."""
    if connection.execute("select from pg_roles where rolname = 'admin'").fetchone() is None:
        return
    schema = sql.Identifier(SCHEMA)
    connection.execute(sql.SQL("grant usage on schema {} to admin with grant option").format(schema))
    connection.execute(
        sql.SQL("grant select on all tables in schema {} to admin with grant option").format(schema)
    )


def _is_complete(connection: Connection) -> bool:
    """Whether `ensure` has nothing to do, so that an ordinary load takes no lock on anything but its rows."""
    if connection.execute("select to_regclass('zeroshift.integration_activity')").fetchone() == (None,):
        return False
    found = connection.execute(
        "select count(*) from zeroshift.integration_tables as t"
        " join pg_class as c on c.relname = t.table_name and c.relkind = 'r'"
        " join pg_namespace as n on n.oid = c.relnamespace and n.nspname = %s"
        " where t.integration_id = %s and not exists (select from pg_roles as r where r.rolname = 'admin'"
        " and not has_table_privilege(r.oid, c.oid, 'select with grant option'))",
        (SCHEMA, identifier(connection)),
    ).fetchone()
    return found == (len(TABLES),)


def _iso(instant: datetime) -> str:
    return instant.isoformat(sep=" ")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
