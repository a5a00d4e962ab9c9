"""The statements that change rows; the parser that everything else uses."""

from __future__ import annotations

from deployer.sql.lexer import Token
from deployer.sql.parse.nodes import CommonTable, Delete, Expr, Insert, Merge, TableRef, Update
from deployer.sql.parse.queries import QueryParser


class Parser(QueryParser):
    """One statement's text, parsed on demand."""

    def insert(self, ctes: list[CommonTable], recursive: bool) -> Insert:
        pos = self.expect("insert").start
        self.expect("into")
        target = self._target()
        columns: tuple[str, ...] = ()
        if self.is_op("(") and not self.starts_query():
            columns = self.identifiers()
        insert = Insert(target, columns, None, [], ctes, recursive, pos=pos)
        if self.accept("default"):
            self.expect("values")
        elif self.accept("values"):
            start = self.at
            insert.rows.append(self._row())
            while self.accept_op(","):
                insert.rows.append(self._row())
            self._no_queries(insert.rows, self.tokens[start : self.at])
        else:
            if self.is_word("overriding"):
                self.refuse("OVERRIDING is not supported on Redshift; leave the IDENTITY column out")
            insert.source = self.query()
        self._no_conflict_or_returning()
        return insert

    def _target(self) -> TableRef:
        pos = self.token.start
        return TableRef(self.qualified(), pos=pos)

    def _row(self) -> list[Expr]:
        self.expect_op("(")
        values = [self.expr()]
        while self.accept_op(","):
            values.append(self.expr())
        self.expect_op(")")
        return values

    def _no_queries(self, rows: list[list[Expr]], tokens: list[Token]) -> None:
        """Of several rows none may hold a sub-query (r_INSERT_30)."""
        for token in tokens if len(rows) > 1 else ():
            if token.kind == "word" and token.value == "select":
                self.refuse("can't use subqueries in multi-row VALUES; write INSERT ... SELECT", token)

    def _no_conflict_or_returning(self) -> None:
        if self.is_word("on", "conflict"):
            self.refuse("ON CONFLICT is not supported on Redshift; use MERGE")
        if self.is_word("returning"):
            self.refuse("RETURNING is not supported on Redshift; select the rows in a statement of its own")

    def _assignments(self) -> list[tuple[str, Expr, int]]:
        found = [self._assignment()]
        while self.accept_op(","):
            found.append(self._assignment())
        return found

    def _assignment(self) -> tuple[str, Expr, int]:
        token = self.token
        if self.is_op("("):
            self.refuse("SET (a, b) = (...) is not supported on Redshift; assign the columns one by one")
        column = self.identifier()
        if self.is_op("."):
            self.refuse("the target column of SET must not be qualified by a table name", token, "42601")
        self.expect_op("=")
        return column, self.expr(), token.start

    def update(self, ctes: list[CommonTable], recursive: bool) -> Update:
        pos = self.expect("update").start
        target = self._target()
        target.alias = None if self.is_word("set") else self._alias()
        self.expect("set")
        update = Update(target, self._assignments(), [], None, ctes, recursive, pos=pos)
        if self.accept("from"):
            update.tables = self.from_list()
        if self.accept("where"):
            if self.is_word("current", "of"):
                self.refuse("WHERE CURRENT OF is not supported on Redshift; use a key")
            update.where = self.expr()
        self._no_conflict_or_returning()
        return update

    def delete(self, ctes: list[CommonTable], recursive: bool) -> Delete:
        pos = self.expect("delete").start
        self.accept("from")
        target = self._target()
        if self.is_identifier() or self.is_word("as"):
            if not self.any_word(("returning",)):
                self.refuse(
                    "the target of DELETE takes no alias on Redshift; use the table's name in USING and WHERE"
                )
        delete = Delete(target, [], None, ctes, recursive, pos=pos)
        if self.accept("using"):
            delete.tables = self.from_list()
        if self.accept("where"):
            if self.is_word("current", "of"):
                self.refuse("WHERE CURRENT OF is not supported on Redshift; use a key")
            delete.where = self.expr()
        self._no_conflict_or_returning()
        return delete

    def merge(self) -> Merge:
        """DG r_MERGE: exactly one MATCHED and one NOT MATCHED clause, in any order, or REMOVE DUPLICATES."""
        pos = self.expect("merge").start
        self.expect("into")
        target = self._target()
        if not self.is_word("using"):
            self.refuse("the target of MERGE takes no alias on Redshift; use the table's name")
        self.next()
        source = self._table()
        self.expect("on")
        merge = Merge(target, source, self.expr(), "", [], (), [], pos=pos)
        if self.accept("remove"):
            self.expect("duplicates")
            return merge
        seen: set[str] = set()
        while self.is_word("when"):
            self._merge_clause(merge, seen)
        if seen != {"matched", "not matched"}:
            self.refuse(
                "MERGE needs exactly one WHEN MATCHED and one WHEN NOT MATCHED clause on Redshift",
                sqlstate="42601",
            )
        self._no_conflict_or_returning()
        return merge

    def _merge_clause(self, merge: Merge, seen: set[str]) -> None:
        token = self.expect("when")
        kind = "not matched" if self.accept("not") else "matched"
        self.expect("matched")
        if self.is_word("by"):
            self.refuse("WHEN NOT MATCHED BY SOURCE is not supported in Redshift's MERGE; use DELETE", token)
        if self.is_word("and"):
            self.refuse(
                f"WHEN {kind.upper()} AND ... is not supported in Redshift's MERGE; filter the source instead",
                token,
            )
        if kind in seen:
            self.refuse(f"MERGE takes one WHEN {kind.upper()} clause on Redshift", token, "42601")
        seen.add(kind)
        self.expect("then")
        if kind == "matched":
            if self.accept("delete"):
                merge.matched = "delete"
                return
            if self.is_word("do"):
                self.refuse("DO NOTHING is not supported in Redshift's MERGE; MATCHED takes UPDATE or DELETE")
            self.expect("update")
            self.expect("set")
            merge.matched, merge.assignments = "update", self._assignments()
            return
        self.expect("insert")
        if self.is_op("("):
            merge.insert_columns = self.identifiers()
        self.expect("values")
        merge.insert_values = self._row()
