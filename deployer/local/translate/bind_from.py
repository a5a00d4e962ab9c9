"""FROM: tables, views, late-binding views put in place, joins."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from deployer.local.functions import registry
from deployer.local.policies.guard import guarded
from deployer.local.translate import table_functions
from deployer.local.translate.api import EXTERNAL_TABLE, Relation
from deployer.local.translate.bind_rotate import Columns, Joined, RotateBinder
from deployer.local.translate.infer import common
from deployer.local.translate.scope import Field, Scope, Source, Typed, source
from deployer.sql.names import quote_ident
from deployer.sql.parse.cursor import to_name
from deployer.sql.parse.nodes import (
    DerivedTable,
    From,
    FunctionTable,
    Join,
    Pivot,
    Query,
    TableRef,
    Unnest,
    Unpivot,
)
from deployer.sql.refused import Refused
from deployer.sql.types import BOOLEAN, INTEGER, UNKNOWN, VARCHAR

_SCALARS = frozenset(["current_database", "current_schema", "current_user", "version"])
"""Functions of the leader node that redshift_connector reads in FROM."""


class FromBinder(RotateBinder):
    """Binds FROM lists; the rest of a query comes from `Binder`."""

    ctes: list[dict[str, Columns]]
    correlated_queries: int

    @abstractmethod
    def compare(self, op: str, left: Typed, right: Typed, pos: int = 0) -> Typed:
        """A comparison of two values."""

    @abstractmethod
    def derived(self, query: Query, scope: Scope) -> tuple[str, Columns]:
        """A sub-query in FROM: its text and its columns."""

    def from_clause(self, tables: list[From], scope: Scope) -> str:
        """The text of a FROM list. Fills `scope` with its sources."""
        joined = [self._from(item, scope) for item in tables]
        scope.show([column for one in joined for column in one.columns])
        return ", ".join(one.sql for one in joined)

    def _from(self, item: From, scope: Scope) -> Joined:
        if isinstance(item, TableRef):
            return self._table(item, scope)
        if isinstance(item, DerivedTable):
            return self._derived_table(item, scope)
        if isinstance(item, Join):
            return self._join(item, scope)
        if isinstance(item, Unnest):
            return self._unnest(item, scope)
        if isinstance(item, Pivot):
            return self._pivot(item, scope)
        if isinstance(item, Unpivot):
            return self._unpivot(item, scope)
        assert isinstance(item, FunctionTable)
        return self._function(item, scope)

    def add(self, one: Source, scope: Scope, pos: int) -> list[Field]:
        """Put a source into the scope. Raises Refused (42712) when its alias is taken."""
        for other in scope.sources:
            if other.alias == one.alias and (not other.path or not one.path or other.path == one.path):
                raise Refused(
                    f'table name "{one.alias}" specified more than once', position=pos, sqlstate="42712"
                )
        scope.sources.append(one)
        return one.fields

    def _renamed(self, columns: Columns, names: tuple[str, ...], relation: str, pos: int) -> Columns:
        if len(names) > len(columns):
            raise Refused(
                f'table "{relation}" has {len(columns)} columns available but {len(names)} columns specified',
                position=pos,
                sqlstate="42P10",
            )
        return [(names[i] if i < len(names) else name, kind) for i, (name, kind) in enumerate(columns)]

    def _alias_sql(self, alias: str, names: tuple[str, ...]) -> str:
        listed = f"({', '.join(quote_ident(name) for name in names)})" if names else ""
        return f" AS {quote_ident(alias)}{listed}"

    def _table(self, item: TableRef, scope: Scope) -> Joined:
        name = item.parts[-1]
        alias = item.alias or name
        if len(item.parts) == 1:
            for level in reversed(self.ctes):
                if name in level:
                    columns = self._renamed(level[name], item.columns, alias, item.pos)
                    fields = self.add(source(alias, columns), scope, item.pos)
                    return Joined(quote_ident(name) + self._alias_sql(alias, item.columns), fields)
        element = self.element(item, scope)
        if element is not None:
            return self._unnest(element, scope)
        relation = self.context.relation(to_name(item.parts), item.pos)
        if relation.kind == "late_binding_view":
            sql, columns = self.expanded(relation, item.pos)
        else:
            sql = physical(relation)
            columns = list(relation.columns)
        if relation.protection is not None:
            sql = guarded(relation, sql, columns, alias, bool(item.columns), self.context, item.pos)
        columns = self._renamed(columns, item.columns, alias, item.pos)
        database = self.context.catalog.database
        path: tuple[str, ...] = ()
        if item.alias is None:
            path = (relation.name.database or database, relation.name.schema or relation.physical[0], name)
        # A list of column aliases goes by the columns' places, hidden or not.
        hidden = relation.hidden if not item.columns else frozenset()
        fields = self.add(source(alias, columns, path, hidden), scope, item.pos)
        return Joined(sql + self._alias_sql(alias, item.columns), fields)

    def expanded(self, relation: Relation, pos: int) -> tuple[str, Columns]:
        """A late-binding view's query in the view's place.

        The stub is joined in (it has one row and no column), so that PostgreSQL checks the right to select from the
        view. Its own tables are read with the right of the user who asks, where Redshift asks for the
        owner's: the local one is stricter here, and says "permission denied".
        """
        from deployer.local.translate.bind_queries import Binder
        from deployer.sql.parse.parser import Parser

        if relation.name in self.context.expanding:
            raise Refused(
                f'infinite recursion detected in the view "{relation.name}"', position=pos, sqlstate="42P17"
            )
        inner = replace(self.context, variables={}, expanding=(*self.context.expanding, relation.name))
        try:
            parser = Parser(relation.definition or "")
            bound = Binder(inner).query(parser.query(), None)
            parser.done()
        except Refused as error:
            raise Refused(
                f'late-binding view "{relation.name}": {error.message}',
                position=pos,
                sqlstate=error.sqlstate,
                hint=error.hint,
            ) from None
        columns = [(name, VARCHAR if kind == UNKNOWN else kind) for name, kind in bound.columns]
        listed = ", ".join(f'"c{index}"' for index in range(len(columns)))
        named = ", ".join(f'"v"."c{index}" AS {quote_ident(name)}' for index, (name, _) in enumerate(columns))
        sql = f'(SELECT {named} FROM ({bound.sql}) AS "v"({listed}), {physical(relation)} AS "stub")'
        return sql, columns

    def _derived_table(self, item: DerivedTable, scope: Scope) -> Joined:
        sql, columns = self.derived(item.query, scope)
        # Redshift's own examples leave the alias out; PostgreSQL before 16 needs one.
        alias = item.alias if item.alias is not None else f"derived {len(scope.sources) + 1}"
        columns = self._renamed(columns, item.columns, alias, item.pos)
        fields = self.add(source(alias, columns), scope, item.pos)
        return Joined(f"({sql})" + self._alias_sql(alias, item.columns), fields)

    def _function(self, item: FunctionTable, scope: Scope) -> Joined:
        name = item.call.name
        if name in _SCALARS and not item.call.args:
            alias = item.alias or name
            value = self.expr(item.call, scope)
            fields = self.add(source(alias, [(alias, value.type)]), scope, item.pos)
            return Joined(f"(SELECT {value.sql}) AS {quote_ident(alias)}({quote_ident(alias)})", fields)
        if name == "unnest" and item.call.schema == "pg_catalog" and len(item.call.args) == 1:
            return self._elements(item, scope)
        if name == "generate_series" and len(item.call.args) == 2:
            return self._elements(item, scope)
        if table_functions.is_one(name):
            return self._catalog_function(item, scope)
        try:
            registry.lookup(name)
        except Refused as error:
            error.position = item.pos
            raise
        raise Refused(
            f"{name.upper()} in FROM: table functions are not supported on Redshift; use a table or a sub-query",
            position=item.pos,
        )

    def _catalog_function(self, item: FunctionTable, scope: Scope) -> Joined:
        columns: Columns = list(table_functions.columns(item))
        relation = table_functions.relation(item.call.name)
        self.context.reads[relation.name] = relation
        given = ", ".join(f"({self.expr(one, scope).sql})::text" for one in item.call.args)
        alias = item.alias or item.call.name
        fields = self.add(source(alias, columns), scope, item.pos)
        names = tuple(name for name, _ in columns)
        return Joined(f"zeroshift.{item.call.name}({given})" + self._alias_sql(alias, names), fields)

    def _elements(self, item: FunctionTable, scope: Scope) -> Joined:
        """The elements of an array of the catalog's, or numbers to count them with, for clients that ask it."""
        name = item.call.name
        try:
            registry.lookup(name)
        except Refused as error:
            error.position = item.pos
            self.context.catalog_only.append(error)
        alias = item.alias or name
        column = item.columns[0][0] if item.columns else alias
        given = ", ".join(self.expr(one, scope).sql for one in item.call.args)
        fields = self.add(
            source(alias, [(column, INTEGER if name == "generate_series" else None)]), scope, item.pos
        )
        return Joined(f"pg_catalog.{name}({given}) AS {quote_ident(alias)}({quote_ident(column)})", fields)

    # joins

    def _join(self, item: Join, scope: Scope) -> Joined:
        left, right = self._from(item.left, scope), self._from(item.right, scope)
        if item.kind in ("right", "full") and right.sql.startswith("LATERAL redshift.super_"):
            raise Refused(
                "SUPER values cannot be unnested in a right or full outer join on Redshift", position=item.pos
            )
        names = item.using
        if item.natural:
            others = {column.name for column in right.columns if not column.hidden}
            shared = (c.name for c in left.columns if c.name in others and not c.hidden)
            names = tuple(dict.fromkeys(shared))
        word = {"inner": "JOIN", "cross": "CROSS JOIN"}.get(item.kind, f"{item.kind.upper()} JOIN")
        if item.kind == "cross" or (item.natural and not names):
            columns = left.columns + right.columns
            word = "CROSS JOIN" if item.kind in ("cross", "inner") else word
            on = "" if word == "CROSS JOIN" else " ON TRUE"
            return Joined(f"({left.sql} {word} {right.sql}{on})", columns)
        if names:
            return self._using(item, names, word, left, right)
        columns = left.columns + right.columns
        scope.show(columns)
        before = self.correlated_queries
        assert item.on is not None
        condition = self.expr(item.on, scope).sql
        if item.kind != "inner" and self.correlated_queries > before:
            self.context.over_user_tables.append(
                Refused(
                    "This type of correlated subquery pattern is not supported yet: a correlated sub-query in the ON "
                    "clause of an outer join",
                    position=item.pos,
                )
            )
        return Joined(f"({left.sql} {word} {right.sql} ON {condition})", columns)

    def _using(self, item: Join, names: tuple[str, ...], word: str, left: Joined, right: Joined) -> Joined:
        """USING and NATURAL as ON, so that texts are compared without trailing blanks here too."""
        merged: list[Field] = []
        conditions: list[str] = []
        for name in names:
            one, two = self._side(name, left, "left", item.pos), self._side(name, right, "right", item.pos)
            comparison = self.compare("=", Typed(one.sql, one.type), Typed(two.sql, two.type), item.pos)
            assert comparison.type == BOOLEAN
            conditions.append(comparison.sql)
            if item.kind == "right":
                merged.append(two)
            elif item.kind == "full":
                merged.append(Field(name, common([one.type, two.type]), f"COALESCE({one.sql}, {two.sql})"))
            else:
                merged.append(one)
        rest = [column for column in left.columns + right.columns if column.name not in names]
        return Joined(f"({left.sql} {word} {right.sql} ON {' AND '.join(conditions)})", merged + rest)

    def _side(self, name: str, joined: Joined, side: str, pos: int) -> Field:
        found = [column for column in joined.columns if column.name == name]
        if len(found) != 1:
            why = "does not exist in" if not found else "appears more than once in"
            raise Refused(
                f'column "{name}" specified in USING clause {why} {side} table',
                position=pos,
                sqlstate="42703",
            )
        return found[0]


def physical(relation: Relation) -> str:
    """A relation's PostgreSQL name. That of an external table is a mark: there is no such relation."""
    if relation.kind == EXTERNAL_TABLE:
        return external_mark(relation)
    return ".".join(quote_ident(part) for part in relation.physical)


def external_mark(relation: Relation) -> str:
    """What stands for an external table in PostgreSQL text until the gateway puts its rows there."""
    return f'"zeroshift external"."{".".join(relation.physical).replace(chr(34), chr(34) * 2)}"'
