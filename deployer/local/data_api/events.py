"""Events of statements that were submitted with WithEvent, and the seam to whoever delivers them.

An event is written in the same transaction as the statement's end, into a queue in the store that outlives a kill; the
sink takes them from there, in order, and says which it has delivered. So an event is delivered at least once, as
EventBridge's may come twice. The sink of the local environment is the bus's inbox (deployer.local.events.store);
without a sink the events wait and are dropped after a day.

Source: Redshift Management Guide, data-api-monitoring-events.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from deployer.local.data_api import limits
from deployer.local.data_api.records import NULL, Statement
from deployer.local.data_api.store import Store

log = logging.getLogger("zeroshift.data_api")

Sink = Callable[[dict[str, Any]], None]
"""Delivers one event. When it raises, the event stays and is offered again."""

RETRY_SECONDS = 5.0
_AT_ONCE = 100


def event(statement: Statement) -> dict[str, Any]:
    """The event of a statement that has ended. It carries no text: not the SQL, not the error."""
    request = statement.request
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Redshift Data Statement Status Change",
        "source": "aws.redshift-data",
        "account": request.caller.account,
        "time": datetime.fromtimestamp(statement.updated, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": request.caller.region,
        "resources": [_resource(statement)],
        "detail": {
            "principal": request.caller.principal,
            "statementName": request.name or "",
            "statementId": statement.id,
            # The guide's own example shows -1, and there are no ids of queries here.
            "redshiftQueryId": NULL,
            "state": statement.status,
            "rows": statement.rows,
            "expireAt": int(statement.updated) + limits.RETENTION_SECONDS,
        },
    }


def _resource(statement: Statement) -> str:
    caller, place = statement.request.caller, statement.request.place
    if place.cluster is not None:
        return f"arn:aws:redshift:{caller.region}:{caller.account}:cluster:{place.cluster}"
    workgroup = place.workgroup or ""
    if workgroup.startswith("arn:"):
        return workgroup
    # On AWS the last part is the workgroup's id, which a local name does not have.
    return f"arn:aws:redshift-serverless:{caller.region}:{caller.account}:workgroup/{workgroup}"


class Delivery:
    """Hands the store's events to a sink, in a thread of its own."""

    def __init__(self, store: Store, sink: Sink) -> None:
        self._store, self._sink = store, sink
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="data api events", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._wake.set()

    def notify(self) -> None:
        """There is a new event."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=RETRY_SECONDS)

    def _run(self) -> None:
        wait: float | None = None
        while not self._stopping:
            self._wake.wait(wait)
            self._wake.clear()
            wait = None if self._deliver() else RETRY_SECONDS

    def _deliver(self) -> bool:
        """Deliver what there is; False when the sink did not take it."""
        while not self._stopping:
            waiting = self._store.events(_AT_ONCE)
            if not waiting:
                return True
            for number, body in waiting:
                try:
                    self._sink(json.loads(body))
                except Exception:
                    log.exception("an event was not delivered; it is tried again")
                    return False
                self._store.drop_events(number)
        return True
