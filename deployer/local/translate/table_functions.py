"""Functions of the catalog that give rows, in FROM or a select list, and what they are called in the local engine.

Source: Redshift Database Developer Guide, "PG_GET_LATE_BINDING_VIEW_COLS", "PG_GET_COLS".
"""

from __future__ import annotations

from deployer.local.translate.api import Relation
from deployer.sql.names import Name
from deployer.sql.parse.nodes import FunctionCall, FunctionTable
from deployer.sql.refused import Refused
from deployer.sql.types import INTEGER, NAME, VARCHAR, RedshiftType

SYSTEM = "redshift_catalog"
_COLUMNS: tuple[tuple[str, RedshiftType], ...] = (
    ("view_schema", NAME),
    ("view_name", NAME),
    ("col_name", NAME),
    ("col_type", VARCHAR),
    ("col_num", INTEGER),
)
_ARGUMENTS = {"pg_get_late_binding_view_cols": 0, "pg_get_cols": 1}


def is_one(name: str) -> bool:
    """Whether `name` is one of these functions."""
    return name in _ARGUMENTS


def relation(name: str) -> Relation:
    """What a query that calls it reads: a relation of the system's. The gateway knows it by this."""
    return Relation(Name(name, "pg_catalog"), "function", (SYSTEM, name), _COLUMNS)


def check_arguments(call: FunctionCall) -> None:
    """Raises Refused when the function has another number of arguments."""
    if len(call.args) != _ARGUMENTS[call.name]:
        raise Refused(
            f"function {call.name}() does not exist with {len(call.args)} arguments",
            position=call.pos,
            sqlstate="42883",
        )


def columns(item: FunctionTable) -> list[tuple[str, RedshiftType]]:
    """The columns under the names of the definition list, which both functions need: they return records.

    Raises Refused in PostgreSQL's words when the list is missing or says other types.
    """
    check_arguments(item.call)
    if not item.columns or any(kind is None for _, kind in item.columns):
        raise Refused(
            'a column definition list is required for functions returning "record": write cols(view_schema name, '
            "view_name name, col_name name, col_type varchar, col_num int)",
            position=item.pos,
            sqlstate="42601",
        )
    told = [kind.name for _, kind in item.columns if kind is not None]
    if told != [kind.name for _, kind in _COLUMNS]:
        raise Refused(
            "return and sql tuple descriptions are incompatible: the columns are name, name, name, varchar, int",
            position=item.pos,
            sqlstate="42804",
        )
    return [(name, kind) for (name, _), (_, kind) in zip(item.columns, _COLUMNS, strict=True)]
