"""Statements that write: each becomes steps of the graph."""

from __future__ import annotations

from collections.abc import Callable

from deployer.project.lineage.ddl import NewTable
from deployer.project.lineage.model import (
    NOTHING,
    ROWS,
    Constants,
    Flow,
    Graph,
    Read,
    Reads,
    Relation,
    Site,
    Step,
)
from deployer.project.lineage.outputs import Out, Output, union
from deployer.project.lineage.queries import Queries, single
from deployer.project.lineage.scopes import Names, Scope
from deployer.sql.parse import nodes as n


class Writer(Queries):
    """Turns one parsed statement into steps. `control` is what has decided that it runs at all."""

    def __init__(self, names: Names, graph: Graph, site: Callable[[int], Site], control: Reads) -> None:
        super().__init__(names)
        self.graph = graph
        self.site = site
        self.control = control
        self.last: Reads = NOTHING
        """What the number of rows depends on that the statement has changed."""

    # -- queries that fill a relation ------------------------------------------------------------------------

    def fill(
        self, targets: tuple[Relation, ...], verb: str, pos: int, columns: tuple[str, ...],
        outputs: list[Output], *, new: bool = False,
    ) -> None:  # fmt: skip
        """Rows of a query into relations, by position. `new` for what the query itself gives its columns."""
        for target in targets:
            listed = list(columns) or target.columns
            for output in outputs:
                names = [out.name for out in outputs[0].columns]
                if listed is None:
                    if not new:
                        self.names.gap(pos, f"the columns of {target.name} are not known; they go by name")
                elif output.open and not new:
                    self.names.gap(pos, "* of a relation whose columns are not known; they go by name")
                elif not output.open:
                    names = listed[: len(names)]
                self._step(target, verb, pos, list(zip(names, output.columns, strict=False)), output)

    def _step(
        self, target: Relation, verb: str, pos: int, pairs: list[tuple[str, Out]], output: Output
    ) -> None:
        step = Step(target, verb, self.site(pos), {}, output.filters, self.control, rest=output.open)
        for name, out in pairs:
            step.columns[name] = out.flow
            if out.constants is not None:
                step.constants[name] = out.constants
            elif out.copy is not None and single(out.copy, output):
                step.copies[name] = out.copy
        step.columns[ROWS] = Flow(output.rows)
        self.last |= output.filters | output.rows
        self.graph.add(step)

    def insert(self, node: n.Insert) -> None:
        self.define(node.ctes, node.recursive, None)
        targets = self.names.relations(node.target.parts, node.target.pos)
        if node.source is not None:
            self.fill(targets, "insert", node.pos, node.columns, self.outputs(node.source, None))
        elif node.rows:
            self.fill(targets, "insert", node.pos, node.columns, [self._values(node.rows)])

    def _values(self, rows: list[list[n.Expr]]) -> Output:
        """The rows of VALUES as one output: a column is any of its values."""
        output = Output()
        scope = Scope()
        for number, row in enumerate(rows):
            for index, value in enumerate(row):
                flow, constants = self.flow(value, scope), self._constant(value)
                if number == 0:
                    output.columns.append(Out("?column?", flow, constants))
                elif index < len(output.columns):
                    out = output.columns[index]
                    out.flow, out.constants = out.flow | flow, union(out.constants, constants)
        return output

    def _constant(self, node: n.Expr) -> Constants | None:
        # NULL equals nothing, so it is no constant that a condition could ask for.
        if isinstance(node, n.Literal) and node.kind == "null":
            return frozenset()
        return self.constants(node)

    def table_as(self, target: Relation, table: NewTable, pos: int) -> None:
        """CREATE TABLE ... AS: the columns are the query's, unless they are listed."""
        assert table.query is not None
        outputs = self.outputs(table.query, None)
        self.become(target, tuple(table.columns), outputs)
        self.fill((target,), "create table as", pos, tuple(table.columns), outputs, new=True)

    def become(self, target: Relation, listed: tuple[str, ...], outputs: list[Output]) -> None:
        """Give a relation the columns of a query."""
        if any(output.open for output in outputs) and not listed:
            target.columns = None
        else:
            target.columns = list(listed) or [out.name for out in outputs[0].columns]

    # -- changes of rows that are there -----------------------------------------------------------------------

    def update(self, node: n.Update) -> None:
        self.define(node.ctes, node.recursive, None)
        items = [n.SelectItem(value, None, pos=pos) for _, value, pos in node.assignments]
        names = [name for name, _, _ in node.assignments]
        self._set(node.target, [node.target, *node.tables], node.where, items, names, node.pos, "update")

    def _set(
        self, target: n.TableRef, tables: list[n.From], where: n.Expr | None, items: list[n.SelectItem],
        names: list[str], pos: int, verb: str,
    ) -> None:  # fmt: skip
        """SET name = value: the conditions decide whether these columns change, not which rows there are."""
        output = self._select(n.Select(items, tables, where=where, pos=pos), None)
        for relation in self.names.relations(target.parts, target.pos):
            step = Step(relation, verb, self.site(pos), {}, output.filters, self.control, rows=False)
            step.constants.update(self._same(names))
            for name, out in zip(names, output.columns, strict=True):
                step.columns[name] = out.flow
                if out.constants is not None:
                    step.constants[name] = out.constants
            self.graph.changed.setdefault(relation, set()).update(names)
            self.graph.add(step)
        self.last |= output.filters | output.rows

    def _same(self, changed: list[str]) -> dict[str, Constants]:
        """What the conditions say of the rows that change: other rows are not touched."""
        only = self.first.only if self.first is not None else {}
        return {name: constants for name, constants in only.items() if name not in changed}

    def delete(self, node: n.Delete) -> None:
        self.define(node.ctes, node.recursive, None)
        self._remove(node.target, [node.target, *node.tables], node.where, node.pos, "delete")

    def _remove(
        self, target: n.TableRef, tables: list[n.From], where: n.Expr | None, pos: int, verb: str
    ) -> None:
        """What decides which rows go decides which ones stay."""
        output = self._select(n.Select([], tables, where=where, pos=pos), None)
        for relation in self.names.relations(target.parts, target.pos):
            step = Step(relation, verb, self.site(pos), {}, output.filters, self.control)
            step.constants.update(self._same([]))
            self.graph.add(step)
        self.last |= output.filters | output.rows

    def merge(self, node: n.Merge) -> None:
        joined: list[n.From] = [n.Join("inner", node.target, node.source, node.on, pos=node.pos)]
        if node.matched == "update":
            items = [n.SelectItem(value, None, pos=pos) for _, value, pos in node.assignments]
            names = [name for name, _, _ in node.assignments]
            self._set(node.target, joined, None, items, names, node.pos, "merge")
        elif node.matched == "delete":
            self._remove(node.target, joined, None, node.pos, "merge")
        on = self._select(n.Select([], joined, pos=node.pos), None).filters
        values: list[n.Expr] = node.insert_values or [n.Star(pos=node.pos)]
        items = [n.SelectItem(value, None, pos=value.pos) for value in values]
        new = self._select(n.Select(items, [node.source], pos=node.pos), None)
        new.filters |= on
        targets = self.names.relations(node.target.parts, node.target.pos)
        self.fill(targets, "merge", node.pos, node.insert_columns, [new])

    def append(self, target: Relation, source: Relation, pos: int) -> None:
        """ALTER TABLE APPEND moves rows; the columns go by name (DG r_ALTER_TABLE_APPEND)."""
        names = target.columns or source.columns or []
        columns = {name: Flow(frozenset([Read(source, name)])) for name in [*names, ROWS]}
        copies = {name: Read(source, name) for name in names}
        rest = () if names else (Read(source, ROWS),)
        self.graph.add(Step(source, "append", self.site(pos), {}, NOTHING, self.control))
        self.graph.add(
            Step(target, "append", self.site(pos), columns, NOTHING, self.control, rest=rest, copies=copies)
        )
