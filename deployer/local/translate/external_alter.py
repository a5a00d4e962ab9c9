"""External tables: ALTER and DROP, as changes of the local data catalog.

Source: Redshift Database Developer Guide, "ALTER TABLE" (examples for external tables), "DROP TABLE".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from deployer.local.translate.api import EXTERNAL_TABLE, Relation, Translation
from deployer.local.translate.context import Context, finish
from deployer.local.translate.external import (
    DONE,
    TYPES,
    catalog_call,
    described,
    file_format,
    location,
    properties,
)
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType


def alter(parser: Parser, relation: Relation, context: Context) -> Translation:
    """ALTER TABLE of an external table, its name already read."""
    where = (relation.physical[0], relation.physical[1])
    table = json.loads((relation.definition or "").rpartition("}")[0] + "}")
    if parser.accept("add"):
        quietly = parser.accept("if", "not", "exists")
        if parser.is_word("partition"):
            call = catalog_call("add_partitions", *where, quietly, _partitions(parser))
        else:
            parser.accept("column")
            added = (parser.identifier(), parser.type(ddl=True))
            call = _columns_call(where, [*table["columns"], *described([added])], table["partition_keys"])
            _check_added(relation, added, parser)
    elif parser.is_word("drop", "partition"):
        parser.at += 2
        call = catalog_call("drop_partition", *where, _keys(parser))
    elif parser.accept("drop"):
        parser.accept("column")
        name = _known(parser, table, parser.identifier())
        rest = [one for one in table["columns"] if one["name"] != name]
        if not rest:
            parser.refuse("a table must have at least one column", sqlstate="42P16")
        call = _columns_call(where, rest, table["partition_keys"])
    elif parser.accept("partition"):
        keys = _keys(parser)
        parser.expect("set", "location")
        call = catalog_call("set_external_location", *where, keys, location(parser))
    elif parser.accept("rename", "column"):
        old = _known(parser, table, parser.identifier())
        parser.expect("to")
        new = parser.identifier()
        _check_added(relation, (new, RedshiftType("integer")), parser)
        renamed = [one | {"name": new} if one["name"] == old else one for one in table["columns"]]
        call = _columns_call(where, renamed, table["partition_keys"])
    elif parser.accept("set", "location"):
        call = catalog_call("set_external_location", *where, None, location(parser))
    elif parser.accept("set", "file", "format"):
        call = catalog_call("alter_external_table", *where, {"format": file_format(parser)})
    elif parser.accept("set", "table", "properties"):
        call = catalog_call(
            "alter_external_table", *where, {"properties": properties(parser, table["format"])}
        )
    else:
        parser.refuse(
            f"ALTER TABLE ... {parser.token.value.upper()} is not supported for an external table",
            sqlstate="0A000",
        )
    parser.done()
    return replace(
        finish(context, [call, DONE], kind="alter_external_table", main=1), alone="ALTER EXTERNAL TABLE"
    )


def drop(relations: Sequence[Relation | None], context: Context, pos: int) -> Translation:
    """DROP TABLE of external tables. The files stay."""
    if any(relation is None or relation.kind != EXTERNAL_TABLE for relation in relations):
        raise Refused("DROP TABLE cannot drop external and other tables in one statement here", position=pos)
    calls = [catalog_call("drop_external_table", *one.physical) for one in relations if one is not None]
    made = finish(context, [*calls, DONE], kind="drop_external_table", main=len(calls))
    return replace(made, alone="DROP EXTERNAL TABLE")


def _columns_call(where: tuple[str, str], columns: list[Any], keys: list[Any]) -> str:
    return catalog_call("alter_external_table", *where, {"columns": columns, "partition_keys": keys})


def _check_added(relation: Relation, added: tuple[str, RedshiftType], parser: Parser) -> None:
    if added[0] in dict(relation.columns):
        parser.refuse(f'column "{added[0]}" of relation "{relation.name}" already exists', sqlstate="42701")
    if added[1].name not in TYPES:
        parser.refuse(f"an external table cannot have a column of type {added[1].name.upper()}")


def _known(parser: Parser, table: dict[str, Any], name: str) -> str:
    if name not in [one["name"] for one in table["columns"]]:
        parser.refuse(f'column "{name}" of relation "{table["name"]}" does not exist', sqlstate="42703")
    return name


def _partitions(parser: Parser) -> list[dict[str, Any]]:
    found = []
    while parser.accept("partition"):
        keys = _keys(parser)
        parser.expect("location")
        found.append({"keys": keys, "location": location(parser)})
    return found


def _keys(parser: Parser) -> dict[str, str]:
    """(name=value, ...), a value quoted or a number."""
    found: dict[str, str] = {}
    parser.expect_op("(")
    while True:
        name = parser.identifier()
        parser.expect_op("=")
        if parser.token.kind == "number" or parser.is_op("-"):
            sign = "-" if parser.accept_op("-") else ""
            if parser.token.kind != "number":
                parser.fail()
            value = sign + parser.next().value
        else:
            value = parser.string()
        if name in found:
            parser.refuse(f'the partition key "{name}" is there twice', sqlstate="42701")
        found[name] = value
        if not parser.accept_op(","):
            break
    parser.expect_op(")")
    return found
