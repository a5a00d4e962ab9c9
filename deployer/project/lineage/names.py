"""Names inside of one statement of a procedure: temporary tables first, then what the repository defines."""

from __future__ import annotations

from collections.abc import Callable

from deployer.project.lineage.frames import Frame, Known, State
from deployer.project.lineage.model import Constants, Flow, Graph, Read, Relation, Site
from deployer.project.lineage.texts import Texts, constants

Lookup = Callable[[tuple[str, ...]], Relation | None]
"""The lasting relation of a name with its schema; None for one without, which no file defines."""


class RunNames:
    """What names mean at one place of an abstract run. Dynamic SQL (`dynamic`) sees no variables."""

    def __init__(
        self, graph: Graph, lookup: Lookup, known: Known, frame: Frame | None, state: State,
        site: Callable[[int], Site], *, dynamic: bool = False,
    ) -> None:  # fmt: skip
        self._graph = graph
        self._lookup = lookup
        self._known = known
        self._frame = frame
        self._state = state
        self._site = site
        self._dynamic = dynamic or frame is None

    def relations(self, parts: tuple[str, ...], pos: int) -> tuple[Relation, ...]:
        if len(parts) == 1 or parts[0] == "pg_temp":
            found = self._state.temps.get(parts[-1])
            if found:
                return tuple(sorted(found, key=lambda relation: relation.site or Site("", 0)))
        relation = self._lookup(parts)
        if relation is None:
            name = ".".join(parts)
            self.gap(
                pos, f"{name} is no temporary table here, and has no schema by which the files would know it"
            )
            relation = self._graph.named(name)
        return (relation,)

    def versions(self, parts: tuple[str, ...]) -> tuple[frozenset[Relation], str] | None:
        """The assignments that a variable may have its value from, and the column that it is in them."""
        if self._dynamic or self._frame is None:
            return None
        first = self._frame.names.get(parts[0], parts[0])
        if len(parts) == 1:
            found = self._state.variables.get(first)
            return (found, "") if found is not None else None
        if len(parts) == 2:
            record = self._state.variables.get(first)
            if record is not None and any(version.columns != [""] for version in record):
                return record, parts[1]
            if first in self._frame.labels:
                found = self._state.variables.get(self._frame.names.get(parts[1], parts[1]))
                return (found, "") if found is not None else None
        return None

    def variable(self, parts: tuple[str, ...]) -> Flow | None:
        found = self.versions(parts)
        if found is None:
            if parts == ("found",) and not self._dynamic and self._frame is not None:
                return Flow(self._frame.last)
            return None
        return Flow(frozenset(Read(version, found[1]) for version in found[0]))

    def texts(self, parts: tuple[str, ...]) -> Texts | None:
        """The texts that a variable can have; None when it is no variable, or they are not known."""
        found = self.versions(parts)
        return self._known.of(found[0]) if found is not None and found[1] == "" else None

    def constants(self, parts: tuple[str, ...]) -> Constants | None:
        return constants(self.texts(parts))

    def function(self, name: str) -> Read:
        return Read(self._graph.named(f"{name}()", "function"), "")

    def gap(self, pos: int, reason: str) -> None:
        self._graph.gap(self._site(pos), reason)
