"""Result types that follow from the argument types.

Source: Redshift Database Developer Guide, r_numeric_computations201 (set operators, COALESCE, DECODE),
c_Supported_data_types (implicit conversion).
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.functions.api import Types
from deployer.local.translate import infer
from deployer.sql.types import UNKNOWN, VARCHAR, RedshiftType


def same(index: int = 0) -> Callable[[Types], RedshiftType | None]:
    """The type of the argument at `index`."""
    return lambda types: types[index] if index < len(types) else None


def common(types: Types) -> RedshiftType | None:
    """The one type of COALESCE, NVL, DECODE, GREATEST and LEAST over `types`, VARCHAR of bare literals.

    None when inference does not know a type or when two do not meet: then PostgreSQL decides or refuses.
    """
    met = infer.common(list(types))
    return VARCHAR if met == UNKNOWN else met
