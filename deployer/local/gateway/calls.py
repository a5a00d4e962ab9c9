"""CREATE PROCEDURE, CALL and SHOW PROCEDURE in a session: the gateway's side of deployer.local.procedures."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployer.local.gateway import codec, types
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.codec import Disconnected
from deployer.local.gateway.errors import gateway_error
from deployer.local.gateway.executor import GatewayExecutor
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.sinks import Sink
from deployer.local.procedures import create
from deployer.local.procedures.call_log import CallLog
from deployer.local.procedures.create import read_procedure_type
from deployer.local.procedures.executor import StoredProcedure, Value
from deployer.local.procedures.interpreter import Interpreter
from deployer.local.procedures.values import evaluate_simply, without_numbers
from deployer.sql.lexer import tokenize
from deployer.sql.overloads import type_name
from deployer.sql.plpgsql import parse_call
from deployer.sql.plpgsql_ast import Call
from deployer.sql.plpgsql_reader import BodyError, Reader, read_tokens
from deployer.sql.procedure import read_arguments, read_name
from deployer.sql.refused import Refused
from deployer.sql.types import UNKNOWN, RedshiftType

logger = logging.getLogger("zeroshift.gateway")

_PG_OIDS = {
    "boolean": 16, "smallint": 21, "integer": 23, "bigint": 20, "real": 700, "double": 701, "decimal": 1700,
    "char": 1042, "varchar": 1043, "date": 1082, "time": 1083, "timestamp": 1114, "timestamptz": 1184, "timetz": 1266,
    "interval": 1186, "super": 4000, "varbyte": 6551, "oid": 26, "name": 19,
}  # fmt: skip


_VOID_OID, _VOID = 2278, RedshiftType("void")

# -- CALL ---------------------------------------------------------------------------------------------------------


def call(
    runner: Runner,
    text: str,
    sink: Sink,
    parameters: Mapping[str, Value] | None = None,
    formats: Sequence[int] = (),
) -> None:
    """Run a client's CALL; `parameters` are bound to its $1, $2 ..., `formats` are asked for the result's columns.

    Raises Refused and ServerError.
    """
    parsed = _without_outputs(_parsed_call(text), parameters or {})
    runner.cancel.check()
    executor = GatewayExecutor(runner)
    executor.limit_time()
    interpreter = Interpreter(executor)
    login_user = runner.user
    try:
        outcome = interpreter.call(parsed, parameters or {})
    finally:
        _note(runner, login_user, interpreter.log)
    executor.finish()
    if outcome.columns:
        sink.columns([_described(name, kind) for name, kind in outcome.columns])
        for row in outcome.rows:
            values = tuple(None if value is None else value.encode() for value in row)
            if any(formats):
                # PostgreSQL writes the binary forms.
                kinds = [_pg_oid(kind) for _, kind in outcome.columns]
                values = runner.internal_query(
                    f"select {_places(len(values))}", values, types=kinds, results=formats
                ).rows[0]
            sink.rows(codec.pack_row(values), 1)
    sink.complete("CALL")


def _note(runner: Runner, login_user: str, log: CallLog) -> None:
    """Put calls and messages into SYS_PROCEDURE_CALL and SYS_PROCEDURE_MESSAGES.

    What became of the CALL itself does not depend on it.
    """
    if not log.calls:
        return
    # The CALL itself has the number that SYS_QUERY_HISTORY shows.
    numbers = {log.calls[0].number: runner.journal.query_id} | {
        call.number: runner.journal.next_id() for call in log.calls[1:]
    }
    calls = [
        {
            "number": numbers[call.number],
            "caller": numbers.get(call.caller or 0),
            "user_name": call.user,
            "query": call.text,
            "started": call.start.replace(tzinfo=None).isoformat(),
            "ended": (call.end or call.start).replace(tzinfo=None).isoformat(),
            "status": call.status,
        }
        for call in log.calls
    ]
    messages = [
        {
            "query": numbers[said.call],
            "recorded": said.time.replace(tzinfo=None).isoformat(),
            "level": said.level.upper(),
            "message": said.text,
            "line": said.line,
        }
        for said in log.messages
        if said.call in numbers
    ]
    try:
        runner.internal.query(
            "select zeroshift.note_calls($1, $2::json)", [login_user.encode(), json.dumps(calls).encode()]
        )
        if messages:
            runner.internal.query("select zeroshift.note_messages($1::json)", [json.dumps(messages).encode()])
    except (Disconnected, ServerError):
        # PostgreSQL is going down, and the session will hear of it by itself.
        logger.warning("the calls of a CALL could not be noted", exc_info=True)


def _places(count: int) -> str:
    return ", ".join(f"${number}" for number in range(1, count + 1))


def _pg_oid(kind: RedshiftType) -> int:
    return types.postgres_oid(_PG_OIDS.get(kind.name, types.VARCHAR_OID))


def _parsed_call(text: str) -> Call:
    try:
        return parse_call(text)
    except BodyError as error:
        raise create.refused(error) from error


def _without_outputs(parsed: Call, parameters: Mapping[str, Value]) -> Call:
    """A CALL without the places that a JDBC driver keeps for OUT arguments: parameters that it declares as VOID.

    PostgreSQL's ParseFuncOrColumn drops them for JDBC's sake. Amazon's driver sends them (SimpleParameterList).
    """
    outputs = {name for name, value in parameters.items() if value.type == _VOID}
    kept = tuple(a for a in parsed.arguments if a.sql.strip() not in outputs)
    return replace(parsed, arguments=kept) if outputs else parsed


def parameter_count(text: str) -> int:
    """The highest n of the $n in a CALL."""
    return max((int(t.value[1:]) for t in tokenize(text) if t.kind == "param"), default=0)


def bound_parameters(runner: Runner, bind: codec.Bind, oids: Sequence[int]) -> dict[str, Value]:
    """The values that a client has bound to $1, $2 ... of a CALL, as text. Raises ServerError."""
    known = [oids[i] if i < len(oids) else 0 for i in range(len(bind.values))]
    values = bind.values
    if any(bind.formats):
        # PostgreSQL reads the binary forms.
        kinds = [types.postgres_oid(oid) or types.VARCHAR_OID for oid in known]
        values = runner.internal_query(
            f"select {_places(len(values))}", values, types=kinds, formats=bind.formats
        ).rows[0]
    return {
        f"${number}": Value(_text(value), _declared(oid))
        for number, (value, oid) in enumerate(zip(values, known, strict=True), 1)
    }


def _declared(oid: int) -> RedshiftType:
    """The type of a parameter that a client has declared with this number."""
    if oid == _VOID_OID:
        return _VOID
    return types.from_oid(oid) if oid else UNKNOWN


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise gateway_error(f'invalid byte sequence for encoding "UTF8": 0x{byte:02x}', "22021") from None


def described_result(runner: Runner, text: str, oids: Sequence[int] = ()) -> tuple[codec.Column, ...] | None:
    """The columns that a CALL will return, for Describe; None when it returns none, or fails before it could."""
    declared = {f"${n}": Value(None, _declared(oid)) for n, oid in enumerate(oids, 1) if oid}
    parsed = _without_outputs(_parsed_call(text), declared)
    parameters = {without_numbers(name): value for name, value in declared.items()}
    for number in range(1, parameter_count(text) + 1):
        parameters.setdefault(without_numbers(f"${number}"), Value(None, UNKNOWN))
    try:
        found = GatewayExecutor(runner).procedures(parsed.schema or None, parsed.name)
        fitting = [p for p in found if sum(a.mode != "out" for a in p.arguments) == len(parsed.arguments)]
        if len(fitting) > 1:
            given = [Value(None, _kind_of(runner, a.sql, parameters)) for a in parsed.arguments]
            fitting = [Interpreter(GatewayExecutor(runner)).find(parsed, given)]
    except (Refused, ServerError):
        # CALL itself will say it.
        return None
    outs = [a for a in fitting[0].arguments if a.mode != "in"] if fitting else []
    named = [(a.name or f"column{index}", a) for index, a in enumerate(outs, 1)]
    return tuple(_described(name, read_procedure_type(a.type_text)) for name, a in named) or None


def _kind_of(runner: Runner, expression: str, parameters: Mapping[str, Value]) -> RedshiftType:
    """The type of an argument, which is not evaluated. Raises Refused."""
    sql = without_numbers(expression)
    simple = evaluate_simply(sql, parameters)
    if simple is not None:
        return simple.type
    kinds = {name: value.type for name, value in parameters.items() if name in sql}
    return runner.translation(f"select ({sql})", kinds).columns[0][1] or UNKNOWN


def _described(name: str, kind: RedshiftType) -> codec.Column:
    modifier = -1
    if kind.is_decimal and kind.precision is not None and kind.scale is not None:
        modifier = (kind.precision << 16 | kind.scale) + 4
    elif kind.length is not None:
        modifier = kind.length + 4
    return codec.Column(name, 0, 0, _PG_OIDS.get(kind.name, types.VARCHAR_OID), -1, modifier, 0)


# -- SHOW PROCEDURE -----------------------------------------------------------------------------------------------

DEFINITION = codec.Column("Stored Procedure Definition", 0, 0, types.VARCHAR_OID, -1, -1, 0)


def shows_procedure(text: str) -> bool:
    """Whether a statement is SHOW PROCEDURE."""
    tokens = tokenize(text)
    return [token.value for token in tokens[:2]] == ["show", "procedure"]


def show_procedure(runner: Runner, text: str, sink: Sink) -> None:
    """SHOW PROCEDURE name [(argument types)]. Raises Refused and ServerError."""
    try:
        reader = Reader(text, read_tokens(text))
        reader.expect("show", "procedure")
        name = read_name(reader)
        wanted = read_arguments(reader) if reader.token.kind != "end" else None
        if reader.token.kind != "end":
            reader.fail()
    except BodyError as error:
        raise create.refused(error) from error
    found = GatewayExecutor(runner).procedures(name.schema, name.name)
    if wanted is not None:
        types_ = [read_procedure_type(a.type_text).name for a in wanted if a.mode != "out"]
        found = [p for p in found if _input_types(p) == types_]
    if not found:
        shown = f"{name}({', '.join(a.type_text for a in wanted)})" if wanted is not None else str(name)
        raise gateway_error(f"procedure {shown} does not exist", "42883")
    if len(found) > 1:
        raise gateway_error(
            f"procedure {name} is not unique",
            "42725",
            hint="Give its argument types: "
            + ", ".join(f"({', '.join(type_name(RedshiftType(t)) for t in _input_types(p))})" for p in found),
        )
    sink.columns([DEFINITION])
    sink.rows(codec.pack_row([create.definition(found[0]).encode()]), 1)
    sink.complete("SHOW")


def _input_types(procedure: StoredProcedure) -> list[str]:
    return [read_procedure_type(a.type_text).name for a in procedure.arguments if a.mode != "out"]
