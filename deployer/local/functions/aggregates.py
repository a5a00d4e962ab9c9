"""Aggregate functions, also as window functions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/c_Aggregate_Functions.html and each function's page.
AVG of a DECIMAL keeps the scale of its argument and drops the digits behind it: the page
r_FROM_clause-pivot-unpivot-examples prints 2.71 for the average of 2.50, 3.75 and 1.90. AVG of integers is a
BIGINT without its fraction (r_WF_AVG prints 16 for 10, 10 and 30).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from deployer.local.functions.api import Call, Function, Types
from deployer.local.functions.render import WHOLE, blank_free, literal, page, refuse, text, window
from deployer.local.functions.results import same
from deployer.sql.parse.nodes import Expr, Literal
from deployer.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    INTERVAL,
    SUPER,
    VARCHAR,
    RedshiftType,
    decimal,
)

_DIRECTION = re.compile(r"(\s+(ASC|DESC))?(\s+NULLS\s+(FIRST|LAST))?$", re.IGNORECASE)


def _number(call: Call, kind: RedshiftType | None) -> RedshiftType:
    if kind is None or (kind.is_decimal and kind.scale is None):
        raise refuse(call, "the type of its argument cannot be told; cast it to the type that you mean")
    if not kind.is_numeric:
        raise refuse(call, f"its argument is {kind.name.upper()}, not a number", sqlstate="42883")
    return kind


def _aggregate(call: Call, name: str, argument: str) -> str:
    distinct = "DISTINCT " if call.distinct else ""
    over = f" {call.over}" if call.over else ""
    return f"pg_catalog.{name}({distinct}{argument}){over}"


def _of_super(call: Call, name: str) -> str:
    if call.distinct:
        raise refuse(call, "DISTINCT over SUPER is not run by the local Redshift yet; cast the argument")
    items = _aggregate(call, "array_agg", f"({call.args[0]})::json")
    return f"redshift.super_total('{name}', {items})"


def _sum(call: Call) -> str:
    if call.types[0] == SUPER:
        return _of_super(call, "sum")
    if call.types[0] == INTERVAL:
        return _aggregate(call, "sum", call.args[0])
    kind = _number(call, call.types[0])
    if kind.is_float:
        return _aggregate(call, "sum", f"({call.args[0]})::double precision")
    rendered = _aggregate(call, "sum", call.args[0])
    if kind.is_decimal:
        return f"({rendered})::numeric(38,{kind.scale})"
    return f"({rendered})::bigint"


def _avg(call: Call) -> str:
    if call.types[0] == SUPER:
        return _of_super(call, "avg")
    if call.types[0] == INTERVAL:
        return _aggregate(call, "avg", call.args[0])
    kind = _number(call, call.types[0])
    if kind.is_float:
        return _aggregate(call, "avg", f"({call.args[0]})::double precision")
    if kind.name == "bigint" and call.over:
        # r_WF_AVG says NUMERIC without a scale, r_AVG says BIGINT.
        raise refuse(
            call, "of a BIGINT as a window function is a NUMERIC of unknown scale; cast the argument"
        )
    rendered = _aggregate(call, "avg", f"({call.args[0]})::numeric" if kind.is_integer else call.args[0])
    if kind.is_decimal:
        return f"pg_catalog.trunc({rendered}, {kind.scale})::numeric(38,{kind.scale})"
    return f"pg_catalog.trunc({rendered})::bigint"


def _total(types: Types) -> RedshiftType | None:
    """The result of SUM and AVG."""
    kind = types[0]
    if kind is None or kind in (INTERVAL, SUPER):
        return kind
    if kind.is_integer:
        return BIGINT
    if kind.is_decimal:
        return None if kind.scale is None else decimal(38, kind.scale)
    return DOUBLE if kind.is_float else None


def _extreme(name: str) -> Callable[[Call], str]:
    def renderer(call: Call) -> str:
        kind = call.types[0]
        if kind is not None and kind.name in ("boolean", "super"):
            raise refuse(call, f"its argument is {kind.name.upper()}; cast it to a number", sqlstate="42883")
        value = call.args[0]
        if kind is not None and kind.collation == "ci":
            if call.over:
                raise refuse(call, "over case-insensitive text is not run as a window function yet")
            direction = "DESC" if name == "max" else "ASC"
            ordered = f"{value} ORDER BY {blank_free(call, 0)} {direction}"
            return f"(pg_catalog.array_agg({ordered}) FILTER (WHERE ({value}) IS NOT NULL))[1]"
        if kind is not None and kind.name in ("varchar", "unknown"):
            value = f"({value})::text"
        return _aggregate(call, name, value)

    return renderer


def _count(call: Call) -> str:
    if call.star:
        return _aggregate(call, "count", "*")
    return _aggregate(call, "count", blank_free(call, 0) if call.distinct else call.args[0])


def _spread(name: str) -> Callable[[Call], str]:
    """STDDEV_* and VAR_*: DOUBLE PRECISION of any number; computed exactly where the argument is exact."""

    def renderer(call: Call) -> str:
        kind = _number(call, call.types[0])
        cast = "double precision" if kind.is_float else "numeric"
        return f"({_aggregate(call, name, f'({call.args[0]})::{cast}')})::double precision"

    return renderer


def _bits(name: str) -> Callable[[Call], str]:
    def renderer(call: Call) -> str:
        kind = call.types[0]
        if kind is not None and kind == BOOLEAN:
            return _aggregate(call, "bool_and" if name == "bit_and" else "bool_or", call.args[0])
        if kind is not None and not (kind.is_integer or kind.name == "unknown"):
            raise refuse(call, f"its argument is {kind.name.upper()}, not an integer", sqlstate="42883")
        return _aggregate(call, name, call.args[0])

    return renderer


def _any_value(call: Call) -> str:
    distinct = "DISTINCT " if call.distinct else ""
    kind = call.types[0]
    value = (
        f"({call.args[0]})::text"
        if kind is not None and kind.name in ("varchar", "unknown")
        else call.args[0]
    )
    over = f" {call.over}" if call.over else ""
    return f"redshift.any_value({distinct}{value}){over}"


def _collected(value: str, over: str) -> str:
    """The values of a window without NULLs. No FILTER: aggregates, as in MEDIAN(SUM(x)) OVER (), cannot stand in it."""
    return f"pg_catalog.array_remove(pg_catalog.array_agg({value}) {over}, NULL)"


def _listagg(call: Call) -> str:
    """The concatenation in the WITHIN GROUP order, without NULLs and empty strings, at most 65535 bytes."""
    value = text(call, 0)
    delimiter = text(call, 1) if len(call.args) > 1 else "''::text"
    if len(call.args) > 1 and literal(call, 1) is None:
        raise refuse(call, "the delimiter must be a string constant", sqlstate="42601")
    filtered = f"FILTER (WHERE ({value}) <> '')"
    if call.over:
        over = window(call, order_by=call.order_by, frame=WHOLE)
        some = f"NULLIF({value}, '')"
        if call.distinct:
            return f"redshift.listagg_distinct({_collected(some, over)}, {delimiter})"
        return f"redshift.listagg_limit(pg_catalog.string_agg({some}, {delimiter}) {over})"
    order = f" ORDER BY {call.order_by}" if call.order_by else ""
    if call.distinct:
        return f"redshift.listagg_distinct(pg_catalog.array_agg({value}{order}) {filtered}, {delimiter})"
    return f"redshift.listagg_limit(pg_catalog.string_agg({value}, {delimiter}{order}) {filtered})"


def _continuous_type(kind: RedshiftType | None, percentile: str = "0.5") -> RedshiftType | None:
    """The result of MEDIAN and PERCENTILE_CONT: DECIMAL for exact numbers.

    An integer gets as many decimals as the percentile has, one at least: r_PERCENTILE_CONT prints 17.5 at 0.5 and
    1.75 at 0.75.
    """
    if kind is None:
        return None
    if kind.is_integer:
        return decimal(38, max(1, len(percentile.partition(".")[2])))
    if kind.is_decimal:
        return None if kind.scale is None else decimal(38, kind.scale)
    if kind.is_float:
        return DOUBLE
    return kind if kind.name in ("date", "timestamp", "timestamptz") else None


def _continuous(
    call: Call, percentile: str, expression: str, order_by: str, kind: RedshiftType | None
) -> str:
    """Linear interpolation at `percentile` over `expression`; see redshift.interpolate."""
    result = _continuous_type(kind, percentile)
    if kind is None or result is None:
        raise refuse(call, "it needs a number, a DATE or a TIMESTAMP of a known type; cast the expression")
    if kind.is_float:
        value, function, after = f"({expression})::double precision", "interpolate_double", ""
    elif kind.is_numeric:
        value, function, after = f"({expression})::numeric", "interpolate", f", {result.scale}"
    else:
        value, function, after = f"({expression})", f"interpolate_{kind.name}", ""
    direction = order_by[len(expression) :] if order_by.startswith(expression) else ""
    filtered = f"FILTER (WHERE ({expression}) IS NOT NULL)"
    if call.over:
        collected = _collected(value, window(call, order_by=f"{value}{direction}", frame=WHOLE))
    else:
        collected = f"pg_catalog.array_agg({value} ORDER BY {value}{direction}) {filtered}"
    return f"redshift.{function}({collected}, {percentile}{after})"


def _median(call: Call) -> str:
    return _continuous(call, "0.5", call.args[0], call.args[0], call.types[0])


def _sorted_by(call: Call) -> tuple[str, str]:
    """The sort expression of WITHIN GROUP, and its direction."""
    if len(call.order_types) > 1:
        raise refuse(call, "WITHIN GROUP takes one ORDER BY expression", sqlstate="42601")
    match = _DIRECTION.search(call.order_by)
    cut = match.start() if match else len(call.order_by)
    return call.order_by[:cut], call.order_by[cut:]


def _percentile(call: Call) -> str:
    value = literal(call, 0)
    try:
        inside = value is not None and 0 <= float(value) <= 1
    except ValueError:
        inside = False
    if not inside:
        raise refuse(call, "the percentile must be a constant between 0 and 1", sqlstate="22023")
    return str(value)


def _percentile_cont(call: Call) -> str:
    expression, _ = _sorted_by(call)
    kind = call.order_types[0] if call.order_types else None
    return _continuous(call, _percentile(call), expression, call.order_by, kind)


def _of_percentile(kind: RedshiftType | None, nodes: tuple[Expr, ...]) -> RedshiftType | None:
    given = nodes[0].value if nodes and isinstance(nodes[0], Literal) else ""
    return _continuous_type(kind, given)


def _percentile_disc(call: Call) -> str:
    expression, direction = _sorted_by(call)
    kind = call.order_types[0] if call.order_types else None
    if kind is not None and kind.name in ("varchar", "char", "unknown"):
        expression = f"({expression})::text"
    filtered = f"FILTER (WHERE ({expression}) IS NOT NULL)"
    order = expression + direction
    if call.over:
        values = _collected(expression, window(call, order_by=order, frame=WHOLE))
    else:
        values = f"pg_catalog.array_agg({expression} ORDER BY {order}) {filtered}"
    return f"redshift.element_at({values}, {_percentile(call)})"


_over_sorted = partial(
    Function,
    min_args=1,
    max_args=1,
    kind="aggregate",
    windowed=True,
    ordered="no",
    framed="no",
    compute_only=True,
)

FUNCTIONS: tuple[Function, ...] = (
    Function(
        "count",
        _count,
        BIGINT,
        1,
        1,
        kind="aggregate",
        windowed=True,
        distinct=True,
        star=True,
        source=page("r_COUNT"),
    ),
    Function("sum", _sum, _total, 1, 1, kind="aggregate", windowed=True, distinct=True, source=page("r_SUM")),
    Function("avg", _avg, _total, 1, 1, kind="aggregate", windowed=True, distinct=True, source=page("r_AVG")),
    *(
        Function(
            name,
            _extreme(name),
            same(),
            1,
            1,
            kind="aggregate",
            windowed=True,
            distinct=True,
            source=page(f"r_{name.upper()}"),
        )
        for name in ("min", "max")
    ),
    *(
        Function(
            name,
            _spread(of),
            DOUBLE,
            1,
            1,
            kind="aggregate",
            windowed=True,
            distinct=True,
            source=page(where),
        )
        for name, of, where in (
            ("stddev", "stddev_samp", "r_STDDEV_functions"),
            ("stddev_samp", "stddev_samp", "r_STDDEV_functions"),
            ("stddev_pop", "stddev_pop", "r_STDDEV_functions"),
            ("variance", "var_samp", "r_VARIANCE_functions"),
            ("var_samp", "var_samp", "r_VARIANCE_functions"),
            ("var_pop", "var_pop", "r_VARIANCE_functions"),
        )
    ),
    *(
        Function(
            name, _bits(name), same(), 1, 1, kind="aggregate", distinct=True, source=page(f"r_{name.upper()}")
        )
        for name in ("bit_and", "bit_or")
    ),
    *(
        Function(
            name,
            lambda call: _aggregate(call, call.name.lower(), f"({call.args[0]})::boolean"),
            BOOLEAN,
            1,
            1,
            kind="aggregate",
            distinct=True,
            source=page(f"r_{name.upper()}"),
        )
        for name in ("bool_and", "bool_or")
    ),
    Function(
        "any_value", _any_value, same(), 1, 1, kind="aggregate", distinct=True, source=page("r_ANY_VALUE")
    ),
    Function(
        "listagg",
        _listagg,
        VARCHAR,
        1,
        2,
        kind="aggregate",
        windowed=True,
        distinct=True,
        within_group="optional",
        ordered="no",
        framed="no",
        compute_only=True,
        source=page("r_LISTAGG"),
    ),
    _over_sorted("median", _median, lambda types: _continuous_type(types[0]), source=page("r_MEDIAN")),
    _over_sorted(
        "percentile_cont",
        _percentile_cont,
        lambda types: types[1] if len(types) > 1 else None,
        within_group="required",
        source=page("r_PERCENTILE_CONT"),
        narrow=_of_percentile,
    ),
    _over_sorted(
        "percentile_disc",
        _percentile_disc,
        same(1),
        within_group="required",
        source=page("r_APPROXIMATE_PERCENTILE_DISC"),
    ),
    *(
        Function(
            name,
            "GROUPING({args})",
            INTEGER,
            1,
            kind="aggregate",
            source=page("r_GROUP_BY_aggregation-extensions"),
        )
        for name in ("grouping", "grouping_id")
    ),
)
