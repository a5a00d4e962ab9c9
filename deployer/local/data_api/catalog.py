"""ListDatabases, ListSchemas, ListTables and DescribeTable: queries on Redshift's own views, answered at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from deployer.local.data_api import tokens
from deployer.local.data_api.connection import Broken, Connection, told
from deployer.local.data_api.errors import Invalid, NotConnected, TimedOut
from deployer.local.data_api.records import Place
from deployer.local.data_api.targets import place
from deployer.local.gateway.backend import ServerError

PAGE = 1000
TIMEOUT_SECONDS = 60.0
"""Not documented: after how long QueryTimeoutException comes."""
_PRESS_SECONDS = 0.2

_SYSTEM = ("information_schema", "pg_catalog", "pg_internal")
_NAMES = {
    "boolean": "bool", "bigint": "int8", "integer": "int4", "smallint": "int2", "real": "float4",
    "double precision": "float8", "numeric": "numeric", "character varying": "varchar", "character": "bpchar",
    "date": "date", "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
    "time without time zone": "time", "time with time zone": "timetz", "super": "super", "binary varying": "varbyte",
    "varbyte": "varbyte", "text": "text", "interval": "interval",
}  # fmt: skip
_PRECISION = {
    "bool": 1, "int8": 19, "int4": 10, "int2": 5, "float4": 8, "float8": 17, "date": 13, "timestamp": 29,
    "timestamptz": 35, "time": 15, "timetz": 21,
}  # fmt: skip
_SCALE = {"float4": 8, "float8": 17, "timestamp": 6, "timestamptz": 6, "time": 6, "timetz": 6}
_SIGNED = {"int2", "int4", "int8", "float4", "float8", "numeric"}
_CASED = {"varchar", "bpchar", "text", "super", "varbyte", "char", "name"}

Borrowed = Callable[[Place], AbstractContextManager[Connection]]


class Catalog:
    """The catalog operations. `borrowed` lends a connection, `user` is who asks when a request names nobody."""

    def __init__(self, borrowed: Borrowed, user: str) -> None:
        self._borrowed, self._user = borrowed, user

    def databases(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListDatabases."""
        rows, more = self._page(
            request, "ListDatabases", "select database_name from svv_redshift_databases order by 1", ()
        )
        return {"Databases": [row[0] for row in rows], **more}

    def schemas(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListSchemas."""
        where, values = _conditions(request, {"SchemaPattern": "schema_name like"})
        rows, more = self._page(
            request, "ListSchemas",
            f"select schema_name from svv_all_schemas where database_name = $1{where} order by 1", values,
        )  # fmt: skip
        return {"Schemas": [row[0] for row in rows], **more}

    def tables(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListTables."""
        where, values = _conditions(
            request, {"SchemaPattern": "schema_name like", "TablePattern": "table_name like"}
        )
        rows, more = self._page(
            request, "ListTables",
            "select schema_name, table_name, table_type from svv_all_tables"
            f" where database_name = $1{where} order by 1, 2", values,
        )  # fmt: skip
        tables = [
            {"schema": schema, "name": name, "type": f"SYSTEM {kind}" if schema in _SYSTEM else kind}
            for schema, name, kind in rows
        ]
        return {"Tables": tables, **more}

    def table(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeTable."""
        where, values = _conditions(request, {"Schema": "schema_name =", "Table": "table_name ="})
        rows, more = self._page(
            request, "DescribeTable",
            "select schema_name, table_name, column_name, data_type, character_maximum_length, numeric_precision,"
            " numeric_scale, is_nullable, column_default from svv_all_columns"
            f" where database_name = $1{where} order by schema_name, table_name, ordinal_position", values,
        )  # fmt: skip
        answer = {"ColumnList": [_column(row) for row in rows], **more}
        if request.get("Table"):
            answer["TableName"] = request["Table"]
        return answer

    def _page(
        self, request: Mapping[str, Any], operation: str, sql: str, values: Sequence[str]
    ) -> tuple[list[tuple[str | None, ...]], dict[str, str]]:
        """A page of a query's rows, and NextToken when there are more. Raises ApiError."""
        where = place(request, self._user)
        start = tokens.unpack(request.get("NextToken"), operation) or 0
        # A page of none would never end; zero is taken for no wish.
        limit = request.get("MaxResults") or PAGE
        rows = self._query(where, f"{sql} limit {limit + 1} offset {start}", values)
        if len(rows) <= limit:
            return rows, {}
        return rows[:limit], {"NextToken": tokens.pack(operation, start + limit)}

    def _query(self, where: Place, sql: str, values: Sequence[str]) -> list[tuple[str | None, ...]]:
        try:
            with self._borrowed(where) as connection, _limited(connection):
                return connection.fetch(sql, values)
        except Broken as broken:
            raise NotConnected(str(broken)) from broken
        except ServerError as refused:
            if refused.sqlstate == "57014":
                raise TimedOut(f"the query took longer than {TIMEOUT_SECONDS:.0f} seconds") from refused
            if refused.fields.get("S") == "FATAL":
                raise NotConnected(told(refused)) from refused
            raise Invalid(told(refused)) from refused


@contextmanager
def _limited(connection: Connection) -> Iterator[None]:
    """Cancel what the body does on the connection when it takes too long, until it has ended.

    A request that comes before the query has begun has no effect. None is on its way any more when somebody else gets
    the connection.
    """
    done = threading.Event()

    def press() -> None:
        pause = TIMEOUT_SECONDS
        while not done.wait(pause):
            connection.cancel()
            pause = _PRESS_SECONDS

    thread = threading.Thread(target=press, name="data api limit", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _conditions(request: Mapping[str, Any], members: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The conditions for the members that are given, behind the database's, and all values."""
    values = [request.get("Database") or ""]
    where = ""
    for member, condition in members.items():
        if request.get(member):
            values.append(request[member])
            where += f" and {condition} ${len(values)}"
    return where, tuple(values)


def _column(row: Sequence[str | None]) -> dict[str, Any]:
    """A column's ColumnMetadata. `length` and `precision` are the same, as in the guide's example."""
    schema, table, name, kind, length, precision, scale, nullable, default = row
    bare = re.sub(r"\(.*?\)", "", kind or "").strip()
    type_name = _NAMES.get(bare, bare)
    if type_name in ("varchar", "bpchar"):
        size, digits = int(length or 0), 0
    elif type_name == "numeric":
        size, digits = int(precision or 0), int(scale or 0)
    else:
        size, digits = _PRECISION.get(type_name, 2147483647), _SCALE.get(type_name, 0)
    column: dict[str, Any] = {
        "isCaseSensitive": type_name in _CASED,
        "isCurrency": False,
        "isSigned": type_name in _SIGNED,
        "length": size,
        "name": name,
        "nullable": 0 if nullable == "NO" else 1,
        "precision": size,
        "scale": digits,
        "schemaName": schema,
        "tableName": table,
        "typeName": type_name,
    }
    if default is not None:
        column["columnDefault"] = default
    return column
