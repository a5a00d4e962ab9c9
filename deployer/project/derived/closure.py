"""Which objects and tables a derived environment needs copies of.

Own copies of what differs, and of everything that follows from it, by these rules until nothing is added:

- whatever reads a copied table or view is copied;
- a copied procedure's callers and callees are copied, and every table that it writes: no procedure of a derived
  environment ever writes a table of the base's;
- whatever writes a copied table is copied.

So a changed view takes the views over it along, and a changed procedure its whole pipeline.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deployer.errors import UsageError
from deployer.project.lineage.build import calls_of
from deployer.project.lineage.model import Graph, Read, Relation, Step
from deployer.project.objects import Object


@dataclass(frozen=True)
class Needs:
    """Of each view and procedure the tables and views that it reads, the tables that it writes, and what it calls."""

    reads: Mapping[str, frozenset[str]]
    writes: Mapping[str, frozenset[str]]
    calls: Mapping[str, frozenset[str]]
    exports: Mapping[str, str]
    """Procedures that write outside of the warehouse (UNLOAD), with file and line."""


def needs_of(graph: Graph, items: Collection[Object]) -> Needs:
    """What the lineage of a project says of each of its objects."""
    owners = {str(item.path): item.name for item in items}
    reads: dict[str, set[str]] = {item.name: set() for item in items}
    writes: dict[str, set[str]] = {item.name: set() for item in items}
    exports: dict[str, str] = {}
    for step in graph.steps:
        owner = owners.get(step.site.path)
        if owner is None:
            continue
        reads[owner] |= {read.relation.name for read in _all(step) if _stored(read.relation)}
        reads[owner] |= {relation.name for relation in step.whole if _stored(relation)}
        if step.target.kind == "export":
            exports.setdefault(owner, str(step.site))
        elif step.target.kind in ("table", "external", "landing"):
            writes[owner].add(step.target.name)
    procedures = [item for item in items if item.kind == "procedure"]
    return Needs(
        {name: frozenset(found) for name, found in reads.items()},
        {name: frozenset(found) for name, found in writes.items()},
        calls_of(procedures),
        exports,
    )


def _all(step: Step) -> set[Read]:
    found = {*step.filters, *step.control, *step.rest}
    for flow in step.columns.values():
        found |= flow.all
    return found


def _stored(relation: Relation) -> bool:
    return relation.kind in ("table", "view", "external")


def copied(needs: Needs, objects: Collection[str], tables: Collection[str]) -> tuple[set[str], set[str]]:
    """The objects and the tables to copy, from the objects and the tables that differ."""
    own, stored = set(objects), set(tables)
    while True:
        more = {
            name
            for name in needs.reads
            if name not in own
            and (
                needs.reads[name] & (own | stored)
                or needs.writes[name] & stored
                or needs.calls.get(name, frozenset()) & own
            )
        }
        more |= {callee for name in own for callee in needs.calls.get(name, frozenset())} & set(
            needs.reads
        ) - own
        written = {table for name in own | more for table in needs.writes.get(name, frozenset())} - stored
        if not more and not written:
            return own, stored
        own |= more
        stored |= written


def refuse_unsafe(graph: Graph, needs: Needs, own: Collection[str], items: Collection[Object]) -> None:
    """Raise UsageError with file and line for a copied procedure of which it is not known what it does."""
    paths = {str(item.path): item.name for item in items if item.name in own}
    for gap in sorted(graph.gaps.values(), key=lambda one: (one.path, one.line)):
        if gap.path in paths:
            raise UsageError(
                f"{gap.path}:{gap.line}: {paths[gap.path]} would be copied into the environment, and this cannot be"
                f" followed: {gap.reason}; write it so that its tables can be told"
            )
    for name in sorted(own):
        for table in sorted(needs.writes.get(name, ())):
            if graph.relations[table].kind != "table":
                path = next(str(item.path) for item in items if item.name == name)
                raise UsageError(
                    f"{path}:1: {name} would be copied into the environment, and it writes {table}, which no migration"
                    " creates; create it in one"
                )
        if name in needs.exports:
            raise UsageError(
                f"{needs.exports[name]}: {name} would be copied into the environment, and it writes files outside of"
                " the warehouse; keep UNLOAD in a procedure that depends on nothing you change"
            )
