"""Which failures pass by themselves, and how to try again. Only callers that know it is safe do so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from deployer.errors import StatementFailed
from deployer.warehouse.session import CONNECTION_LOST

T = TypeVar("T")

TRANSIENT_STATES = ("40001", CONNECTION_LOST, "57P01", "57P02", "57P03")
"""Serialization failure, and a connection that was lost or ended by the server."""

TRANSIENT_TEXTS = (
    # Redshift Database Developer Guide, "How to fix serializable isolation errors".
    "error: 1023",
    "serializable isolation violation",
    "conflict with concurrent transaction",
    # A table was dropped or replaced between planning and running; documented under the same head.
    "could not open relation with oid",
)

_PAUSES = (0.2, 0.5, 1.0)
"""Seconds before the second, third and fourth attempt."""


def is_transient(error: StatementFailed) -> bool:
    """Whether the same work may succeed when it is done again from its beginning."""
    text = str(error).lower()
    return error.sqlstate in TRANSIENT_STATES or any(part in text for part in TRANSIENT_TEXTS)


def is_lost(error: StatementFailed) -> bool:
    """Whether the connection is gone, so that nobody knows whether the last commit took place."""
    return error.sqlstate in (CONNECTION_LOST, "57P01", "57P02")


def retrying(work: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """`work()`, up to four times while it fails transiently.

    Safe only for a whole transaction that does the same whether or not an earlier attempt was committed.
    A lost connection is not retried: `work` would use the dead one.
    """
    for pause in _PAUSES:
        try:
            return work()
        except StatementFailed as error:
            if not is_transient(error) or is_lost(error):
                raise
            sleep(pause)
    return work()
