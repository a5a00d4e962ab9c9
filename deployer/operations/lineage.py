"""Where a column or table comes from, and what depends on it: asked of the repository's files alone."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from deployer.errors import UsageError
from deployer.project.config import Project
from deployer.project.lineage.model import (
    CONTROL,
    FILTER,
    KINDS,
    ROWS,
    Gap,
    Graph,
    Relation,
)
from deployer.project.lineage.trace import Point, Trace, trace

_OUTSIDE = frozenset(["landing", "external", "argument", "function", "load", "unknown"])


@dataclass(frozen=True)
class Hop:
    """One column on a way, and the statement that writes it; the first one of a way is written by none of them.

    `kind` is that of its relation: view, table, landing, temp, variable ... `procedure` owns a temporary table or
    variable. `column` is empty for a variable or an argument, and `*` for the rows themselves. `influence` is that of
    the hop before on this one.
    """

    relation: str
    column: str
    kind: str
    procedure: str = ""
    verb: str = ""
    path: str = ""
    line: int = 0
    influence: str = ""


@dataclass(frozen=True)
class End:
    """A column at the other end: a source, or, downstream, what depends on the column that was asked for.

    `influence` is the strongest one: value, condition, filter or control. `way` leads from the source to what depends
    on it, over every temporary table and variable.
    """

    relation: str
    column: str
    kind: str
    influence: str
    way: tuple[Hop, ...]


@dataclass(frozen=True)
class Lineage:
    """The answer for one column, or for all columns of one relation (`column` is then empty)."""

    relation: str
    column: str
    kind: str
    downstream: bool
    ends: tuple[End, ...]
    gaps: tuple[Gap, ...]
    """What could not be followed, anywhere in the repository: the answer may lack what comes through it."""


def lineage(project: Project, name: str, *, downstream: bool = False, everything: bool = False) -> Lineage:
    """The sources of `name` (schema.table or schema.table.column), or what depends on it.

    Unless `everything` is asked for, what decides about what decides is left out, and so is what an IF decides.
    Raises UsageError when the repository knows no such table or column, or has a file that cannot be read.
    """
    graph = read(project)
    relation, column = _find(graph, name)
    starts = [(relation, column)] if column else [(relation, each) for each in _columns(graph, relation)]
    depth = CONTROL if everything else FILTER
    walk = trace(graph, starts, downstream=downstream, depth=depth, transitive=everything)
    ends = _ends(graph, walk, relation, by_table=not column)
    # Files that somebody unloads are where a column goes to, never where one comes from.
    exports = set() if downstream else {one.name for one in graph.relations.values() if one.kind == "export"}
    gaps = tuple(
        sorted(
            (gap for gap in graph.gaps.values() if gap.target not in exports),
            key=lambda gap: (gap.path, gap.line, gap.reason),
        )
    )
    return Lineage(relation.name, column, relation.kind, downstream, ends, gaps)


def read(project: Project) -> Graph:
    """The graph of a repository. The parsers are loaded here, so that `zeroshift --help` does without them."""
    from deployer.project.lineage.build import build

    return build(project)


def _find(graph: Graph, name: str) -> tuple[Relation, str]:
    """A relation, or a relation and its column. Names are folded to lower case where that helps."""
    for spelled in dict.fromkeys((name, name.lower(), name.replace('"', "").lower())):
        if spelled in graph.relations:
            return graph.relations[spelled], ""
        before, _, column = spelled.rpartition(".")
        found = graph.relations.get(before)
        if found is None:
            continue
        if found.columns is not None and column not in found.columns:
            raise UsageError(f"{before} has no column {column}; it has: {', '.join(found.columns)}")
        hidden = any(step.rest or step.whole for step in graph.writers.get(found, ()))
        if found.columns is None and not hidden and column not in _columns(graph, found):
            known = ", ".join(sorted(set(_columns(graph, found)) - {ROWS})) or "none"
            raise UsageError(f"no file reads a column {column} of {before}; those that are read: {known}")
        return found, column
    tables = [
        each for each, relation in graph.relations.items() if relation.kind in ("table", "view", "landing")
    ]
    close = difflib.get_close_matches(name.lower(), tables, 1, 0.7)
    close = close or difflib.get_close_matches(name.lower().rpartition(".")[0], tables, 1, 0.7)
    hint = f"did you mean {close[0]}?" if close else "write schema.table or schema.table.column"
    raise UsageError(f"no migration, view or procedure of this project knows {name}; {hint}")


def _columns(graph: Graph, relation: Relation) -> list[str]:
    """A relation's columns and its rows; of one that no file creates, those that are read."""
    if relation.columns is not None:
        return [*relation.columns, ROWS]
    found = {ROWS}
    for step in graph.steps:
        for reads in (step.filters, step.control, *(flow.all for flow in step.columns.values())):
            found |= {read.column for read in reads if read.relation is relation}
        if step.target is relation:
            found |= set(step.columns)
    return sorted(found)


def _ends(graph: Graph, walk: Trace, start: Relation, *, by_table: bool) -> tuple[End, ...]:
    """The ends of a walk, each once, by its strongest influence; a table once for all its columns when asked so."""
    best: dict[tuple[Relation, str], Point] = {}
    for point, how in walk.reached.items():
        if how.before is None or not point.relation.lasting or point.relation is start:
            continue
        if walk.upstream and not _is_source(graph, point):
            continue
        key = (point.relation, "" if by_table else point.column)
        if key not in best or how.kind < walk.reached[best[key]].kind:
            best[key] = point
    kinds = {key: walk.reached[point].kind for key, point in best.items()}
    found = []
    for (relation, column), point in best.items():
        if column == ROWS and _told(relation, kinds[relation, ROWS], kinds):
            continue
        way = _way(walk, point)
        found.append(End(relation.name, column, relation.kind, KINDS[kinds[relation, column]], way))
    return tuple(
        sorted(
            found,
            key=lambda end: (KINDS.index(end.influence), end.kind != "landing", end.relation, end.column),
        )
    )


def _is_source(graph: Graph, point: Point) -> bool:
    """Whether data enters here: nothing in the repository writes the column, or a migration alone, once."""
    if point.relation.kind in _OUTSIDE:
        return True
    return point.relation.kind == "table" and not any(
        point.column in step.columns or step.rest or step.whole
        for step in graph.writers.get(point.relation, ())
        if not step.site.path.startswith("migrations/")
    )


def _told(relation: Relation, kind: int, kinds: dict[tuple[Relation, str], int]) -> bool:
    """Whether a column of the relation says at least as much as its rows do."""
    return any(
        other is relation and column != ROWS and strength <= kind
        for (other, column), strength in kinds.items()
    )


def _way(walk: Trace, point: Point) -> tuple[Hop, ...]:
    """From the source to what depends on it."""
    points = walk.way(point)
    if not walk.upstream:
        points.reverse()
    hops = []
    for index, at in enumerate(points):
        # Upstream a point knows the step that reads it, downstream the one that writes it.
        how = walk.reached[points[index - 1] if walk.upstream else at] if index else None
        step = how.step if how is not None else None
        hops.append(
            Hop(
                at.relation.name,
                at.column,
                at.relation.kind,
                at.relation.owner,
                step.verb if step is not None else "",
                step.site.path if step is not None else "",
                step.site.line if step is not None else 0,
                KINDS[how.edge] if how is not None else "",
            )
        )
    return tuple(hops)
