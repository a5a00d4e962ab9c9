"""The state of an abstract run: which temporary tables and which values of variables may be there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deployer.project.lineage.model import NOTHING, Reads, Relation
from deployer.project.lineage.outputs import Output
from deployer.project.lineage.texts import Texts
from deployer.sql.procedure import CreateProcedure

Versions = dict[str, frozenset[Relation]]


@dataclass(slots=True)
class State:
    """By name the temporary tables that it may mean, and the assignments that a variable may have its value from.

    `dead` behind a RETURN or EXIT: nothing gets here.
    """

    temps: Versions = field(default_factory=dict)
    variables: Versions = field(default_factory=dict)
    dead: bool = False

    def copy(self) -> State:
        return State(dict(self.temps), dict(self.variables), self.dead)

    def become(self, states: Iterable[State]) -> None:
        """Be what any of `states` may be."""
        alive = [state for state in states if not state.dead]
        self.dead = not alive
        if alive:
            self.temps = _either([state.temps for state in alive])
            self.variables = _either([state.variables for state in alive])


def _either(versions: list[Versions]) -> Versions:
    if len(versions) == 1:
        return dict(versions[0])
    found: Versions = {}
    for one in versions:
        for name, relations in one.items():
            found[name] = found.get(name, frozenset()) | relations
    return found


@dataclass(slots=True)
class Procedure:
    """A procedure as its file has it."""

    name: str
    path: str
    parsed: CreateProcedure
    starts: list[int]
    """The offsets into the body at which lines begin."""
    first_line: int
    """The line of the file that the body begins on."""


@dataclass(slots=True)
class Frame:
    """One call of a procedure.

    `context` tells calls apart, `control` is what has decided that a statement is reached, `last` what the last
    statement's row count depends on. `exits` are the states at RETURN, `leaves` those at EXIT and CONTINUE of the
    innermost loop.
    """

    procedure: Procedure
    context: int
    active: tuple[str, ...]
    control: Reads = NOTHING
    last: Reads = NOTHING
    loops: int = 0
    names: dict[str, str] = field(default_factory=dict)
    """Aliases: another name, "$1" too, for a variable."""
    labels: set[str] = field(default_factory=set)
    exits: list[State] = field(default_factory=list)
    leaves: list[State] = field(default_factory=list)
    queries: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Cursors' queries with their offsets."""
    opened: dict[str, Output] = field(default_factory=dict)


@dataclass(slots=True)
class Known:
    """What is known of assignments: the texts that they may have given."""

    texts: dict[Relation, Texts] = field(default_factory=dict)

    def assign(self, version: Relation, texts: Texts | None) -> None:
        """An assignment that a loop runs again may give another text: then it may be either."""
        if texts is None:
            return
        before = self.texts.get(version)
        self.texts[version] = texts if before is None else before | texts

    def of(self, versions: Iterable[Relation]) -> Texts | None:
        """The texts of a variable; None when some assignment's are not known."""
        found: Texts = frozenset()
        for version in versions:
            texts = self.texts.get(version)
            if texts is None:
                return None
            found |= texts
        return found
