"""The log of statements behind SYS_QUERY_HISTORY, SYS_QUERY_TEXT, STL_QUERY and their like.

Sessions only put an entry into a list; a thread of its own writes the list to PostgreSQL, so that a short SELECT does
not wait for its log. A statement that reads the log has it written first, with the statements that are running. Two
seconds of it may be lost when the gateway is killed.

Source: Redshift Database Developer Guide, "SYS_QUERY_HISTORY", "SYS_QUERY_TEXT", "PG_LAST_QUERY_ID". The guide does not
say which query_type a CALL has (here OTHER), nor whether statements that cannot be parsed are shown (here they are).
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deployer.local.gateway.backend import ServerError, Target
from deployer.local.gateway.codec import Disconnected
from deployer.local.gateway.internal import Internal
from deployer.local.translate.api import Translation
from deployer.local.translate.context import SYSTEM_SCHEMAS
from deployer.mask import mask
from deployer.sql.classify import Kind
from deployer.sql.refused import Refused

log = logging.getLogger("zeroshift.gateway")

ROWS_KEPT = 50_000
TEXT_KEPT = 32_000
"""Bytes of a statement's text: eight rows of SYS_QUERY_TEXT. Of a longer one the beginning is kept."""
WAITING_KEPT = 5_000
"""Entries that wait for the writer. A session that would make them more writes them itself."""
PRUNED_AFTER = 1_000
"""Entries after which old ones are looked for."""
PAUSE = 2.0
LOST_NUMBERS = 10_000
"""Ids that the entries lost by a killed gateway may have had: more than WAITING_KEPT, as sessions run on meanwhile."""
ERROR_KEPT = 512

SHOWING = frozenset(
    ("redshift_catalog", view)
    for view in (
        "sys_query_history",
        "sys_query_text",
        "stl_query",
        "stl_querytext",
        "svl_statementtext",
        "sys_load_history",
        "sys_load_error_detail",
        "stl_load_errors",
        "sys_unload_history",
        "sys_unload_detail",
        "stl_unload_log",
        "sys_external_query_detail",
        "stl_ddltext",
        "stl_utilitytext",
        "svl_qlog",
        "stv_recents",
        "stv_inflight",
        "svv_query_inflight",
        "svl_stored_proc_call",
        "sys_procedure_messages",
        "svl_stored_proc_messages",
        "sys_transaction_history",
    )  # fmt: skip
)
"""What shows the log, by its physical name."""

_UTILITY = "UTILITY"
_TYPES = {
    "select": "SELECT", "insert": "INSERT", "update": "UPDATE", "delete": "DELETE", "merge": "MERGE",
    "copy": "COPY", "unload": "UNLOAD", "create_table_as": "CTAS", "ddl": "DDL", "create_procedure": "DDL",
    "truncate": "DDL", "call": "OTHER", "unknown": "OTHER", "refresh": "OTHER",
    "fetch": "SELECT", "execute": "OTHER",
    "create_integration": "DDL", "alter_integration": "DDL", "drop_integration": "DDL",
}  # fmt: skip
"""Kinds of statements -> query_type. All others are utilities (SET, SHOW, BEGIN, GRANT ...)."""


@dataclass(slots=True)
class Entry:
    """One statement. `user` is who is logged in; `compute` says that it ran on more than the leader node."""

    query_id: int
    user: str
    session_id: int
    transaction_id: int
    label: str
    kind: str
    text: str
    start: float
    end: float | None = None
    status: str = "running"
    error: str = ""
    rows: int = 0
    size: int = 0
    compute: bool = False


class History:
    """The log of one gateway."""

    def __init__(self, target: Target) -> None:
        self._internal = Internal(target)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._number = 0
        self._transaction = 0
        self._added = PRUNED_AFTER
        self._waiting: list[Entry] = []
        self._running: dict[int, Entry] = {}

    def start(self) -> None:
        """Continue the numbers of the gateway before, whose running statements have ended with it; begin to write."""
        row = self._internal.query("select * from zeroshift.continue_query_history()").rows[0]
        self._number, self._transaction = (int(value or b"0") + LOST_NUMBERS for value in row)
        threading.Thread(target=self._write, name="query history", daemon=True).start()

    def uuid(self, query_id: int) -> str | None:
        """The query_uuid that SYS_QUERY_HISTORY shows for a query; None when PostgreSQL cannot be asked."""
        try:
            row = self._internal.query("select zeroshift.query_uuid($1)", [str(query_id).encode()]).rows[0]
        except (Disconnected, ServerError):
            log.warning("the uuid of query %s could not be asked for", query_id, exc_info=True)
            return None
        return (row[0] or b"").decode()

    def next_id(self) -> int:
        """An id that no other query has."""
        with self._lock:
            self._number += 1
            return self._number

    def next_transaction(self) -> int:
        """A number for a transaction that begins."""
        with self._lock:
            self._transaction += 1
            return self._transaction

    def begin(self, user: str, session: int, transaction: int, label: str, kind: Kind, text: str) -> Entry:
        """A statement begins to run."""
        entry = Entry(0, user, session, transaction, label, kind.name, text, time.time())
        with self._lock:
            self._number += 1
            entry.query_id = self._number
            self._running[entry.query_id] = entry
        return entry

    def end(self, entry: Entry, error: BaseException | None = None) -> None:
        """It has ended, with `error` or well."""
        entry.end = time.time()
        entry.status = "success"
        if error is not None:
            entry.error, cancelled = _told(error)
            entry.status = "canceled" if cancelled else "failed"
        with self._lock:
            self._running.pop(entry.query_id, None)
            self._waiting.append(entry)
            many = len(self._waiting) > WAITING_KEPT
        if many:
            self.flush()

    def flush(self, *, running: bool = False) -> None:
        """Write what waits, and as it stands what is `running`. Only PostgreSQL's end keeps it from being written."""
        with self._writing:
            with self._lock:
                entries, self._waiting = self._waiting, []
                shown = list(self._running.values()) if running else []
            if not entries and not shown:
                return
            rows = json.dumps([_row(entry) for entry in entries + shown]).encode()
            self._added += len(entries)
            kept = None
            if self._added >= PRUNED_AFTER:
                self._added, kept = 0, str(ROWS_KEPT).encode()
            try:
                self._internal.query("select zeroshift.note_queries($1::jsonb, $2)", [rows, kept])
            except (Disconnected, ServerError):
                log.warning("%s statements could not be noted", len(entries), exc_info=True)

    def moved(self, target: Target) -> None:
        """PostgreSQL was started again, at another port."""
        with self._writing:
            self._internal.close()
            self._internal = Internal(target)

    def close(self) -> None:
        """Write the rest and stop."""
        self._closed = True
        self._wake.set()
        self.flush()
        self._internal.close()

    def _write(self) -> None:
        while not self._wake.wait(PAUSE):
            try:
                self.flush()
            except Exception:
                log.exception("the history of queries could not be written")


def shows(translation: Translation) -> bool:
    """Whether a statement reads the log."""
    return any(relation.physical in SHOWING for relation in translation.reads)


def computes(translation: Translation) -> bool:
    """Whether a statement concerns users' tables: without them it runs on the leader node only."""
    return translation.written is not None or any(
        relation.physical[0] not in SYSTEM_SCHEMAS for relation in translation.reads
    )


def _told(error: BaseException) -> tuple[str, bool]:
    """The text of an error, and whether it was a cancellation."""
    if isinstance(error, ServerError):
        return error.fields.get("M", ""), error.fields.get("C") == "57014"
    if isinstance(error, Refused):
        return error.message, False
    # The client went away in the middle: "the query is marked as cancelled", says STL_QUERY of it.
    return getattr(error, "message", "") or "the client has closed the connection", isinstance(
        error, Disconnected
    )


def _row(entry: Entry) -> Sequence[object]:
    return (
        entry.query_id,
        entry.user,
        entry.session_id,
        entry.transaction_id,
        entry.label,
        _TYPES.get(entry.kind, _UTILITY),
        entry.status,
        _time(entry.start),
        None if entry.end is None else _time(entry.end),
        _cut(entry.error, ERROR_KEPT),
        entry.rows,
        entry.size,
        # A long text is cut first: only its beginning can be shown.
        _cut(mask(_cut(entry.text, TEXT_KEPT + 1000)), TEXT_KEPT),
        entry.compute,
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _cut(text: str, size: int) -> str:
    text = text.replace("\0", "")
    return text if len(text) * 4 <= size else text.encode()[:size].decode(errors="ignore")
