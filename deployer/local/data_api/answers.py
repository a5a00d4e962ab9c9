"""Statements and sessions as the API's answers show them. Times are seconds with milliseconds, as the service's are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployer.local.data_api.records import ACTIVE, BUSY, FINAL, Part, SessionRecord, Statement


def accepted(statement: Statement) -> dict[str, Any]:
    """The answer of ExecuteStatement and BatchExecuteStatement."""
    answer: dict[str, Any] = {
        "Id": statement.id,
        "CreatedAt": moment(statement.created),
        "Status": statement.status,
        **statement.request.place.shown(),
        **_session(statement),
    }
    if statement.pid:
        answer["RedshiftPid"] = statement.pid
    if statement.status in FINAL:
        answer["HasResultSet"] = statement.has_result
    return answer


QueryUuids = Callable[[int], str | None]
"""The uuid of a query by its id, None where nobody knows it."""


def no_query_uuid(query_id: int) -> None:
    """Where nobody knows them."""
    return None


def described(statement: Statement, uuids: QueryUuids = no_query_uuid) -> dict[str, Any]:
    """The answer of DescribeStatement."""
    query_id = 0 if statement.status in ACTIVE else max(part.query_id for part in statement.parts)
    request = statement.request
    answer: dict[str, Any] = {
        "Id": statement.id,
        **request.place.shown(),
        **_session(statement),
        "Status": statement.status,
        "CreatedAt": moment(statement.created),
        "UpdatedAt": moment(statement.updated),
        "Duration": statement.duration,
        "HasResultSet": statement.has_result,
        "RedshiftPid": statement.pid,
        # Of queries that have not run the service tells 0.
        "RedshiftQueryId": query_id,
        **_uuid(query_id, uuids),
        "ResultFormat": request.result_format,
        "ResultRows": statement.rows,
        "ResultSize": statement.size,
    }
    if statement.error is not None:
        answer["Error"] = statement.error
    if request.parameters:
        answer["QueryParameters"] = [dict(parameter) for parameter in request.parameters]
    if request.batch:
        answer["ExecutionMode"] = request.mode
        answer["SubStatements"] = [
            _part(statement, part, sql, uuids)
            for part, sql in zip(statement.parts, request.sqls, strict=True)
        ]
    else:
        answer["QueryString"] = request.sqls[0]
    return answer


def described_part(statement: Statement, part: Part, uuids: QueryUuids = no_query_uuid) -> dict[str, Any]:
    """The answer of DescribeStatement for one statement of a batch."""
    whole = described(statement)
    answer = {
        name: whole[name]
        for name in (
            "Database", "DbUser", "ClusterIdentifier", "WorkgroupName", "SecretArn", "SessionId", "RedshiftPid",
            "ResultFormat", "QueryParameters",
        )
        if name in whole
    }  # fmt: skip
    return answer | _part(statement, part, statement.request.sqls[part.number - 1], uuids)


def listed(statement: Statement) -> dict[str, Any]:
    """A statement in the answer of ListStatements."""
    request = statement.request
    answer: dict[str, Any] = {
        "Id": statement.id,
        "Status": statement.status,
        "CreatedAt": moment(statement.created),
        "UpdatedAt": moment(statement.updated),
        "IsBatchStatement": request.batch,
        "ResultFormat": request.result_format,
        **_session(statement),
    }
    if request.batch:
        answer["QueryStrings"] = list(request.sqls)
    else:
        answer["QueryString"] = request.sqls[0]
    if request.name is not None:
        answer["StatementName"] = request.name
    if request.place.secret is not None:
        answer["SecretArn"] = request.place.secret
    if request.parameters:
        answer["QueryParameters"] = [dict(parameter) for parameter in request.parameters]
    return answer


def session(found: SessionRecord) -> dict[str, Any]:
    """A session in the answer of ListSessions."""
    shown = found.place.shown()
    shown.pop("SecretArn", None)
    answer: dict[str, Any] = {
        "SessionId": found.id,
        "Status": found.status,
        "CreatedAt": moment(found.created),
        "UpdatedAt": moment(found.updated),
        "SessionAliveSeconds": found.keep_alive,
        "SessionTtl": moment(found.ends),
        **shown,
    }
    if found.status == BUSY and found.current is not None:
        answer["CurrentStatementId"] = found.current
    return answer


def moment(seconds: float) -> float:
    return round(seconds, 3)


def _part(statement: Statement, part: Part, sql: str, uuids: QueryUuids) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Id": f"{statement.id}:{part.number}",
        "Status": part.status,
        "CreatedAt": moment(part.created),
        "UpdatedAt": moment(part.updated),
        "Duration": part.duration,
        "HasResultSet": part.columns is not None,
        "QueryString": sql,
        "RedshiftQueryId": part.query_id,
        **_uuid(part.query_id, uuids),
        "ResultRows": part.rows,
        "ResultSize": part.size,
    }
    if part.error is not None:
        answer["Error"] = part.error
    return answer


def _uuid(query_id: int, uuids: QueryUuids) -> dict[str, str]:
    """RedshiftQueryUuid, in botocore's model since 1.44: of queries that have run."""
    found = uuids(query_id) if query_id > 0 else None
    return {} if found is None else {"RedshiftQueryUuid": found}


def _session(statement: Statement) -> dict[str, str]:
    found = statement.request.session
    return {} if found is None else {"SessionId": found}
