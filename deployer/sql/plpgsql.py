"""Parse the body of a Redshift stored procedure.

Source: Redshift Database Developer Guide, "Structure of PL/pgSQL", "Supported PL/pgSQL statements", "Trapping errors",
"Managing transactions", "Limits and differences for stored procedure support". What PostgreSQL's PL/pgSQL has beyond
that is refused here by name.
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.sql.plpgsql_ast import (
    Assign,
    Block,
    Call,
    Case,
    Declaration,
    ForInteger,
    ForQuery,
    Handler,
    If,
    Loop,
    Statement,
    Text,
)  # fmt: skip
from deployer.sql.plpgsql_check import check_block
from deployer.sql.plpgsql_reader import BodyError, read_tokens
from deployer.sql.plpgsql_simple import SimpleStatements
from deployer.sql.plpgsql_sql import NO_USING, read_sql, read_target, read_targets

__all__ = ["BodyError", "parse_body", "parse_call"]

_NO_SCROLL = "SCROLL cursors are not supported on Redshift"
MAX_BODY_BYTES = 2 * 1024 * 1024
"""DG "Limits and differences": the source of a procedure is at most 2 MB."""

_REFUSED = {
    "perform": "PERFORM is not among Redshift's PL/pgSQL statements; use SELECT ... INTO a variable, or CALL",
    "savepoint": "savepoints are not supported on Redshift",
    "release": "savepoints are not supported on Redshift",
    "move": "MOVE is not supported on Redshift",
    "foreach": "FOREACH is not supported on Redshift",
    "assert": "ASSERT is not supported on Redshift; use IF and RAISE EXCEPTION",
}
"""Statements of PostgreSQL's that Redshift lacks, by their first word."""


def parse_body(body: str) -> Block:
    """The outermost block of a procedure's body. Raises BodyError."""
    if len(body.encode(errors="replace")) > MAX_BODY_BYTES:
        raise BodyError("a stored procedure's source is at most 2 MB on Redshift", 0, True)
    parser = _Parser(body, read_tokens(body))
    try:
        block = parser.block(parser.label())
        parser.accept_op(";")
        if parser.token.kind != "end":
            parser.fail()
        check_block(block)
    except RecursionError:
        raise BodyError("stack depth limit exceeded: the blocks are nested too deeply", 0) from None
    return block


def parse_call(text: str) -> Call:
    """A whole CALL statement. Raises BodyError."""
    parser = _Parser(text, read_tokens(text))
    if not parser.is_word("call"):
        parser.fail("expected CALL")
    call = parser.call()
    if parser.token.kind != "end":
        parser.fail()
    return call


class _Parser(SimpleStatements):
    # -- blocks -----------------------------------------------------------------------------------------------

    def label(self) -> str:
        if not self.accept_op("<<"):
            return ""
        name = self.name()
        self.expect_op(">>")
        return name

    def block(self, label: str) -> Block:
        at = self.token.start
        declarations: list[Declaration] = []
        while self.accept("declare"):
            while not self.is_word("begin", "declare"):
                declarations.append(self._declaration())
        self.expect("begin")
        body = self._statements("end", "exception")
        handler = self._handler() if self.is_word("exception") else None
        self.expect("end")
        self._end_label(label)
        return Block(at, label, tuple(declarations), body, handler)

    def _end_label(self, label: str) -> None:
        if label and self.token.kind in ("word", "quoted") and self.token.value == label:
            self.next()

    def _handler(self) -> Handler:
        at = self.next().start
        resume = self.accept("continue_handler")
        if not resume:
            self.accept("exit_handler")
        self.expect("when")
        if not (self.accept("others") and self.is_word("then")):
            self.refuse("Redshift handles exceptions only with WHEN OTHERS")
        self.expect("then")
        body = self._statements("end", "when")
        if self.is_word("when"):
            self.refuse("Redshift handles exceptions with one WHEN OTHERS only")
        return Handler(body, at, resume)

    def _declaration(self) -> Declaration:
        at = self.token.start
        name = self.name()
        if self.accept("alias", "for"):
            target = self.next()
            if target.kind not in ("param", "word", "quoted"):
                self.at -= 1
                self.fail("expected an argument, as $1")
            self.expect_op(";")
            return Declaration(name, "", at, alias_of=target.value)
        if self.accept("scroll", "cursor") or self.accept("no", "scroll", "cursor"):
            self.refuse(_NO_SCROLL, at)
        if self.accept("cursor"):
            if self.is_op("("):
                self.refuse("cursors with arguments are not supported by the local Redshift yet")
            if not self.accept("for"):
                self.expect("is")
            query = self.until()
            self.expect_op(";")
            return Declaration(name, "cursor", at, query)
        constant = self.accept("constant")
        start = self.at
        while not (self.is_op(";", ":=", "=") or self.is_word("default", "not", "collate")):
            if self.token.kind == "end":
                self.fail('expected ";"')
            if self.is_op("[", "]"):
                self.refuse("array types are not supported on Redshift; use SUPER")
            self.at += 1
        if self.at == start:
            self.fail("expected a type")
        if self.is_word("collate"):
            self.refuse("COLLATE is not supported for variables on Redshift")
        self._check_reference(start, self.at)
        kind = self.slice(start, self.at).sql
        not_null = self.accept("not", "null")
        default = None
        if self.accept_op(":=") or self.accept_op("=") or self.accept("default"):
            default = self.until()
        self.expect_op(";")
        return Declaration(name, kind, at, default, constant, not_null)

    def _check_reference(self, start: int, end: int) -> None:
        """Fail unless a name, its parts joined by dots, stands before %TYPE or %ROWTYPE."""
        if self.tokens[end - 1].value not in ("type", "rowtype") or self.tokens[end - 2].value != "%":
            return
        for at in range(start, max(end - 2, start + 1)):
            token = self.tokens[at]
            if token.value != "." if (at - start) % 2 else token.kind not in ("word", "quoted"):
                self.at = at
                self.fail("expected a name")
        if (end - start) % 2 == 0:
            self.at = end - 2
            self.fail("expected a name")

    def _statements(self, *ends: str) -> tuple[Statement, ...]:
        result: list[Statement] = []
        while not self.is_word(*ends):
            if self.token.kind == "end":
                self.fail(f"expected {' or '.join(word.upper() for word in ends)}")
            result.append(self._statement())
        return tuple(result)

    # -- statements -------------------------------------------------------------------------------------------

    def _statement(self) -> Statement:
        label = self.label()
        at = self.token.start
        if self._opens_block():
            return self._closed(self.block(label))
        if self.is_word("loop"):
            return Loop(at, label, None, self._loop_body(label))
        if self.accept("while"):
            return Loop(at, label, self.until("loop"), self._loop_body(label))
        if self.accept("for"):
            return self._for(at, label)
        if label:
            self.fail("expected a block or a loop after the label")
        if self._is_assignment():
            return self._closed(self._assignment())
        word = self.token.value if self.token.kind == "word" else ""
        if word in _REFUSED:
            self.refuse(_REFUSED[word])
        known = _STATEMENTS.get(word)
        return self._closed(read_sql(self) if known is None else known(self))

    def _closed(self, statement: Statement) -> Statement:
        self.expect_op(";")
        return statement

    def _opens_block(self) -> bool:
        if self.is_word("declare"):
            return True
        if not self.is_word("begin"):
            return False
        following = self.peek()
        if following.value == ";" or (
            following.kind == "word" and following.value in ("transaction", "work")
        ):
            self.refuse("use START TRANSACTION in a NONATOMIC procedure; BEGIN opens a block")
        return True

    def _is_assignment(self) -> bool:
        if self.token.kind not in ("word", "quoted"):
            return False
        ahead = 1
        while self.peek(ahead).value == "." and self.peek(ahead + 1).kind in ("word", "quoted"):
            ahead += 2
        following = self.peek(ahead)
        return following.kind == "op" and following.value in (":=", "=")

    def _assignment(self) -> Assign:
        at = self.token.start
        target = read_target(self)
        self.next()
        return Assign(at, target, self.until())

    # -- control flow -----------------------------------------------------------------------------------------

    def _loop_body(self, label: str) -> tuple[Statement, ...]:
        self.expect("loop")
        body = self._statements("end")
        self.expect("end", "loop")
        self._end_label(label)
        self.expect_op(";")
        return body

    def _for(self, at: int, label: str) -> Statement:
        targets = read_targets(self)
        self.expect("in")
        reverse = self.accept("reverse")
        if self.accept("execute"):
            query = self.until("loop", "using")
            if self.is_word("using"):
                self.refuse(NO_USING)
            return ForQuery(at, label, targets, query, True, self._loop_body(label))
        if self.is_word("select", "with") or self.is_op("("):
            saved = self.at
            query = self.until("loop", ops=(";", ".."))
            if not self.is_op(".."):
                return ForQuery(at, label, targets, query, False, self._loop_body(label))
            self.at = saved
        lower = self.until("loop", ops=("..", ";"))
        if not self.accept_op(".."):
            self.refuse("FOR takes an integer range (1..10), a query, or EXECUTE on Redshift")
        upper = self.until("by", "loop")
        step = self.until("loop") if self.accept("by") else None
        if len(targets) != 1 or "." in targets[0]:
            self.fail("a FOR loop over integers has one variable")
        return ForInteger(at, label, targets[0], reverse, lower, upper, step, self._loop_body(label))

    def if_(self) -> If:
        at = self.next().start
        branches = [self._branch()]
        while self.accept("elsif") or self.accept("elseif"):
            branches.append(self._branch())
        otherwise = self._statements("end") if self.accept("else") else ()
        self.expect("end", "if")
        return If(at, tuple(branches), otherwise)

    def _branch(self) -> tuple[Text, tuple[Statement, ...]]:
        condition = self.until("then")
        self.expect("then")
        return condition, self._statements("elsif", "elseif", "else", "end")

    def case(self) -> Case:
        at = self.next().start
        subject = None if self.is_word("when") else self.until("when")
        branches = []
        while self.accept("when"):
            values = [self.until("then", ops=(",", ";"))]
            while self.accept_op(","):
                values.append(self.until("then", ops=(",", ";")))
            self.expect("then")
            branches.append((tuple(values), self._statements("when", "else", "end")))
        if not branches:
            self.fail("expected WHEN")
        otherwise = self._statements("end") if self.accept("else") else None
        self.expect("end", "case")
        return Case(at, subject, tuple(branches), otherwise)


_STATEMENTS: dict[str, Callable[[_Parser], Statement]] = {
    "if": _Parser.if_,
    "case": _Parser.case,
    "exit": _Parser.leave,
    "continue": _Parser.leave,
    "null": _Parser.null,
    "return": _Parser.return_,
    "raise": _Parser.raise_,
    "get": _Parser.get,
    "commit": _Parser.end_transaction,
    "rollback": _Parser.end_transaction,
    "start": _Parser.start,
    "execute": _Parser.execute,
    "call": _Parser.call,
    "open": _Parser.open,
    "fetch": _Parser.fetch,
    "close": _Parser.close,
}
