"""What COPY and UNLOAD leave for STL_LOAD_ERRORS, SYS_LOAD_HISTORY, SYS_UNLOAD_HISTORY, PG_LAST_COPY_ID and its like.

Source: Redshift Database Developer Guide, the pages of these views and functions; "Load error reference" for the codes;
"Data load operations" for MAXERROR. That the ids go back when the transaction is rolled back is left out.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.local.files.s3 import Object
from deployer.local.files.text_in import BadRecord
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.errors import gateway_error
from deployer.local.translate.api import Relation, Translation
from deployer.sql.transfer.copy import MOST_ERRORS, Copy
from deployer.sql.types import RedshiftType

if TYPE_CHECKING:
    from deployer.local.files.output import Written
    from deployer.local.gateway.runner import Runner
    from deployer.sql.transfer.unload import Unload

_SKIPPED = re.compile(
    r'skipping row due to data type incompatibility at line (\d+) for column "(.*?)": (?:"(.*)"|null input)',
    re.S,
)
_SKIPPED_ALL = "skipped due to data type incompatibility"

_CODES = (
    ("Delimiter not found", 1214), ("Extra column", 1202), ("Input line is shorter", 1203), ("String length", 1204),
    ("Char length", 1204), ("Invalid date format", 1205), ("Invalid timestamp", 1206), ("Missing data", 1213),
    ("String contains invalid", 1220), ("Invalid digit in", 1209), ("Invalid JSONPath", 1216), ("", 1216),
)  # fmt: skip
"""How a reason begins -> its code. 1216 is "Input line is not valid"."""
_WORDS = {"smallint": "Short", "integer": "Integer", "bigint": "Long"}
_FORMATS = {
    "real": (1208, "FLOAT data type format error"), "double": (1208, "FLOAT data type format error"),
    "decimal": (1209, "DECIMAL data type format error"), "boolean": (1210, "BOOLEAN data type format error"),
    "date": (1205, "Invalid Date Format - length must be 10 or more"), "timestamp": (1206, "Invalid timestamp format"),
    "timestamptz": (1206, "Invalid timestamp format"),
    "super": (1224, "Input data is not in a well-formed JSON format for the super data type"),
}  # fmt: skip
_SHOWN = {
    "smallint": "int2", "integer": "int4", "bigint": "int8", "real": "float4", "double": "float8", "boolean": "bool",
    "decimal": "numeric",
}  # fmt: skip
_UNLOADED = {"csv": "CSV", "json": "JSON", "parquet": "Parquet"}


@dataclass
class Last:
    """What a session's last COPY and UNLOAD were."""

    copy_id: int = -1
    copy_count: int = 0
    unload_id: int = -1
    unload_count: int = 0


def tell(runner: Runner, translation: Translation) -> None:
    """Before a statement runs that asks for them: tell the session the ids and counts."""
    if any(
        "redshift.pg_last_copy_" in sql or "redshift.pg_last_unload_" in sql for sql in translation.statements
    ):
        for name, value in vars(runner.last).items():
            runner.internal_query(
                "select set_config($1, $2, false)", [f"zeroshift.last_{name}".encode(), str(value).encode()]
            )


class Load:
    """One COPY on its way: counts what it loads, and decides whether a record that does not fit ends it."""

    def __init__(
        self, runner: Runner, statement: Copy, relation: Relation, columns: Sequence[tuple[str, RedshiftType]]
    ) -> None:
        self._runner = runner
        self._statement = statement
        self._relation = relation
        self._kinds = dict(columns)
        self._mistakes: list[dict[str, Any]] = []
        self._started = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        self.rows = self.size = self.errors = self.files = self.file_bytes = 0
        self.lines: list[tuple[int, int]] = []
        """Where the numbers of what is sent and of the file part: from this line sent on, so much is to be added."""

    def begin(self, items: Sequence[Object]) -> None:
        """The load process begins."""
        self.files, self.file_bytes = len(items), sum(item.size for item in items)
        self._runner.last.copy_id, self._runner.last.copy_count = self._runner.journal.query_id, 0
        self._record([])

    def reject(self, item: Object, bad: BadRecord, code: int | None = None) -> None:
        """Take note of a record that does not fit. Raises ServerError when that is one too many."""
        self.errors += 1
        self._note(item, bad, code)
        limit = self._statement.max_errors
        if limit is not None and self.errors >= max(limit, 1):
            raise self.failure(item, bad)

    def failure(self, item: Object, bad: BadRecord) -> ServerError:
        """What ends the statement on a record; the error's detail has what STL_LOAD_ERRORS has."""
        error = gateway_error(
            f"Load into table '{self._statement.table.name}' failed.  Check 'stl_load_errors' system table for"
            " details.",
            "XX000",
        )
        places = [item.url]
        if bad.number:
            places.append(f"line {bad.number}")
        if bad.column:
            places.append(f"column {bad.column}")
        error.fields["D"] = f"{', '.join(places)}: {bad.reason}"
        return error

    def note_last(self, item: Object, bad: BadRecord, code: int | None = None) -> None:
        """Take note of the record that has ended the load already."""
        self.errors += 1
        self._note(item, bad, code)

    def finish(self, *, failed: bool) -> None:
        """The load is over."""
        if not failed:
            self._runner.last.copy_count = self.rows
        self._record(self._mistakes)

    @contextmanager
    def listening(self, item: Object) -> Iterator[None]:
        """Hear of the records that PostgreSQL leaves out, in a tolerant load."""
        backend = self._runner.backend
        before = backend.on_notice
        skipped: list[BadRecord] = []

        def hear(fields: dict[str, str]) -> None:
            match = _SKIPPED.match(fields.get("M", ""))
            if match is not None:
                column, value = match[2], match[3] or ""
                number = self.line(int(match[1]))
                skipped.append(BadRecord(number, "", column, value=value))
            elif _SKIPPED_ALL not in fields.get("M", ""):
                before(fields)

        backend.on_notice = hear
        try:
            yield
        finally:
            backend.on_notice = before
        for bad in skipped:
            code, bad.reason = conversion(self._kinds[bad.column or ""], bad.value)
            self.reject(item, bad, code)

    def line(self, sent: int) -> int:
        """The file's own number of a line sent to PostgreSQL."""
        return sent + next((more for start, more in reversed(self.lines) if start <= sent), 0)

    def _note(self, item: Object, bad: BadRecord, code: int | None) -> None:
        if len(self._mistakes) >= MOST_ERRORS:
            return
        kind = self._kinds.get(bad.column or "")
        if code is None:
            code = next(number for words, number in _CODES if bad.reason.startswith(words))
        self._mistakes.append(
            {
                "query_id": self._runner.journal.query_id, "table_id": self._table, "file_name": item.url,
                "start_time": self._started.isoformat(" "), "line_number": bad.number or None,
                "column_name": bad.column or "", "column_type": _SHOWN.get(kind.name, kind.name) if kind else "",
                "column_length": str(kind.length) if kind is not None and kind.length else "",
                "raw_line": bad.raw[:1024].replace("\0", ""), "raw_value": bad.value[:1024].replace("\0", ""),
                "code": code, "reason": bad.reason,
            }
        )  # fmt: skip

    @property
    def _table(self) -> int:
        if not hasattr(self, "_oid"):
            rows = self._runner.catalog_query(
                "select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
                " where n.nspname = $1 and c.relname = $2", [part.encode() for part in self._relation.physical],
            ).rows  # fmt: skip
            self._oid = int(rows[0][0] or b"0") if rows else 0
        return self._oid

    def _record(self, mistakes: list[dict[str, Any]]) -> None:
        query = self._runner.journal.query_id
        if query < 0:
            return
        form = {"text": "txt", "fixedwidth": "txt"}.get(self._statement.format, self._statement.format)
        told = {
            "query_id": query, "table_id": self._table, "table_name": self._relation.name.name,
            "source": f"s3://{self._statement.bucket}/{self._statement.prefix}", "file_format": form,
            "loaded_rows": self.rows, "loaded_bytes": self.size, "files": self.files, "file_bytes": self.file_bytes,
            "errors": self.errors,
        }  # fmt: skip
        self._runner.internal.query(
            "select zeroshift.record_load($1::jsonb, $2::jsonb)",
            [json.dumps(told).encode(), json.dumps(mistakes).encode()],
        )


def conversion(kind: RedshiftType, value: str) -> tuple[int, str]:
    """Code and reason for a value that PostgreSQL does not read as `kind`."""
    text = value.strip()
    if kind.is_integer:
        if re.fullmatch(r"[+-]?\d+", text):
            return 1222, f"Overflow, Value '{text}', Type: {_WORDS[kind.name]}"
        at = next((i for i, one in enumerate(text) if not (one.isdigit() or (i == 0 and one in "+-"))), 0)
        shown = text[at] if text else ""
        return 1207, f"Invalid digit, Value '{shown}', Pos {at}, Type: {_WORDS[kind.name]}"
    return _FORMATS.get(kind.name, (1200, "Unknown parse error"))


def unloading(runner: Runner, unload: Unload) -> None:
    """UNLOAD begins its work."""
    runner.last.unload_id, runner.last.unload_count = runner.journal.query_id, 0
    _record_unload(runner, unload, 0, [])


def unloaded(runner: Runner, unload: Unload, rows: int, written: Sequence[Written]) -> None:
    """UNLOAD has written these files."""
    runner.last.unload_count = rows
    _record_unload(runner, unload, rows, written)


def _record_unload(runner: Runner, unload: Unload, rows: int, written: Sequence[Written]) -> None:
    query = runner.journal.query_id
    if query < 0:
        return
    told = {
        "query_id": query, "file_format": _UNLOADED.get(unload.format, "Text"),
        "compression": (unload.compression or "").upper(), "location": f"s3://{unload.bucket}/{unload.prefix}",
        "unloaded_rows": rows,
    }  # fmt: skip
    files = [
        {
            "query_id": query,
            "path": f"s3://{unload.bucket}/{one.key}",
            "line_count": one.rows,
            "size": one.size,
        }
        for one in written
    ]
    runner.internal.query(
        "select zeroshift.record_unload($1::jsonb, $2::jsonb)",
        [json.dumps(told).encode(), json.dumps(files).encode()],
    )
