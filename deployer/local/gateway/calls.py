"""CREATE PROCEDURE and CALL in a session: the gateway's side of deployer.local.procedures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from deployer.local.gateway import codec, types
from deployer.local.gateway.catalog import LiveCatalog, _array
from deployer.local.gateway.errors import from_lexer, gateway_error
from deployer.local.gateway.runner import Collect, Runner, Sink
from deployer.local.gateway.settings import parameter, setting
from deployer.local.procedures.executor import Argument, Outcome, StoredProcedure, Value
from deployer.local.procedures.interpreter import Interpreter
from deployer.local.procedures.values import evaluate_simply
from deployer.local.translate.api import Refused, Translation
from deployer.local.translate.cursor import Cursor, to_name
from deployer.local.translate.datatypes import pg_type, read_type
from deployer.sql.classify import Kind, classify
from deployer.sql.lexer import LexError, tokenize
from deployer.sql.names import Name, quote_ident
from deployer.sql.plpgsql import BodyError, parse_call
from deployer.sql.procedure import parse_create_procedure
from deployer.sql.types import RedshiftType

_PG_OIDS = {
    "boolean": 16, "smallint": 21, "integer": 23, "bigint": 20, "real": 700, "double": 701, "decimal": 1700,
    "char": 1042, "varchar": 1043, "date": 1082, "time": 1083, "timestamp": 1114, "timestamptz": 1184, "timetz": 1266,
    "interval": 1186, "super": 4000, "varbyte": 6551, "oid": 26, "name": 19,
}  # fmt: skip


class GatewayExecutor:
    """The interpreter's Executor over a session's Runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.in_user_transaction = runner.in_transaction
        self._user = runner.user

    # -- transactions -----------------------------------------------------------------------------------------

    @property
    def _open(self) -> bool:
        return self._runner.backend.status != "I"

    def begin(self) -> None:
        if self.in_user_transaction or self._open:
            return
        self._runner.sync()
        self._runner.internal_query("begin")
        self._runner.note(Kind("begin"))

    def commit(self) -> None:
        if self._runner.unsynced or self._open:
            self._runner.commit()
        self.in_user_transaction = False
        self._reset_user()

    def rollback(self) -> None:
        runner = self._runner
        if runner.unsynced or self._open:
            runner.fail()
            if self._open:
                runner.backend.query("rollback")
        runner.settled()
        self.in_user_transaction = False
        self._reset_user()

    def _reset_user(self) -> None:
        """The transaction's end has taken the rights back that it lent."""
        self._runner.user = self._user

    # -- users and settings -----------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        return self._runner.user

    def switch_user(self, name: str) -> None:
        if name == self._runner.user:
            return
        self.configure("session_authorization", name)
        self._runner.user = name
        self._runner.note(Kind("set"))

    def configure(self, name: str, value: str) -> str:
        physical = name if name == "session_authorization" else parameter(name, value)
        if name == "session_authorization":
            old = self._runner.user
        else:
            rows = self._runner.internal_query("select current_setting($1, true)", [physical.encode()]).rows
            old = (rows[0][0] or b"").decode()
        self._runner.internal_query("select set_config($1, $2, true)", [physical.encode(), value.encode()])
        self._runner.note(Kind("set"))
        return old

    def notice(self, level: str, message: str) -> None:
        if level != "LOG":
            # LOG goes to the server's log only.
            self._runner.backend.on_notice({"S": level, "V": level, "C": "00000", "M": message})

    # -- statements -------------------------------------------------------------------------------------------

    def run(self, sql: str, variables: Mapping[str, Value]) -> Outcome:
        runner = self._runner
        try:
            used = _used(sql, variables)
        except LexError as error:
            raise from_lexer(error) from error
        kind = classify(sql)
        runner.check_usable(kind)
        if kind.name in ("set", "reset"):
            runner.internal_query(setting(sql).sql)
            runner.note(kind)
            return Outcome((), (), 0)
        translation = runner.translation(sql, {name: variables[name].type for name in used})
        values = [_encoded(variables[name]) for name in translation.parameters]
        collected = Collect()
        rows = runner.execute(sql, kind, translation, collected, values=values)
        result = collected.result
        columns = tuple(_column(column, translation, i) for i, column in enumerate(result.columns))
        cells = tuple(tuple(None if v is None else v.decode() for v in row) for row in result.rows)
        return Outcome(columns, cells, len(cells) if cells else rows)

    # -- the catalog ------------------------------------------------------------------------------------------

    def procedures(self, schema: str | None, name: str) -> list[StoredProcedure]:
        runner = self._runner
        for place in [schema] if schema else runner.search_path():
            values = [place.encode(), name.encode(), runner.user.encode()]
            rows = runner.internal_query("select * from zeroshift.find_procedures($1, $2, $3)", values).rows
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


def read_procedure_type(text: str) -> RedshiftType:
    """The type of an argument or variable. A bare VARCHAR is VARCHAR(256): DG "Character types". Raises Refused."""
    cursor = Cursor(text)
    if cursor.token.value == "refcursor":
        return RedshiftType("varchar")
    found = read_type(cursor, ddl=True)
    if cursor.token.kind != "end":
        cursor.fail()
    return found


# -- CREATE PROCEDURE ---------------------------------------------------------------------------------------------


def create_procedure(runner: Runner, text: str) -> Translation:
    """CREATE PROCEDURE as PostgreSQL statements: a procedure that is never called, and what is recorded of it.

    Raises Refused.
    """
    try:
        parsed = parse_create_procedure(text)
    except LexError as error:
        raise Refused(error.message, position=error.position, sqlstate="42601") from error
    except BodyError as error:
        state = "0A000" if error.unsupported else "42601"
        raise Refused(error.message, position=error.position, sqlstate=state) from error
    kinds = [read_procedure_type(argument.type_text) for argument in parsed.arguments]
    # What records it runs with another search_path, so the schema that CREATE would choose is written out.
    schema = (
        parsed.name.schema or (runner.internal_query("select current_schema()").rows[0][0] or b"").decode()
    )
    if not schema:
        raise Refused("no schema has been selected to create in", sqlstate="3F000")
    if parsed.name.database not in (None, runner.database):
        raise Refused("a procedure can be created in the session's own database only", sqlstate="0A000")
    name = Name(parsed.name.name, schema).sql()
    inputs = ", ".join(_bare(k) for a, k in zip(parsed.arguments, kinds, strict=True) if a.mode != "out")
    listed = ", ".join(
        f"{a.mode} {quote_ident(a.name) + ' ' if a.name else ''}{_bare(k)}"
        for a, k in zip(parsed.arguments, kinds, strict=True)
    )
    body_tag = _tag(parsed.body)
    signature = _tag_quoted(f"{name}({inputs})")
    settings = ", ".join(_tag_quoted(setting) for setting in parsed.settings)
    arguments = json.dumps(
        [{"name": a.name, "mode": a.mode, "type": a.type_text} for a in parsed.arguments], ensure_ascii=False
    )
    create = "create or replace" if parsed.replace else "create"
    statements = (
        "select pg_catalog.set_config('check_function_bodies', 'off', true)",
        f"{create} procedure {name}({listed}) language plpgsql as {body_tag}{parsed.body}{body_tag}",
        f"select zeroshift.record_procedure({signature}, {parsed.definer}, {parsed.nonatomic},"
        f" array[{settings}]::text[])",
        f"select zeroshift.record_procedure_arguments({signature}, {_tag_quoted(arguments)}::jsonb)",
    )
    if not parsed.replace:
        # Redshift grants EXECUTE to nobody but the owner; CREATE OR REPLACE keeps the grants that there are.
        return Translation(
            (*statements, f"revoke all on procedure {name}({inputs}) from public"), main=1, kind="ddl"
        )
    return Translation(
        (*statements, f"select zeroshift.revoke_first_execute({signature})"), main=1, kind="ddl"
    )


def _bare(kind: RedshiftType) -> str:
    return pg_type(RedshiftType(kind.name))


def _tag(text: str) -> str:
    tag, number = "$zs$", 0
    while tag in text:
        number += 1
        tag = f"$zs{number}$"
    return tag


def _tag_quoted(text: str) -> str:
    tag = _tag(text)
    return f"{tag}{text}{tag}"


# -- CALL ---------------------------------------------------------------------------------------------------------


def call(runner: Runner, text: str, sink: Sink) -> None:
    """Run a client's CALL. Raises ServerError and Refused."""
    try:
        parsed = parse_call(text)
    except BodyError as error:
        raise Refused(error.message, position=error.position, sqlstate="42601") from error
    if runner.cancelled:
        raise gateway_error("Query cancelled on user's request", "57014")
    outcome = Interpreter(GatewayExecutor(runner)).call(parsed)
    if outcome.columns:
        sink.columns([_described(name, kind) for name, kind in outcome.columns])
        for row in outcome.rows:
            sink.rows(codec.pack_row([None if v is None else v.encode() for v in row]), 1)
    sink.complete("CALL")


def described_result(runner: Runner, text: str) -> tuple[codec.Column, ...] | None:
    """The columns that a CALL will return, for Describe; None when it returns none or cannot be resolved yet."""
    try:
        parsed = parse_call(text)
        found = GatewayExecutor(runner).procedures(parsed.schema or None, parsed.name)
    except (BodyError, Refused):
        return None
    fitting = [p for p in found if sum(a.mode != "out" for a in p.arguments) == len(parsed.arguments)]
    if len(fitting) > 1:
        given = [Value(None, _kind_of(runner, argument.sql)) for argument in parsed.arguments]
        fitting = [Interpreter(GatewayExecutor(runner)).find(parsed, given)]
    if not fitting:
        return None
    outs = [a for a in fitting[0].arguments if a.mode != "in"]
    return tuple(_described(a.name, read_procedure_type(a.type_text)) for a in outs) or None


def _kind_of(runner: Runner, expression: str) -> RedshiftType:
    """The type of an argument, which is not evaluated. Raises Refused."""
    simple = evaluate_simply(expression, {})
    if simple is not None:
        return simple.type
    return runner.translation(f"select ({expression})").columns[0][1] or RedshiftType("unknown")


def _described(name: str, kind: RedshiftType) -> codec.Column:
    modifier = -1
    if kind.is_decimal and kind.precision is not None and kind.scale is not None:
        modifier = (kind.precision << 16 | kind.scale) + 4
    elif kind.length is not None:
        modifier = kind.length + 4
    return codec.Column(name, 0, 0, _PG_OIDS.get(kind.name, types.VARCHAR_OID), -1, modifier, 0)
