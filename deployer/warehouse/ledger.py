"""What was deployed: one row for each repeatable object, in the deployer's own schema.

Redshift enforces no keys, so every writer deletes before it inserts, inside the deployment's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from deployer.errors import StatementFailed
from deployer.warehouse.session import Session

SCHEMA = "zeroshift_deploy"
VERSION_TABLE = "migrations"

_CREATE = (
    f"create schema if not exists {SCHEMA}",
    f"""\
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
    f"""\
create table if not exists {SCHEMA}.lease (
    token varchar(64) not null,
    owner varchar(256) not null,
    host varchar(256) not null,
    process_id integer not null,
    acquired_at timestamp not null,
    expires_at timestamp not null
) diststyle all""",
    # Alembic's own table: created here, because Alembic would create it without saying how to distribute it.
    f"""\
create table if not exists {SCHEMA}.{VERSION_TABLE} (
    version_num varchar(128) not null
) diststyle all""",
)

_COLUMNS = "kind, name, signature, path, checksum, late_binding, depends_on"


@dataclass(frozen=True)
class Deployed:
    """An object as it was deployed last. `depends_on`: the names of project objects that it then used."""

    kind: str
    name: str
    signature: str
    path: str
    checksum: str
    late_binding: bool
    depends_on: tuple[str, ...]


def exists(session: Session) -> bool:
    """Whether anything was ever deployed into this warehouse."""
    found = session.execute(
        "select count(*) from information_schema.tables where table_schema = %s and table_name = 'objects'",
        (SCHEMA,),
    )
    return bool(found.rows[0][0])


def ensure(session: Session) -> None:
    """Create the deployer's schema and tables where they are missing."""
    if exists(session):
        return
    for statement in _CREATE:
        try:
            session.execute(statement)
        except StatementFailed as error:
            # Two first deployments at once: "if not exists" does not wait, so one of them finds a duplicate.
            if error.sqlstate not in ("23505", "42P06", "42P07"):
                raise


def read(session: Session) -> dict[str, Deployed]:
    """Everything deployed, by kind and name: {"view presentation.x": Deployed, ...}."""
    found = session.execute(f"select {_COLUMNS} from {SCHEMA}.objects")
    result = {}
    for kind, name, signature, path, checksum, late_binding, depends_on in found.rows:
        result[f"{kind} {name}"] = Deployed(
            kind, name, signature, path, checksum, bool(late_binding), tuple(json.loads(depends_on))
        )
    return result


def record(
    session: Session, objects: Iterable[Deployed], *, deployed_by: str, git_commit: str | None
) -> None:
    """Write down `objects` in place of what was known of them; runs in the caller's transaction."""
    for item in objects:
        forget(session, item.kind, item.name)
        session.execute(
            f"insert into {SCHEMA}.objects ({_COLUMNS}, deployed_at, deployed_by, git_commit)"
            " values (%s, %s, %s, %s, %s, %s, %s, getdate(), %s, %s)",
            (
                item.kind,
                item.name,
                item.signature,
                item.path,
                item.checksum,
                item.late_binding,
                json.dumps(list(item.depends_on)),
                deployed_by,
                git_commit,
            ),
        )


def forget(session: Session, kind: str, name: str) -> None:
    """Delete what is known of one object; runs in the caller's transaction."""
    session.execute(f"delete from {SCHEMA}.objects where kind = %s and name = %s", (kind, name))


def migration_heads(session: Session) -> tuple[str, ...]:
    """The migrations that the warehouse stands at: none before the first, one afterwards."""
    found = session.execute(f"select version_num from {SCHEMA}.{VERSION_TABLE} order by version_num")
    return tuple(row[0] for row in found.rows)
