"""The statements of a procedure's body that hold no other statement.

Source: Redshift Database Developer Guide, "Supported PL/pgSQL statements".
"""

from __future__ import annotations

from typing import NoReturn

from deployer.sql.plpgsql_ast import (
    Call,
    Cursor,
    Execute,
    GetRowCount,
    Leave,
    Null,
    Raise,
    Return,
    Statement,
    Text,
    Transaction,
)  # fmt: skip
from deployer.sql.plpgsql_reader import BodyError, Reader
from deployer.sql.plpgsql_sql import NO_USING, read_target, read_targets

_LEVELS = ("debug", "log", "info", "notice", "warning", "exception")


class SimpleStatements(Reader):
    """Reads one statement each, from its first word up to its semicolon. All raise BodyError."""

    def leave(self) -> Leave:
        verb = self.next()
        label = "" if self.is_word("when") or self.is_op(";") else self.name()
        when = self.until() if self.accept("when") else None
        return Leave(verb.start, verb.value == "continue", label, when)

    def null(self) -> Null:
        return Null(self.next().start)

    def return_(self) -> Return:
        at = self.next().start
        if not self.is_op(";"):
            self.refuse("RETURN cannot have a value in a procedure; use an OUT argument")
        return Return(at)

    # -- messages and diagnostics -----------------------------------------------------------------------------

    def raise_(self) -> Raise:
        at = self.next().start
        if self.is_op(";"):
            return Raise(at, "", "", ())
        level = self.next().value if self.is_word(*_LEVELS) else "exception"
        if self.token.kind != "string" or not (
            self.peek().value in (";", ",") or self.peek().value == "using"
        ):
            self.refuse("RAISE takes a level and a format string on Redshift")
        text = self.next().value
        arguments: list[str] = []
        while self.accept_op(","):
            if self.token.kind not in ("word", "quoted"):
                self._not_a_variable()
            arguments.append(read_target(self))
            if not self.is_op(",", ";") and not self.is_word("using"):
                self._not_a_variable()
        if self.is_word("using"):
            self.refuse("RAISE ... USING is not supported on Redshift")
        places = text.replace("%%", "").count("%")
        if places != len(arguments):
            many = "few" if places > len(arguments) else "many"
            raise BodyError(f"too {many} parameters specified for RAISE", at)
        return Raise(at, level, text, tuple(arguments))

    def _not_a_variable(self) -> NoReturn:
        self.refuse("the arguments of RAISE must be simple variables on Redshift")

    def get(self) -> Statement:
        at = self.next().start
        if self.accept("stacked", "diagnostics"):
            self.refuse("GET STACKED DIAGNOSTICS is not supported on Redshift", at)
        self.accept("current")
        self.expect("diagnostics")
        target = read_target(self)
        if not self.accept_op(":="):
            self.expect_op("=")
        if not self.accept("row_count"):
            self.refuse("GET DIAGNOSTICS has only ROW_COUNT on Redshift")
        return GetRowCount(at, target)

    # -- transactions -----------------------------------------------------------------------------------------

    def end_transaction(self) -> Transaction:
        verb = self.next()
        if not self.is_op(";"):
            self.refuse(f"only plain {verb.value.upper()} is supported in a procedure on Redshift")
        return Transaction(verb.start, verb.value)

    def start(self) -> Transaction:
        at = self.next().start
        self.expect("transaction")
        if not self.is_op(";"):
            self.refuse("START TRANSACTION takes no options in a procedure on Redshift")
        return Transaction(at, "start")

    # -- dynamic SQL, calls, cursors --------------------------------------------------------------------------

    def execute(self) -> Execute:
        at = self.next().start
        command = self.until("into", "using")
        into = read_targets(self) if self.accept("into") else ()
        if self.is_word("using"):
            self.refuse(NO_USING)
        return Execute(at, command, into)

    def call(self) -> Call:
        at = self.next().start
        name, schema = self.name(), ""
        if self.accept_op("."):
            schema, name = name, self.name()
        self.expect_op("(")
        arguments: list[Text] = []
        if not self.is_op(")"):
            arguments.append(self.until(ops=(",", ")")))
            while self.accept_op(","):
                arguments.append(self.until(ops=(",", ")")))
        self.expect_op(")")
        return Call(at, schema, name, tuple(arguments))

    def open(self) -> Cursor:
        at = self.next().start
        name = self.name()
        if self.is_op("("):
            self.refuse("cursors with arguments are not supported by the local Redshift yet")
        if not self.accept("for"):
            return Cursor(at, "open", name)
        dynamic = self.accept("execute")
        query = self.until("using") if dynamic else self.until()
        if dynamic and self.is_word("using"):
            self.refuse(NO_USING)
        return Cursor(at, "open", name, query, dynamic)

    def fetch(self) -> Cursor:
        at = self.next().start
        name = self.name()
        if not self.is_word("into"):
            self.refuse(
                "FETCH takes only the next row in a procedure on Redshift: FETCH cursor INTO target", at
            )
        self.expect("into")
        return Cursor(at, "fetch", name, into=read_targets(self))

    def close(self) -> Cursor:
        at = self.next().start
        return Cursor(at, "close", self.name())
