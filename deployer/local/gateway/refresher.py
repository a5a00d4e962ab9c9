"""Refreshes materialized views that are made with AUTO REFRESH YES, when what they read has changed.

DG "Refreshing a materialized view": as soon as possible, after the user's workload. Here each is looked at every few
seconds; a view that somebody else holds a lock on has to wait for the next time.
"""

from __future__ import annotations

import logging
import threading

from deployer.local.gateway.backend import ServerError, Target
from deployer.local.gateway.codec import Disconnected
from deployer.local.gateway.internal import Internal

log = logging.getLogger("zeroshift.gateway")

PAUSE = 3.0
# A refresh sees one state of its tables, and says which. It gives up long before PostgreSQL looks for a deadlock, after
# a second: the statement that would be chosen to fail might be a user's.
_OPTIONS = "-c default_transaction_isolation=repeatable\\ read -c lock_timeout=100ms"


class Refresher:
    """The thread of one gateway."""

    def __init__(self, target: Target) -> None:
        self._internal = Internal(target, _OPTIONS)
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="auto refresh", daemon=True).start()

    def moved(self, target: Target) -> None:
        """PostgreSQL was started again, at another port."""
        self._internal.close()
        self._internal = Internal(target, _OPTIONS)

    def close(self) -> None:
        self._stop.set()
        self._internal.close()

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                while self._once() and not self._stop.is_set():
                    pass
            except (Disconnected, ServerError) as error:
                # A lock that somebody holds, or PostgreSQL's end: next time.
                log.info("auto refresh: %s", error)
            except Exception:
                log.exception("auto refresh failed")

    def _once(self) -> bool:
        """Refresh one view; False when none is due."""
        schema, view = self._internal.query("select * from zeroshift.due_refresh()").rows[0]
        if schema is None or view is None:
            return False
        self._internal.query("select zeroshift.auto_refresh($1, $2)", [schema, view])
        return True
