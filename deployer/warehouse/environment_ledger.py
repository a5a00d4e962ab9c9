"""The list of derived environments in a warehouse, with what each one consists of, in the deployer's own schema.

A row is also the environment's lease: a token and an expiry. It is taken in a short transaction under LOCK, and checked
by the last statement of the long one, so that environments do not wait for one another's copies.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deployer.errors import LeaseHeld, UsageError
from deployer.warehouse import chunks, lease
from deployer.warehouse.ledger_tables import SCHEMA, create
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session

_LIST, _PARTS = f"{SCHEMA}.environments", f"{SCHEMA}.environment_objects"
_LEASE_MINUTES = 60
"""How long a deployment of an environment may take: its copies run in one transaction, which cannot renew it."""

_TABLES = {
    # One row an environment. deployed_at is NULL until its first deployment has been committed.
    "environments": f"""\
create table if not exists {_LIST} (
    name varchar(128) not null,
    suffix varchar(64) not null,
    owner varchar(256) not null,
    host varchar(256) not null,
    process_id integer not null,
    git_commit varchar(64),
    checksum varchar(96) not null,
    deployed_at timestamp,
    expires_at timestamp,
    token varchar(64),
    lease_expires_at timestamp
) diststyle all""",
    # Everything in its schemas, in the order in which it was created.
    "environment_objects": f"""\
create table if not exists {_PARTS} (
    environment varchar(128) not null,
    position integer not null,
    kind varchar(16) not null,
    schema_name varchar(128) not null,
    name varchar(128) not null,
    signature varchar(8192) not null,
    is_own boolean not null
) diststyle all""",
}


@dataclass(frozen=True)
class Part:
    """One thing in an environment. `kind` is schema, table, view or procedure; `name` is empty for a schema.

    `is_own`: a copy of its own; else a view of what the base environment has.
    """

    kind: str
    schema: str
    name: str = ""
    signature: str = ""
    is_own: bool = True


@dataclass(frozen=True)
class Listed:
    """An environment as the list has it. Times are the warehouse's, UTC."""

    name: str
    suffix: str
    owner: str
    git_commit: str | None
    checksum: str
    deployed_at: datetime | None
    expires_at: datetime | None
    expired: bool


def ensure(session: Session) -> None:
    """Create the tables that are missing."""
    found = session.execute(
        "select table_name from information_schema.tables where table_schema = %s", (SCHEMA,)
    )
    there = {str(row[0]) for row in found.rows}
    for name, statement in _TABLES.items():
        if name not in there:
            create(session, statement)


def read(session: Session) -> tuple[Listed, ...]:
    """All environments by name; none before the first one."""
    found = session.execute(
        "select count(*) from information_schema.tables where table_schema = %s and table_name = 'environments'",
        (SCHEMA,),
    )
    if not found.rows[0][0]:
        return ()
    found = session.execute(
        "select name, suffix, owner, git_commit, checksum, deployed_at, expires_at,"
        f" coalesce(expires_at <= getdate(), false) from {_LIST} order by name"
    )
    return tuple(
        Listed(name, suffix, owner, commit, checksum, deployed_at, expires_at, bool(expired))
        for name, suffix, owner, commit, checksum, deployed_at, expires_at, expired in found.rows
    )


def abandoned(session: Session) -> tuple[tuple[str, str], ...]:
    """Environments with a lease that nobody will give back: (name, who had it)."""
    if not read(session):
        return ()
    found = session.execute(
        f"select name, owner, host, process_id, lease_expires_at <= getdate() from {_LIST}"
        " where token is not null order by name"
    )
    return tuple(
        (str(name), f"{who} on {host} (process {process})")
        for name, who, host, process, expired in found.rows
        if expired or _is_dead(host, process)
    )


def parts(session: Session, name: str) -> tuple[Part, ...]:
    """What an environment consists of, in the order in which it was created."""
    found = session.execute(
        f"select kind, schema_name, name, signature, is_own from {_PARTS} where environment = %s order by position",
        (name,),
    )
    return tuple(
        Part(kind, schema, part, signature, bool(own)) for kind, schema, part, signature, own in found.rows
    )


def acquire(session: Session, name: str, suffix: str, git_commit: str | None) -> str:
    """Take an environment's lease, listing it when it is new; returns the token.

    Raises LeaseHeld while somebody else deploys or drops it, UsageError when another name has its suffix.
    """
    token = uuid.uuid4().hex

    def take() -> None:
        with session.transaction():
            session.execute(f"lock table {_LIST}")
            found = session.execute(
                "select name, owner, host, process_id, token is not null and lease_expires_at > getdate()"
                f" from {_LIST} where name = %s or suffix = %s",
                (name, suffix),
            )
            for other, who, host, process, held in found.rows:
                if other != name:
                    raise UsageError(
                        f"the environment {other} has the schemas of {name} already (suffix {suffix});"
                        " choose another name"
                    )
                if held and not _is_dead(host, process):
                    raise LeaseHeld(
                        f"{who} on {host} (process {process}) is deploying or dropping {name}; wait for it, and repeat"
                    )
            if not found.rows:
                session.execute(
                    f"insert into {_LIST} (name, suffix, owner, host, process_id, git_commit, checksum)"
                    " values (%s, %s, %s, %s, %s, %s, '')",
                    (name, suffix, lease.owner(), socket.gethostname(), os.getpid(), git_commit),
                )
            session.execute(
                f"update {_LIST} set token = %s, owner = %s, host = %s, process_id = %s,"
                f" lease_expires_at = dateadd(minute, {_LEASE_MINUTES}, getdate()) where name = %s",
                (token, lease.owner(), socket.gethostname(), os.getpid(), name),
            )

    retrying(take)
    return token


def release(session: Session, name: str, token: str) -> None:
    """Give the lease back; an environment that was never deployed leaves the list."""

    def give() -> None:
        with session.transaction():
            session.execute(
                f"delete from {_LIST} where name = %s and token = %s and deployed_at is null", (name, token)
            )
            session.execute(
                f"update {_LIST} set token = null, lease_expires_at = null where name = %s and token = %s",
                (name, token),
            )

    retrying(give)


def record(
    session: Session,
    name: str,
    token: str,
    there: Sequence[Part],
    *,
    checksum: str,
    git_commit: str | None,
    hours: int,
) -> None:
    """Write down what an environment now consists of; the last statements of the transaction that made it.

    Raises LeaseHeld when somebody has taken the lease over: the transaction must then not be committed.
    """
    session.execute(f"delete from {_PARTS} where environment = %s", (name,))
    rows = [
        (name, position, part.kind, part.schema, part.name, part.signature, part.is_own)
        for position, part in enumerate(there)
    ]
    chunks.insert(session, _PARTS, "environment, position, kind, schema_name, name, signature, is_own", rows)
    _check(
        session.execute(
            f"update {_LIST} set checksum = %s, git_commit = %s, deployed_at = getdate(),"
            f" expires_at = dateadd(hour, {int(hours)}, getdate()) where name = %s and token = %s",
            (checksum, git_commit, name, token),
        ).row_count,
        name,
    )


def extend(session: Session, name: str, token: str, hours: int) -> None:
    """Let an environment live on, from now. Raises LeaseHeld as `record` does."""
    _check(
        session.execute(
            f"update {_LIST} set expires_at = dateadd(hour, {int(hours)}, getdate()) where name = %s and token = %s",
            (name, token),
        ).row_count,
        name,
    )


def forget(session: Session, name: str, token: str) -> None:
    """Take an environment off the list, in the transaction that drops it. Raises LeaseHeld as `record` does."""
    session.execute(f"delete from {_PARTS} where environment = %s", (name,))
    _check(
        session.execute(f"delete from {_LIST} where name = %s and token = %s", (name, token)).row_count, name
    )


def _is_dead(host: str, process_id: int) -> bool:
    """Whether the process that held a lease is proved to be gone: it ran here and does not any more."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _check(rows: int, name: str) -> None:
    if rows != 1:
        raise LeaseHeld(f"somebody has taken over {name} meanwhile; nothing was changed, repeat it")
