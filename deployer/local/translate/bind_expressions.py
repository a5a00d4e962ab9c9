"""Expressions bound to their columns: PostgreSQL text and Redshift type in one walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployer.local.translate import infer, intervals
from deployer.local.translate.bind_base import blank_insensitive, is_texty
from deployer.local.translate.bind_calls import CallBinder
from deployer.local.translate.bind_predicates import PredicateBinder
from deployer.local.translate.casts import cast, pg_literal
from deployer.local.translate.context import Context
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Typed, no_column, resolve
from deployer.sql.parse.datatypes import redshift_text
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
    VARCHAR,
    RedshiftType,
)

_ARITHMETIC = frozenset("+-*/%")
_COMPARISONS = frozenset(["=", "<>", "<", ">", "<=", ">="])
_DATES = frozenset("date time timetz timestamp timestamptz interval".split())
_BITWISE = frozenset(["<<", ">>", "&", "|", "#"])


class ExpressionBinder(PredicateBinder, CallBinder):
    """Binds whole expressions; `Binder` adds the queries."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
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
            Refused(
                "subscripted expressions are not supported on Redshift, except on SUPER", position=node.pos
            )
        )
        return Typed(f"({value.sql})[{index.sql}]", None)

    def _field(self, node: Attribute, scope: Scope) -> Typed:
        value = self.expr(node.operand, scope)
        if value.type != SUPER:
            raise Refused("only a SUPER value has attributes", position=node.pos, sqlstate="42809")
        return Typed(f"((({value.sql})::json -> {pg_literal(node.name)}))::redshift.super", SUPER)

    def _star(self, node: Star, scope: Scope) -> Typed:
        raise Refused(
            "* is allowed in the select list and in COUNT(*) only", position=node.pos, sqlstate="42601"
        )

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
                f"operator does not exist: {node.op} {redshift_text(kind)}",
                position=node.pos,
                sqlstate="42883",
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
        if is_texty(left.type) and right.type is not None and right.type.is_numeric:
            text, number = _text_and_number(left, right)
            return text, number
        if is_texty(right.type) and left.type is not None and left.type.is_numeric:
            text, number = _text_and_number(right, left)
            return number, text
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
            raise Refused(
                "% takes integers and DECIMAL on Redshift, no floats", position=node.pos, sqlstate="42883"
            )
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
        kind = self.together(
            [self.literal_type(value, at) for value, at in zip(results, nodes, strict=True)], node.pos
        )
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


def _text_and_number(text: Typed, number: Typed) -> tuple[str, str]:
    """Beside a DECIMAL a string is read as one; any other number becomes a string (DG "Type compatibility")."""
    if number.type is not None and number.type.is_decimal:
        return f"({text.sql})::numeric", number.sql
    return blank_insensitive(text), f"(({number.sql})::text)::bpchar"


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
