"""Running statements: a queue, and a fixed number of threads that each hold one connection at a time."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployer.local.data_api import encoding, limits, parameters
from deployer.local.data_api.connection import Broken, Connection, told
from deployer.local.data_api.events import event
from deployer.local.data_api.pool import Pool, stateless
from deployer.local.data_api.records import (
    ABORTED,
    FAILED,
    FINISHED,
    NULL,
    PICKED,
    STARTED,
    Part,
    Place,
    Statement,
)
from deployer.local.data_api.results import ResultWriter, TooLarge
from deployer.local.data_api.sessions import Sessions
from deployer.local.data_api.store import Store
from deployer.local.gateway.backend import ServerError

log = logging.getLogger("zeroshift.data_api")

CANCELLED = "ERROR: Query cancelled on user's request"
STOPPED = "ERROR: the local Data API was stopped before the statement had ended"
OVERDUE = f"ERROR: the statement ran for {limits.STATEMENT_SECONDS // 3600} hours, which is the limit"
_PRESS_SECONDS = 0.2


def no_query_id(pid: int) -> int:
    """Where nobody knows the gateway's ids."""
    return NULL


@dataclass
class _Running:
    """A statement at work. `lock` is held while a cancel request is on its way, so that none reaches a later one."""

    since: float
    connection: Connection | None = None
    cancelled: bool = False
    overdue: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def press(self) -> None:
        """Cancel until it has ended: a request that comes before the statement has begun has no effect."""
        while not self.done.is_set():
            with self.lock:
                if self.connection is not None and not self.done.is_set():
                    self.connection.cancel()
            self.done.wait(_PRESS_SECONDS)

    def settle(self) -> None:
        """What follows must not be cancelled any more."""
        with self.lock:
            self.done.set()


class Executor:
    """Runs the statements that the store holds. `connect` opens a connection for a Place."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        connect: Callable[[Place], Connection],
        clock: Callable[[], float],
        *,
        size: int,
        notify: Callable[[], None],
        query_ids: Callable[[int], int],
    ) -> None:
        self._store, self._sessions, self._connect, self._clock = store, sessions, connect, clock
        self._notify, self._query_ids = notify, query_ids
        self._pool = Pool(size)
        self._state = threading.Condition()
        """Guards what follows; notified when a statement comes and when one ends."""
        self._queue: deque[str] = deque()
        self._running: dict[str, _Running] = {}
        self._active: set[str] = set()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"data api {number}", daemon=True)
            for number in range(size)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    # -- from the requests' threads -----------------------------------------------------------------------------

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """Around what puts a statement into the store and submits it: nobody waits for it or cancels it in between."""
        with self._state:
            yield

    def submit(self, statement_id: str) -> bool:
        """Queue a statement that is in the store. False when nothing is taken any more."""
        with self._state:
            if self._stopping:
                return False
            self._queue.append(statement_id)
            self._active.add(statement_id)
            self._state.notify_all()
            return True

    def wait(self, statement_id: str, seconds: float) -> None:
        """Return when the statement has ended, or after `seconds`."""
        with self._state:
            self._state.wait_for(lambda: statement_id not in self._active, seconds)

    def cancel(self, statement_id: str) -> bool:
        """Take a waiting statement back, or ask the warehouse to cancel a running one. False when it has ended."""
        with self._state:
            waiting = statement_id in self._queue
            if waiting:
                self._queue.remove(statement_id)
            running = self._running.get(statement_id)
        if waiting:
            found = self._store.statement(statement_id)
            if found is not None:
                session = found.request.session
                if session is not None:
                    self._sessions.release(session, self._sessions.connection(session))
                self._end(found, ABORTED, CANCELLED)
            return True
        if running is None:
            return False
        self._press(running)
        return True

    def _press(self, running: _Running) -> None:
        if not running.cancelled:
            running.cancelled = True
            threading.Thread(target=running.press, name="data api cancel", daemon=True).start()

    def drop_idle(self) -> None:
        """Keep no idle connection: the warehouse has ended them all, or is about to."""
        self._pool.expire(0)

    # -- time -------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """End statements and sessions that have lasted too long, close idle connections."""
        self._pool.expire()
        overdue = set(self._sessions.expire())
        now = self._clock()
        with self._state:
            for statement_id, running in self._running.items():
                if statement_id in overdue or now - running.since > limits.STATEMENT_SECONDS:
                    running.overdue = True
                    self._press(running)

    def stop(self) -> None:
        """Take nothing more and end all: what runs is FAILED, and rolled back by the warehouse."""
        with self._state:
            self._stopping = True
            self._queue.clear()
            running = list(self._running.values())
            self._state.notify_all()
        self.interrupt(STOPPED)
        for one in running:
            self._press(one)
        for one in running:
            one.done.wait(5)
        self._sessions.close_connections()
        self.drop_idle()

    def interrupt(self, reason: str) -> None:
        """End all statements of the store that are not at their end."""
        with self._store.transaction():
            for statement in self._store.interrupted(reason, self._clock()):
                self._add_event(statement)
        with self._state:
            self._active.clear()
            self._state.notify_all()
        self._notify()

    @contextmanager
    def borrowed(self, place: Place) -> Iterator[Connection]:
        """A connection for a query of the service's own. Raises ServerError and Broken."""
        connection = self._pool.take(place) or self._connect(place)
        try:
            yield connection
        finally:
            self._pool.give(place, connection)

    # -- the threads ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._queue or self._stopping)
                if self._stopping:
                    return
                statement_id = self._queue.popleft()
                running = self._running[statement_id] = _Running(self._clock())
            try:
                self._run(statement_id, running)
            except Exception:
                if self._stopping:
                    return
                log.exception("statement %s: internal error", statement_id)
                self._give_up(statement_id)
            finally:
                running.done.set()
                with self._state:
                    self._running.pop(statement_id, None)

    def _give_up(self, statement_id: str) -> None:
        found = self._store.statement(statement_id)
        if found is not None and found.status not in (FINISHED, FAILED, ABORTED):
            self._end(found, FAILED, "ERROR: internal error of the local Data API: see gateway.log")
            if found.request.session is not None:
                self._sessions.release(found.request.session, None)

    def _run(self, statement_id: str, running: _Running) -> None:
        statement = self._store.statement(statement_id)
        if statement is None:
            return
        self._mark(statement, PICKED)
        connection: Connection | None = None
        status: str = ABORTED
        error: str | None = CANCELLED
        try:
            connection = self._connection(statement)
        except (ServerError, Broken) as refused:
            status, error = FAILED, told(refused)
        if connection is not None and not running.cancelled:
            running.connection = connection
            statement.pid = connection.pid
            self._mark(statement, STARTED)
            status, error = self._execute(statement, connection, running)
        running.settle()
        if running.overdue and status == ABORTED:
            status, error = FAILED, OVERDUE
        # The connection first: whoever sees the end of a session's statement may send the next.
        self._put_back(statement, connection)
        self._end(statement, status, error)

    def _connection(self, statement: Statement) -> Connection:
        """The connection for a statement. Raises ServerError and Broken."""
        request = statement.request
        if request.session is not None:
            kept = self._sessions.connection(request.session)
            return kept if kept is not None else self._connect(request.place)
        return self._pool.take(request.place) or self._connect(request.place)

    def _put_back(self, statement: Statement, connection: Connection | None) -> None:
        request = statement.request
        if request.session is not None:
            self._sessions.release(request.session, connection)
        elif connection is not None:
            if stateless(request.sqls):
                self._pool.give(request.place, connection)
            else:
                connection.close()

    def _execute(
        self, statement: Statement, connection: Connection, running: _Running
    ) -> tuple[str, str | None]:
        """Run all parts; the statement's final status and error."""
        request = statement.request
        failure: str | None = None
        try:
            if request.mode == "TRANSACTION":
                connection.run("begin")
            for part, sql in zip(statement.parts, request.sqls, strict=True):
                if running.cancelled or not connection.usable:
                    break
                error = self._part(statement, part, sql, connection, running)
                if error is not None and failure is None:
                    # The service's own wording for batches.
                    failure = f"Query #{part.number} failed with {error}" if request.batch else error
                if error is not None and request.mode != "AUTO_COMMIT":
                    break
            complete = all(part.status == FINISHED for part in statement.parts)
            if request.mode == "TRANSACTION" and connection.usable:
                if not complete:
                    # A cancel request that is repeated would hit ROLLBACK, and the transaction stayed open.
                    running.settle()
                connection.run("commit" if complete else "rollback")
        except (ServerError, Broken) as refused:
            # BEGIN or COMMIT itself.
            complete, failure = False, failure or told(refused)
        for part in statement.parts:
            if part.status not in (FINISHED, FAILED, ABORTED):
                # Not documented: what comes after a failure was not run.
                part.status, part.updated = ABORTED, self._clock()
                self._save_part(statement, part)
        known = [part.duration for part in statement.parts if part.duration >= 0]
        statement.duration = sum(known) if known else -1
        if complete:
            return FINISHED, None
        if running.cancelled:
            return ABORTED, failure or CANCELLED
        return FAILED, failure

    def _part(
        self, statement: Statement, part: Part, sql: str, connection: Connection, running: _Running
    ) -> str | None:
        """Run one SQL statement; its error's text, None when it has finished."""
        part.status, part.updated = STARTED, self._clock()
        self._save_part(statement, part)
        values = parameters.named(statement.request.parameters)
        text, names = parameters.bind(sql, values)
        writer = ResultWriter(
            lambda page, data: self._store.add_page(statement.id, part.number, page, data),
            statement.request.result_format,
        )
        began, query_id = time.perf_counter_ns(), NULL
        try:
            outcome = connection.run(text, [values[name] for name in names], writer)
            # Before the connection asks for what it needs itself.
            query_id = self._query_ids(connection.pid)
            if writer.described is None:
                part.rows, part.size = outcome.affected, 0
            else:
                writer.finish()
                origins = connection.origins(writer.described)
                part.columns = [
                    encoding.metadata(column, origin)
                    for column, origin in zip(writer.described, origins, strict=True)
                ]
                part.rows, part.size = writer.count, writer.size
            part.status = FINISHED
        except (ServerError, Broken) as refused:
            part.error = told(refused)
        except TooLarge as large:
            part.error = f"ERROR: {large}"
            connection.close()
        except UnicodeDecodeError as unreadable:
            part.error = f"ERROR: a value of the result is no UTF-8: {unreadable}"
            connection.close()
        part.duration = time.perf_counter_ns() - began
        part.query_id = query_id if query_id != NULL else self._query_ids(connection.pid)
        if part.error is not None:
            part.status = ABORTED if running.cancelled else FAILED
            part.columns = None
        part.updated = self._clock()
        self._save_part(statement, part)
        return part.error

    # -- states -----------------------------------------------------------------------------------------------

    def _mark(self, statement: Statement, status: str) -> None:
        statement.status, statement.updated = status, self._clock()
        with self._state:
            if self._stopping:
                # stop() has written its end.
                return
            self._store.save(statement)

    def _save_part(self, statement: Statement, part: Part) -> None:
        with self._state:
            if not self._stopping:
                self._store.save_part(statement.id, part)

    def _end(self, statement: Statement, status: str, error: str | None) -> None:
        """The statement's end, its event with it."""
        statement.status, statement.error, statement.updated = status, error, self._clock()
        with self._state:
            if self._stopping:
                return
            with self._store.transaction():
                for part in statement.parts:
                    if part.status not in (FINISHED, FAILED, ABORTED):
                        part.status, part.updated = ABORTED, statement.updated
                        if not statement.request.batch:
                            part.status, part.error = status, error
                        self._store.save_part(statement.id, part)
                self._store.save(statement)
                self._add_event(statement)
            self._active.discard(statement.id)
            self._state.notify_all()
        if statement.request.with_event:
            self._notify()

    def _add_event(self, statement: Statement) -> None:
        if statement.request.with_event:
            self._store.add_event(json.dumps(event(statement)), statement.updated)
