"""The columns of late-binding views, which only the translator can tell.

PG_GET_LATE_BINDING_VIEW_COLS and SVV_COLUMNS show them (DG, their pages). What they are is found out when a statement
asks: tables under a view may have changed since. The session is told before the statement runs, in a setting that the
catalog views read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from deployer.local.gateway import external, types
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.catalog import Answers, LiveCatalog
from deployer.local.translate.api import Catalog, FunctionName, Relation, Translation, UserFunction
from deployer.local.translate.translator import translate
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

Columns = list[tuple[str, str]]

_SETTING = "zeroshift.late_binding_columns"
_LONG = {"time": "time without time zone", "timetz": "time with time zone", "varbyte": "binary varying"}


_known: WeakKeyDictionary[Runner, dict[Name, tuple[Answers, Columns]]] = WeakKeyDictionary()
"""What was found last, for each session: it holds while its questions to the catalog have the same answers."""


def tell(runner: Runner, translation: Translation) -> None:
    """Before `translation` runs: tell the session the columns, if it reads one of SHOWING. Raises ServerError."""
    if any(relation.physical in SHOWING for relation in translation.reads):
        value = json.dumps(_columns(runner)).encode()
        runner.internal_query("select set_config($1, $2, false)", [_SETTING.encode(), value])


def _columns(runner: Runner) -> list[list[Any]]:
    rows = runner.catalog_query(
        "select schema_name, view_name from zeroshift.late_binding_views_of($1)", [runner.user.encode()]
    ).rows
    names = [Name((view or b"").decode(), (schema or b"").decode()) for schema, view in rows]
    known = _known.setdefault(runner, {})
    # One catalog for all of them: names are looked up together.
    catalog = runner.catalog(
        " ".join(name.sql() for name in names)
        + " ".join(asked.sql() for answers, _ in known.values() for asked in answers)
    )
    found: list[list[Any]] = []
    for name in names:
        kept = known.get(name)
        if kept is None or not catalog.holds(kept[0]):
            asking = _Asking(catalog)
            try:
                kept = known[name] = (asking.answers, _of(runner, name, asking))
            except (Refused, LexError, ServerError):
                # What it reads is gone, has changed, or is locked by who alters it, and a query on it fails. Its page
                # does not say what is shown of such a view: nothing here, so that the others can be seen.
                known.pop(name, None)
                continue
        found += [
            [name.schema, name.name, column, kind, number] for number, (column, kind) in enumerate(kept[1], 1)
        ]
    return found


class _Asking:
    """A catalog that remembers what it was asked for one view."""

    def __init__(self, catalog: LiveCatalog) -> None:
        self._catalog = catalog
        self.database = catalog.database
        self.answers: Answers = {}

    def relation(self, name: Name) -> Relation | None:
        if name not in self.answers:
            self.answers[name] = self._catalog.relation(name)
        return self._catalog.relation(name)

    def functions(self, name: FunctionName) -> tuple[UserFunction, ...]:
        self.answers[name] = found = self._catalog.functions(name)
        return found


def _of(runner: Runner, name: Name, catalog: Catalog) -> Columns:
    translation = translate(f"select * from {name.sql()}", catalog)
    if all(kind is not None for _, kind in translation.columns):
        return [(column, _written(kind)) for column, kind in translation.columns if kind is not None]
    # PostgreSQL knows the types that inference cannot tell. On the gateway's own connection: an error must not end the
    # session's transaction.
    empty = external.described(translation.statements[0], translation)
    described = runner.internal.apart(f"select * from ({empty}) as q limit 0").columns
    shown = types.shown(described, translation.columns)
    return [(column.name, _written(types.from_oid(column.type, column.modifier))) for column in shown]


def _written(kind: RedshiftType) -> str:
    """The type as the catalog writes it. A text whose length cannot be derived has the greatest."""
    if kind.name == "decimal" and kind.precision is None:
        return "numeric"
    if kind.name in ("varchar", "unknown") and not kind.length:
        return f"character varying({MAX_VARCHAR})"
    return _LONG.get(kind.name) or redshift_text(kind)
