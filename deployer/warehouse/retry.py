"""Which failures pass by themselves, and how to try again. Only callers that know it is safe do so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from deployer.errors import StatementFailed, Unavailable
from deployer.warehouse.session import CONNECTION_LOST

T = TypeVar("T")


@dataclass(frozen=True)
class Transient:
    """A failure that may pass. It is known by its SQLSTATE or by words of its message, in lower case."""

    sqlstate: str
    words: str
    meaning: str
    source: str


_SERIAL = 'Redshift Database Developer Guide, "Serializable isolation"'
_DEADLOCK = (
    'Redshift Database Developer Guide, "Write and read/write operations"; the words are PostgreSQL\'s'
)
_CLOSED = "PostgreSQL, appendix A, class 57; the driver names no state when the socket breaks"

TRANSIENT = (
    Transient("", "error: 1023", "serializable isolation violation on a table", _SERIAL),
    Transient("", "serializable isolation violation", "the same, worded", _SERIAL),
    Transient("40001", "", "the transaction could not be serialised with another", _SERIAL),
    Transient("", "conflict with concurrent transaction", "another transaction changed the same table", _SERIAL),
    Transient("", "deadlock detected", "two transactions waited for each other: one was ended", _DEADLOCK),
    Transient(
        "", "could not open relation with oid", "a table was dropped or replaced meanwhile",
        'Redshift Database Developer Guide, "Concurrent write operations"; dbt-redshift retries it too',
    ),
    Transient(CONNECTION_LOST, "", "the connection broke", _CLOSED),
    Transient("57P01", "", "the server ended the session", _CLOSED),
    Transient("57P02", "", "the server ended all sessions after a crash", _CLOSED),
    Transient("57P03", "", "the server is starting", _CLOSED),
)  # fmt: skip
"""The table of transient errors; docs/plan-and-deploy.md shows it, and a test compares the two."""

_LOST = (CONNECTION_LOST, "57P01", "57P02", "57P03")

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds before the second and every later attempt."""

CANCELLED = "57014"
"""SQLSTATE of a statement that was cancelled, also by statement_timeout."""


def is_transient(error: StatementFailed) -> bool:
    """Whether the same work may succeed when it is done again from its beginning."""
    text = str(error).lower()
    return any(
        (row.sqlstate and row.sqlstate == error.sqlstate) or (row.words and row.words in text)
        for row in TRANSIENT
    )


def is_lost(error: StatementFailed) -> bool:
    """Whether the connection is gone, so that nobody knows whether the last commit took place."""
    return error.sqlstate in _LOST


def retrying(
    work: Callable[[], T],
    *,
    recover: Callable[[], T | None] | None = None,
    also: Callable[[StatementFailed], bool] = lambda error: False,
    pauses: tuple[float, ...] = PAUSES,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """`work()`, once more after each pause while it fails transiently, or in a way that `also` knows to pass.

    Safe only for a whole transaction that does the same whether or not an earlier attempt was committed. After a lost
    connection nobody knows which: then `recover` connects again and returns what the work would have, where it finds it
    done, and None where it is to be repeated. Without `recover` a lost connection is not retried. What fails in
    `recover` may pass as well: a server that is starting lets nobody in, and the session that was lost may be
    committing just now.
    """
    lost = False
    for pause in (*pauses, None):
        try:
            if lost and recover is not None:
                found = recover()
                if found is not None:
                    return found
                lost = False
            return work()
        except Unavailable:
            if not lost or pause is None:
                raise
        except StatementFailed as error:
            if pause is None or not (is_transient(error) or also(error)):
                raise
            if is_lost(error) and recover is None:
                raise
            lost = lost or is_lost(error)
        sleep(pause)
    raise AssertionError("the last attempt returns or raises")
