"""What is kept over a restart: statements, results, client tokens, sessions and undelivered events.

One SQLite file in $ZEROSHIFT_HOME, readable by its owner only. Every method is one transaction, so that a kill leaves
either all of it or nothing. WAL without a sync at each commit: a kill of the process loses nothing; a power cut may
lose the last statements, never the file.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deployer.local.data_api import limits
from deployer.local.data_api.records import (
    ACTIVE,
    CLOSED,
    FAILED,
    FINAL,
    Part,
    Place,
    Request,
    SessionRecord,
    Statement,
)
from deployer.local.database import Transactions

FILE = "data_api.sqlite3"

_VERSION = 2
_TABLES = """
create table statements (
    number integer primary key autoincrement, id text not null unique, created real not null, updated real not null,
    status text not null, name text, request text not null, pid integer not null, error text, duration integer not null
) strict;
create index statements_by_status on statements (status, number);
create index statements_by_end on statements (updated);
create table parts (
    statement text not null references statements (id) on delete cascade, number integer not null,
    created real not null, updated real not null, status text not null, error text, duration integer not null,
    rows integer not null, size integer not null, columns text, query_id integer not null default -1,
    primary key (statement, number)
) strict, without rowid;
create table pages (
    statement text not null, part integer not null, page integer not null, data blob not null,
    primary key (statement, part, page),
    foreign key (statement, part) references parts (statement, number) on delete cascade
) strict, without rowid;
create table tokens (
    token text primary key, statement text not null, digest text not null, created real not null
) strict, without rowid;
create index tokens_by_age on tokens (created);
create table sessions (
    id text primary key, place text not null, created real not null, updated real not null, status text not null,
    keep_alive integer not null, ends real not null, current text
) strict, without rowid;
create table events (number integer primary key autoincrement, created real not null, body text not null) strict;
"""

_FREED_PAGES = 2500
"""Given back at a time (10 MB): nobody is answered meanwhile."""

_PART = "number, created, updated, status, error, duration, rows, size, columns, query_id"
_STATEMENT = "id, number, request, created, updated, status, pid, error, duration"
_SESSION = "id, place, created, updated, status, keep_alive, ends, current"


class Store(Transactions):
    """The file. Its methods may be called from any thread."""

    def __init__(self, home: Path) -> None:
        path = home / FILE
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        super().__init__()
        self._open(path)
        version = self._db.execute("pragma user_version").fetchone()[0]
        if version not in (0, _VERSION):
            # Of another version of this program: at most a day's statements are lost.
            self._db.close()
            for leftover in home.glob(FILE + "*"):
                leftover.unlink()
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._open(path)
            version = 0
        if version == 0:
            self._db.executescript(f"begin; {_TABLES} pragma user_version = {_VERSION}; commit;")

    def _open(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        # A small cache, so that memory does not grow with the file; rows are read back once or twice.
        for setting in (
            # Before the first table; what expired results have taken is given back by expire().
            "auto_vacuum = incremental",
            "journal_mode = wal",
            "synchronous = normal",
            "foreign_keys = on",
            "cache_size = -512",
        ):
            self._db.execute(f"pragma {setting}")

    # -- statements -------------------------------------------------------------------------------------------

    def add(self, statement_id: str, request: Request, now: float) -> None:
        """A new statement, SUBMITTED."""
        with self.transaction() as db:
            db.execute(
                "insert into statements (id, created, updated, status, name, request, pid, duration)"
                " values (?, ?, ?, 'SUBMITTED', ?, ?, 0, -1)",
                (statement_id, now, now, request.name or "", json.dumps(request.dump())),
            )
            db.executemany(
                "insert into parts (statement, number, created, updated, status, duration, rows, size)"
                " values (?, ?, ?, ?, 'SUBMITTED', -1, -1, -1)",
                [(statement_id, number, now, now) for number in range(1, len(request.sqls) + 1)],
            )

    def statement(self, statement_id: str, oldest: float = 0.0) -> Statement | None:
        """The statement with its parts; None when there is none, or when it ended before `oldest`."""
        with self._lock:
            row = self._db.execute(
                f"select {_STATEMENT} from statements where id = ?"
                " and (updated >= ? or status in ('SUBMITTED', 'PICKED', 'STARTED'))",
                (statement_id, oldest),
            ).fetchone()
            return None if row is None else self._statement(row)

    def _statement(self, row: Sequence[Any]) -> Statement:
        identifier, number, request, *rest = row
        parts = self._db.execute(
            f"select {_PART} from parts where statement = ? order by number", (identifier,)
        ).fetchall()
        known = [
            Part(
                number,
                created,
                updated,
                status,
                error,
                duration,
                rows,
                size,
                columns and json.loads(columns),
                query_id,
            )  # fmt: skip
            for number, created, updated, status, error, duration, rows, size, columns, query_id in parts
        ]
        created, updated, status, pid, error, duration = rest
        loaded = Request.load(json.loads(request))
        return Statement(identifier, number, loaded, created, updated, status, pid, error, duration, known)

    def save(self, statement: Statement) -> None:
        """Keep the statement's own state, not its parts'."""
        with self.transaction() as db:
            db.execute(
                "update statements set updated = ?, status = ?, pid = ?, error = ?, duration = ? where id = ?",
                (statement.updated, statement.status, statement.pid, statement.error, statement.duration,
                 statement.id),
            )  # fmt: skip

    def save_part(self, statement_id: str, part: Part) -> None:
        """Keep a part's state. Pages of a part without a result are dropped."""
        columns = None if part.columns is None else json.dumps(part.columns)
        with self.transaction() as db:
            db.execute(
                "update parts set updated = ?, status = ?, error = ?, duration = ?, rows = ?, size = ?, columns = ?,"
                " query_id = ? where statement = ? and number = ?",
                (part.updated, part.status, part.error, part.duration, part.rows, part.size, columns,
                 part.query_id, statement_id, part.number),
            )  # fmt: skip
            if part.status in FINAL and part.columns is None:
                db.execute("delete from pages where statement = ? and part = ?", (statement_id, part.number))

    def active(self) -> list[Statement]:
        """All that are not at their end, oldest first."""
        with self._lock:
            rows = self._db.execute(
                f"select {_STATEMENT} from statements where status in (?, ?, ?) order by number", ACTIVE
            ).fetchall()
            return [self._statement(row) for row in rows]

    def count_active(self) -> int:
        with self._lock:
            found = self._db.execute("select count(*) from statements where status in (?, ?, ?)", ACTIVE)
            return int(found.fetchone()[0])

    def select(
        self,
        *,
        status: str,
        name: str,
        database: str | None,
        cluster: str | None,
        workgroup: str | None,
        before: int | None,
        oldest: float,
        limit: int,
    ) -> list[Statement]:
        """At most `limit` statements, newest first, that fit; `name` is a prefix, `before` the last one's order."""
        conditions = ["(updated >= ? or status in ('SUBMITTED', 'PICKED', 'STARTED'))"]
        values: list[Any] = [oldest]
        if status != "ALL":
            conditions.append("status = ?")
            values.append(status)
        if name:
            # LIKE would take no notice of case.
            conditions.append("substr(name, 1, ?) = ?")
            values += [len(name), name]
        for member, value in (("database", database), ("cluster", cluster), ("workgroup", workgroup)):
            if value is not None:
                conditions.append(f"request ->> '$.place.{member}' = ?")
                values.append(value)
        if before is not None:
            conditions.append("number < ?")
            values.append(before)
        with self._lock:
            rows = self._db.execute(
                f"select {_STATEMENT} from statements where {' and '.join(conditions)}"
                " order by number desc limit ?",
                (*values, limit),
            ).fetchall()
            return [self._statement(row) for row in rows]

    # -- results ----------------------------------------------------------------------------------------------

    def add_page(self, statement_id: str, part: int, page: int, data: bytes) -> None:
        with self.transaction() as db:
            db.execute("insert into pages values (?, ?, ?, ?)", (statement_id, part, page, data))

    def pages(self, statement_id: str, part: int, first: int, count: int) -> list[bytes]:
        """Up to `count` pages from number `first` on."""
        with self._lock:
            rows = self._db.execute(
                "select data from pages where statement = ? and part = ? and page >= ? order by page limit ?",
                (statement_id, part, first, count),
            ).fetchall()
        return [row[0] for row in rows]

    # -- client tokens ----------------------------------------------------------------------------------------

    def token(self, token: str, oldest: float) -> tuple[str, str] | None:
        """The statement that was made with this token not before `oldest`, and its request's digest."""
        with self._lock:
            found = self._db.execute(
                "select statement, digest from tokens where token = ? and created >= ?", (token, oldest)
            ).fetchone()
        return None if found is None else (found[0], found[1])

    def add_token(self, token: str, statement_id: str, digest: str, now: float) -> None:
        with self.transaction() as db:
            db.execute(
                "insert or replace into tokens values (?, ?, ?, ?)", (token, statement_id, digest, now)
            )

    # -- sessions ---------------------------------------------------------------------------------------------

    def save_session(self, session: SessionRecord) -> None:
        fields = asdict(session) | {"place": json.dumps(asdict(session.place))}
        with self.transaction() as db:
            db.execute(
                f"insert or replace into sessions ({_SESSION}) values (?, ?, ?, ?, ?, ?, ?, ?)",
                tuple(fields.values()),
            )

    def session(self, session_id: str) -> SessionRecord | None:
        found = self.sessions("id = ?", (session_id,))
        return found[0] if found else None

    def open_sessions(self) -> list[SessionRecord]:
        return self.sessions("status <> ?", (CLOSED,))

    def all_sessions(self, oldest: float) -> list[SessionRecord]:
        """The sessions that were created not before `oldest`, newest first."""
        return self.sessions("created >= ?", (oldest,))

    def sessions(self, condition: str, values: Sequence[object]) -> list[SessionRecord]:
        with self._lock:
            rows = self._db.execute(
                f"select {_SESSION} from sessions where {condition} order by created desc, id", tuple(values)
            ).fetchall()
        return [SessionRecord(row[0], Place(**json.loads(row[1])), *row[2:]) for row in rows]

    # -- events -----------------------------------------------------------------------------------------------

    def add_event(self, body: str, now: float) -> None:
        with self.transaction() as db:
            db.execute("insert into events (created, body) values (?, ?)", (now, body))

    def events(self, limit: int) -> list[tuple[int, str]]:
        """The oldest events that nobody has taken yet, with their numbers."""
        with self._lock:
            found = self._db.execute("select number, body from events order by number limit ?", (limit,))
            return [(row[0], row[1]) for row in found.fetchall()]

    def drop_events(self, up_to: int) -> None:
        with self.transaction() as db:
            db.execute("delete from events where number <= ?", (up_to,))

    # -- time -------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Forget what is older than the documented retention."""
        day = now - limits.RETENTION_SECONDS
        with self.transaction() as db:
            db.execute("delete from statements where updated < ? and status in (?, ?, ?)", (day, *FINAL))
            db.execute("delete from tokens where created < ?", (now - limits.TOKEN_SECONDS,))
            db.execute("delete from sessions where status = ? and created < ?", (CLOSED, day))
            # EventBridge repeats deliveries for 24 hours, then drops them.
            db.execute("delete from events where created < ?", (day,))
        with self._lock:
            # execute() would take one step of it, which frees one page.
            self._db.executescript(f"pragma incremental_vacuum({_FREED_PAGES})")

    def interrupted(self, reason: str, now: float) -> list[Statement]:
        """End all that an earlier process has left: statements FAILED with `reason`, sessions CLOSED."""
        with self.transaction() as db:
            ended = self.active()
            for statement in ended:
                statement.status, statement.error, statement.updated = FAILED, reason, now
                self.save(statement)
            db.execute(
                "update parts set status = ?, updated = ?, error = ? where status = 'STARTED'",
                (FAILED, now, reason),
            )
            db.execute(
                "update parts set status = 'ABORTED', updated = ? where status in ('SUBMITTED', 'PICKED')",
                (now,),
            )
            # Half of a result is none.
            db.execute(
                "delete from pages where (statement, part) in"
                " (select statement, number from parts where columns is null)"
            )
            db.execute(
                "update sessions set status = ?, updated = ?, current = null where status <> ?",
                (CLOSED, now, CLOSED),
            )
            return ended
