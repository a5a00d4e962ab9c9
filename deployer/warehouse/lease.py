"""The deployment lease: two deployments into one warehouse exclude each other.

Redshift has neither advisory locks nor enforced keys. A lease is one row with an owner, a token and an
expiry, taken under LOCK as the first statement of a short transaction.

Renewal. Every transaction of a deployment renews the lease by an UPDATE as its first statement, and again as its last:
no row updated means that somebody took over, and then that transaction must not commit. The UPDATE holds a write lock,
so that nobody can take over before the commit, however long the transaction lasts, and what they find then is fresh.
Statements that run in no transaction (VACUUM) hold no lock: around them `kept` renews over a second connection.
"""

from __future__ import annotations

import functools
import getpass
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from deployer.errors import LeaseHeld, StatementFailed, ZeroshiftError
from deployer.warehouse.ledger import SCHEMA
from deployer.warehouse.retry import CANCELLED, retrying
from deployer.warehouse.session import Session

MINUTES = 15
"""How long a lease lives without being renewed."""

_RENEW_EVERY = MINUTES * 60 / 5
_LOCK_SECONDS = 10.0
"""How long to wait for the row's lock at least: the holder's transactions may be about to commit."""
_POLL_SECONDS = 0.5
_RESETS = 5
"""How often a timeout is reset that ends the statement which resets it."""
_JOIN_SECONDS = 30.0
"""How long a renewal that is under way is waited for: it would stand in the way of our own."""

_TABLE = f"{SCHEMA}.lease"


@dataclass(frozen=True)
class Lease:
    """A lease that we hold."""

    token: str

    @property
    def renew_sql(self) -> str:
        # The token is our own hexadecimal text: nothing in it needs quoting.
        return (
            f"update {_TABLE} set expires_at = dateadd(minute, {MINUTES}, getdate())"
            f" where token = '{self.token}'"
        )


@dataclass(frozen=True)
class Holder:
    """Who has the lease. `alive`: True or False where that can be proved, None where it cannot. Times are UTC.

    `expired`: it was not renewed in time, so that anybody may take it.
    """

    token: str
    owner: str
    host: str
    process_id: int
    acquired_at: datetime
    expires_at: datetime
    expired: bool
    alive: bool | None

    def __str__(self) -> str:
        return f"{self.owner} on {self.host} (process {self.process_id}) since {self.acquired_at} UTC"


def acquire(
    session: Session, *, wait: float = 0.0, on_wait: Callable[[Holder], None] = lambda holder: None
) -> Lease:
    """Take the lease; waits up to `wait` seconds for its holder, and tells `on_wait` once whom it waits for.

    Raises LeaseHeld with the holder when somebody else still has it then.
    """
    deadline = time.monotonic() + wait
    told = in_vain = False
    while True:
        # Read before locking: a deployment that is at work holds a lock on the row.
        found = holder(session)
        if found is None or not _keeps(found):
            lease = Lease(uuid.uuid4().hex)
            taken, found = _take(session, lease, max(deadline - time.monotonic(), _LOCK_SECONDS))
            if taken:
                return lease
            if found is None:
                # Who had the lock in the meantime has given the lease back just when we gave up: it is free now.
                if in_vain:
                    raise LeaseHeld(
                        f"somebody keeps {_TABLE} locked without having the lease: svv_transactions shows the session;"
                        " wait for it, or end it with pg_terminate_backend, and repeat"
                    )
                in_vain = True
                continue
        if time.monotonic() >= deadline:
            raise _held(found)
        if not told:
            on_wait(found)
            told = True
        # Redshift has nothing that a session could wait on for another one's commit: the row is asked again.
        time.sleep(_POLL_SECONDS)


def _take(session: Session, lease: Lease, seconds: float) -> tuple[bool, Holder | None]:
    """Write our row under LOCK; returns whether it stands, and if not, who has the lease now."""
    process = int(session.execute("select pg_backend_pid()").rows[0][0])

    def take() -> tuple[bool, Holder | None]:
        with session.transaction():
            session.execute(f"lock table {_TABLE}")
            found = holder(session)
            if found is not None and _keeps(found):
                return False, found
            session.execute(f"delete from {_TABLE}")
            session.execute(
                f"insert into {_TABLE} (token, owner, host, process_id, acquired_at, expires_at, session_id)"
                f" values (%s, %s, %s, %s, getdate(), dateadd(minute, {MINUTES}, getdate()), %s)",
                (lease.token, owner(), socket.gethostname(), os.getpid(), process),
            )
            return True, None

    # The holder may be in the middle of a long transaction, which has the lock.
    session.execute(f"set statement_timeout to {int(seconds * 1000)}")
    try:
        return retrying(take)
    except StatementFailed as error:
        if error.sqlstate != CANCELLED:
            raise
    finally:
        reset_timeout(session)
    # Asked without that limit. Reading waits for no lock: it tells the row as the holder's transaction found it.
    return False, holder(session)


def end_timeout(session: Session) -> None:
    """Back to the session's own timeout, else to the user's or the workload manager's. Raises StatementFailed."""
    own = dict(session.target.settings).get("statement_timeout", "")
    session.execute(f"set statement_timeout to {int(own)}" if own.isdigit() else "reset statement_timeout")


def reset_timeout(session: Session) -> None:
    """`end_timeout`, for a `finally` outside of transactions; a dead connection has none."""
    for _ in range(_RESETS):
        try:
            end_timeout(session)
        except StatementFailed as error:
            # This statement has the old timeout itself: where the machine stands still for so long, it is cancelled.
            if error.sqlstate == CANCELLED:
                continue
        return


def renew(session: Session, lease: Lease) -> None:
    """First and last statement of each transaction: raises LeaseHeld when the lease was taken over."""
    if session.execute(lease.renew_sql).row_count != 1:
        raise lost()


@contextmanager
def kept(session: Session, lease: Lease) -> Iterator[None]:
    """Renew the lease over a second connection while the body runs something outside of a transaction.

    Not within a transaction, which holds the row's lock itself: the second connection would wait for it. A warehouse
    that is away for a while, as AWS has it while it makes an integration, is asked again at the next renewal.
    """
    done = threading.Event()

    def keep() -> None:
        second: Session | None = None
        while not done.wait(_RENEW_EVERY):
            try:
                if second is None:
                    second = Session(session.target)
                retrying(functools.partial(second.execute, lease.renew_sql))
            except ZeroshiftError:
                # The body's own session tells what is wrong, or its next renewal does.
                if second is not None:
                    second.close()
                second = None
        if second is not None:
            second.close()

    thread = threading.Thread(target=keep, name="zeroshift-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=_JOIN_SECONDS)


def reconnect(session: Session, lease: Lease) -> None:
    """Connect anew after a lost connection, and say so in the lease: the session is the proof that we live."""
    session.reopen()
    process = int(session.execute("select pg_backend_pid()").rows[0][0])
    session.execute(f"update {_TABLE} set session_id = %s where token = %s", (process, lease.token))


def lost() -> LeaseHeld:
    """The error of a deployment whose lease is no longer its own."""
    return LeaseHeld(
        "this deployment lost its lease to another one and changed nothing further;"
        " run `zeroshift deploy` again"
    )


def release(session: Session, lease: Lease) -> None:
    """Give the lease back; one that was taken over in between is left alone."""
    retrying(lambda: session.execute(f"delete from {_TABLE} where token = %s", (lease.token,)))


def give_back(session: Session, lease: Lease) -> None:
    """`release`, for a `finally`: what has happened in between is the news, also Ctrl-C, which closes the connection.

    A lease that stays behind names a process that will be dead.
    """
    try:
        release(session, lease)
    except StatementFailed:
        return


def take_away(session: Session, from_whom: Holder) -> bool:
    """Delete the lease of `from_whom`; False when it was released or renewed by another meanwhile.

    Raises LeaseHeld when its holder is in a transaction, which is the best proof that it lives.
    """
    session.execute(f"set statement_timeout to {int(_LOCK_SECONDS * 1000)}")
    try:
        with session.transaction():
            session.execute(f"lock table {_TABLE}")
            return (
                session.execute(f"delete from {_TABLE} where token = %s", (from_whom.token,)).row_count == 1
            )
    except StatementFailed as error:
        if error.sqlstate != CANCELLED:
            raise
        raise LeaseHeld(
            f"{from_whom} is in the middle of a transaction; wait for it, or end its session with"
            f" pg_terminate_backend, and repeat"
        ) from error
    finally:
        reset_timeout(session)


def holder(session: Session) -> Holder | None:
    """Who has the lease, None when nobody has."""
    found = session.execute(
        "select token, owner, host, process_id, acquired_at, expires_at, expires_at <= getdate(), session_id"
        f" from {_TABLE} order by expires_at desc"
    )
    for token, name, host, process_id, since, until, expired, session_id in found.rows:
        return Holder(
            token, name, host, process_id, since, until, bool(expired),
            _is_alive(session, host, process_id, session_id, since),
        )  # fmt: skip
    return None


def _keeps(found: Holder) -> bool:
    """Whether a lease is to be respected: in time, and its holder not proved dead."""
    # One that was killed, or whose machine was started again, rolled back its transactions with its session.
    return not found.expired and found.alive is not False


def _held(found: Holder) -> LeaseHeld:
    return LeaseHeld(
        f"another deployment is at work: {found}; wait for it (--wait SECONDS), or, if it died,"
        " take the lease away with `zeroshift unlock`"
    )


def _is_alive(
    session: Session, host: str, process_id: int, session_id: int | None, since: datetime
) -> bool | None:
    if host == socket.gethostname():
        return _process_exists(process_id)
    if session_id is None:
        return None
    # STV_SESSIONS shows a user's own sessions, a superuser all of them (Redshift DG): one that is not there may be
    # hidden, so only its presence proves something. Process ids are used again: an older session it must be.
    # GETDATE(), which wrote `since`, has no fractions of a second.
    found = session.execute(
        "select count(*) from stv_sessions where process = %s and starttime < dateadd(second, 1, %s)",
        (session_id, since),
    )
    return True if found.rows[0][0] else None


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


def _process_exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
