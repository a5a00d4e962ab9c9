"""The function whitelist: what Redshift has and we run faithfully, and what is refused by name.

Three tables meet here: the chapters' `FUNCTIONS` (accepted), `NOT_YET` (Redshift has it, the local one does
not) and `POSTGRESQL_ONLY` (PostgreSQL has it, Redshift does not, with the Redshift way). Everything else is
unknown.
"""

from __future__ import annotations

from deployer.local.functions import (
    aggregates,
    arrays,
    clients,
    conditional,
    dates,
    formatting,
    hashes,
    json_super,
    math,
    newer_clients,
    strings,
    system,
    varbyte,
    windows,
)
from deployer.local.functions.api import Call, Function, Types
from deployer.sql.functions import NOT_YET, POSTGRESQL_ONLY, lacking_function
from deployer.sql.parse.nodes import Expr
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

CHAPTERS = (
    aggregates.FUNCTIONS,
    arrays.FUNCTIONS,
    clients.FUNCTIONS,
    conditional.FUNCTIONS,
    dates.FUNCTIONS,
    formatting.FUNCTIONS,
    hashes.FUNCTIONS,
    json_super.FUNCTIONS,
    math.FUNCTIONS,
    strings.FUNCTIONS,
    system.FUNCTIONS,
    varbyte.FUNCTIONS,
    windows.FUNCTIONS,
)
SYNTAX = frozenset(
    {
        "approximate percentile_disc", "at time zone", "case", "cast", "collate", "convert", "try_cast",
        "pg_get_cols", "pg_get_late_binding_view_cols",
    }
)  # fmt: skip
"""Chapters' entries that are syntax or give rows: the translator's own business."""

FUNCTIONS: dict[str, Function] = {function.name: function for chapter in CHAPTERS for function in chapter}
"""Every accepted function by its lower-case name."""


def lookup(name: str, *, newer_client: bool = False) -> Function:
    """The function that Redshift calls `name` (any case).

    `newer_client`: the query says pg_catalog.name, as clients do that know nothing of PostgreSQL 8.0; they find some
    functions that Redshift does not have.

    Raises Refused, which names the function and the Redshift way: 0A000 when Redshift has it and the local
    one does not yet, 42883 when Redshift does not have it.
    """
    key = name.lower()
    function = FUNCTIONS.get(key) or (newer_clients.FUNCTIONS.get(key) if newer_client else None)
    if function is not None:
        return function
    if key in NOT_YET:
        raise Refused(
            f"{name.upper()} is a Redshift function that the local Redshift does not run yet{NOT_YET[key]}"
        )
    if key in POSTGRESQL_ONLY:
        raise Refused(lacking_function(key), sqlstate="42883")
    if key.startswith(("st_", "h3_")):
        raise Refused(f"{name.upper()}: spatial functions are not run by the local Redshift yet")
    raise Refused(
        f"function {key}(...) does not exist on Redshift or is not known to the local one", sqlstate="42883"
    )


def result_type(
    function: Function, types: Types, order_types: Types = (), nodes: tuple[Expr, ...] = ()
) -> RedshiftType | None:
    """Redshift's result type for a call with these argument types, None when it cannot be told.

    `order_types` are the types of the WITHIN GROUP sort expressions, `nodes` the arguments as parsed.
    """
    if isinstance(function.result, RedshiftType) or not _fits(function, len(types)):
        return function.result if isinstance(function.result, RedshiftType) else None
    result = None
    if function.result is not None:
        result = function.result(types + order_types if function.within_group == "required" else types)
    return function.narrow(result, nodes) if function.narrow is not None else result


def render(function: Function, call: Call) -> str:
    """The PostgreSQL text of a call, its OVER clause included.

    Raises Refused when the call is written in a way that Redshift does not allow.
    """
    _check(function, call)
    if callable(function.render):
        rendered = function.render(call)
        placed = bool(call.over) and " OVER (" in rendered
    else:
        args = ", ".join(call.args)
        if call.distinct:
            args = "DISTINCT " + args
        rendered = function.render.format(*call.args, args="*" if call.star else args)
        placed = False
    return rendered if placed or not call.over else f"{rendered} {call.over}"


def _fits(function: Function, count: int) -> bool:
    return function.min_args <= count and (function.max_args is None or count <= function.max_args)


def _check(function: Function, call: Call) -> None:
    name = function.name.upper()
    count = len(call.args)
    if call.star and not function.star:
        raise Refused(f"{name}(*) is not valid: {name} takes an expression", sqlstate="42601")
    if not call.star and not _fits(function, count):
        raise Refused(f"{name} takes {_arity(function)}, not {count}", sqlstate="42883")
    if call.distinct and not function.distinct:
        raise Refused(f"DISTINCT is not supported in {name}", sqlstate="42601")
    if call.ignore_nulls and not function.ignores_nulls:
        raise Refused(f"IGNORE NULLS is not supported in {name}", sqlstate="42601")
    if call.order_by and function.within_group == "no":
        raise Refused(f"{name} takes no WITHIN GROUP (ORDER BY ...)", sqlstate="42601")
    if not call.order_by and function.within_group == "required":
        raise Refused(f"{name} needs WITHIN GROUP (ORDER BY ...)", sqlstate="42601")
    _check_window(function, call, name)


def _check_window(function: Function, call: Call, name: str) -> None:
    if not call.over:
        if function.kind == "window":
            raise Refused(f"window function {name} requires an OVER clause", sqlstate="42601")
        return
    if function.kind != "window" and not function.windowed:
        raise Refused(f"{name} is not a window function: remove OVER", sqlstate="42601")
    if call.distinct and function.name not in ("listagg",):
        raise Refused(
            f"DISTINCT is not supported in the window function {name}; use a sub-query", sqlstate="0A000"
        )
    if call.window_order_by and function.ordered == "no":
        raise Refused(f"the OVER clause of {name} takes PARTITION BY only, no ORDER BY", sqlstate="42601")
    if not call.window_order_by and function.ordered == "required":
        raise Refused(f"the OVER clause of {name} needs ORDER BY", sqlstate="42601")
    if call.frame and function.framed == "no":
        raise Refused(f"the OVER clause of {name} takes no window frame", sqlstate="42601")
    if call.window_order_by and not call.frame and function.framed == "with_order":
        raise Refused(
            "Aggregate window functions with an ORDER BY clause require a frame clause: write e.g. "
            "ROWS UNBOUNDED PRECEDING",
            sqlstate="42601",
        )
    if call.frame and not call.frame.upper().startswith("ROWS"):
        raise Refused("Redshift has ROWS frames only, no RANGE or GROUPS", sqlstate="42601")


def _arity(function: Function) -> str:
    least, most = function.min_args, function.max_args
    if most is None:
        return f"at least {least} arguments"
    if least == most:
        return "no arguments" if most == 0 else f"{most} argument{'s' * (most != 1)}"
    return f"{least} to {most} arguments"
