"""SQL in the order in which it runs: what each statement makes of tables, temporary tables and variables."""

from __future__ import annotations

from collections.abc import Callable

from deployer.project.lineage import ddl
from deployer.project.lineage.frames import Frame, Known, State
from deployer.project.lineage.model import (
    NOTHING,
    ROWS,
    Flow,
    Graph,
    Read,
    Reads,
    Relation,
    Site,
    Step,
)
from deployer.project.lineage.names import Lookup, RunNames
from deployer.project.lineage.outputs import Output
from deployer.project.lineage.statements import Writer
from deployer.sql.classify import Kind, classify
from deployer.sql.lexer import LexError, tokenize
from deployer.sql.parse import nodes as n
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused

Parsed = n.Query | n.Insert | n.Update | n.Delete | n.Merge

_WRITTEN_BEFORE = frozenset("into update from table view exists copy truncate".split())


class Runner:
    """Statements of a run that share one graph."""

    def __init__(self, graph: Graph, lookup: Lookup) -> None:
        self.graph = graph
        self.lookup = lookup
        self.known = Known()
        self._parsed: dict[str, Parsed] = {}
        self._kinds: dict[str, Kind] = {}
        self._made: dict[tuple[object, ...], Relation] = {}

    # -- what a statement needs --------------------------------------------------------------------------------

    def names(
        self, frame: Frame | None, state: State, site: Callable[[int], Site], *, dynamic: bool = False
    ) -> RunNames:
        return RunNames(self.graph, self.lookup, self.known, frame, state, site, dynamic=dynamic)

    def writer(
        self, frame: Frame | None, state: State, site: Callable[[int], Site], *, dynamic: bool = False,
        control: Reads = NOTHING,
    ) -> Writer:  # fmt: skip
        names = self.names(frame, state, site, dynamic=dynamic)
        return Writer(names, self.graph, site, control | (frame.control if frame is not None else NOTHING))

    def made(self, key: tuple[object, ...], kind: str, name: str, owner: str, site: Site) -> Relation:
        """The temporary table or variable that this place of this call makes; the same one when a loop comes back."""
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Relation(kind, name, [], owner, site)
        return found

    def parse(self, text: str) -> Parsed:
        """The tree of a statement that reads or changes rows. Raises Refused."""
        found = self._parsed.get(text)
        if found is None:
            found = self._parsed[text] = _parse(text)
        return found

    def kind(self, text: str) -> Kind:
        """The kind of a statement, told once: the bodies of procedures are run for each of their calls."""
        found = self._kinds.get(text)
        if found is None:
            found = self._kinds[text] = classify(text)
        return found

    # -- statements --------------------------------------------------------------------------------------------

    def sql(
        self, text: str, at: int, frame: Frame | None, state: State, site: Callable[[int], Site], *,
        dynamic: bool = False, control: Reads = NOTHING,
    ) -> Output | None:  # fmt: skip
        """Run one statement; `site` places offsets into it. Returns what a SELECT gives.

        What cannot be read becomes a gap, with what it writes as far as that can be told.
        """
        try:
            kind = self.kind(text)
            writer = self.writer(frame, state, site, dynamic=dynamic, control=control)
            if kind.name == "create_table_as" or (kind.name == "ddl" and kind.object == "table"):
                self._table(text, at, frame, state, site, writer)
            elif kind.name == "ddl" and kind.object.endswith("view"):
                self.view(text, writer)
            elif kind.name in ("truncate", "lock"):
                parser = Parser(text)
                parser.next()
                parser.accept("table")
                self._touch(parser.qualified(), kind.name, site, writer)
            elif kind.name == "copy":
                self._copy(text, site, state, writer)
            elif kind.name == "unload":
                self._unload(text, site, writer)
            elif kind.name == "select":
                query = self.parse(text)
                assert isinstance(query, n.Query)
                output = writer.merged(query, None)
                if frame is not None:
                    frame.last = output.filters | output.rows
                return output
            elif kind.name in ("insert", "update", "delete", "merge"):
                parsed = self.parse(text)
                if isinstance(parsed, n.Insert):
                    writer.insert(parsed)
                elif isinstance(parsed, n.Update):
                    writer.update(parsed)
                elif isinstance(parsed, n.Delete):
                    writer.delete(parsed)
                elif isinstance(parsed, n.Merge):
                    writer.merge(parsed)
            if frame is not None and writer.last:
                frame.last = writer.last
        except (Refused, LexError) as error:
            message = error.message
            self.not_followed(text, site(error.position or 0), f"not read: {message}", frame, state)
        return None

    def not_followed(
        self, text: str, site: Site, reason: str, frame: Frame | None, state: State, reads: Reads = NOTHING
    ) -> None:
        """A statement that cannot be read: what it writes comes from somewhere unknown, and so do all that it names."""
        written, mentioned = self._mentioned(text, state)
        if text.lstrip()[:6].lower() == "unload":
            # What it reads is not known; what it writes are files.
            written = self._export(site)
        self.graph.gap(site, reason, written)
        unknown = self.graph.named(f"unknown ({site})", "unknown")
        unknown.site = site
        control = frame.control if frame is not None else NOTHING
        others = tuple(relation for relation in mentioned if relation is not written)
        self.graph.add(Step(unknown, "unknown", site, {ROWS: Flow(reads)}, NOTHING, control, whole=others))
        if written is not None:
            self.graph.add(Step(written, "unknown", site, {}, NOTHING, control, whole=(unknown,)))

    def _mentioned(self, text: str, state: State) -> tuple[Relation | None, list[Relation]]:
        """What a text writes, and the relations that it names, by its words alone."""
        try:
            tokens = tokenize(text.replace(" ... ", ' "..." '))
        except LexError:
            return None, []
        written, found = None, []
        index = 0
        while index < len(tokens):
            parts = [tokens[index].value]
            start = index
            if tokens[index].kind in ("word", "quoted"):
                while tokens[index + 1].value == "." and tokens[index + 2].kind in ("word", "quoted"):
                    parts.append(tokens[index + 2].value)
                    index += 2
                relation = self._existing(tuple(parts), state)
                if relation is not None:
                    found.append(relation)
                    first = {token.value for token in tokens[:2] if token.kind == "word"}
                    before = tokens[start - 1].value if start else ""
                    writes = first & {
                        "insert",
                        "update",
                        "delete",
                        "merge",
                        "copy",
                        "truncate",
                        "create",
                        "with",
                    }
                    if written is None and writes and before in _WRITTEN_BEFORE:
                        written = relation
            index += 1
        return written, found

    def _existing(self, parts: tuple[str, ...], state: State) -> Relation | None:
        temps = state.temps.get(parts[-1]) if len(parts) == 1 else None
        if temps:
            return next(iter(temps))
        return self.graph.relations.get(".".join(parts)) if len(parts) > 1 else None

    def _table(
        self,
        text: str,
        at: int,
        frame: Frame | None,
        state: State,
        site: Callable[[int], Site],
        writer: Writer,
    ) -> None:
        word = text.split(None, 1)[0].lower()
        if word == "create":
            table = ddl.create_table(text)
            target = self._new_table(table, at, frame, state, site(0))
            if table.query is not None:
                writer.table_as(target, table, 0)
            else:
                self._columns(table, target, writer.names.relations)
                if target.lasting and frame is not None:
                    self._touch(table.parts, "create", site, writer)
        elif word == "drop":
            for parts in ddl.dropped(text):
                if len(parts) == 1:
                    state.temps.pop(parts[0], None)
                elif frame is not None:
                    # Whatever runs before it still finds the table: only a migration's DROP is for good.
                    self._touch(parts, "drop", site, writer)
                else:
                    self.graph.relations.pop(".".join(parts), None)
        elif word == "alter":
            altered = ddl.alter_table(text)
            if frame is not None and len(altered.parts) > 1:
                self._touch(altered.parts, "alter", site, writer)
                if altered.verb == "rename_table":
                    raise Refused("ALTER TABLE ... RENAME TO in a procedure", position=0)
            self._alter(altered, writer)
        elif word in ("select", "with"):
            self._select_into(text, at, frame, state, site, writer)

    def _touch(self, parts: tuple[str, ...], verb: str, site: Callable[[int], Site], writer: Writer) -> None:
        """A statement that does something to a table and brings no values."""
        for relation in writer.names.relations(parts, 0):
            self.graph.add(Step(relation, verb, site(0), {}, NOTHING, writer.control))

    def _new_table(
        self, table: ddl.NewTable, at: int, frame: Frame | None, state: State, site: Site
    ) -> Relation:
        """The relation that CREATE TABLE makes. A temporary one is another for each call."""
        if not table.temporary:
            name = ".".join(table.parts)
            relation = self.graph.named(name, "table")
            relation.site = relation.site or site
            return relation
        name = table.parts[-1]
        context = frame.context if frame is not None else 0
        owner = frame.procedure.name if frame is not None else ""
        relation = self.made(("temp", context, at, name), "temp", name, owner, site)
        relation.columns = []
        state.temps[name] = frozenset([relation])
        return relation

    def _columns(
        self, table: ddl.NewTable, target: Relation,
        relations: Callable[[tuple[str, ...], int], tuple[Relation, ...]],
    ) -> None:  # fmt: skip
        columns: list[str] | None = list(table.columns)
        for place, parts in reversed(table.likes):
            copied = relations(parts, 0)[0].columns
            if copied is None or columns is None:
                columns = None
            else:
                columns[place:place] = copied
        target.columns = columns
        target.kind = "temp" if target.kind == "temp" else "table"

    def _alter(self, altered: ddl.Altered, writer: Writer) -> None:
        for relation in writer.names.relations(altered.parts, 0):
            columns = relation.columns
            if altered.verb == "append":
                writer.append(relation, writer.names.relations(altered.other, 0)[0], 0)
            elif altered.verb == "rename_table":
                self.graph.relations.pop(relation.name, None)
                relation.name = ".".join((*altered.parts[:-1], altered.new_name))
                self.graph.relations[relation.name] = relation
            elif columns is None:
                continue
            elif altered.verb == "add" and altered.column not in columns:
                columns.append(altered.column)
            elif altered.verb == "drop" and altered.column in columns:
                columns.remove(altered.column)
            elif altered.verb == "rename" and altered.column in columns:
                columns[columns.index(altered.column)] = altered.new_name

    def _select_into(
        self,
        text: str,
        at: int,
        frame: Frame | None,
        state: State,
        site: Callable[[int], Site],
        writer: Writer,
    ) -> None:
        query = self.parse(text)
        assert isinstance(query, n.Query)
        body: n.Body = query.body
        while not isinstance(body, n.Select):
            body = body.left if isinstance(body, n.SetOperation) else body.body
        if body.into is None:
            raise Refused("SELECT without INTO where it was expected", position=0)
        parts, temporary = body.into
        outputs = writer.outputs(query, None)
        table = ddl.NewTable(parts, temporary or parts[-1].startswith("#"))
        target = self._new_table(table, at, frame, state, site(0))
        writer.become(target, (), outputs)
        writer.fill((target,), "select into", query.pos, (), outputs, new=True)

    def view(self, text: str, writer: Writer) -> Relation:
        """CREATE VIEW: the view's columns and the step that fills it. Raises Refused."""
        if text.split(None, 1)[0].lower() == "drop":
            for parts in ddl.dropped(text):
                self.graph.relations.pop(".".join(parts), None)
            return Relation("view", "")
        parts, columns, query = ddl.create_view(text)
        view = self.graph.named(".".join(parts), "view")
        view.kind = "view"
        outputs = writer.outputs(query, None)
        self.graph.writers[view] = []
        writer.become(view, columns, outputs)
        writer.fill((view,), "view", 0, columns, outputs, new=True)
        return view

    def _copy(self, text: str, site: Callable[[int], Site], state: State, writer: Writer) -> None:
        """COPY table [(columns)] FROM: the columns come from files (DG r_COPY)."""
        parser = Parser(text)
        parser.expect("copy")
        parts = parser.qualified()
        columns = parser.identifiers() if parser.is_op("(") else ()
        load = self.graph.named(f"COPY ({site(0)})", "load")
        load.site = site(0)
        for target in writer.names.relations(parts, 0):
            listed = columns or tuple(target.columns or ())
            step = Step(
                target, "copy", site(0), {name: Flow(frozenset([Read(load, name)])) for name in listed}
            )
            step.columns[ROWS] = Flow(frozenset([Read(load, ROWS)]))
            step.control = writer.control
            step.rest = () if listed else (Read(load, ROWS),)
            self.graph.add(step)

    def _export(self, site: Site) -> Relation:
        """The files of an UNLOAD, as a relation that nobody reads."""
        export = self.graph.named(f"UNLOAD ({site})", "export")
        export.site = site
        return export

    def _unload(self, text: str, site: Callable[[int], Site], writer: Writer) -> None:
        """UNLOAD ('query') TO: files are written (DG r_UNLOAD)."""
        tokens = tokenize(text)
        inner = next((token for token in tokens if token.kind == "string"), None)
        if inner is None:
            raise Refused("UNLOAD without a query in quotes", position=0)
        query = self.parse(inner.value)
        if not isinstance(query, n.Query):
            raise Refused("UNLOAD of something else than a query", position=inner.start)
        export = self._export(site(0))
        outputs = writer.outputs(query, None)
        writer.become(export, (), outputs)
        writer.fill((export,), "unload", 0, (), outputs, new=True)


def _parse(text: str) -> Parsed:
    parser = Parser(text)
    ctes: list[n.CommonTable] = []
    recursive = False
    if parser.is_word("with"):
        ctes, recursive = parser.with_clause()
    if parser.is_word("insert"):
        found: Parsed = parser.insert(ctes, recursive)
    elif parser.is_word("update"):
        found = parser.update(ctes, recursive)
    elif parser.is_word("delete"):
        found = parser.delete(ctes, recursive)
    elif parser.is_word("merge"):
        found = parser.merge()
    else:
        parser.at = 0
        found = parser.query()
    parser.done()
    return found
