"""The columns of late-binding views, which only the translator can tell.

PG_GET_LATE_BINDING_VIEW_COLS and SVV_COLUMNS show them (DG, their pages). What they are is found out when a statement
asks: tables under a view may have changed since. The session is told before the statement runs, in a setting that the
catalog views read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from deployer.local.gateway import types
from deployer.local.gateway.backend import ServerError
from deployer.local.translate.api import Translation
from deployer.sql.lexer import LexError
from deployer.sql.names import Name
from deployer.sql.parse.datatypes import redshift_text
from deployer.sql.refused import Refused
from deployer.sql.types import MAX_VARCHAR, RedshiftType

if TYPE_CHECKING:
    from deployer.local.gateway.runner import Runner

SHOWING = frozenset(
    [
        ("redshift_catalog", "svv_columns"),
        ("redshift_catalog", "pg_get_late_binding_view_cols"),
        ("redshift_catalog", "pg_get_cols"),
    ]
)
"""What shows columns of late-binding views, by its physical name."""

_SETTING = "zeroshift.late_binding_columns"
_LONG = {"time": "time without time zone", "timetz": "time with time zone", "varbyte": "binary varying"}


def tell(runner: Runner, translation: Translation) -> None:
    """Before `translation` runs: tell the session the columns, if it reads one of SHOWING. Raises ServerError."""
    if any(relation.physical in SHOWING for relation in translation.reads):
        value = json.dumps(_columns(runner)).encode()
        runner.internal_query("select set_config($1, $2, false)", [_SETTING.encode(), value])


def _columns(runner: Runner) -> list[list[Any]]:
    rows = runner.catalog_query(
        "select schema_name, view_name from zeroshift.late_binding_views_of($1)", [runner.user.encode()]
    ).rows
    found: list[list[Any]] = []
    for row in rows:
        schema, view = ((value or b"").decode() for value in row)
        try:
            columns = _of(runner, Name(view, schema))
        except (Refused, LexError, ServerError):
            # What it reads is gone or has changed, and a query on it fails. Its page does not say what is shown of
            # such a view: nothing here, so that the others can be seen.
            continue
        found += [[schema, view, name, kind, number] for number, (name, kind) in enumerate(columns, 1)]
    return found


def _of(runner: Runner, name: Name) -> list[tuple[str, str]]:
    translation = runner.translation(f"select * from {name.sql()}")
    if all(kind is not None for _, kind in translation.columns):
        return [(column, _written(kind)) for column, kind in translation.columns if kind is not None]
    # PostgreSQL knows the types that inference cannot tell. On the gateway's own connection: an error must not end the
    # session's transaction.
    described = runner.internal.query(f"select * from ({translation.statements[0]}) as q limit 0").columns
    shown = types.shown(described, translation.columns)
    return [(column.name, _written(types.from_oid(column.type, column.modifier))) for column in shown]


def _written(kind: RedshiftType) -> str:
    """The type as the catalog writes it. A text whose length cannot be derived has the greatest."""
    if kind.name == "decimal" and kind.precision is None:
        return "numeric"
    if kind.name in ("varchar", "unknown") and not kind.length:
        return f"character varying({MAX_VARCHAR})"
    return _LONG.get(kind.name) or redshift_text(kind)
