"""SHOW TABLE: a statement that makes a table again.

Source: Redshift Database Developer Guide, "SHOW TABLE", whose examples are tests here. They show types as the catalog
names them, NOT NULL, ENCODE (the chosen one too, where nobody wrote one; RAW is not written), distkey, keys, DISTSTYLE
and SORTKEY. Of IDENTITY, DEFAULT, BACKUP and interleaved sort keys the page shows no example: here they stand in the
form that CREATE TABLE takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deployer.local.gateway import codec, types
from deployer.local.gateway.backend import Result, ServerError
from deployer.local.gateway.errors import gateway_error
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.sinks import Sink
from deployer.sql.lexer import tokenize
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.words import RESERVED
from deployer.sql.plpgsql_reader import BodyError, Reader, read_tokens
from deployer.sql.procedure import read_name
from deployer.sql.refused import Refused

# The name under which clients find it, seen in their public code.
DEFINITION = codec.Column("Show Table DDL statement", 0, 0, types.VARCHAR_OID, -1, -1, 0)
VIEW_DEFINITION = codec.Column("Show View DDL statement", 0, 0, types.VARCHAR_OID, -1, -1, 0)

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_ASSIGNED = {
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "date"), "az64"),
    **dict.fromkeys(("timestamp without time zone", "timestamp with time zone"), "az64"),
    **dict.fromkeys(("character", "character varying"), "lzo"),
}
"""DG "Compression encodings": what is assigned where none is written. Sort keys, BOOLEAN, REAL and DOUBLE get RAW; for
the types that the page does not name no ENCODE is written, so that Redshift chooses again."""
_LITERAL = re.compile(r"\(?('(?:[^']|'')*'|-?[0-9.]+|true|false|NULL)\)?(?:::[a-z ]+(?:\([0-9, ]+\))?)?")
_CALLS = {"redshift.getdate()": "getdate()", "redshift.sysdate()": "sysdate", "CURRENT_USER": "current_user"}
"""DEFAULT expressions of the engine's -> what the user wrote."""


def shows_table(text: str) -> bool:
    """Whether a statement is SHOW TABLE, not SHOW TABLES."""
    return [token.value for token in tokenize(text)[:2]] == ["show", "table"]


def shows_view(text: str) -> bool:
    """Whether a statement is SHOW VIEW."""
    return [token.value for token in tokenize(text)[:2]] == ["show", "view"]


def show_view(runner: Runner, text: str, sink: Sink) -> None:
    """SHOW VIEW [schema.]name: the text that its user wrote. Raises Refused and ServerError."""
    name = _read(text, "view")
    for schema in [name.schema] if name.schema else runner.search_path():
        found = runner.catalog_query(
            "select definition from redshift_catalog.pg_views where schemaname = $1 and viewname = $2",
            [schema.encode(), name.name.encode()],
        ).rows
        if found:
            sink.columns([VIEW_DEFINITION])
            sink.rows(codec.pack_row([found[0][0]]), 1)
            sink.complete("SHOW")
            return
    raise _missing(name)


def _asked(runner: Runner, sql: str, values: Sequence[bytes]) -> Result:
    """As Runner.catalog_query, for a question that waits for who alters a table: nobody else must wait with it."""
    if runner.in_transaction and not runner.snapshot:
        try:
            return runner.internal.apart(sql, values)
        except ServerError as error:
            if error.sqlstate != "55P03":
                raise
    return runner.internal_query(sql, values)


def show_table(runner: Runner, text: str, sink: Sink) -> None:
    """SHOW TABLE [schema.]name. Raises Refused and ServerError."""
    name = _read(text, "table")
    for schema in [name.schema] if name.schema else runner.search_path():
        values = [schema.encode(), name.name.encode(), runner.user.encode()]
        found = _asked(runner, "select zeroshift.table_definition($1, $2, $3)", values).rows
        if found and found[0][0] is not None:
            sink.columns([DEFINITION])
            sink.rows(codec.pack_row([definition(json.loads(found[0][0])).encode()]), 1)
            sink.complete("SHOW")
            return
    raise _missing(name)


def _read(text: str, what: str) -> Name:
    try:
        reader = Reader(text, read_tokens(text))
        reader.expect("show", what)
        name = read_name(reader)
        if reader.token.kind != "end":
            reader.fail()
    except BodyError as error:
        raise Refused(error.message, position=error.position, sqlstate="42601") from None
    if name.database is not None:
        raise Refused("SHOW TABLE of another database is not supported by the local Redshift yet")
    return name


def _missing(name: Name) -> ServerError:
    return gateway_error(f'relation "{name}" does not exist', "42P01")


def definition(table: Mapping[str, Any]) -> str:
    """The statement for what zeroshift.table_definition has read. Raises Refused for a DEFAULT that we cannot write."""
    lines = [_column(column, table) for column in table["columns"]]
    lines += [_constraint(constraint) for constraint in table["constraints"]]
    head = f"CREATE TABLE {_ident(table['schema'])}.{_ident(table['name'])} (\n"
    backup = "" if table["backup"] else " BACKUP NO"
    return head + ",\n".join(f"    {line}" for line in lines) + f"\n){backup}\n{_attributes(table)};"


def _column(column: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    name = column["name"]
    words = [_ident(name), column["type"]]
    if column["identity"]:
        always = column["identity"] == "a"
        words.append(
            f"{'IDENTITY' if always else 'GENERATED BY DEFAULT AS IDENTITY'}({column['seed']},{column['step']})"
        )
    elif column["default"] is not None:
        words.append(f"DEFAULT {_default(name, column['default'])}")
    if column["not_null"]:
        words.append("NOT NULL")
    encoding = table["encodings"].get(name, "auto")
    if encoding == "auto" and name not in table["sortkeys"]:
        encoding = _ASSIGNED.get(column["type"].partition("(")[0], "raw")
    if encoding not in ("raw", "auto"):
        words.append(f"ENCODE {encoding}")
    if name == table["distkey"]:
        words.append("distkey")
    return " ".join(words)


def _default(column: str, expression: str) -> str:
    if expression in _CALLS:
        return _CALLS[expression]
    literal = _LITERAL.fullmatch(expression)
    if literal is None:
        raise Refused(
            f"SHOW TABLE cannot write the DEFAULT of column {column} in the local Redshift: {expression}"
        )
    return literal.group(1)


def _constraint(constraint: Mapping[str, Any]) -> str:
    columns = _listed(constraint["columns"])
    if constraint["type"] == "p":
        return f"PRIMARY KEY ({columns})"
    if constraint["type"] == "u":
        return f"UNIQUE ({columns})"
    schema, _, name = str(constraint["references"]).rpartition(".")
    target = ".".join(_ident(part) for part in (schema, name) if part)
    referenced = _listed(constraint.get("referenced") or [])
    return f"FOREIGN KEY ({columns}) REFERENCES {target}" + (f"({referenced})" if referenced else "")


def _attributes(table: Mapping[str, Any]) -> str:
    found = f"DISTSTYLE {table['diststyle']}"
    if table["sortkeys"]:
        word = "INTERLEAVED SORTKEY" if table["sortstyle"] == "INTERLEAVED" else "SORTKEY"
        found += f" {word} ( {_listed(table['sortkeys'])} )"
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_ident(name) for name in names)


def _ident(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name.upper() not in RESERVED else quote_ident(name)
