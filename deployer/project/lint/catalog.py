"""What the whole project defines: tables and views with their columns, procedures, temporary tables, calls.

Rules look into it to tell a temporary table from a forgotten schema, an integer from a decimal, a table that no
procedure commits from one that some do. What cannot be told from the files is None, and rules then stay silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from deployer.project.lint.ddl import AlterTable, CreateTable, CreateView, Truncate
from deployer.project.lint.units import Content, Procedure, Unit
from deployer.project.lint.walk import Touched, selects
from deployer.sql.parse.nodes import Query
from deployer.sql.plpgsql_ast import Call, Transaction
from deployer.sql.types import RedshiftType

Columns = Mapping[str, RedshiftType | None]

SYSTEM_PREFIXES = ("pg_", "stl_", "stv_", "svv_", "svl_", "svcs_", "sys_", "information_schema")
"""Relations of Redshift itself, found on every search path."""


def is_system(parts: tuple[str, ...]) -> bool:
    """Whether a name is one of Redshift's own relations."""
    return parts[-1].startswith(SYSTEM_PREFIXES) or parts[0] in ("pg_catalog", "information_schema")


@dataclass
class Table:
    """A table as CREATE TABLE and later ADD COLUMNs make it. `complete` is False when columns are missing here."""

    name: str
    columns: dict[str, RedshiftType | None] = field(default_factory=dict)
    not_null: set[str] = field(default_factory=set)
    complete: bool = True
    like: str = ""


class Catalog:
    """Everything that the files of a project define."""

    def __init__(self, contents: Iterable[Content]) -> None:
        self.contents = list(contents)
        self.tables: dict[str, Table] = {}
        self.temporary: dict[str, Table] = {}
        self.views: dict[str, CreateView] = {}
        self.procedures: dict[str, list[Procedure]] = {}
        self._queries: dict[str, list[tuple[Unit, Query, tuple[str, ...]]]] = {}
        """What views, and tables AS a query, are made of; with the names that they give to its columns."""
        self._columns: dict[str, Columns | None] = {}
        for content in self.contents:
            for unit in content.all_units():
                self._define(unit)
            for procedure in content.procedures:
                self.procedures.setdefault(procedure.name, []).append(procedure)
        self._direct: dict[int, tuple[Touched, ...]] = {}
        self._touched: dict[str, frozenset[tuple[str, str, str]]] = {}
        self._committing: dict[str, str] = {}

    # -- definitions ------------------------------------------------------------------------------------------

    def _define(self, unit: Unit) -> None:
        tree = unit.tree
        if isinstance(tree, CreateTable):
            self._table(tree)
            if tree.query is not None:
                self._queries.setdefault(".".join(tree.parts), []).append((unit, tree.query, tree.names))
        elif isinstance(tree, CreateView):
            self.views[".".join(tree.parts)] = tree
            self._queries.setdefault(".".join(tree.parts), []).append((unit, tree.query, tree.columns))
        elif isinstance(tree, AlterTable) and not unit.downgrade:
            table = self.table(tree.parts)
            for action in tree.actions:
                if table is None:
                    break
                if action.verb == "add column" and action.column is not None:
                    table.columns[action.column.name] = action.column.type
                elif action.verb.startswith("rename"):
                    table.complete = False
        elif isinstance(tree, Query):
            for parts, temporary in (select.into for select in selects(tree) if select.into is not None):
                self._add(Table(".".join(parts), complete=False), temporary or parts[-1].startswith("#"))

    def _table(self, tree: CreateTable) -> None:
        table = Table(".".join(tree.parts))
        if tree.query is not None:
            table.complete = False
        if tree.like is not None:
            table.like = ".".join(tree.like)
        for column in tree.columns:
            table.columns[column.name] = column.type
            if column.not_null:
                table.not_null.add(column.name)
        self._add(table, tree.temporary)

    def _add(self, table: Table, temporary: bool) -> None:
        home = self.temporary if temporary else self.tables
        known = home.get(table.name)
        if known is None:
            home[table.name] = table
            return
        # Two procedures may make a temporary table of the same name: only what both say is known.
        for name, kind in table.columns.items():
            if known.columns.get(name, kind) != kind:
                kind = None
            known.columns[name] = kind
        known.not_null &= table.not_null
        known.complete &= table.complete
        if known.like != table.like:
            known.complete = False

    def table(self, parts: tuple[str, ...]) -> Table | None:
        """The table of this name, temporary ones first when it has no schema."""
        name = ".".join(parts)
        if len(parts) == 1 and name in self.temporary:
            return self.temporary[name]
        return self.tables.get(name)

    def columns(self, parts: tuple[str, ...]) -> Columns | None:
        """The columns of a table or view with their types; None unless all of them are known."""
        name = ".".join(parts)
        if name not in self._columns:
            # While they are looked for, a definition that leads back to itself has none.
            self._columns[name] = None
            self._columns[name] = self._find_columns(parts)
        return self._columns[name]

    def _find_columns(self, parts: tuple[str, ...]) -> Columns | None:
        table = self.table(parts)
        if table is not None and table.complete:
            if table.like:
                base = self.columns(tuple(table.like.split(".")))
                return None if base is None else {**base, **table.columns}
            return table.columns
        queries = self._queries.get(".".join(parts), [])
        if len(queries) != 1:
            return None
        # It asks this catalog back for the columns of what the query reads.
        from deployer.project.lint.inference import columns_of

        (unit, query, names) = queries[0]
        found = columns_of(unit, query, self)
        if found is None or not names:
            return found
        return dict(zip(names, found.values(), strict=True)) if len(names) == len(found) else None

    @cached_property
    def schemas(self) -> frozenset[str]:
        """The first parts of all dotted names that the project's SQL speaks of: schemas, and other databases."""
        units = (unit for content in self.contents for unit in content.all_units())
        named = {touched.parts[0] for unit in units for touched in unit.touched if len(touched.parts) > 1}
        return frozenset(named | {name.split(".")[0] for name in self.procedures if "." in name})

    def is_temporary(self, name: str) -> bool:
        return name.startswith("#") or name in self.temporary

    # -- procedures -------------------------------------------------------------------------------------------

    def called(self, procedure: Procedure) -> Iterator[tuple[str, int, int]]:
        """The procedures that one calls: name, place in the body, how many arguments."""
        for step in procedure.steps:
            if isinstance(step.node, Call):
                name = f"{step.node.schema}.{step.node.name}" if step.node.schema else step.node.name
                yield name, step.node.at, len(step.node.arguments)

    def direct(self, procedure: Procedure) -> tuple[Touched, ...]:
        """What a procedure's own statements read and write, expressions included."""
        found = self._direct.get(id(procedure))
        if found is None:
            found = tuple(touched for unit in procedure.units() for touched in unit.touched)
            self._direct[id(procedure)] = found
        return found

    def touched(self, name: str, seen: frozenset[str] = frozenset()) -> frozenset[tuple[str, str, str]]:
        """What a procedure and all that it calls read and write: relation, how and verb of `Touched`."""
        if name in self._touched:
            return self._touched[name]
        if name in seen:
            return frozenset()
        found: set[tuple[str, str, str]] = set()
        for procedure in self.procedures.get(name, ()):
            found |= {(".".join(item.parts), item.how, item.verb) for item in self.direct(procedure)}
            for called, _, _ in self.called(procedure):
                found |= self.touched(called, seen | {name})
        if not seen:
            self._touched[name] = frozenset(found)
        return frozenset(found)

    def commits(self, name: str, seen: frozenset[str] = frozenset()) -> str:
        """How a procedure ends its transaction ("COMMIT in ops.run"), also in what it calls; empty when it does not."""
        if name in self._committing:
            return self._committing[name]
        if name in seen:
            return ""
        how = ""
        for procedure in self.procedures.get(name, ()):
            own = next(iter(transaction_ends(procedure)), None)
            if own is not None:
                how = f"{own[0]} in {name}"
                break
            called = (self.commits(other, seen | {name}) for other, _, _ in self.called(procedure))
            how = next((found for found in called if found), "")
        if not seen:
            self._committing[name] = how
        return how

    def callers(self, name: str) -> Iterator[tuple[Procedure, int]]:
        """Who calls a procedure, and where in its body."""
        for procedures in self.procedures.values():
            for procedure in procedures:
                for called, at, _ in self.called(procedure):
                    if called == name:
                        yield procedure, at


def transaction_ends(procedure: Procedure) -> Iterator[tuple[str, int]]:
    """COMMIT, ROLLBACK and TRUNCATE in a body, with their places in the body."""
    for step in procedure.steps:
        if isinstance(step.node, Transaction) and step.node.verb != "start":
            yield step.node.verb.upper(), step.node.at
        elif any(isinstance(unit.tree, Truncate) for unit in step.units):
            yield "TRUNCATE", step.node.at
