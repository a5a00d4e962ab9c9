"""The lineage of a whole repository: migrations, then views, then procedures from the ones that nothing calls."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deployer.errors import UsageError
from deployer.project import objects
from deployer.project.config import Project
from deployer.project.lineage import migrations
from deployer.project.lineage.bodies import Walker
from deployer.project.lineage.frames import Procedure, State
from deployer.project.lineage.model import Graph, Relation, Site
from deployer.project.lineage.runs import Runner
from deployer.project.objects import Object
from deployer.sql import plpgsql_ast as a
from deployer.sql.lexer import LexError
from deployer.sql.procedure import parse_create_procedure
from deployer.sql.refused import Refused
from deployer.sql.split import Statement, split

SYSTEM_SCHEMAS = frozenset(["pg_catalog", "information_schema", "sys"])


def build(project: Project) -> Graph:
    """All that the files of `project` say about where columns come from.

    Raises UsageError with file and line for a file that cannot be read as what it should be; a single statement that
    cannot be followed is a gap of the graph instead.
    """
    return _Builder(project).build()


class _Builder:
    def __init__(self, project: Project) -> None:
        self._project = project
        self._graph = Graph()
        self._runner = Runner(self._graph, self._lookup)
        self._views: dict[str, Object] = {}
        self._building: set[str] = set()

    def build(self) -> Graph:
        items = objects.read_all(self._project.procedures, self._project.root)
        self._migrations()
        self._views = {item.name: item for item in items if item.kind == "view"}
        for name in sorted(self._views):
            self._lookup(tuple(name.split(".", 1)))
        procedures = {item.name: _procedure(item) for item in items if item.kind == "procedure"}
        walker = Walker(self._runner, procedures)
        called = {name for procedure in procedures.values() for name in _calls(procedure, set(procedures))}
        for name in sorted(set(procedures) - called):
            walker.run(procedures[name])
        # Procedures that only call one another in a circle are reached from one of them.
        for name in sorted(procedures):
            if name not in walker.reached:
                walker.run(procedures[name])
        return self._graph

    def _migrations(self) -> None:
        versions = self._project.migrations / "versions"
        state = State()
        for path in sorted(versions.glob("*.py")):
            shown = _shown(path, self._project.root)
            for found in migrations.read(path):
                if isinstance(found, migrations.Unread):
                    self._graph.gap(Site(shown, found.line), found.reason)
                    continue
                try:
                    statements = split(found.text)
                except LexError as error:
                    raise UsageError(f"{shown}:{found.line}: {error.message}") from None
                for statement in statements:
                    self._migrated(statement, found.line + statement.line - 1, shown, state)

    def _migrated(self, statement: Statement, line: int, shown: str, state: State) -> None:
        text = statement.text

        def site(pos: int) -> Site:
            return Site(shown, line + text.count("\n", 0, pos))

        self._runner.sql(text, statement.start, None, state, site)

    def _lookup(self, parts: tuple[str, ...]) -> Relation | None:
        """The lasting relation of a name. A view is read when it is first asked for, so that its columns are known."""
        name = ".".join(parts)
        view = self._views.get(name)
        if view is not None and name not in self._building:
            self._building.add(name)
            self._view(view)
        found = self._graph.relations.get(name)
        if found is not None:
            return found
        if len(parts) == 3:
            return self._graph.named(name, "landing")
        if len(parts) == 2 or parts[0].startswith(("pg_", "svv_", "svl_", "stl_", "stv_", "sys_")):
            return self._graph.named(name)
        return None

    def _view(self, item: Object) -> None:
        statement = item.statements[0]

        def site(pos: int) -> Site:
            return Site(str(item.path), statement.line + statement.text.count("\n", 0, pos))

        names = item.name
        view = self._graph.named(names, "view")
        view.site = site(0)
        writer = self._runner.writer(None, State(), site)
        try:
            self._runner.view(statement.text, writer)
        except Refused as error:
            where = site(error.position or 0)
            self._runner.not_followed(statement.text, where, f"not read: {error.message}", None, State())


def _procedure(item: Object) -> Procedure:
    statement = item.statements[0]
    parsed = parse_create_procedure(statement.text)
    starts = [0]
    while (found := parsed.body.find("\n", starts[-1])) >= 0:
        starts.append(found + 1)
    first = statement.line + statement.text.count("\n", 0, parsed.body_at)
    return Procedure(item.name, str(item.path), parsed, starts, first)


def calls_of(items: Iterable[Object]) -> dict[str, frozenset[str]]:
    """The procedures that each procedure calls, by name."""
    procedures = {item.name: _procedure(item) for item in items}
    return {name: frozenset(_calls(item, set(procedures))) for name, item in procedures.items()}


def _calls(procedure: Procedure, procedures: set[str]) -> set[str]:
    """The procedures that one calls, itself left out."""
    found: set[str] = set()
    todo: list[object] = [procedure.parsed.block]
    while todo:
        node = todo.pop()
        if isinstance(node, a.Call):
            if node.schema:
                found.add(f"{node.schema}.{node.name}")
            else:
                found |= {name for name in procedures if name.rpartition(".")[2] == node.name}
        elif isinstance(node, tuple):
            todo.extend(node)
        elif isinstance(node, a.If | a.Case):
            todo += [node.branches, node.otherwise]
        elif isinstance(node, a.Block):
            todo += [node.body, node.handler]
        elif isinstance(node, a.Handler | a.Loop | a.ForInteger | a.ForQuery):
            todo.append(node.body)
    return found - {procedure.name}


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
