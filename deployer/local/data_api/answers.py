"""Statements and sessions as the API's answers show them. Times are seconds with milliseconds, as the service's are."""

from __future__ import annotations

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


def described(statement: Statement) -> dict[str, Any]:
    """The answer of DescribeStatement."""
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
        "RedshiftQueryId": 0
        if statement.status in ACTIVE
        else max(part.query_id for part in statement.parts),
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
            _part(statement, part, sql) for part, sql in zip(statement.parts, request.sqls, strict=True)
        ]
    else:
        answer["QueryString"] = request.sqls[0]
    return answer


def described_part(statement: Statement, part: Part) -> dict[str, Any]:
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
    return answer | _part(statement, part, statement.request.sqls[part.number - 1])


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


def _part(statement: Statement, part: Part, sql: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Id": f"{statement.id}:{part.number}",
        "Status": part.status,
        "CreatedAt": moment(part.created),
        "UpdatedAt": moment(part.updated),
        "Duration": part.duration,
        "HasResultSet": part.columns is not None,
        "QueryString": sql,
        "RedshiftQueryId": part.query_id,
        "ResultRows": part.rows,
        "ResultSize": part.size,
    }
    if part.error is not None:
        answer["Error"] = part.error
    return answer


def _session(statement: Statement) -> dict[str, str]:
    found = statement.request.session
    return {} if found is None else {"SessionId": found}
