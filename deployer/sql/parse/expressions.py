"""Expressions: precedence climbing over the tokens.

Everything that is not written here is a syntax error, as it should be: what Redshift's documentation does not have
is not parsed, and what PostgreSQL has beyond it is refused by name.
"""

from __future__ import annotations

from deployer.sql.lexer import Token
from deployer.sql.parse.nodes import (
    AtTimeZone,
    Attribute,
    Between,
    Binary,
    Cast,
    Expr,
    InList,
    InQuery,
    IsTest,
    Like,
    Literal,
    Quantified,
    Query,
    Row,
    Subscript,
    Unary,
)
from deployer.sql.parse.primaries import PrimaryParser

_POSTFIX = frozenset(["::", "at", "[", "collate"])
_COMPARISONS = frozenset(["=", "<>", "!=", "<", ">", "<=", ">="])
_OTHER = frozenset(["||", "~", "!~", "~*", "!~*", "~~", "!~~", "~~*", "!~~*", "<<", ">>", "&", "|", "#"])
_TEXT_SEARCH_OPERATORS = frozenset(["@@"])
_ARRAY_OPERATORS = frozenset(["@>", "<@", "&&", "->", "->>", "#>", "#>>"])


class ExpressionParser(PrimaryParser):
    """Parses whole expressions, from OR down to the postfix operators."""

    in_connect_by = False
    """Whether PRIOR is an operator here."""

    def expr(self) -> Expr:
        left = self._and()
        while self.is_word("or"):
            pos = self.next().start
            left = Binary("or", left, self._and(), pos=pos)
        return left

    def _and(self) -> Expr:
        left = self._not()
        while self.is_word("and"):
            pos = self.next().start
            left = Binary("and", left, self._not(), pos=pos)
        return left

    def _not(self) -> Expr:
        if self.is_word("not"):
            pos = self.next().start
            return Unary("not", self._not(), pos=pos)
        return self._is()

    def _is(self) -> Expr:
        left = self._comparison()
        while True:
            token = self.tokens[self.at]
            if token.kind != "word":
                return left
            if self.accept("isnull"):
                left = IsTest(left, "null", False, pos=token.start)
            elif self.accept("notnull"):
                left = IsTest(left, "null", True, pos=token.start)
            elif self.accept("is"):
                left = self._is_test(left, token)
            else:
                return left

    def _is_test(self, left: Expr, token: Token) -> Expr:
        negated = self.accept("not")
        if self.is_word("distinct"):
            self.refuse(
                "IS DISTINCT FROM is not supported on Redshift; write (a <> b OR (a IS NULL) <> (b IS NULL)) with "
                "the NULL cases spelled out, or compare NVL(a, ...) with NVL(b, ...)",
                token,
            )
        for test in ("null", "true", "false", "unknown"):
            if self.accept(test):
                return IsTest(left, test, negated, pos=token.start)
        self.fail()

    def _comparison(self) -> Expr:
        left = self._predicate()
        if self.token.kind == "op" and self.token.value in _COMPARISONS:
            token = self.next()
            op = "<>" if token.value == "!=" else token.value
            if self.any_word(("any", "some", "all")):
                return self._quantified(left, op, token)
            right = self._predicate()
            if self.token.kind == "op" and self.token.value in _COMPARISONS:
                self.fail()
            return Binary(op, left, right, pos=token.start)
        return left

    def _quantified(self, left: Expr, op: str, token: Token) -> Expr:
        word = self.next().value
        word = "any" if word == "some" else word
        self.expect_op("(")
        argument: Query | Expr
        if self.is_word("select") or self.is_word("with"):
            argument = self.query()
        else:
            self.only_on_catalogs(
                f"{word.upper()} over an array is not supported on Redshift; use IN (...) or a sub-query",
                token,
            )
            argument = self.expr()
        self.expect_op(")")
        return Quantified(left, op, word, argument, pos=token.start)

    def _predicate(self) -> Expr:
        left = self._other()
        while True:
            token = self.token
            if token.kind != "word":
                return left
            negated = self.is_word("not") and self.peek().kind == "word"
            word = self.peek().value if negated else (token.value if token.kind == "word" else "")
            if word == "between":
                self.at += 1 + negated
                self.accept("asymmetric")
                if self.is_word("symmetric"):
                    self.refuse("BETWEEN SYMMETRIC is not supported on Redshift; put the smaller bound first")
                low = self._other()
                self.expect("and")
                left = Between(left, low, self._other(), negated, pos=token.start)
            elif word == "in":
                self.at += 1 + negated
                left = self._in(left, negated, token)
            elif word in ("like", "ilike") or (word == "similar" and self.peek(1 + negated).value == "to"):
                self.at += 1 + negated + (word == "similar")
                pattern = self._other()
                escape = self._other() if self.accept("escape") else None
                left = Like(word, left, pattern, escape, negated, pos=token.start)
            elif word == "overlaps":
                self.refuse("OVERLAPS is not supported by the local Redshift; compare the bounds")
            else:
                return left

    def _in(self, left: Expr, negated: bool, token: Token) -> Expr:
        self.expect_op("(")
        if self.starts_query():
            query = self.query()
            self.expect_op(")")
            if isinstance(left, Row):
                self.refuse(
                    "subquery must return only one column: (a, b) IN takes a list of (x, y), no sub-query",
                    token,
                )
            return InQuery(left, query, negated, pos=token.start)
        before, self.in_rows = self.in_rows, isinstance(left, Row)
        items = [self.expr()]
        while self.accept_op(","):
            items.append(self.expr())
        self.in_rows = before
        self.expect_op(")")
        if isinstance(left, Row):
            for item in items:
                if not isinstance(item, Row) or len(item.items) != len(left.items):
                    self.refuse("unequal number of entries in row expressions", token, "42601")
        return InList(left, items, negated, pos=token.start)

    def _other(self) -> Expr:
        left = self._additive()
        while self.token.kind == "op":
            if self.token.value in _TEXT_SEARCH_OPERATORS:
                self.refuse(
                    f"operator {self.token.value} belongs to text search, which is not supported on Redshift; use "
                    "LIKE, ILIKE or REGEXP_INSTR"
                )
            if self.token.value in _ARRAY_OPERATORS:
                self.refuse(
                    f"operator {self.token.value} is not supported on Redshift; SUPER has functions for it"
                )
            if self.token.value not in _OTHER:
                break
            token = self.next()
            left = Binary(token.value, left, self._additive(), pos=token.start)
        if self.is_word("operator") and self.is_op("(", 1):
            token = self.token
            self.only_on_catalogs(
                "OPERATOR(...) is not supported on Redshift; write the operator itself", token
            )
            self.at += 2
            self.expect("pg_catalog")
            self.expect_op(".")
            op = self.next().value
            self.expect_op(")")
            if self.any_word(("any", "all")):
                return self._quantified(left, op, token)
            return Binary(op, left, self._additive(), pos=token.start)
        return left

    def _additive(self) -> Expr:
        left = self._multiplicative()
        while self.is_op("+") or self.is_op("-"):
            token = self.next()
            left = Binary(token.value, left, self._multiplicative(), pos=token.start)
        return left

    def _multiplicative(self) -> Expr:
        left = self._power()
        while self.is_op("*") or self.is_op("/") or self.is_op("%"):
            token = self.next()
            left = Binary(token.value, left, self._power(), pos=token.start)
        return left

    def _power(self) -> Expr:
        left = self._unary()
        while self.is_op("^"):
            token = self.next()
            left = Binary("^", left, self._unary(), pos=token.start)
        return left

    def _unary(self) -> Expr:
        token = self.token
        if self.in_connect_by and self.is_word("prior") and not self.is_op("."):
            self.next()
            return Unary("prior", self._unary(), pos=token.start)
        if token.kind == "op" and token.value in ("-", "+", "@", "|/", "||/", "~"):
            self.next()
            operand = self._unary()
            if token.value == "-" and isinstance(operand, Literal) and operand.kind == "number":
                if not operand.value.startswith("-"):
                    return Literal("number", "-" + operand.value, pos=token.start)
            return Unary(token.value, operand, pos=token.start)
        return self._postfix()

    def _postfix(self) -> Expr:
        value = self._primary()
        while True:
            token = self.tokens[self.at]
            if token.value not in _POSTFIX:
                return value
            if self.accept_op("::"):
                value = Cast(value, self.type(), pos=token.start)
            elif self.is_word("at") and self.peek().value == "time":
                self.at += 1
                self.expect("time", "zone")
                value = AtTimeZone(value, self._primary(), pos=token.start)
            elif self.is_op("["):
                value = self._subscript(value)
            elif self.is_word("collate"):
                self.only_on_catalogs(
                    "COLLATE in an expression is not supported on Redshift; use the COLLATE function or a column's "
                    "COLLATE clause", token,
                )  # fmt: skip
                self.next()
                self.identifier()
                while self.accept_op("."):
                    self.qualified_part()
            else:
                return value

    def _subscript(self, value: Expr) -> Expr:
        token = self.next()
        found: Expr = Subscript(value, self.expr(), pos=token.start)
        if self.is_op(":"):
            self.refuse("array slices are not supported on Redshift; use SUBARRAY", token)
        self.expect_op("]")
        while self.is_op(".") and self.peek().kind in ("word", "quoted"):
            self.next()
            name = self.token
            found = Attribute(found, self.qualified_part(), self._as_written(name), pos=token.start)
        return found

    # names and calls
