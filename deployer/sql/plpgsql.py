"""Parse the body of a Redshift stored procedure.

Source: Redshift Database Developer Guide, "PL/pgSQL language reference" (structure, supported statements) and
"Stored procedure limitations". What PostgreSQL's PL/pgSQL has beyond that is refused here by name.
"""

from __future__ import annotations

from deployer.sql.classify import classify_tokens
from deployer.sql.lexer import LexError, Token, tokenize
from deployer.sql.plpgsql_ast import (
    Assign, Block, Call, Case, Cursor, Declaration, Execute, ForInteger, ForQuery, GetRowCount, Handler, If, Leave,
    Loop, Null, Raise, Return, Sql, Statement, Text, Transaction,
)  # fmt: skip

_LEVELS = ("debug", "log", "info", "notice", "warning", "exception")
MAX_BODY_BYTES = 2 * 1024 * 1024
"""DG "Stored procedure limitations": the source of a procedure is at most 2 MB."""


class BodyError(Exception):
    """The body is not Redshift PL/pgSQL. `position` is a 0-based offset into it; `unsupported` when PostgreSQL has it."""

    def __init__(self, message: str, position: int, unsupported: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.unsupported = unsupported


def parse_body(body: str) -> Block:
    """The outermost block of a procedure's body. Raises BodyError."""
    if len(body.encode(errors="replace")) > MAX_BODY_BYTES:
        raise BodyError("a stored procedure's source is at most 2 MB on Redshift", 0, True)
    try:
        tokens = _with_ranges(tokenize(body))
    except LexError as error:
        raise BodyError(error.message, error.position) from error
    parser = _Parser(body, tokens)
    block = parser.block(parser.label())
    parser.accept_op(";")
    if parser.token.kind != "end":
        parser.fail()
    return block


def _with_ranges(tokens: list[Token]) -> list[Token]:
    """`1..10` is cut into the numbers 1. and .10 by the lexer: here it is a range."""
    result: list[Token] = []
    for token in tokens:
        before = result[-1] if result else None
        if (
            before is not None
            and before.kind == "number"
            and before.value.endswith(".")
            and before.end == token.start
            and token.value.startswith(".")
        ):
            result[-1] = Token("number", before.value[:-1], before.start, before.end - 1)
            result.append(Token("op", "..", before.end - 1, token.start + 1))
            if token.kind == "number":
                result.append(Token("number", token.value[1:], token.start + 1, token.end))
        else:
            result.append(token)
    return result


class _Parser:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    # -- tokens -----------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    def _peek(self, ahead: int = 1) -> Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def next(self) -> Token:
        token = self.token
        if token.kind != "end":
            self._at += 1
        return token

    def is_word(self, *words: str) -> bool:
        return self.token.kind == "word" and self.token.value in words

    def accept(self, *words: str) -> bool:
        """All of `words`, one after another, or none."""
        for index, word in enumerate(words):
            token = self._peek(index)
            if token.kind != "word" or token.value != word:
                return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            self.fail(f"expected {' '.join(words).upper()}")

    def is_op(self, value: str) -> bool:
        return self.token.kind == "op" and self.token.value == value

    def accept_op(self, value: str) -> bool:
        if self.is_op(value):
            self._at += 1
            return True
        return False

    def expect_op(self, value: str) -> None:
        if not self.accept_op(value):
            self.fail(f'expected "{value}"')

    def fail(self, expected: str = "") -> None:
        token = self.token
        near = self._text[token.start : token.end] or "end of the procedure's body"
        more = f": {expected}" if expected else ""
        raise BodyError(f'syntax error at or near "{near}"{more}', token.start)

    def refuse(self, message: str, token: Token | None = None) -> None:
        raise BodyError(message, (token or self.token).start, True)

    def name(self) -> str:
        if self.token.kind not in ("word", "quoted"):
            self.fail("expected a name")
        return self.next().value

    def _until(self, *words: str, ops: tuple[str, ...] = (";",)) -> Text:
        """The text up to one of the words or operators at the top level, which is not consumed."""
        start = self._at
        depth = cases = 0
        while True:
            token = self.token
            if token.kind == "end":
                self.fail(f"expected {' or '.join((*(w.upper() for w in words), *ops))}")
            if depth == 0 and cases == 0:
                if token.kind == "op" and token.value in ops:
                    break
                if token.kind == "word" and token.value in words:
                    break
            if token.kind == "op":
                depth += (token.value in "([") - (token.value in ")]")
            elif token.kind == "word" and token.value == "case":
                cases += 1
            elif token.kind == "word" and token.value == "end" and cases:
                cases -= 1
            elif token.kind == "op" and token.value == ";":
                self.fail()
            self._at += 1
        if self._at == start:
            self.fail("expected an expression")
        return self._slice(start, self._at)

    def _slice(self, first: int, end: int) -> Text:
        begin = self._tokens[first].start
        return Text(self._text[begin : self._tokens[end - 1].end], begin)

    # -- blocks -----------------------------------------------------------------------------------------------

    def label(self) -> str:
        if not self.accept_op("<<"):
            return ""
        name = self.name()
        if self.accept_op(">>"):
            return name
        self.expect_op(">")
        self.expect_op(">")
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
        if label and self.token.kind in ("word", "quoted") and self.token.value == label:
            self.next()
        return Block(at, label, tuple(declarations), body, handler)

    def _handler(self) -> Handler:
        at = self.next().start
        resume = self.accept("continue_handler")
        if not resume:
            self.accept("exit_handler")
        self.expect("when")
        if not self.accept("others"):
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
            alias = self.next()
            self.expect_op(";")
            return Declaration(name, "", at, alias_of=alias.value)
        if self.is_word("no", "scroll", "cursor"):
            if not self.accept("cursor"):
                self.refuse("SCROLL cursors are not supported on Redshift")
            if self.is_op("("):
                self.refuse("cursors with arguments are not supported by the local Redshift yet")
            if not self.accept("for"):
                self.expect("is")
            query = self._until()
            self.expect_op(";")
            return Declaration(name, "cursor", at, query)
        constant = self.accept("constant")
        start = self._at
        while not (
            self.is_op(";")
            or self.is_op(":=")
            or self.is_op("=")
            or self.is_word("default", "not", "collate")
        ):
            if self.token.kind == "end":
                self.fail()
            self._at += 1
        if self._at == start:
            self.fail("expected a type")
        kind = self._slice(start, self._at).sql
        not_null = self.accept("not", "null")
        default = None
        if self.accept_op(":=") or self.accept_op("=") or self.accept("default"):
            default = self._until()
        self.expect_op(";")
        return Declaration(name, kind, at, default, constant, not_null)

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
        token = self.token
        if token.kind == "word":
            if token.value in ("declare", "begin") and not (
                token.value == "begin"
                and (self._peek().value in (";", "transaction", "work") and self._peek().kind != "quoted")
            ):
                return self._closed(self.block(label))
            if token.value == "loop":
                return self._loop(label, None)
            if token.value == "while":
                self.next()
                condition = self._until("loop")
                return self._loop(label, condition, token.start)
            if token.value == "for":
                return self._for(label)
        if label:
            self.fail("expected a block or a loop after the label")
        known = getattr(self, f"_do_{token.value}", None) if token.kind == "word" else None
        if known is not None and not self._is_assignment():
            found: Statement = known()
            return self._closed(found)
        if self._is_assignment():
            return self._closed(self._assignment())
        return self._closed(self._sql())

    def _closed(self, statement: Statement) -> Statement:
        self.expect_op(";")
        return statement

    def _is_assignment(self) -> bool:
        if self.token.kind not in ("word", "quoted"):
            return False
        ahead = 1
        while self._peek(ahead).value == "." and self._peek(ahead + 1).kind in ("word", "quoted"):
            ahead += 2
        following = self._peek(ahead)
        return following.kind == "op" and following.value in (":=", "=")

    def _assignment(self) -> Assign:
        at = self.token.start
        target = self._target()
        self.next()
        return Assign(at, target, self._until())

    def _target(self) -> str:
        name = self.name()
        while self.accept_op("."):
            name += "." + self.name()
        return name

    def _targets(self) -> tuple[str, ...]:
        if self.is_word("strict"):
            self.refuse("SELECT INTO STRICT is not supported on Redshift")
        names = [self._target()]
        while self.accept_op(","):
            names.append(self._target())
        return tuple(names)

    def _loop(self, label: str, condition: Text | None, at: int | None = None) -> Loop:
        start = self.token.start if at is None else at
        return Loop(start, label, condition, self._loop_body(label))

    def _loop_body(self, label: str) -> tuple[Statement, ...]:
        self.expect("loop")
        body = self._statements("end")
        self.expect("end", "loop")
        if label and self.token.value == label:
            self.next()
        self.expect_op(";")
        return body

    def _for(self, label: str) -> Statement:
        at = self.next().start
        targets = self._targets()
        self.expect("in")
        reverse = self.accept("reverse")
        if self.accept("execute"):
            query = self._until("loop")
            if "using" in {token.value for token in tokenize(query.sql)}:
                self.refuse("EXECUTE ... USING is not supported on Redshift; use QUOTE_LITERAL")
            return ForQuery(at, label, targets, query, True, self._loop_body(label))
        if self.is_word("select", "with") or self.is_op("("):
            saved = self._at
            query = self._until("loop", ops=(";", ".."))
            if not self.is_op(".."):
                return ForQuery(at, label, targets, query, False, self._loop_body(label))
            self._at = saved
        lower = self._until(ops=("..", ";"))
        if not self.accept_op(".."):
            self.refuse("FOR takes an integer range (1..10), a query, or EXECUTE on Redshift")
        upper = self._until("by", "loop")
        step = self._until("loop") if self.accept("by") else None
        if len(targets) != 1:
            self.fail("a FOR loop over integers has one variable")
        return ForInteger(at, label, targets[0], reverse, lower, upper, step, self._loop_body(label))

    def _do_if(self) -> If:
        at = self.next().start
        branches = []
        condition = self._until("then")
        self.expect("then")
        branches.append((condition, self._statements("elsif", "elseif", "else", "end")))
        while self.is_word("elsif", "elseif"):
            self.next()
            condition = self._until("then")
            self.expect("then")
            branches.append((condition, self._statements("elsif", "elseif", "else", "end")))
        otherwise = self._statements("end") if self.accept("else") else ()
        self.expect("end", "if")
        return If(at, tuple(branches), otherwise)

    def _do_case(self) -> Case:
        at = self.next().start
        subject = None if self.is_word("when") else self._until("when")
        branches = []
        while self.accept("when"):
            values = [self._until("then", ops=(",", ";"))]
            while self.accept_op(","):
                values.append(self._until("then", ops=(",", ";")))
            self.expect("then")
            branches.append((tuple(values), self._statements("when", "else", "end")))
        otherwise = self._statements("end") if self.accept("else") else None
        self.expect("end", "case")
        return Case(at, subject, tuple(branches), otherwise)

    def _leave(self, again: bool) -> Leave:
        at = self.next().start
        label = "" if self.is_word("when") or self.is_op(";") else self.name()
        when = self._until() if self.accept("when") else None
        return Leave(at, again, label, when)

    def _do_exit(self) -> Leave:
        return self._leave(False)

    def _do_continue(self) -> Leave:
        return self._leave(True)

    def _do_null(self) -> Null:
        return Null(self.next().start)

    def _do_return(self) -> Return:
        at = self.next().start
        if not self.is_op(";"):
            self.refuse("RETURN cannot have a value in a procedure; use an OUT argument")
        return Return(at)

    def _do_raise(self) -> Raise:
        at = self.next().start
        if self.is_op(";"):
            return Raise(at, "", "", ())
        level = self.next().value if self.is_word(*_LEVELS) else "exception"
        if self.token.kind != "string":
            self.refuse("RAISE takes a level and a format string on Redshift")
        text = self.next().value
        arguments = []
        while self.accept_op(","):
            arguments.append(self._target())
            if not (self.is_op(",") or self.is_op(";")) and not self.is_word("using"):
                self.refuse("the arguments of RAISE must be simple variables on Redshift")
        if self.is_word("using"):
            self.refuse("RAISE ... USING is not supported on Redshift")
        places = text.replace("%%", "").count("%")
        if places != len(arguments):
            many = "few" if places > len(arguments) else "many"
            raise BodyError(f"too {many} parameters specified for RAISE", at)
        return Raise(at, level, text, tuple(arguments))

    def _do_get(self) -> Statement:
        if self._peek().value != "diagnostics":
            self.fail()
        at = self.next().start
        self.next()
        target = self._target()
        if not self.accept_op(":="):
            self.expect_op("=")
        if not self.accept("row_count"):
            self.refuse("GET DIAGNOSTICS has only ROW_COUNT on Redshift")
        return GetRowCount(at, target)

    def _do_commit(self) -> Transaction:
        return self._end_transaction("commit")

    def _do_rollback(self) -> Transaction:
        return self._end_transaction("rollback")

    def _end_transaction(self, verb: str) -> Transaction:
        at = self.next().start
        if not self.is_op(";"):
            self.refuse(f"only plain {verb.upper()} is supported in a procedure on Redshift")
        return Transaction(at, verb)

    def _do_start(self) -> Transaction:
        at = self.next().start
        self.expect("transaction")
        return Transaction(at, "start")

    def _do_begin(self) -> Statement:
        self.refuse("use START TRANSACTION in a NONATOMIC procedure; BEGIN opens a block")
        raise AssertionError

    def _do_execute(self) -> Execute:
        at = self.next().start
        command = self._until("into", "using")
        into: tuple[str, ...] = ()
        if self.accept("into"):
            into = self._targets()
        if self.is_word("using"):
            self.refuse("EXECUTE ... USING is not supported on Redshift; use QUOTE_LITERAL")
        return Execute(at, command, into)

    def _do_perform(self) -> Statement:
        self.refuse(
            "PERFORM is not among Redshift's PL/pgSQL statements; use SELECT ... INTO a variable, or CALL"
        )
        raise AssertionError

    def _do_savepoint(self) -> Statement:
        self.refuse("savepoints are not supported on Redshift")
        raise AssertionError

    def _do_call(self) -> Call:
        at = self.next().start
        call = parse_call_tail(self, at)
        return call

    def _do_open(self) -> Cursor:
        at = self.next().start
        name = self.name()
        if not self.accept("for"):
            return Cursor(at, "open", name)
        dynamic = self.accept("execute")
        return Cursor(at, "open", name, self._until(), dynamic)

    def _do_fetch(self) -> Cursor:
        at = self.next().start
        self.accept("next")
        if not self.accept("from"):
            self.accept("in")
        name = self.name()
        self.expect("into")
        return Cursor(at, "fetch", name, into=self._targets())

    def _do_move(self) -> Statement:
        self.refuse("MOVE is not supported on Redshift")
        raise AssertionError

    def _do_close(self) -> Cursor:
        at = self.next().start
        return Cursor(at, "close", self.name())

    def _sql(self) -> Sql:
        start = self._at
        text = self._until()
        tokens = self._tokens[start : self._at]
        kind = classify_tokens([*tokens, Token("end", "", text.at, text.at)])
        first = tokens[0]
        if first.kind != "word" or kind.name in ("unknown", "empty"):
            self._at = start
            self.fail()
        if kind.alone or first.value in ("prepare", "deallocate", "vacuum"):
            what = f"{first.value} {kind.object}".strip().upper() if kind.alone else first.value.upper()
            raise BodyError(f"{what} cannot be used in a procedure on Redshift", text.at, True)
        if kind.name == "set" and len(tokens) > 1 and tokens[1].value == "local":
            raise BodyError("SET LOCAL is not supported in a procedure on Redshift", text.at, True)
        if first.value in ("select", "with") and kind.name in ("select", "create_table_as"):
            return self._select(text, tokens)
        return Sql(text.at, kind.name, text)

    def _select(self, text: Text, tokens: list[Token]) -> Sql:
        """SELECT ... INTO targets FROM: the INTO clause is blanked, so that offsets stay."""
        depth = 0
        for index, token in enumerate(tokens):
            if token.kind == "op":
                depth += (token.value in "([") - (token.value in ")]")
            if depth == 0 and token.kind == "word" and token.value == "into":
                inner = _Parser(
                    self._text, [*tokens[index + 1 :], Token("end", "", tokens[-1].end, tokens[-1].end)]
                )
                if inner.is_word("temp", "temporary", "table") or inner.token.value.startswith("#"):
                    break
                targets = inner._targets()
                begin, end = token.start - text.at, inner._previous_end(token) - text.at
                blank = "".join(c if c == "\n" else " " for c in text.sql[begin:end])
                return Sql(
                    text.at, "select", Text(text.sql[:begin] + blank + text.sql[end:], text.at), targets
                )
            if depth == 0 and token.kind == "word" and token.value == "from":
                break
        return Sql(text.at, "select" if "into" not in {t.value for t in tokens} else "create_table_as", text)

    def _previous_end(self, fallback: Token) -> int:
        return self._tokens[self._at - 1].end if self._at else fallback.end


def parse_call_tail(parser: _Parser, at: int) -> Call:
    """`schema.name(arguments)` after CALL."""
    name = parser.name()
    schema = ""
    if parser.accept_op("."):
        schema, name = name, parser.name()
    parser.expect_op("(")
    arguments: list[Text] = []
    if not parser.is_op(")"):
        arguments.append(parser._until(ops=(",", ")", ";")))
        while parser.accept_op(","):
            arguments.append(parser._until(ops=(",", ")", ";")))
    parser.expect_op(")")
    return Call(at, schema, name, tuple(arguments))


def parse_call(text: str) -> Call:
    """A whole CALL statement. Raises BodyError."""
    try:
        parser = _Parser(text, tokenize(text))
    except LexError as error:
        raise BodyError(error.message, error.position) from error
    at = parser.token.start
    parser.expect("call")
    call = parse_call_tail(parser, at)
    if parser.token.kind != "end":
        parser.fail()
    return call
