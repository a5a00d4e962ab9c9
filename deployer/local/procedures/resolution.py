"""Which of several procedures of one name a CALL means.

How near two types are, and the guide's pages about it: deployer.sql.overloads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployer.local.procedures.errors import error
from deployer.local.procedures.executor import StoredProcedure, Value
from deployer.sql.overloads import distance, type_name
from deployer.sql.plpgsql_ast import Call
from deployer.sql.types import RedshiftType


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
