"""The error tree: one class per thing that the user can do about it.

    ZeroshiftError                exit 1   base: never raised itself
    ├── UsageError                exit 1   a bad argument, file or setting; mend it and repeat
    ├── StatementFailed           exit 1   the warehouse refused a statement
    ├── Unavailable               exit 1   a server or a prerequisite is missing
    ├── Unsafe                    exit 3   refused because it could lose or distort data
    └── LeaseHeld                 exit 4   somebody else is deploying or running

Every message says what happened, where, and what to do next, in one sentence or two.
"""

from __future__ import annotations


class ZeroshiftError(Exception):
    """Base of all errors that are shown to the user as one sentence, without a traceback."""

    exit_code = 1


class UsageError(ZeroshiftError):
    """An argument, a file or a setting is wrong; nothing was changed."""


class Unavailable(ZeroshiftError):
    """A server or a prerequisite could not be reached; nothing was changed."""


class Unsafe(ZeroshiftError):
    """Refused because going on could lose or distort data; exit code 3."""

    exit_code = 3


class LeaseHeld(ZeroshiftError):
    """Another deployment or run holds the lease; exit code 4."""

    exit_code = 4


class StatementFailed(ZeroshiftError):
    """The warehouse refused a statement.

    `sqlstate` is the five-character code, `where` the file and line (or the statement's first words),
    `position` the 1-based character offset into `sql`, when the warehouse told one.
    """

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str = "",
        sql: str = "",
        where: str = "",
        position: int | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.sql = sql
        self.where = where
        self.position = position
