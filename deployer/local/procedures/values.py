"""Values of procedure variables: assignment to a declared type, and what can be decided without asking the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from deployer.local.procedures.executor import Value
from deployer.sql import types
from deployer.sql.lexer import LexError, tokenize
from deployer.sql.types import RedshiftType

_RANGES = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_STRING = re.compile(r"'[^'\\]*'")
_TEST = re.compile(r"(\w+)\s+is\s+(not\s+)?null", re.I)
_COMPARISON = re.compile(r"(\w+)\s*(=|<>|<=|>=|<|>)\s*(-?\d{1,18})")


class NoVariable(Exception):
    """There is no such variable."""


class BadValue(Exception):
    """A value does not fit its variable's type. `sqlstate` as Redshift's error has it."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate


def assign(value: Value, target: RedshiftType) -> Value | None:
    """`value` as one of type `target`, by the rules of assignment; None when only the engine can tell.

    Raises BadValue: out of range, or longer than a VARCHAR(n) (only blanks are cut silently: DG "Character types").
    """
    if value.text is None:
        return Value(None, target)
    source = value.type
    if target.is_text and (source.is_text or source.name == "unknown"):
        return Value(_fit(value.text, target), target)
    if target.is_integer and source.is_integer:
        number = int(value.text)
        limit = _RANGES[target.name]
        if not -limit <= number < limit:
            raise BadValue(f"{target.name} out of range", "22003")
        return Value(value.text, target)
    if target.is_decimal and (source.is_decimal or source.is_integer):
        return Value(_round(value.text, target), target)
    if source == target:
        return Value(value.text, target)
    return None


def _fit(text: str, target: RedshiftType) -> str:
    if target.length is None or len(text.encode()) <= target.length:
        return text
    kept = text.encode()[: target.length].decode(errors="ignore")
    if text[len(kept) :].strip(" "):
        kind = "varying" if target.name == "varchar" else ""
        raise BadValue(
            f"value too long for type character {kind}({target.length})".replace(" (", "("), "22001"
        )
    return kept


def _round(text: str, target: RedshiftType) -> str:
    if target.precision is None or target.scale is None:
        return text
    try:
        number = Decimal(text).quantize(Decimal(1).scaleb(-target.scale), ROUND_HALF_UP)
    except InvalidOperation as error:
        raise BadValue("Numeric data overflow (result precision)", "22003") from error
    if number and number.adjusted() >= target.precision - target.scale:
        raise BadValue("Numeric data overflow (result precision)", "22003")
    return f"{number:f}"


def is_true(value: Value) -> bool:
    """Whether a BOOLEAN is true; NULL is not."""
    return value.text in ("t", "true")


def without_numbers(sql: str) -> str:
    """`sql` with $1, $2 ... written as identifiers of the same length, so that they can be variables as any other.

    The identifiers begin with a character of Unicode's private use area, as no user's does.
    """
    if "$" not in sql:
        return sql
    try:
        places = [token.start for token in tokenize(sql) if token.kind == "param"]
    except LexError:
        return sql
    characters = list(sql)
    for place in places:
        characters[place] = "\ue000"
    return "".join(characters)


def evaluate_simply(sql: str, variables: Mapping[str, Value]) -> Value | None:
    """The value of an expression of one literal, one variable, or one test of a variable; None for all others.

    Saves the round trip where the answer cannot differ from the engine's.
    """
    text = sql.strip()
    lowered = text.lower()
    if lowered in variables:
        return variables[lowered]
    if lowered in ("true", "false"):
        return Value(lowered[0], types.BOOLEAN)
    if lowered == "null":
        return Value(None, types.UNKNOWN)
    if _INTEGER.fullmatch(text):
        number = int(text)
        return Value(str(number), types.INTEGER if -(2**31) <= number < 2**31 else types.BIGINT)
    if _STRING.fullmatch(text):
        return Value(text[1:-1], types.UNKNOWN)
    test = _TEST.fullmatch(text)
    if test is not None and test.group(1).lower() in variables:
        null = variables[test.group(1).lower()].text is None
        return Value("f" if null == bool(test.group(2)) else "t", types.BOOLEAN)
    comparison = _COMPARISON.fullmatch(text)
    if comparison is not None:
        name, operator, literal = comparison.groups()
        variable = variables.get(name.lower())
        if variable is not None and variable.type.is_integer:
            if variable.text is None:
                return Value(None, types.BOOLEAN)
            return Value("t" if _compare(int(variable.text), operator, int(literal)) else "f", types.BOOLEAN)
    return None


def _compare(left: int, operator: str, right: int) -> bool:
    return {
        "=": left == right, "<>": left != right, "<": left < right,
        ">": left > right, "<=": left <= right, ">=": left >= right,
    }[operator]  # fmt: skip
