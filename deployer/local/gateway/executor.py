"""The interpreter's Executor over a session's Runner."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence

from deployer.local.gateway import codec, types
from deployer.local.gateway.catalog import LiveCatalog, _array
from deployer.local.gateway.errors import CANCELLED, from_lexer, gateway_error
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.settings import parameter, setting
from deployer.local.gateway.sinks import Collect
from deployer.local.gateway.transfers import BULK
from deployer.local.procedures import create
from deployer.local.procedures.create import read_procedure_type
from deployer.local.procedures.executor import Argument, Outcome, StoredProcedure, Value
from deployer.local.translate.api import Translation
from deployer.sql.classify import Kind, classify
from deployer.sql.lexer import LexError, tokenize
from deployer.sql.names import quote_ident
from deployer.sql.parse.cursor import to_name
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

_HEARTBEAT = 0.5
"""Seconds after which a procedure that only computes asks PostgreSQL something."""
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SETTING = re.compile(r"(\d+)(ms|s|min|h|d)")


class GatewayExecutor:
    """The interpreter's Executor over a session's Runner, for one CALL."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.in_user_transaction = runner.in_transaction
        self._implicit = self.in_user_transaction and (runner.own_block or not self._open)
        self._ended = False
        self._user = runner.user
        self._alive = self._started = time.monotonic()
        self._limit: float | None = None

    # -- transactions -----------------------------------------------------------------------------------------

    @property
    def _open(self) -> bool:
        return self._runner.backend.status != "I"

    def begin(self) -> None:
        if self._open or (self._implicit and not self._ended):
            return
        self._runner.sync()
        self._runner.internal_query("begin")
        self._runner.note(Kind("begin"))

    def commit(self) -> None:
        self._ended = True
        try:
            self._runner.commit()
        finally:
            self._forget_user()

    def rollback(self) -> None:
        runner = self._runner
        self._ended = True
        if self._open:
            if runner.unsynced:
                # After an error PostgreSQL ignores everything up to a Sync.
                runner.backend.sync()
            runner.roll_back()
        elif runner.unsynced:
            # The implicit transaction of a pipeline has no other end than an error.
            runner.fail()
        runner.settled()
        self._forget_user()

    def abandon(self) -> None:
        self._forget_user()
        if self._ended and not self._implicit and not self._open:
            # A handler has ended the client's block, and the error goes on to the client: what follows up to the
            # client's own COMMIT or ROLLBACK must not run as if there had been no block.
            self._runner.internal_query("begin")
            self._runner.note(Kind("begin"))

    def finish(self) -> None:
        """After the call: a NONATOMIC procedure may have turned a message's implicit transaction into a real one."""
        if self._implicit and self._ended:
            self.commit()

    def _forget_user(self) -> None:
        """The transaction's end has taken back the rights that it lent."""
        self._runner.user = self._user
        self._runner.note(Kind("set"))

    def limit_time(self) -> None:
        """Let the CALL last no longer than statement_timeout, which stops "any statement" (DG "statement_timeout").

        PostgreSQL, which knows only the statements of the CALL, limits each of them.
        """
        shown = self._runner.internal_query("show statement_timeout").rows[0][0] or b""
        found = _SETTING.fullmatch(shown.decode())
        self._limit = int(found[1]) * _UNITS[found[2]] if found is not None else None

    def check(self) -> None:
        late = self._limit is not None and time.monotonic() - self._started > self._limit
        self._runner.cancel.check()
        if late:
            raise gateway_error(CANCELLED, "57014")
        if time.monotonic() - self._alive > _HEARTBEAT:
            # A loop that never asks PostgreSQL would not notice that the client has gone.
            self._runner.internal_query("show server_version")
            self._alive = time.monotonic()

    # -- users and settings -----------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        return self._runner.user

    def switch_user(self, name: str) -> None:
        runner = self._runner
        if name == runner.user:
            return
        # SET takes no snapshot, unlike a SELECT of set_config(): the procedure's first statement may be LOCK.
        runner.internal_query(f"set local zeroshift.login_user to {_pg_literal(self._user)}")
        runner.internal_query(f"set local session authorization {quote_ident(name)}")
        runner.user = name
        runner.note(Kind("set"))

    def configure(self, name: str, value: str) -> str:
        physical = parameter(name, value)
        rows = self._runner.internal_query("select current_setting($1, true)", [physical.encode()]).rows
        self._runner.internal_query("select set_config($1, $2, true)", [physical.encode(), value.encode()])
        self._runner.options.forget(name)
        self._runner.note(Kind("set"))
        return (rows[0][0] or b"").decode()

    def log_level(self) -> str:
        # A transaction that has failed cannot be asked.
        return self._runner.options.log_level() if self._runner.backend.status != "E" else "log"

    def notice(self, level: str, message: str) -> None:
        if level != "LOG":
            # LOG goes to the server's log only.
            self._runner.backend.on_notice({"S": level, "V": level, "C": "00000", "M": message})

    # -- statements -------------------------------------------------------------------------------------------

    def run(self, sql: str, variables: Mapping[str, Value]) -> Outcome:
        runner = self._runner
        self.check()
        self._alive = time.monotonic()
        try:
            used = _used(sql, variables)
        except LexError as error:
            raise from_lexer(error) from error
        kind = classify(sql)
        runner.check_usable(kind)
        if kind.name in ("set", "reset"):
            chosen = setting(sql)
            runner.options.forget(chosen.sql)
            runner.internal_query(chosen.sql)
            runner.note(kind)
            return Outcome((), (), 0)
        if kind.name in BULK:
            # "No variable substitution within the string": DG "Supported PL/pgSQL statements".
            with runner.journal.statement(runner, kind, sql):
                return Outcome((), (), BULK[kind.name](runner, sql, Collect()))
        if kind.name == "create_procedure":
            translation = create_procedure(runner, sql)
        else:
            translation = runner.translation(sql, {name: variables[name].type for name in used})
        values = [_encoded(variables[name]) for name in translation.parameters]
        collected = Collect()
        # Expressions of the procedure are no statements of their own.
        logged = (
            runner.journal.begin(runner, kind, sql) if translation.reads or kind.name != "select" else None
        )
        try:
            rows = runner.execute(sql, kind, translation, collected, values=values)
        except BaseException as error:
            runner.journal.end(logged, error)
            raise
        runner.journal.end(logged)
        if kind.commits:
            self._ended = True
            self._forget_user()
        result = collected.result
        columns = tuple(_column(column, translation, i) for i, column in enumerate(result.columns))
        cells = tuple(tuple(None if v is None else v.decode() for v in row) for row in result.rows)
        return Outcome(columns, cells, len(cells) if cells else rows)

    def cursors(self) -> list[str]:
        rows = self._runner.internal_query(
            "select name from pg_catalog.pg_cursors where name !~ '^(zp[0-9]+)?$'"
        ).rows
        return [(row[0] or b"").decode() for row in rows]

    # -- the catalog ------------------------------------------------------------------------------------------

    def procedures(self, schema: str | None, name: str) -> list[StoredProcedure]:
        runner = self._runner
        for place in [schema] if schema else runner.search_path():
            values = [place.encode(), name.encode(), runner.user.encode()]
            rows = runner.catalog_query("select * from zeroshift.find_procedures($1, $2, $3)", values).rows
            if rows:
                return [_stored(place, row) for row in rows]
        return []

    def read_type(self, text: str) -> RedshiftType:
        return read_procedure_type(text)

    def columns(self, relation: str) -> tuple[tuple[str, RedshiftType], ...]:
        name = to_name(tuple(t.value for t in tokenize(relation) if t.kind in ("word", "quoted")))
        catalog: LiveCatalog = self._runner.catalog(relation)
        found = catalog.relation(name)
        if found is None:
            raise Refused(f'relation "{name}" does not exist', sqlstate="42P01")
        return found.columns


def _used(sql: str, variables: Mapping[str, Value]) -> list[str]:
    """The variables that a text may name, sorted: with only those a translation is found again in the cache."""
    tokens = tokenize(sql)
    used = set()
    for index, token in enumerate(tokens):
        if token.kind not in ("word", "quoted"):
            continue
        if token.value in variables:
            used.add(token.value)
        if tokens[index + 1].value == "." and f"{token.value}.{tokens[index + 2].value}" in variables:
            used.add(f"{token.value}.{tokens[index + 2].value}")
    return sorted(used)


def _encoded(value: Value) -> bytes | None:
    return None if value.text is None else value.text.encode()


def _column(column: codec.Column, translation: Translation, index: int) -> tuple[str, RedshiftType]:
    inferred = translation.columns[index][1] if index < len(translation.columns) else None
    kind = inferred if inferred is not None else types.from_oid(column.type, column.modifier)
    return column.name, kind


def _stored(schema: str, row: Sequence[bytes | None]) -> StoredProcedure:
    oid, name, owner, arguments, body, definer, nonatomic, settings, allowed = (
        "" if value is None else value.decode() for value in row
    )
    return StoredProcedure(
        oid=int(oid),
        schema=schema,
        name=name,
        owner=owner,
        arguments=tuple(Argument(a["name"], a["mode"], a["type"]) for a in json.loads(arguments)),
        body=body,
        definer=definer == "t",
        nonatomic=nonatomic == "t",
        settings=tuple(_array(settings)),
        allowed=allowed == "t",
    )


def create_procedure(runner: Runner, text: str) -> Translation:
    """CREATE PROCEDURE for this session. Raises Refused."""
    # What records it runs with another search_path, so the schema that CREATE would choose is written out.
    schema = (runner.internal_query("select current_schema()").rows[0][0] or b"").decode()
    return create.create_procedure(text, runner.database, schema)


def _pg_literal(value: str) -> str:
    return " E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
