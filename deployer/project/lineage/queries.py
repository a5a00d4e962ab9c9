"""Queries: what each column of one is computed from, and what decides its rows.

Conventions where SQL leaves a choice. count(*) counts the rows of the first relation in FROM; those joined to it decide
which of them there are. What an outer join looks up is chosen by its ON; it decides no rows. DISTINCT, UNION and EXCEPT
compare whole rows: of what they compare, only the right side of EXCEPT and INTERSECT is a filter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from deployer.project.lineage.expressions import Expressions
from deployer.project.lineage.model import NOTHING, ROWS, Constants, Flow, Read, Reads, Relation
from deployer.project.lineage.outputs import Out, Output, merge
from deployer.project.lineage.scopes import Names, Scope, Source
from deployer.sql.parse import nodes as n


class Queries(Expressions):
    """Flows of one statement's queries."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        self.common: dict[str, Output] = {}
        self.first: Source | None = None
        """The first relation of the last SELECT: the target, where a changing statement is read as one."""

    def outputs(self, query: n.Query, scope: Scope | None) -> list[Output]:
        hidden = self.common
        self.common = dict(hidden)
        try:
            self.define(query.ctes, query.recursive, scope)
            found = self._body(query.body, scope)
            if query.limit is not None or query.offset is not None:
                for output in found:
                    output.filters |= self._order(query, output, scope)
            return found
        finally:
            self.common = hidden

    def merged(self, query: n.Query, scope: Scope | None) -> Output:
        return merge(self.outputs(query, scope))

    def define(self, tables: list[n.CommonTable], recursive: bool, scope: Scope | None) -> None:
        """Make the tables of a WITH clause known to what follows."""
        for table in tables:
            if recursive:
                # What is there before the recursion, then once more with it: a second turn adds nothing new.
                body = table.query.body
                first = body.left if isinstance(body, n.SetOperation) else body
                self.common[table.name] = self._named(table, merge(self._body(first, scope)))
            self.common[table.name] = self._named(table, self.merged(table.query, scope))

    @staticmethod
    def _named(table: n.CommonTable, output: Output) -> Output:
        for index, (out, name) in enumerate(zip(output.columns, table.columns, strict=False)):
            # Another Out: behind `*` this one may belong to another table of the WITH clause as well.
            output.columns[index] = Out(name, out.flow, out.constants, out.copy)
        return output

    def _order(self, query: n.Query, output: Output, scope: Scope | None) -> Reads:
        """With LIMIT, the order decides which rows there are."""
        names = {out.name: out for out in output.columns}
        found = NOTHING
        for item in query.order:
            if isinstance(item.expr, n.Column) and item.expr.parts[-1] in names:
                found |= names[item.expr.parts[-1]].flow.all
        return found

    def _body(self, body: n.Body, scope: Scope | None) -> list[Output]:
        if isinstance(body, n.Query):
            return self.outputs(body, scope)
        if isinstance(body, n.Select):
            return [self._select(body, scope)]
        left = self._body(body.left, scope)
        right = self._body(body.right, scope)
        if body.op == "union":
            return left + right
        compared = merge(right)
        for output in left:
            output.filters |= compared.filters | compared.rows
            output.uses += compared.uses
        return left

    # -- SELECT -----------------------------------------------------------------------------------------------

    def _select(self, node: n.Select, outer: Scope | None) -> Output:
        scope = Scope(outer)
        output = Output()
        joins: list[tuple[n.Join, list[Source], list[Source]]] = []
        for index, table in enumerate(node.tables):
            there = self._from(table, scope, joins)
            if index:
                output.filters |= frozenset(read for source in there[:1] for read in source.rows)
        self._restrict(node.where, scope, scope.sources)
        for join, left, right in joins:
            kept = {"inner": left + right, "left": right, "right": left}.get(join.kind, [])
            self._restrict(join.on, scope, kept)
        nullable = self._joins(joins, scope, output)
        for source in scope.sources:
            if not any(source is other for other in nullable):
                output.filters |= source.filters
            output.uses += self._uses(source)
        scope.rows = scope.sources[0].rows if scope.sources else NOTHING
        output.rows = scope.rows
        if node.connect is not None:
            # DG r_CONNECT_BY_clause: LEVEL is a pseudo column, which comes from what makes the hierarchy.
            scope.aliases["level"] = Out("level", Flow(), None)
            tree = self.reads(node.start, scope) | self.reads(node.connect, scope)
            scope.aliases["level"] = Out("level", Flow(condition=tree), None)
            output.filters |= tree
        output.filters |= self.reads(node.where, scope)
        self._items(node, scope, output)
        output.columns = [out for out in output.columns if out.name not in node.exclude]
        grouped = [item.expr for item in node.items] if node.group_all else self._grouped(node.group)
        for expr in grouped:
            if isinstance(expr, n.Star):
                continue
            output.filters |= self._group(expr, scope, output)
        output.filters |= self.reads(node.having, scope) | self.reads(node.qualify, scope)
        self.first = scope.sources[0] if scope.sources else None
        return output

    @staticmethod
    def _uses(source: Source) -> Counter[Relation]:
        if source.output is not None:
            return Counter(source.output.uses)
        return Counter(source.relations)

    def _joins(
        self, joins: list[tuple[n.Join, list[Source], list[Source]]], scope: Scope, output: Output
    ) -> list[Source]:
        """Put what joins decide where it belongs, and return the sources that an outer join may leave empty."""
        nullable: list[Source] = []
        for join, left, right in joins:
            empty = {"left": right, "right": left, "full": left + right}.get(join.kind, [])
            reads = self._on(join, left, right, scope)
            if not empty:
                output.filters |= reads
                continue
            for source in empty:
                reads |= source.filters
            for source in empty:
                source.extra |= reads
            nullable += empty
        return nullable

    def _on(self, join: n.Join, left: list[Source], right: list[Source], scope: Scope) -> Reads:
        if join.on is not None:
            return self.reads(join.on, scope)
        names = set(join.using)
        if join.natural:
            names = {out.name for source in left for out in source.columns()}
            names &= {out.name for source in right for out in source.columns()}
            if any(source.open for source in left + right):
                self.names.gap(join.pos, "NATURAL JOIN of a relation whose columns are not known")
        scope.joined |= names
        found = frozenset(read for source in right[:1] for read in source.rows) if not names else NOTHING
        for name in names:
            for side in (left, right):
                known = [out for out in (source.column(name) for source in side) if out is not None]
                known = known or [out for s in side if s.open for out in (s.column(name, guess=True),) if out]
                for out in known[:1]:
                    found |= out.flow.all
        return found

    def _items(self, node: n.Select, scope: Scope, output: Output) -> None:
        for item in node.items:
            if isinstance(item.expr, n.Star):
                self._star(item.expr, scope, output)
                continue
            out = self._item(item, scope)
            output.columns.append(out)
            if item.alias:
                # A lateral alias: DG r_SELECT_list. A column of FROM by the same name comes first.
                scope.aliases.setdefault(item.alias, out)

    def _item(self, item: n.SelectItem, scope: Scope) -> Out:
        node = item.expr
        name = item.alias or _name_of(node)
        if isinstance(node, n.Column):
            out = self.column(node, scope)
            return Out(name, out.flow, out.constants, out.copy)
        return Out(name, self.flow(node, scope), self.constants(node))

    def _star(self, node: n.Star, scope: Scope, output: Output) -> None:
        sources = scope.sources
        if node.parts:
            sources, _ = scope.find((*node.parts, ROWS))
        if not sources:
            self.names.gap(node.pos, f"{'.'.join((*node.parts, '*'))} names nothing that is read")
        for source in sources:
            there = {out.name for out in output.columns}
            for out in source.columns():
                if not (out.name in scope.joined and out.name in there):
                    output.columns.append(out)
            output.open += source.unknown()
            if source.anything is not None:
                output.columns.append(Out(source.alias, source.anything.under(source.extra)))

    def _grouped(self, items: list[n.Expr | n.Grouping]) -> Iterator[n.Expr]:
        for item in items:
            if isinstance(item, n.Grouping):
                yield from self._grouped(item.items)
            else:
                yield item

    def _group(self, node: n.Expr, scope: Scope, output: Output) -> Reads:
        if isinstance(node, n.Literal) and node.kind == "number":
            index = int(node.value) - 1 if node.value.isdigit() else -1
            return output.columns[index].flow.all if 0 <= index < len(output.columns) else NOTHING
        return self.reads(node, scope)

    # -- FROM -------------------------------------------------------------------------------------------------

    def _from(
        self, node: n.From, scope: Scope, joins: list[tuple[n.Join, list[Source], list[Source]]]
    ) -> list[Source]:
        """The sources of one entry, added to the scope."""
        if isinstance(node, n.Join):
            left = self._from(node.left, scope, joins)
            right = self._from(node.right, scope, joins)
            joins.append((node, left, right))
            return left + right
        source = self.source(node, scope)
        scope.sources.append(source)
        return [source]

    def source(self, node: n.From, scope: Scope) -> Source:
        """A table, a WITH table, a sub-query, a function, or a SUPER value that FROM navigates."""
        if isinstance(node, n.DerivedTable):
            output = self.merged(node.query, scope.outer)
            return Source(node.alias or "", output=output, renamed=node.columns)
        if isinstance(node, n.FunctionTable):
            flow = self.flow(node.call, scope)
            renamed = tuple(name for name, _ in node.columns)
            return Source(node.alias or node.call.name, anything=flow, renamed=() if flow else renamed)
        if isinstance(node, n.Unnest):
            return Source(node.alias, anything=self.flow(node.path, scope))
        if isinstance(node, n.Pivot | n.Unpivot):
            # Which of its columns comes from which of the input's is not followed: any may come from all of them.
            star = n.SelectItem(n.Star(pos=node.pos), None, pos=node.pos)
            output = self.merged(
                n.Query(n.Select([star], [node.input], pos=node.pos), pos=node.pos), scope.outer
            )
            if output.open:
                self.names.gap(node.pos, "the columns that PIVOT and UNPIVOT turn are not known")
            flow = Flow(condition=output.rows | output.filters)
            for out in output.columns:
                flow |= out.flow
            return Source(node.alias or "", anything=flow)
        assert isinstance(node, n.TableRef)
        alias = node.alias or node.parts[-1]
        if len(node.parts) == 1 and node.parts[0] in self.common:
            return Source(alias, output=self.common[node.parts[0]], renamed=node.columns)
        navigated = next((source for source in scope.sources if source.alias == node.parts[0]), None)
        if navigated is not None and len(node.parts) > 1:
            # DG query-super "Navigation" and "Unnesting": FROM t, t.items AS i.
            found = navigated.column(node.parts[1], guess=True)
            return Source(alias, anything=found.flow if found is not None else Flow())
        parts = () if node.alias else node.parts
        relations = self.names.relations(node.parts, node.pos)
        return Source(alias, parts, relations, renamed=node.columns)

    # -- rows that a constant chooses -------------------------------------------------------------------------

    def _restrict(self, node: n.Expr | None, scope: Scope, allowed: list[Source]) -> None:
        """Take `column = 'text'` and `column IN ('a', 'b')` of a conjunction into the sources' `only`."""
        if isinstance(node, n.Binary) and node.op == "and":
            self._restrict(node.left, scope, allowed)
            self._restrict(node.right, scope, allowed)
        elif isinstance(node, n.Binary) and node.op == "=":
            self._only(node.left, self.constants(node.right), scope, allowed)
            self._only(node.right, self.constants(node.left), scope, allowed)
        elif isinstance(node, n.InList) and not node.negated:
            listed = [self.constants(item) for item in node.items]
            known = [constants for constants in listed if constants is not None]
            if len(known) == len(listed):
                self._only(node.operand, frozenset().union(*known), scope, allowed)

    def _only(self, node: n.Expr, constants: Constants | None, scope: Scope, allowed: list[Source]) -> None:
        if constants is None or not isinstance(node, n.Column) or self.names.variable(node.parts) is not None:
            return
        sources, name = scope.find(node.parts)
        having = [s for s in sources if s.relations and s.column(name) is not None]
        if len(having) == 1 and any(having[0] is source for source in allowed):
            before = having[0].only.get(name)
            having[0].only[name] = constants if before is None else before & constants


def _name_of(node: n.Expr) -> str:
    """The name that a column gets without AS."""
    if isinstance(node, n.Column):
        return node.parts[-1]
    if isinstance(node, n.FunctionCall):
        return node.name
    if isinstance(node, n.Cast):
        return _name_of(node.operand)
    if isinstance(node, n.Attribute):
        return node.name
    return "case" if isinstance(node, n.Case) else "?column?"


def single(read: Read, output: Output) -> bool:
    """Whether a relation is read once in a query, so that a plain copy of its column speaks for its row."""
    return output.uses[read.relation] == 1
