"""FROM: tables, sub-queries, joins, PIVOT and UNPIVOT, the elements of SUPER values."""

from __future__ import annotations

from typing import NoReturn

from deployer.sql.lexer import Token
from deployer.sql.parse.expressions import ExpressionParser
from deployer.sql.parse.nodes import (
    Column,
    DerivedTable,
    Expr,
    From,
    FunctionCall,
    FunctionTable,
    Join,
    Pivot,
    TableRef,
    Unnest,
    Unpivot,
)
from deployer.sql.parse.words import NO_BARE_ALIAS
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

_JOIN_WORDS = frozenset(["join", "inner", "left", "right", "full", "cross", "natural"])


class FromParser(ExpressionParser):
    """Parses FROM lists."""

    def _refuse_values(self) -> NoReturn:
        self.refuse(
            "a VALUES list used as a constant table is not supported on Redshift; write SELECT ... UNION ALL "
            "SELECT ..., or insert the rows into a temporary table"
        )

    def _alias(self) -> str | None:
        if self.accept("as"):
            token = self.token
            if token.kind == "word" and token.value in ("start", "connect"):
                # r_CONNECT_BY_clause: behind AS they are aliases.
                return self.next().value
            if token.kind == "word" and not self.is_identifier():
                # sqlalchemy-redshift writes AS DEFAULT in its catalog queries, so it works on the leader node.
                self.only_on_catalogs(
                    f'syntax error at or near "{token.value}": {token.value.upper()} is a reserved word; as a name it '
                    f'must be written "{token.value}"', token, "42601",
                )  # fmt: skip
                return self.next().value
            return self.identifier()
        if self.token.kind == "quoted" or (self.is_identifier() and not self.any_word(NO_BARE_ALIAS)):
            return self.identifier()
        return None

    def from_list(self) -> list[From]:
        tables = [self._joined()]
        while self.accept_op(","):
            tables.append(self._joined())
        return tables

    def _joined(self) -> From:
        left = self._rotated(self._table())
        while self.any_word(_JOIN_WORDS):
            left = self._join(left)
        if self.is_word("pivot") or self.is_word("unpivot"):
            self.refuse(
                f"{self.token.value.upper()} cannot be applied to a JOIN; put the join into a sub-query"
            )
        return left

    # PIVOT and UNPIVOT: DG r_FROM_clause30, r_FROM_clause-pivot-unpivot-examples

    def _rotated(self, table: From) -> From:
        token = self.token
        if not (self.is_word("pivot") or self.is_word("unpivot")):
            return table
        self.next()
        if isinstance(table, Join | Unnest):
            self.refuse(f"{token.value.upper()} takes a table, a sub-query or a table of WITH", token)
        found = self._pivot(table, token) if token.value == "pivot" else self._unpivot(table, token)
        if self.is_word("pivot") or self.is_word("unpivot"):
            self.refuse(f"{self.token.value.upper()} cannot be applied to PIVOT or UNPIVOT; use a sub-query")
        return found

    def _pivot(self, table: From, token: Token) -> Pivot:
        self.expect_op("(")
        first = self.token
        call = self.expr()
        if not isinstance(call, FunctionCall) or call.over is not None or call.within:
            self.refuse("PIVOT takes one call of COUNT, SUM, MIN, MAX or AVG", first)
        call_alias = self._in_alias()
        self.expect("for")
        column = self.identifier()
        self.expect("in")
        self.expect_op("(")
        values = [(self.expr(), self._in_alias())]
        while self.accept_op(","):
            values.append((self.expr(), self._in_alias()))
        self.expect_op(")")
        self.expect_op(")")
        pivot = Pivot(table, call, call_alias, column, values, pos=token.start)
        pivot.alias, pivot.columns = self._rotated_alias()
        return pivot

    def _unpivot(self, table: From, token: Token) -> Unpivot:
        nulls = self.accept("include", "nulls")
        if not nulls:
            self.accept("exclude", "nulls")
        self.expect_op("(")
        value = self.identifier()
        self.expect("for")
        name = self.identifier()
        self.expect("in")
        self.expect_op("(")
        items = [(self.qualified()[-1], self._in_alias())]
        while self.accept_op(","):
            items.append((self.qualified()[-1], self._in_alias()))
        self.expect_op(")")
        self.expect_op(")")
        unpivot = Unpivot(table, nulls, value, name, items, pos=token.start)
        unpivot.alias, unpivot.columns = self._rotated_alias()
        return unpivot

    def _in_alias(self) -> str | None:
        if self.accept("as") or self.is_identifier():
            return self.string() if self.token.kind == "string" else self.identifier()
        return None

    def _rotated_alias(self) -> tuple[str | None, tuple[str, ...]]:
        alias = self._alias()
        return alias, self.identifiers() if alias and self.is_op("(") else ()

    # SUPER values: DG query-super, r_FROM_clause-unnest-examples

    def _path(self) -> Expr:
        """A SUPER value: a column and the way into it."""
        return self._postfix()

    def _names_ahead(self) -> int:
        """How many names with dots between them begin here."""
        ahead = 1
        while self.is_op(".", ahead):
            ahead += 2
        return (ahead + 1) // 2

    def _is_element(self) -> bool:
        """Whether `[AS] alias AT index` follows, which only the elements of a SUPER value have."""
        ahead = 1 if self.is_word("as") else 0
        return self.is_identifier(ahead) and self.peek(ahead + 1).value == "at"

    def _element(self, path: Expr, pos: int, *, unpivot: bool = False) -> Unnest:
        # The guide's own example calls an element "array", which is on its list of reserved words.
        alias = "array" if self.accept("array") else self.identifier()
        at = self.identifier() if self.accept("at") else None
        return Unnest(path, alias, at, unpivot, pos=pos)

    def _unnest(self) -> Unnest:
        """UNNEST(path) [WITH OFFSET] [AS] alias [(value [, offset])]."""
        token = self.next()
        self.expect_op("(")
        path = self.expr()
        self.expect_op(")")
        offset = self.accept("with", "offset")
        alias = self._alias()
        names = self.identifiers() if alias and self.is_op("(") else ()
        if alias is None:
            self.refuse("UNNEST(...) needs an alias: FROM t, UNNEST(t.column) AS u (element)", token, "42601")
        if len(names) > 1 + offset:
            self.refuse("UNNEST(...) has one column, and a second one WITH OFFSET", token, "42P10")
        place = (names[1] if len(names) > 1 else "offset_col") if offset else None
        return Unnest(path, alias, place, value=names[0] if names else None, pos=token.start)

    def _join(self, left: From) -> From:
        token = self.token
        natural = self.accept("natural")
        kind = "inner"
        if self.accept("cross"):
            kind = "cross"
        elif not self.accept("inner"):
            for word in ("left", "right", "full"):
                if self.accept(word):
                    kind = word
                    self.accept("outer")
        self.expect("join")
        right = self._rotated(self._table())
        join = Join(kind, left, right, natural=natural, pos=token.start)
        if kind == "cross" or natural:
            return join
        # a JOIN b JOIN c ON ... ON ...: the inner join comes first
        while self.any_word(_JOIN_WORDS) and not self.is_word("on"):
            join.right = self._join(join.right)
        if self.accept("on"):
            join.on = self.expr()
        elif self.is_word("using"):
            self.next()
            join.using = self.identifiers()
        else:
            self.fail()
        return join

    def _table(self) -> From:
        token = self.token
        if self.is_word("lateral"):
            self.refuse("LATERAL is not supported on Redshift; use a join or a window function")
        if self.is_word("only"):
            self.refuse("ONLY belongs to table inheritance, which is not supported on Redshift")
        if self.is_word("unnest") and self.is_op("(", 1):
            return self._unnest()
        if self.is_word("unpivot"):
            self.next()
            path = self._path()
            self.accept("as")
            return self._element(path, token.start, unpivot=True)
        if self.is_op("("):
            return self._parenthesised_table()
        if self.token.kind == "word" and self.is_op("(", 1) and self.is_identifier():
            return self._function_table()
        if self.is_word("pg_catalog") and self.is_op(".", 1) and self.is_op("(", 3):
            # Behind the catalog's name even a reserved word (unnest) is a function's.
            self.at += 2
            return self._function_table("pg_catalog")
        start = self.at
        deep = self._names_ahead() > 3
        parts = () if deep else ("array",) if self.accept("array") else self.qualified()
        if deep or parts == ("array",) or self.is_op("["):
            # array[0] AS x, t.column.attribute.list AS x: no table has such a name
            self.at = start
            path = self._path()
            self.accept("as")
            return self._element(path, token.start)
        if self.is_op("(") and not (self.is_op("+", 1) and self.is_op(")", 2)):
            return self._function_table(".".join(parts[:-1]), parts[-1])
        written = tuple(self._as_written(part) for part in self.tokens[start : self.at] if part.kind != "op")
        table = TableRef(parts, pos=token.start)
        if written != parts:
            table.written = written
        if self.is_word("as", "array") or (len(parts) > 1 and self._is_element()):
            self.accept("as")
            return self._element(Column(parts, written=table.written, pos=token.start), token.start)
        table.alias = self._alias()
        if table.alias and self.is_op("("):
            table.columns = self.identifiers()
        if self.is_word("tablesample"):
            self.refuse("TABLESAMPLE is not supported on Redshift; filter by RANDOM()")
        return table

    def _parenthesised_table(self) -> From:
        token = self.token
        if self.is_word("values") or (
            self.is_op("(") and self.peek().kind == "word" and self.peek().value == "values"
        ):
            self.next()
            self._refuse_values()
        if self.starts_query():
            start = self.at
            self.expect_op("(")
            try:
                query = self.query()
                closed = self.is_op(")")
            except Refused:
                if not self.is_op("(", 0) and self.tokens[start + 1].value != "(":
                    raise
                closed = False
            if closed:
                self.next()
                alias = self._alias()
                columns = self.identifiers() if alias and self.is_op("(") else ()
                return DerivedTable(query, alias, columns, pos=token.start)
            self.at = start
        self.expect_op("(")
        inner = self._joined()
        self.expect_op(")")
        return inner

    def _function_table(self, schema: str = "", name: str = "") -> From:
        token = self.token
        name = name or self.next().value
        call = self._call(name, schema, token)
        assert isinstance(call, FunctionCall)
        alias = self._alias()
        columns: list[tuple[str, RedshiftType | None]] = []
        if self.is_op("(") and (alias or self.peek(-1).value == "as"):
            self.next()
            while True:
                column = self.identifier()
                typed = not (self.is_op(",") or self.is_op(")"))
                columns.append((column, self.type() if typed else None))
                if not self.accept_op(","):
                    break
            self.expect_op(")")
        return FunctionTable(call, alias, tuple(columns), pos=token.start)
