"""Window functions that are not aggregates too.

Source: https://docs.aws.amazon.com/redshift/latest/dg/c_Window_functions.html and the page of each function.
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.functions.api import Call, Function
from deployer.local.functions.render import integer, page, pg_type, refuse, window
from deployer.local.functions.results import same
from deployer.sql.types import BIGINT, DOUBLE, INTEGER, RedshiftType


def _rank(name: str, kind: RedshiftType, where: str) -> Function:
    rendered = f"pg_catalog.{name}()"
    cast = {INTEGER: "::integer", BIGINT: "::bigint"}.get(kind, "")

    def renderer(call: Call) -> str:
        return f"({rendered} {call.over}){cast}"

    return Function(name, renderer, kind, 0, 0, kind="window", framed="no", source=page(where))


def _ntile(call: Call) -> str:
    return f"(pg_catalog.ntile({integer(call, 0)}) {call.over})::bigint"


def _neighbour(name: str) -> Callable[[Call], str]:
    """LAG and LEAD."""

    def renderer(call: Call) -> str:
        value = call.args[0]
        offset = integer(call, 1) if len(call.args) > 1 else "1"
        if not call.ignore_nulls:
            return f"pg_catalog.{name}({value}, {offset}) {call.over}"
        side = (
            "UNBOUNDED PRECEDING AND 1 PRECEDING" if name == "lag" else "1 FOLLOWING AND UNBOUNDED FOLLOWING"
        )
        over = window(call, order_by=call.window_order_by, frame=f"ROWS BETWEEN {side}")
        values = _without_nulls(call, over)
        return f"redshift.from_end({values}, {offset})" if name == "lag" else f"({values})[{offset}]"

    return renderer


def _without_nulls(call: Call, over: str) -> str:
    """The values of the frame as an array without NULLs: PostgreSQL has no IGNORE NULLS."""
    value = _any(call, call.args[0])
    return f"pg_catalog.array_agg({value}) FILTER (WHERE ({value}) IS NOT NULL) {over}"


def _any(call: Call, value: str) -> str:
    """A value for a polymorphic function: a VARCHAR or a bare literal must be a `text` there."""
    kind = call.types[0]
    if kind is not None and (kind.is_text or kind.name == "unknown"):
        return f"({value})::{pg_type(kind)}"
    return value


def _edge(name: str) -> Callable[[Call], str]:
    """FIRST_VALUE and LAST_VALUE."""

    def renderer(call: Call) -> str:
        if call.ignore_nulls:
            return f"redshift.{name}({_any(call, call.args[0])}) {call.over}"
        return f"pg_catalog.{name}({call.args[0]}) {call.over}"

    return renderer


def _nth_value(call: Call) -> str:
    if call.ignore_nulls:
        return f"({_without_nulls(call, call.over)})[{integer(call, 1)}]"
    return f"pg_catalog.nth_value({call.args[0]}, {integer(call, 1)}) {call.over}"


def _ratio(call: Call) -> str:
    kind = call.types[0]
    if kind is not None and not (kind.is_numeric or kind.name == "unknown"):
        raise refuse(call, f"its argument is {kind.name.upper()}, not a number", sqlstate="42883")
    value = f"({call.args[0]})::double precision"
    return f"({value} / (pg_catalog.sum({value}) {call.over}))"


FUNCTIONS: tuple[Function, ...] = (
    _rank("row_number", BIGINT, "r_WF_ROW_NUMBER"),
    _rank("rank", INTEGER, "r_WF_RANK"),
    _rank("dense_rank", INTEGER, "r_WF_DENSE_RANK"),
    _rank("percent_rank", DOUBLE, "r_WF_PERCENT_RANK"),
    _rank("cume_dist", DOUBLE, "r_WF_CUME_DIST"),
    Function("ntile", _ntile, BIGINT, 1, 1, kind="window", framed="no", source=page("r_WF_NTILE")),
    *(
        Function(
            name,
            _neighbour(name),
            same(),
            1,
            2,
            kind="window",
            ignores_nulls=True,
            ordered="required",
            framed="no",
            source=page(f"r_WF_{name.upper()}"),
        )
        for name in ("lag", "lead")
    ),
    *(
        Function(
            name,
            _edge(name),
            same(),
            1,
            1,
            kind="window",
            ignores_nulls=True,
            source=page("r_WF_first_value"),
        )
        for name in ("first_value", "last_value")
    ),
    Function(
        "nth_value", _nth_value, same(), 2, 2, kind="window", ignores_nulls=True, source=page("r_WF_NTH")
    ),
    Function(
        "ratio_to_report",
        _ratio,
        DOUBLE,
        1,
        1,
        kind="window",
        ordered="no",
        framed="no",
        source=page("r_WF_RATIO_TO_REPORT"),
    ),
)
