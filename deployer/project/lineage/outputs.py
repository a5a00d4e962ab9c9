"""What a query gives: its columns with their flows, and what decides its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from deployer.project.lineage.model import EMPTY, NOTHING, Constants, Flow, Read, Reads, Relation


@dataclass(slots=True)
class Out:
    """One column of a query. `constants` when it can only be these texts, `copy` when it is a plain column."""

    name: str
    flow: Flow = EMPTY
    constants: Constants | None = None
    copy: Read | None = None


@dataclass(slots=True)
class Output:
    """A query, or one operand of its UNION.

    `open` are relations of unknown columns that `*` stands for, each with where it stands among the columns. `rows` are
    the rows that count(*) would count, `uses` how often each relation is read.
    """

    columns: list[Out] = field(default_factory=list)
    open: tuple[Read, ...] = ()
    filters: Reads = NOTHING
    rows: Reads = NOTHING
    uses: Counter[Relation] = field(default_factory=Counter)

    @property
    def everything(self) -> Reads:
        """All that has any influence on what the query gives."""
        found = self.filters | self.rows
        for column in self.columns:
            found |= column.flow.all
        return found

    def flow(self) -> Flow:
        """As the value of an expression: the columns' values; what decides the rows is a condition."""
        value, condition = NOTHING, self.filters
        for column in self.columns:
            value |= column.flow.value
            condition |= column.flow.condition
        for read in self.open:
            value |= {read}
        return Flow(value, condition)


def merge(outputs: Sequence[Output]) -> Output:
    """Operands of a UNION as one output: columns by position, named as in the first."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    merged = Output(uses=Counter(first.uses))
    width = max(len(output.columns) for output in outputs)
    for index in range(width):
        there = [output.columns[index] for output in outputs if index < len(output.columns)]
        flow, constants, copy = there[0].flow, there[0].constants, there[0].copy
        for other in there[1:]:
            flow |= other.flow
            constants = union(constants, other.constants)
            copy = copy if copy == other.copy else None
        merged.columns.append(Out(there[0].name, flow, constants, copy))
    for number, output in enumerate(outputs):
        merged.filters |= output.filters
        merged.rows |= output.rows
        merged.open += tuple(read for read in output.open if read not in merged.open)
        if number:
            merged.uses += output.uses
    return merged


def union(one: Constants | None, other: Constants | None) -> Constants | None:
    """What a value may be that is either; None as soon as one side is not known."""
    if one is None or other is None:
        return None
    return one | other
