"""Procedures as they run: from the ones that nothing calls, call by call, with their temporary tables and variables.

An abstract run takes every branch of an IF and joins what comes out, goes twice through a loop (the second time with
what the first has left), and follows each call with its own arguments. So a temporary table that one procedure fills
and another reads is the same one, and a procedure that many call is not a place where all their rows meet.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.project.lineage.frames import Frame, Procedure, State
from deployer.project.lineage.model import NOTHING, Flow, Read, Reads, Relation
from deployer.project.lineage.outputs import Output
from deployer.project.lineage.runs import Runner
from deployer.project.lineage.texts import statement
from deployer.project.lineage.variables import Variables
from deployer.sql import plpgsql_ast as a
from deployer.sql.procedure import ArgumentText

MOST_STATEMENTS = 200_000
"""Statements of one run that are followed. Calls nested so deep that there are more would take minutes."""


class Walker(Variables):
    """Runs procedures abstractly. `procedures` are those of the repository by their whole name."""

    def __init__(self, runner: Runner, procedures: Mapping[str, Procedure]) -> None:
        super().__init__(runner)
        self._procedures = procedures
        self._contexts: dict[tuple[int, int, str], int] = {}
        self._left = MOST_STATEMENTS
        self.reached: set[str] = set()

    def run(self, procedure: Procedure) -> None:
        """Run a procedure that nothing calls: its arguments come from outside."""
        self._left = MOST_STATEMENTS
        frame = self._frame(None, 0, procedure)
        state = State()
        site = self._site(procedure, 0)
        for number, argument in enumerate(procedure.parsed.arguments, start=1):
            label = argument.name or f"${number}"
            given = self._graph.named(f"argument {label} of {procedure.name}", "argument")
            given.site = site
            flow = Flow(frozenset([Read(given, "")]))
            self._variable(frame, state, label, _before(argument), flow, None, site)
        self._body(procedure, frame, state)

    # -- frames ------------------------------------------------------------------------------------------------

    def _frame(self, caller: Frame | None, at: int, procedure: Procedure) -> Frame:
        key = (caller.context if caller is not None else -1, at, procedure.name)
        context = self._contexts.setdefault(key, len(self._contexts))
        self.reached.add(procedure.name)
        frame = Frame(procedure, context, (*(caller.active if caller is not None else ()), procedure.name))
        if caller is not None:
            frame.control = caller.control
        for number, argument in enumerate(procedure.parsed.arguments, start=1):
            frame.names[f"${number}"] = argument.name or f"${number}"
        return frame

    def _body(self, procedure: Procedure, frame: Frame, state: State) -> None:
        self._statement(procedure.parsed.block, frame, state)
        state.become([state, *frame.exits])

    # -- statements --------------------------------------------------------------------------------------------

    def _all(self, statements: tuple[a.Statement, ...], frame: Frame, state: State) -> None:
        for statement_ in statements:
            if state.dead:
                return
            self._left -= 1
            if self._left < 0:
                site = self._at(frame, statement_.at)
                self._graph.gap(site, f"more than {MOST_STATEMENTS} statements in one run are not followed")
                return
            self._statement(statement_, frame, state)

    def _statement(self, node: a.Statement, frame: Frame, state: State) -> None:
        match node:
            case a.Sql():
                self._sql(node, frame, state)
            case a.Assign():
                flow, texts = self._expression(node.value, frame, state)
                known = None if frame.loops and flow.all else texts
                self._assign(frame, state, node.target, node.at, flow, known)
            case a.If():
                self._if(node, frame, state)
            case a.Call():
                self._call(node, frame, state)
            case a.Block():
                self._block(node, frame, state)
            case a.Case():
                self._case(node, frame, state)
            case a.Loop():
                self._loop(node.body, frame, state, self._reads(node.condition, frame, state))
            case a.ForInteger():
                self._for_integer(node, frame, state)
            case a.ForQuery():
                self._for_query(node, frame, state)
            case a.Execute():
                output = self._execute(node.command, node.at, frame, state)
                if node.into:
                    self._into(frame, state, node.into, node.at, output or Output())
            case a.GetRowCount():
                self._assign(frame, state, node.target, node.at, Flow(frame.last))
            case a.Cursor():
                self._cursor(node, frame, state)
            case a.Leave():
                self._leave(node, frame, state)
            case a.Return():
                frame.exits.append(state.copy())
                state.dead = True
            case a.Raise():
                # A run that fails publishes nothing: what decides about it has no influence on what is there.
                state.dead = node.level in ("exception", "")
            case a.Transaction() | a.Null():
                pass

    def _sql(self, node: a.Sql, frame: Frame, state: State) -> None:
        at = node.text.at
        output = self._runner.sql(node.text.sql, at, frame, state, lambda pos: self._at(frame, at + pos))
        if node.into:
            self._into(frame, state, node.into, node.at, output or Output())

    # -- control -----------------------------------------------------------------------------------------------

    def _branches(
        self, branches: list[tuple[Reads, tuple[a.Statement, ...]]], frame: Frame, state: State
    ) -> None:
        """Each under what decides for it; where one of them leaves, the others' conditions stay in force."""
        before = frame.control
        states, conditions, left = [], NOTHING, False
        for reads, body in branches:
            conditions |= reads
            branch = state.copy()
            frame.control = before | conditions
            leaving = len(frame.exits) + len(frame.leaves)
            self._all(body, frame, branch)
            left = left or len(frame.exits) + len(frame.leaves) > leaving
            states.append(branch)
        state.become(states)
        frame.control = before | conditions if left else before

    def _if(self, node: a.If, frame: Frame, state: State) -> None:
        branches = [(self._reads(condition, frame, state), body) for condition, body in node.branches]
        self._branches([*branches, (NOTHING, node.otherwise)], frame, state)

    def _case(self, node: a.Case, frame: Frame, state: State) -> None:
        subject = self._reads(node.subject, frame, state)
        branches = []
        for values, body in node.branches:
            reads = subject
            for value in values:
                reads |= self._reads(value, frame, state)
            branches.append((reads, body))
        if node.otherwise is not None:
            branches.append((NOTHING, node.otherwise))
        self._branches(branches, frame, state)

    def _loop(self, body: tuple[a.Statement, ...], frame: Frame, state: State, control: Reads) -> None:
        outside, leaves = frame.control, frame.leaves
        frame.control = outside | control
        frame.loops += 1
        ends = [state.copy()]
        for _ in range(2):
            frame.leaves = []
            state.become(ends)
            self._all(body, frame, state)
            ends += [state.copy(), *frame.leaves]
        state.become(ends)
        frame.loops -= 1
        frame.leaves = leaves
        frame.control = outside

    def _leave(self, node: a.Leave, frame: Frame, state: State) -> None:
        """EXIT and CONTINUE. With WHEN it may not happen; what decides that decides about the rest of the loop."""
        frame.leaves.append(state.copy())
        if node.when is None:
            state.dead = True
        else:
            frame.control |= self._reads(node.when, frame, state)

    def _for_integer(self, node: a.ForInteger, frame: Frame, state: State) -> None:
        reads = self._reads(node.lower, frame, state) | self._reads(node.upper, frame, state)
        reads |= self._reads(node.step, frame, state)
        hidden = state.variables.get(node.variable)
        self._variable(frame, state, node.variable, node.at, Flow(reads), None, self._at(frame, node.at))
        self._loop(node.body, frame, state, reads)
        self._unhide(state, node.variable, hidden)

    @staticmethod
    def _unhide(state: State, name: str, hidden: frozenset[Relation] | None) -> None:
        state.variables.pop(name, None)
        if hidden is not None:
            state.variables[name] = hidden

    def _for_query(self, node: a.ForQuery, frame: Frame, state: State) -> None:
        if node.dynamic:
            output = self._execute(node.query, node.at, frame, state) or Output()
        else:
            output = self._query(node.query, frame, state)
        self._into(frame, state, node.targets, node.at, output)
        self._loop(node.body, frame, state, output.filters | output.rows)

    def _query(self, text: a.Text, frame: Frame, state: State) -> Output:
        found = self._runner.sql(text.sql, text.at, frame, state, lambda pos: self._at(frame, text.at + pos))
        return found or Output()

    def _block(self, node: a.Block, frame: Frame, state: State) -> None:
        hidden: dict[str, frozenset[Relation] | None] = {}
        aliases = dict(frame.names)
        if node.label:
            frame.labels.add(node.label)
        for declaration in node.declarations:
            name = declaration.name
            if declaration.alias_of:
                frame.names[name] = frame.names.get(declaration.alias_of, declaration.alias_of)
                continue
            frame.names.pop(name, None)
            hidden[name] = state.variables.get(name)
            flow, texts = Flow(), None
            if declaration.type_text == "cursor" and declaration.default is not None:
                frame.queries[name] = (declaration.default.sql, declaration.default.at)
            elif declaration.default is not None:
                flow, texts = self._expression(declaration.default, frame, state)
            site = self._at(frame, declaration.at)
            version = self._variable(frame, state, name, declaration.at, flow, texts, site)
            if declaration.type_text.lower() == "record" or "%rowtype" in declaration.type_text.lower():
                version.columns = None
        start = state.copy()
        exits = len(frame.exits)
        self._all(node.body, frame, state)
        if node.handler is not None:
            # An error may come before the first statement and after the last one.
            handled = State()
            handled.become([start, state, *frame.exits[exits:]])
            self._all(node.handler.body, frame, handled)
            state.become([state, handled])
        for name, before in hidden.items():
            self._unhide(state, name, before)
        frame.names = aliases

    # -- dynamic SQL, cursors ----------------------------------------------------------------------------------

    def _execute(self, command: a.Text, at: int, frame: Frame, state: State) -> Output | None:
        """Run every text that the command can have. One with a hole is a gap, and so is one that is not known."""
        flow, texts = self._expression(command, frame, state)
        site = self._at(frame, at)
        outputs = []
        for text in sorted(texts or (), key=str):
            sql, whole, reads = statement(text)
            self._graph.dynamic.append((site, sql))
            if whole:
                control = flow.condition | reads
                found = self._runner.sql(
                    sql, at, frame, state, lambda pos: site, dynamic=True, control=control
                )
                if found is not None:
                    found.filters |= control
                    outputs.append(found)
            else:
                reason = f"dynamic SQL is known in part only: {' '.join(sql.split())[:200]}"
                self._runner.not_followed(sql, site, reason, frame, state, reads | flow.all)
        if texts is None:
            self._runner.not_followed("", site, "dynamic SQL is not known", frame, state, flow.all)
        if not outputs:
            return None
        output = outputs[0]
        for other in outputs[1:]:
            for mine, theirs in zip(output.columns, other.columns, strict=False):
                mine.flow |= theirs.flow
            output.filters |= other.filters
        return output

    def _cursor(self, node: a.Cursor, frame: Frame, state: State) -> None:
        if node.verb == "open" and node.query is not None:
            if node.dynamic:
                output = self._execute(node.query, node.at, frame, state)
                frame.opened[node.name] = output or Output()
                return
            frame.queries[node.name] = (node.query.sql, node.query.at)
        if node.verb == "open" and node.name in frame.queries:
            sql, at = frame.queries[node.name]
            frame.opened[node.name] = self._query(a.Text(sql, at), frame, state)
        elif node.verb == "fetch" and node.into:
            output = frame.opened.get(node.name)
            if output is None:
                self._graph.gap(
                    self._at(frame, node.at), f"FETCH from {node.name}, whose query is not known here"
                )
            self._into(frame, state, node.into, node.at, output or Output())

    # -- calls -------------------------------------------------------------------------------------------------

    def _call(self, node: a.Call, frame: Frame, state: State) -> None:
        procedure = self._callee(node)
        site = self._at(frame, node.at)
        name = f"{node.schema}.{node.name}" if node.schema else node.name
        if procedure is None:
            self._graph.gap(site, f"CALL of {name}, which is not in the repository")
            return
        if procedure.name in frame.active:
            self._graph.gap(site, f"CALL of {name} from within itself is followed once only")
            return
        inner = self._frame(frame, node.at, procedure)
        entered = State(state.temps)
        pairs = _pairs(procedure.parsed.arguments, node.arguments)
        for number, (argument, given) in enumerate(pairs, start=1):
            flow, texts = (Flow(), None) if given is None else self._expression(given, frame, state)
            label = argument.name or f"${number}"
            self._variable(inner, entered, label, _before(argument), flow, texts, site)
        self._body(procedure, inner, entered)
        state.temps = entered.temps
        state.dead = entered.dead
        frame.last = inner.last
        for argument, given in pairs:
            if argument.mode != "in" and given is not None and argument.name:
                versions = entered.variables.get(argument.name, frozenset())
                flow = Flow(frozenset(Read(version, "") for version in versions))
                known = None if frame.loops else self._runner.known.of(versions)
                self._assign(frame, state, given.sql.strip().lower(), node.at, flow, known)

    def _callee(self, node: a.Call) -> Procedure | None:
        if node.schema:
            return self._procedures.get(f"{node.schema}.{node.name}")
        found = [p for name, p in self._procedures.items() if name.rpartition(".")[2] == node.name]
        return found[0] if len(found) == 1 else None


def _before(argument: ArgumentText) -> int:
    """The offset of an argument's first assignment, apart from all offsets into the body."""
    return -1 - argument.at


def _pairs(
    declared: tuple[ArgumentText, ...], given: tuple[a.Text, ...]
) -> list[tuple[ArgumentText, a.Text | None]]:
    """Arguments with what a CALL gives for them. An OUT argument is left out of a CALL (DG r_CALL_procedure)."""
    if len(given) == len(declared):
        return list(zip(declared, given, strict=True))
    rest = iter(given)
    return [(argument, None if argument.mode == "out" else next(rest, None)) for argument in declared]
