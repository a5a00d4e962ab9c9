"""Walking over trees: all nodes, and the relations that a statement reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from deployer.project.lint.ddl import AlterTable, CreateTable, CreateView, Drop, Truncate
from deployer.sql.parse.nodes import Delete, Insert, Merge, Node, Query, Select, TableRef, Update

_CHILDREN: dict[type, tuple[str, ...]] = {}


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below, in the order of the fields."""
    names = _CHILDREN.get(type(node))
    if names is None:
        names = _CHILDREN[type(node)] = tuple(item.name for item in fields(node) if item.name != "pos")
    for name in names:
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, list | tuple):
            yield from _listed(value)


def _listed(values: list[object] | tuple[object, ...]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, Node):
            yield value
        elif isinstance(value, list | tuple):
            yield from _listed(value)


def nodes(node: Node) -> Iterator[Node]:
    """`node` and everything below it."""
    stack = [node]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(reversed(list(children(found))))


@dataclass(frozen=True)
class Touched:
    """A relation that a statement names. `how` is read, write (its rows) or define (CREATE, ALTER, DROP)."""

    parts: tuple[str, ...]
    pos: int
    how: str
    verb: str = ""
    """insert, update, delete, merge or truncate, for a write."""


def relations(tree: Node) -> Iterator[Touched]:
    """Every relation that a statement names, without the names of its WITH clauses."""
    if isinstance(tree, Insert | Update | Delete | Merge):
        yield Touched(tree.target.parts, tree.target.pos, "write", type(tree).__name__.lower())
    elif isinstance(tree, Truncate):
        yield Touched(tree.parts, tree.pos, "write", "truncate")
    elif isinstance(tree, CreateTable | CreateView | AlterTable):
        yield Touched(tree.parts, tree.pos, "define")
        if isinstance(tree, CreateTable) and tree.like:
            yield Touched(tree.like, tree.pos, "define")
    elif isinstance(tree, Drop) and tree.kind in ("table", "view", "materialized view"):
        for parts in tree.names:
            yield Touched(parts, tree.pos, "define")
    target = tree.target if isinstance(tree, Insert | Update | Delete | Merge) else None
    for table in _read(tree):
        if table is not target:
            yield Touched(table.parts, table.pos, "read")
    for found in nodes(tree):
        if isinstance(found, Select) and found.into is not None:
            yield Touched(found.into[0], found.pos, "define")


_Place = tuple[Node, frozenset[str], frozenset[str]]


def _read(tree: Node) -> Iterator[TableRef]:
    """The relations of FROM, USING and targets, not the names of WITH, nor t.items, which unnests a SUPER column of t.

    Goes by a stack, not by calls: a WHERE of thousands of conditions is a deep tree.
    """
    stack: list[_Place] = [(tree, frozenset(), frozenset())]
    while stack:
        node, known, aliases = stack.pop()
        if isinstance(node, TableRef):
            if node.parts[0] not in (aliases if len(node.parts) > 1 else known):
                yield node
            continue
        if isinstance(node, Select):
            aliases |= {table.alias for table in node.tables if isinstance(table, TableRef) and table.alias}
        below: list[_Place] = []
        ctes = getattr(node, "ctes", None) or []
        if ctes:
            recursive = bool(getattr(node, "recursive", False))
            for table in ctes:
                below.append((table.query, known | {table.name} if recursive else known, aliases))
                known |= {table.name}
        for child in children(node):
            if not any(child is table for table in ctes):
                below.append((child, known, aliases))
        stack.extend(reversed(below))


def selects(query: Query) -> Iterator[Select]:
    """The SELECTs whose rows are a query's rows: one, or the operands of its set operations."""
    stack: list[object] = [query.body]
    while stack:
        body = stack.pop()
        if isinstance(body, Select):
            yield body
        elif isinstance(body, Query):
            stack.append(body.body)
        else:
            stack += [body.right, body.left]  # type: ignore[attr-defined]


def main_query(tree: Node | None) -> Query | None:
    """The query whose rows a statement stores or returns."""
    if isinstance(tree, Query):
        return tree
    if isinstance(tree, Insert):
        return tree.source
    if isinstance(tree, CreateTable | CreateView):
        return tree.query
    return None


def dotted(parts: tuple[str, ...]) -> str:
    return ".".join(parts)
