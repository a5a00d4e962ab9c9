"""Operators: comparison, arithmetic, dates, concatenation, with Redshift's result types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployer.local.translate import infer, supers
from deployer.local.translate.bind_base import (
    BinderBase,
    blank_insensitive,
    check_collations,
    folds,
    is_texty,
)
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.intervals import OF_MONTHS
from deployer.local.translate.scope import Scope, Typed
from deployer.sql.parse.datatypes import redshift_text
from deployer.sql.parse.nodes import (
    Binary,
    Expr,
    IntervalLiteral,
    Literal,
    Unary,
)
from deployer.sql.refused import Refused
from deployer.sql.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    OID,
    SUPER,
    UNKNOWN,
    VARCHAR,
    RedshiftType,
)

_ARITHMETIC = frozenset("+-*/%")
_COMPARISONS = frozenset(["=", "<>", "<", ">", "<=", ">="])
_DATES = frozenset("date time timetz timestamp timestamptz interval".split())
_BITWISE = frozenset(["<<", ">>", "&", "|", "#"])


def truth(value: Typed) -> str:
    """The text of a condition. DG "Type compatibility and conversion": integers become BOOLEAN implicitly."""
    if value.type == SUPER:
        return f"redshift.super_truth({value.sql})"
    return f"({value.sql} <> 0)" if value.type is not None and value.type.is_integer else value.sql


class OperatorBinder(BinderBase):
    """Binds operators."""

    def _unary(self, node: Unary, scope: Scope) -> Typed:
        if node.op == "prior":
            assert scope.prior is not None
            return self.expr(node.operand, scope.prior)
        value = self.expr(node.operand, scope)
        if node.op == "not":
            return Typed(f"(NOT {value.sql})", BOOLEAN)
        kind = value.type
        if kind == SUPER and node.op in ("-", "+"):
            return supers.arithmetic(node.op, Typed("0", INTEGER), value, node.pos)
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
            first, second = truth(self.expr(node.left, scope)), truth(self.expr(node.right, scope))
            return Typed(f"({first} {op.upper()} {second})", BOOLEAN)
        left, right = self.expr(node.left, scope), self.expr(node.right, scope)
        if op in _COMPARISONS:
            return self.compare(op, left, right, node.pos)
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
        if check_collations((left, right), node.pos) and op in ("~", "!~", "~~", "!~~"):
            op += "*"
        if node.op in ("~*", "!~*"):
            message = f"operator {op} is not supported on Redshift; use ~ with LOWER(), or REGEXP_INSTR"
            self.context.over_user_tables.append(Refused(message, position=node.pos))
        return Typed(f"({left.sql} {op} {right.sql})", BOOLEAN)

    def compare(self, op: str, left: Typed, right: Typed, pos: int = 0) -> Typed:
        """A comparison; of texts, without trailing blanks."""
        check_collations((left, right), pos)
        if SUPER in (left.type, right.type):
            return supers.compare(op, left, right)
        a, b = self._comparable(left, right)
        return Typed(f"({a} {op} {b})", BOOLEAN)

    def _comparable(self, left: Typed, right: Typed) -> tuple[str, str]:
        if (is_texty(left.type) and (is_texty(right.type) or right.type == UNKNOWN)) or (
            is_texty(right.type) and left.type == UNKNOWN
        ):
            fold = folds(left, right)
            return blank_insensitive(left, fold), blank_insensitive(right, fold)
        if is_texty(left.type) and _is_number(right.type):
            text, number = _text_and_number(left, right)
            return text, number
        if is_texty(right.type) and _is_number(left.type):
            text, number = _text_and_number(right, left)
            return number, text
        if BOOLEAN in (left.type, right.type):
            # r_logical_condition: likevegas = 1.
            return truth(left), truth(right)
        return left.sql, right.sql

    def _arithmetic(self, node: Binary, left: Typed, right: Typed) -> Typed:
        op, a, b = node.op, left.type, right.type
        plain = f"({left.sql} {op} {right.sql})"
        if SUPER in (a, b):
            return supers.arithmetic(op, left, right, node.pos)
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
        if op == "+" and ((a.is_text and b.is_text) or a.name == b.name == "varbyte"):
            # The guide's NVL2 page joins names with it, r_VARBYTE_OPERATORS binary values.
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
        if "date" in (a.name, b.name) and (_of_months(left, node.left) or _of_months(right, node.right)):
            # r_interval_data_types: "a date if it is a YEAR TO MONTH interval, and a timestamp if it is DAY TO SECOND".
            # Without a qualifier it is a timestamp whatever its units: r_interval_literals.
            return Typed(f"({plain})::date", DATE)
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
        fold = check_collations((left, right), node.pos)
        kinds = [self._text_type(left, node.left), self._text_type(right, node.right)]
        kind = infer.concatenation(*kinds)
        return Typed(f"({sides[0]} || {sides[1]})", replace(kind, collation="ci") if fold else kind)

    def _text_type(self, value: Typed, node: Expr) -> RedshiftType:
        if isinstance(node, Literal) and node.kind == "string":
            return RedshiftType("varchar", length=len(node.value.encode()))
        if value.type is not None and value.type.is_text:
            return value.type
        return VARCHAR


def _of_months(value: Typed, node: Expr) -> bool:
    """Whether it is an INTERVAL YEAR TO MONTH."""
    qualifier = (
        node.qualifier if isinstance(node, IntervalLiteral) else value.type.qualifier if value.type else ""
    )
    return qualifier in OF_MONTHS


def _is_number(kind: RedshiftType | None) -> bool:
    """Whether a text beside it is compared as "Type compatibility" says. OID, which that table leaves out, counts as
    the integer that it is: AWS's v_generate_tbl_ddl compares one with SPLIT_PART."""
    return kind is not None and (kind.is_numeric or kind == OID)


def _text_and_number(text: Typed, number: Typed) -> tuple[str, str]:
    """Beside a DECIMAL a string is read as one; any other number becomes a string (DG "Type compatibility")."""
    if number.type is not None and number.type.is_decimal:
        return f"({text.sql})::numeric", number.sql
    return blank_insensitive(text), f"(({number.sql})::text)::bpchar"
