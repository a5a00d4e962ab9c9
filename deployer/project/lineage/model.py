"""What lineage is made of: relations, reads of their columns, and the steps that write them.

Four kinds of influence, from the strongest to the weakest; the first three are what OpenLineage's column lineage facet
calls direct, conditional, and the other indirect ones. *value*: what a column is computed from. *condition*: what
chooses between values (CASE, an IF around an assignment, a window's PARTITION BY and ORDER BY, the ON of an outer
join). *filter*: what decides which rows there are (WHERE, JOIN, GROUP BY, HAVING, QUALIFY). *control*: what decides
whether a statement runs at all (an IF around it, a RETURN before it).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

VALUE, CONDITION, FILTER, CONTROL = 0, 1, 2, 3
KINDS = ("value", "condition", "filter", "control")

ROWS = "*"
"""The column that stands for a relation's rows themselves: what count(*) counts."""

Constants = frozenset[str]
"""All the values that a column or variable can have, when they are written in the text."""


class Site(NamedTuple):
    """A place in the repository: the path from its root, and the 1-based line."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(eq=False, slots=True)
class Relation:
    """Something with columns.

    `kind` is table, view, landing (named with its database), external (named, but defined nowhere in the repository),
    temp, variable, argument (of a procedure that nothing else calls), function (GETDATE and its like), load (COPY's
    source), export (UNLOAD's target) or unknown (a statement that cannot be followed). `columns` is None when they are
    not known: then every name may be one. `owner` is the procedure of a temporary table or variable.
    """

    kind: str
    name: str
    columns: list[str] | None = None
    owner: str = ""
    site: Site | None = None

    @property
    def lasting(self) -> bool:
        """Whether it has a name outside of a run."""
        return self.kind not in ("temp", "variable")


class Read(NamedTuple):
    """A column of a relation as one statement reads it.

    `only` are the conditions `column = 'text'` under which it does: rows that a step writes with another constant in
    that column are not among those read. So a queue that serves many purposes does not mix them.
    """

    relation: Relation
    column: str
    only: frozenset[tuple[str, Constants]] = frozenset()


Reads = frozenset[Read]
NOTHING: Reads = frozenset()


class Flow(NamedTuple):
    """What an expression is computed from, and what chooses between its values."""

    value: Reads = NOTHING
    condition: Reads = NOTHING

    @property
    def all(self) -> Reads:
        return self.value | self.condition

    def __or__(self, other: object) -> Flow:
        if not isinstance(other, Flow):
            return NotImplemented
        return Flow(self.value | other.value, self.condition | other.condition)

    def under(self, condition: Reads) -> Flow:
        """The same, chosen by `condition` too."""
        return Flow(self.value, self.condition | condition) if condition else self


EMPTY = Flow()


@dataclass(eq=False, slots=True)
class Step:
    """One writing of a relation: a statement, or one operand of its UNION.

    `filters` decide which rows there are when `rows` is true (INSERT, DELETE, a view), else only whether `columns` are
    set (UPDATE); `control` decides whether it runs. `rest` are relations of unknown columns that SELECT * copies.
    `whole` are relations of which nobody knows what is read. `constants` and `copies` tell what a column is when it is
    a literal, or a plain copy.
    """

    target: Relation
    verb: str
    site: Site
    columns: dict[str, Flow]
    filters: Reads = NOTHING
    control: Reads = NOTHING
    rows: bool = True
    rest: tuple[Read, ...] = ()
    whole: tuple[Relation, ...] = ()
    constants: dict[str, Constants] = field(default_factory=dict)
    copies: dict[str, Read] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """A statement, or a part of one, that could not be followed. `target` is what it writes, when that is known."""

    path: str
    line: int
    reason: str
    target: str = ""


class Graph:
    """All steps of a repository."""

    def __init__(self) -> None:
        self.relations: dict[str, Relation] = {}
        """Those with a name outside of a run, by that name."""
        self.steps: list[Step] = []
        self.writers: dict[Relation, list[Step]] = {}
        self.gaps: dict[tuple[Site, str], Gap] = {}
        self.dynamic: list[tuple[Site, str]] = []
        """The texts that EXECUTE may run, those that are known in part only included."""
        self.changed: dict[Relation, set[str]] = {}
        """Columns that an UPDATE sets: what an INSERT has put into them says nothing."""

    def add(self, step: Step) -> None:
        self.steps.append(step)
        self.writers.setdefault(step.target, []).append(step)

    def gap(self, site: Site, reason: str, target: Relation | None = None) -> None:
        name = target.name if target is not None else ""
        self.gaps.setdefault((site, reason), Gap(site.path, site.line, reason, name))

    def named(self, name: str, kind: str = "external", columns: list[str] | None = None) -> Relation:
        """The lasting relation of this name; made as `kind` when it is new."""
        found = self.relations.get(name)
        if found is None:
            found = self.relations[name] = Relation(kind, name, columns)
        return found
