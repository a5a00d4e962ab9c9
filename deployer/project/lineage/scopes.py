"""What names stand for inside of a SELECT: its FROM list, outer queries, aliases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from deployer.project.lineage.model import EMPTY, NOTHING, ROWS, Constants, Flow, Read, Reads, Relation
from deployer.project.lineage.outputs import Out, Output


class Names(Protocol):
    """What a statement can name besides its own FROM list."""

    def relations(self, parts: tuple[str, ...], pos: int) -> tuple[Relation, ...]:
        """The relation of this name; several when a temporary table may be one of several."""

    def variable(self, parts: tuple[str, ...]) -> Flow | None:
        """A procedure's variable, or a record's field."""

    def constants(self, parts: tuple[str, ...]) -> Constants | None:
        """All values that a variable can have, if they are known."""

    def function(self, name: str) -> Read:
        """The source that a function like GETDATE is."""

    def gap(self, pos: int, reason: str) -> None:
        """Note that something at this offset of the statement could not be followed."""


@dataclass(slots=True)
class Source:
    """One entry of FROM.

    A table has `relations`, a sub-query its `output`; what is neither (a function, a SUPER value that FROM navigates)
    gives any name the flow `anything`. `extra` is what an outer join adds to the condition of its columns.
    """

    alias: str
    parts: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    output: Output | None = None
    anything: Flow | None = None
    renamed: tuple[str, ...] = ()
    only: dict[str, Constants] = field(default_factory=dict)
    extra: Reads = NOTHING

    @property
    def open(self) -> bool:
        """Whether it may have columns that are not known."""
        if self.anything is not None:
            return True
        if self.output is not None:
            return bool(self.output.open)
        return any(relation.columns is None for relation in self.relations)

    @property
    def filters(self) -> Reads:
        return self.output.filters if self.output is not None else NOTHING

    @property
    def rows(self) -> Reads:
        if self.output is not None:
            return self.output.rows
        if self.anything is not None:
            return self.anything.all
        return frozenset(self._read(relation, ROWS) for relation in self.relations)

    def _read(self, relation: Relation, column: str) -> Read:
        return Read(relation, column, frozenset(self.only.items()))

    def column(self, name: str, *, guess: bool = False) -> Out | None:
        """The column of this name. One that is not known to exist only when told to `guess`."""
        if name in self.renamed:
            index = self.renamed.index(name)
            return next((out for number, out in enumerate(self.columns()) if number == index), None)
        if self.anything is not None:
            return Out(name, self.anything.under(self.extra)) if guess or name == self.alias else None
        if self.output is not None:
            for out in self.output.columns:
                if out.name == name:
                    return self._conditioned(out)
            if guess and self.output.open:
                reads = frozenset(read._replace(column=name) for read in self.output.open)
                return Out(name, Flow(reads).under(self.extra))
            return None
        there = [r for r in self.relations if r.columns is not None and name in r.columns]
        if guess:
            there += [r for r in self.relations if r.columns is None]
        if not there:
            return None
        reads = frozenset(self._read(relation, name) for relation in there)
        copy = next(iter(reads)) if len(reads) == 1 else None
        return self._conditioned(Out(name, Flow(reads), self.only.get(name), copy))

    def _conditioned(self, out: Out) -> Out:
        if not self.extra:
            return out
        # Behind an outer join a column may be NULL instead: it is no plain copy, nor only its constants.
        return Out(out.name, out.flow.under(self.extra))

    def columns(self) -> Iterator[Out]:
        """All known columns, in order."""
        names: list[str] = []
        if self.output is not None:
            for out in self.output.columns:
                yield self._renamed(len(names), self._conditioned(out))
                names.append(out.name)
            return
        for relation in self.relations:
            for name in relation.columns or ():
                if name not in names:
                    found = self.column(name)
                    if found is not None:
                        yield self._renamed(len(names), found)
                    names.append(name)

    def _renamed(self, index: int, out: Out) -> Out:
        if index < len(self.renamed):
            return Out(self.renamed[index], out.flow, out.constants, out.copy)
        return out

    def unknown(self) -> tuple[Read, ...]:
        """The relations of unknown columns in it, as reads of what `*` stands for."""
        if self.output is not None:
            return self.output.open
        return tuple(self._read(relation, ROWS) for relation in self.relations if relation.columns is None)


@dataclass(slots=True)
class Scope:
    """One SELECT. `outer` is the query that it stands in, for correlated sub-queries."""

    outer: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    aliases: dict[str, Out] = field(default_factory=dict)
    rows: Reads = NOTHING
    joined: frozenset[str] = frozenset()
    """Columns of USING and NATURAL, which stand once in `*`."""

    def find(self, parts: tuple[str, ...]) -> tuple[list[Source], str]:
        """The sources that a column's qualifiers name, and the column; none when they name nothing here."""
        if len(parts) == 1:
            return self.sources, parts[0]
        name, before = parts[-1], parts[:-1]
        for source in self.sources:
            if before == (source.alias,) or (source.parts and source.parts[-len(before) :] == before):
                return [source], name
        return [], name


def pick(sources: list[Source], name: str) -> Out | None:
    """An unqualified column: of the source that has it; else of the only one that may have it.

    Several that have it give their union: a join USING it, or an error that Redshift tells.
    """
    found = [out for out in (source.column(name) for source in sources) if out is not None]
    if not found:
        found = [
            out for source in sources if source.open for out in (source.column(name, guess=True),) if out
        ]
    if not found:
        return None
    flow = EMPTY
    for out in found:
        flow |= out.flow
    return found[0] if len(found) == 1 else Out(name, flow)
