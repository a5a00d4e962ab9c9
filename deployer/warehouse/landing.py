"""Landing databases: CREATE and ALTER DATABASE ... INTEGRATION, and what the warehouse tells of an integration.

DG "CREATE DATABASE", "ALTER DATABASE", "SVV_INTEGRATION". CREATE DATABASE cannot run in a transaction block; whether
ALTER DATABASE ... INTEGRATION may is not documented, so it does not either. Creating takes a superuser, and so does
reading SVV_INTEGRATION; its character columns are blank-padded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.sql.names import quote_ident, quote_literal
from deployer.warehouse.session import Session

REFRESH_INTERVAL, HISTORY_MODE = "refresh_interval", "history_mode"
TRUNCATECOLUMNS, ACCEPTINVCHARS = "truncatecolumns", "acceptinvchars"
QUERY_ALL_STATES = "query_all_states"
SETTINGS = (QUERY_ALL_STATES, ACCEPTINVCHARS, REFRESH_INTERVAL, TRUNCATECOLUMNS, HISTORY_MODE)
"""In the order of the statement's syntax."""

Settings = Mapping[str, str]
"""The value of each of SETTINGS as it is kept: "true", "false", or seconds."""


@dataclass(frozen=True)
class Landing:
    """A row of SVV_INTEGRATION: which database an integration feeds, and how. `lag` is in milliseconds."""

    integration: str
    database: str
    state: str
    lag: int | None
    refresh_interval: str
    history_mode: str


def create_statement(landing: str, integration: str, source_database: str, settings: Settings) -> str:
    """The CREATE DATABASE for an active integration, with its settings in force from the first row on.

    The syntax shows the source database between single quotes, all examples an identifier: the examples were run.
    """
    source = f" database {quote_ident(source_database)}" if source_database else ""
    return (
        f"create database {quote_ident(landing)} from integration {quote_literal(integration)}{source}"
        f" set {' '.join(_clause(name, settings[name]) for name in SETTINGS)}"
    )


def alter_statement(landing: str, name: str, value: str) -> str:
    """The ALTER DATABASE for one changed setting."""
    return f"alter database {quote_ident(landing)} integration set {_clause(name, value)}"


def drop_statement(landing: str) -> str:
    """The DROP DATABASE, for an integration that was deleted."""
    return f"drop database {quote_ident(landing)}"


def _clause(name: str, value: str) -> str:
    if name == REFRESH_INTERVAL:
        return f"{name} {int(value)}"
    return f"{name} = {value}"


def databases(session: Session) -> frozenset[str]:
    """All databases of the warehouse. SVV_REDSHIFT_DATABASES would show an ordinary user only its own."""
    return frozenset(
        str(row[0]) for row in session.execute("select trim(datname) from pg_catalog.pg_database").rows
    ) | frozenset(
        str(row[0]) for row in session.execute("select trim(database_name) from svv_redshift_databases").rows
    )


def is_superuser(session: Session) -> bool:
    """Whether the session's user may create landing databases and see SVV_INTEGRATION."""
    rows = session.execute("select usesuper from pg_catalog.pg_user where usename = current_user").rows
    return bool(rows and rows[0][0])


def landings(session: Session) -> tuple[Landing, ...]:
    """What SVV_INTEGRATION shows, as a superuser."""
    rows = session.execute(
        "select trim(integration_id), trim(target_database), trim(state), current_lag, refresh_interval,"
        " is_history_mode from svv_integration order by 1"
    ).rows
    return tuple(
        Landing(
            str(row[0]),
            str(row[1] or ""),
            str(row[2] or ""),
            None if row[3] is None else int(str(row[3])),
            "" if row[4] is None else str(row[4]),
            "" if row[5] is None else ("true" if row[5] else "false"),
        )
        for row in rows
    )


def unsynced(session: Session, database: str) -> tuple[tuple[str, str], ...]:
    """The tables of a landing database that history mode cannot be turned on or off for, and their states: it can be
    "only for tables in the Synced state" (Redshift Management Guide, "Considerations"). Needs a superuser.
    """
    rows = session.execute(
        "select trim(schema_name), trim(table_name), trim(table_state) from svv_integration_table_state"
        " where trim(target_database) = %s and trim(table_state) not in ('Synced', 'DroppedSource') order by 1, 2",
        (database,),
    ).rows
    return tuple((f"{row[0]}.{row[1]}", str(row[2])) for row in rows)
