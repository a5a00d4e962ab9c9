"""Oracle's (+) in WHERE, made into LEFT JOIN.

Source: DG r_WHERE_oracle_outer. Where that page says that a use of (+) is "silently ignored in most cases", the
condition is an ordinary filter here, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass

from deployer.local.translate.bind_rotate import Joined, columns_of
from deployer.local.translate.scope import Scope
from deployer.sql.parse.nodes import Binary, Column, Expr, From, InList, InQuery, Join, Query
from deployer.sql.refused import Refused


@dataclass(slots=True)
class Plan:
    """What is joined: for each source that is null-extended its conditions; the rest of WHERE."""

    conditions: dict[int, list[Expr]] = field(default_factory=dict)
    partners: dict[int, set[int]] = field(default_factory=dict)
    rest: list[Expr] = field(default_factory=list)


def is_marked(node: Expr | None) -> bool:
    """Whether (+) stands in a condition, sub-queries left out."""
    return any(column.outer for column in columns_of(node))


def plan(where: Expr, tables: list[From], scope: Scope) -> Plan:
    """Sort the conditions of WHERE. `scope` has one source for each of `tables`, in their order.

    Raises Refused, with the page's errors.
    """
    if any(isinstance(table, Join) for table in tables):
        raise Refused(
            "Outer join operator (+) cannot be used in a query block that also contains FROM clause join syntax",
            position=where.pos,
            sqlstate="42601",
        )
    found = Plan()
    plain: list[Expr] = []
    for condition in _conjuncts(where):
        if not is_marked(condition):
            plain.append(condition)
            continue
        _check(condition)
        outer, others = _sources(condition, scope)
        if len(outer) != 1 or outer & others:
            raise Refused(
                "a condition can apply the outer join operator (+) to the columns of one table only",
                position=condition.pos,
                sqlstate="42601",
            )
        (table,) = outer
        found.conditions.setdefault(table, []).append(condition)
        found.partners.setdefault(table, set()).update(others)
    for table, partners in found.partners.items():
        if len(partners) > 1:
            raise Refused(
                "A table may be outer joined to at most one other table.",
                position=found.conditions[table][0].pos,
                sqlstate="42601",
            )
    for table in list(found.conditions):
        # "A join with mixed syntax styles runs as an inner join, without warning."
        mixed = any(
            {table} | found.partners[table] <= set().union(*_sources(condition, scope)) for condition in plain
        )
        if mixed or not found.partners[table]:
            found.rest += found.conditions.pop(table)
    found.rest += plain
    return found


def joined(found: Plan, items: list[Joined], on: dict[int, str], pos: int) -> str:
    """The FROM text: the tables that are not null-extended side by side, the others joined to them in turn."""
    first = [item.sql for index, item in enumerate(items) if index not in found.conditions]
    if not first:
        raise _circle(pos)
    sql = first[0]
    for other in first[1:]:
        sql = f"({sql} CROSS JOIN {other})"
    done = {index for index in range(len(items)) if index not in found.conditions}
    waiting = dict.fromkeys(found.conditions)
    while waiting:
        ready = next((table for table in waiting if found.partners[table] <= done), None)
        if ready is None:
            raise _circle(pos)
        sql = f"({sql} LEFT JOIN {items[ready].sql} ON {on[ready]})"
        done.add(ready)
        del waiting[ready]
    return sql


def _circle(pos: int) -> Refused:
    return Refused("two tables cannot be outer-joined to each other", position=pos, sqlstate="42601")


def _conjuncts(node: Expr) -> Iterator[Expr]:
    if isinstance(node, Binary) and node.op == "and":
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def _check(node: object) -> None:
    """Raise Refused where (+) stands under OR or IN."""
    if isinstance(node, InList | InQuery) or (isinstance(node, Binary) and node.op == "or"):
        if any(column.outer for column in columns_of(node)):
            raise Refused(
                "Outer join operator (+) not allowed in operand of OR or IN.",
                position=node.pos,
                sqlstate="42601",
            )
    if isinstance(node, list | tuple):
        for one in node:
            _check(one)
    elif is_dataclass(node) and not isinstance(node, Query):
        for item in fields(node):
            _check(getattr(node, item.name))


def _sources(condition: Expr, scope: Scope) -> tuple[set[int], set[int]]:
    """The indexes of the sources whose columns are marked in a condition, and of those whose are not."""
    outer: set[int] = set()
    others: set[int] = set()
    for column in columns_of(condition):
        index = _source(column, scope)
        if index is not None:
            (outer if column.outer else others).add(index)
    return outer, others


def _source(column: Column, scope: Scope) -> int | None:
    for size in range(len(column.parts), 0, -1):
        try:
            found = scope.find(column.parts[:size], column.pos)
        except Refused:
            continue
        if found is not None:
            for index, one in enumerate(scope.sources):
                if any(item is found for item in one.fields):
                    return index
    return None
