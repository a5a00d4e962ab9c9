"""The API's exceptions. Their names, members and kinds are the service model's."""

from __future__ import annotations


class ApiError(Exception):
    """An answer other than success. `code` is the exception's name in the model, `members` its further fields.

    HTTP 500 for those that the model calls a fault, which clients repeat, 400 for all others.
    """

    code = "InternalServerException"
    status = 500

    def __init__(self, message: str, **members: str) -> None:
        super().__init__(message)
        self.message = message
        self.members = members


class Invalid(ApiError):
    """ValidationException."""

    code = "ValidationException"
    status = 400


class NotFound(ApiError):
    """ResourceNotFoundException, which names the resource."""

    code = "ResourceNotFoundException"
    status = 400

    def __init__(self, message: str, resource: str) -> None:
        super().__init__(message, ResourceId=resource)


class TooManyStatements(ApiError):
    """ActiveStatementsExceededException."""

    code = "ActiveStatementsExceededException"
    status = 400


class TooManySessions(ApiError):
    """ActiveSessionsExceededException."""

    code = "ActiveSessionsExceededException"
    status = 400


class TooManyWaiting(ApiError):
    """ActiveWaitingRequestsExceededException."""

    code = "ActiveWaitingRequestsExceededException"
    status = 400


class NotExecuted(ApiError):
    """ExecuteStatementException, or BatchExecuteStatementException: the surroundings failed, not the SQL."""

    def __init__(self, message: str, statement: str, *, batch: bool) -> None:
        super().__init__(message, StatementId=statement)
        self.code = "BatchExecuteStatementException" if batch else "ExecuteStatementException"


class NotConnected(ApiError):
    """DatabaseConnectionException."""

    code = "DatabaseConnectionException"


class TimedOut(ApiError):
    """QueryTimeoutException."""

    code = "QueryTimeoutException"
    status = 400


class Throttled(ApiError):
    """ThrottlingException: not in the model, but documented (data-api)."""

    code = "ThrottlingException"
    status = 400


class Unknown(ApiError):
    """UnknownOperationException: X-Amz-Target names nothing that the service has."""

    code = "UnknownOperationException"
    status = 400


class Malformed(ApiError):
    """SerializationException: the body is no JSON object, or a member has another type."""

    code = "SerializationException"
    status = 400


class Unsigned(ApiError):
    """MissingAuthenticationTokenException: no signature at all."""

    code = "MissingAuthenticationTokenException"
    status = 403
