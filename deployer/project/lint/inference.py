"""The types of expressions, as far as the project's own files tell them. What cannot be told is None.

Source of the results: Redshift Database Developer Guide, r_numeric_computations201 and the functions' pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.project.lint.catalog import Catalog
from deployer.project.lint.units import Procedure, Unit
from deployer.project.lint.walk import children
from deployer.sql.parse.nodes import (
    Binary,
    Case,
    Cast,
    Column,
    CommonTable,
    Delete,
    DerivedTable,
    Expr,
    From,
    FunctionCall,
    Join,
    Literal,
    Merge,
    Node,
    Query,
    ScalarQuery,
    Select,
    SetOperation,
    Star,
    TableRef,
    Unary,
    Update,
)
from deployer.sql.parse.parser import Parser
from deployer.sql.plpgsql_ast import Block, ForInteger
from deployer.sql.refused import Refused
from deployer.sql.types import BIGINT, DATE, INTEGER, RedshiftType

Columns = Mapping[str, RedshiftType | None]

_SAME = frozenset(
    "min max coalesce nvl greatest least lag lead first_value last_value any_value nth_value".split()
)
_BIGINT = frozenset("count row_number rank dense_rank ntile datediff date_diff".split())
_INTEGER = frozenset("length len char_length charindex strpos position octet_length".split())


@dataclass
class Source:
    """A relation of FROM: the names that qualify its columns, and the columns when all of them are known."""

    names: tuple[str, ...]
    columns: Columns | None


@dataclass
class Scope:
    """What is in sight of an expression: the relations of its query, then those around it, then variables."""

    sources: list[Source]
    variables: Columns
    outer: Scope | None = None

    def type_of(self, column: Column) -> RedshiftType | None:
        """The type of a column or variable, None unless exactly one thing of that name is in sight."""
        if len(column.parts) == 1:
            name = column.parts[0]
            # Redshift puts a procedure's variable in the place of every word of its name.
            if name in self.variables:
                return self.variables[name]
            if any(source.columns is None for source in self.sources):
                return None
            found = [s.columns[name] for s in self.sources if s.columns is not None and name in s.columns]
            if len(found) == 1:
                return found[0]
            return self.outer.type_of(column) if not found and self.outer is not None else None
        qualifier = column.parts[-2]
        for source in self.sources:
            if qualifier in source.names:
                return source.columns.get(column.parts[-1]) if source.columns is not None else None
        return self.outer.type_of(column) if self.outer is not None else None


@dataclass(frozen=True)
class Placed:
    """An expression with the one directly around it and what is in its sight."""

    node: Expr
    parent: Node | None
    scope: Scope


class Typer:
    """Types of the expressions of one unit."""

    def __init__(self, unit: Unit, catalog: Catalog) -> None:
        self._catalog = catalog
        self.variables = variables(unit.procedure) if unit.procedure is not None else {}
        self._ctes: list[dict[str, Columns | None]] = []

    def expressions(self, tree: Node) -> Iterator[Placed]:
        """Every expression below `tree`."""
        yield from self._visit(tree, None, Scope([], self.variables))

    def _visit(self, node: Node, parent: Node | None, scope: Scope) -> Iterator[Placed]:
        if isinstance(node, Expr):
            yield Placed(node, parent, scope)
        ctes: list[CommonTable] = getattr(node, "ctes", None) or []
        if ctes:
            self._ctes.append({})
            for table in ctes:
                yield from self._visit(table.query, table, scope)
                self._ctes[-1][table.name] = None if table.columns else self.columns(table.query, scope)
        if isinstance(node, Select):
            scope = Scope(self._sources(node.tables, scope), self.variables, scope)
        elif isinstance(node, Update | Delete):
            scope = Scope(self._sources([node.target, *node.tables], scope), self.variables, scope)
        elif isinstance(node, Merge):
            scope = Scope(self._sources([node.target, node.source], scope), self.variables, scope)
        for child in children(node):
            if not any(child is table for table in ctes):
                yield from self._visit(child, node, scope)
        if ctes:
            self._ctes.pop()

    def _sources(self, tables: list[From] | list[TableRef], scope: Scope) -> list[Source]:
        found: list[Source] = []
        for table in tables:
            if isinstance(table, Join):
                found += self._sources([table.left, table.right], scope)
            elif isinstance(table, TableRef):
                columns = None if table.columns else self._relation(table.parts)
                found.append(Source((table.alias or table.parts[-1],), columns))
            elif isinstance(table, DerivedTable):
                inner = None if table.columns else self.columns(table.query, scope)
                found.append(Source((table.alias or "",), inner))
            else:
                found.append(Source((), None))
        return found

    def _relation(self, parts: tuple[str, ...]) -> Columns | None:
        if len(parts) == 1:
            for known in reversed(self._ctes):
                if parts[0] in known:
                    return known[parts[0]]
        return self._catalog.columns(parts)

    def columns(self, query: Query, scope: Scope) -> Columns | None:
        """The columns of a query by their names; None when they cannot all be named."""
        if query.ctes:
            self._ctes.append({})
            for table in query.ctes:
                self._ctes[-1][table.name] = None if table.columns else self.columns(table.query, scope)
            try:
                return self._body_columns(query, scope)
            finally:
                self._ctes.pop()
        return self._body_columns(query, scope)

    def _body_columns(self, query: Query, scope: Scope) -> Columns | None:
        body: object = query.body
        while not isinstance(body, Select):
            if isinstance(body, Query):
                body = body.body
            elif isinstance(body, SetOperation):
                # The types of a set operation are common types of both sides: tell only what both say.
                left, right = (self._side(side, scope) for side in (body.left, body.right))
                if left is None or right is None or len(left) != len(right):
                    return None
                kinds = zip(left.items(), right.values(), strict=True)
                return {name: kind if kind == other else None for (name, kind), other in kinds}
        inner = Scope(self._sources(body.tables, scope), self.variables, scope)
        found: dict[str, RedshiftType | None] = {}
        for item in body.items:
            if isinstance(item.expr, Star):
                return None
            name = item.alias or (item.expr.parts[-1] if isinstance(item.expr, Column) else f"?{len(found)}")
            found[name] = self.type_of(item.expr, inner)
        return found

    def _side(self, side: Node, scope: Scope) -> Columns | None:
        return self.columns(side if isinstance(side, Query) else Query(side), scope)  # type: ignore[arg-type]

    def type_of(self, node: Expr, scope: Scope) -> RedshiftType | None:
        """An expression's type."""
        match node:
            case Literal(kind="number"):
                if not node.value.lstrip("-").isdigit():
                    return None
                return INTEGER if abs(int(node.value)) < 2**31 else BIGINT
            case Cast():
                return node.type
            case Column():
                return scope.type_of(node)
            case Unary(op="-" | "+"):
                return self.type_of(node.operand, scope)
            case Binary(op="+" | "-" | "*" | "/" | "%"):
                return self._arithmetic(node, scope)
            case Case():
                results = [result for _, result in node.whens]
                return self._common(results + ([node.default] if node.default else []), scope)
            case ScalarQuery():
                columns = self.columns(node.query, scope)
                return next(iter(columns.values())) if columns and len(columns) == 1 else None
            case FunctionCall():
                return self._call(node, scope)
            case _:
                return None

    def _arithmetic(self, node: Binary, scope: Scope) -> RedshiftType | None:
        """Days between two dates are an integer, a date and a number of days make a date; else the common type."""
        left, right = self.type_of(node.left, scope), self.type_of(node.right, scope)
        if left == DATE:
            if right == DATE:
                return INTEGER if node.op == "-" else None
            return DATE if is_integer(right) and node.op in "+-" else None
        return self._common([node.left, node.right], scope)

    def _call(self, node: FunctionCall, scope: Scope) -> RedshiftType | None:
        if node.schema:
            return None
        if node.name in _BIGINT:
            return BIGINT
        if node.name in _INTEGER:
            return INTEGER
        if node.name == "current_date":
            return DATE
        if node.name in ("sum", "avg") and len(node.args) == 1:
            kind = self.type_of(node.args[0], scope)
            return BIGINT if kind is not None and kind.is_integer else None
        if node.name in _SAME:
            return self._common(node.args[:1] if node.over is not None else node.args, scope)
        if node.name in ("abs", "nullif", "mod") and node.args:
            return self.type_of(node.args[0], scope)
        return None

    def _common(self, nodes: list[Expr], scope: Scope) -> RedshiftType | None:
        """An integer type when all are integers (NULL aside); else their type when all agree."""
        kinds = [
            self.type_of(node, scope)
            for node in nodes
            if not (isinstance(node, Literal) and node.kind == "null")
        ]
        known = [kind for kind in kinds if kind is not None]
        if not known or len(known) < len(kinds):
            return None
        if all(kind.is_integer for kind in known):
            return BIGINT if any(kind.name == "bigint" for kind in known) else known[0]
        return known[0] if all(kind == known[0] for kind in known) else None


def columns_of(unit: Unit, query: Query, catalog: Catalog) -> Columns | None:
    """The columns of a query that stands in `unit`."""
    typer = Typer(unit, catalog)
    try:
        return typer.columns(query, Scope([], typer.variables))
    except RecursionError:
        return None


def variables(procedure: Procedure) -> dict[str, RedshiftType | None]:
    """A procedure's arguments and variables with their types; None for records, cursors and %TYPE."""
    found: dict[str, RedshiftType | None] = {}
    for argument in procedure.created.arguments:
        if argument.name:
            found[argument.name] = type_from(argument.type_text)
    for step in procedure.steps:
        if isinstance(step.node, ForInteger):
            found[step.node.variable] = INTEGER
        elif isinstance(step.node, Block):
            for declaration in step.node.declarations:
                kind = type_from(declaration.type_text)
                again = declaration.name in found and found[declaration.name] != kind
                found[declaration.name] = None if again else kind
    return found


def type_from(text: str) -> RedshiftType | None:
    """A type as it is written in a declaration."""
    try:
        parser = Parser(text)
        kind = parser.type()
        parser.done()
    except Refused:
        return None
    return kind


def is_integer(kind: RedshiftType | None) -> bool:
    return kind is not None and kind.is_integer
