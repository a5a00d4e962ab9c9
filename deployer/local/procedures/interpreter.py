"""Run stored procedures with Redshift's transaction rules.

Sources: Redshift Database Developer Guide, "Managing transactions" (stored-procedure-transaction-management),
"Trapping errors", "Security and privileges for stored procedures", "Stored procedure limitations".

Where the documentation is silent: an exception handler whose procedure was called inside of a client's transaction block
is not run; the error goes on to the client, which is the reading that loses nothing unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from deployer.local.gateway.backend import ServerError
from deployer.local.procedures.executor import Executor, Outcome, StoredProcedure, Value
from deployer.local.procedures.frame import Frame, NoVariable
from deployer.local.procedures.values import BadValue, assign, evaluate_simply
from deployer.local.translate.api import Refused
from deployer.sql import types
from deployer.sql.lexer import LexError, tokenize
from deployer.sql.plpgsql import BodyError, parse_body
from deployer.sql.plpgsql_ast import (
    Assign,
    Block,
    Call,
    Case,
    Cursor,
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

MAX_NESTING = 16
"""DG "Stored procedure limitations": the maximum nesting of calls."""

CANCELLED = ("57014", "57P01", "57P02", "57P03", "08006")
"""Errors that no handler catches: cancellation, and the end of the session."""

TERMINATION = "invalid transaction termination"


class _Leaving(Exception):
    def __init__(self, label: str, again: bool) -> None:
        self.label = label
        self.again = again


class _Returning(Exception):
    pass


@dataclass
class Running:
    """A procedure that is being run. `explicit` after START TRANSACTION in a NONATOMIC one."""

    procedure: StoredProcedure
    frame: Frame
    at: int = 0
    handled: list[ServerError] = field(default_factory=list)

    @property
    def line(self) -> int:
        return self.procedure.body.count("\n", 0, self.at) + 1


class Interpreter:
    """Runs CALL statements of one session. `top_level` is the first; nested calls share its transaction."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._stack: list[Running] = []
        self._explicit = False
        self._cursors: set[str] = set()
        self._epoch = 0

    # -- calling ----------------------------------------------------------------------------------------------

    def call(self, call: Call) -> Outcome:
        """A client's CALL, in its own transaction unless the client has one. Returns the row of OUT arguments.

        Raises ServerError and Refused; a transaction that was opened here is then rolled back.
        """
        executor = self._executor
        try:
            values = [self._argument(text) for text in call.arguments]
            procedure = self.find(call, values)
            frame = self._invoke(procedure, values)
            if not executor.in_user_transaction:
                executor.commit()
        except BaseException:
            if not executor.in_user_transaction:
                executor.rollback()
            raise
        outs = [a for a in procedure.arguments if a.mode != "in"]
        if not outs:
            return Outcome((), (), 0)
        columns = tuple((a.name or f"column{i}", frame.get(a.name).type) for i, a in enumerate(outs, 1))
        return Outcome(columns, (tuple(frame.get(a.name).text for a in outs),), 1)

    def _argument(self, text: Text) -> Value:
        if any(t.kind == "word" and t.value == "select" for t in tokenize(text.sql)):
            raise _error("0A000", "the arguments of CALL cannot be queries on Redshift")
        return self._evaluate(text)

    def find(self, call: Call, values: Sequence[Value]) -> StoredProcedure:
        """The procedure that a CALL with these values means. Raises ServerError (42883, 42725)."""
        found = self._executor.procedures(call.schema or None, call.name)
        title = f"{call.schema}.{call.name}" if call.schema else call.name
        given = ", ".join(v.type.name for v in values)
        fitting = [p for p in found if sum(a.mode != "out" for a in p.arguments) == len(values)]
        if not fitting:
            raise _error(
                "42883",
                f"procedure {title}({given}) does not exist",
                hint="No procedure matches the given name and argument types. You may need to add explicit type casts.",
            )
        ranked = sorted(
            ((self._distance(p, values), i) for i, p in enumerate(fitting)), key=lambda pair: pair[0]
        )
        if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
            raise _error("42725", f"procedure {title}({given}) is not unique; cast the arguments")
        return fitting[ranked[0][1]]

    def _distance(self, procedure: StoredProcedure, values: Sequence[Value]) -> int:
        declared = [a for a in procedure.arguments if a.mode != "out"]
        distance = 0
        for argument, value in zip(declared, values, strict=True):
            wanted = self._executor.read_type(argument.type_text)
            if wanted.name != value.type.name:
                distance += (
                    1 if value.type.name == "unknown" or wanted.is_numeric == value.type.is_numeric else 100
                )
        return distance

    def _invoke(self, procedure: StoredProcedure, values: Sequence[Value]) -> Frame:
        """Run `procedure` in the transaction as it stands; returns its variables at the end."""
        executor = self._executor
        if not procedure.allowed:
            raise _error("42501", f"permission denied for procedure {procedure.name}")
        if len(self._stack) >= MAX_NESTING:
            raise _error("54001", f"stored procedure calls are nested deeper than {MAX_NESTING}")
        if self._stack and self._stack[-1].procedure.nonatomic != procedure.nonatomic:
            raise _error(
                "0A000",
                f"procedure {procedure.title} and its caller {self._stack[-1].procedure.title} must both be NONATOMIC or neither",
            )
        executor.begin()
        frame = Frame()
        running = Running(procedure, frame)
        self._stack.append(running)
        caller = executor.user
        before = []
        try:
            given = iter(values)
            for number, argument in enumerate(procedure.arguments, 1):
                kind = executor.read_type(argument.type_text)
                value = Value(None, kind) if argument.mode == "out" else next(given)
                name = argument.name or f"${number}"
                frame.declare(name, kind)
                frame.alias(f"${number}", name)
                frame.set(name, self._fitting(value, kind))
            frame.declare("found", types.BOOLEAN, Value("f", types.BOOLEAN))
            if procedure.definer:
                executor.switch_user(procedure.owner)
            before = [(s.partition("=")[0], executor.configure(*s.split("=", 1))) for s in procedure.settings]
            try:
                self._block(_parsed(procedure.body))
            except _Returning:
                pass
        except ServerError as error:
            raise self._in_context(error) from error
        except Refused as refused:
            raise self._in_context(
                _error(refused.sqlstate, refused.message, hint=refused.hint or "")
            ) from refused
        except BadValue as bad:
            raise self._in_context(_error(bad.sqlstate, bad.message)) from bad
        except BodyError as bad_body:
            raise self._in_context(_error("42601", bad_body.message)) from bad_body
        finally:
            self._stack.pop()
        # After an error the rollback takes the user and the settings back.
        for name, old in before:
            executor.configure(name, old)
        if procedure.definer:
            executor.switch_user(caller)
        return frame

    def _in_context(self, error: ServerError) -> ServerError:
        running = self._stack[-1]
        fields = dict(error.fields)
        fields.pop("P", None)
        here = f"PL/pgSQL procedure {running.procedure.title} line {running.line}"
        fields["W"] = f"{fields['W']}\n{here}" if fields.get("W") else here
        return ServerError(fields)

    # -- blocks -----------------------------------------------------------------------------------------------

    @property
    def _now(self) -> Running:
        return self._stack[-1]

    def _block(self, block: Block) -> None:
        frame = self._now.frame
        with frame.scope():
            for declaration in block.declarations:
                self._now.at = declaration.at
                self._declare(declaration)
            if block.handler is None:
                self._leaving(block.label, lambda: self._run_all(block.body))
            else:
                handler = block.handler
                self._leaving(block.label, lambda: self._guarded(block.body, handler))

    def _leaving(self, label: str, run: object) -> None:
        try:
            run()  # type: ignore[operator]  # a zero-argument closure
        except _Leaving as leaving:
            if leaving.again or not label or leaving.label != label:
                raise

    def _declare(self, declaration: object) -> None:
        from deployer.sql.plpgsql_ast import Declaration

        assert isinstance(declaration, Declaration)
        frame = self._now.frame
        if declaration.alias_of:
            frame.alias(declaration.name, declaration.alias_of)
            return
        kind = declaration.type_text.strip()
        lowered = kind.lower()
        if lowered == "cursor":
            frame.declare_cursor(declaration.name, declaration.default)
        elif lowered == "refcursor":
            frame.declare(declaration.name, RedshiftType("varchar"))
            frame.declare_cursor(declaration.name, None)
            if declaration.default is not None:
                self._set(declaration.name, self._evaluate(declaration.default))
        elif lowered == "record":
            frame.declare_record(declaration.name, None)
        elif lowered.endswith("%rowtype"):
            frame.declare_record(declaration.name, self._executor.columns(kind[: -len("%rowtype")].strip()))
        else:
            wanted = self._type(kind)
            frame.declare(declaration.name, wanted)
            if declaration.default is not None:
                self._set(declaration.name, self._evaluate(declaration.default))
            if declaration.not_null and frame.get(declaration.name).text is None:
                raise _error("22004", f'variable "{declaration.name}" is declared NOT NULL and has no value')
            frame.protect(declaration.name, constant=declaration.constant, not_null=declaration.not_null)

    def _type(self, text: str) -> RedshiftType:
        if not text.lower().endswith("%type"):
            return self._executor.read_type(text)
        source = text[: -len("%type")].strip()
        if self._now.frame.knows(source.lower()):
            return self._now.frame.get(source.lower()).type
        relation, _, column = source.rpartition(".")
        for name, kind in self._executor.columns(relation) if relation else ():
            if name == column.strip('"').lower() or name == column.strip('"'):
                return kind
        raise _error("42704", f"{source}%TYPE: there is no such column or variable")

    def _guarded(self, body: Sequence[Statement], handler: Handler) -> None:
        """A block's statements under EXCEPTION WHEN OTHERS."""
        nonatomic = self._now.procedure.nonatomic
        if not handler.resume or not nonatomic:
            if handler.resume:
                raise _error("0A000", "CONTINUE_HANDLER is for NONATOMIC procedures only")
            self._trapped(lambda: self._run_all(body), handler)
            return
        for statement in body:
            self._trapped(lambda one=statement: self._run(one), handler)

    def _trapped(self, run: object, handler: Handler) -> None:
        running = self._now
        try:
            run()  # type: ignore[operator]  # a zero-argument closure
        except (ServerError, Refused, BadValue) as problem:
            error = self._told(problem)
            if error.sqlstate in CANCELLED:
                raise
            atomic = not running.procedure.nonatomic
            if atomic and self._executor.in_user_transaction:
                raise
            user = self._executor.user
            self._executor.rollback()
            self._forget_cursors()
            self._executor.begin()
            self._explicit = False
            if running.procedure.definer:
                self._executor.switch_user(user)
            running.handled.append(error)
            try:
                with running.frame.scope():
                    text = RedshiftType("varchar")
                    running.frame.declare("sqlerrm", text, Value(error.fields.get("M", ""), text))
                    running.frame.declare("sqlstate", text, Value(error.sqlstate, text))
                    self._run_all(handler.body)
            finally:
                running.handled.pop()
            if atomic:
                self._executor.commit()
                raise error from problem

    def _told(self, problem: ServerError | Refused | BadValue) -> ServerError:
        if isinstance(problem, Refused):
            return self._in_context(_error(problem.sqlstate, problem.message, hint=problem.hint or ""))
        if isinstance(problem, BadValue):
            return self._in_context(_error(problem.sqlstate, problem.message))
        return problem

    def _run_all(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            self._run(statement)

    # -- statements -------------------------------------------------------------------------------------------

    def _run(self, statement: Statement) -> None:
        self._now.at = statement.at
        match statement:
            case Sql():
                self._sql(statement)
            case Assign():
                self._set(statement.target, self._evaluate(statement.value))
            case If():
                self._if(statement)
            case Case():
                self._case(statement)
            case Block():
                self._block(statement)
            case Loop():
                self._loop(statement)
            case ForInteger():
                self._for_integer(statement)
            case ForQuery():
                self._for_query(statement)
            case Leave():
                if statement.when is None or self._holds(statement.when):
                    raise _Leaving(statement.label, statement.again)
            case Execute():
                self._execute(statement)
            case Call():
                self._nested_call(statement)
            case Raise():
                self._raise(statement)
            case Return():
                raise _Returning
            case GetRowCount():
                self._set(statement.target, Value(str(self._now.frame.row_count), types.BIGINT))
            case Cursor():
                self._cursor(statement)
            case Transaction():
                self._transaction(statement.verb)
            case Null():
                pass

    def _sql(self, statement: Sql) -> None:
        self._statement(statement.kind, statement.text.sql, statement.into)

    def _statement(self, kind: str, sql: str, into: tuple[str, ...]) -> None:
        running = self._now
        if kind == "truncate":
            self._check_may_end_transaction("TRUNCATE")
        if kind in ("begin", "commit", "rollback"):
            raise _error("0A000", f"{kind.upper()} cannot be used in dynamic SQL of a procedure on Redshift")
        self._executor.begin()
        user = self._executor.user
        outcome = self._executor.run(sql, running.frame.variables())
        if kind == "truncate":
            # TRUNCATE has committed: DG "TRUNCATE".
            self._next_transaction(user)
            return
        if kind in ("select", "fetch") and not into and outcome.columns:
            raise _error(
                "42601",
                "query has no destination for result data",
                hint="Redshift has no PERFORM: select INTO a variable.",
            )
        running.frame.row_count = outcome.row_count
        if kind in ("select", "insert", "update", "delete", "merge", "create_table_as", "fetch"):
            self._found(outcome.row_count > 0)
        if into:
            self._into(into, outcome)
        self._autocommit(user)

    def _found(self, found: bool) -> None:
        self._now.frame.set("found", Value("t" if found else "f", types.BOOLEAN))

    def _into(self, targets: tuple[str, ...], outcome: Outcome) -> None:
        """The first row, or NULLs when there is none: DG "SELECT INTO"."""
        frame = self._now.frame
        row = outcome.rows[0] if outcome.rows else (None,) * len(outcome.columns)
        if len(targets) == 1 and frame.is_record(targets[0]):
            frame.set_record(targets[0], outcome.columns, row)
            return
        if len(targets) != len(outcome.columns):
            raise _error(
                "42601",
                f"INTO names {len(targets)} targets, and the query gives {len(outcome.columns)} columns",
            )
        for target, (_, kind), text in zip(targets, outcome.columns, row, strict=True):
            self._set(target, Value(text, kind))

    def _if(self, statement: If) -> None:
        for condition, body in statement.branches:
            if self._holds(condition):
                self._run_all(body)
                return
        self._run_all(statement.otherwise)

    def _case(self, statement: Case) -> None:
        for values, body in statement.branches:
            for value in values:
                if statement.subject is None:
                    holds = self._holds(value)
                else:
                    holds = self._holds(Text(f"({statement.subject.sql}) = ({value.sql})", value.at))
                if holds:
                    self._run_all(body)
                    return
        if statement.otherwise is None:
            raise _error("20000", "case not found", hint="CASE statement is missing ELSE part.")
        self._run_all(statement.otherwise)

    def _iterate(self, label: str, body: Sequence[Statement]) -> bool:
        """One round of a loop; False when it was left."""
        try:
            self._run_all(body)
        except _Leaving as leaving:
            if leaving.label and leaving.label != label:
                raise
            return leaving.again
        return True

    def _loop(self, loop: Loop) -> None:
        while loop.condition is None or self._holds(loop.condition):
            if not self._iterate(loop.label, loop.body):
                return
            self._now.at = loop.at

    def _for_integer(self, loop: ForInteger) -> None:
        lower, upper = self._whole(loop.lower), self._whole(loop.upper)
        step = self._whole(loop.step) if loop.step is not None else 1
        if step <= 0:
            raise _error("22023", "BY value of FOR loop must be greater than zero")
        frame = self._now.frame
        with frame.scope():
            # The loop's variable is its own: DG "FOR loop".
            frame.declare(loop.variable, types.INTEGER)
            rounds = range(lower, upper - 1, -step) if loop.reverse else range(lower, upper + 1, step)
            for number in rounds:
                self._set(loop.variable, Value(str(number), types.BIGINT))
                if not self._iterate(loop.label, loop.body):
                    return

    def _whole(self, text: Text) -> int:
        value = self._evaluate(text)
        fitted = self._fitting(value, types.INTEGER)
        if fitted.text is None:
            raise _error("22004", "a bound of a FOR loop cannot be NULL")
        return int(fitted.text)

    def _for_query(self, loop: ForQuery) -> None:
        running = self._now
        sql = loop.query.sql
        if loop.dynamic:
            sql = self._text(loop.query)
        self._executor.begin()
        outcome = self._executor.run(sql, running.frame.variables())
        with self._open_cursor(loop.label or f"<loop at {loop.at}>"):
            epoch = self._epoch
            for row in outcome.rows:
                if epoch != self._epoch:
                    raise _error(
                        "34000",
                        "cursor does not exist",
                        hint="COMMIT, ROLLBACK and TRUNCATE close a loop's cursor.",
                    )
                if len(loop.targets) == 1 and running.frame.is_record(loop.targets[0]):
                    running.frame.set_record(loop.targets[0], outcome.columns, row)
                else:
                    self._into(loop.targets, Outcome(outcome.columns, (row,), 1))
                if not self._iterate(loop.label, loop.body):
                    break
        self._found(bool(outcome.rows))

    @contextmanager
    def _open_cursor(self, name: str) -> Iterator[None]:
        if self._cursors:
            raise _error(
                "0A000",
                "only one cursor can be open in a session on Redshift, and a FOR loop over a query is one",
            )
        self._cursors.add(name)
        try:
            yield
        finally:
            self._cursors.discard(name)

    def _forget_cursors(self) -> None:
        self._cursors.clear()
        self._epoch += 1

    def _execute(self, statement: Execute) -> None:
        sql = self._text(statement.command)
        try:
            from deployer.sql.classify import classify

            kind = classify(sql).name
        except LexError as error:
            raise _error("42601", error.message) from error
        self._statement(kind, sql, statement.into)

    def _text(self, command: Text) -> str:
        value = self._evaluate(command).text
        if value is None:
            raise _error("22004", "query string argument of EXECUTE is null")
        return value

    def _nested_call(self, call: Call) -> None:
        caller = self._now
        values = [self._argument(text) for text in call.arguments]
        procedure = self.find(call, values)
        frame = self._invoke(procedure, values)
        given = iter(call.arguments)
        for argument in procedure.arguments:
            if argument.mode == "out":
                continue
            text = next(given)
            if argument.mode == "inout":
                target = text.sql.strip().lower()
                if not caller.frame.knows(target):
                    raise _error(
                        "42601", f"argument {argument.name} of {procedure.title} is INOUT: give it a variable"
                    )
                self._set(target, frame.get(argument.name))

    def _raise(self, statement: Raise) -> None:
        if not statement.level:
            if not self._now.handled:
                raise _error("0Z002", "RAISE without parameters cannot be used outside an exception handler")
            raise self._now.handled[-1]
        pieces = []
        arguments = iter(statement.arguments)
        text = statement.format.replace("%%", "\0")
        for index, piece in enumerate(text.split("%")):
            if index:
                value = self._variable(next(arguments)).text
                pieces.append("<NULL>" if value is None else value)
            pieces.append(piece)
        message = "".join(pieces).replace("\0", "%")
        if statement.level == "exception":
            raise _error("P0001", message)
        self._executor.notice({"debug": "LOG"}.get(statement.level, statement.level.upper()), message)

    def _cursor(self, statement: Cursor) -> None:
        frame = self._now.frame
        query, portal = frame.cursor(statement.name)
        quoted = '"' + portal.replace('"', '""') + '"'
        if statement.verb == "open":
            text = statement.query or query
            if text is None:
                raise _error("42601", f"cursor {statement.name} has no query")
            if self._cursors:
                raise _error("0A000", "only one cursor can be open in a session on Redshift")
            sql = self._text(text) if statement.dynamic else text.sql
            self._executor.begin()
            self._executor.run(f"declare {quoted} cursor for {sql}", frame.variables())
            self._cursors.add(portal)
            return
        if portal not in self._cursors:
            raise _error("34000", f'cursor "{portal}" does not exist')
        if statement.verb == "close":
            self._executor.run(f"close {quoted}", {})
            self._cursors.discard(portal)
            return
        outcome = self._executor.run(f"fetch next from {quoted}", {})
        self._found(bool(outcome.rows))
        self._into(statement.into, outcome)

    # -- transactions -----------------------------------------------------------------------------------------

    def _check_may_end_transaction(self, what: str) -> None:
        if any(running.procedure.settings for running in self._stack):
            raise _error(
                "2D000",
                TERMINATION,
                detail=f"{what} cannot be used in a procedure with a SET clause, nor below one.",
            )
        if self._executor.in_user_transaction and not self._now.procedure.nonatomic:
            raise _error(
                "2D000",
                TERMINATION,
                detail=f"{what} in a procedure needs a CALL outside of a transaction block.",
            )

    def _transaction(self, verb: str) -> None:
        if verb == "start":
            if not self._now.procedure.nonatomic:
                raise _error("0A000", "START TRANSACTION is for NONATOMIC procedures only")
            self._explicit = True
            return
        self._check_may_end_transaction(verb.upper())
        user = self._executor.user
        if verb == "commit":
            self._executor.commit()
        else:
            self._executor.rollback()
        self._explicit = False
        self._next_transaction(user)

    def _next_transaction(self, user: str) -> None:
        """After a commit or rollback inside a procedure: the rights of a definer go on in the new transaction."""
        self._forget_cursors()
        self._executor.begin()
        if any(running.procedure.definer for running in self._stack):
            self._executor.switch_user(user)

    def _autocommit(self, user: str) -> None:
        """In a NONATOMIC procedure each statement commits, unless it is in a transaction block."""
        if self._now.procedure.nonatomic and not self._explicit and not self._executor.in_user_transaction:
            if self._cursors:
                return
            self._executor.commit()
            self._executor.begin()

    # -- values -----------------------------------------------------------------------------------------------

    def _evaluate(self, text: Text) -> Value:
        variables = self._now.frame.variables() if self._stack else {}
        simple = evaluate_simply(text.sql, variables)
        if simple is not None:
            return simple
        self._executor.begin()
        outcome = self._executor.run(f"select ({text.sql})", variables)
        if len(outcome.columns) != 1 or len(outcome.rows) > 1:
            raise _error("42601", f"the expression {text.sql!r} does not give one value")
        return Value(outcome.rows[0][0] if outcome.rows else None, outcome.columns[0][1])

    def _holds(self, condition: Text) -> bool:
        """Whether a condition is true; NULL counts as false."""
        value = self._evaluate(condition)
        if value.text is None:
            return False
        fitted = self._fitting(value, types.BOOLEAN)
        return fitted.text == "t"

    def _variable(self, name: str) -> Value:
        try:
            return self._now.frame.get(name)
        except NoVariable as missing:
            raise _error("42703", str(missing)) from missing

    def _set(self, name: str, value: Value) -> None:
        frame = self._now.frame
        try:
            wanted = frame.get(name).type
            frame.assign(name, self._fitting(value, wanted))
        except NoVariable as missing:
            raise _error("42703", str(missing)) from missing

    def _fitting(self, value: Value, wanted: RedshiftType) -> Value:
        fitted = assign(value, wanted)
        if fitted is not None:
            return fitted
        kind = _type_text(wanted)
        outcome = self._executor.run(f"select cast(zs_value as {kind})", {"zs_value": value})
        again = Value(outcome.rows[0][0], wanted)
        return assign(again, wanted) or again


def _type_text(kind: RedshiftType) -> str:
    if kind.is_decimal and kind.precision is not None:
        return f"decimal({kind.precision},{kind.scale})"
    return {"double": "double precision"}.get(kind.name, kind.name)


@lru_cache(maxsize=256)
def _parsed(body: str) -> Block:
    return parse_body(body)


def _error(sqlstate: str, message: str, *, detail: str = "", hint: str = "") -> ServerError:
    fields = {"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": message}
    if detail:
        fields["D"] = detail
    if hint:
        fields["H"] = hint
    return ServerError(fields)
