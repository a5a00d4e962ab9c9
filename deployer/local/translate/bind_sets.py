"""Set operations: UNION, INTERSECT and EXCEPT (MINUS)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from deployer.local.translate.bind_base import compared, folds, is_texty
from deployer.local.translate.context import Context
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Typed
from deployer.sql.names import quote_ident
from deployer.sql.parse.datatypes import redshift_text
from deployer.sql.parse.nodes import Body, Column, Expr, Literal, OrderItem, Query, SetOperation
from deployer.sql.refused import Refused
from deployer.sql.types import UNKNOWN

Columns = list[tuple[str, Kind]]


@dataclass(slots=True)
class Bound:
    """A bound query: text, output columns, what produced them, and what its block saw."""

    sql: str
    columns: Columns
    nodes: list[Expr | None] = field(default_factory=list)
    scope: Scope = field(default_factory=Scope)
    keyed: bool = False
    """A set operation over text: its columns are "e"."c0" and so on to ORDER BY."""


class SetBinder(ABC):
    """Binds set operations; their operands come from `Binder`."""

    context: Context

    @abstractmethod
    def together(self, kinds: list[Kind], pos: int) -> Kind:
        """The one type of several values."""

    @abstractmethod
    def _body(self, body: Body, outer: Scope | None, query: Query | None) -> Bound:
        """An operand."""

    def _set_operation(self, body: SetOperation, outer: Scope | None) -> Bound:
        left, right = self._body(body.left, outer, None), self._body(body.right, outer, None)
        if len(left.columns) != len(right.columns):
            raise Refused(
                f"each {body.op.upper()} query must have the same number of columns",
                position=body.pos,
                sqlstate="42601",
            )
        kinds = [self._meet(a, b, body) for (_, a), (_, b) in zip(left.columns, right.columns, strict=True)]
        one, other = self._cast_columns(left, kinds), self._cast_columns(right, kinds)
        columns = [(name, kind) for (name, _), kind in zip(left.columns, kinds, strict=True)]
        self._check_collations(body, left, right)
        keyed = any(is_texty(kind) and (not body.all or folds(Typed("", kind))) for kind in kinds)
        sql = _keyed(body, one, other, columns) if keyed else f"({one}) {set_word(body)} ({other})"
        scope = Scope()
        for side in (left.scope, right.scope):
            scope.absorb(side)
            scope.has_window |= side.has_window
        return Bound(sql, columns, [None] * len(columns), scope, keyed)

    def _meet(self, left: Kind, right: Kind, body: SetOperation) -> Kind:
        kind = self.together([left, right], body.pos)
        if kind is None and left is not None and right is not None and not self.context.only_catalogs:
            raise Refused(
                f"{body.op.upper()} types {redshift_text(left)} and {redshift_text(right)} cannot be matched; CAST "
                "one of them",
                position=body.pos,
                sqlstate="42804",
            )
        return kind

    def _cast_columns(self, bound: Bound, kinds: list[Kind], *, always: bool = False) -> str:
        """The query with its columns cast to `kinds`, where PostgreSQL would not come to the same type itself."""
        casts = [
            kind is not None
            and kind != UNKNOWN
            and kind != own
            and (always or (kind.is_decimal and kind.precision is not None) or kind.name == "double")
            for (_, own), kind in zip(bound.columns, kinds, strict=True)
        ]
        if not any(casts):
            return bound.sql
        names = [f'"c{index}"' for index in range(len(kinds))]
        items = [
            f"{name}::{pg_type(kind)} AS {quote_ident(label)}" if cast and kind is not None
            else f"{name} AS {quote_ident(label)}"
            for name, cast, kind, (label, _) in zip(names, casts, kinds, bound.columns, strict=True)
        ]  # fmt: skip
        return f'SELECT {", ".join(items)} FROM ({bound.sql}) AS "u"({", ".join(names)})'

    def _output_order(self, order: list[OrderItem], bound: Bound) -> list[str]:
        """ORDER BY over a set operation: output columns by name or position."""
        names = [name for name, _ in bound.columns]
        rendered: list[str] = []
        for item in order:
            position = output_position(item.expr, names)
            if position is None:
                raise Refused(
                    "ORDER BY of a set operation takes output columns or their positions",
                    position=item.pos,
                    sqlstate="0A000",
                )
            value = Typed(f'"e"."c{position - 1}"', bound.columns[position - 1][1])
            rendered.append((compared(value) if bound.keyed else str(position)) + direction(item))
        return rendered

    def _check_collations(self, body: SetOperation, left: Bound, right: Bound) -> None:
        pairs = zip(left.columns, right.columns, left.nodes, right.nodes, strict=True)
        for (_, a), (_, b), one, other in pairs:
            if is_texty(a) and is_texty(b) and folds(Typed("", a)) != folds(Typed("", b)):
                plain = one if not folds(Typed("", a)) else other
                if plain is None or isinstance(plain, Column):
                    raise Refused("Query with different collations is not supported yet.", position=body.pos)


def _keyed(body: SetOperation, left: str, right: str, columns: Columns) -> str:
    """A set operation that tells texts apart as Redshift does; of values that are equal the left one stays."""
    names = ", ".join(f'"c{index}"' for index in range(len(columns)))
    keys = ", ".join(compared(Typed(f'"c{index}"', kind)) for index, (_, kind) in enumerate(columns))
    if body.all:
        rows = f"({left}) UNION ALL ({right})"
    elif body.op == "union":
        rows = f'SELECT DISTINCT ON ({keys}) {names} FROM (({left}) UNION ALL ({right})) AS "u"({names})'
    else:
        sides = f'SELECT 1, "l".* FROM ({left}) AS "l"({names})'
        sides += f' UNION ALL SELECT 2, "r".* FROM ({right}) AS "r"({names})'
        firsts = ", ".join(
            f'(pg_catalog.array_agg("c{index}" ORDER BY "side"))[1]' for index in range(len(columns))
        )
        test = 'pg_catalog.max("side") = 1'
        if body.op == "intersect":
            test = 'pg_catalog.min("side") = 1 AND pg_catalog.max("side") = 2'
        rows = f'SELECT {firsts} FROM ({sides}) AS "s"("side", {names}) GROUP BY {keys} HAVING {test}'
    listed = ", ".join(f'"e"."c{index}" AS {quote_ident(label)}' for index, (label, _) in enumerate(columns))
    return f'SELECT {listed} FROM ({rows}) AS "e"({names})'


def set_word(body: SetOperation) -> str:
    return body.op.upper() + (" ALL" if body.all else "")


def direction(item: OrderItem) -> str:
    """DESC and NULLS as written; the defaults (NULL last ascending, first descending) are PostgreSQL's too."""
    return (" DESC" if item.descending else "") + (f" NULLS {item.nulls.upper()}" if item.nulls else "")


def output_position(node: Expr, names: list[str]) -> int | None:
    """The 1-based output column that a position or a bare output name means, else None."""
    if isinstance(node, Literal) and node.kind == "number" and node.value.isdigit():
        position = int(node.value)
        if not 1 <= position <= len(names):
            raise Refused(f"position {position} is not in select list", position=node.pos, sqlstate="42P10")
        return position
    if isinstance(node, Column) and len(node.parts) == 1 and node.parts[0] in names:
        if names.count(node.parts[0]) == 1:
            return names.index(node.parts[0]) + 1
    return None
