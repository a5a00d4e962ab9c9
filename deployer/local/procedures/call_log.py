"""Which procedures one CALL has called and what they have said, for SYS_PROCEDURE_CALL and SYS_PROCEDURE_MESSAGES: also
when everything that they did was rolled back ("Raised messages are logged even if the stored procedure call is
canceled", DG "SVL_STORED_PROC_MESSAGES")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from deployer.local.procedures.executor import StoredProcedure, Value
from deployer.sql.names import quote_literal

MAX_CALLS = 10_000
"""Of more calls in one CALL only those are kept that did not succeed: a loop may call without end."""
MAX_MESSAGES = 10_000
"""The first of one CALL are kept."""
MESSAGE_LENGTH = 1024
"""The column's width."""
TEXT_BYTES = 4000
"""The column's width."""

SUCCESS = "success"
CANCELED = "canceled"
"""The only other status that the page names: "stopped by the system or canceled by the user"."""


LEVELS = {"log": 20, "info": 30, "notice": 40, "warning": 50, "exception": 60}
"""Levels of RAISE that are logged -> their numbers in SVL_STORED_PROC_MESSAGES."""


@dataclass(frozen=True)
class LoggedMessage:
    """A message of RAISE. `call` is the number of the call that it was raised in, `line` the body's."""

    call: int
    time: datetime
    level: str
    text: str
    line: int


@dataclass
class LoggedCall:
    """One call. `number` orders the calls of one CALL by their start; `caller` is the number of the calling one."""

    number: int
    caller: int | None
    user: str
    text: str
    start: datetime
    end: datetime | None = None
    status: str = CANCELED


class CallLog:
    """The calls of one client's CALL."""

    def __init__(self) -> None:
        self.calls: list[LoggedCall] = []
        self.messages: list[LoggedMessage] = []
        self._open: list[LoggedCall] = []
        self._number = 0

    @contextmanager
    def call(self, procedure: StoredProcedure, values: Sequence[Value], user: str) -> Iterator[None]:
        """Log one call while it lasts; `user` is whose privileges it is made with."""
        self._number += 1
        caller = self._open[-1].number if self._open else None
        logged = LoggedCall(self._number, caller, user, call_text(procedure, values), datetime.now(UTC))
        self._open.append(logged)
        self.calls.append(logged)
        try:
            yield
            logged.status = SUCCESS
        finally:
            logged.end = datetime.now(UTC)
            self._open.pop()
            if logged.status == SUCCESS and len(self.calls) > MAX_CALLS and self.calls[-1] is logged:
                self.calls.pop()

    def say(self, level: str, text: str, line: int, least: str) -> None:
        """A message was raised; `least` is the level from which on they are logged."""
        if LEVELS[level] < LEVELS.get(least, 0) or len(self.messages) >= MAX_MESSAGES:
            return
        shown = text.replace("\0", "")[:MESSAGE_LENGTH]
        self.messages.append(LoggedMessage(self._open[-1].number, datetime.now(UTC), level, shown, line))


def call_text(procedure: StoredProcedure, values: Sequence[Value]) -> str:
    """The call with its arguments' values, as the guide's example shows it, cut to the column's width."""
    title = f"{procedure.schema}.{procedure.name}"
    text = f"CALL {title}({', '.join(_shown(value) for value in values)})"
    return text.replace("\0", "").encode()[:TEXT_BYTES].decode(errors="ignore")


def _shown(value: Value) -> str:
    if value.text is None:
        return "NULL"
    return value.text if value.type.is_numeric else quote_literal(value.text)
