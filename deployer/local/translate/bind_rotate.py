"""FROM items that make other rows of a table's: PIVOT, UNPIVOT, the elements of SUPER values.

Source: DG r_FROM_clause30, r_FROM_clause-pivot-unpivot-examples, r_FROM_clause-unnest-examples, query-super.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Field, Scope, Source, Typed, source
from deployer.sql.names import quote_ident
from deployer.sql.parse.nodes import (
    Binary,
    Case,
    Column,
    Expr,
    From,
    FunctionCall,
    IsTest,
    Literal,
    Pivot,
    Query,
    TableRef,
    Unary,
    Unnest,
    Unpivot,
)
from deployer.sql.refused import Refused
from deployer.sql.types import BIGINT, SUPER, UNKNOWN, VARCHAR

Columns = list[tuple[str, Kind]]

_AGGREGATES = frozenset(["count", "sum", "min", "max", "avg"])


@dataclass(slots=True)
class Joined:
    """A part of FROM: its text and its columns in the order of `*`."""

    sql: str
    columns: list[Field]


class RotateBinder(ABC):
    """Binds those FROM items; the plain ones come from `FromBinder`."""

    context: Context

    @abstractmethod
    def expr(self, node: Expr, scope: Scope) -> Typed:
        """An expression as PostgreSQL text, with its type."""

    @abstractmethod
    def together(self, kinds: list[Kind], pos: int) -> Kind:
        """The one type of several values."""

    @abstractmethod
    def _from(self, item: From, scope: Scope) -> Joined:
        """Any FROM item."""

    @abstractmethod
    def add(self, one: Source, scope: Scope, pos: int) -> list[Field]:
        """Put a source into the scope."""

    @abstractmethod
    def _renamed(self, columns: Columns, names: tuple[str, ...], relation: str, pos: int) -> Columns:
        """The columns under the names of an alias list."""

    # PIVOT

    def _pivot(self, item: Pivot, scope: Scope) -> Joined:
        name = item.call.name
        if name not in _AGGREGATES or item.call.schema not in ("", "pg_catalog"):
            raise Refused(
                "PIVOT supports the aggregate functions COUNT, SUM, MIN, MAX and AVG", position=item.call.pos
            )
        inner, joined = self._input(item.input, scope)
        used = {column.parts[-1] for arg in item.call.args for column in columns_of(arg)} | {item.column}
        column = Column((item.column,), pos=item.pos)
        kept = [one for one in joined.columns if one.name not in used and not one.hidden]
        selected = [f"{one.sql} AS {quote_ident(one.name)}" for one in kept]
        columns: Columns = [(one.name, one.type) for one in kept]
        for value, alias in item.values:
            if any(True for _ in columns_of(value)):
                raise Refused("the values of PIVOT's IN list cannot be column references", position=value.pos)
            bound = self.expr(_counted(item.call, column, value), inner)
            label = alias if alias is not None else _default_name(value)
            label = label if item.call_alias is None else f"{label}_{item.call_alias}"
            selected.append(f"{bound.sql} AS {quote_ident(label)}")
            columns.append((label, bound.type))
        sql = f"SELECT {', '.join(selected)} FROM {joined.sql}"
        if kept:
            sql += f" GROUP BY {', '.join(str(place) for place in range(1, len(kept) + 1))}"
        return self._derived(sql, columns, item.alias, item.columns, scope, item.pos)

    # UNPIVOT

    def _unpivot(self, item: Unpivot, scope: Scope) -> Joined:
        inner, joined = self._input(item.input, scope)
        values = [self.expr(Column((name,), pos=item.pos), inner) for name, _ in item.items]
        kind = self.together([value.type for value in values], item.pos)
        if kind is None and not self.context.only_catalogs:
            raise Refused(
                "the columns of UNPIVOT's IN list have no common type; CAST them", position=item.pos
            )
        cast = f"::{pg_type(kind)}" if kind is not None and kind != UNKNOWN else ""
        rows = ", ".join(
            f"({pg_literal(name if alias is None else alias)}::character varying, {value.sql}{cast})"
            for (name, alias), value in zip(item.items, values, strict=True)
        )
        used = {name for name, _ in item.items}
        kept = [one for one in joined.columns if one.name not in used and not one.hidden]
        names = f"{quote_ident(item.name)}, {quote_ident(item.value)}"
        selected = [f"{one.sql} AS {quote_ident(one.name)}" for one in kept]
        selected += [f'"unpivoted".{quote_ident(item.name)}', f'"unpivoted".{quote_ident(item.value)}']
        sql = (
            f'SELECT {", ".join(selected)} FROM {joined.sql}, LATERAL (VALUES {rows}) AS "unpivoted"({names})'
        )
        if not item.include_nulls:
            sql += f' WHERE "unpivoted".{quote_ident(item.value)} IS NOT NULL'
        columns: Columns = [(one.name, one.type) for one in kept]
        columns += [(item.name, VARCHAR), (item.value, kind)]
        return self._derived(sql, columns, item.alias, item.columns, scope, item.pos)

    def _input(self, item: From, scope: Scope) -> tuple[Scope, Joined]:
        inner = Scope(parent=scope.parent)
        joined = self._from(item, inner)
        inner.show(joined.columns)
        return inner, joined

    def _derived(
        self, sql: str, columns: Columns, alias: str | None, names: tuple[str, ...], scope: Scope, pos: int
    ) -> Joined:
        alias = alias if alias is not None else f"derived {len(scope.sources) + 1}"
        listed = [f'"c{index}"' for index in range(len(columns))]
        columns = self._renamed(columns, names, alias, pos)
        # Through names of our own: two values of an IN list may give the same one.
        selected = ", ".join(
            f"{inner} AS {quote_ident(name)}" for inner, (name, _) in zip(listed, columns, strict=True)
        )
        wrapped = (
            f'(SELECT {selected} FROM ({sql}) AS "rotated"({", ".join(listed)})) AS {quote_ident(alias)}'
        )
        return Joined(wrapped, self.add(source(alias, columns), scope, pos))

    # SUPER

    def element(self, item: TableRef, scope: Scope) -> Unnest | None:
        """The Unnest that a table reference means: its first part is the alias of a FROM item before it, or of a
        query around. A table of the FROM clause comes before one of the catalog."""
        block: Scope | None = scope
        while block is not None:
            for one in block.sources:
                if one.alias == item.parts[0] and (len(item.parts) > 1 or one.element is not None):
                    if item.columns:
                        raise Refused("the elements of a SUPER value have one column", position=item.pos)
                    path = Column(item.parts, written=item.written, pos=item.pos)
                    return Unnest(path, item.alias or item.parts[-1], pos=item.pos)
            block = block.parent
        return None

    def _unnest(self, item: Unnest, scope: Scope) -> Joined:
        shown, unqualified = scope.columns, scope.unqualified
        scope.show([column for one in scope.sources for column in one.fields])
        try:
            value = self.expr(item.path, scope)
        finally:
            scope.columns, scope.unqualified = shown, unqualified
        if value.type != SUPER:
            raise Refused(
                f"{'UNPIVOT' if item.unpivot else 'unnesting'} in FROM takes a SUPER value", position=item.pos,
                sqlstate="42804",
            )  # fmt: skip
        name = item.value or item.alias
        columns: Columns = [(name, SUPER)]
        if item.at is not None:
            columns.append((item.at, VARCHAR if item.unpivot else BIGINT))
        function = "super_attributes" if item.unpivot else "super_items"
        listed = ", ".join(quote_ident(column) for column, _ in columns)
        made = source(item.alias, columns)
        if item.value is None:
            made.element = made.fields[0]
        sql = f"LATERAL redshift.{function}({value.sql}) AS {quote_ident(item.alias)}({listed})"
        return Joined(sql, self.add(made, scope, item.pos))


def _counted(call: FunctionCall, column: Column, value: Expr) -> FunctionCall:
    """The aggregate over the rows in which `column` has this value."""
    is_null = isinstance(value, Literal) and value.kind == "null"
    test: Expr = IsTest(column, "null", False) if is_null else Binary("=", column, value, pos=value.pos)
    args = [Literal("number", "1")] if call.star else call.args
    return FunctionCall(
        call.name,
        [Case(None, [(test, arg)], None, pos=call.pos) for arg in args],
        call.schema,
        distinct=call.distinct,
        pos=call.pos,
    )


def _default_name(value: Expr) -> str:
    """ "For constant IN values such as 'abc' or 5 the default column name is the constant itself"."""
    if isinstance(value, Literal):
        return value.kind if value.kind in ("null", "true", "false") else value.value
    if isinstance(value, Unary) and value.op == "-" and isinstance(value.operand, Literal):
        return f"-{value.operand.value}"
    return "?column?"


def columns_of(node: object) -> Iterator[Column]:
    """The column references inside an expression, those of sub-queries left out."""
    if isinstance(node, Column):
        yield node
    elif isinstance(node, list | tuple):
        for one in node:
            yield from columns_of(one)
    elif is_dataclass(node) and not isinstance(node, Query):
        for one in fields(node):
            yield from columns_of(getattr(node, one.name))
