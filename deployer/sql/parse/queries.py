"""Queries: WITH, set operations, SELECT and its clauses, FROM and joins."""

from __future__ import annotations

from collections.abc import Callable

from deployer.sql.parse.cursor import check_identifier
from deployer.sql.parse.nodes import (
    Body,
    CommonTable,
    Expr,
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
from deployer.sql.parse.tables import FromParser

_SET_WORDS = frozenset(["union", "intersect", "except", "minus"])


class QueryParser(FromParser):
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
        select.items.append(self._item(select))
        while self.accept_op(","):
            select.items.append(self._item(select))
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
        while self.is_word("start", "with") or self.is_word("connect", "by"):
            self._hierarchy(select)
        if select.start is not None and select.connect is None:
            self.refuse("START WITH needs CONNECT BY", sqlstate="42601")
        if self.accept("group"):
            self.expect("by")
            if self.accept("all"):
                select.group_all = True
            else:
                self._group_list(select)
        if self.accept("having"):
            select.having = self.expr()
        if self.is_word("qualify"):
            self._check_qualify(select)
            self.next()
            select.qualify = self.expr()
        if self.is_word("window"):
            self.refuse("the WINDOW clause is not supported on Redshift; write OVER (...) at each function")

    def _group_list(self, select: Select) -> None:
        select.group.append(self._grouping())
        while self.accept_op(","):
            select.group.append(self._grouping())

    def _hierarchy(self, select: Select) -> None:
        """START WITH or CONNECT BY, in either order (r_CONNECT_BY_clause)."""
        if self.is_word("start"):
            if select.start is not None:
                self.fail()
            self.at += 2
            select.start = self.expr()
            return
        if select.connect is not None:
            self.fail()
        self.at += 2
        if self.accept("nocycle"):
            self.refuse("CONNECT BY NOCYCLE is not documented for Redshift")
        self.in_connect_by = True
        select.connect = self.expr()
        self.in_connect_by = False

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

    def _item(self, select: Select) -> SelectItem:
        pos = self.token.start
        if self.accept_op("*"):
            if self.accept("exclude"):
                select.exclude = self._excluded()
            return SelectItem(Star(pos=pos), None, pos=pos)
        value = self.expr()
        return SelectItem(value, None if isinstance(value, Star) else self._output_name(), pos=pos)

    def _output_name(self) -> str | None:
        """Behind AS any word is a column's name, a reserved one too, as in PostgreSQL 8 and as the guide writes it
        (r_STL_LOAD_ERRORS: AS table, AS column; automatic-recognition: AS timestamp)."""
        if self.is_word("as") and self.peek().kind == "word":
            self.next()
            token = self.next()
            return check_identifier(token.value, token.start)
        return self._alias()

    def _excluded(self) -> tuple[str, ...]:
        """The columns behind EXCLUDE, which end the select list (r_EXCLUDE_list); parentheses may stand around them."""
        if self.is_op("("):
            return self.identifiers()
        names = [self.identifier()]
        while self.accept_op(","):
            names.append(self.identifier())
        return tuple(names)
