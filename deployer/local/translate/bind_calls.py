"""Calls: the function whitelist asked, OVER and WITHIN GROUP rendered."""

from __future__ import annotations

from dataclasses import replace

from deployer.local.functions import registry
from deployer.local.functions.api import Call, Function
from deployer.local.translate import table_functions
from deployer.local.translate.bind_base import check_collations, compared, folds
from deployer.local.translate.bind_functions import UserFunctionBinder
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.scope import Scope, Typed
from deployer.sql.functions import OF_COMMENTS
from deployer.sql.parse.nodes import FunctionCall, Literal, OrderItem
from deployer.sql.refused import Refused
from deployer.sql.types import INTEGER, UNKNOWN, VARCHAR

_BY_COLLATION = frozenset(
    """
    regexp_count regexp_instr regexp_replace regexp_substr strpos charindex position greatest least bpcharcmp
    bttext_pattern_cmp
    """.split()
)
"""They follow the collation of their arguments (r_CREATE_DATABASE); case-insensitive ones are refused."""


class CallBinder(UserFunctionBinder):
    """Binds calls."""

    def _call(self, node: FunctionCall, scope: Scope) -> Typed:
        if node.schema not in ("", "pg_catalog"):
            user_made = self.user_function(node, scope)
            if user_made is None:
                raise Refused(
                    f"function {node.schema}.{node.name}(...) does not exist",
                    position=node.pos,
                    sqlstate="42883",
                )
            return user_made
        if node.name in ("grouping", "grouping_id"):
            one_of, scope.one_of = scope.one_of, {}
            values = [self.expr(arg, scope) for arg in node.args]
            scope.one_of = one_of
            listed = ", ".join(compared(value) if value.sql in one_of else value.sql for value in values)
            return Typed(f"GROUPING({listed})", INTEGER)
        if node.name == "collate" and node.schema == "":
            return self._collate(node, scope)
        if table_functions.is_one(node.name) and not node.schema:
            return self._records(node, scope)
        try:
            function = registry.lookup(node.name, newer_client=node.schema == "pg_catalog")
            return self._render(node, function, scope)
        except Refused as error:
            # DG udf-naming-udfs: "a built-in function runs before a new UDF with the same name".
            user_made = None if node.name in registry.FUNCTIONS else self.user_function(node, scope)
            if user_made is not None:
                return user_made
            if error.position is None:
                error.position = node.pos
            raise

    def _records(self, node: FunctionCall, scope: Scope) -> Typed:
        """PG_GET_COLS('view') in a select list: a row each, as the text of a record (PG_GET_COLS)."""
        table_functions.check_arguments(node)
        relation = table_functions.relation(node.name)
        self.context.reads[relation.name] = relation
        given = ", ".join(f"({self.expr(one, scope).sql})::text" for one in node.args)
        return Typed(f"(zeroshift.{node.name}({given}))::text", VARCHAR)

    def _collate(self, node: FunctionCall, scope: Scope) -> Typed:
        """COLLATE(text, 'case_sensitive' | 'cs' | 'case_insensitive' | 'ci'): as r_COLLATE has it."""
        name = node.args[1] if len(node.args) == 2 else None
        collations = {"case_sensitive": "", "cs": "", "case_insensitive": "ci", "ci": "ci"}
        if not isinstance(name, Literal) or name.kind != "string" or name.value.lower() not in collations:
            raise Refused(
                "COLLATE takes a text and 'case_sensitive' or 'case_insensitive'",
                position=node.pos,
                sqlstate="42601",
            )
        value = self.expr(node.args[0], scope)
        kind = VARCHAR if value.type == UNKNOWN else value.type
        if kind is None or not kind.is_text:
            raise Refused("COLLATE takes a CHAR or VARCHAR", position=node.pos, sqlstate="42883")
        collation = collations[name.value.lower()]
        if collation and self.context.only_catalogs:
            raise Refused(
                "Case insensitive collation is not supported in leader node only query.", position=node.pos
            )
        return Typed(f"({value.sql})", replace(kind, collation=collation))

    def _render(self, node: FunctionCall, function: Function, scope: Scope) -> Typed:
        if function.bare != node.bare and not (function.bare and not node.args):
            raise Refused(f"{node.name.upper()} needs its argument list", sqlstate="42601")
        if function.unsupported and node.schema != "pg_catalog":
            context = self.context
            beside = context.over_user_tables if function.name in OF_COMMENTS else context.catalog_only
            beside.append(
                Refused(
                    f"function {node.name}() is not supported on Redshift, but in queries that read the system catalog "
                    f"only: {function.unsupported}",
                    position=node.pos,
                    sqlstate="42883",
                )
            )
        if function.leader_only:
            self.context.leader_only.append((node.name, node.pos))
        if function.compute_only:
            self.context.compute_only.append((node.name, node.pos))
        aggregated = function.kind == "aggregate" and node.over is None
        one_of = scope.one_of
        if aggregated:
            scope.one_of = {}
        values = [
            Typed(pg_literal(""), UNKNOWN) if function.datepart and index == 0 else self.expr(arg, scope)
            for index, arg in enumerate(node.args)
        ]
        types = tuple(value.type for value in values)
        fold = check_collations(values, node.pos)
        if fold and function.name in _BY_COLLATION:
            raise Refused(
                f"{node.name.upper()} on case-insensitive text is not run by the local Redshift yet; use "
                "COLLATE(..., 'case_sensitive') or LOWER(...)"
            )
        within = [self.order_item(item, scope) for item in node.within]
        scope.one_of = one_of
        order_types = tuple(value.type for _, value in within)
        if node.over is None:
            self._one_order(function, values, within, scope)
        partition = order = over = ""
        if node.over is not None:
            scope.has_window = True
            partition = ", ".join(compared(self.expr(item, scope)) for item in node.over.partition)
            order = ", ".join(
                compared(value) + _direction(item)
                for item in node.over.order
                for value in [self.order_item(item, scope)[1]]
            )
            parts = [
                f"PARTITION BY {partition}" if partition else "",
                f"ORDER BY {order}" if order else "",
                node.over.frame,
            ]
            over = f"OVER ({' '.join(part for part in parts if part)})"
        result = registry.result_type(function, types, order_types, tuple(node.args))
        if fold and result is not None and result.is_text:
            result = replace(result, collation="ci")
        call = Call(
            name=node.name,
            args=tuple(value.sql for value in values),
            types=types,
            nodes=tuple(node.args),
            result=result,
            distinct=node.distinct,
            order_by=", ".join(text for text, _ in within),
            over=over,
            order_types=order_types,
            ignore_nulls=node.ignore_nulls,
            partition_by=partition,
            window_order_by=order,
            frame="" if node.over is None else node.over.frame,
            star=node.star,
        )
        sql = registry.render(function, call)
        if result is None and any(kind is not None and kind.is_decimal and kind.precision for kind in types):
            if function.result is not None:
                raise Refused(
                    f"the result type of {node.name.upper()} over DECIMAL cannot be told; CAST its arguments to one "
                    "DECIMAL(p, s)",
                    sqlstate="42804",
                )
        if result is not None and result.is_decimal and result.precision is not None:
            return Typed(f"({sql})::{pg_type(result)}", result)
        return Typed(f"({sql})" if over or " " in sql else sql, result)

    def _one_order(
        self, function: Function, values: list[Typed], within: list[tuple[str, Typed]], scope: Scope
    ) -> None:
        """LISTAGG, MEDIAN and PERCENTILE_CONT of one query block sort by the same expressions (r_MEDIAN)."""
        order = ", ".join(text for text, _ in within)
        if function.name == "median" and values:
            order = values[0].sql
        if not order or function.name == "percentile_disc":
            return
        if scope.sorted_by not in ("", order):
            raise Refused(
                "within group ORDER BY clauses for aggregate functions must be the same", sqlstate="0A000"
            )
        scope.sorted_by = order

    def order_item(self, item: OrderItem, scope: Scope) -> tuple[str, Typed]:
        """One sort expression, rendered with its direction, and its value."""
        if isinstance(item.expr, Literal) and item.expr.kind == "string":
            raise Refused(
                "Redshift doesn't support string literals in ORDER BY clauses", position=item.expr.pos
            )
        value = self.expr(item.expr, scope)
        return (compared(value) if folds(value) else value.sql) + _direction(item), value


def _direction(item: OrderItem) -> str:
    text = " DESC" if item.descending else ""
    return text + (f" NULLS {item.nulls.upper()}" if item.nulls else "")
