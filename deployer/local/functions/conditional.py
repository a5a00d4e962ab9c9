"""Conditional expressions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/c_conditional_expressions.html and the pages.
"""

from __future__ import annotations

from deployer.local.functions.api import Call, Function, Types
from deployer.local.functions.render import blank_free, page
from deployer.local.functions.results import common, same
from deployer.sql.parse.nodes import Expr, Literal
from deployer.sql.types import RedshiftType


def _plain_literal(node: Expr) -> bool:
    return isinstance(node, Literal) and node.kind in ("string", "number", "true", "false")


def _is_null(node: Expr) -> bool:
    return isinstance(node, Literal) and node.kind == "null"


def _decode(call: Call) -> str:
    """DECODE compares with `=`, except that NULL equals NULL."""
    subject = blank_free(call, 0)
    last = len(call.args) - 1
    searches = range(1, last, 2)
    parts: list[str] = []
    if all(_plain_literal(call.nodes[i]) for i in searches):
        parts.append(f"CASE {subject}")
        parts += [f"WHEN {call.args[i]} THEN {call.args[i + 1]}" for i in searches]
    else:
        parts.append("CASE")
        for i in searches:
            if _is_null(call.nodes[i]):
                test = f"({subject}) IS NULL"
            elif _plain_literal(call.nodes[i]):
                test = f"({subject}) = {call.args[i]}"
            else:
                test = f"({subject}) IS NOT DISTINCT FROM ({blank_free(call, i)})"
            parts.append(f"WHEN {test} THEN {call.args[i + 1]}")
    if last % 2:
        parts.append(f"ELSE {call.args[last]}")
    return f"({' '.join(parts)} END)"


def _nullif(call: Call) -> str:
    if any(kind is not None and kind.is_text for kind in call.types):
        return f"(CASE WHEN {blank_free(call, 0)} = {blank_free(call, 1)} THEN NULL ELSE {call.args[0]} END)"
    return f"NULLIF({call.args[0]}, {call.args[1]})"


def _decode_result(types: Types) -> RedshiftType | None:
    pairs = types[1:]
    results = tuple(pairs[i + 1] for i in range(0, len(pairs) - 1, 2))
    return common(results + pairs[-1:] if len(pairs) % 2 else results)


def _nvl2(types: Types) -> RedshiftType | None:
    return common(types[1:])


FUNCTIONS: tuple[Function, ...] = (
    Function("coalesce", "COALESCE({args})", common, 1, source=page("r_NVL_function")),
    Function("nvl", "COALESCE({args})", common, 1, source=page("r_NVL_function")),
    Function(
        "nvl2", "(CASE WHEN ({0}) IS NOT NULL THEN {1} ELSE {2} END)", _nvl2, 3, 3, source=page("r_NVL2")
    ),
    Function("nullif", _nullif, same(), 2, 2, source=page("r_NULLIF_function")),
    Function("decode", _decode, _decode_result, 3, source=page("r_DECODE_expression")),
    Function("greatest", "GREATEST({args})", common, 1, source=page("r_GREATEST_LEAST")),
    Function("least", "LEAST({args})", common, 1, source=page("r_GREATEST_LEAST")),
)
