"""One session with a warehouse, over redshift_connector, which is the only client in every environment."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from deployer.errors import StatementFailed, Unavailable, ZeroshiftError
from deployer.sql.names import quote_literal

MARGIN_SECONDS = 60.0
"""How long before their end credentials are no longer used."""

CONNECTION_LOST = "08006"
"""SQLSTATE that we give to a connection that broke, for the driver raises it without one."""


@dataclass(frozen=True)
class Target:
    """Where a warehouse listens and as whom to log in. `ssl` is off only for the local one, on loopback.

    `settings` are SET at the start of every session: (name, value). A password that is temporary opens connections
    until `until` (Unix time); what is open then stays open. `renew` asks for another one.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    ssl: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    until: float = math.inf
    renew: Callable[[], Target] | None = field(default=None, repr=False, compare=False)

    def current(self) -> Target:
        """Itself, or the same place with fresh credentials where its own are about to end."""
        if self.renew is None or time.time() < self.until - MARGIN_SECONDS:
            return self
        return self.renew()


@dataclass(frozen=True)
class Column:
    """A result column and its type's OID, as the wire protocol names types."""

    name: str
    type_oid: int


@dataclass(frozen=True)
class Result:
    """What a statement returned. `row_count` is what the server's command tag told, -1 when it told none."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    row_count: int


class Session:
    """A connection in autocommit: a transaction begins where `transaction()` says so and nowhere else.

    Statements are sent as they are written: redshift_connector rewrites text only when parameters are given
    (its paramstyle is `format`, hence `%s`, and then `%%` for a percent sign).
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._connection: Any = None
        self.reopen()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def driver_connection(self) -> Any:
        """The redshift_connector connection itself, for Alembic, which brings its own transactions."""
        return self._connection

    def reopen(self) -> None:
        """Connect, anew where it was connected: what the session had set, and an open transaction, are gone.

        Raises Unavailable.
        """
        # Imported here, since it brings boto3 along: `zeroshift --help` should not wait for that.
        import redshift_connector

        # A deployment or a run may last longer than the credentials that it began with.
        target = self.target = self.target.current()
        if self._connection is not None:
            self.close()
        self._errors = (redshift_connector.error.Error, OSError, struct.error)
        try:
            self._connection = redshift_connector.connect(
                host=target.host,
                port=target.port,
                database=target.database,
                user=target.user,
                password=target.password,
                ssl=target.ssl,
                application_name="zeroshift",
            )
        except self._errors as error:
            told = error.args[0] if error.args else error
            reason = told.get("M", told) if isinstance(told, dict) else told
            raise Unavailable(
                f"cannot connect to {target.user}@{target.host}:{target.port}/{target.database}: {reason}"
            ) from error
        self._connection.autocommit = True
        for name, value in target.settings:
            # A number as the documentation writes it (statement_timeout), a text as a literal.
            self.execute(f"set {name} to {value if value.isdigit() else quote_literal(value)}")

    def close(self) -> None:
        """Close; a server that has gone already is no error."""
        try:
            self._connection.close()
        except (*self._errors, AttributeError, ValueError):
            return

    def execute(self, sql: str, parameters: Sequence[object] | None = None, *, where: str = "") -> Result:
        """Run one statement and return all its rows.

        Raises StatementFailed, whose `where` is `where`: the file and line that the statement stands in.
        """
        cursor = self._connection.cursor()
        try:
            if parameters is None:
                cursor.execute(sql)
            else:
                cursor.execute(sql, list(parameters))
            described = cursor.description
            rows = tuple(tuple(row) for row in cursor.fetchall()) if described else ()
            columns = tuple(Column(_text(column[0]), column[1]) for column in described or ())
            return Result(columns, rows, cursor.rowcount)
        except self._errors as error:
            raise failure(error, sql=sql, where=where) from error
        except KeyboardInterrupt:
            # The answer to the statement is still on its way: the connection cannot be used again.
            self._end_remotely()
            self.close()
            raise

    def _end_remotely(self) -> None:
        """Have the warehouse end this session and what it does, as far as it can be reached: who merely hangs up leaves
        a long statement to run on, with its locks (Redshift Database Developer Guide, "PG_TERMINATE_BACKEND").
        """
        # What the server has said at login to cancel by: process id and secret.
        key = getattr(self._connection, "_backend_key_data", None)
        if not isinstance(key, bytes) or len(key) < 4:
            return
        try:
            with Session(replace(self.target, settings=())) as other:
                # Not by execute(): whoever is impatient with this one, too, ends it by a second Ctrl-C.
                other.driver_connection.cursor().execute(
                    f"select pg_terminate_backend({struct.unpack('!i', key[:4])[0]})"
                )
        except (*self._errors, ZeroshiftError):
            return

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin; commit at the end, or roll back and let the error go on."""
        self.execute("begin")
        try:
            yield
            # One that is cancelled, as by statement_timeout, leaves a transaction open that has failed.
            self.execute("commit")
        except BaseException:
            try:
                self.execute("rollback")
            except StatementFailed:
                # The connection broke: the server rolls back what it holds, and the first error is the news.
                self.close()
            raise


def failure(error: BaseException, *, sql: str = "", where: str = "") -> StatementFailed:
    """A driver's error as StatementFailed: message, detail and hint in one, SQLSTATE and position apart."""
    told = error.args[0] if error.args else None
    if not isinstance(told, dict):
        return StatementFailed(
            f"the connection to the warehouse broke: {error}" if _is_lost(error) else str(error),
            sqlstate=CONNECTION_LOST if _is_lost(error) else "",
            sql=sql,
            where=where,
        )
    message = str(told.get("M", error))
    for label, key in (("", "D"), ("hint: ", "H")):
        if told.get(key):
            message = f"{message.rstrip('.')}; {label}{told[key]}"
    position = str(told.get("P", ""))
    return StatementFailed(
        message,
        sqlstate=str(told.get("C", "")),
        sql=sql,
        where=where,
        position=int(position) if position.isdigit() else None,
    )


def _is_lost(error: BaseException) -> bool:
    # The driver raises InterfaceError with a text of its own when the socket breaks. It is imported when there is
    # a session, and an error of it has come from one.
    import redshift_connector

    return isinstance(error, OSError | struct.error | redshift_connector.error.InterfaceError)


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
