"""Versioned migrations: Alembic's operations, recorded first and then sent statement by statement.

A migration is Python. Its `upgrade()` is run against a connection that only writes down what it is given, so that a
plan can show the SQL without touching the warehouse, and a deployment sends exactly that. A migration that reads from
the warehouse cannot be recorded: it runs against the real connection, in one transaction.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util.exc import CommandError

from deployer.errors import StatementFailed, UsageError, ZeroshiftError
from deployer.project.migrations import Migration
from deployer.sql.classify import classify
from deployer.sql.lexer import LexError, tokenize
from deployer.warehouse import alembic_dialect
from deployer.warehouse.session import Session, failure

_TRANSACTION_ABORTED = "25P02"
_NEVER = ("begin", "commit", "rollback")


@dataclass(frozen=True)
class Statement:
    """One statement as Session.execute takes it; `parameters` is None for most.

    `text` has them written out as literals: for people, and to classify it. `where` is the migration's file and line.
    """

    sql: str
    parameters: tuple[object, ...] | None
    text: str
    where: str


@dataclass(frozen=True)
class Recorded:
    """What a migration sends, in order. `reads` is where it reads from the warehouse, empty when it does not; the
    statements behind that place are not known beforehand.
    """

    statements: tuple[Statement, ...]
    reads: str = ""


def record(migration: Migration) -> Recorded:
    """The statements of `migration`, without a warehouse.

    Raises UsageError for one that begins or ends transactions, StatementFailed with the file and line when its Python
    fails.
    """
    recorder = _Recorder(migration.path)
    try:
        _run(migration, recorder)
    except _Reads as told:
        return Recorded(tuple(recorder.statements), told.where)
    except sa.exc.ResourceClosedError:
        return Recorded(tuple(recorder.statements), recorder.statements[-1].where)
    return Recorded(tuple(recorder.statements))


def run_live(session: Session, migration: Migration) -> None:
    """Run a migration that reads, in the caller's transaction, on the session's own connection.

    Raises StatementFailed with file and line for the first statement that the warehouse refused, also when the
    migration went on after it.
    """
    live = _Live(session, migration.path)
    try:
        _run(migration, live)
    except StatementFailed as error:
        if error.sqlstate == _TRANSACTION_ABORTED and live.first is not None:
            raise live.first from error
        raise
    if live.first is not None:
        # The migration caught it, but the transaction is lost.
        raise live.first


def _run(migration: Migration, connection: Any) -> None:
    """Call the migration's upgrade() with Alembic's operations bound to a driver connection."""
    engine = sa.create_engine(
        alembic_dialect.URL, creator=lambda: connection, poolclass=sa.pool.StaticPool, _initialize=False
    )
    try:
        with warnings.catch_warnings(), _module(migration) as module, engine.connect() as bound:
            # It warns of a percent sign that is doubled in the migration: we send what is written there.
            warnings.filterwarnings("ignore", message=".*automatically escapes")
            context = MigrationContext.configure(connection=bound, opts={"transactional_ddl": True})
            with Operations.context(context):
                module.upgrade()
    except (ZeroshiftError, _Reads, sa.exc.ResourceClosedError):
        raise
    except sa.exc.DBAPIError as error:
        cause = error.orig if error.orig is not None else error
        raise failure(cause, sql=error.statement or "", where=_raised_at(error, migration.path)) from error
    except CommandError as error:
        raise UsageError(f"{_shown(migration.path)}: {error}") from error
    except Exception as error:
        # A migration is Python: whatever it raises is news about that file.
        raise StatementFailed(
            f"{type(error).__name__}: {error}", where=_raised_at(error, migration.path)
        ) from error
    finally:
        engine.dispose()


@contextmanager
def _module(migration: Migration) -> Iterator[Any]:
    name = f"zeroshift_migration_{migration.revision}"
    spec = importlib.util.spec_from_file_location(name, migration.path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{_shown(migration.path)}:1: Python cannot load this file")
    module = importlib.util.module_from_spec(spec)
    # Classes that a migration defines look for their module by its name.
    sys.modules[name] = module
    # No __pycache__ in the project: a plan writes nothing.
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
        if not callable(getattr(module, "upgrade", None)):
            raise UsageError(f"{_shown(migration.path)}:1: the migration has no function upgrade()")
        yield module
    finally:
        sys.dont_write_bytecode = writes
        sys.modules.pop(name, None)


class _Reads(BaseException):
    """The migration asks the warehouse, which is not there while its statements are recorded.

    No Exception, so that a migration which handles errors does not go on without its answer.
    """

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class _Connection:
    """What SQLAlchemy needs of a driver's connection. Transactions are not its business here."""

    autocommit = True
    notices: Sequence[object] = ()

    def __init__(self, path: Path) -> None:
        self.path = path

    def commit(self) -> None:
        return

    def rollback(self) -> None:
        return

    def close(self) -> None:
        return

    def statement(self, sql: str, parameters: Sequence[object] | None) -> Statement:
        """`sql` as a Statement; raises UsageError where it would end the deployment's own transaction."""
        bound = tuple(parameters or ())
        where = _called_at(self.path)
        try:
            text = _with_literals(sql, bound) if bound else _undoubled(sql)
            sent = _undoubled_in_quotes(sql) if bound else text
            kind = classify(text)
        except LexError as error:
            raise UsageError(f"{where}: {error.message}") from None
        if kind.name in _NEVER:
            raise UsageError(
                f"{where}: a migration neither begins nor ends transactions: zeroshift runs it in one of its own"
            )
        return Statement(sent, bound or None, text, where)


class _Recorder(_Connection):
    """Writes down what it is given."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.statements: list[Statement] = []

    def cursor(self) -> _RecordingCursor:
        return _RecordingCursor(self)


class _RecordingCursor:
    description = None
    rowcount = -1
    arraysize = 1

    def __init__(self, connection: _Recorder) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[object] | None = None) -> None:
        statement = self._connection.statement(sql, parameters)
        if classify(statement.text).name in ("select", "show", "explain", "fetch"):
            raise _Reads(statement.where)
        self._connection.statements.append(statement)

    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        for row in rows:
            self.execute(sql, row)

    def close(self) -> None:
        return


class _Live(_Connection):
    """The session's own connection, whose transaction nobody here ends. `first`: the first error it met."""

    def __init__(self, session: Session, path: Path) -> None:
        super().__init__(path)
        self._session = session
        self.first: StatementFailed | None = None

    def cursor(self) -> _LiveCursor:
        return _LiveCursor(self, self._session.driver_connection.cursor())


class _LiveCursor:
    def __init__(self, connection: _Live, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: str, parameters: Sequence[object] | None = None) -> None:
        statement = self._connection.statement(sql, parameters)
        kind = classify(statement.text)
        if kind.alone or kind.commits:
            raise UsageError(
                f"{statement.where}: this statement cannot run in a transaction, and a migration that reads from the"
                " warehouse runs in one; make two migrations of it"
            )
        try:
            self._cursor.execute(
                statement.sql, None if statement.parameters is None else list(statement.parameters)
            )
        except Exception as error:
            self._connection.first = self._connection.first or failure(
                error, sql=statement.text, where=statement.where
            )
            raise

    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        for row in rows:
            self.execute(sql, row)


def _undoubled(sql: str) -> str:
    """The text as it was meant: SQLAlchemy doubles every percent sign for the driver's paramstyle."""
    return sql.replace("%%", "%")


def _undoubled_in_quotes(sql: str) -> str:
    """`sql` with its marks, as the driver wants it: it halves doubled percent signs only outside of quotes."""
    parts, end = [], 0
    for token in tokenize(sql):
        if token.kind in ("string", "quoted"):
            parts += [sql[end : token.start], _undoubled(sql[token.start : token.end])]
            end = token.end
    return "".join([*parts, sql[end:]])


def _with_literals(sql: str, parameters: Sequence[object]) -> str:
    """The text with its parameters written out: for people to read, not to be sent."""
    values = iter(parameters)

    def write(found: re.Match[str]) -> str:
        return "%" if found.group(0) == "%%" else _literal(next(values))

    return re.sub(r"%%|%s", write, sql)


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def _shown(path: Path) -> str:
    """`migrations/versions/0003_x.py`: from the migrations' directory on."""
    return str(Path(*path.parts[-3:]))


def _called_at(path: Path) -> str:
    """File and line that the migration is at, from the stack."""
    return _line(traceback.extract_stack(), path)


def _raised_at(error: BaseException, path: Path) -> str:
    """File and line that the migration was at when the error came."""
    return _line(traceback.extract_tb(error.__traceback__), path)


def _line(frames: traceback.StackSummary, path: Path) -> str:
    for frame in reversed(frames):
        if frame.filename == str(path):
            return f"{_shown(path)}:{frame.lineno}"
    return f"{_shown(path)}:1"
