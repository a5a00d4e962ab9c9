"""The statements of a procedure that reach the warehouse or the client: SQL, EXECUTE, CALL, RAISE, cursors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.local.procedures.call_log import LEVELS
from deployer.local.procedures.errors import PROBLEMS, Running, error, explained, in_statement
from deployer.local.procedures.executor import Outcome, Value
from deployer.local.procedures.values import without_numbers
from deployer.sql import types
from deployer.sql.classify import Kind, classify
from deployer.sql.lexer import LexError, tokenize
from deployer.sql.names import quote_ident
from deployer.sql.plpgsql import parse_call
from deployer.sql.plpgsql_ast import Call, Cursor, Execute, ForQuery, Raise, Sql, Text
from deployer.sql.plpgsql_sql import forbidden
from deployer.sql.split import split

if TYPE_CHECKING:
    from deployer.local.procedures.interpreter import Interpreter


class Commands:
    """Runs such statements for one running procedure."""

    def __init__(self, interpreter: Interpreter, running: Running) -> None:
        self._interpreter = interpreter
        self._executor = interpreter.executor
        self._transactions = interpreter.transactions
        self._frame = running.frame
        self._running = running

    # -- values -----------------------------------------------------------------------------------------------

    def evaluate(self, text: Text) -> Value:
        """The value of an expression with the variables that are visible now."""
        try:
            return self._interpreter.evaluate(text, self._frame.variables())
        except PROBLEMS as problem:
            raise explained(problem, text.sql, self._frame) from problem

    def assign(self, name: str, value: Value) -> None:
        """An assignment: the value is converted to the variable's type."""
        wanted = self._frame.get(name).type
        self._frame.assign(name, self._interpreter.fitting(value, wanted))

    def found(self, found: bool) -> None:
        self._frame.set("found", Value("t" if found else "f", types.BOOLEAN))

    def into(self, targets: tuple[str, ...], outcome: Outcome) -> None:
        """The first row into the targets, or NULLs when there is none: DG "SELECT INTO"."""
        frame = self._frame
        row = outcome.rows[0] if outcome.rows else (None,) * len(outcome.columns)
        if len(targets) == 1 and frame.is_record(targets[0]):
            frame.set_record(targets[0], outcome.columns, row)
            return
        if len(targets) != len(outcome.columns):
            raise error(
                "42601",
                f"INTO names {len(targets)} variables, and the query gives {len(outcome.columns)} columns",
            )
        for target, (_, kind), text in zip(targets, outcome.columns, row, strict=True):
            self.assign(target, Value(text, kind))

    # -- SQL --------------------------------------------------------------------------------------------------

    def sql(self, statement: Sql) -> None:
        """A static statement. FOUND is set by SELECT INTO, INSERT, UPDATE and DELETE: DG "Built-in variables"."""
        if statement.kind == "select" and not statement.into:
            raise error(
                "42601",
                "SELECT query has no destination for result data",
                hint="Use SELECT ... INTO a variable, or EXECUTE to discard the result: Redshift has no PERFORM.",
            )
        outcome = self._run(statement.kind, statement.text.sql, self._frame.variables())
        if statement.into:
            self.into(statement.into, outcome)
        if statement.into or statement.kind in ("insert", "update", "delete"):
            self.found(outcome.row_count > 0)
        self._transactions.autocommit()

    def execute(self, statement: Execute) -> None:
        """Dynamic SQL: no variables in it, rows without INTO are dropped, FOUND stays as it was."""
        sql = self._command(statement.command)
        kind = _kind(sql)
        if kind.name == "call":
            self._dynamic_call(sql, statement)
            return
        outcome = self._run(kind.name, sql, {})
        if statement.into:
            if not outcome.columns:
                raise error("42601", "EXECUTE ... INTO needs a query")
            self.into(statement.into, outcome)
        self._transactions.autocommit()

    def _command(self, command: Text) -> str:
        """The text of a dynamic command, without its semicolon."""
        value = self.evaluate(command).text
        if value is None:
            raise error("22004", "cannot EXECUTE a null querystring")
        try:
            statements = split(value)
        except LexError as problem:
            raise in_statement(error("42601", problem.message), value) from problem
        if len(statements) != 1:
            raise error(
                "42601", f"EXECUTE takes one command on Redshift, and this text has {len(statements)}"
            )
        return statements[0].text

    def _run(self, kind: str, sql: str, variables: dict[str, Value]) -> Outcome:
        if kind in ("begin", "commit", "rollback"):
            raise error("0A000", f"{sql.split()[0].upper()} cannot be used in dynamic SQL on Redshift")
        if kind == "truncate":
            self._transactions.check_may_end("TRUNCATE")
        self._executor.begin()
        self._transactions.fresh()
        try:
            outcome = self._executor.run(without_numbers(sql), variables)
        except PROBLEMS as problem:
            raise in_statement(explained(problem, sql, self._frame), sql) from problem
        self._frame.row_count = min(outcome.row_count, 1) if kind == "select" else outcome.row_count
        if kind == "truncate":
            # TRUNCATE has committed: DG "TRUNCATE".
            self._transactions.next()
        return outcome

    # -- CALL -------------------------------------------------------------------------------------------------

    def call(self, call: Call) -> None:
        """A nested call: it shares the transaction, and its INOUT arguments come back into this one's variables."""
        from deployer.local.procedures.interpreter import check_argument, variable_name

        for text in call.arguments:
            check_argument(text)
        values = [self.evaluate(text) for text in call.arguments]
        procedure = self._interpreter.find(call, values)
        if any(argument.mode == "out" for argument in procedure.arguments):
            raise error(
                "0A000",
                f"procedure {procedure.title} has OUT arguments: a nested call needs INOUT on Redshift",
            )
        targets = {}
        for number, (argument, text) in enumerate(zip(procedure.arguments, call.arguments, strict=True), 1):
            if argument.mode == "inout":
                targets[variable_name(argument, number)] = self._inout_target(
                    text, argument.name, procedure.title
                )
        frame = self._interpreter.invoke(procedure, values)
        for name, target in targets.items():
            self.assign(target, frame.get(name))

    def _inout_target(self, text: Text, argument: str, title: str) -> str:
        tokens = tokenize(text.sql)[:-1]
        name = "".join(
            token.value for token in tokens if token.kind in ("word", "quoted") or token.value == "."
        )
        simple = all(token.kind in ("word", "quoted") or token.value == "." for token in tokens)
        if not simple or not self._frame.knows(name):
            raise error("42601", f"argument {argument or text.sql} of {title} is INOUT: pass it a variable")
        return name

    def _dynamic_call(self, sql: str, statement: Execute) -> None:
        call = parse_call(sql)
        values = [self._interpreter.evaluate(text, {}) for text in call.arguments]
        procedure = self._interpreter.find(call, values)
        if statement.into or any(argument.mode != "in" for argument in procedure.arguments):
            raise error(
                "0A000",
                "EXECUTE of a CALL with OUT or INOUT arguments is not documented by Redshift; CALL it",
            )
        self._interpreter.invoke(procedure, values)

    # -- messages ---------------------------------------------------------------------------------------------

    def say(self, statement: Raise) -> None:
        """RAISE. NULL is shown as <NULL>, as PostgreSQL 8.0 shows it."""
        if not statement.level:
            raise self._running.handled[-1]
        pieces = []
        arguments = iter(statement.arguments)
        for index, piece in enumerate(statement.format.replace("%%", "\0").split("%")):
            if index:
                value = self._frame.get(next(arguments))
                pieces.append("<NULL>" if value.text is None else value.text)
            pieces.append(piece)
        message = "".join(pieces).replace("\0", "%")
        if statement.level in LEVELS:
            least = self._executor.log_level()
            self._interpreter.log.say(statement.level, message, self._running.line, least)
        if statement.level == "exception":
            raise error("P0001", message)
        self._executor.notice(statement.level.upper(), message)

    # -- cursors ----------------------------------------------------------------------------------------------

    def loop_query(self, loop: ForQuery, cursor: str) -> Outcome:
        """All the rows of a FOR loop's query; the loop's cursor is then open."""
        transactions = self._transactions
        sql = self._command(loop.query) if loop.dynamic else loop.query.sql
        if _kind(sql).name != "select":
            raise error("42601", "FOR needs a query")
        self._executor.begin()
        transactions.fresh()
        transactions.open_cursor(cursor)
        try:
            return self._executor.run(without_numbers(sql), {} if loop.dynamic else self._frame.variables())
        except PROBLEMS as problem:
            raise in_statement(problem, sql) from problem

    def cursor(self, statement: Cursor) -> None:
        """OPEN, FETCH and CLOSE of a cursor variable."""
        query, portal = self._frame.cursor(statement.name)
        if statement.verb == "open":
            self._open(statement, query, portal)
            return
        if portal is None:
            raise error("22004", f'cursor variable "{statement.name}" is null')
        self._transactions.check_cursor(portal)
        if statement.verb == "close":
            self._executor.run(f"close {quote_ident(portal)}", {})
            self._transactions.cursor = None
            return
        outcome = self._executor.run(f"fetch next from {quote_ident(portal)}", {})
        self.into(statement.into, outcome)
        self.found(bool(outcome.rows))

    def _open(self, statement: Cursor, query: Text | None, portal: str | None) -> None:
        text = statement.query or query
        if text is None:
            raise error("42601", f'cursor "{statement.name}" has no query: OPEN it FOR one')
        if query is not None and statement.query is not None:
            raise error("42601", f'cursor "{statement.name}" has its own query: OPEN it without FOR')
        if portal is None:
            portal = "<unnamed portal 1>"
            self._frame.set(statement.name, Value(portal, types.VARCHAR))
        sql = self._command(text) if statement.dynamic else text.sql
        self._executor.begin()
        self._transactions.fresh()
        self._transactions.open_cursor(portal)
        head = f"declare {quote_ident(portal)} cursor for "
        variables = {} if statement.dynamic else self._frame.variables()
        try:
            self._executor.run(head + without_numbers(sql), variables)
        except PROBLEMS as problem:
            raise in_statement(problem, sql, prefix=len(head)) from problem


def _kind(sql: str) -> Kind:
    try:
        kind = classify(sql)
        name = forbidden(tokenize(sql), kind)
    except LexError as problem:
        raise in_statement(error("42601", problem.message), sql) from problem
    if name:
        raise error("0A000", f"{name} cannot be used in a procedure on Redshift")
    return kind
