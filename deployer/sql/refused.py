"""The error of a statement that Redshift would refuse, or that we cannot treat faithfully."""

from __future__ import annotations


class Refused(Exception):
    """Redshift would refuse this statement, or we cannot run it faithfully.

    `message` names the construct and the Redshift way; `position` is the 0-based character offset into the
    statement's own text where it stands, when known; `sqlstate` is 0A000 (feature not supported), 42601
    (syntax), 42883 (no such function), 42P01 (no such relation), 42501 (permission denied) ...
    """

    def __init__(
        self,
        message: str,
        *,
        position: int | None = None,
        sqlstate: str = "0A000",
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.sqlstate = sqlstate
        self.hint = hint
