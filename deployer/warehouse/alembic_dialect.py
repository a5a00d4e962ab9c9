"""SQLAlchemy's Redshift dialect, less what neither Redshift nor Alembic needs.

sqlalchemy-redshift answers has_table by reading every relation with its view text and privileges, and
SQLAlchemy 2.1 sends `= any (array[...])`, which Redshift refuses. Both are replaced by one plain question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic.ddl.base import alter_column, alter_table, format_type
from alembic.ddl.postgresql import PostgresqlColumnType
from sqlalchemy.dialects import registry
from sqlalchemy.ext.compiler import compiles
from sqlalchemy_redshift.dialect import RedshiftDialect_redshift_connector

NAME = "redshift.zeroshift"
URL = "redshift+zeroshift://"

_HAS_TABLE = sa.text(
    "select count(*) from information_schema.tables where table_schema = :schema and table_name = :name"
)


class ZeroshiftDialect(RedshiftDialect_redshift_connector):  # type: ignore[misc]  # the base has no types
    """The dialect that migrations run under; its name stays `redshift`."""

    supports_statement_cache = False

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        bound = {"schema": schema or self.default_schema_name, "name": table_name}
        return bool(connection.execute(_HAS_TABLE, bound).scalar())

    def has_multi_table(
        self, connection: Any, table_names: Iterable[str], schema: str | None = None, **kw: Any
    ) -> Iterable[tuple[tuple[str | None, str], bool]]:
        return [((schema, name), self.has_table(connection, name, schema)) for name in table_names]


@compiles(PostgresqlColumnType, "redshift")
def _change_type(element: PostgresqlColumnType, compiler: Any, **kw: Any) -> str:
    """ALTER COLUMN ... TYPE, which Alembic writes for PostgreSQL alone. Source: Redshift DG, "ALTER TABLE"."""
    table = alter_table(compiler, element.table_name, element.schema)
    column = alter_column(compiler, element.column_name)
    return f"{table} {column} TYPE {format_type(compiler, element.type_)}"


registry.register(NAME, __name__, "ZeroshiftDialect")
