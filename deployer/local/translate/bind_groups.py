"""GROUP BY and DISTINCT over text: compared without trailing blanks and, by COLLATE, without regard to case.

PostgreSQL groups by the key of a text (its bpchar form); the select list, HAVING and ORDER BY then name one value of
the group where the query names the grouped expression. Which of the values that is the guide leaves open
(r_CREATE_DATABASE: "It is nondeterministic which one shows up in the result").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass

from deployer.local.functions import registry
from deployer.local.translate.bind_base import compared, is_texty
from deployer.local.translate.context import Context
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Typed
from deployer.sql.names import quote_ident
from deployer.sql.parse.nodes import Column, Expr, FunctionCall, Grouping, Literal, Query, Select, Star
from deployer.sql.refused import Refused


@dataclass(slots=True)
class Keys:
    """How the expressions of one GROUP BY are compared."""

    by_node: dict[int, str] = field(default_factory=dict)
    """The id of a node in GROUP BY -> the key that takes its place."""
    values: dict[str, str] = field(default_factory=dict)
    """The text of a grouped expression -> one value of its group."""


class GroupBinder(ABC):
    """Finds the keys of GROUP BY, and writes SELECT DISTINCT over text."""

    context: Context

    @abstractmethod
    def expr(self, node: Expr, scope: Scope) -> Typed:
        """An expression as PostgreSQL text, with its type."""

    def keys(self, select: Select, scope: Scope) -> Keys:
        """The keys of the texts in GROUP BY."""
        found = Keys()
        rolled = any(isinstance(item, Grouping) and item.kind for item in select.group)
        for node in _leaves(select.group):
            target = self._meant(node, select, scope)
            if target is None or any(True for _ in _queries(target)):
                continue
            try:
                value = self.expr(target, scope)
            except Refused:
                # An alias of the select list inside: the ordinary way, which also tells the error.
                continue
            if not is_texty(value.type):
                continue
            key = compared(value)
            one = f"pg_catalog.min(({value.sql})::text)"
            if rolled:
                # A text that a row does not group by is NULL in it; as an aggregate's argument it is not.
                one = f"CASE WHEN GROUPING({key}) = 0 THEN {one} END"
            found.by_node[id(node)] = key
            found.values[value.sql] = f"({one})::character varying"
        return found

    def _meant(self, node: Expr, select: Select, scope: Scope) -> Expr | None:
        """The expression that a node of GROUP BY means: itself, or an item of the select list."""
        if isinstance(node, Literal):
            if node.kind != "number" or not node.value.isdigit():
                return None
            place = int(node.value)
            before = select.items[:place]
            if place > len(select.items) or any(isinstance(item.expr, Star) for item in before):
                return None
            return before[-1].expr if before else None
        if isinstance(node, Column) and len(node.parts) == 1:
            name = node.parts[0]
            if name not in scope.unqualified and name not in self.context.variables:
                named = [item.expr for item in select.items if item.alias == name]
                return named[0] if len(named) == 1 else None
        return node

    def distinct(
        self, inner: str, columns: list[tuple[str, Kind]], order: list[tuple[int, str]]
    ) -> tuple[str, list[str]]:
        """SELECT DISTINCT of a query whose columns are these; with the text of ORDER BY for these places."""
        values = [Typed(f'"e"."c{index}"', kind) for index, (_, kind) in enumerate(columns)]
        names = ", ".join(f'"c{index}"' for index in range(len(columns)))
        keys = ", ".join(compared(Typed(f'"c{index}"', kind)) for index, (_, kind) in enumerate(columns))
        listed = ", ".join(
            f"{value.sql} AS {quote_ident(label)}" for value, (label, _) in zip(values, columns, strict=True)
        )
        sql = f'SELECT {listed} FROM (SELECT DISTINCT ON ({keys}) {names} FROM ({inner}) AS "d"({names})) AS "e"'
        return sql, [compared(values[place]) + way for place, way in order]


def group_all(select: Select, scope: Scope) -> None:
    """GROUP BY ALL as the list it stands for: the items of the select list without an aggregate (r_GROUP_BY_clause)."""
    for item in select.items:
        if isinstance(item.expr, Star):
            listed = scope.columns
            if item.expr.parts:
                matching = scope.matching(item.expr.parts)
                listed = matching[0].fields if matching else []
            for shown in (one for one in listed if not one.hidden):
                owner = next((one for one in scope.sources if any(shown is own for own in one.fields)), None)
                parts = (shown.name,) if owner is None else (owner.alias, shown.name)
                select.group.append(Column(parts, pos=item.pos))
        elif not _has_aggregate(item.expr):
            select.group.append(item.expr)


def _has_aggregate(node: object) -> bool:
    if isinstance(node, FunctionCall):
        function = registry.FUNCTIONS.get(node.name)
        if function is not None and function.kind == "aggregate" and node.over is None:
            return True
    if isinstance(node, list | tuple):
        return any(_has_aggregate(one) for one in node)
    if is_dataclass(node) and not isinstance(node, Query):
        return any(_has_aggregate(getattr(node, item.name)) for item in fields(node))
    return False


def _leaves(items: list[Expr | Grouping]) -> Iterator[Expr]:
    for item in items:
        if isinstance(item, Grouping):
            yield from _leaves(item.items)
        else:
            yield item


def _queries(node: object) -> Iterator[Query]:
    if isinstance(node, Query):
        yield node
    elif isinstance(node, list | tuple):
        for one in node:
            yield from _queries(one)
    elif is_dataclass(node):
        for item in fields(node):
            yield from _queries(getattr(node, item.name))
