"""The ledger's tables, and how those of an older zeroshift are brought up to date."""

from __future__ import annotations

import functools

from deployer.errors import StatementFailed
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session

SCHEMA = "zeroshift_deploy"
VERSION_TABLE = "migrations"

# The first three are what zeroshift 0.1 created; every later table is added beside them, so that a warehouse of that
# time keeps its rows.
_TABLES = {
    "objects": f"""\
create table if not exists {SCHEMA}.objects (
    kind varchar(16) not null,
    name varchar(260) not null,
    signature varchar(8192) not null,
    path varchar(1024) not null,
    checksum varchar(96) not null,
    late_binding boolean not null,
    depends_on varchar(65535) not null,
    deployed_at timestamp not null,
    deployed_by varchar(256) not null,
    git_commit varchar(64)
) diststyle all""",
    "lease": f"""\
create table if not exists {SCHEMA}.lease (
    token varchar(64) not null,
    owner varchar(256) not null,
    host varchar(256) not null,
    process_id integer not null,
    acquired_at timestamp not null,
    expires_at timestamp not null
) diststyle all""",
    # Alembic's form, so that its own commands understand it: one row, the head.
    VERSION_TABLE: f"""\
create table if not exists {SCHEMA}.{VERSION_TABLE} (
    version_num varchar(128) not null
) diststyle all""",
    # One row a deployment that changed something, or tried to.
    "deployments": f"""\
create table if not exists {SCHEMA}.deployments (
    id bigint not null,
    deployed_by varchar(256) not null,
    host varchar(256) not null,
    process_id integer not null,
    git_commit varchar(64),
    started_at timestamp not null,
    finished_at timestamp,
    status varchar(16) not null,
    plan_checksum varchar(96) not null
) diststyle all""",
    # Append-only. What each deployment changed, with the whole text of each file in parts that fit a VARCHAR.
    "history": f"""\
create table if not exists {SCHEMA}.history (
    deployment_id bigint not null,
    action varchar(16) not null,
    kind varchar(16) not null,
    name varchar(260) not null,
    path varchar(1024) not null,
    checksum varchar(96) not null,
    part integer not null,
    text varchar(65535) not null
) diststyle even sortkey (deployment_id)""",
    # What the warehouse made of each object, read back after it was deployed last.
    "definitions": f"""\
create table if not exists {SCHEMA}.definitions (
    kind varchar(16) not null,
    name varchar(260) not null,
    part integer not null,
    text varchar(65535) not null
) diststyle even sortkey (name)""",
    # One row a migration that was applied, with the checksum of its file at that time.
    "applied": f"""\
create table if not exists {SCHEMA}.applied (
    revision varchar(128) not null,
    path varchar(1024) not null,
    checksum varchar(96) not null,
    deployment_id bigint not null,
    applied_at timestamp not null,
    applied_by varchar(256) not null
) diststyle all""",
    # How far a migration has come that cannot run in one transaction. Empty when none is under way.
    "steps": f"""\
create table if not exists {SCHEMA}.steps (
    revision varchar(128) not null,
    checksum varchar(96) not null,
    done integer not null,
    attempted integer not null
) diststyle all""",
    # What deployments have granted because the files in procedures/security declare it, and not revoked since.
    "grants": f"""\
create table if not exists {SCHEMA}.grants (
    grantee_kind varchar(8) not null,
    grantee varchar(128) not null,
    privilege varchar(16) not null,
    kind varchar(32) not null,
    schema_name varchar(128) not null,
    name varchar(128) not null,
    arguments varchar(8192) not null,
    creator varchar(128) not null
) diststyle all""",
    # The security policies that deployments have made from the files in procedures/security: each file's checksum, what
    # stands in it before USING, and what the warehouse made of it.
    "policies": f"""\
create table if not exists {SCHEMA}.policies (
    kind varchar(16) not null,
    name varchar(128) not null,
    checksum varchar(96) not null,
    head varchar(65535) not null,
    live varchar(65535) not null
) diststyle all""",
    # What deployments have set in landing databases, which no view shows.
    "integrations": f"""\
create table if not exists {SCHEMA}.integrations (
    name varchar(64) not null,
    setting varchar(32) not null,
    value varchar(128) not null
) diststyle all""",
}

_COLUMNS = {
    # The holder's session, whose presence proves that it lives.
    ("lease", "session_id"): f"alter table {SCHEMA}.lease add column session_id integer",
}
"""Columns that later versions have added to the tables of 0.1."""

_EXISTS_ALREADY = ("23505", "42P06", "42P07", "42701", "42710")


def missing(session: Session) -> tuple[str, ...]:
    """The ledger's tables, and columns as `table.column`, that this warehouse lacks: all at the first deployment."""
    found = session.execute(
        "select table_name, column_name from information_schema.columns where table_schema = %s", (SCHEMA,)
    )
    columns = {(str(table), str(column)) for table, column in found.rows}
    tables = {table for table, _ in columns}
    return (
        *(name for name in _TABLES if name not in tables),
        *(f"{table}.{column}" for table, column in _COLUMNS if (table, column) not in columns),
    )


def ensure(session: Session) -> tuple[str, ...]:
    """Create the deployer's schema and the tables that are missing; returns which were.

    An older zeroshift's tables stay as they are: its rows are kept.
    """
    lacking = missing(session)
    if not lacking:
        return ()
    statements = [f"create schema if not exists {SCHEMA}"]
    statements += [statement for name, statement in _TABLES.items() if name in lacking]
    statements += [
        statement for (table, column), statement in _COLUMNS.items() if f"{table}.{column}" in lacking
    ]
    for statement in statements:
        create(session, statement)
    return lacking


def create(session: Session, statement: str) -> None:
    """Create what another session may be creating just now: "if not exists" does not wait, so that one of two finds a
    duplicate, or a conflict."""
    try:
        retrying(functools.partial(session.execute, statement))
    except StatementFailed as error:
        if error.sqlstate not in _EXISTS_ALREADY:
            raise
