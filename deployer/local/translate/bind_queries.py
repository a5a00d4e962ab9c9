"""Queries bound to the catalog: FROM, SELECT, set operations, WITH, QUALIFY."""

from __future__ import annotations

from deployer.local.translate import infer, outer_joins
from deployer.local.translate.api import Relation
from deployer.local.translate.bind_base import compared, folds, is_texty
from deployer.local.translate.bind_expressions import ExpressionBinder, column_name
from deployer.local.translate.bind_from import FromBinder
from deployer.local.translate.bind_groups import GroupBinder, Keys, group_all
from deployer.local.translate.bind_hierarchy import HierarchyBinder
from deployer.local.translate.bind_operators import truth
from deployer.local.translate.bind_sets import Bound, Columns, SetBinder, direction, output_position, set_word
from deployer.local.translate.context import Context
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Typed, no_column
from deployer.sql.names import quote_ident
from deployer.sql.parse.nodes import (
    Body,
    Column,
    CommonTable,
    Expr,
    Grouping,
    IsTest,
    Literal,
    OrderItem,
    Query,
    Select,
    SetOperation,
    Star,
)
from deployer.sql.refused import Refused
from deployer.sql.types import UNKNOWN, VARCHAR, RedshiftType

_PATTERN = "This type of correlated subquery pattern is not supported yet: "


class Binder(ExpressionBinder, FromBinder, GroupBinder, SetBinder, HierarchyBinder):
    """Binds whole queries."""

    def __init__(self, context: Context) -> None:
        ExpressionBinder.__init__(self, context)
        self.ctes: list[dict[str, Columns]] = []
        self.correlated_queries = 0

    def nested(self, query: Query, scope: Scope) -> tuple[str, Columns, Scope]:
        bound = self.query(query, scope)
        inner = bound.scope
        if inner.correlated:
            self.correlated_queries += 1
            if inner.has_window:
                self._pattern("a correlated reference in a sub-query with a window function", query.pos)
        if inner.skips is not None:
            self._pattern("a correlation reference that skips a query block", inner.skips)
        return bound.sql, bound.columns, inner

    def derived(self, query: Query, scope: Scope) -> tuple[str, Columns]:
        """A query in FROM or WITH: it sees the queries around `scope`, not its tables."""
        around = Scope(parent=scope.parent)
        bound = self.query(query, around)
        scope.absorb(around)
        return bound.sql, [(name, settled(kind)) for name, kind in bound.columns]

    def _pattern(self, why: str, pos: int) -> None:
        self.context.over_user_tables.append(Refused(_PATTERN + why, position=pos))

    def query(self, query: Query, outer: Scope | None) -> Bound:
        """A query and everything around its body."""
        with_sql = ""
        if query.ctes:
            self.ctes.append({})
            with_sql = self.with_clause(query.ctes, query.recursive, Scope(parent=outer))
        try:
            bound = self._body(query.body, outer, query)
        finally:
            if query.ctes:
                self.ctes.pop()
        if with_sql:
            bound.sql = f"{with_sql} {bound.sql}"
        return bound

    def with_clause(self, ctes: list[CommonTable], recursive: bool, scope: Scope) -> str:
        """WITH ..., its tables put into the innermost level of `self.ctes`."""
        parts: list[str] = []
        for table in ctes:
            level = self.ctes[-1]
            if table.name in level:
                raise Refused(
                    f'WITH query name "{table.name}" specified more than once',
                    position=table.pos,
                    sqlstate="42712",
                )
            if recursive and isinstance(table.query.body, SetOperation) and not table.query.ctes:
                sql, columns = self._recursive(table, table.query.body, scope)
            else:
                sql, columns = self.derived(table.query, scope)
                columns = rename(columns, table.columns, table.name, table.pos)
            level[table.name] = columns
            names = ", ".join(quote_ident(name) for name in table.columns)
            parts.append(f"{quote_ident(table.name)}{f' ({names})' if names else ''} AS ({sql})")
        return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(parts)}"

    def _recursive(self, table: CommonTable, body: SetOperation, scope: Scope) -> tuple[str, Columns]:
        """A recursive table has the types of its first part; the second is cast to them."""
        around = Scope(parent=scope.parent)
        base = self._body(body.left, around, None)
        columns = rename([(n, settled(k)) for n, k in base.columns], table.columns, table.name, table.pos)
        self.ctes[-1][table.name] = columns
        step = self._body(body.right, around, None)
        scope.absorb(around)
        if len(step.columns) != len(columns):
            raise Refused(
                "each UNION query must have the same number of columns", position=body.pos, sqlstate="42601"
            )
        kinds = [kind for _, kind in columns]
        if body.op != "union" or not body.all:
            if self._names(body.right, table.name):
                raise Refused(
                    "a recursive table needs UNION ALL on Redshift", position=body.pos, sqlstate="42P19"
                )
        left = self._cast_columns(base, kinds, always=True)
        right = self._cast_columns(step, kinds, always=True)
        return f"({left}) {set_word(body)} ({right})", columns

    def _names(self, body: Body, name: str) -> bool:
        return repr(body).find(f"parts=('{name}',)") >= 0

    def _body(self, body: Body, outer: Scope | None, query: Query | None) -> Bound:
        if isinstance(body, Select):
            return self._select(body, outer, query)
        if isinstance(body, Query):
            bound = self.query(body, outer)
            bound.sql = f"({bound.sql})"
        else:
            bound = self._set_operation(body, outer)
        if query is not None:
            bound.sql += self._tail(self._output_order(query.order, bound), query, bound.scope)
        return bound

    def _tail(self, order: list[str], query: Query, scope: Scope) -> str:
        sql = f" ORDER BY {', '.join(order)}" if order else ""
        empty = Scope()
        if query.limit is not None:
            sql += f" LIMIT {self.expr(query.limit, empty).sql}"
        if query.offset is not None:
            sql += f" OFFSET {self.expr(query.offset, empty).sql}"
        return sql

    # SELECT

    def _select(self, select: Select, outer: Scope | None, query: Query | None) -> Bound:
        scope = Scope(parent=outer)
        if select.connect is not None:
            from_sql = self.hierarchy(select, scope)
            conditions = [] if select.where is None else [select.where]
        elif outer_joins.is_marked(select.where):
            from_sql, conditions = self._outer_joined(select, scope)
        else:
            from_sql = self.from_clause(select.tables, scope)
            conditions = [] if select.where is None else [select.where]
        if select.exclude:
            self._exclude(select, scope)
        if select.group_all:
            group_all(select, scope)
        keys = self.keys(select, scope) if select.group else Keys()
        where = self._filter(conditions, scope) if keys.values else None
        if where is None and keys.values:
            # WHERE names an alias of the select list: that is an expression over rows, not over groups.
            self._items(select, scope)
            where = " WHERE " + " AND ".join(truth(self.expr(condition, scope)) for condition in conditions)
            scope.aliases = {}
        scope.one_of, self.grouped = keys.values, self.grouped + bool(keys.values)
        items, columns, nodes, correlated = self._items(select, scope)
        if where is None:
            tests = [truth(self.expr(condition, scope)) for condition in conditions]
            where = f" WHERE {' AND '.join(tests)}" if tests else ""
        named, scope.aliases = scope.aliases, {}
        names = [name for name, _ in columns]
        groups = [self._group(item, scope, names, correlated, keys) for item in select.group]
        having = f" HAVING {self.expr(select.having, scope).sql}" if select.having is not None else ""
        order = query.order if query is not None else []
        rest = where + (f" GROUP BY {', '.join(groups)}" if groups else "") + having
        source = f" FROM {from_sql}" if from_sql else ""
        keyed = select.distinct and any(is_texty(kind) for _, kind in columns)
        distinct = "DISTINCT " if select.distinct and not keyed else ""
        if select.qualify is None:
            listed = [f"{item} AS {quote_ident(name)}" for item, name in zip(items, names, strict=True)]
            sql = f"SELECT {distinct}{', '.join(listed)}{source}{rest}"
            ordered = [] if keyed else [self._order(item, scope, items, columns) for item in order]
        else:
            scope.aliases = named
            condition = self.expr(select.qualify, scope).sql
            scope.aliases = {}
            within = [] if keyed else order
            sql, ordered = self._qualified(distinct, items, columns, within, scope, condition, source + rest)
        if keyed:
            places = [self._distinct_place(item, scope, items, names) for item in order]
            sql, ordered = self.distinct(sql, columns, places)
        self.grouped -= bool(keys.values)
        if query is not None:
            sql += self._tail(ordered, query, scope)
        return Bound(sql, columns, nodes, scope)

    def _exclude(self, select: Select, scope: Scope) -> None:
        """`* EXCLUDE (...)`: the stars spelled out without these columns (r_EXCLUDE_list)."""
        shown = {field.name for field in scope.columns if not field.hidden}
        for name in select.exclude:
            if name not in shown:
                raise Refused(f'column "{name}" does not exist', position=select.pos, sqlstate="42703")
        scope.columns = [field for field in scope.columns if field.name not in select.exclude]

    def _outer_joined(self, select: Select, scope: Scope) -> tuple[str, list[Expr]]:
        """FROM, with the tables that WHERE marks with (+) in left joins; and what remains of WHERE."""
        assert select.where is not None
        parts = [self._from(item, scope) for item in select.tables]
        scope.show([column for part in parts for column in part.columns])
        plan = outer_joins.plan(select.where, select.tables, scope)
        on = {
            table: " AND ".join(truth(self.expr(one, scope)) for one in conditions)
            for table, conditions in plan.conditions.items()
        }
        return outer_joins.joined(plan, parts, on, select.where.pos), plan.rest

    def _qualified(
        self, distinct: str, items: list[str], columns: Columns, order: list[OrderItem], scope: Scope,
        condition: str, rest: str,
    ) -> tuple[str, list[str]]:  # fmt: skip
        """QUALIFY: the select list and the condition inside, the filter (then DISTINCT and ORDER BY) outside."""
        names = [name for name, _ in columns]
        inner = [f'{item} AS "c{index}"' for index, item in enumerate(items)]
        inner.append(f'{condition} AS "qualified"')
        ordered: list[str] = []
        for number, item in enumerate(order):
            position = output_position(item.expr, names)
            if position is not None and folds(Typed("", columns[position - 1][1])):
                key = compared(Typed(f'"c{position - 1}"', columns[position - 1][1]))
                ordered.append(key + direction(item))
            elif position is None:
                inner.append(f'{self.expr(item.expr, scope).sql} AS "o{number}"')
                ordered.append(f'"o{number}"' + direction(item))
            else:
                ordered.append(str(position) + direction(item))
        outer = [f'"c{index}" AS {quote_ident(name)}' for index, name in enumerate(names)]
        sql = f'SELECT {distinct}{", ".join(outer)} FROM (SELECT {", ".join(inner)}{rest}) AS "q" WHERE "qualified"'
        return sql, ordered

    def _items(self, select: Select, scope: Scope) -> tuple[list[str], Columns, list[Expr | None], set[int]]:
        """The select list, `*` spelled out. The set holds the indexes of items with a correlated sub-query."""
        items: list[str] = []
        columns: Columns = []
        nodes: list[Expr | None] = []
        correlated: set[int] = set()
        for item in select.items:
            if isinstance(item.expr, Star):
                for one in self._expand(item.expr, scope):
                    items.append(one[0])
                    columns.append((one[1], one[2]))
                    nodes.append(None)
                continue
            if isinstance(item.expr, IsTest) and item.expr.test != "null":
                # The guide's error, and the way that it shows instead (r_Boolean_type).
                message = f"Not implemented: IS {item.expr.test.upper()} in the select list; write = true or = false"
                self.context.over_user_tables.append(Refused(message, position=item.expr.pos))
            before = self.correlated_queries
            value = self.expr(item.expr, scope)
            if self.correlated_queries > before:
                correlated.add(len(items))
            name = item.alias if item.alias is not None else column_name(item.expr)
            items.append(value.sql)
            columns.append((name, value.type))
            nodes.append(item.expr)
            if item.alias is not None:
                scope.aliases.setdefault(name, value)
        return items, columns, nodes, correlated

    def _expand(self, star: Star, scope: Scope) -> list[tuple[str, str, Kind]]:
        if not star.parts:
            if not scope.sources:
                raise Refused(
                    "SELECT * with no tables specified is not valid", position=star.pos, sqlstate="42601"
                )
            return [(one.sql, one.name, one.type) for one in scope.columns if not one.hidden]
        matching = scope.matching(star.parts)
        if not matching:
            raise Refused(
                f'relation "{".".join(star.parts)}" is not part of this query\'s FROM clause',
                position=star.pos,
                sqlstate="42P01",
            )
        return [(one.sql, one.name, one.type) for one in matching[0].fields if not one.hidden]

    def _group(
        self, item: Expr | Grouping, scope: Scope, names: list[str], correlated: set[int], keys: Keys
    ) -> str:
        if isinstance(item, Grouping):
            inner = ", ".join(self._group(one, scope, names, correlated, keys) for one in item.items)
            return f"{item.kind} ({inner})".strip()
        if id(item) in keys.by_node:
            return keys.by_node[id(item)]
        position: int | None = None
        if isinstance(item, Literal) or (
            isinstance(item, Column)
            and len(item.parts) == 1
            and item.parts[0] not in scope.unqualified
            and item.parts[0] not in self.context.variables
        ):
            position = output_position(item, names)
        if position is None:
            return self.expr(item, scope).sql
        if position - 1 in correlated:
            self._pattern("a GROUP BY column that is the result of a correlated sub-query", item.pos)
        return str(position)

    def _order(self, item: OrderItem, scope: Scope, items: list[str], columns: Columns) -> str:
        position = output_position(item.expr, [name for name, _ in columns])
        if position is None:
            return self.order_item(item, scope)[0]
        value = Typed(items[position - 1], columns[position - 1][1])
        return (compared(value) if folds(value) else str(position)) + direction(item)

    def _distinct_place(
        self, item: OrderItem, scope: Scope, items: list[str], names: list[str]
    ) -> tuple[int, str]:
        """The output column that ORDER BY of a SELECT DISTINCT means, from 0 on, and its direction."""
        position = output_position(item.expr, names)
        if position is not None:
            return position - 1, direction(item)
        value = self.expr(item.expr, scope)
        if value.sql not in items:
            raise Refused(
                "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                position=item.pos,
                sqlstate="42P10",
            )
        return items.index(value.sql), direction(item)

    def _filter(self, conditions: list[Expr], scope: Scope) -> str | None:
        """The text of WHERE; None when it names an alias of a select list that is not bound yet."""
        try:
            tests = [truth(self.expr(condition, scope)) for condition in conditions]
        except Refused:
            return None
        return f" WHERE {' AND '.join(tests)}" if tests else ""


def rename(columns: Columns, names: tuple[str, ...], relation: str, pos: int) -> Columns:
    """The columns under the names of a column alias list, which may be shorter."""
    if len(names) > len(columns):
        raise Refused(
            f'table "{relation}" has {len(columns)} columns available but {len(names)} columns specified',
            position=pos,
            sqlstate="42P10",
        )
    return [
        (names[index] if index < len(names) else name, kind) for index, (name, kind) in enumerate(columns)
    ]


def settled(kind: Kind) -> Kind:
    """What a bare literal's type becomes at the edge of a query."""
    return VARCHAR if kind == UNKNOWN else kind


def stored_types(bound: Bound, names: tuple[str, ...], pos: int) -> list[tuple[str, RedshiftType]]:
    """The columns of the table that CREATE TABLE AS makes of a query.

    Raises Refused for a column whose type cannot be told, and for a bare NULL.
    """
    result: list[tuple[str, RedshiftType]] = []
    columns = rename(bound.columns, names, "the new table", pos)
    for (name, kind), node in zip(columns, bound.nodes, strict=True):
        if isinstance(node, Literal) and node.kind == "string":
            kind = RedshiftType("varchar", length=max(len(node.value.encode()), 1))
        elif kind == UNKNOWN and not isinstance(node, Literal):
            kind = RedshiftType("varchar", length=65535)
        kind = infer.stored(kind)
        if kind is None or kind == UNKNOWN or (kind.is_decimal and kind.precision is None):
            raise Refused(
                f'the type of column "{name}" cannot be told; CAST its expression to the type it should have',
                position=node.pos if node is not None else pos,
                sqlstate="42804",
            )
        if name == "?column?":
            raise Refused(
                "a column of the new table has no name; give the expression an alias",
                position=node.pos if node is not None else pos,
                sqlstate="42601",
            )
        result.append((name, kind))
    return result


__all__ = ["Binder", "Bound", "Columns", "Relation", "Typed", "no_column", "settled", "stored_types"]
