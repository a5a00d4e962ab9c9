"""Which procedures one CALL has called, for SYS_PROCEDURE_CALL: also when everything that they did was rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from deployer.local.procedures.executor import StoredProcedure, Value
from deployer.sql.names import quote_literal

MAX_CALLS = 10_000
"""Of more calls in one CALL only those are kept that did not succeed: a loop may call without end."""
TEXT_BYTES = 4000
"""The column's width."""

SUCCESS = "success"
CANCELED = "canceled"
"""The only other status that the page names: "stopped by the system or canceled by the user"."""


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


def call_text(procedure: StoredProcedure, values: Sequence[Value]) -> str:
    """The call with its arguments' values, as the guide's example shows it, cut to the column's width."""
    title = f"{procedure.schema}.{procedure.name}"
    text = f"CALL {title}({', '.join(_shown(value) for value in values)})"
    return text.replace("\0", "").encode()[:TEXT_BYTES].decode(errors="ignore")


def _shown(value: Value) -> str:
    if value.text is None:
        return "NULL"
    return value.text if value.type.is_numeric else quote_literal(value.text)
