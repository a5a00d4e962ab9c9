"""Variables of procedures: assignments, and what the expressions in them are computed from."""

from __future__ import annotations

from bisect import bisect_right

from deployer.project.lineage.frames import Frame, Procedure, State
from deployer.project.lineage.model import NOTHING, Flow, Reads, Relation, Site, Step
from deployer.project.lineage.names import RunNames
from deployer.project.lineage.outputs import Output
from deployer.project.lineage.runs import Runner
from deployer.project.lineage.scopes import Scope
from deployer.project.lineage.texts import Texts, texts_of
from deployer.sql import plpgsql_ast as a
from deployer.sql.lexer import LexError
from deployer.sql.parse import nodes as n
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused


class Variables:
    """Each assignment is a relation of its own, so that what a variable had before does not count behind it."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._graph = runner.graph
        self._expressions: dict[str, n.Expr] = {}

    @staticmethod
    def _site(procedure: Procedure, at: int) -> Site:
        return Site(procedure.path, procedure.first_line + bisect_right(procedure.starts, at) - 1)

    def _at(self, frame: Frame, at: int) -> Site:
        return self._site(frame.procedure, at)

    def _names(self, frame: Frame, state: State, at: int) -> RunNames:
        return self._runner.names(frame, state, lambda pos: self._at(frame, at + pos))

    def _variable(
        self, frame: Frame, state: State, name: str, at: int, flow: Flow, texts: Texts | None, site: Site
    ) -> Relation:
        """An assignment: from here on the variable has this value and no other."""
        key = ("variable", frame.context, at, name)
        version = self._runner.made(key, "variable", name, frame.procedure.name, site)
        version.columns = [""]
        self._graph.add(Step(version, "assign", site, {"": flow.under(frame.control)}))
        self._runner.known.assign(version, texts)
        if texts is None:
            self._runner.known.texts.pop(version, None)
        state.variables[name] = frozenset([version])
        return version

    def _assign(
        self, frame: Frame, state: State, target: str, at: int, flow: Flow, texts: Texts | None = None
    ) -> None:
        """To a variable, or to a record's field, whose other fields stay."""
        record, dot, column = target.partition(".")
        name = frame.names.get(record, record)
        if dot and name in frame.labels:
            name, dot = frame.names.get(column, column), ""
        if not dot:
            self._variable(frame, state, name, at, flow, texts, self._at(frame, at))
            return
        for version in state.variables.get(name, ()):
            version.columns = None
            self._graph.add(Step(version, "assign", self._at(frame, at), {column: flow.under(frame.control)}))

    def _into(self, frame: Frame, state: State, targets: tuple[str, ...], at: int, output: Output) -> None:
        """Columns of a query into variables, or all of them into one record."""
        condition = output.filters
        names = tuple(frame.names.get(target, target) for target in targets)
        if len(names) == 1 and self._is_record(state, names[0]):
            key = ("variable", frame.context, at, names[0])
            version = self._runner.made(key, "variable", names[0], frame.procedure.name, self._at(frame, at))
            version.columns = None if output.open else [out.name for out in output.columns]
            columns = {out.name: out.flow.under(condition | frame.control) for out in output.columns}
            self._graph.add(Step(version, "assign", self._at(frame, at), columns, rest=output.open))
            state.variables[names[0]] = frozenset([version])
            return
        for index, target in enumerate(targets):
            flow = output.columns[index].flow if index < len(output.columns) else Flow(frozenset(output.open))
            self._assign(frame, state, target, at, flow.under(condition))

    @staticmethod
    def _is_record(state: State, name: str) -> bool:
        return any(version.columns != [""] for version in state.variables.get(name, ()))

    # -- expressions -------------------------------------------------------------------------------------------

    def _expression(self, text: a.Text, frame: Frame, state: State) -> tuple[Flow, Texts | None]:
        """What an expression of the procedural language is computed from, and its texts as far as known."""
        names = self._names(frame, state, text.at)
        try:
            node = self._expressions.get(text.sql)
            if node is None:
                parser = Parser(text.sql)
                node = parser.expr()
                parser.done()
                self._expressions[text.sql] = node
        except (Refused, LexError) as error:
            names.gap(error.position or 0, f"not read: {error.message}")
            return Flow(), None
        writer = self._runner.writer(frame, state, lambda pos: self._at(frame, text.at + pos))
        scope = Scope()
        flow = writer.flow(node, scope)
        texts = texts_of(node, names.texts, lambda part: writer.flow(part, scope))
        return flow, texts

    def _reads(self, text: a.Text | None, frame: Frame, state: State) -> Reads:
        return NOTHING if text is None else self._expression(text, frame, state)[0].all
