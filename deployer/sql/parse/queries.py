"""Queries: WITH, set operations, SELECT and its clauses, FROM and joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from deployer.sql.parse.expressions import ExpressionParser
from deployer.sql.parse.nodes import (
    Body,
    CommonTable,
    DerivedTable,
    Expr,
    From,
    FunctionCall,
    FunctionTable,
    Grouping,
    Join,
    Literal,
    Query,
    Select,
    SelectItem,
    SetOperation,
    Star,
    TableRef,
)
from deployer.sql.parse.words import NO_BARE_ALIAS
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

_JOIN_WORDS = frozenset(["join", "inner", "left", "right", "full", "cross", "natural"])
_SET_WORDS = frozenset(["union", "intersect", "except", "minus"])


class QueryParser(ExpressionParser):
    """Parses queries."""

    def query(self) -> Query:
        """A query with its WITH, set operations, ORDER BY, LIMIT and OFFSET."""
        start = self.token
        ctes, recursive = self.with_clause()
        query = Query(self._set_operations(), ctes, recursive, pos=start.start)
        top = None
        if isinstance(query.body, Select):
            top, query.body.top = query.body.top, None
        if self.accept("order"):
            self.expect("by")
            query.order = self.order_items()
        while self.any_word(("limit", "offset", "fetch", "for")):
            token = self.next()
            if token.value == "limit":
                if top is not None:
                    self.refuse("TOP and LIMIT cannot be used in the same query", token, "42601")
                query.limit = None if self.accept("all") else self.expr()
                if self.is_op(","):
                    self.refuse(
                        "LIMIT #,# is not supported on Redshift; write LIMIT # OFFSET #", sqlstate="42601"
                    )
            elif token.value == "offset":
                query.offset = self.expr()
                self.accept("rows") or self.accept("row")
            elif token.value == "fetch":
                self.refuse("FETCH FIRST ... ROWS is not supported on Redshift; use LIMIT", token)
            else:
                self.refuse(
                    "SELECT ... FOR UPDATE / FOR SHARE is not supported on Redshift; use LOCK, or the write "
                    "conflict of an UPDATE", token,
                )  # fmt: skip
        if top is not None:
            query.limit = top
        return query

    def with_clause(self) -> tuple[list[CommonTable], bool]:
        if not self.accept("with"):
            return [], False
        recursive = self.accept("recursive")
        tables = [self._common_table()]
        while self.accept_op(","):
            tables.append(self._common_table())
        return tables, recursive

    def _common_table(self) -> CommonTable:
        pos = self.token.start
        name = self.identifier()
        columns = self.identifiers() if self.is_op("(") else ()
        self.expect("as")
        if self.is_word("materialized") or self.is_word("not", "materialized"):
            self.refuse("AS [NOT] MATERIALIZED is not supported on Redshift; leave it out")
        self.expect_op("(")
        if self.any_word(("insert", "update", "delete", "merge")):
            self.refuse("a data-modifying statement in WITH is not supported on Redshift; run it by itself")
        query = self.query()
        self.expect_op(")")
        return CommonTable(name, columns, query, pos=pos)

    # INTERSECT binds tighter than UNION, EXCEPT and MINUS, as the UNION page of the guide says.

    def _set_operations(self) -> Body:
        left = self._intersections()
        while self.any_word(("union", "except", "minus")):
            left = self._set_operation(left, self._intersections)
        return left

    def _intersections(self) -> Body:
        left = self._query_primary()
        while self.is_word("intersect"):
            left = self._set_operation(left, self._query_primary)
        return left

    def _set_operation(self, left: Body, parse_right: Callable[[], Body]) -> Body:
        token = self.next()
        op = "except" if token.value == "minus" else token.value
        every = self.accept("all")
        if not every:
            self.accept("distinct")
        if every and op != "union":
            self.refuse(f"{token.value.upper()} ALL is not supported on Redshift", token)
        self._no_top(left)
        right = parse_right()
        self._no_top(right)
        return SetOperation(op, every, left, right, pos=token.start)

    def _no_top(self, side: Body) -> None:
        if isinstance(side, Select) and side.top is not None:
            self.refuse(
                "TOP in an operand of a set operation needs parentheses around that query", sqlstate="42601"
            )

    def _query_primary(self) -> Body:
        if self.accept_op("("):
            query = self.query()
            self.expect_op(")")
            return query
        if self.is_word("select"):
            return self._select()
        if self.is_word("values"):
            self._refuse_values()
        if self.is_word("table"):
            self.refuse("TABLE name is not supported on Redshift; write SELECT * FROM name")
        self.fail()

    def _refuse_values(self) -> NoReturn:
        self.refuse(
            "a VALUES list used as a constant table is not supported on Redshift; write SELECT ... UNION ALL "
            "SELECT ..., or insert the rows into a temporary table"
        )

    def _select(self) -> Select:
        pos = self.expect("select").start
        select = Select([], [], pos=pos)
        top = self._top()
        if self.accept("distinct"):
            if self.is_word("on"):
                self.refuse(
                    "DISTINCT ON is not supported on Redshift; use QUALIFY ROW_NUMBER() OVER (PARTITION BY ... "
                    "ORDER BY ...) = 1"
                )
            select.distinct = True
        else:
            self.accept("all")
        top = top or self._top()
        select.top = top
        select.items.append(self._item())
        while self.accept_op(","):
            select.items.append(self._item())
        if self.accept("into"):
            temporary = self.accept("temporary") or self.accept("temp")
            self.accept("table")
            select.into = (self.qualified(), temporary)
        if self.accept("from"):
            select.tables = self.from_list()
        self._clauses(select)
        return select

    def _top(self) -> Expr | None:
        if not self.is_word("top"):
            return None
        token = self.next()
        if self.accept_op("("):
            value = self.expr()
            self.expect_op(")")
            return value
        if self.token.kind == "param":
            return self.expr()
        if self.token.kind != "number":
            self.fail()
        return Literal("number", self.next().value, pos=token.start)

    def _clauses(self, select: Select) -> None:
        if self.accept("where"):
            select.where = self.expr()
        if self.is_word("start", "with") or self.is_word("connect", "by"):
            self.refuse("CONNECT BY is not supported by the local Redshift yet; use WITH RECURSIVE")
        if self.accept("group"):
            self.expect("by")
            if self.is_word("all"):
                self.refuse("GROUP BY ALL is not supported by the local Redshift yet; list the columns")
            select.group.append(self._grouping())
            while self.accept_op(","):
                select.group.append(self._grouping())
        if self.accept("having"):
            select.having = self.expr()
        if self.is_word("qualify"):
            self._check_qualify(select)
            self.next()
            select.qualify = self.expr()
        if self.is_word("window"):
            self.refuse("the WINDOW clause is not supported on Redshift; write OVER (...) at each function")

    def _check_qualify(self, select: Select) -> None:
        """DG r_QUALIFY_clause: QUALIFY right behind FROM needs an alias on the relation."""
        plain = select.where is None and not select.group and select.having is None
        last = select.tables[-1] if select.tables else None
        while isinstance(last, Join):
            if last.on is not None or last.using:
                return
            last = last.right
        if plain and isinstance(last, TableRef) and last.alias is None:
            self.refuse(
                "QUALIFY directly after the FROM clause requires an alias on the relation: write FROM "
                f"{'.'.join(last.parts)} AS a QUALIFY ...", sqlstate="42601",
            )  # fmt: skip

    def _grouping(self) -> Expr | Grouping:
        pos = self.token.start
        for words, kind in (
            (("rollup",), "ROLLUP"),
            (("cube",), "CUBE"),
            (("grouping", "sets"), "GROUPING SETS"),
        ):
            if self.is_word(*words) and self.is_op("(", len(words)):
                self.at += len(words)
                return self._grouping_list(kind, pos)
        if self.is_op("(") and self.is_op(")", 1):
            self.at += 2
            return Grouping("", [], pos=pos)
        return self.expr()

    def _grouping_list(self, kind: str, pos: int) -> Grouping:
        self.expect_op("(")
        group = Grouping(kind, [], pos=pos)
        while True:
            start = self.at
            if self.accept_op("("):
                inner: list[Expr | Grouping] = []
                while not self.is_op(")"):
                    inner.append(self.expr())
                    if not self.accept_op(","):
                        break
                self.expect_op(")")
                if len(inner) == 1 and not (self.is_op(",") or self.is_op(")")):
                    self.at = start
                    group.items.append(self.expr())
                else:
                    group.items.append(Grouping("", inner, pos=pos))
            else:
                group.items.append(self._grouping())
            if not self.accept_op(","):
                break
        self.expect_op(")")
        return group

    def _item(self) -> SelectItem:
        pos = self.token.start
        if self.accept_op("*"):
            if self.is_word("except") or self.is_word("exclude"):
                if self.is_op("(", 1) or self.is_word("exclude"):
                    self.refuse(
                        "SELECT * EXCLUDE is not supported by the local Redshift yet; list the columns"
                    )
            return SelectItem(Star(pos=pos), None, pos=pos)
        value = self.expr()
        return SelectItem(value, None if isinstance(value, Star) else self._alias(), pos=pos)

    def _alias(self) -> str | None:
        if self.accept("as"):
            token = self.token
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

    # FROM

    def from_list(self) -> list[From]:
        tables = [self._joined()]
        while self.accept_op(","):
            tables.append(self._joined())
        return tables

    def _joined(self) -> From:
        left = self._table()
        while self.any_word(_JOIN_WORDS):
            left = self._join(left)
        if self.is_word("pivot") or self.is_word("unpivot"):
            self.refuse(
                f"{self.token.value.upper()} is not supported by the local Redshift yet; use CASE and GROUP BY, or "
                "UNION ALL"
            )
        return left

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
        right = self._table()
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
        if self.is_word("unnest"):
            self.refuse(
                "UNNEST of a SUPER value is not supported by the local Redshift yet, and there are no arrays to unnest"
            )
        if self.is_op("("):
            return self._parenthesised_table()
        if self.token.kind == "word" and self.is_op("(", 1) and self.is_identifier():
            return self._function_table()
        if self.is_word("pg_catalog") and self.is_op(".", 1) and self.is_op("(", 3):
            # Behind the catalog's name even a reserved word (unnest) is a function's.
            self.at += 2
            return self._function_table("pg_catalog")
        parts = self.qualified()
        if self.is_op("("):
            return self._function_table(".".join(parts[:-1]), parts[-1])
        table = TableRef(parts, pos=token.start)
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

    # INSERT, UPDATE, DELETE, MERGE
