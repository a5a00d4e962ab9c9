"""CALL: find the procedure, run it with Redshift's transaction rules and rights, return its OUT arguments.

Sources: Redshift Database Developer Guide, "CALL", "Managing transactions", "Security and privileges for stored
procedures", "Limits and differences for stored procedure support".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from deployer.local.gateway.backend import ClientGone
from deployer.local.gateway.codec import Disconnected
from deployer.local.procedures.body import Body, Returning
from deployer.local.procedures.call_log import CallLog
from deployer.local.procedures.errors import (
    PROBLEMS,
    Running,
    as_server_error,
    error,
    in_context,
    in_statement,
)
from deployer.local.procedures.executor import Argument, Executor, Outcome, StoredProcedure, Value
from deployer.local.procedures.frame import Frame
from deployer.local.procedures.resolution import choose
from deployer.local.procedures.transactions import Transactions
from deployer.local.procedures.values import assign, evaluate_simply, without_numbers
from deployer.sql import types
from deployer.sql.plpgsql import parse_body
from deployer.sql.plpgsql_ast import Block, Call, Text
from deployer.sql.plpgsql_reader import read_tokens
from deployer.sql.types import RedshiftType

MAX_NESTING = 16
"""DG "Limits and differences": the levels of nested calls."""

_SELECT = "select ("
_NO_VARIABLES: Mapping[str, Value] = {}


class Interpreter:
    """Runs one CALL of a client's. `stack` are the procedures that are running, innermost last; `log` all so far."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.stack: list[Running] = []
        self.log = CallLog()
        self.transactions = Transactions(executor, self.stack)

    # -- a client's CALL --------------------------------------------------------------------------------------

    def call(self, call: Call, parameters: Mapping[str, Value] = _NO_VARIABLES) -> Outcome:
        """Run a client's CALL, in a transaction of its own unless the client has one.

        `parameters` are the values bound to $1, $2 ... Returns the one row of OUT and INOUT arguments. Raises
        ServerError; a transaction that was opened here is rolled back then.
        """
        executor = self.executor
        shared = executor.in_user_transaction
        try:
            if shared:
                self.transactions.cursor = next(iter(executor.cursors()), None)
            known = {without_numbers(name): value for name, value in parameters.items()}
            values = [self._argument(text, known) for text in call.arguments]
            procedure = self.find(call, values)
            frame = self.invoke(procedure, values)
            self._check_closed()
            if not shared:
                executor.commit()
        except (ClientGone, Disconnected):
            # Nobody is left to roll back for: the session ends, and PostgreSQL with it.
            raise
        except BaseException as problem:
            if shared:
                executor.abandon()
            else:
                executor.rollback()
            if isinstance(problem, RecursionError):
                raise error("54001", "stack depth limit exceeded") from None
            if isinstance(problem, PROBLEMS):
                raise as_server_error(problem) from problem
            raise
        return self._result(procedure, frame)

    def _check_closed(self) -> None:
        if self.transactions.explicit:
            raise error(
                "25001",
                "the block of START TRANSACTION is still open at the end of the procedure",
                hint="COMMIT or ROLLBACK it in the procedure; what Redshift does otherwise is not documented.",
            )

    def _result(self, procedure: StoredProcedure, frame: Frame) -> Outcome:
        outs = [(number, a) for number, a in enumerate(procedure.arguments, 1) if a.mode != "in"]
        if not outs:
            return Outcome((), (), 0)
        values = [frame.get(variable_name(argument, number)) for number, argument in outs]
        columns = tuple(
            (argument.name or f"column{index}", value.type)
            for index, ((_, argument), value) in enumerate(zip(outs, values, strict=True), 1)
        )
        return Outcome(columns, (tuple(value.text for value in values),), 1)

    def find(self, call: Call, values: Sequence[Value]) -> StoredProcedure:
        """The procedure that a CALL with these values means. Raises ServerError (42883, 42725)."""
        found = self.executor.procedures(call.schema or None, call.name)
        return choose(call, found, values, self.executor.read_type)

    def _argument(self, text: Text, variables: Mapping[str, Value]) -> Value:
        check_argument(text)
        return self.evaluate(text, variables)

    # -- one procedure ----------------------------------------------------------------------------------------

    def invoke(self, procedure: StoredProcedure, values: Sequence[Value]) -> Frame:
        """Run `procedure` in the transaction as it stands; returns its variables at the end. Raises ServerError."""
        with self.log.call(procedure, values, self.executor.user):
            return self._invoke(procedure, values)

    def _invoke(self, procedure: StoredProcedure, values: Sequence[Value]) -> Frame:
        executor = self.executor
        self._check_may_invoke(procedure)
        executor.begin()
        caller = executor.user
        frame = Frame()
        running = Running(procedure, frame, procedure.owner if procedure.definer else caller)
        self.stack.append(running)
        try:
            self._store_arguments(running, values)
            executor.switch_user(running.user)
            before = []
            for setting in procedure.settings:
                name, _, value = setting.partition("=")
                before.append((name, executor.configure(name, value)))
            try:
                Body(self, running).block(parsed(procedure.body))
            except Returning:
                pass
        except PROBLEMS as problem:
            # The rollback that follows takes the rights and the settings back.
            raise in_context(problem, running) from problem
        finally:
            self.stack.pop()
        for name, value in before:
            executor.configure(name, value)
        executor.switch_user(self.stack[-1].user if self.stack else caller)
        return frame

    def _check_may_invoke(self, procedure: StoredProcedure) -> None:
        if not procedure.allowed:
            raise error("42501", f"permission denied for procedure {procedure.name}")
        if len(self.stack) >= MAX_NESTING:
            raise error("54001", f"stored procedure calls are nested deeper than {MAX_NESTING}")
        if self.stack and self.stack[-1].procedure.nonatomic != procedure.nonatomic:
            raise error(
                "0A000",
                f"procedures {self.stack[-1].procedure.title} and {procedure.title} are nested and must be created in "
                "the same transaction mode: both NONATOMIC, or neither",
            )

    def _store_arguments(self, running: Running, values: Sequence[Value]) -> None:
        frame = running.frame
        frame.declare("found", types.BOOLEAN, Value("f", types.BOOLEAN))
        given = iter(values)
        for number, argument in enumerate(running.procedure.arguments, 1):
            kind = self.executor.read_type(argument.type_text)
            value = Value(None, kind) if argument.mode == "out" else self.fitting(next(given), kind)
            name = variable_name(argument, number)
            if argument.type_text.strip().lower() == "refcursor":
                frame.declare_cursor(name, None, value.text)
            else:
                frame.declare(name, kind, value)
            frame.alias(f"${number}", name)
            frame.alias(without_numbers(f"${number}"), name)

    # -- values -----------------------------------------------------------------------------------------------

    def evaluate(self, text: Text, variables: Mapping[str, Value]) -> Value:
        """The value of an expression. Raises ServerError."""
        sql = without_numbers(text.sql)
        simple = evaluate_simply(sql, variables)
        if simple is not None:
            return simple
        self.executor.begin()
        self.transactions.used()
        try:
            outcome = self.executor.run(f"{_SELECT}{sql})", variables)
        except PROBLEMS as problem:
            raise in_statement(problem, text.sql, prefix=len(_SELECT)) from problem
        if len(outcome.columns) != 1:
            raise error(
                "42601", f"the expression {text.sql} gives {len(outcome.columns)} columns, not one value"
            )
        if len(outcome.rows) > 1:
            raise error("21000", f"the expression {text.sql} gives more than one row")
        return Value(outcome.rows[0][0] if outcome.rows else None, outcome.columns[0][1])

    def fitting(self, value: Value, wanted: RedshiftType) -> Value:
        """`value` as one of type `wanted`, by the rules of assignment. Raises ServerError and BadValue."""
        fitted = assign(value, wanted)
        if fitted is not None:
            return fitted
        self.executor.begin()
        self.transactions.used()
        sql = f"select cast(zs_value as {_cast_type(wanted)})"
        try:
            outcome = self.executor.run(sql, {"zs_value": value})
        except PROBLEMS as problem:
            raise in_statement(problem, "", prefix=len(sql)) from problem
        again = Value(outcome.rows[0][0], wanted)
        return assign(again, wanted) or again


def check_argument(text: Text) -> None:
    """Raise ServerError for a query as an argument of CALL."""
    for token in read_tokens(text.sql):
        if token.kind == "word" and token.value == "select":
            raise error("0A000", "the arguments of CALL cannot be queries on Redshift")


def variable_name(argument: Argument, number: int) -> str:
    """The name of an argument's variable; one without a name is reached as $n, by ALIAS FOR."""
    return argument.name or f"${number}"


def _cast_type(kind: RedshiftType) -> str:
    if kind.is_decimal and kind.precision is not None:
        return f"decimal({kind.precision},{kind.scale})"
    # A string's length is checked after the cast, which would cut it.
    return {"double": "double precision", "char": "varchar"}.get(kind.name, kind.name)


@lru_cache(maxsize=256)
def parsed(body: str) -> Block:
    """A procedure's body; the same text is parsed once."""
    return parse_body(body)
