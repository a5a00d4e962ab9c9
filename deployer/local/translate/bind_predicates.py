"""Predicates: what is true of values, lists and sub-queries."""

from __future__ import annotations

from deployer.local.translate import supers
from deployer.local.translate.bind_base import BinderBase, blank_insensitive, check_collations, is_texty
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Typed
from deployer.sql.parse.datatypes import redshift_text
from deployer.sql.parse.nodes import (
    Between,
    Exists,
    InList,
    InQuery,
    IsTest,
    Like,
    Quantified,
    Query,
    Row,
    ScalarQuery,
)
from deployer.sql.refused import Refused
from deployer.sql.types import BOOLEAN, SUPER, UNKNOWN, VARCHAR


class PredicateBinder(BinderBase):
    """Binds predicates."""

    def _is_test(self, node: IsTest, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        return Typed(f"({value.sql} IS {'NOT ' if node.negated else ''}{node.test.upper()})", BOOLEAN)

    def _between(self, node: Between, scope: Scope) -> Typed:
        value, low, high = (self.expr(part, scope) for part in (node.operand, node.low, node.high))
        if SUPER in (value.type, low.type, high.type):
            bounds = f"{supers.compare('>=', value, low).sql} AND {supers.compare('<=', value, high).sql}"
            return Typed(f"(NOT ({bounds}))" if node.negated else f"({bounds})", BOOLEAN)
        word = "NOT BETWEEN" if node.negated else "BETWEEN"
        if is_texty(value.type) or (is_texty(low.type) and value.type == UNKNOWN):
            fold = check_collations((value, low, high), node.pos)
            value_sql, low_sql, high_sql = (blank_insensitive(part, fold) for part in (value, low, high))
            return Typed(f"({value_sql} {word} {low_sql} AND {high_sql})", BOOLEAN)
        return Typed(f"({value.sql} {word} {low.sql} AND {high.sql})", BOOLEAN)

    def _in_list(self, node: InList, scope: Scope) -> Typed:
        if isinstance(node.operand, Row):
            return self._in_rows(node, node.operand, scope)
        value = self.expr(node.operand, scope)
        items = [self.expr(item, scope) for item in node.items]
        if value.type == SUPER or any(item.type == SUPER for item in items):
            tests = " OR ".join(supers.compare("=", value, item).sql for item in items)
            return Typed(f"(NOT ({tests}))" if node.negated else f"({tests})", BOOLEAN)
        word = "NOT IN" if node.negated else "IN"
        if is_texty(value.type) or (value.type == UNKNOWN and any(is_texty(item.type) for item in items)):
            fold = check_collations((value, *items), node.pos)
            listed = ", ".join(blank_insensitive(item, fold) for item in items)
            return Typed(f"({blank_insensitive(value, fold)} {word} ({listed}))", BOOLEAN)
        return Typed(f"({value.sql} {word} ({', '.join(item.sql for item in items)}))", BOOLEAN)

    def _in_rows(self, node: InList, row: Row, scope: Scope) -> Typed:
        """(a, b) IN ((1, 2), ...): each set compared expression by expression (r_expression_lists)."""
        values = [self.expr(item, scope) for item in row.items]
        tests = []
        for one in node.items:
            assert isinstance(one, Row)
            others = [self.expr(item, scope) for item in one.items]
            pairs = zip(values, others, strict=True)
            tests.append(
                " AND ".join(self.compare("=", value, other, node.pos).sql for value, other in pairs)
            )
        found = " OR ".join(f"({test})" for test in tests)
        return Typed(f"(NOT ({found}))" if node.negated else f"({found})", BOOLEAN)

    def _in_query(self, node: InQuery, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        sql, columns, inner = self.nested(node.query, scope)
        self._one_column(columns, node.pos)
        self._check_in_query(node, inner)
        word = "NOT IN" if node.negated else "IN"
        if is_texty(value.type) and is_texty(columns[0][1]):
            item = Typed('"c"', columns[0][1])
            fold = check_collations((value, item), node.pos)
            sql = f'SELECT {blank_insensitive(item, fold)} FROM ({sql}) AS "q"("c")'
            return Typed(f"({blank_insensitive(value, fold)} {word} ({sql}))", BOOLEAN)
        if SUPER in (value.type, columns[0][1]):
            element = supers.as_super(Typed('"c"', columns[0][1]), node.pos)
            sql = f'SELECT {element}::json FROM ({sql}) AS "q"("c")'
            found = f"{supers.as_super(value, node.pos)}::json OPERATOR(redshift.=) ANY ({sql})"
            return Typed(f"(NOT ({found}))" if node.negated else f"({found})", BOOLEAN)
        return Typed(f"({value.sql} {word} ({sql}))", BOOLEAN)

    def _check_in_query(self, node: InQuery, inner: Scope) -> None:
        body = node.query.body
        group = getattr(body, "group", None)
        if inner.correlated and group:
            self.context.over_user_tables.append(
                Refused(
                    "This type of correlated subquery pattern is not supported yet: a correlated sub-query with GROUP "
                    "BY connected by IN",
                    position=node.pos,
                )
            )

    def _one_column(self, columns: list[tuple[str, Kind]], pos: int) -> None:
        if len(columns) != 1:
            raise Refused("subquery must return only one column", position=pos, sqlstate="42601")

    def _like(self, node: Like, scope: Scope) -> Typed:
        value, pattern = self.expr(node.operand, scope), self.expr(node.pattern, scope)
        value, pattern = _pattern_operand(value, node), _pattern_operand(pattern, node)
        word = {"like": "LIKE", "ilike": "ILIKE", "similar": "SIMILAR TO"}[node.op]
        if check_collations((value, pattern), node.pos):
            if node.op == "similar":
                raise Refused(
                    "SIMILAR TO on case-insensitive text is not supported by the local Redshift yet; use LIKE or "
                    "COLLATE(..., 'case_sensitive')",
                    position=node.pos,
                )
            word = "ILIKE"
        sql = f"{value.sql} {'NOT ' if node.negated else ''}{word} {pattern.sql}"
        if node.escape is not None:
            sql += f" ESCAPE {self.expr(node.escape, scope).sql}"
        return Typed(f"({sql})", BOOLEAN)

    def _quantified(self, node: Quantified, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        if isinstance(node.argument, Query):
            sql, columns, _ = self.nested(node.argument, scope)
            self._one_column(columns, node.pos)
            if is_texty(value.type) and is_texty(columns[0][1]):
                item = Typed('"c"', columns[0][1])
                fold = check_collations((value, item), node.pos)
                sql = f'SELECT {blank_insensitive(item, fold)} FROM ({sql}) AS "q"("c")'
                text = blank_insensitive(value, fold)
                return Typed(f"({text} {node.op} {node.word.upper()} ({sql}))", BOOLEAN)
            return Typed(f"({value.sql} {node.op} {node.word.upper()} ({sql}))", BOOLEAN)
        array = self.expr(node.argument, scope)
        return Typed(f"({value.sql} {node.op} {node.word.upper()} ({array.sql}))", BOOLEAN)

    def _exists(self, node: Exists, scope: Scope) -> Typed:
        sql, _, _ = self.nested(node.query, scope)
        return Typed(f"(EXISTS ({sql}))", BOOLEAN)

    def _scalar(self, node: ScalarQuery, scope: Scope) -> Typed:
        sql, columns, _ = self.nested(node.query, scope)
        self._one_column(columns, node.pos)
        return Typed(f"({sql})", columns[0][1])


def _pattern_operand(value: Typed, node: Like) -> Typed:
    """A side of LIKE as text: dates, times and numbers become VARCHAR implicitly (the guide's r_DATE_TRUNC compares a
    TIMESTAMP so), of SUPER only a string matches."""
    kind = value.type
    if kind is None or kind.is_text or kind == UNKNOWN:
        return value
    if kind == SUPER:
        return Typed(f"redshift.super_string({value.sql})", VARCHAR)
    if kind.is_numeric or kind.name in ("date", "time", "timetz", "timestamp", "timestamptz"):
        return Typed(f"({value.sql})::text", VARCHAR)
    raise Refused(
        f"{node.op.upper()} takes text, not {redshift_text(kind)}; CAST it to VARCHAR",
        position=node.pos,
        sqlstate="42883",
    )
