"""The deployment lease: two deployments into one warehouse exclude each other.

Redshift has neither advisory locks nor enforced keys. A lease is one row with an owner, a token and an
expiry, taken under LOCK as the first statement of a short transaction, and renewed by an UPDATE inside
every later transaction of the deployment: no row updated means that somebody took over, and then that
transaction must not commit. The same UPDATE holds a write lock, so that nobody can take over before it
commits.
"""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from dataclasses import dataclass

from deployer.errors import LeaseHeld
from deployer.warehouse.ledger import SCHEMA
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session

MINUTES = 15
"""How long a lease lives without being renewed: longer than any single transaction should take."""

_TABLE = f"{SCHEMA}.lease"


@dataclass(frozen=True)
class Lease:
    """A lease that we hold. `renew_sql` is for whoever writes through another client than Session
    (Alembic).
    """

    token: str

    @property
    def renew_sql(self) -> str:
        # The token is our own hexadecimal text: nothing in it needs quoting.
        return (
            f"update {_TABLE} set expires_at = dateadd(minute, {MINUTES}, getdate())"
            f" where token = '{self.token}'"
        )


def acquire(session: Session) -> Lease:
    """Take the lease; raises LeaseHeld with owner and time when somebody else has it."""
    # Read before locking: a deployment that is at work holds a lock on the row, and we want to say so, not
    # to wait.
    _refuse_if_held(session)
    lease = Lease(uuid.uuid4().hex)

    def take() -> None:
        with session.transaction():
            session.execute(f"lock table {_TABLE}")
            _refuse_if_held(session)
            session.execute(f"delete from {_TABLE}")
            session.execute(
                f"insert into {_TABLE} (token, owner, host, process_id, acquired_at, expires_at)"
                f" values (%s, %s, %s, %s, getdate(), dateadd(minute, {MINUTES}, getdate()))",
                (lease.token, owner(), socket.gethostname(), os.getpid()),
            )

    retrying(take)
    return lease


def renew(session: Session, lease: Lease) -> None:
    """First statement of each transaction: raises LeaseHeld when the lease was taken over."""
    if session.execute(lease.renew_sql).row_count != 1:
        raise lost()


def lost() -> LeaseHeld:
    """The error of a deployment whose lease is no longer its own."""
    return LeaseHeld(
        "this deployment lost its lease to another one and changed nothing further;"
        " run `zeroshift deploy` again"
    )


def release(session: Session, lease: Lease) -> None:
    """Give the lease back; one that was taken over in between is left alone."""
    retrying(lambda: session.execute(f"delete from {_TABLE} where token = %s", (lease.token,)))


def refuse_during_runs(session: Session) -> None:
    """Raise LeaseHeld while a pipeline runs: procedures must not be replaced under a run."""
    found = session.execute("select pipeline, expires_at from ops.leases where expires_at > getdate()")
    for pipeline, until in found.rows:
        raise LeaseHeld(
            f"a run of {pipeline} is at work (its lease lasts until {until} UTC); deploy when it has ended"
        )


def fence_runs(session: Session) -> None:
    """Keep runs out until the caller's transaction ends; raises LeaseHeld when one is at work.

    Rewriting the rows of the free leases locks them. A transaction of a run that is open now is waited for (and
    then this one is repeated); a run that begins now waits for our commit and is told of the conflict; and one that is
    between two of its transactions finds its lease gone and stops: its queue of work is kept for the next run.
    """
    refuse_during_runs(session)
    session.execute(
        "update ops.leases set token = null, expires_at = null"
        " where expires_at is null or expires_at <= getdate()"
    )


def runs_exist(session: Session) -> bool:
    """Whether the warehouse has pipelines at all: the first deployment creates ops.leases."""
    found = session.execute(
        "select count(*) from information_schema.tables where table_schema = 'ops' and table_name = 'leases'"
    )
    return bool(found.rows[0][0])


def owner() -> str:
    """Who deploys, for people to read: the login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return f"uid {os.getuid()}"


def _refuse_if_held(session: Session) -> None:
    found = session.execute(
        f"select owner, host, process_id, acquired_at from {_TABLE} where expires_at > getdate()"
    )
    for held_by, host, process_id, since in found.rows:
        if host == socket.gethostname() and not _is_alive(process_id):
            # It was killed, or its machine was started again. Its transactions were rolled back with its
            # session.
            continue
        raise LeaseHeld(
            f"another deployment is at work: {held_by} on {host} (process {process_id}) since {since} UTC;"
            f" wait for it, or {MINUTES} minutes after it died"
        )


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
