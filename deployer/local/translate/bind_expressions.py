"""Expressions bound to their columns: PostgreSQL text and Redshift type in one walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deployer.local.translate import infer, intervals, supers
from deployer.local.translate.bind_base import blank_insensitive, check_collations, is_texty
from deployer.local.translate.bind_calls import CallBinder
from deployer.local.translate.bind_operators import OperatorBinder
from deployer.local.translate.bind_predicates import PredicateBinder
from deployer.local.translate.casts import cast, pg_literal, try_cast
from deployer.local.translate.context import FORBID_COMPOSITE, Context
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Typed, no_column, resolve
from deployer.sql.names import quote_ident
from deployer.sql.parse.nodes import (
    AtTimeZone,
    Attribute,
    Between,
    Binary,
    Case,
    Cast,
    CatalogOnly,
    Column,
    Exists,
    Expr,
    FunctionCall,
    InList,
    InQuery,
    IntervalLiteral,
    IsTest,
    Like,
    Literal,
    Parameter,
    Quantified,
    Query,
    ScalarQuery,
    Star,
    Subscript,
    Unary,
)
from deployer.sql.refused import Refused
from deployer.sql.types import (
    BOOLEAN,
    DOUBLE,
    INTERVAL,
    SUPER,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
    RedshiftType,
)

_SUPER_CASE = "enable_case_sensitive_super_attribute"


class ExpressionBinder(OperatorBinder, PredicateBinder, CallBinder):
    """Binds whole expressions; `Binder` adds the queries."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.grouped = 0
        """How many blocks around have one_of."""
        self.merging = False
        """Whether the expressions are those of MERGE, where SUPER columns are read whole (r_MERGE)."""
        self._methods: dict[type[Expr], Callable[[Any, Scope], Typed]] = {
            Literal: self._literal,
            Parameter: self._parameter,
            Column: self._column,
            Star: self._star,
            Unary: self._unary,
            Binary: self._binary,
            IsTest: self._is_test,
            Between: self._between,
            InList: self._in_list,
            InQuery: self._in_query,
            Like: self._like,
            Quantified: self._quantified,
            Exists: self._exists,
            ScalarQuery: self._scalar,
            Case: self._case,
            Cast: self._cast,
            IntervalLiteral: self._interval,
            FunctionCall: self._call,
            AtTimeZone: self._at_time_zone,
            CatalogOnly: self._catalog_only,
            Subscript: self._subscript,
            Attribute: self._field,
        }

    def expr(self, node: Expr, scope: Scope) -> Typed:
        """`node` as PostgreSQL text, complete in itself: it can be put anywhere without more parentheses."""
        value = self._methods[type(node)](node, scope)
        if self.grouped:
            block: Scope | None = scope
            inner: set[str] = set()
            while block is not None:
                if value.sql in block.one_of and not any(alias in value.sql for alias in inner):
                    return Typed(block.one_of[value.sql], value.type)
                # Names of this block hide the same ones further out.
                inner.update(f"{quote_ident(one.alias)}." for one in block.sources)
                block = block.parent
        return value

    # leaves

    def _literal(self, node: Literal, scope: Scope) -> Typed:
        if node.kind == "string":
            return Typed(pg_literal(node.value), UNKNOWN)
        if node.kind == "number":
            try:
                kind = infer.number_literal(node.value)
            except infer.Undetermined as error:
                raise Refused(str(error), position=node.pos, sqlstate="22003") from None
            sql = f"({node.value})" if node.value.startswith("-") else node.value
            if kind == DOUBLE or kind.is_decimal:
                return Typed(f"({node.value})::{pg_type(kind)}", kind)
            return Typed(sql, kind)
        if node.kind == "null":
            return Typed("NULL", UNKNOWN)
        if node.kind == "default":
            raise Refused("DEFAULT is not allowed in this context", position=node.pos, sqlstate="42601")
        return Typed(node.kind.upper(), BOOLEAN)

    def _parameter(self, node: Parameter, scope: Scope) -> Typed:
        return Typed(f"${node.number}", self.context.variables.get(f"${node.number}", UNKNOWN))

    def _column(self, node: Column, scope: Scope) -> Typed:
        parts = self._super_parts(node, scope)
        found = resolve(scope, parts, node.pos)
        variable = None
        if len(node.parts) <= 2:
            name = ".".join(node.parts)
            if name in self.context.variables:
                if found is not None:
                    raise Refused(
                        f'column reference "{name}" is ambiguous: it could be the procedure\'s variable or a column; '
                        "qualify the column with its table, or rename the variable",
                        position=node.pos,
                        sqlstate="42702",
                    )
                variable = self.context.variable(name)
        if variable is not None:
            return variable
        if found is not None:
            return Typed(found.sql, found.type)
        if len(node.parts) == 1 and node.parts[0] in scope.aliases:
            return scope.aliases[node.parts[0]]
        navigated = self._navigate(node, scope)
        if navigated is not None:
            return navigated
        if len(node.parts) > 1 and not _known_qualifier(scope, node.parts[:-1]):
            raise Refused(
                f'relation "{".".join(node.parts[:-1])}" is not part of this query\'s FROM clause',
                position=node.pos,
                sqlstate="42P01",
            )
        raise no_column(node.parts, node.pos)

    def _super_parts(self, node: Column, scope: Scope) -> tuple[str, ...]:
        """The parts, with an attribute of a SUPER element as it was written where the session tells case apart."""
        if node.written and len(node.parts) > 1 and self.context.is_on(_SUPER_CASE):
            block: Scope | None = scope
            while block is not None:
                if any(one.element is not None for one in block.matching(node.parts[:1])):
                    return (node.parts[0], *node.written[1:])
                block = block.parent
        return node.parts

    def _navigate(self, node: Column, scope: Scope) -> Typed | None:
        """`column.attribute` and deeper: the longest beginning that is a SUPER column, then its attributes.

        A path that is not there is NULL (lax, the default of navigate_super_null_on_error). Attributes without
        quotes have been folded to lower case, as on Redshift unless enable_case_sensitive_super_attribute is on.
        """
        names = node.written if node.written and self.context.is_on(_SUPER_CASE) else node.parts
        for size in range(len(node.parts) - 1, 0, -1):
            try:
                found = resolve(scope, self._super_parts(node, scope)[:size], node.pos)
            except Refused:
                continue
            if found is not None and found.type == SUPER:
                sql = f"({found.sql})::json"
                for attribute in names[size:]:
                    sql = f"({sql} -> {pg_literal(attribute)})"
                return self._part(sql, node.pos)
        return None

    def _part(self, sql: str, pos: int) -> Typed:
        if self.merging:
            raise Refused(
                "Partial reference of SUPER column is not supported in MERGE statement.", position=pos
            )
        return Typed(f"redshift.super_part({sql})", SUPER)

    def _subscript(self, node: Subscript, scope: Scope) -> Typed:
        """`value[0]` on SUPER; on catalog tables, where arrays exist, PostgreSQL's own."""
        value, index = self.expr(node.operand, scope), self.expr(node.index, scope)
        if value.type == SUPER:
            return self._part(f"(({value.sql})::json -> ({index.sql})::integer)", node.pos)
        self.context.catalog_only.append(
            Refused(
                "subscripted expressions are not supported on Redshift, except on SUPER", position=node.pos
            )
        )
        return Typed(f"({value.sql})[{index.sql}]", None)

    def _field(self, node: Attribute, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        if value.type != SUPER:
            raise Refused("only a SUPER value has attributes", position=node.pos, sqlstate="42809")
        name = node.written if node.written and self.context.is_on(_SUPER_CASE) else node.name
        return self._part(f"(({value.sql})::json -> {pg_literal(name)})", node.pos)

    def _star(self, node: Star, scope: Scope) -> Typed:
        raise Refused(
            "* is allowed in the select list and in COUNT(*) only", position=node.pos, sqlstate="42601"
        )

    def _interval(self, node: IntervalLiteral, scope: Scope) -> Typed:
        return Typed(intervals.render(node, forbid=self.context.is_on(FORBID_COMPOSITE)), INTERVAL)

    def _case(self, node: Case, scope: Scope) -> Typed:
        parts = ["CASE"]
        operand = None if node.operand is None else self.expr(node.operand, scope)
        tests = [self.expr(test, scope) for test, _ in node.whens]
        results = [self.expr(result, scope) for _, result in node.whens]
        if operand is not None:
            texts = is_texty(operand.type) or any(is_texty(test.type) for test in tests)
            fold = check_collations((operand, *tests), node.pos)
            if SUPER in (operand.type, *(test.type for test in tests)):
                test_sql = [self.compare("=", operand, test, node.pos).sql for test in tests]
            else:
                parts.append(blank_insensitive(operand, fold) if texts else operand.sql)
                test_sql = [blank_insensitive(test, fold) if texts else test.sql for test in tests]
        else:
            test_sql = [test.sql for test in tests]
        if node.default is not None:
            results.append(self.expr(node.default, scope))
        if any(result.type == SUPER for result in results):
            # CAN_JSON_PARSE: a string literal beside a SUPER is a SUPER string, not JSON.
            results = [
                Typed(supers.as_super(result), SUPER) if result.type == UNKNOWN else result
                for result in results
            ]
        parts += [f"WHEN {test} THEN {result.sql}" for test, result in zip(test_sql, results, strict=False)]
        if node.default is not None:
            parts.append(f"ELSE {results[-1].sql}")
        nodes = [result for _, result in node.whens] + ([node.default] if node.default is not None else [])
        fold = check_collations(results, node.pos)
        kind = self.together(
            [self.literal_type(value, at) for value, at in zip(results, nodes, strict=True)], node.pos
        )
        if fold and kind is not None:
            kind = replace(kind, collation="ci")
        return self._sized(f"({' '.join(parts)} END)", kind)

    def literal_type(self, value: Typed, node: Expr) -> Kind:
        """The type of a value that others are to meet: NULL and bare strings adapt to them."""
        return value.type

    def together(self, kinds: list[Kind], pos: int) -> Kind:
        """The one type of several values. Refuses when it cannot be told and a DECIMAL is among them."""
        kind = infer.common(kinds)
        if kind is None and any(one is not None and one.is_decimal and one.precision for one in kinds):
            raise Refused(
                "the type that a DECIMAL meets here cannot be told; CAST each value to one DECIMAL(p, s)",
                position=pos,
                sqlstate="42804",
            )
        return kind

    def _cast(self, node: Cast, scope: Scope) -> Typed:
        if node.typed_literal and isinstance(node.operand, Literal):
            return Typed(f"{pg_literal(node.operand.value)}::{pg_type(node.type)}", node.type)
        value = self.expr(node.operand, scope)
        if node.type.name == "array" or node.type.name in ("oid", "name") or node.type.name.startswith("reg"):
            return Typed(self._catalog_cast(value, node), node.type)
        if node.lenient:
            return try_cast(value, node.type, node.operand)
        return cast(value, node.type, node.operand)

    def _catalog_cast(self, value: Typed, node: Cast) -> str:
        """Casts that clients use on catalog tables; arrays are taken as text[]."""
        return f"({value.sql})::{'text[]' if node.type.name == 'array' else node.type.name}"

    def _at_time_zone(self, node: AtTimeZone, scope: Scope) -> Typed:
        value, zone = self.expr(node.operand, scope), self.expr(node.zone, scope)
        kind = value.type
        if kind is None or kind.name not in ("timestamp", "timestamptz", "date"):
            raise Refused(
                "AT TIME ZONE takes a TIMESTAMP or TIMESTAMPTZ; use an explicit CAST", position=node.pos
            )
        sql = f"({value.sql})::timestamp" if kind.name == "date" else value.sql
        return Typed(f"({sql} AT TIME ZONE {zone.sql})", TIMESTAMP if kind == TIMESTAMPTZ else TIMESTAMPTZ)

    def _catalog_only(self, node: CatalogOnly, scope: Scope) -> Typed:
        texts = []
        for part in node.parts:
            if isinstance(part, str):
                texts.append(part)
            elif isinstance(part, Query):
                texts.append(self.nested(part, scope)[0])
            else:
                texts.append(self.expr(part, scope).sql)
        return Typed("".join(texts), None)


def _known_qualifier(scope: Scope, qualifier: tuple[str, ...]) -> bool:
    block: Scope | None = scope
    while block is not None:
        if block.matching(qualifier):
            return True
        block = block.parent
    return False


_CALLED = {
    "extract": "date_part",
    "date_part": "pgdate_part",
    "dateadd": "date_add",
    "datediff": "date_diff",
    "nvl": "coalesce",
    "decode": "case",
}
"""Functions whose columns have another name by default, each on the function's own page."""


def column_name(node: Expr) -> str:
    """The name that Redshift gives an output column without an alias, as PostgreSQL 8 does."""
    if isinstance(node, Column):
        return node.parts[-1]
    if isinstance(node, FunctionCall):
        if node.name == "nullif" and node.args:
            return column_name(node.args[0])
        return _CALLED.get(node.name, node.name)
    if isinstance(node, Cast):
        inner = "?column?" if node.typed_literal else column_name(node.operand)
        if inner == "?column?":
            return _type_label(node.type)
        return inner
    if isinstance(node, Case):
        named = column_name(node.default) if isinstance(node.default, Column | FunctionCall) else "case"
        return named
    return "?column?"


def _type_label(kind: RedshiftType) -> str:
    return {
        "smallint": "int2", "integer": "int4", "bigint": "int8", "decimal": "numeric", "real": "float4",
        "double": "float8", "boolean": "bool", "char": "bpchar",
    }.get(kind.name, kind.name)  # fmt: skip
