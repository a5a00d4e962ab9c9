"""Expressions bound to their columns: PostgreSQL text and Redshift type in one walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployer.local.functions import registry
from deployer.local.functions.api import Call, Function
from deployer.local.translate import infer, intervals
from deployer.local.translate.api import Refused
from deployer.local.translate.casts import cast, pg_literal
from deployer.local.translate.context import Context
from deployer.local.translate.datatypes import pg_type, redshift_text
from deployer.local.translate.infer import Kind
from deployer.local.translate.nodes import (
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
    OrderItem,
    Parameter,
    Quantified,
    Query,
    ScalarQuery,
    Star,
    Subscript,
    Unary,
)
from deployer.local.translate.scope import Scope, Typed, no_column, resolve
from deployer.sql.names import quote_ident
from deployer.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    INTERVAL,
    SUPER,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
    VARCHAR,
    RedshiftType,
)

_ARITHMETIC = frozenset("+-*/%")
_COMPARISONS = frozenset(["=", "<>", "<", ">", "<=", ">="])
_DATES = frozenset("date time timetz timestamp timestamptz interval".split())
_BITWISE = frozenset(["<<", ">>", "&", "|", "#"])


def is_texty(kind: Kind) -> bool:
    """CHAR or VARCHAR, the types whose comparisons ignore trailing blanks (not the catalog's NAME)."""
    return kind is not None and kind.name in ("char", "varchar")


def blank_insensitive(value: Typed) -> str:
    """`value` so that PostgreSQL compares it without trailing blanks, as Redshift compares CHAR and VARCHAR.

    bpchar compares exactly like that, and the cast costs nothing: both types are stored alike.
    """
    if value.type is not None and value.type.name == "varchar":
        return f"({value.sql})::bpchar"
    return value.sql


class ExpressionBinder:
    """Binds expressions of one statement; `Binder` adds the queries."""

    def __init__(self, context: Context) -> None:
        self.context = context
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
        return self._methods[type(node)](node, scope)

    def nested(self, query: Query, scope: Scope) -> tuple[str, list[tuple[str, Kind]], Scope]:
        """A sub-query's text, its columns, and its own block."""
        raise NotImplementedError

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
        found = resolve(scope, node.parts, node.pos)
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

    def _navigate(self, node: Column, scope: Scope) -> Typed | None:
        """`column.attribute` and deeper: the longest beginning that is a SUPER column, then its attributes.

        A path that is not there is NULL (lax, the default of navigate_super_null_on_error). Attributes without
        quotes have been folded to lower case already, as on Redshift.
        """
        for size in range(len(node.parts) - 1, 0, -1):
            try:
                found = resolve(scope, node.parts[:size], node.pos)
            except Refused:
                continue
            if found is not None and found.type == SUPER:
                sql = f"({found.sql})::json"
                for attribute in node.parts[size:]:
                    sql = f"({sql} -> {pg_literal(attribute)})"
                return Typed(f"({sql})::redshift.super", SUPER)
        return None

    def _subscript(self, node: Subscript, scope: Scope) -> Typed:
        """`value[0]` on SUPER; on catalog tables, where arrays exist, PostgreSQL's own."""
        value, index = self.expr(node.operand, scope), self.expr(node.index, scope)
        if value.type == SUPER:
            return Typed(f"((({value.sql})::json -> ({index.sql})::integer))::redshift.super", SUPER)
        self.context.catalog_only.append(
            Refused("subscripted expressions are not supported on Redshift, except on SUPER", position=node.pos)
        )
        return Typed(f"({value.sql})[{index.sql}]", None)

    def _field(self, node: Attribute, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        if value.type != SUPER:
            raise Refused("only a SUPER value has attributes", position=node.pos, sqlstate="42809")
        return Typed(f"((({value.sql})::json -> {pg_literal(node.name)}))::redshift.super", SUPER)

    def _star(self, node: Star, scope: Scope) -> Typed:
        raise Refused("* is allowed in the select list and in COUNT(*) only", position=node.pos, sqlstate="42601")

    def _interval(self, node: IntervalLiteral, scope: Scope) -> Typed:
        return Typed(intervals.render(node), INTERVAL)

    # operators

    def _unary(self, node: Unary, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        if node.op == "not":
            return Typed(f"(NOT {value.sql})", BOOLEAN)
        kind = value.type
        if node.op in ("|/", "||/"):
            return Typed(f"({node.op} ({value.sql})::double precision)", DOUBLE)
        if kind is not None and kind.name == "varbyte" and node.op == "~":
            return Typed(f"redshift.bitwise('~', {value.sql}, {value.sql})", kind)
        if kind is not None and kind.name not in ("unknown", "interval") and not kind.is_numeric:
            raise Refused(
                f"operator does not exist: {node.op} {redshift_text(kind)}", position=node.pos, sqlstate="42883"
            )
        if kind == UNKNOWN:
            kind = None
        return self._sized(f"({node.op} {value.sql})", kind)

    def _binary(self, node: Binary, scope: Scope) -> Typed:
        op = node.op
        if op == "and" or op == "or":
            left, right = self.expr(node.left, scope), self.expr(node.right, scope)
            return Typed(f"({left.sql} {op.upper()} {right.sql})", BOOLEAN)
        left, right = self.expr(node.left, scope), self.expr(node.right, scope)
        if op in _COMPARISONS:
            return self.compare(op, left, right)
        if op in _ARITHMETIC:
            return self._arithmetic(node, left, right)
        if op == "||":
            return self._concatenate(node, left, right)
        if op == "^":
            return Typed(f"(({left.sql})::double precision ^ ({right.sql})::double precision)", DOUBLE)
        if op in _BITWISE and left.type is not None and left.type.name == "varbyte":
            return Typed(f"redshift.bitwise('{op}', {left.sql}, {right.sql})", left.type)
        if op in _BITWISE:
            kinds = [kind for kind in (left.type, right.type) if kind is not None and kind.is_integer]
            return Typed(f"({left.sql} {op} {right.sql})", infer.common(list(kinds)) if kinds else None)
        return self._regular_expression(node, left, right)

    def _regular_expression(self, node: Binary, left: Typed, right: Typed) -> Typed:
        """~ and its kin are POSIX operators; the double ones spell LIKE."""
        op = node.op
        if op in ("~*", "!~*"):
            message = f"operator {op} is not supported on Redshift; use ~ with LOWER(), or REGEXP_INSTR"
            self.context.over_user_tables.append(Refused(message, position=node.pos))
        return Typed(f"({left.sql} {op} {right.sql})", BOOLEAN)

    def compare(self, op: str, left: Typed, right: Typed) -> Typed:
        """A comparison; of texts, without trailing blanks."""
        a, b = self._comparable(left, right)
        return Typed(f"({a} {op} {b})", BOOLEAN)

    def _comparable(self, left: Typed, right: Typed) -> tuple[str, str]:
        if (is_texty(left.type) and (is_texty(right.type) or right.type == UNKNOWN)) or (
            is_texty(right.type) and left.type == UNKNOWN
        ):
            return blank_insensitive(left), blank_insensitive(right)
        return left.sql, right.sql

    def _arithmetic(self, node: Binary, left: Typed, right: Typed) -> Typed:
        op, a, b = node.op, left.type, right.type
        plain = f"({left.sql} {op} {right.sql})"
        if (a is not None and a.name in _DATES) or (b is not None and b.name in _DATES):
            return self._date_arithmetic(node, left, right, plain)
        decimals = (a is not None and a.is_decimal) or (b is not None and b.is_decimal)
        if a is None or b is None or UNKNOWN in (a, b):
            if op == "+" and (is_texty(a) or is_texty(b)):
                return self._concatenate(node, left, right)
            if decimals:
                self._undetermined(node, "the type of the other operand cannot be told")
            known = a if b in (None, UNKNOWN) else b
            return Typed(plain, None if known == UNKNOWN or None in (a, b) else known)
        if op == "+" and a.is_text and b.is_text:
            # The guide's NVL2 page joins names with it.
            return self._concatenate(node, left, right)
        if not (a.is_numeric and b.is_numeric):
            raise Refused(
                f"operator does not exist: {redshift_text(a)} {op} {redshift_text(b)}; use an explicit CAST",
                position=node.pos,
                sqlstate="42883",
            )
        try:
            kind = infer.arithmetic(op, a, b)
        except infer.Undetermined as error:
            if self.context.only_catalogs:
                return Typed(plain, None)
            self._undetermined(node, str(error))
        if kind.is_float and op == "%":
            raise Refused("% takes integers and DECIMAL on Redshift, no floats", position=node.pos, sqlstate="42883")
        if kind.is_decimal and op == "/":
            # PostgreSQL keeps at least the dividend's scale in a quotient: give it the scale that is wanted.
            wide = f"({left.sql})::numeric(76,{kind.scale})"
            return Typed(f"({wide} / {right.sql})::{pg_type(kind)}", kind)
        if kind == DOUBLE and not (a == b == DOUBLE):
            return Typed(f"(({left.sql})::double precision {op} ({right.sql})::double precision)", kind)
        return self._sized(plain, kind)

    def _undetermined(self, node: Expr, why: str) -> Any:
        raise Refused(
            f"the result type of this DECIMAL operation cannot be told: {why}; CAST the operands to DECIMAL(p, s)",
            position=node.pos,
            sqlstate="42804",
        )

    def _sized(self, sql: str, kind: Kind) -> Typed:
        if kind is not None and kind.is_decimal and kind.precision is not None:
            return Typed(f"{sql}::{pg_type(kind)}", kind)
        return Typed(sql, kind)

    def _date_arithmetic(self, node: Binary, left: Typed, right: Typed, plain: str) -> Typed:
        a, b = left.type, right.type
        if a is None or b is None:
            return Typed(plain, None)
        if UNKNOWN in (a, b):
            # PostgreSQL reads the literal as the other side's type, or as an interval beside a timestamp
            other = b if a == UNKNOWN else a
            if node.op == "-" and other.name in ("date", "timestamp", "timestamptz"):
                return Typed(plain, infer.date_arithmetic("-", other, other))
            raise Refused(
                "the type of a string literal in date arithmetic is not clear; write INTERVAL '...' or DATE '...'",
                position=node.pos,
                sqlstate="42725",
            )
        kind = infer.date_arithmetic(node.op, a, b)
        if kind is None:
            raise Refused(
                f"operator does not exist: {redshift_text(a)} {node.op} {redshift_text(b)}; use DATEADD or DATEDIFF",
                position=node.pos,
                sqlstate="42883",
            )
        if kind.name == "date" and "bigint" in (a.name, b.name):
            left_sql = f"({left.sql})::integer" if a.name == "bigint" else left.sql
            right_sql = f"({right.sql})::integer" if b.name == "bigint" else right.sql
            return Typed(f"({left_sql} {node.op} {right_sql})", kind)
        return Typed(plain, kind)

    def _concatenate(self, node: Binary, left: Typed, right: Typed) -> Typed:
        if left.type is not None and left.type == right.type and left.type.name == "varbyte":
            return Typed(f"({left.sql} || {right.sql})", RedshiftType("varbyte"))
        sides: list[str] = []
        for side in (left, right):
            if side.type is not None and side.type.name in ("boolean", "super", "varbyte", "interval"):
                raise Refused(
                    f"|| does not take {side.type.name.upper()}; CAST it to VARCHAR", position=node.pos,
                    sqlstate="42883",
                )  # fmt: skip
            plain = side.type is None or side.type == UNKNOWN or side.type.is_text
            sides.append(side.sql if plain else f"({side.sql})::text")
        kinds = [self._text_type(left, node.left), self._text_type(right, node.right)]
        return Typed(f"({sides[0]} || {sides[1]})", infer.concatenation(*kinds))

    def _text_type(self, value: Typed, node: Expr) -> RedshiftType:
        if isinstance(node, Literal) and node.kind == "string":
            return RedshiftType("varchar", length=len(node.value.encode()))
        if value.type is not None and value.type.is_text:
            return value.type
        return VARCHAR

    # predicates

    def _is_test(self, node: IsTest, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        return Typed(f"({value.sql} IS {'NOT ' if node.negated else ''}{node.test.upper()})", BOOLEAN)

    def _between(self, node: Between, scope: Scope) -> Typed:
        value, low, high = (self.expr(part, scope) for part in (node.operand, node.low, node.high))
        word = "NOT BETWEEN" if node.negated else "BETWEEN"
        if is_texty(value.type) or (is_texty(low.type) and value.type == UNKNOWN):
            value_sql, low_sql, high_sql = (blank_insensitive(part) for part in (value, low, high))
            return Typed(f"({value_sql} {word} {low_sql} AND {high_sql})", BOOLEAN)
        return Typed(f"({value.sql} {word} {low.sql} AND {high.sql})", BOOLEAN)

    def _in_list(self, node: InList, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        items = [self.expr(item, scope) for item in node.items]
        word = "NOT IN" if node.negated else "IN"
        if is_texty(value.type) or (value.type == UNKNOWN and any(is_texty(item.type) for item in items)):
            listed = ", ".join(blank_insensitive(item) for item in items)
            return Typed(f"({blank_insensitive(value)} {word} ({listed}))", BOOLEAN)
        return Typed(f"({value.sql} {word} ({', '.join(item.sql for item in items)}))", BOOLEAN)

    def _in_query(self, node: InQuery, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        sql, columns, inner = self.nested(node.query, scope)
        self._one_column(columns, node.pos)
        self._check_in_query(node, inner)
        word = "NOT IN" if node.negated else "IN"
        if is_texty(value.type) and is_texty(columns[0][1]):
            sql = f'SELECT "c"::bpchar FROM ({sql}) AS "q"("c")'
            return Typed(f"({blank_insensitive(value)} {word} ({sql}))", BOOLEAN)
        return Typed(f"({value.sql} {word} ({sql}))", BOOLEAN)

    def _check_in_query(self, node: InQuery, inner: Scope) -> None:
        body = node.query.body
        group = getattr(body, "group", None)
        if inner.correlated and group:
            self.context.over_user_tables.append(
                Refused(
                    "This type of correlated subquery pattern is not supported yet: a correlated sub-query with GROUP "
                    "BY connected by IN",
                    position=node.pos,
                )
            )

    def _one_column(self, columns: list[tuple[str, Kind]], pos: int) -> None:
        if len(columns) != 1:
            raise Refused("subquery must return only one column", position=pos, sqlstate="42601")

    def _like(self, node: Like, scope: Scope) -> Typed:
        value, pattern = self.expr(node.operand, scope), self.expr(node.pattern, scope)
        for side in (value, pattern):
            if side.type is not None and not side.type.is_text and side.type != UNKNOWN:
                raise Refused(
                    f"{node.op.upper()} takes text, not {redshift_text(side.type)}; CAST it to VARCHAR",
                    position=node.pos,
                    sqlstate="42883",
                )
        word = {"like": "LIKE", "ilike": "ILIKE", "similar": "SIMILAR TO"}[node.op]
        sql = f"{value.sql} {'NOT ' if node.negated else ''}{word} {pattern.sql}"
        if node.escape is not None:
            sql += f" ESCAPE {self.expr(node.escape, scope).sql}"
        return Typed(f"({sql})", BOOLEAN)

    def _quantified(self, node: Quantified, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        if isinstance(node.argument, Query):
            sql, columns, _ = self.nested(node.argument, scope)
            self._one_column(columns, node.pos)
            if is_texty(value.type) and is_texty(columns[0][1]):
                sql = f'SELECT "c"::bpchar FROM ({sql}) AS "q"("c")'
                return Typed(f"({blank_insensitive(value)} {node.op} {node.word.upper()} ({sql}))", BOOLEAN)
            return Typed(f"({value.sql} {node.op} {node.word.upper()} ({sql}))", BOOLEAN)
        array = self.expr(node.argument, scope)
        return Typed(f"({value.sql} {node.op} {node.word.upper()} ({array.sql}))", BOOLEAN)

    def _exists(self, node: Exists, scope: Scope) -> Typed:
        sql, _, _ = self.nested(node.query, scope)
        return Typed(f"(EXISTS ({sql}))", BOOLEAN)

    def _scalar(self, node: ScalarQuery, scope: Scope) -> Typed:
        sql, columns, _ = self.nested(node.query, scope)
        self._one_column(columns, node.pos)
        return Typed(f"({sql})", columns[0][1])

    def _case(self, node: Case, scope: Scope) -> Typed:
        parts = ["CASE"]
        operand = None if node.operand is None else self.expr(node.operand, scope)
        tests = [self.expr(test, scope) for test, _ in node.whens]
        results = [self.expr(result, scope) for _, result in node.whens]
        if operand is not None:
            texts = is_texty(operand.type) or any(is_texty(test.type) for test in tests)
            parts.append(blank_insensitive(operand) if texts else operand.sql)
            test_sql = [blank_insensitive(test) if texts else test.sql for test in tests]
        else:
            test_sql = [test.sql for test in tests]
        for test, result in zip(test_sql, results, strict=True):
            parts.append(f"WHEN {test} THEN {result.sql}")
        if node.default is not None:
            results.append(self.expr(node.default, scope))
            parts.append(f"ELSE {results[-1].sql}")
        nodes = [result for _, result in node.whens] + ([node.default] if node.default is not None else [])
        kind = self.together([self.literal_type(value, at) for value, at in zip(results, nodes, strict=True)], node.pos)
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
        return cast(value, node.type, node.operand)

    def _catalog_cast(self, value: Typed, node: Cast) -> str:
        """Casts that clients use on catalog tables; arrays are taken as text[]."""
        return f"({value.sql})::{'text[]' if node.type.name == 'array' else node.type.name}"

    def _at_time_zone(self, node: AtTimeZone, scope: Scope) -> Typed:
        value, zone = self.expr(node.operand, scope), self.expr(node.zone, scope)
        kind = value.type
        if kind is None or kind.name not in ("timestamp", "timestamptz", "date"):
            raise Refused("AT TIME ZONE takes a TIMESTAMP or TIMESTAMPTZ; use an explicit CAST", position=node.pos)
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

    # calls

    def _call(self, node: FunctionCall, scope: Scope) -> Typed:
        if node.schema not in ("", "pg_catalog"):
            raise Refused(
                f"function {node.schema}.{node.name}(...) does not exist: user-defined functions are not supported by "
                "the local Redshift",
                position=node.pos,
                sqlstate="42883",
            )
        if node.name in ("grouping", "grouping_id"):
            listed = ", ".join(self.expr(arg, scope).sql for arg in node.args)
            return Typed(f"GROUPING({listed})", INTEGER)
        try:
            function = registry.lookup(node.name)
            return self._render(node, function, scope)
        except Refused as error:
            if error.position is None:
                error.position = node.pos
            raise

    def _render(self, node: FunctionCall, function: Function, scope: Scope) -> Typed:
        if function.bare != node.bare and not (function.bare and not node.args):
            raise Refused(f"{node.name.upper()} needs its argument list", sqlstate="42601")
        if function.leader_only:
            self.context.leader_only.append((node.name, node.pos))
        if function.compute_only:
            self.context.compute_only.append((node.name, node.pos))
        values = [
            Typed(pg_literal(""), UNKNOWN) if function.datepart and index == 0 else self.expr(arg, scope)
            for index, arg in enumerate(node.args)
        ]
        types = tuple(value.type for value in values)
        within = [self.order_item(item, scope) for item in node.within]
        order_types = tuple(value.type for _, value in within)
        if node.over is None:
            self._one_order(function, values, within, scope)
        partition = order = over = ""
        if node.over is not None:
            scope.has_window = True
            partition = ", ".join(self.expr(item, scope).sql for item in node.over.partition)
            order = ", ".join(self.order_item(item, scope)[0] for item in node.over.order)
            parts = [
                f"PARTITION BY {partition}" if partition else "",
                f"ORDER BY {order}" if order else "",
                node.over.frame,
            ]
            over = f"OVER ({' '.join(part for part in parts if part)})"
        result = registry.result_type(function, types, order_types, tuple(node.args))
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
            raise Refused("within group ORDER BY clauses for aggregate functions must be the same", sqlstate="0A000")
        scope.sorted_by = order

    def order_item(self, item: OrderItem, scope: Scope) -> tuple[str, Typed]:
        """One sort expression, rendered with its direction, and its value."""
        value = self.expr(item.expr, scope)
        if isinstance(item.expr, Literal) and item.expr.kind == "string":
            value = Typed(f"{value.sql}::character varying", VARCHAR)
        return value.sql + _direction(item), value


def _direction(item: OrderItem) -> str:
    text = " DESC" if item.descending else ""
    return text + (f" NULLS {item.nulls.upper()}" if item.nulls else "")


def _known_qualifier(scope: Scope, qualifier: tuple[str, ...]) -> bool:
    block: Scope | None = scope
    while block is not None:
        if block.matching(qualifier):
            return True
        block = block.parent
    return False


def column_name(node: Expr) -> str:
    """The name that Redshift gives an output column without an alias, as PostgreSQL 8 does."""
    if isinstance(node, Column):
        return node.parts[-1]
    if isinstance(node, FunctionCall):
        return {"extract": "date_part", "current_user_id": "current_user_id"}.get(node.name, node.name)
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


__all__ = ["BIGINT", "ExpressionBinder", "blank_insensitive", "column_name", "is_texty", "quote_ident"]
