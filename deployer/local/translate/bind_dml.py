"""INSERT, UPDATE, DELETE and MERGE."""

from __future__ import annotations

from deployer.local.policies.guard import TARGET, restricted, target_fields
from deployer.local.translate.api import EXTERNAL_TABLE, Relation
from deployer.local.translate.bind_from import physical
from deployer.local.translate.bind_queries import Binder, Columns
from deployer.local.translate.context import SYSTEM_SCHEMAS
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Source, Typed, resolve, source
from deployer.sql.names import quote_ident
from deployer.sql.parse.cursor import to_name
from deployer.sql.parse.nodes import (
    Binary,
    Column,
    CommonTable,
    Delete,
    Expr,
    From,
    Insert,
    Join,
    Literal,
    Merge,
    TableRef,
    Update,
)
from deployer.sql.refused import Refused
from deployer.sql.types import UNKNOWN, RedshiftType

_FROM_TEXT = frozenset(
    "date time timetz timestamp timestamptz smallint integer bigint decimal real double boolean".split()
)


def check_writable(relation: Relation, database: str, verb: str, pos: int) -> None:
    """Raises Refused unless rows of `relation` may be changed: it must be a table of this database."""
    if relation.name.database is not None and relation.name.database != database:
        raise Refused(
            f'cannot {verb} "{relation.name}": the database "{relation.name.database}" is another one than this '
            "session's, and a zero-ETL integration's tables are read-only",
            position=pos,
            sqlstate="42501",
        )
    if relation.physical[0] in SYSTEM_SCHEMAS:
        raise Refused(
            f'permission denied: "{relation.name}" is a system catalog', position=pos, sqlstate="42501"
        )
    if relation.kind == EXTERNAL_TABLE:
        if verb == "insert into":
            raise Refused(
                "INSERT into an external table is not supported by the local Redshift yet", position=pos
            )
        # DG "Querying external data using Amazon Redshift Spectrum", considerations.
        raise Refused(
            f'cannot {verb} the external table "{relation.name}": its files in S3 are read only',
            position=pos,
            sqlstate="42809",
        )
    if relation.kind != "table":
        raise Refused(f'cannot {verb} the view "{relation.name}"', position=pos, sqlstate="42809")


def assigned(value: Typed, kind: RedshiftType | None) -> str:
    """`value` converted to a column's type, where PostgreSQL's assignment would refuse or mean something else."""
    own = value.type
    if kind is None or own is None or value.sql in ("NULL", "DEFAULT"):
        return value.sql
    if kind.name == "super" and own.name != "super":
        # A string put into SUPER stays a string: only JSON_PARSE reads it.
        inner = f"({value.sql})::text" if own.is_text or own == UNKNOWN else value.sql
        return f"to_json({inner})::redshift.super"
    if kind.name == "timetz":
        # DG r_Datetime_types: "TIMETZ values are UTC in both user tables and Amazon Redshift system tables".
        return f"(({value.sql})::timetz AT TIME ZONE 'UTC')"
    if own.is_text and kind.name in _FROM_TEXT:
        return f"({value.sql})::{pg_type(kind)}"
    return value.sql


class DmlBinder(Binder):
    """Binds one statement that changes rows; `target` is then its relation."""

    target: Relation

    def _target(self, item: TableRef, verb: str) -> Relation:
        name = self.context.local(to_name(item.parts))
        found = self.context.catalog.relation(name)
        if found is None:
            raise Refused(f'relation "{name}" does not exist', position=item.pos, sqlstate="42P01")
        check_writable(found, self.context.catalog.database, verb, item.pos)
        self.target = found
        self.context.targets[name] = found
        return found

    def _target_column(self, name: str, pos: int) -> RedshiftType:
        for column, kind in self.target.columns:
            if column == name:
                return kind
        raise Refused(
            f'column "{name}" of relation "{self.target.name.name}" does not exist',
            position=pos,
            sqlstate="42703",
        )

    def _with(self, ctes: list[CommonTable], recursive: bool) -> str:
        if not ctes:
            return ""
        self.ctes.append({})
        return self.with_clause(ctes, recursive, Scope()) + " "

    def insert(self, node: Insert) -> str:
        """INSERT. Its WITH, if any, goes to the query, where PostgreSQL and Redshift both accept it."""
        target = self._target(node.target, "insert into")
        columns: Columns = list(target.columns)
        listed = ""
        if node.columns:
            if len(set(node.columns)) < len(node.columns):
                raise Refused("a column is specified more than once", position=node.pos, sqlstate="42701")
            columns = [(name, self._target_column(name, node.pos)) for name in node.columns]
            listed = " (" + ", ".join(quote_ident(name) for name in node.columns) + ")"
        head = f"{self._with(node.ctes, node.recursive)}INSERT INTO {physical(target)}{listed}"
        if node.source is not None:
            return f"{head} {self._source(node, columns)}"
        if not node.rows:
            return f"{head} DEFAULT VALUES"
        rows = []
        for row in node.rows:
            self._check_count(len(row), len(columns), bool(node.columns), row[0].pos)
            values = [self._value(item, kind) for item, (_, kind) in zip(row, columns, strict=False)]
            rows.append(f"({', '.join(values)})")
        return f"{head} VALUES {', '.join(rows)}"

    def _check_count(self, given: int, columns: int, listed: bool, pos: int) -> None:
        if given > columns:
            raise Refused("INSERT has more expressions than target columns", position=pos, sqlstate="42601")
        if given < columns and listed:
            raise Refused("INSERT has more target columns than expressions", position=pos, sqlstate="42601")

    def _value(self, node: Expr, kind: Kind) -> str:
        if isinstance(node, Literal) and node.kind == "default":
            return "DEFAULT"
        return assigned(self.expr(node, Scope()), kind)

    def _source(self, node: Insert, columns: Columns) -> str:
        assert node.source is not None
        bound = self.query(node.source, None)
        self._check_count(len(bound.columns), len(columns), bool(node.columns), node.source.pos)
        names = [f'"c{index}"' for index in range(len(bound.columns))]
        converted = [
            assigned(
                Typed(name, own if own != UNKNOWN or kind is None or kind.name == "super" else None), kind
            )
            for name, (_, own), (_, kind) in zip(names, bound.columns, columns, strict=False)
        ]
        if converted == names:
            return bound.sql
        return f'SELECT {", ".join(converted)} FROM ({bound.sql}) AS "s"({", ".join(names)})'

    def _assignments(self, assignments: list[tuple[str, Expr, int]], scope: Scope) -> str:
        parts: list[str] = []
        seen: set[str] = set()
        for name, node, pos in assignments:
            kind = self._target_column(name, pos)
            if name in seen:
                raise Refused(f'multiple assignments to same column "{name}"', position=pos, sqlstate="42601")
            seen.add(name)
            if isinstance(node, Literal) and node.kind == "default":
                parts.append(f"{quote_ident(name)} = DEFAULT")
            else:
                parts.append(f"{quote_ident(name)} = {assigned(self.expr(node, scope), kind)}")
        return ", ".join(parts)

    def update(self, node: Update) -> str:
        """UPDATE ... FROM."""
        prefix = self._with(node.ctes, node.recursive)
        target = self._target(node.target, "update")
        scope, alias, condition = self._target_scope(node.target, target)
        for item in node.tables:
            self._no_outer_join(item)
        source_sql = self._others(node.tables, scope)
        where = self._where(node.where, scope, condition)
        assignments = self._assignments(node.assignments, scope)
        tables = f" FROM {source_sql}" if source_sql else ""
        if source_sql and self.context.is_on("error_on_nondeterministic_update"):
            where += (" AND " if where else " WHERE ") + self._deterministic(target, alias, source_sql, where)
        return f"{prefix}UPDATE {physical(target)} AS {alias} SET {assignments}{tables}{where}"

    def _deterministic(self, target: Relation, alias: str, source: str, where: str) -> str:
        """A condition that is true, or an error when a row of the target meets several rows of the source.

        DG r_error_on_nondeterministic_update. It names nothing of the UPDATE around it, so it is evaluated once.
        """
        matches = f'SELECT pg_catalog.count(*) AS "n" FROM {physical(target)} AS {alias}, {source}{where}'
        # With something of the row in it, so that the planner does not evaluate it beforehand.
        message = '\'Found multiple matches to update the same tuple.\' || pg_catalog.left("m"."n"::text, 0)'
        return (
            f'NOT EXISTS (SELECT FROM ({matches} GROUP BY {alias}.ctid HAVING pg_catalog.count(*) > 1 LIMIT 1) AS "m" '
            f"WHERE redshift.fail({message}, '21000'))"
        )

    def _where(self, where: Expr | None, scope: Scope, condition: str) -> str:
        sql = restricted(condition, self.expr(where, scope).sql if where is not None else "")
        return f" WHERE {sql}" if sql else ""

    def _target_scope(self, item: TableRef, target: Relation) -> tuple[Scope, str, str]:
        """The target as the first source, its name in PostgreSQL's text, and the condition of its RLS policies."""
        alias = item.alias or target.name.name
        scope = Scope()
        path = (
            target.name.database or self.context.catalog.database,
            target.name.schema or target.physical[0],
            target.name.name,
        )
        own = source(alias, list(target.columns), path if item.alias is None else ())
        written, condition = quote_ident(alias), ""
        found = target_fields(target, self.context, item.pos) if target.protection is not None else None
        if found is not None:
            fields, condition = found
            own, written = Source(alias, fields, own.path), TARGET
        self.add(own, scope, item.pos)
        scope.show(scope.sources[0].fields)
        return scope, written, condition

    def _others(self, tables: list[From], scope: Scope) -> str:
        own = scope.sources[0].fields
        sql = self.from_clause(tables, scope)
        scope.show(own + scope.columns)
        return sql

    def _no_outer_join(self, item: From) -> None:
        """DG r_UPDATE: outer joins in FROM return this error."""
        if isinstance(item, Join):
            if item.kind in ("left", "right", "full"):
                raise Refused("Target table must be part of an equijoin predicate", position=item.pos)
            self._no_outer_join(item.left)
            self._no_outer_join(item.right)

    def delete(self, node: Delete) -> str:
        """DELETE ... USING."""
        prefix = self._with(node.ctes, node.recursive)
        target = self._target(node.target, "delete from")
        scope, alias, condition = self._target_scope(node.target, target)
        source_sql = self._others(node.tables, scope)
        where = self._where(node.where, scope, condition)
        tables = f" USING {source_sql}" if source_sql else ""
        return f"{prefix}DELETE FROM {physical(target)} AS {alias}{tables}{where}"

    def _remove_duplicates(
        self, node: Merge, target: Relation, into: str, source_sql: str, condition: str, scope: Scope
    ) -> tuple[list[str], int]:
        """The simplified mode: every target row that matches gives way to the source row that it matches, so of several
        one stays; the other source rows are inserted. As in the long form, a target row matches one source row.

        "the same number of columns, compatible column types and the same column order" (r_MERGE).
        """
        given = [item for one in scope.sources[1:] for item in one.fields if not item.hidden]
        if len(given) != len(target.columns):
            raise Refused(
                "MERGE ... REMOVE DUPLICATES needs a source with as many columns as the target",
                position=node.pos,
                sqlstate="42601",
            )
        listed = ", ".join(quote_ident(name) for name, _ in target.columns)
        values = ", ".join(
            assigned(Typed(item.sql, item.type), kind)
            for item, (_, kind) in zip(given, target.columns, strict=True)
        )
        row = f"{scope.sources[0].alias}"
        guard = (
            f"SELECT redshift.found_multiple_matches() FROM {into}, {source_sql} WHERE {condition} "
            f"GROUP BY {quote_ident(row)}.ctid HAVING count(*) > 1 LIMIT 1"
        )
        sql = (
            f"WITH gone AS (DELETE FROM {into} USING {source_sql} WHERE {condition}) "
            f"INSERT INTO {physical(target)} ({listed}) SELECT {values} FROM {source_sql}"
        )
        return [guard, sql], 1

    def _check_match(self, on: Expr, scope: Scope) -> None:
        """DG r_MERGE: the match condition is "the equal predicates between the source table column and target table
        column"."""
        if isinstance(on, Binary) and on.op == "and":
            self._check_match(on.left, scope)
            self._check_match(on.right, scope)
            return
        if isinstance(on, Binary) and on.op == "=":
            sides = [
                resolve(scope, side.parts, side.pos) if isinstance(side, Column) else None
                for side in (on.left, on.right)
            ]
            ours = [any(side is field for field in scope.sources[0].fields) for side in sides]
            if None not in sides and sorted(ours) == [False, True]:
                return
        raise Refused(
            "the ON of MERGE takes equalities of a target column and a source column on Redshift, joined by AND; "
            "compute and filter in a sub-query of USING",
            position=on.pos,
        )

    def merge(self, node: Merge) -> tuple[list[str], int]:
        """MERGE: the statements in order, and which of them is the user's.

        PostgreSQL's MERGE fails as Redshift's does when two source rows match one target row.
        """
        target = self._target(node.target, "merge into")
        scope, alias, visible = self._target_scope(node.target, target)
        before = set(self.context.reads)
        source_sql = self._others([node.source], scope)
        read = {self.context.reads[name].physical for name in self.context.reads if name not in before}
        if target.physical in read:
            raise Refused(
                "Source view/subquery in Merge statement cannot reference target table.", position=node.pos
            )
        self.merging = True
        self._check_match(node.on, scope)
        # Of MERGE the pages on policies say nothing; a target row that UPDATE would not see matches nothing here.
        condition = restricted(visible, self.expr(node.on, scope).sql)
        if not node.matched:
            return self._remove_duplicates(
                node, target, f"{physical(target)} AS {alias}", source_sql, condition, scope
            )
        if node.matched == "delete":
            matched = "DELETE"
        else:
            matched = f"UPDATE SET {self._assignments(node.assignments, scope)}"
        inner = Scope()
        inner.sources = scope.sources[1:]
        inner.show([column for one in inner.sources for column in one.fields])
        columns: Columns = list(target.columns)
        listed = ""
        if node.insert_columns:
            columns = [(name, self._target_column(name, node.pos)) for name in node.insert_columns]
            listed = " (" + ", ".join(quote_ident(name) for name in node.insert_columns) + ")"
        self._check_count(len(node.insert_values), len(columns), bool(listed), node.pos)
        values = [
            "DEFAULT" if isinstance(item, Literal) and item.kind == "default"
            else assigned(self.expr(item, inner), kind)
            for item, (_, kind) in zip(node.insert_values, columns, strict=False)
        ]  # fmt: skip
        sql = (
            f"MERGE INTO {physical(target)} AS {alias} USING {source_sql} ON {condition} "
            f"WHEN MATCHED THEN {matched} WHEN NOT MATCHED THEN INSERT{listed} VALUES ({', '.join(values)})"
        )
        return [sql], 0
