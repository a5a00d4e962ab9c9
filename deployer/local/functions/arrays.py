"""Functions of SUPER arrays that compare elements, and GET_NUMBER_ATTRIBUTES.

Source: https://docs.aws.amazon.com/redshift/latest/dg/c_Array_Functions.html and each function's page.
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.functions.api import Call, Function
from deployer.local.functions.json_super import as_super, super_argument
from deployer.local.functions.render import page
from deployer.sql.types import BOOLEAN, INTEGER, SUPER, RedshiftType


def _flag(call: Call, index: int, default: str) -> str:
    return f"({call.args[index]})::boolean" if len(call.args) > index else default


def _search(call: Call) -> str:
    """ARRAY_CONTAINS and its like (array, value [, null_match])."""
    null_match = _flag(call, 2, "redshift.array_null_match()")
    return f"redshift.{call.name.lower()}({super_argument(call, 0)}, {as_super(call, 1)}, {null_match})"


def _pair(call: Call) -> str:
    """ARRAY_EXCEPT and ARRAY_INTERSECTION (array1, array2 [, distinct])."""
    arrays = f"{super_argument(call, 0)}, {super_argument(call, 1)}"
    return f"redshift.{call.name.lower()}({arrays}, {_flag(call, 2, 'false')})"


def _plain(call: Call) -> str:
    arguments = ", ".join(super_argument(call, index) for index in range(len(call.args)))
    return f"redshift.{call.name.lower()}({arguments})"


def _sort(call: Call) -> str:
    flags = f"{_flag(call, 1, 'true')}, {_flag(call, 2, 'NULL::boolean')}"
    return f"redshift.array_sort({super_argument(call, 0)}, {flags})"


_ROWS: tuple[tuple[str, Callable[[Call], str], RedshiftType, int, int], ...] = (
    # name, renderer, result, least and most arguments
    ("array_contains", _search, BOOLEAN, 2, 3),
    ("array_distinct", _plain, SUPER, 1, 1),
    ("array_except", _pair, SUPER, 2, 3),
    ("array_intersection", _pair, SUPER, 2, 3),
    ("array_position", _search, INTEGER, 2, 3),
    ("array_positions", _search, SUPER, 2, 3),
    ("array_sort", _sort, SUPER, 1, 3),
    ("array_union", _plain, SUPER, 2, 2),
    ("arrays_overlap", _plain, BOOLEAN, 2, 2),
    ("get_number_attributes", _plain, INTEGER, 1, 1),
)

FUNCTIONS: tuple[Function, ...] = tuple(
    Function(name, render, result, least, most, source=page(name))
    for name, render, result, least, most in _ROWS
)
