"""What a derived environment consists of: every statement that makes it, in order, without sending any.

Tables are made by the migrations' own statements, so that defaults, keys and encodings are those of the base; then the
base's rows are copied, and only then come the migrations that the base does not have yet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployer.errors import Unsafe, UsageError
from deployer.operations import plan_migrations, plan_objects
from deployer.operations.plan import Files
from deployer.operations.plan_migrations import Applied
from deployer.operations.plan_objects import Step
from deployer.project.config import Project
from deployer.project.derived import closure
from deployer.project.derived.names import Derived
from deployer.project.derived.rewrite import late_binding, refuse_dynamic, refuse_outside, rewritten
from deployer.project.lineage.ddl import alter_table, create_table
from deployer.project.lineage.model import Graph
from deployer.project.objects import Object
from deployer.sql.classify import Kind, classify
from deployer.sql.lexer import tokenize
from deployer.sql.names import quote_ident
from deployer.sql.refused import Refused
from deployer.warehouse import catalog, ledger
from deployer.warehouse.environment_ledger import Part
from deployer.warehouse.session import Session

_LEFT_OUT = frozenset(["grant", "revoke", "comment"])
_LEFT_OUT_OBJECTS = frozenset(["schema", "role", "user", "group"])
_CHANGES = frozenset(["insert", "update", "delete", "merge"])


@dataclass(frozen=True)
class EnvironmentPlan:
    """`steps` make `parts`; `checks` are asked of them before they are kept. `differing` are the base's names of what
    differs; `steps_of` the steps of each copy, by its name there.
    """

    steps: tuple[Step, ...]
    checks: tuple[Step, ...]
    parts: tuple[Part, ...]
    differing: tuple[str, ...]
    steps_of: Mapping[str, tuple[Step, ...]]
    checksum: str


@dataclass(frozen=True)
class _Migrated:
    """A statement of a migration about a table. `pending`: the base does not have it yet."""

    text: str
    path: str
    line: int
    kind: Kind
    table: str
    pending: bool


def plan(session: Session, project: Project, derived: Derived, files: Files, graph: Graph) -> EnvironmentPlan:
    """Compare the project with the base environment behind `session`; changes nothing.

    Raises UsageError with file and line for what cannot be copied safely, Unsafe when the base's migrations are not
    those of this checkout.
    """
    applied = plan_migrations.read(session)
    for problem in plan_migrations.problems(files.versions, applied, project.root):
        raise Unsafe(f"{derived.base}: {problem.message}")
    there = plan_objects.still_there(session, ledger.read(session))
    differing = {
        item.name
        for item in files.wanted
        if item.key not in there or there[item.key].checksum != item.checksum
    }
    migrated = _migrated(project, files, applied)
    needs = closure.needs_of(graph, files.wanted)
    changed = {statement.table for statement in migrated if statement.pending}
    own, tables = closure.copied(needs, differing, changed & set(graph.relations))
    closure.refuse_unsafe(graph, needs, own, files.wanted)
    members = own | tables
    wanted = [item for item in files.wanted if item.name in own]
    for item in wanted:
        if item.kind == "procedure":
            refuse_dynamic(item, graph, members)
            refuse_outside(item, members)
    made = _Maker(session, derived, members)
    known = {name: found.kind for name, found in graph.relations.items() if found.kind in ("table", "view")}
    made.schemas({name.split(".", 1)[0] for name in (*known, *(item.name for item in files.wanted))})
    made.tables(sorted(tables), migrated)
    deployed = {item.name for item in there.values()}
    made.seen_through(sorted(name for name in known if name not in members), known, deployed)
    made.objects(wanted)
    checksum = _checksum(made.steps)
    return EnvironmentPlan(
        tuple(made.steps),
        tuple(made.checks),
        tuple(made.parts),
        tuple(sorted(differing | changed)),
        {name: tuple(steps) for name, steps in made.steps_of.items()},
        checksum,
    )


def _checksum(steps: Sequence[Step]) -> str:
    text = json.dumps([step.sql for step in steps], ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _migrated(project: Project, files: Files, applied: Applied) -> list[_Migrated]:
    """The migrations' statements about tables, in order. Raises UsageError for one that an environment cannot have."""
    # Alembic and SQLAlchemy take longer to load than most commands to run.
    from deployer.warehouse import migrate

    pending = {migration.revision for migration in plan_migrations.pending(files.versions, applied)}
    found: list[_Migrated] = []
    for migration in files.versions:
        is_pending = migration.revision in pending
        recorded = migrate.record(migration)
        if recorded.reads and is_pending:
            raise UsageError(
                f"{recorded.reads}: a migration that reads from the warehouse cannot be tried in an environment"
            )
        for statement in recorded.statements:
            path, _, line = statement.where.rpartition(":")
            kind = classify(statement.text)
            if kind.name in _LEFT_OUT or (kind.name == "ddl" and kind.object in _LEFT_OUT_OBJECTS):
                continue
            about_table = kind.object == "table" or kind.name in _CHANGES
            refused = kind.alone or kind.commits or not about_table
            if refused and is_pending:
                raise UsageError(
                    f"{statement.where}: this statement cannot be tried in an environment, which is made in one"
                    " transaction of statements about tables"
                )
            if about_table:
                found.append(
                    _Migrated(statement.text, path, int(line or 1), kind, _table(statement.text), is_pending)
                )
    return found


def _table(text: str) -> str:
    """The table that a statement is about: the first dotted name in it."""
    tokens = tokenize(text)
    for first, dot, second in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if dot.value == "." and first.kind in ("word", "quoted") and second.kind in ("word", "quoted"):
            return f"{first.value}.{second.value}"
    return ""


def _numbered(text: str) -> bool:
    """Whether a statement makes an IDENTITY column that takes no value from an INSERT (Redshift DG,
    r_CREATE_TABLE_NEW, "IDENTITY").
    """
    words = [token.value if token.kind == "word" else "" for token in tokenize(text)]
    return any(word == "identity" and before != "as" for before, word in zip(words, words[1:], strict=False))


class _Maker:
    """Collects the statements of an environment."""

    def __init__(self, session: Session, derived: Derived, members: set[str]) -> None:
        self._session = session
        self._derived = derived
        self._members = members
        self.steps: list[Step] = []
        self.checks: list[Step] = []
        self.parts: list[Part] = []
        self.steps_of: dict[str, list[Step]] = {}

    def _schema(self, name: str) -> str:
        return name.split(".", 1)[0] + self._derived.suffix

    def _sql(self, name: str) -> str:
        return f"{quote_ident(self._schema(name))}.{quote_ident(name.split('.', 1)[1])}"

    def _base(self, name: str) -> str:
        return ".".join(quote_ident(part) for part in name.split(".", 1))

    def _add(self, sql: str, path: str = "", line: int = 0, *, of: str = "") -> None:
        self.steps.append(Step(sql, path, line))
        if of:
            name = f"{self._schema(of)}.{of.split('.', 1)[1]}"
            self.steps_of.setdefault(name, []).append(self.steps[-1])

    def schemas(self, names: set[str]) -> None:
        for name in sorted(names):
            schema = name + self._derived.suffix
            self.parts.append(Part("schema", schema))
            self._add(f"create schema if not exists {quote_ident(schema)}")

    def tables(self, names: Sequence[str], migrated: Sequence[_Migrated]) -> None:
        """Copied tables: as the applied migrations made them, with the base's rows, then the pending migrations."""
        listed = set(names)
        for name in names:
            self.parts.append(Part("table", self._schema(name), name.split(".", 1)[1]))
        created = {item.table for item in migrated if item.kind.name in ("ddl", "create_table_as")}
        missing = sorted(listed - created)
        if missing:
            raise UsageError(
                f"no migration that can be read creates {missing[0]}, so it cannot be copied into an environment"
            )
        for item in migrated:
            if item.table in listed and not item.pending and item.kind.name not in _CHANGES:
                self._replay(item)
        for name in names:
            schema, bare = name.split(".", 1)
            columns = [str(row[0]) for row in catalog.columns(self._session, schema, bare)]
            if columns:
                listing = ", ".join(quote_ident(column) for column in columns)
                self._add(
                    f"insert into {self._sql(name)} ({listing}) select {listing} from {self._base(name)}",
                    of=name,
                )
        for item in migrated:
            if item.table in listed and item.pending:
                self._rewrite(item)

    def _replay(self, item: _Migrated) -> None:
        where = f"{item.path}:{item.line}"
        words = item.text.split(None, 1)[0].lower()
        try:
            if words == "create" and create_table(item.text).query is not None:
                # Its rows come from the base; the columns of CREATE TABLE AS have no defaults to lose.
                self._add(
                    f"create table {self._sql(item.table)} (like {self._base(item.table)})",
                    item.path,
                    item.line,
                    of=item.table,
                )
                return
            renamed = words == "alter" and alter_table(item.text).verb == "rename_table"
        except Refused as error:
            raise UsageError(f"{where}: {error.message}") from None
        if _numbered(item.text):
            raise UsageError(
                f"{where}: {item.table} would be copied into the environment, and the numbers of its IDENTITY column"
                " cannot be; declare it GENERATED BY DEFAULT AS IDENTITY"
            )
        if renamed or item.kind.alone or item.kind.commits or words not in ("create", "alter"):
            raise UsageError(
                f"{where}: {item.table} would be copied into the environment, and this statement about it cannot be"
                " repeated in a transaction; deploy the change to a base environment of its own instead"
            )
        self._rewrite(item)

    def _rewrite(self, item: _Migrated) -> None:
        text = rewritten(item.text, self._members, self._derived.suffix, item.path, item.line)
        self._add(text, item.path, item.line, of=item.table)

    def seen_through(self, names: Sequence[str], kinds: dict[str, str], deployed: set[str]) -> None:
        """Late-binding views of what the base has and the environment does not copy."""
        for name in names:
            schema, bare = name.split(".", 1)
            exists = (
                name in deployed if kinds[name] == "view" else catalog.columns(self._session, schema, bare)
            )
            if exists:
                self.parts.append(Part("view", self._schema(name), bare, is_own=False))
                self._add(
                    f"create view {self._sql(name)} as select * from {self._base(name)} with no schema binding"
                )

    def objects(self, wanted: Sequence[Object]) -> None:
        """Copied views and procedures, each after what it needs: what their files create, without grants."""
        for item in wanted:
            statement, path = item.statements[0], str(item.path)
            text = rewritten(statement.text, self._members, self._derived.suffix, path, statement.line)
            bare = item.name.split(".", 1)[1]
            if item.kind == "view":
                text = late_binding(text)
                self.checks.append(
                    Step(f"select * from {self._sql(item.name)} where false", path, statement.line)
                )
            self.parts.append(Part(item.kind, self._schema(item.name), bare, item.signature))
            self._add(text, path, statement.line, of=item.name)
