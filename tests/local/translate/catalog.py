"""A catalog that is written down, for tests that need no server."""

from __future__ import annotations

from deployer.local.translate.api import FunctionName, Relation, UserFunction
from deployer.sql.names import Name
from deployer.sql.parse.cursor import Cursor
from deployer.sql.types import RedshiftType


def columns(text: str) -> tuple[tuple[str, RedshiftType], ...]:
    """Columns of "name type, name type, ..."."""
    cursor = Cursor(text)
    found = []
    while cursor.token.kind != "end":
        found.append((cursor.identifier(), cursor.type(ddl=True)))
        cursor.accept_op(",")
    return tuple(found)


class WrittenCatalog:
    """Relations by their dotted names; unqualified ones are looked for in schema public."""

    database = "dev"

    def __init__(self, tables: dict[str, str], late: dict[str, str] | None = None) -> None:
        self._relations: dict[tuple[str, str], Relation] = {}
        for dotted, text in tables.items():
            schema, _, name = dotted.rpartition(".")
            self._add(schema or "public", name, columns(text), "table", None)
        for dotted, text in (late or {}).items():
            schema, _, name = dotted.rpartition(".")
            self._add(schema or "public", name, (), "late_binding_view", text)

    def _add(
        self, schema: str, name: str, found: tuple[tuple[str, RedshiftType], ...], kind: str, text: str | None
    ) -> None:
        self._relations[schema, name] = Relation(Name(name, schema), kind, (schema, name), found, text)

    def relation(self, name: Name) -> Relation | None:
        schema = name.schema or "public"
        if name.database is not None and name.database != self.database:
            schema = f"{name.database}.{schema}"
        found = self._relations.get((schema, name.name))
        if found is None and name.schema is None:
            found = self._relations.get(("pg_catalog", name.name))
        if found is None:
            return None
        return Relation(name, found.kind, found.physical, found.columns, found.definition)

    def functions(self, name: FunctionName) -> tuple[UserFunction, ...]:
        """There are none."""
        return ()


CATALOG = WrittenCatalog(
    {
        "sales": "id bigint, qty smallint, units integer, price decimal(12,2), rate decimal(18,8), city varchar(100), "
        "code char(3), day date, sold_at timestamp, seen_at timestamptz, paid boolean, weight real, score float8, "
        "extra super",
        "listing": "id bigint, city varchar(100), opened date",
        "curated.bookings": "booking_id bigint, user_id bigint, total_price decimal(12,2)",
        "rental_landing.rental.bookings": "booking_id bigint, _record_is_active boolean",
        "pg_catalog.pg_class": '"oid" oid, relname name, relnamespace oid, relkind char(1), relowner integer',
    },
    {"raw.bookings": "select booking_id, _record_is_active from rental_landing.rental.bookings"},
)
