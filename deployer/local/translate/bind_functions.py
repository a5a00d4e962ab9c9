"""Calls of SQL user-defined functions.

Source: Redshift Database Developer Guide, "CREATE FUNCTION" and "Preventing UDF naming conflicts" (udf-naming-udfs).
How near an argument's type must be to the declared one it does not say: deployer.sql.overloads has the rule. Nor what
becomes of lengths: here a text that is longer than its declared type is an error, and a number is converted to its
precision.
"""

from __future__ import annotations

from deployer.local.translate.api import FunctionName, UserFunction
from deployer.local.translate.bind_base import BinderBase, check_collations
from deployer.local.translate.casts import cast
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.scope import Scope, Typed
from deployer.sql.names import Name
from deployer.sql.overloads import distance, type_name
from deployer.sql.parse.nodes import Expr, FunctionCall
from deployer.sql.refused import Refused
from deployer.sql.types import UNKNOWN, RedshiftType


class UserFunctionBinder(BinderBase):
    """Binds calls of what users have made."""

    def user_function(self, node: FunctionCall, scope: Scope) -> Typed | None:
        """The call, or None where no function has this name. Raises Refused when none takes the arguments."""
        found = self.context.catalog.functions(FunctionName(node.name, node.schema or None))
        if not found:
            return None
        _check_form(node)
        values = [self.expr(arg, scope) for arg in node.args]
        if check_collations(values, node.pos):
            raise Refused(
                f"case-insensitive text as an argument of the user-defined function {node.name} is not run by the "
                "local Redshift; use COLLATE(..., 'case_sensitive')",
                position=node.pos,
            )
        chosen = _choose(node, found, [value.type or UNKNOWN for value in values])
        arguments = ", ".join(
            argument(value, kind, arg)
            for value, kind, arg in zip(values, chosen.arguments, node.args, strict=True)
        )
        sql = f"{Name(chosen.name, chosen.schema).sql()}({arguments})"
        if chosen.result.is_decimal or chosen.result.name == "char":
            sql = f"({sql})::{pg_type(chosen.result)}"
        return Typed(sql, chosen.result)


def argument(value: Typed, kind: RedshiftType, node: Expr) -> str:
    """`value` as an argument or result that is declared as `kind`."""
    own = value.type
    if not kind.is_text or kind.length is None:
        return cast(value, kind, node).sql
    if own is not None and own.is_text and own.length is not None and own.length <= kind.length:
        return f"({value.sql})::{pg_type(kind)}"
    if value.sql == "NULL":
        return f"NULL::{pg_type(kind)}"
    return f"redshift.at_most_bytes(({value.sql})::text, {kind.length})::{pg_type(kind)}"


def _check_form(node: FunctionCall) -> None:
    """They are scalar functions: what belongs to aggregates and windows does not go with them."""
    for written, what in (
        (node.distinct, "DISTINCT"),
        (node.star, "*"),
        (node.over is not None, "OVER"),
        (bool(node.within), "WITHIN GROUP"),
        (node.ignore_nulls, "IGNORE NULLS"),
    ):
        if written:
            raise Refused(
                f"{what} does not go with the user-defined function {node.name}: it is scalar",
                position=node.pos,
                sqlstate="42601",
            )


def _choose(node: FunctionCall, found: tuple[UserFunction, ...], given: list[RedshiftType]) -> UserFunction:
    """The function that these arguments mean: the nearest types, and of equal signatures the first on the path."""
    ranked: list[tuple[int, UserFunction]] = []
    signatures: set[tuple[str, ...]] = set()
    for candidate in found:
        signature = tuple(kind.name for kind in candidate.arguments)
        if len(signature) != len(given) or signature in signatures:
            continue
        signatures.add(signature)
        steps = [
            # PostgreSQL's rule, from which Redshift's descends: a literal without a type is text where text will do.
            0 if kind == UNKNOWN and declared.is_text else distance(kind, declared)
            for kind, declared in zip(given, candidate.arguments, strict=True)
        ]
        if None not in steps:
            ranked.append((sum(step for step in steps if step is not None), candidate))
    title = f"{node.schema}.{node.name}" if node.schema else node.name
    call = f"{title}({', '.join(type_name(kind) for kind in given)})"
    if not ranked:
        raise Refused(
            f"function {call} does not exist",
            position=node.pos,
            sqlstate="42883",
            hint="No function matches the given name and argument types. You may need to add explicit type casts.",
        )
    ranked.sort(key=lambda pair: pair[0])
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        raise Refused(
            f"function {call} is not unique",
            position=node.pos,
            sqlstate="42725",
            hint="Could not choose a best candidate function. You may need to add explicit type casts.",
        )
    return ranked[0][1]
