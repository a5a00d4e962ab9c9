"""Arguments of a call as sqlglot nodes, the form that the function whitelist reads them in.

Only what a renderer may look at is kept: literals, NULL, booleans and plain names. Everything else is opaque.
"""

from __future__ import annotations

from sqlglot import exp

from deployer.local.translate.nodes import Column, Expr, Literal, Unary


def to_sqlglot(node: Expr) -> exp.Expression:
    """`node` for `deployer.local.functions.api.Call.nodes`."""
    if isinstance(node, Literal):
        if node.kind == "string":
            return exp.Literal.string(node.value)
        if node.kind == "number":
            if node.value.startswith("-"):
                return exp.Neg(this=exp.Literal.number(node.value[1:]))
            return exp.Literal.number(node.value)
        if node.kind in ("true", "false"):
            return exp.Boolean(this=node.kind == "true")
        return exp.Null()
    if isinstance(node, Column):
        table = exp.to_identifier(node.parts[-2]) if len(node.parts) > 1 else None
        return exp.Column(this=exp.to_identifier(node.parts[-1], quoted=node.quoted), table=table)
    if isinstance(node, Unary) and node.op == "-":
        return exp.Neg(this=to_sqlglot(node.operand))
    return exp.Placeholder()
