"""Run the statements of one procedure's body: blocks, handlers, control flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from deployer.local.procedures.commands import Commands
from deployer.local.procedures.errors import DECLARING, PROBLEMS, Running, doing, error, in_context
from deployer.local.procedures.executor import Outcome, Value
from deployer.local.procedures.values import is_true
from deployer.sql import types
from deployer.sql.plpgsql_ast import (
    Assign,
    Block,
    Call,
    Case,
    Cursor,
    Declaration,
    Execute,
    ForInteger,
    ForQuery,
    GetRowCount,
    Handler,
    If,
    Leave,
    Loop,
    Null,
    Raise,
    Return,
    Sql,
    Statement,
    Text,
    Transaction,
)  # fmt: skip
from deployer.sql.types import RedshiftType

if TYPE_CHECKING:
    from deployer.local.procedures.interpreter import Interpreter

CANCELLED = ("57014", "57P01", "57P02", "57P03", "08006")
"""Errors that no handler catches: query cancellation (DG "Trapping errors"), and the end of the session."""

_SUBJECT = "\ue000case"
"""The name of a CASE's value in its comparisons: no identifier of a user's begins so."""


class Leaving(Exception):
    """EXIT or CONTINUE on its way to its loop or block."""

    def __init__(self, label: str, again: bool) -> None:
        super().__init__(label)
        self.label = label
        self.again = again


class Returning(Exception):
    """RETURN on its way out of the procedure."""


class Body:
    """The body of one running procedure."""

    def __init__(self, interpreter: Interpreter, running: Running) -> None:
        self._interpreter = interpreter
        self._executor = interpreter.executor
        self._transactions = interpreter.transactions
        self._running = running
        self._frame = running.frame
        self._commands = Commands(interpreter, running)

    # -- blocks -----------------------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        """Run a block. Raises ServerError, Leaving, Returning."""
        with self._frame.scope(block.label):
            for declaration in block.declarations:
                self._running.at, self._running.doing = declaration.at, DECLARING
                self._declare(declaration)
            try:
                if block.handler is None:
                    self._all(block.body)
                else:
                    self._guarded(block.body, block.handler)
            except Leaving as leaving:
                if leaving.again or not block.label or leaving.label != block.label:
                    raise

    def _declare(self, declaration: Declaration) -> None:
        frame, name = self._frame, declaration.name
        if declaration.alias_of:
            frame.alias(name, declaration.alias_of)
            return
        kind = declaration.type_text.strip()
        lowered = kind.lower()
        if lowered == "cursor":
            frame.declare_cursor(name, declaration.default, name)
            return
        if lowered == "record":
            frame.declare_record(name, None)
            return
        if lowered.endswith("%rowtype"):
            frame.declare_record(name, self._executor.columns(kind[: -len("%rowtype")].strip()))
            return
        wanted = types.VARCHAR if lowered == "refcursor" else self._type(kind)
        value = Value(None, wanted)
        if declaration.default is not None:
            value = self._interpreter.fitting(self._commands.evaluate(declaration.default), wanted)
        if declaration.not_null and value.text is None:
            raise error("22004", f'variable "{name}" is declared NOT NULL and has no value')
        if lowered == "refcursor":
            frame.declare_cursor(name, None, value.text)
        else:
            frame.declare(name, wanted, value)
        frame.protect(name, constant=declaration.constant, not_null=declaration.not_null)

    def _type(self, text: str) -> RedshiftType:
        if not text.lower().endswith("%type"):
            return self._executor.read_type(text)
        source = text[: -len("%type")].strip()
        if self._frame.knows(source.lower()):
            return self._frame.get(source.lower()).type
        relation, _, column = source.rpartition(".")
        column = column[1:-1] if column.startswith('"') else column.lower()
        for name, kind in self._executor.columns(relation) if relation else ():
            if name == column:
                return kind
        raise error("42704", f"{source}%TYPE: there is no such column or variable")

    def _guarded(self, body: Sequence[Statement], handler: Handler) -> None:
        """A block's statements under EXCEPTION WHEN OTHERS; CONTINUE_HANDLER goes on after the failing one."""
        if not handler.resume:
            self._trapped(lambda: self._all(body), handler)
            return
        for statement in body:
            self._trapped(lambda one=statement: self._one(one), handler)  # type: ignore[misc]  # mypy sees no default

    def _trapped(self, run: Callable[[], None], handler: Handler) -> None:
        running, executor = self._running, self._executor
        try:
            run()
            return
        except PROBLEMS as problem:
            told = in_context(problem, running)
        if told.sqlstate in CANCELLED:
            raise told
        atomic = not running.procedure.nonatomic
        executor.rollback()
        self._transactions.next()
        running.handled.append(told)
        try:
            with self._frame.scope():
                message, state = told.fields.get("M", ""), told.sqlstate
                self._frame.declare("sqlerrm", types.VARCHAR, Value(message, types.VARCHAR))
                self._frame.declare("sqlstate", types.VARCHAR, Value(state, types.VARCHAR))
                self._all(handler.body)
        except (Leaving, Returning):
            # Whatever way an atomic handler ends, the error is thrown again.
            if not atomic:
                raise
        finally:
            running.handled.pop()
        if atomic:
            executor.commit()
            raise told

    # -- statements -------------------------------------------------------------------------------------------

    def _all(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            self._one(statement)

    def _one(self, statement: Statement) -> None:
        self._running.at, self._running.doing = statement.at, doing(statement)
        self._executor.check()
        match statement:
            case Sql():
                self._commands.sql(statement)
            case Assign():
                self._commands.assign(statement.target, self._commands.evaluate(statement.value))
            case If():
                self._if(statement)
            case Case():
                self._case(statement)
            case Block():
                self.block(statement)
            case Loop():
                self._loop(statement)
            case ForInteger():
                self._for_integer(statement)
            case ForQuery():
                self._for_query(statement)
            case Leave():
                if statement.when is None or self._holds(statement.when):
                    raise Leaving(statement.label, statement.again)
            case Execute():
                self._commands.execute(statement)
            case Call():
                self._commands.call(statement)
            case Raise():
                self._commands.say(statement)
            case Return():
                raise Returning
            case GetRowCount():
                self._commands.assign(statement.target, Value(str(self._frame.row_count), types.BIGINT))
            case Cursor():
                self._commands.cursor(statement)
            case Transaction():
                if statement.verb == "start":
                    self._transactions.start()
                else:
                    self._transactions.end(statement.verb)
            case Null():
                pass

    # -- control flow -----------------------------------------------------------------------------------------

    def _holds(self, condition: Text) -> bool:
        """Whether a condition is true; NULL counts as false."""
        return is_true(self._interpreter.fitting(self._commands.evaluate(condition), types.BOOLEAN))

    def _if(self, statement: If) -> None:
        for condition, body in statement.branches:
            if self._holds(condition):
                self._all(body)
                return
        self._all(statement.otherwise)

    def _case(self, statement: Case) -> None:
        subject = None if statement.subject is None else self._commands.evaluate(statement.subject)
        for values, body in statement.branches:
            for value in values:
                if subject is None:
                    holds = self._holds(value)
                else:
                    holds = is_true(self._equals(subject, value))
                if holds:
                    self._all(body)
                    return
        if statement.otherwise is None:
            raise error("20000", "case not found", hint="CASE statement is missing ELSE part.")
        self._all(statement.otherwise)

    def _equals(self, subject: Value, value: Text) -> Value:
        variables = self._frame.variables() | {_SUBJECT: subject}
        return self._interpreter.evaluate(Text(f"{_SUBJECT} = ({value.sql})", value.at), variables)

    def _round(self, label: str, body: Sequence[Statement]) -> bool:
        """One round of a loop; False when the loop was left."""
        try:
            self._all(body)
        except Leaving as leaving:
            if leaving.label and leaving.label != label:
                raise
            return leaving.again
        return True

    def _loop(self, loop: Loop) -> None:
        self._executor.check()
        while loop.condition is None or self._holds(loop.condition):
            if not self._round(loop.label, loop.body):
                return
            self._back_at(loop)
            self._executor.check()

    def _back_at(self, loop: Loop | ForInteger | ForQuery) -> None:
        self._running.at, self._running.doing = loop.at, doing(loop)

    def _for_integer(self, loop: ForInteger) -> None:
        lower, upper = self._whole(loop.lower, "lower bound"), self._whole(loop.upper, "upper bound")
        step = 1 if loop.step is None else self._whole(loop.step, "BY value")
        if step <= 0:
            raise error("22023", "BY value of FOR loop must be greater than zero")
        rounds = range(lower, upper - 1, -step) if loop.reverse else range(lower, upper + 1, step)
        with self._frame.scope(loop.label):
            # The loop's variable is its own, and hides one of the same name.
            self._frame.declare(loop.variable, types.INTEGER)
            for number in rounds:
                self._frame.set(loop.variable, Value(str(number), types.INTEGER))
                if not self._round(loop.label, loop.body):
                    break
                self._back_at(loop)
                self._executor.check()
        self._commands.found(len(rounds) > 0)

    def _whole(self, text: Text, what: str) -> int:
        value = self._interpreter.fitting(self._commands.evaluate(text), types.INTEGER)
        if value.text is None:
            raise error("22004", f"{what} of FOR loop cannot be null")
        return int(value.text)

    def _for_query(self, loop: ForQuery) -> None:
        cursor = f"<loop at {loop.at}>"
        outcome = self._commands.loop_query(loop, cursor)
        for row in outcome.rows:
            self._commands.into(loop.targets, Outcome(outcome.columns, (row,), 1))
            if not self._round(loop.label, loop.body):
                break
            self._back_at(loop)
            self._executor.check()
            if self._transactions.cursor != cursor:
                # Fetching the next row: COMMIT, ROLLBACK, TRUNCATE and an automatic commit have closed the cursor.
                raise error("34000", 'cursor "<unnamed portal 1>" does not exist')
        if self._transactions.cursor == cursor:
            self._transactions.cursor = None
        self._commands.found(bool(outcome.rows))
