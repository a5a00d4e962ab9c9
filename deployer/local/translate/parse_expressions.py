"""Expressions: precedence climbing over the tokens.

Everything that is not written here is a syntax error, as it should be: what Redshift's documentation does not have
is not parsed, and what PostgreSQL has beyond it is refused by name.
"""

from __future__ import annotations

from deployer.local.translate.cursor import Cursor, check_identifier
from deployer.local.translate.nodes import (
    AtTimeZone,
    Attribute,
    Between,
    Binary,
    Case,
    Cast,
    CatalogOnly,
    Column,
    Exists,
    Expr,
    FunctionCall,
    InList,
    InQuery,
    IntervalLiteral,
    IsTest,
    Like,
    Literal,
    OrderItem,
    Parameter,
    Quantified,
    Query,
    ScalarQuery,
    Star,
    Subscript,
    Unary,
    Window,
)
from deployer.local.translate.words import BARE_FUNCTIONS, DATETIME_UNITS, RESERVED
from deployer.sql.lexer import Token

_COMPARISONS = frozenset(["=", "<>", "!=", "<", ">", "<=", ">="])
_OTHER = frozenset(["||", "~", "!~", "~*", "!~*", "~~", "!~~", "~~*", "!~~*", "<<", ">>", "&", "|", "#"])
_ARRAY_OPERATORS = frozenset(["@>", "<@", "&&", "->", "->>", "#>", "#>>"])
_TYPED = frozenset(["date", "timestamp", "time", "timestamptz", "timetz"])
_FRAME_WORDS = frozenset(["rows", "range", "groups"])


class ExpressionParser(Cursor):
    """Parses expressions; queries inside them come from the sub-class."""

    def query(self) -> Query:
        raise NotImplementedError

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
            token = self.token
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
                f"{word.upper()} over an array is not supported on Redshift; use IN (...) or a sub-query", token
            )
            argument = self.expr()
        self.expect_op(")")
        return Quantified(left, op, word, argument, pos=token.start)

    def _predicate(self) -> Expr:
        left = self._other()
        while True:
            token = self.token
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
            return InQuery(left, query, negated, pos=token.start)
        items = [self.expr()]
        while self.accept_op(","):
            items.append(self.expr())
        self.expect_op(")")
        return InList(left, items, negated, pos=token.start)

    def starts_query(self) -> bool:
        """Whether a query begins here, possibly behind parentheses."""
        ahead = 0
        while self.is_op("(", ahead):
            ahead += 1
        token = self.peek(ahead)
        return token.kind == "word" and token.value in ("select", "with")

    def _other(self) -> Expr:
        left = self._additive()
        while self.token.kind == "op":
            if self.token.value in _ARRAY_OPERATORS:
                self.refuse(f"operator {self.token.value} is not supported on Redshift; SUPER has functions for it")
            if self.token.value not in _OTHER:
                break
            token = self.next()
            left = Binary(token.value, left, self._additive(), pos=token.start)
        if self.is_word("operator") and self.is_op("(", 1):
            token = self.token
            self.only_on_catalogs("OPERATOR(...) is not supported on Redshift; write the operator itself", token)
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
            token = self.token
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
            found = Attribute(found, self.qualified_part(), pos=token.start)
        return found

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
            self.refuse(
                "row constructors (a, b) are not supported on Redshift; compare the columns one by one", token
            )
        self.expect_op(")")
        if self.is_op("."):
            self.refuse("composite types are not supported on Redshift", token)
        return value

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
            or (after.kind == "word" and after.value in ("union", "intersect", "except", "minus", "order", "limit"))
        )

    def _word(self, token: Token) -> Expr:
        word = token.value
        special = getattr(self, f"_on_{word}", None)
        if special is not None:
            found: Expr | None = special(token)
            if found is not None:
                return found
        if word in BARE_FUNCTIONS and not self.is_op("(", 1):
            self.next()
            return FunctionCall(word, [], bare=True, pos=token.start)
        if word in _TYPED and self._literal_follows():
            kind = self.type()
            text = self.token
            return Cast(Literal("string", self.string(), pos=text.start), kind, typed_literal=True, pos=token.start)
        if word == "oid" and not self.is_op("(", 1):
            self.only_on_catalogs('OID is a reserved word; as a name it must be written "oid"', token)
            self.next()
            return Column(("oid",), pos=token.start)
        if word.upper() in RESERVED and not (self.is_op("(", 1) and word in ("left", "right", "array", "percent")):
            if word != "raw" or not self.is_op(".", 1):
                self.fail()
        return self._name(token)

    def _literal_follows(self) -> bool:
        ahead = 1
        if self.peek().value in ("with", "without") and self.peek(2).value == "time":
            ahead = 4
        return self.peek(ahead).kind == "string"

    # words that begin an expression of their own; each returns None when the word is an ordinary name after all

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

    def _on_convert(self, token: Token) -> Expr | None:
        if not self.is_op("(", 1):
            return None
        self.at += 2
        kind = self.type()
        self.expect_op(",")
        value = self.expr()
        self.expect_op(")")
        return Cast(value, kind, pos=token.start)

    def _on_approximate(self, token: Token) -> Expr | None:
        if self.peek().value in ("count", "percentile_disc") and self.is_op("(", 2):
            word = self.peek().value.upper()
            self.refuse(f"APPROXIMATE {word} is not supported by the local Redshift yet; {word} itself is exact")
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
        qualifier = ""
        if self.any_word(DATETIME_UNITS):
            qualifier = self.next().value
            if self.accept("to"):
                qualifier += " to " + self.next().value
            if self.accept_op("("):
                self.integer()
                self.expect_op(")")
        return IntervalLiteral(text, qualifier, pos=token.start)

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
        return FunctionCall("extract", [Literal("string", part.value, pos=part.start), value], pos=token.start)

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

    # names and calls

    def _name(self, token: Token) -> Expr:
        """A column of one to four parts, or a call."""
        parts = [self._first_part()]
        quoted = token.kind == "quoted"
        if self.is_op("("):
            return self._call(parts[0], "", token)
        while self.accept_op("."):
            if self.accept_op("*"):
                return Star(tuple(parts), pos=token.start)
            part = self.token
            if part.kind not in ("word", "quoted"):
                self.fail()
            parts.append(self.qualified_part())
            if self.is_op("("):
                return self._call(parts[-1], ".".join(parts[:-1]), token)
        return Column(tuple(parts), quoted, pos=token.start)

    def _first_part(self) -> str:
        if self.token.kind == "word" and (self.is_op("(", 1) or (self.token.value == "raw" and self.is_op(".", 1))):
            return self.next().value
        return self.identifier()

    def qualified_part(self) -> str:
        """What stands behind a dot, where any word is a name (PostgreSQL's ColLabel)."""
        token = self.token
        if token.kind == "word":
            self.next()
            return check_identifier(token.value, token.start)
        return self.identifier()

    def _call(self, name: str, schema: str, token: Token) -> Expr:
        call = FunctionCall(name, [], schema, pos=token.start)
        self.expect_op("(")
        if self.is_op("+") and self.is_op(")", 1):
            self.refuse(
                "the Oracle outer join operator (+) is not supported by the local Redshift; write LEFT JOIN ... ON",
                token,
            )
        if self.accept_op("*"):
            call.star = True
        elif not self.is_op(")"):
            call.distinct = self.accept("distinct")
            if not call.distinct:
                self.accept("all")
            if self.starts_query() and self.is_word("select"):
                self.refuse(f"a sub-query as argument of {name} needs parentheses of its own", sqlstate="42601")
            call.args.append(self._argument(call))
            while self.accept_op(","):
                call.args.append(self._argument(call))
            if self.is_word("order"):
                self.refuse(
                    "ORDER BY inside an aggregate's parentheses is not supported on Redshift; write WITHIN GROUP "
                    "(ORDER BY ...)", sqlstate="42601",
                )  # fmt: skip
            self._null_treatment(call)
        self.expect_op(")")
        if self.is_word("within"):
            self.expect("within", "group")
            self.expect_op("(")
            self.expect("order", "by")
            call.within = self.order_items()
            self.expect_op(")")
        if self.is_word("filter") and self.is_op("(", 1):
            self.refuse("FILTER (WHERE ...) is not supported on Redshift; aggregate CASE WHEN ... THEN ... END")
        self._null_treatment(call)
        if self.is_word("over"):
            self.next()
            call.over = self._window()
        return call

    def _argument(self, call: FunctionCall) -> Expr:
        token = self.token
        # The unit of DATEADD(month, ...) may be a word that is an expression's keyword elsewhere.
        if not call.args and token.kind == "word" and (self.is_op(",", 1) or self.is_op(")", 1)):
            if token.value in ("timezone", "timezone_hour", "timezone_minute"):
                self.next()
                return Column((token.value,), pos=token.start)
        return self.expr()

    def _null_treatment(self, call: FunctionCall) -> None:
        if self.is_word("ignore", "nulls"):
            self.at += 2
            call.ignore_nulls = True
        elif self.is_word("respect", "nulls"):
            self.at += 2

    def _window(self) -> Window:
        if not self.is_op("("):
            self.refuse("a named window (WINDOW clause) is not supported on Redshift; write OVER (...)")
        pos = self.next().start
        window = Window([], [], "", pos=pos)
        if self.accept("partition"):
            self.expect("by")
            window.partition.append(self.expr())
            while self.accept_op(","):
                window.partition.append(self.expr())
        if self.accept("order"):
            self.expect("by")
            window.order = self.order_items(in_window=True)
        if self.any_word(_FRAME_WORDS):
            window.frame = self._frame()
        self.expect_op(")")
        return window

    def _frame(self) -> str:
        kind = self.next()
        if kind.value != "rows":
            self.refuse(f"Redshift has ROWS frames only, no {kind.value.upper()}", kind)
        if self.accept("between"):
            low = self._bound()
            self.expect("and")
            frame = f"ROWS BETWEEN {low} AND {self._bound()}"
        else:
            frame = f"ROWS {self._bound()}"
        if self.is_word("exclude"):
            self.refuse("EXCLUDE in a window frame is not supported on Redshift")
        return frame

    def _bound(self) -> str:
        if self.accept("current"):
            self.expect("row")
            return "CURRENT ROW"
        amount = "UNBOUNDED" if self.accept("unbounded") else str(self.integer())
        if self.accept("preceding"):
            return f"{amount} PRECEDING"
        self.expect("following")
        return f"{amount} FOLLOWING"

    def order_items(self, *, in_window: bool = False) -> list[OrderItem]:
        items = [self._order_item(in_window)]
        while self.accept_op(","):
            items.append(self._order_item(in_window))
        return items

    def _order_item(self, in_window: bool) -> OrderItem:
        item = OrderItem(self.expr(), pos=self.token.start)
        if self.accept("desc"):
            item.descending = True
        elif not self.accept("asc") and self.is_word("using"):
            self.refuse("ORDER BY ... USING is not supported on Redshift; write ASC or DESC")
        if self.is_word("nulls"):
            token = self.next()
            if in_window:
                # DG "Unsupported PostgreSQL features" lists the NULLS clause in window functions.
                self.refuse(
                    "the NULLS clause in window functions is not supported on Redshift; order by "
                    "CASE WHEN x IS NULL THEN 0 ELSE 1 END first", token,
                )  # fmt: skip
            if self.accept("first"):
                item.nulls = "first"
            else:
                self.expect("last")
                item.nulls = "last"
        return item
