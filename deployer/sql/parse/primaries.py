"""What an expression is made of: literals, parentheses, and words with a syntax of their own."""

from __future__ import annotations

from abc import abstractmethod

from deployer.sql.functions import POSTGRESQL_ONLY, lacking_function
from deployer.sql.lexer import Token
from deployer.sql.parse.calls import CallParser
from deployer.sql.parse.datatypes import (
    PLAIN_TYPES,
    REFUSED_TYPES,
    interval_qualifier,
    redshift_text,
    refused_type,
)
from deployer.sql.parse.nodes import (
    Case,
    Cast,
    CatalogOnly,
    Column,
    Exists,
    Expr,
    FunctionCall,
    IntervalLiteral,
    Literal,
    Parameter,
    Query,
    Row,
    ScalarQuery,
)
from deployer.sql.parse.words import BARE_FUNCTIONS, RESERVED, UNRESERVED_FUNCTIONS
from deployer.sql.refused import Refused

_TYPED = frozenset(["date", "timestamp", "time", "timestamptz", "timetz"])


class PrimaryParser(CallParser):
    """Parses the operands of expressions."""

    in_rows = False
    """Whether the sets of an expression list are read: ((1, 'a'), (2, 'b'))."""

    @abstractmethod
    def _other(self) -> Expr:
        """An operand of comparisons: everything that binds tighter than they do."""

    def _primary(self) -> Expr:
        token = self.token
        if token.kind == "string":
            self.next()
            return Literal("string", token.value, pos=token.start)
        if token.kind == "number":
            self.next()
            return Literal("number", token.value, pos=token.start)
        if token.kind == "param":
            self.next()
            return Parameter(int(token.value[1:]), pos=token.start)
        if token.kind == "op":
            return self._parenthesis(token)
        if token.kind == "quoted":
            return self._name(token)
        if token.kind == "word":
            return self._word(token)
        self.fail()

    def _parenthesis(self, token: Token) -> Expr:
        if not self.accept_op("("):
            self.fail()
        if self.starts_query() and not self._parenthesised_expression():
            query = self.query()
            self.expect_op(")")
            return ScalarQuery(query, pos=token.start)
        value = self.expr()
        if self.is_op(","):
            items = [value]
            while self.accept_op(","):
                items.append(self.expr())
            self.expect_op(")")
            return self._several(items, token)
        self.expect_op(")")
        if self.is_op("."):
            self.refuse("composite types are not supported on Redshift", token)
        return value

    def _several(self, items: list[Expr], token: Token) -> Expr:
        """(a, b): before IN (...) and inside its list (r_expression_lists); elsewhere a row constructor."""
        ahead = 1 if self.is_word("not") else 0
        after = self.peek(ahead)
        if self.in_rows or (after.kind == "word" and after.value == "in"):
            return Row(items, pos=token.start)
        self.only_on_catalogs(
            "row constructors (a, b) are not supported on Redshift, but before IN and in its list; compare the columns "
            "one by one", token,
        )  # fmt: skip
        parts: list[str | Expr | Query] = ["(", items[0]]
        for item in items[1:]:
            parts += [", ", item]
        return CatalogOnly([*parts, ")"], pos=token.start)

    def _parenthesised_expression(self) -> bool:
        """((select ...) + 1): the inner parenthesis is a scalar sub-query, the outer one an expression."""
        if not self.is_op("("):
            return False
        depth, ahead = 0, 0
        while True:
            token = self.peek(ahead)
            if token.kind == "end":
                return False
            if token.kind == "op" and token.value == "(":
                depth += 1
            elif token.kind == "op" and token.value == ")":
                depth -= 1
                if depth == 0:
                    break
            ahead += 1
        after = self.peek(ahead + 1)
        return not (
            (after.kind == "op" and after.value == ")")
            or (
                after.kind == "word"
                and after.value in ("union", "intersect", "except", "minus", "order", "limit")
            )
        )

    def _word(self, token: Token) -> Expr:
        word = token.value
        special = getattr(self, f"_on_{word}", None)
        if special is not None:
            found: Expr | None = special(token)
            if found is not None:
                return found
        if word in UNRESERVED_FUNCTIONS and not (self.is_op("(", 1) or self.is_op(".", 1)):
            self.next()
            return FunctionCall(word, [], bare=True, pos=token.start)
        if word in BARE_FUNCTIONS and not self.is_op("(", 1):
            self.next()
            return FunctionCall(word, [], bare=True, pos=token.start)
        self._lacking(token)
        if word in _TYPED and self._literal_follows():
            kind = self.type()
            text = self.token
            return Cast(
                Literal("string", self.string(), pos=text.start), kind, typed_literal=True, pos=token.start
            )
        if word in PLAIN_TYPES:
            self._typed_literal(token)
        if word == "oid" and not self.is_op("(", 1):
            self.only_on_catalogs('OID is a reserved word; as a name it must be written "oid"', token)
            self.next()
            return Column(("oid",), pos=token.start)
        if word == "isnull" and self.is_op("(", 1):
            # Amazon's JDBC driver calls it, see functions.clients.
            return self._name(token)
        if word.upper() in RESERVED and not (
            self.is_op("(", 1) and word in ("left", "right", "array", "percent", "collate")
        ):
            if word != "raw" or not self.is_op(".", 1):
                self.fail()
        return self._name(token)

    def _typed_literal(self, token: Token) -> None:
        """Refuse DECIMAL '1.5' and its kin by name: the guide has such literals of dates and times only."""
        start = self.at
        try:
            kind = self.type()
        except Refused:
            self.at = start
            return
        if self.token.kind == "string":
            bare = kind.is_decimal and not self.is_op(")", -1)
            named = "DECIMAL(p, s)" if bare else redshift_text(kind).upper()
            self.refuse(
                f"a literal {token.value.upper()} '...' is not documented for Redshift, which names DATE, TIME, "
                f"TIMETZ, TIMESTAMP, TIMESTAMPTZ and INTERVAL; write CAST('...' AS {named})",
                token,
            )
        self.at = start

    def _lacking(self, token: Token) -> None:
        """Refuse by name what begins like an expression and is PostgreSQL's own, whatever may follow."""
        word, after = token.value, self.peek()
        if after.kind == "op" and after.value == "(" and word in POSTGRESQL_ONLY:
            self.refuse(lacking_function(word), token, "42883")
        if word == "current_catalog":
            self.refuse(lacking_function(word).replace("()", "", 1), token, "42883")
        if after.kind != "string":
            return
        if word in ("b", "x") and after.start == token.end:
            self.refuse("bit strings (B'...', X'...') are not supported on Redshift; use VARBYTE", token)
        if word in REFUSED_TYPES:
            self.refuse(refused_type(word), token)

    def _literal_follows(self) -> bool:
        ahead = 1
        if self.peek().value in ("with", "without") and self.peek(2).value == "time":
            ahead = 4
        return self.peek(ahead).kind == "string"

    def _on_null(self, token: Token) -> Expr | None:
        self.next()
        return Literal("null", pos=token.start)

    def _on_true(self, token: Token) -> Expr | None:
        self.next()
        return Literal("true", pos=token.start)

    def _on_false(self, token: Token) -> Expr | None:
        self.next()
        return Literal("false", pos=token.start)

    def _on_default(self, token: Token) -> Expr | None:
        self.next()
        return Literal("default", pos=token.start)

    def _on_case(self, token: Token) -> Expr | None:
        self.next()
        operand = None if self.is_word("when") else self.expr()
        whens: list[tuple[Expr, Expr]] = []
        while self.accept("when"):
            condition = self.expr()
            self.expect("then")
            whens.append((condition, self.expr()))
        if not whens:
            self.fail()
        default = self.expr() if self.accept("else") else None
        self.expect("end")
        return Case(operand, whens, default, pos=token.start)

    def _on_cast(self, token: Token) -> Expr | None:
        if not self.is_op("(", 1):
            return None
        self.at += 2
        value = self.expr()
        self.expect("as")
        kind = self.type()
        self.expect_op(")")
        return Cast(value, kind, pos=token.start)

    def _on_try_cast(self, token: Token) -> Expr | None:
        found = self._on_cast(token)
        if isinstance(found, Cast):
            found.lenient = True
        return found

    def _on_convert(self, token: Token) -> Expr | None:
        if not self.is_op("(", 1):
            return None
        if self.peek(2).kind == "string" or self.peek(2).kind == "quoted":
            self.refuse(
                "the string function CONVERT(text, source, destination) does not exist on Redshift, where strings are "
                "always UTF-8; CONVERT(type, expression) is a cast",
                sqlstate="42883",
            )
        self.at += 2
        kind = self.type()
        if self.is_word("using"):
            self.refuse("CONVERT(... USING ...) is not supported on Redshift, where strings are always UTF-8")
        self.expect_op(",")
        value = self.expr()
        self.expect_op(")")
        return Cast(value, kind, pos=token.start)

    def _on_approximate(self, token: Token) -> Expr | None:
        # Exact here: the guide gives relative errors (2 % and 0.5 %), which an exact answer is within.
        if self.peek().value in ("count", "percentile_disc") and self.is_op("(", 2):
            self.next()
            function = self.token
            call = self._name(function)
            if isinstance(call, FunctionCall) and call.name == "count" and not call.distinct:
                self.refuse("APPROXIMATE is for COUNT(DISTINCT ...) and PERCENTILE_DISC", function, "42601")
            if isinstance(call, FunctionCall) and call.over is not None:
                self.refuse(f"APPROXIMATE {call.name.upper()} is no window function", function, "42601")
            return call
        return None

    def _on_exists(self, token: Token) -> Expr | None:
        if not self.is_op("(", 1):
            return None
        self.at += 2
        query = self.query()
        self.expect_op(")")
        return Exists(query, pos=token.start)

    def _on_interval(self, token: Token) -> Expr | None:
        if self.peek().kind != "string":
            self.fail()
        self.next()
        text = self.string()
        return IntervalLiteral(text, interval_qualifier(self), pos=token.start)

    def _on_extract(self, token: Token) -> Expr | None:
        if not self.is_op("(", 1):
            return None
        self.at += 2
        part = self.next()
        if part.kind not in ("word", "string", "quoted"):
            self.fail(part)
        self.expect("from")
        value = self.expr()
        self.expect_op(")")
        return FunctionCall(
            "extract", [Literal("string", part.value, pos=part.start), value], pos=token.start
        )

    def _on_trim(self, token: Token) -> Expr | None:
        if not self.is_op("(", 1):
            return None
        self.at += 2
        side = "btrim"
        for word, name in (("both", "btrim"), ("leading", "ltrim"), ("trailing", "rtrim")):
            if self.accept(word):
                side = name
        args: list[Expr] = []
        if self.accept("from"):
            args = [self.expr()]
        else:
            args = [self.expr()]
            if self.accept("from"):
                args = [self.expr(), *args]
            elif side == "btrim" and self.accept_op(","):
                # As the guide's page of LTRIM writes it.
                args.append(self.expr())
        self.expect_op(")")
        return FunctionCall(side, args, pos=token.start)

    def _on_substring(self, token: Token) -> Expr | None:
        if not self.is_op("(", 1):
            return None
        start = self.at
        self.at += 2
        value = self.expr()
        if not self.accept("from"):
            self.at = start
            return None
        args = [value, self.expr()]
        if self.accept("for"):
            args.append(self.expr())
        self.expect_op(")")
        return FunctionCall("substring", args, pos=token.start)

    def _on_position(self, token: Token) -> Expr | None:
        if not self.is_op("(", 1):
            return None
        self.at += 2
        needle = self._other()
        self.expect("in")
        hay = self.expr()
        self.expect_op(")")
        return FunctionCall("position", [needle, hay], pos=token.start)

    def _on_overlay(self, token: Token) -> Expr | None:
        if self.is_op("(", 1):
            self.refuse("OVERLAY is not supported on Redshift; use LEFT, RIGHT, SUBSTRING and ||")
        return None

    def _on_array(self, token: Token) -> Expr | None:
        if self.is_op("[", 1):
            return self._array_constructor(token)
        if self.is_op("(", 1) and self.peek(2).value == "select" and self.peek(2).kind == "word":
            self.only_on_catalogs(
                "ARRAY(SELECT ...) is not supported on Redshift; use LISTAGG, or a SUPER value", token
            )
            self.at += 2
            query = self.query()
            self.expect_op(")")
            return CatalogOnly(["ARRAY(", query, ")"], pos=token.start)
        if not self.is_op("(", 1):
            # A reserved word, and yet the name of an element in the guide's own example (query-super).
            self.next()
            parts = ["array"]
            while self.accept_op("."):
                parts.append(self.qualified_part())
            return Column(tuple(parts), pos=token.start)
        return None

    def _array_constructor(self, token: Token) -> Expr:
        self.only_on_catalogs(
            "array constructors (ARRAY[...]) are not supported on Redshift; use the ARRAY function, which makes a "
            "SUPER value", token,
        )  # fmt: skip
        self.at += 2
        parts: list[str | Expr | Query] = ["ARRAY["]
        while not self.is_op("]"):
            parts += [self.expr(), ", "]
            if not self.accept_op(","):
                break
        self.expect_op("]")
        if parts[-1] == ", ":
            parts.pop()
        return CatalogOnly([*parts, "]"], pos=token.start)

    def _on_row(self, token: Token) -> Expr | None:
        if self.is_op("(", 1):
            self.refuse("row constructors (ROW(...)) are not supported on Redshift; use separate columns")
        return None
