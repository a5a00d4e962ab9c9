"""The write lock of a table: two transactions that change rows of one table wait for each other.

Source: Redshift Database Developer Guide, "Write and read/write operations" and "Concurrent write examples". Under
snapshot isolation, which every database here has, INSERT and COPY share a table; UPDATE, DELETE and MERGE need its
exclusive lock, held until the transaction ends. Readers never wait. The second of two writers takes its snapshot only
when the first has released the lock, if the write is the first thing that it does: then it succeeds. With an older
snapshot it fails when it meets a row that the first has changed, and succeeds otherwise.

PostgreSQL's SHARE ROW EXCLUSIVE is that lock: it excludes itself and the ROW EXCLUSIVE of INSERT and COPY, not readers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.errors import as_redshift
from deployer.local.translate.api import Translation
from deployer.sql.names import quote_ident

if TYPE_CHECKING:
    from deployer.local.gateway.runner import Runner


def hold(runner: Runner, translation: Translation) -> None:
    """Wait for the lock that a statement needs before PostgreSQL sees the statement, which would take the snapshot.

    Without a transaction block it begins the runner's own, since PostgreSQL locks in a block only. Raises ServerError.
    """
    if not translation.exclusive:
        return
    # PostgreSQL asks for a right on the whole table, which GRANT UPDATE (column) is not; the statement itself is
    # checked against the user's own rights.
    steps = [
        "set local session authorization default",
        f"lock table {translation.exclusive} in share row exclusive mode",
        f"set local session authorization {quote_ident(runner.user)}",
    ]
    if runner.backend.status == "I" and not (runner.own_block or runner.begun):
        steps.insert(0, "begin")
        runner.own_block = True
    try:
        if runner.unsynced:
            for step in steps:
                runner.backend.query(step, sync=False)
        else:
            runner.backend.simple("; ".join(steps))
    except ServerError as error:
        told = as_redshift(error)
        told.fields.pop("P", None)
        raise told from error
