"""What an expression is computed from, and what chooses between its values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from deployer.project.lineage.model import EMPTY, NOTHING, Constants, Flow, Reads
from deployer.project.lineage.outputs import Out, Output
from deployer.project.lineage.scopes import Names, Scope, pick
from deployer.sql.parse import nodes as n

UNIT_FIRST = frozenset("dateadd date_add datediff date_diff date_part datepart".split())
"""Functions whose first argument may be a bare word that is no column: DATEADD(month, ...)."""

OWN_SOURCES = frozenset(
    """
    getdate sysdate current_date current_time current_timestamp localtime localtimestamp timeofday now random
    current_user current_user_id session_user user current_database current_schema pg_last_query_id
    """.split()
)
"""Functions whose value comes from outside of every table."""

_ORDERED = frozenset("rank dense_rank row_number ntile percent_rank cume_dist".split())
"""Window functions that are computed from their ORDER BY, not from arguments."""


class Expressions(ABC):
    """Flows of expressions; queries inside them come from the sub-class."""

    def __init__(self, names: Names) -> None:
        self.names = names

    @abstractmethod
    def outputs(self, query: n.Query, scope: Scope | None) -> list[Output]:
        """What a query gives, one output for each operand of its UNION."""

    @abstractmethod
    def merged(self, query: n.Query, scope: Scope | None) -> Output:
        """What a query gives, as one output."""

    def flow(self, node: n.Expr, scope: Scope) -> Flow:
        """The flow of an expression. What is not known is noted as a gap, and flows from nothing."""
        method = self._METHODS.get(type(node))
        if method is None:
            self.names.gap(node.pos, f"{type(node).__name__} in an expression is not followed")
            return EMPTY
        return method(self, node, scope)

    def reads(self, node: n.Expr | None, scope: Scope) -> Reads:
        """All that has any influence on an expression: as in a WHERE clause."""
        return NOTHING if node is None else self.flow(node, scope).all

    def column(self, node: n.Column, scope: Scope) -> Out:
        """What a name stands for: a variable first, as Redshift puts it in the name's place."""
        flow = self.names.variable(node.parts)
        if flow is not None:
            return Out(node.parts[-1], flow, self.names.constants(node.parts))
        at: Scope | None = scope
        while at is not None:
            sources, name = at.find(node.parts)
            found = pick(sources, name) if sources else None
            if found is None and len(node.parts) == 1:
                found = at.aliases.get(name)
            if found is None and len(node.parts) > 1:
                found = self._navigated(node.parts, at)
            if found is not None:
                return found
            at = at.outer
        self.names.gap(node.pos, f"column {'.'.join(node.parts)} is in none of the relations that are read")
        return Out(node.parts[-1])

    def _navigated(self, parts: tuple[str, ...], scope: Scope) -> Out | None:
        """A SUPER column's attribute: column.attribute, alias.column.attribute."""
        for length in range(len(parts) - 1, 0, -1):
            sources, name = scope.find(parts[:length])
            for source in sources:
                if source.alias == name and source.anything is not None:
                    return Out(parts[-1], source.anything.under(source.extra))
            # A column that is not known to exist is guessed only where its relation is named.
            found = pick([source for source in sources if length > 1 or not source.open], name)
            if found is not None:
                return Out(parts[-1], found.flow)
        return None

    def constants(self, node: n.Expr) -> Constants | None:
        """The texts that an expression can only be, when it is a literal or a variable that is one."""
        if isinstance(node, n.Literal):
            return frozenset([node.value]) if node.kind == "string" else None
        if isinstance(node, n.Cast):
            return self.constants(node.operand) if node.type.name in ("varchar", "char") else None
        if isinstance(node, n.Column):
            return self.names.constants(node.parts) if self.names.variable(node.parts) is not None else None
        return None

    def _union(self, nodes: Iterable[n.Expr | None], scope: Scope) -> Flow:
        value, condition = NOTHING, NOTHING
        for node in nodes:
            if node is not None:
                flow = self.flow(node, scope)
                value |= flow.value
                condition |= flow.condition
        return Flow(value, condition)

    # -- one method a kind of node ----------------------------------------------------------------------------

    def _nothing(self, node: n.Expr, scope: Scope) -> Flow:
        return EMPTY

    def _column(self, node: n.Column, scope: Scope) -> Flow:
        return self.column(node, scope).flow

    def _operands(self, node: Any, scope: Scope) -> Flow:
        if isinstance(node, n.Binary):
            return self.flow(node.left, scope) | self.flow(node.right, scope)
        if isinstance(node, n.Between):
            return self._union((node.operand, node.low, node.high), scope)
        if isinstance(node, n.InList):
            return self._union((node.operand, *node.items), scope)
        if isinstance(node, n.Row):
            return self._union(node.items, scope)
        if isinstance(node, n.Like):
            return self._union((node.operand, node.pattern, node.escape), scope)
        if isinstance(node, n.AtTimeZone):
            return self._union((node.operand, node.zone), scope)
        if isinstance(node, n.Subscript):
            return self.flow(node.operand, scope) | Flow(condition=self.reads(node.index, scope))
        operand: n.Expr = node.operand
        return self.flow(operand, scope)

    def _case(self, node: n.Case, scope: Scope) -> Flow:
        """Between constants, a CASE is computed from its conditions: it is what they look like as a number or text."""
        conditions = self._union((node.operand, *(when for when, _ in node.whens)), scope)
        results = self._union((*(result for _, result in node.whens), node.default), scope)
        return results.under(conditions.all) if results.value else results | conditions

    def _query(self, node: n.ScalarQuery, scope: Scope) -> Flow:
        return self.merged(node.query, scope).flow()

    def _exists(self, node: n.Exists, scope: Scope) -> Flow:
        output = self.merged(node.query, scope)
        return Flow(output.filters | output.rows)

    def _in_query(self, node: n.InQuery, scope: Scope) -> Flow:
        return self.flow(node.operand, scope) | self.merged(node.query, scope).flow()

    def _quantified(self, node: n.Quantified, scope: Scope) -> Flow:
        left = self.flow(node.operand, scope)
        if isinstance(node.argument, n.Query):
            return left | self.merged(node.argument, scope).flow()
        return left | self.flow(node.argument, scope)

    def _catalog_only(self, node: n.CatalogOnly, scope: Scope) -> Flow:
        flow = EMPTY
        for part in node.parts:
            if isinstance(part, n.Query):
                flow |= self.merged(part, scope).flow()
            elif isinstance(part, n.Expr):
                flow |= self.flow(part, scope)
        return flow

    def _call(self, node: n.FunctionCall, scope: Scope) -> Flow:
        name, args = node.name, node.args
        if not args and not node.schema and name in OWN_SOURCES:
            return Flow(frozenset([self.names.function(name)]))
        if name in UNIT_FIRST and args and isinstance(args[0], n.Column):
            args = args[1:]
        if name == "count" and all(isinstance(arg, n.Literal) for arg in args):
            flow = Flow(scope.rows)
        elif name == "nullif":
            flow = self.flow(args[0], scope).under(self._union(args[1:], scope).all)
        elif name == "nvl2":
            flow = self._chosen(args[1:], args[:1], scope)
        elif name == "decode" and len(args) > 2:
            pairs = args[1:]
            compared = [*args[:1], *pairs[0 : len(pairs) - 1 : 2]]
            results = [*pairs[1::2], *(pairs[-1:] if len(pairs) % 2 else [])]
            flow = self._chosen(results, compared, scope)
        else:
            flow = self._union(args, scope)
        flow = flow.under(self._union((item.expr for item in node.within), scope).all)
        return flow if node.over is None else self._windowed(node, node.over, flow, scope)

    def _chosen(self, results: list[n.Expr], conditions: list[n.Expr], scope: Scope) -> Flow:
        chosen, why = self._union(results, scope), self._union(conditions, scope)
        return chosen.under(why.all) if chosen.value else chosen | why

    def _windowed(self, node: n.FunctionCall, over: n.Window, flow: Flow, scope: Scope) -> Flow:
        partition = self._union(over.partition, scope).all
        order = self._union((item.expr for item in over.order), scope)
        if node.name in _ORDERED:
            return (flow | order).under(partition)
        return flow.under(partition | order.all)

    _METHODS: ClassVar[dict[type, Callable[[Any, Any, Scope], Flow]]] = {
        n.Literal: _nothing,
        n.Parameter: _nothing,
        n.IntervalLiteral: _nothing,
        n.Column: _column,
        n.Unary: _operands,
        n.Binary: _operands,
        n.IsTest: _operands,
        n.Between: _operands,
        n.InList: _operands,
        n.Row: _operands,
        n.Like: _operands,
        n.Cast: _operands,
        n.AtTimeZone: _operands,
        n.Subscript: _operands,
        n.Attribute: _operands,
        n.InQuery: _in_query,
        n.Quantified: _quantified,
        n.Exists: _exists,
        n.ScalarQuery: _query,
        n.Case: _case,
        n.FunctionCall: _call,
        n.CatalogOnly: _catalog_only,
    }
