"""Which of several procedures of one name a CALL means.

Source: Redshift Database Developer Guide, "Overloading procedure names": by the number and the types of the arguments.
How near two types are it does not say. Here an argument may be of the declared type, an untyped literal, or of a type
of the same category ("Type compatibility and conversion"); anything else needs a cast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployer.local.procedures.errors import error
from deployer.local.procedures.executor import StoredProcedure, Value
from deployer.sql.plpgsql_ast import Call
from deployer.sql.types import RedshiftType

_CATEGORIES = (
    ("smallint", "integer", "bigint", "decimal", "real", "double"),
    ("char", "varchar", "name"),
    ("date", "timestamp", "timestamptz"),
    ("time", "timetz"),
)
"""Types that convert into each other, each one into those behind it without loss."""


def type_name(kind: RedshiftType) -> str:
    """A type as messages and catalogs name it, without its length."""
    return {
        "decimal": "numeric", "varchar": "character varying", "char": "character", "double": "double precision",
        "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
    }.get(kind.name, kind.name)  # fmt: skip


def distance(given: RedshiftType, declared: RedshiftType) -> int | None:
    """How far an argument's type is from the declared one; None when it does not convert by itself."""
    if given.name == declared.name:
        return 0
    if given.name == "unknown":
        return 1
    for category in _CATEGORIES:
        if given.name in category and declared.name in category:
            step = category.index(declared.name) - category.index(given.name)
            return 1 + step if step > 0 else 20 - step
    return None


def choose(
    call: Call,
    found: Sequence[StoredProcedure],
    values: Sequence[Value],
    read_type: Callable[[str], RedshiftType],
) -> StoredProcedure:
    """The procedure that a CALL with these values means. Raises ServerError (42883, 42725)."""
    ranked: list[tuple[int, StoredProcedure]] = []
    for candidate in found:
        declared = [read_type(a.type_text) for a in candidate.arguments if a.mode != "out"]
        if len(declared) != len(values):
            continue
        steps = [distance(value.type, kind) for value, kind in zip(values, declared, strict=True)]
        if None not in steps:
            ranked.append((sum(step for step in steps if step is not None), candidate))
    title = f"{call.schema}.{call.name}" if call.schema else call.name
    given = f"{title}({', '.join(type_name(value.type) for value in values)})"
    if not ranked:
        raise error(
            "42883",
            f"procedure {given} does not exist",
            hint="No procedure matches the given name and argument types. You may need to add explicit type casts.",
        )
    ranked.sort(key=lambda pair: pair[0])
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        raise error(
            "42725",
            f"procedure {given} is not unique",
            hint="Could not choose a best candidate procedure. You may need to add explicit type casts.",
        )
    return ranked[0][1]
