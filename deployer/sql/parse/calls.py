"""Names, and calls with DISTINCT, WITHIN GROUP and OVER."""

from __future__ import annotations

from abc import ABC, abstractmethod

from deployer.sql.lexer import Token
from deployer.sql.parse.cursor import Cursor, check_identifier
from deployer.sql.parse.nodes import Column, Expr, FunctionCall, Literal, OrderItem, Query, Star, Window

_FRAME_WORDS = frozenset(["rows", "range", "groups"])


class CallParser(Cursor, ABC):
    """Parses names and calls; expressions and queries inside them come from the sub-classes."""

    @abstractmethod
    def expr(self) -> Expr:
        """A whole expression."""

    def starts_query(self) -> bool:
        """Whether a query begins here, possibly behind parentheses."""
        ahead = 0
        while self.is_op("(", ahead):
            ahead += 1
        token = self.peek(ahead)
        return token.kind == "word" and token.value in ("select", "with")

    @abstractmethod
    def query(self) -> Query:
        """A whole query."""

    def _name(self, token: Token) -> Expr:
        """A column of one to four parts, or a call."""
        parts = [self._first_part()]
        written = [self._as_written(token)]
        quoted = token.kind == "quoted"
        if self.is_op("(") and not self._outer_mark():
            return self._call(parts[0], "", token)
        while self.accept_op("."):
            if self.accept_op("*"):
                return Star(tuple(parts), pos=token.start)
            part = self.token
            if part.kind not in ("word", "quoted"):
                self.fail()
            parts.append(self.qualified_part())
            written.append(self._as_written(part))
            if self.is_op("(") and not self._outer_mark():
                return self._call(parts[-1], ".".join(parts[:-1]), token)
        outer = self._outer_mark()
        if outer:
            self.at += 3
        column = Column(tuple(parts), quoted, outer, pos=token.start)
        if written != parts:
            column.written = tuple(written)
        return column

    def _as_written(self, token: Token) -> str:
        """An identifier as it stands in the text, without the quotes of a delimited one."""
        return token.value if token.kind == "quoted" else self.text[token.start : token.end]

    def _outer_mark(self) -> bool:
        """Whether Oracle's (+) stands here."""
        return self.is_op("(") and self.is_op("+", 1) and self.is_op(")", 2)

    def _first_part(self) -> str:
        if self.token.kind == "word" and (
            self.is_op("(", 1) or (self.token.value == "raw" and self.is_op(".", 1))
        ):
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
        if self.accept_op("*"):
            call.star = True
        elif not self.is_op(")"):
            call.distinct = self.accept("distinct")
            if not call.distinct:
                self.accept("all")
            if self.starts_query() and self.is_word("select"):
                self.refuse(
                    f"a sub-query as argument of {name} needs parentheses of its own", sqlstate="42601"
                )
            call.args.append(self._argument(call))
            while name != "object_transform" and self.accept_op(","):
                call.args.append(self._argument(call))
            if name == "object_transform":
                self._transform(call)
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
            self.refuse(
                "FILTER (WHERE ...) is not supported on Redshift; aggregate CASE WHEN ... THEN ... END"
            )
        self._null_treatment(call)
        if self.is_word("over"):
            self.next()
            call.over = self._window()
        return call

    def _transform(self, call: FunctionCall) -> None:
        """KEEP path, ... SET path, value, ...: how many are kept, paths, pairs (r_object_transform_function)."""
        kept: list[Expr] = []
        if self.accept("keep"):
            kept.append(self.expr())
            while self.accept_op(","):
                kept.append(self.expr())
        call.args += [Literal("number", str(len(kept)), pos=call.pos), *kept]
        if self.accept("set"):
            call.args.append(self.expr())
            while self.accept_op(","):
                call.args.append(self.expr())

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
