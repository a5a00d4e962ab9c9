"""Walking the graph: upstream to sources, downstream to what depends on a column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from deployer.project.lineage.model import (
    CONDITION,
    CONTROL,
    FILTER,
    ROWS,
    VALUE,
    Constants,
    Graph,
    Read,
    Relation,
    Step,
)

Facts = frozenset[tuple[str, Constants]]
"""Columns that can only be one of these constants in the rows that are followed."""


class Point(NamedTuple):
    """A column on the way, with what the rows that are followed have in common."""

    relation: Relation
    column: str
    facts: Facts = frozenset()


@dataclass(slots=True)
class Reached:
    """How a point was reached best: by which kind of influence over the whole way; from which point, through which
    step, by which kind there.
    """

    kind: int
    before: Point | None
    step: Step | None
    edge: int


@dataclass(slots=True)
class Trace:
    """All points that a walk has reached, in the order of strength: values first, then conditions, then filters."""

    graph: Graph
    upstream: bool
    reached: dict[Point, Reached] = field(default_factory=dict)

    def way(self, point: Point) -> list[Point]:
        """The points from `point` to where the walk began."""
        found: list[Point] = []
        at: Point | None = point
        while at is not None:
            found.append(at)
            at = self.reached[at].before
        return found


def trace(
    graph: Graph, starts: list[tuple[Relation, str]], *, downstream: bool = False, depth: int = FILTER,
    transitive: bool = False,
) -> Trace:  # fmt: skip
    """Walk from columns; `depth` is the weakest kind of influence that is followed.

    A way is as strong as its weakest step. Each point is reached by its strongest kind, and of those ways by a
    shortest one. Unless the walk is `transitive`, a way has one step at most that is no value: what decides about
    what decides about a column is left out, since in a pipeline that works by change nearly everything does.
    """
    walk = Trace(graph, not downstream)
    index = _Readers(graph) if downstream else None
    levels: list[list[Point]] = [[] for _ in range(depth + 1)]
    for relation, column in starts:
        point = Point(relation, column)
        if point not in walk.reached:
            walk.reached[point] = Reached(VALUE, None, None, VALUE)
            levels[VALUE].append(point)
    for level in range(depth + 1):
        queue = levels[level]
        at = 0
        while at < len(queue):
            point = queue[at]
            at += 1
            if walk.reached[point].kind < level:
                continue
            edges = index.after(point) if index is not None else _before(graph, point)
            for following, kind, step in edges:
                if level > VALUE and kind > VALUE and not transitive:
                    continue
                reaches = max(level, kind)
                if reaches > depth:
                    continue
                known = walk.reached.get(following)
                if known is not None and known.kind <= reaches:
                    continue
                walk.reached[following] = Reached(reaches, point, step, kind)
                levels[reaches].append(following)
    return walk


def _agree(constants: dict[str, Constants], facts: Facts) -> bool:
    """Whether rows with these constants can be among those with these facts."""
    for column, texts in facts:
        written = constants.get(column)
        if written is not None and not written & texts:
            return False
    return True


def _lasting(facts: Facts, changed: set[str] | None) -> Facts:
    """Without the columns that an UPDATE sets: what a row had when it was inserted says nothing of them."""
    return frozenset(fact for fact in facts if fact[0] not in changed) if changed and facts else facts


def _before(graph: Graph, point: Point) -> Iterator[tuple[Point, int, Step]]:
    """What a column is written from."""
    facts = _lasting(point.facts, graph.changed.get(point.relation))
    for step in graph.writers.get(point.relation, ()):
        if not _agree(step.constants, facts):
            continue
        flow = step.columns.get(point.column)
        if flow is not None:
            for read in flow.value:
                yield _source(read, step, facts), VALUE, step
            for read in flow.condition:
                yield _source(read, step, facts), CONDITION, step
        else:
            for read in step.rest:
                yield _source(read._replace(column=point.column), step, facts), VALUE, step
        for relation in step.whole:
            yield Point(relation, ROWS), VALUE, step
        if step.rows or flow is not None:
            for read in step.filters:
                yield _source(read, step, facts), FILTER, step
            for read in step.control:
                yield Point(read.relation, read.column, read.only), CONTROL, step


def _source(read: Read, step: Step, facts: Facts) -> Point:
    """The point that a step reads: with its own conditions, and those that a plain copy hands on."""
    if not step.copies:
        return Point(read.relation, read.column, read.only)
    known = read.only
    for column, texts in facts:
        copy = step.copies.get(column)
        if copy is not None and copy.relation is read.relation:
            known |= {(copy.column, texts)}
    return Point(read.relation, read.column, known)


class _Readers:
    """For each relation's column the steps that read it."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._reads: dict[tuple[Relation, str], list[tuple[Read, Step, str, int]]] = {}
        self._rest: dict[Relation, list[tuple[Read, Step]]] = {}
        self._whole: dict[Relation, list[Step]] = {}
        for step in graph.steps:
            for column, flow in step.columns.items():
                for read in flow.value:
                    self._add(read, step, column, VALUE)
                for read in flow.condition:
                    self._add(read, step, column, CONDITION)
            for read in step.filters:
                self._add(read, step, "", FILTER)
            for read in step.control:
                self._add(read, step, "", CONTROL)
            for read in step.rest:
                self._rest.setdefault(read.relation, []).append((read, step))
            for relation in step.whole:
                self._whole.setdefault(relation, []).append(step)

    def _add(self, read: Read, step: Step, column: str, kind: int) -> None:
        self._reads.setdefault((read.relation, read.column), []).append((read, step, column, kind))

    def after(self, point: Point) -> Iterator[tuple[Point, int, Step]]:
        """What is written from a column."""
        facts = dict(_lasting(point.facts, self._graph.changed.get(point.relation)))
        for read, step, column, kind in self._reads.get((point.relation, point.column), ()):
            if not _agree(facts, read.only):
                continue
            known = self._facts(step, point, facts)
            if kind >= FILTER:
                for target in _targets(step):
                    yield Point(step.target, target, known), kind, step
            else:
                yield Point(step.target, column, known), kind, step
        for read, step in self._rest.get(point.relation, ()):
            if point.column not in step.columns and _agree(facts, read.only):
                yield Point(step.target, point.column, self._facts(step, point, facts)), VALUE, step
        for step in self._whole.get(point.relation, ()):
            for target in _targets(step):
                yield Point(step.target, target), VALUE, step

    @staticmethod
    def _facts(step: Step, point: Point, facts: dict[str, Constants]) -> Facts:
        known = dict(step.constants)
        for target, copy in step.copies.items():
            if copy.relation is point.relation and copy.column in facts:
                known[target] = facts[copy.column]
        return frozenset(known.items())


def _targets(step: Step) -> list[str]:
    """The columns that a step's filters decide about."""
    if not step.rows:
        return list(step.columns)
    return list(dict.fromkeys([*(step.target.columns or step.columns), ROWS]))
