"""The Data API as a whole: its parts, started and stopped together with the gateway."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deployer.errors import Unavailable
from deployer.local.data_api.answers import QueryUuids, no_query_uuid
from deployer.local.data_api.connection import Connection, Passes
from deployer.local.data_api.errors import Unknown
from deployer.local.data_api.events import Delivery, Sink
from deployer.local.data_api.executor import Executor, no_query_id
from deployer.local.data_api.model import service_model
from deployer.local.data_api.operations import Operations
from deployer.local.data_api.protocol import HOST, bind
from deployer.local.data_api.records import Caller, Place
from deployer.local.data_api.sessions import Sessions
from deployer.local.data_api.store import Store
from deployer.local.data_api.throttle import Throttle

log = logging.getLogger("zeroshift.data_api")

DEFAULT_PORT = 5440
"""Beside the gateway's 5439."""
POOL = 10
"""Statements that run at once; the others wait, SUBMITTED."""
SWEEP_SECONDS = 1.0
EXPIRE_SECONDS = 60.0

KILLED = "ERROR: the local Data API was killed while the statement ran; the warehouse has rolled it back"
"""What statements say that an earlier process has left. One that waited was not begun, and is not begun later either:
nobody expects it any more."""


class DataApi:
    """The server for the gateway at `host`:`port`. `passes` gives passwords that log a user in.

    `wanted` is the port that the user has asked for (0 = any free one), None for the default, else `fallback`, else a
    free one. `sink` takes the events; without one they are kept for a day. `query_ids` knows the id of the last query
    of a session, `query_uuids` the uuid of a query by its id.
    """

    def __init__(
        self,
        home: Path,
        host: str,
        port: int,
        user: str,
        passes: Passes,
        *,
        wanted: int | None = None,
        fallback: int | None = None,
        pool: int = POOL,
        throttle: bool = True,
        sink: Sink | None = None,
        query_ids: Callable[[int], int] = no_query_id,
        query_uuids: QueryUuids = no_query_uuid,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._store = Store(home)
        self._delivery = Delivery(self._store, sink) if sink is not None else None
        self.sessions = Sessions(self._store, clock)

        def connect(place: Place) -> Connection:
            return Connection(host, port, place.database, place.user, passes)

        self.executor = Executor(
            self._store, self.sessions, connect, clock, size=pool, notify=self._notify, query_ids=query_ids
        )
        self._operations = Operations(self._store, self.executor, self.sessions, clock, user, query_uuids)
        self._throttle = Throttle() if throttle else None
        self._stopping = threading.Event()
        try:
            self._server = _listen(wanted, fallback, service_model().target_prefix, self.handle)
        except BaseException:
            self._store.close()
            raise

    @property
    def store(self) -> Store:
        return self._store

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_port}"

    def start(self) -> None:
        """End what an earlier process has left, and begin to answer."""
        self.executor.interrupt(KILLED)
        self._store.expire(self._clock())
        self.executor.start()
        if self._delivery is not None:
            self._delivery.start()
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="data api", daemon=True
        ).start()
        threading.Thread(target=self._sweep, name="data api sweep", daemon=True).start()

    def handle(self, name: str, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Carry out an operation. Raises ApiError."""
        operation = self._operations.by_name.get(name)
        if operation is None:
            raise Unknown(f"the local Data API has no operation {name}")
        service_model().check(name, request)
        if self._throttle is not None:
            self._throttle.check(name)
        return operation(request, caller)

    def sweep(self) -> None:
        """End and forget what has lasted long enough."""
        self.executor.expire()
        self._store.expire(self._clock())

    def stop(self) -> None:
        """Answer nobody any more; what runs is FAILED. A second time nothing happens."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self.executor.stop()
        if self._delivery is not None:
            self._delivery.stop()
        self._store.close()

    def _notify(self) -> None:
        if self._delivery is not None:
            self._delivery.notify()

    def _sweep(self) -> None:
        expired = time.monotonic()
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                self.executor.expire()
                if time.monotonic() - expired >= EXPIRE_SECONDS:
                    expired = time.monotonic()
                    self._store.expire(self._clock())
            except Exception:
                if not self._stopping.is_set():
                    log.exception("the sweep failed")


def _listen(wanted: int | None, fallback: int | None, prefix: str, handle: Any) -> ThreadingHTTPServer:
    if wanted is not None:
        server = bind(wanted, prefix, handle)
        if server is None:
            raise Unavailable(
                f"port {wanted} (ZEROSHIFT_DATA_API_PORT) is taken on {HOST}; choose another one, or 0 for any"
            )
        return server
    for candidate in (DEFAULT_PORT, fallback, 0):
        server = None if candidate is None else bind(candidate, prefix, handle)
        if server is not None:
            return server
    raise Unavailable(f"no free port on {HOST}")


def settings(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """DataApi's arguments that come from environment variables. Raises Unavailable for bad ones."""
    port = environment.get("ZEROSHIFT_DATA_API_PORT", "")
    if port and (not port.isdigit() or int(port) > 65535):
        raise Unavailable(
            f"ZEROSHIFT_DATA_API_PORT is {port!r}; it must be a port number, or 0 for any free one"
        )
    if not port and environment.get("ZEROSHIFT_PORT") == "0":
        # Whoever wants any free port for the gateway runs several of these.
        port = "0"
    throttle = environment.get("ZEROSHIFT_DATA_API_THROTTLE", "on")
    if throttle not in ("on", "off"):
        raise Unavailable(f"ZEROSHIFT_DATA_API_THROTTLE is {throttle!r}; it must be on or off")
    return {"wanted": int(port) if port else None, "throttle": throttle == "on"}
