"""What one session puts into the log of statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployer.local.gateway.history import Entry, History, computes, shows
from deployer.local.translate.api import Translation
from deployer.sql.classify import Kind

if TYPE_CHECKING:
    from deployer.local.gateway.runner import Runner

_LABEL = "query_group"
_LAST = "zeroshift.last_query_id"


class Journal:
    """The statements of one session; without a `history` nothing is logged.

    `last` is the id of the last query that ran on more than the leader node, which PG_LAST_QUERY_ID answers; `newest`
    of the last statement of any kind. Each is -1 while there was none.
    """

    def __init__(self, history: History | None = None, user: str = "", session: int = 0) -> None:
        self._history = history
        self.user = user
        self._session = session
        self._open: list[Entry] = []
        self._transaction = 0
        self._label: str | None = ""
        self._labelled_inside = False
        self.last = self.newest = -1

    @property
    def query_id(self) -> int:
        """The id of the statement that runs, the innermost one."""
        return self._open[-1].query_id if self._open else -1

    def next_id(self) -> int:
        """An id for a call inside the statement."""
        return self._history.next_id() if self._history is not None else 0

    @contextmanager
    def statement(self, runner: Runner, kind: Kind, text: str) -> Iterator[None]:
        """Log one statement while it runs."""
        entry = self.begin(runner, kind, text)
        try:
            yield
        except BaseException as error:
            self.end(entry, error)
            raise
        self.end(entry)

    def begin(self, runner: Runner, kind: Kind, text: str) -> Entry | None:
        """A statement begins; what it is logged as is to be given back to `end`."""
        if self._history is None or kind.name == "empty":
            return None
        if (runner.backend.status == "I" and not runner.executed) or not self._transaction:
            self._transaction = self._history.next_transaction()
            if self._labelled_inside:
                # SET LOCAL is over, and so is a SET that was rolled back.
                self._label, self._labelled_inside = None, False
        if self._label is None and runner.backend.status != "E":
            shown = runner.internal_query(f"show zeroshift.{_LABEL}").rows
            self._label = (shown[0][0] or b"").decode()
        entry = self._history.begin(
            self.user, self._session, self._transaction, self._label or "", kind, text
        )
        entry.compute = kind.name in ("copy", "unload")
        if kind.name in ("set", "reset", "call") and _LABEL in text.lower():
            self._label, self._labelled_inside = None, True
        self._open.append(entry)
        return entry

    def end(self, entry: Entry | None, error: BaseException | None = None) -> None:
        """The statement has ended."""
        if entry is None or self._history is None:
            return
        if entry in self._open:
            self._open.remove(entry)
        self._history.end(entry, error)
        self.newest = entry.query_id
        if entry.compute:
            self.last = entry.query_id

    def refresh(self, translation: Translation) -> None:
        """Before a statement gets its snapshot, which Parse and Bind take already: bring the log up to date."""
        if self._history is not None and shows(translation):
            self._history.flush(running=True)

    def tell(self, runner: Runner, translation: Translation) -> None:
        """Before a translated statement runs: what it may ask the log for. Raises ServerError."""
        if self._history is None:
            return
        if self._open:
            self._open[-1].compute |= computes(translation)
        if any("pg_last_query_id" in sql for sql in translation.statements):
            runner.internal_query(
                "select set_config($1, $2, false)", [_LAST.encode(), str(self.last).encode()]
            )

    def suspend(self, entry: Entry | None) -> None:
        """A portal has given as many rows as were asked for: others may run before it goes on."""
        if entry in self._open:
            self._open.remove(entry)

    def resume(self, entry: Entry | None) -> Entry | None:
        """The portal goes on, if it has begun."""
        if entry is not None:
            self._open.append(entry)
        return entry

    def failed(self, runner: Runner, kind: Kind, text: str, error: BaseException) -> None:
        """A statement that was refused before it could run."""
        self.end(self.begin(runner, kind, text), error)

    def sent(self, rows: int, size: int) -> None:
        """Rows have gone to the client."""
        if self._open:
            self._open[0].rows += rows
            self._open[0].size += size
