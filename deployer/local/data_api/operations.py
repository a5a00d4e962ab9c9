"""The operations of the Data API: a request that fits the model in, an answer out."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from deployer.local.data_api import answers, limits, parameters, targets, tokens
from deployer.local.data_api.answers import QueryUuids
from deployer.local.data_api.catalog import Catalog
from deployer.local.data_api.errors import (
    Invalid,
    NotExecuted,
    NotFound,
    TooManyStatements,
    TooManyWaiting,
)
from deployer.local.data_api.executor import Executor
from deployer.local.data_api.records import AVAILABLE, BUSY, FINISHED, Caller, Part, Request, Statement
from deployer.local.data_api.results import csv_text, records
from deployer.local.data_api.sessions import Sessions
from deployer.local.data_api.store import Store
from deployer.sql.lexer import LexError
from deployer.sql.split import split

Operation = Callable[[Mapping[str, Any], Caller], dict[str, Any]]

LISTED = 100
"""A page of ListStatements and ListSessions: the largest MaxResults of the model."""


class Operations:
    """What each operation does. `user` is the database user of requests that name none."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        sessions: Sessions,
        clock: Callable[[], float],
        user: str,
        query_uuids: QueryUuids,
    ) -> None:
        self._store, self._executor, self._sessions = store, executor, sessions
        self._clock, self._user, self._query_uuids = clock, user, query_uuids
        self._waiting: Counter[str] = Counter()
        self._waiting_lock = threading.Lock()
        catalog = Catalog(executor.borrowed, user)
        self.by_name: dict[str, Operation] = {
            "ExecuteStatement": self.execute,
            "BatchExecuteStatement": self.batch,
            "DescribeStatement": self.describe,
            "GetStatementResult": self.result,
            "GetStatementResultV2": self.result_v2,
            "CancelStatement": self.cancel,
            "ListStatements": self.list_statements,
            "ListSessions": self.list_sessions,
            "ListDatabases": lambda request, caller: catalog.databases(request),
            "ListSchemas": lambda request, caller: catalog.schemas(request),
            "ListTables": lambda request, caller: catalog.tables(request),
            "DescribeTable": lambda request, caller: catalog.table(request),
        }

    # -- submitting -------------------------------------------------------------------------------------------

    def execute(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """ExecuteStatement."""
        return self._submit(request, caller, (request["Sql"],), "")

    def batch(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """BatchExecuteStatement."""
        mode = request.get("ExecutionMode") or "TRANSACTION"
        return self._submit(request, caller, tuple(request["Sqls"]), mode)

    def _submit(
        self, request: Mapping[str, Any], caller: Caller, sqls: tuple[str, ...], mode: str
    ) -> dict[str, Any]:
        for sql in sqls:
            _check_sql(sql)
        given = tuple(request.get("Parameters") or ())
        parameters.check_used(sqls, parameters.named(given))
        if request.get("SessionId") is not None:
            targets.check_session(request)
            where = None
        else:
            where = targets.place(request, self._user)
        digest = _digest(request)
        with self._executor.submitting():
            with self._store.transaction():
                statement_id, new = self._find_or_reserve(request, caller, digest)
                if new:
                    session = self._session(request, where, statement_id)
                    wanted = Request(
                        sqls=sqls,
                        place=session.place if session is not None else where,  # type: ignore[arg-type]  # one is there
                        caller=caller,
                        mode=mode,
                        name=request.get("StatementName"),
                        parameters=given,
                        with_event=bool(request.get("WithEvent")),
                        result_format=request.get("ResultFormat") or "JSON",
                        session=None if session is None else session.id,
                    )
                    self._store.add(statement_id, wanted, self._clock())
            taken = not new or self._executor.submit(statement_id)
        if not taken:
            self._executor.interrupt("ERROR: the local Data API was stopping")
            raise NotExecuted("the local Data API is stopping", statement_id, batch=bool(mode))
        if request.get("WaitTimeSeconds"):
            # Not counted: of the two operations that submit the model does not name the exception for too many.
            self._executor.wait(statement_id, request["WaitTimeSeconds"])
        return answers.accepted(self._existing(statement_id, statement_id))

    def _find_or_reserve(self, request: Mapping[str, Any], caller: Caller, digest: str) -> tuple[str, bool]:
        """The statement of the request's client token, or an id for a new one. Raises ApiError."""
        token = request.get("ClientToken")
        now = self._clock()
        if token is not None:
            token = f"{caller.account} {token}"
            known = self._store.token(token, now - limits.TOKEN_SECONDS)
            if known is not None:
                if known[1] != digest:
                    # What the service does then is not documented: the call that would be lost is refused.
                    raise Invalid("clientToken was used before for another request")
                return known[0], False
        if self._store.count_active() >= limits.ACTIVE_STATEMENTS:
            raise TooManyStatements(
                f"{limits.ACTIVE_STATEMENTS} statements are active already, which is the limit"
            )
        statement_id = str(uuid.uuid4())
        if token is not None:
            self._store.add_token(token, statement_id, digest, now)
        return statement_id, True

    def _session(self, request: Mapping[str, Any], where: Any, statement_id: str) -> Any:
        """The session that the statement runs in, None for one of its own. Raises ApiError."""
        keep_alive = request.get("SessionKeepAliveSeconds")
        if request.get("SessionId") is not None:
            return self._sessions.reserve(request["SessionId"], statement_id, keep_alive)
        return self._sessions.create(where, keep_alive, statement_id) if keep_alive else None

    # -- asking -----------------------------------------------------------------------------------------------

    def describe(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """DescribeStatement."""
        statement_id, number = _parts(request["Id"])
        self._existing(statement_id, request["Id"])
        self._wait(request, statement_id)
        statement = self._existing(statement_id, request["Id"])
        if number is None:
            return answers.described(statement, self._query_uuids)
        return answers.described_part(statement, _part(statement, number), self._query_uuids)

    def result(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """GetStatementResult."""
        statement, part = self._finished(request, "JSON")
        page = tokens.unpack(request.get("NextToken"), request["Id"]) or 0
        found = self._store.pages(statement.id, part.number, page, 2)
        answer: dict[str, Any] = {
            "Records": records(found[0]) if found else [],
            "ColumnMetadata": part.columns,
            "TotalNumRows": part.rows,
        }
        if len(found) > 1:
            answer["NextToken"] = tokens.pack(request["Id"], page + 1)
        return answer

    def result_v2(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """GetStatementResultV2."""
        statement, part = self._finished(request, "CSV")
        page = tokens.unpack(request.get("NextToken"), request["Id"]) or 0
        found = self._store.pages(statement.id, part.number, page, limits.CSV_PIECES + 1)
        answer: dict[str, Any] = {
            "Records": [{"CSVRecords": csv_text(piece)} for piece in found[: limits.CSV_PIECES]],
            "ColumnMetadata": part.columns,
            "TotalNumRows": part.rows,
            "ResultFormat": "CSV",
        }
        if len(found) > limits.CSV_PIECES:
            answer["NextToken"] = tokens.pack(request["Id"], page + limits.CSV_PIECES)
        return answer

    def _finished(self, request: Mapping[str, Any], wanted: str) -> tuple[Statement, Part]:
        """The statement whose result is asked for, and its part. Raises ApiError."""
        statement_id, number = _parts(request["Id"])
        self._existing(statement_id, request["Id"])
        self._wait(request, statement_id)
        statement = self._existing(statement_id, request["Id"])
        if statement.request.batch and number is None:
            raise Invalid("BatchExecuteStatement result can only be retrieved with sub-statement id.")
        part = _part(statement, 1 if number is None else number)
        if part.status != FINISHED or part.columns is None:
            raise NotFound(
                "Query does not have result. Please check query status with DescribeStatement.", request["Id"]
            )
        if statement.request.result_format != wanted:
            other = "GetStatementResultV2" if wanted == "JSON" else "GetStatementResult"
            raise Invalid(f"the result is in {statement.request.result_format} format: use {other}")
        return statement, part

    def cancel(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """CancelStatement. True says that the cancel was sent, not that the statement has ended."""
        statement_id, number = _parts(request["Id"])
        statement = self._existing(statement_id, request["Id"])
        if number is not None:
            raise Invalid("a statement of a batch cannot be cancelled by itself: cancel the batch")
        if not self._executor.cancel(statement_id):
            # The end may be on its way into the store.
            self._executor.wait(statement_id, 5)
            statement = self._existing(statement_id, request["Id"])
            raise Invalid(
                f"Could not cancel a query that is already in {statement.status} state with ID: {statement_id}"
            )
        return {"Status": True}

    # -- lists ------------------------------------------------------------------------------------------------

    def list_statements(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """ListStatements, newest first (its order is not documented). RoleLevel changes nothing: roles are unknown."""
        _one_target(request)
        limit = request.get("MaxResults") or LISTED
        found = self._store.select(
            status=request.get("Status") or FINISHED,
            name=request.get("StatementName") or "",
            database=request.get("Database"),
            cluster=request.get("ClusterIdentifier"),
            workgroup=request.get("WorkgroupName"),
            before=tokens.unpack(request.get("NextToken"), "ListStatements"),
            oldest=self._oldest(),
            limit=limit + 1,
        )
        answer: dict[str, Any] = {"Statements": [answers.listed(statement) for statement in found[:limit]]}
        if len(found) > limit:
            answer["NextToken"] = tokens.pack("ListStatements", found[limit - 1].order)
        return answer

    def list_sessions(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """ListSessions of the last 24 hours."""
        filters = {
            name: request.get(name) for name in ("Status", "ClusterIdentifier", "WorkgroupName", "Database")
        }
        if request.get("SessionId") is not None:
            if any(filters.values()):
                raise Invalid("SessionId excludes Status, ClusterIdentifier, WorkgroupName and Database")
            session = self._store.session(request["SessionId"])
            if session is None:
                raise NotFound("Session does not exist.", request["SessionId"])
            return {"Sessions": [answers.session(session)]}
        _one_target(request)
        wanted = (filters["Status"],) if filters["Status"] else (AVAILABLE, BUSY)
        found = [
            session
            for session in self._store.all_sessions(self._oldest())
            if session.status in wanted
            and filters["ClusterIdentifier"] in (None, session.place.cluster)
            and filters["WorkgroupName"] in (None, session.place.workgroup)
            and filters["Database"] in (None, session.place.database)
        ]
        start = tokens.unpack(request.get("NextToken"), "ListSessions") or 0
        limit = request.get("MaxResults") or LISTED
        answer: dict[str, Any] = {"Sessions": [answers.session(one) for one in found[start : start + limit]]}
        if len(found) > start + limit:
            answer["NextToken"] = tokens.pack("ListSessions", start + limit)
        return answer

    # -- helpers ----------------------------------------------------------------------------------------------

    def _oldest(self) -> float:
        return self._clock() - limits.RETENTION_SECONDS

    def _existing(self, statement_id: str, asked: str) -> Statement:
        """Raises NotFound."""
        found = self._store.statement(statement_id, self._oldest())
        if found is None:
            raise NotFound("Query does not exist.", asked)
        return found

    def _wait(self, request: Mapping[str, Any], statement_id: str) -> None:
        """WaitTimeSeconds. Raises TooManyWaiting."""
        seconds = request.get("WaitTimeSeconds")
        if seconds:
            with self._counted(statement_id):
                self._executor.wait(statement_id, seconds)

    @contextmanager
    def _counted(self, statement_id: str) -> Iterator[None]:
        with self._waiting_lock:
            if self._waiting[statement_id] >= limits.WAITING_REQUESTS:
                raise TooManyWaiting(
                    f"{limits.WAITING_REQUESTS} requests wait for statement {statement_id} already"
                )
            self._waiting[statement_id] += 1
        try:
            yield
        finally:
            with self._waiting_lock:
                self._waiting[statement_id] -= 1
                if not self._waiting[statement_id]:
                    del self._waiting[statement_id]


def _check_sql(sql: str) -> None:
    """Raises Invalid. The service takes one statement a text; how it refuses more is not documented."""
    if len(sql.encode()) > limits.STATEMENT_BYTES:
        raise Invalid(f"a statement has more than {limits.STATEMENT_BYTES} bytes")
    try:
        count = len(split(sql))
    except LexError:
        # The warehouse will say it.
        return
    if count > 1:
        raise Invalid(
            f"Sql holds {count} statements; give each to BatchExecuteStatement as a text of its own"
        )
    if count == 0:
        raise Invalid("Sql holds no statement")


def _parts(identifier: str) -> tuple[str, int | None]:
    """An Id and the number behind its colon."""
    statement_id, colon, number = identifier.partition(":")
    return statement_id, int(number or 0) if colon else None


def _part(statement: Statement, number: int) -> Part:
    """Raises NotFound."""
    if not 1 <= number <= len(statement.parts):
        raise NotFound("Query does not exist.", f"{statement.id}:{number}")
    return statement.parts[number - 1]


def _one_target(request: Mapping[str, Any]) -> None:
    if request.get("ClusterIdentifier") is not None and request.get("WorkgroupName") is not None:
        raise Invalid("ClusterIdentifier and WorkgroupName exclude each other")


def _digest(request: Mapping[str, Any]) -> str:
    """What makes two requests the same one: all but the token itself and how long to wait."""
    told = {name: value for name, value in request.items() if name not in ("ClientToken", "WaitTimeSeconds")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
