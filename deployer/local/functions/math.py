"""Mathematical functions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/Math_functions.html and each function's page; of SUPER the page
operators-functions.
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.functions.api import Call, Function, Types
from deployer.local.functions.render import doubles, integer, literal, page, pg_type, refuse
from deployer.local.functions.results import same
from deployer.local.translate import infer
from deployer.sql.parse.nodes import Expr, Literal
from deployer.sql.types import DATE, DOUBLE, INTEGER, SUPER, RedshiftType, decimal


def _float(name: str, rendered: str, where: str, args: int = 1) -> Function:
    return Function(name, doubles(rendered), DOUBLE, args, args, source=page(where))


def _number(call: Call, index: int = 0) -> RedshiftType:
    """The numeric type of an argument; a bare NULL counts as INTEGER."""
    kind = call.types[index]
    if kind is None:
        raise refuse(
            call, f"the type of argument {index + 1} cannot be told; cast it to the type that you mean"
        )
    if kind.name == "unknown" and literal(call, index) is None:
        return INTEGER
    if not kind.is_numeric:
        raise refuse(call, f"argument {index + 1} is {kind.name.upper()}, not a number", sqlstate="42883")
    return kind


def _same_type(name: str) -> Callable[[Call], str]:
    """A renderer of pg_catalog.`name`, its result cast back to the argument's type."""

    def renderer(call: Call) -> str:
        if call.types[0] == SUPER:
            return f"redshift.super_rounded('{name}', {call.args[0]}, 0)"
        kind = _number(call)
        cast = "" if kind.is_decimal else f"::{pg_type(kind)}"
        return f"pg_catalog.{name}(({call.args[0]}){cast}){cast}"

    return renderer


def _to_scale(name: str) -> Callable[[Call], str]:
    """ROUND and TRUNC: with a number of decimals they keep the type of the first argument."""

    def renderer(call: Call) -> str:
        first = call.types[0]
        if name == "trunc" and first is not None and first.name in ("date", "timestamp", "timestamptz"):
            if len(call.args) > 1:
                raise refuse(call, "of a date or timestamp takes no second argument", sqlstate="42883")
            return f"({call.args[0]})::date"
        if first == SUPER:
            places = integer(call, 1) if len(call.args) > 1 else "0"
            return f"redshift.super_rounded('{name}', {call.args[0]}, {places})"
        kind = _number(call)
        value = call.args[0]
        if kind.is_float:
            # PostgreSQL's ROUND of a double takes no decimals and sends halves to the even neighbour.
            places = integer(call, 1) if len(call.args) > 1 else "0"
            return f"redshift.{name}_double(({value})::double precision, {places})::{pg_type(kind)}"
        if kind.is_integer:
            if len(call.args) == 1:
                return f"({value})::{pg_type(kind)}"
            return f"pg_catalog.{name}(({value})::numeric, {integer(call, 1)})::{pg_type(kind)}"
        places = integer(call, 1) if len(call.args) > 1 else "0"
        return f"pg_catalog.{name}({value}, {places})"

    return renderer


def _scaled_result(types: Types) -> RedshiftType | None:
    kind = types[0]
    if kind is not None and kind.name in ("date", "timestamp", "timestamptz"):
        return DATE
    return kind


def _mod(call: Call) -> str:
    left, right = _number(call, 0), _number(call, 1)
    if left.is_float or right.is_float:
        raise refuse(
            call, "it takes integers and DECIMAL; cast the floating point argument", sqlstate="42883"
        )
    if {left.name, right.name} == {"smallint", "bigint"}:
        raise refuse(call, "a SMALLINT and a BIGINT do not go together; cast one of them", sqlstate="42883")
    if left.is_integer and right.is_integer:
        result = INTEGER if INTEGER in (left, right) else left
        return f"pg_catalog.mod({call.args[0]}, {call.args[1]})::{result.name}"
    return f"pg_catalog.mod({call.args[0]}, {call.args[1]})"


def _mod_result(types: Types) -> RedshiftType | None:
    """The type of the arguments; an INTEGER makes the result INTEGER, which the remainder always fits."""
    left, right = types
    if left is None or right is None or not (left.is_numeric and right.is_numeric):
        return None
    if left.is_integer and right.is_integer:
        return INTEGER if INTEGER in (left, right) else left
    try:
        return infer.arithmetic("%", left, right)
    except infer.Undetermined:
        return None


def _sign(call: Call) -> str:
    kind = _number(call)
    if kind.is_decimal:
        return f"pg_catalog.sign({call.args[0]})::numeric(1,0)"
    return f"pg_catalog.sign(({call.args[0]})::double precision)::{pg_type(kind)}"


def _sign_result(types: Types) -> RedshiftType | None:
    kind = types[0]
    return decimal(1, 0) if kind is not None and kind.is_decimal else kind


def _whole(types: Types) -> RedshiftType | None:
    """CEIL and FLOOR: the type of the argument; the examples print no decimals of a DECIMAL."""
    kind = types[0]
    return decimal(kind.precision, 0) if kind is not None and kind.is_decimal and kind.precision else kind


def _places(kind: RedshiftType | None, nodes: tuple[Expr, ...]) -> RedshiftType | None:
    """ROUND and TRUNC of a DECIMAL(p, s): with n decimals the scale is n, as the examples print it (28.1 of 28.05).

    A number of decimals that is not a literal leaves the scale as it is.
    """
    if kind is None or not kind.is_decimal or kind.precision is None or kind.scale is None:
        return kind
    if len(nodes) < 2:
        return decimal(kind.precision, 0)
    places = nodes[1]
    if not isinstance(places, Literal) or places.kind != "number" or not places.value.lstrip("-").isdigit():
        return kind
    return decimal(kind.precision, min(max(int(places.value), 0), kind.scale))


def _log(call: Call) -> str:
    """LOG([base, ] argument): base 10 unless another one is given."""
    if len(call.args) == 2:
        base, argument = (f"({value})::numeric" for value in call.args)
        return f"pg_catalog.log({base}, {argument})::double precision"
    return f"pg_catalog.log(({call.args[0]})::double precision)"


FUNCTIONS: tuple[Function, ...] = (
    Function("abs", _same_type("abs"), same(), 1, 1, source=page("r_ABS")),
    Function("ceil", _same_type("ceil"), _whole, 1, 1, source=page("r_CEILING_FLOOR")),
    Function("ceiling", _same_type("ceil"), _whole, 1, 1, source=page("r_CEILING_FLOOR")),
    Function("floor", _same_type("floor"), _whole, 1, 1, source=page("r_CEILING_FLOOR")),
    Function("round", _to_scale("round"), _scaled_result, 1, 2, source=page("r_ROUND"), narrow=_places),
    Function("trunc", _to_scale("trunc"), _scaled_result, 1, 2, source=page("r_TRUNC"), narrow=_places),
    Function("mod", _mod, _mod_result, 2, 2, source=page("r_MOD")),
    Function("sign", _sign, _sign_result, 1, 1, source=page("r_SIGN")),
    _float("power", "pg_catalog.power({args})", "r_POWER", 2),
    _float("pow", "pg_catalog.power({args})", "r_POWER", 2),
    _float("sqrt", "pg_catalog.sqrt({args})", "r_SQRT"),
    _float("cbrt", "pg_catalog.cbrt({args})", "r_CBRT"),
    _float("exp", "pg_catalog.exp({args})", "r_EXP"),
    _float("dexp", "pg_catalog.exp({args})", "r_DEXP"),
    _float("ln", "pg_catalog.ln({args})", "r_LN"),
    _float("dlog1", "pg_catalog.ln({args})", "r_DLOG1"),
    _float("dlog10", "pg_catalog.log({args})", "r_DLOG10"),
    Function("log", _log, DOUBLE, 1, 2, source=page("r_LOG")),
    # Named there only; DECIMAL(38,0) is the widest integer that there is.
    Function(
        "factorial",
        "pg_catalog.factorial({args})::numeric(38,0)",
        RedshiftType("decimal", 38, 0),
        1,
        1,
        leader_only=True,
        source=page("c_SQL_functions_leader_node_only"),
    ),
    _float("degrees", "pg_catalog.degrees({args})", "r_DEGREES"),
    _float("radians", "pg_catalog.radians({args})", "r_RADIANS"),
    _float("sin", "pg_catalog.sin({args})", "r_SIN"),
    _float("cos", "pg_catalog.cos({args})", "r_COS"),
    _float("tan", "pg_catalog.tan({args})", "r_TAN"),
    _float("cot", "pg_catalog.cot({args})", "r_COT"),
    _float("asin", "pg_catalog.asin({args})", "r_ASIN"),
    _float("acos", "pg_catalog.acos({args})", "r_ACOS"),
    _float("atan", "pg_catalog.atan({args})", "r_ATAN"),
    _float("atan2", "pg_catalog.atan2({args})", "r_ATAN2", 2),
    Function("pi", "pg_catalog.pi()", DOUBLE, 0, 0, source=page("r_PI")),
    Function("random", "pg_catalog.random()", DOUBLE, 0, 0, source=page("r_RANDOM")),
)
