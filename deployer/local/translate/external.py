"""External schemas and tables: CREATE, and DROP of their databases, as changes of the local data catalog.

Source: Redshift Database Developer Guide, "CREATE EXTERNAL SCHEMA", "CREATE EXTERNAL TABLE", "DROP SCHEMA". Who may
do it is checked by the functions of compat/015_external.sql.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from deployer.local.translate.api import PSEUDO_COLUMNS, Translation
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import SYSTEM_SCHEMAS, Context, finish
from deployer.local.translate.datatypes import pg_type
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

# A statement without an answer, whose tag the gateway words: SELECT would return a row.
DONE = "SET zeroshift.external TO ''"

TYPES = frozenset(
    "smallint integer bigint decimal real double boolean char varchar varbyte date timestamp".split()
)
"""DG "CREATE EXTERNAL TABLE", data_type; "VARBYTE ... only with non-partition columns"."""
MOST_COLUMNS = 1598
_ROLE = re.compile(
    r"arn:[a-z0-9-]*:iam::\d{12}:role/[^\s,]+(?:,arn:[a-z0-9-]*:iam::\d{12}:role/[^\s,]+){0,9}"
)
_S3 = re.compile(r"s3://[^/]+/.*", re.S)
_OTHER_FORMATS = ("rcfile", "sequencefile", "orc", "avro", "inputformat")
_ELSEWHERE = ("hive", "postgres", "mysql", "kinesis", "msk", "redshift", "kafka", "iceberg")
_NUMBERS = ("numRows", "skip.header.line.count")
_PROPERTIES: dict[str, tuple[str, ...] | None] = {
    "numRows": None, "skip.header.line.count": None, "serialization.null.format": None,
    "compression_type": ("bzip2", "gzip", "none"), "data_cleansing_enabled": ("false",),
}  # fmt: skip
"""The properties that are read here, with the values that are supported; any for None."""
_PARQUET_ONLY = ("none", "snappy")

Columns = list[tuple[str, RedshiftType]]


def create(parser: Parser, context: Context) -> Translation:
    """CREATE EXTERNAL SCHEMA and CREATE EXTERNAL TABLE, CREATE already read."""
    parser.expect("external")
    if parser.accept("schema"):
        return _create_schema(parser, context)
    if parser.accept("table"):
        return _create_table(parser, context)
    parser.refuse(f"CREATE EXTERNAL {parser.token.value.upper()} is not supported by the local Redshift yet")


# -- schemas


def _create_schema(parser: Parser, context: Context) -> Translation:
    quietly = parser.accept("if", "not", "exists")
    token = parser.token
    name = parser.identifier()
    if name in SYSTEM_SCHEMAS or name in ("redshift", "zeroshift") or name.startswith("pg_"):
        parser.refuse(f'unacceptable schema name "{name}": it is reserved', token, "42939")
    parser.expect("from")
    if parser.token.kind == "word" and parser.token.value in _ELSEWHERE:
        parser.refuse(
            f"CREATE EXTERNAL SCHEMA ... FROM {parser.token.value.upper()} is not supported by the local Redshift yet;"
            " it has FROM DATA CATALOG"
        )
    # "DATA CATALOG is the default."
    parser.accept("data", "catalog")
    parser.expect("database")
    database = parser.string()
    if not database:
        parser.refuse("CREATE EXTERNAL SCHEMA: the name of the external database is empty", token, "42601")
    role, options, making = "", {}, False
    while not (parser.token.kind == "end" or parser.is_op(";")):
        if parser.accept("region"):
            options["REGION"] = parser.string()
        elif parser.accept("iam_role"):
            role = _role(parser)
        elif parser.accept("catalog_role"):
            # The local catalog asks nobody for a role.
            options["CATALOG_ROLE"] = _role(parser)
        elif parser.accept("create", "external", "database"):
            parser.expect("if", "not", "exists")
            making = True
        elif parser.any_word(
            ("schema", "uri", "port", "secret_arn", "authentication", "cluster_arn", "catalog_id")
        ):
            parser.refuse(
                f"CREATE EXTERNAL SCHEMA ... FROM DATA CATALOG: {parser.token.value.upper()} is for another kind of"
                " external schema or not supported by the local Redshift", sqlstate="42601",
            )  # fmt: skip
        else:
            parser.fail()
    if not role:
        parser.refuse("CREATE EXTERNAL SCHEMA needs IAM_ROLE default or IAM_ROLE 'arn'", token, "42601")
    parser.done()
    options = {"IAM_ROLE": role, **options}
    record = catalog_call("create_external_schema", name, database, role, options, making)
    # Over a schema that exists IF NOT EXISTS changes nothing: the function looks whether it is a new one.
    made = f"CREATE SCHEMA {'IF NOT EXISTS ' if quietly else ''}{quote_ident(name)}"
    if quietly:
        known = f"to_regnamespace({pg_literal(quote_ident(name))}) is null"
        steps = [f"SELECT set_config('zeroshift.external', ({known})::text, true)", made]
        record = f"{record} WHERE current_setting('zeroshift.external') = 'true'"
    else:
        steps = [made]
    return finish(context, [*steps, record, DONE], kind="create_schema", main=len(steps) + 1)


def _role(parser: Parser) -> str:
    token = parser.token
    if parser.accept("default"):
        return "default"
    role = parser.string()
    if role.upper() == "SESSION":
        parser.refuse(
            "IAM_ROLE 'SESSION' is not supported by the local Redshift: there is no federated identity", token
        )
    if not _ROLE.fullmatch(role):
        parser.refuse(
            "IAM_ROLE takes default or the ARN of a role, or of a chain of at most 10", token, "42601"
        )
    return role


def drop_databases(names: Sequence[str], cascading: bool) -> str:
    """What has to run before DROP SCHEMA ... DROP EXTERNAL DATABASE."""
    listed = ", ".join(map(pg_literal, names))
    return f"SELECT zeroshift.drop_external_databases(array[{listed}]::text[], {str(cascading).upper()})"


# -- tables


def _create_table(parser: Parser, context: Context) -> Translation:
    pos = parser.token.start
    if parser.is_word("if"):
        parser.refuse("CREATE EXTERNAL TABLE takes no IF NOT EXISTS on Redshift", sqlstate="42601")
    name = _named(parser, context)
    if not parser.is_op("("):
        parser.refuse("CREATE EXTERNAL TABLE AS is not supported by the local Redshift yet: use UNLOAD first")
    columns = _columns(parser)
    keys: Columns = []
    if parser.accept("partitioned"):
        parser.expect("by")
        keys = _columns(parser)
        for key, kind in keys:
            if kind.name == "varbyte":
                parser.refuse(f'the partition key "{key}" cannot be VARBYTE', sqlstate="42601")
    _check_names(columns, keys, pos)
    given: dict[str, Any] = {"columns": described(columns), "partition_keys": described(keys)}
    given |= {"delimiter": "\x01", "line_end": "\n"} | _row_format(parser)
    parser.expect("stored", "as")
    given["format"] = file_format(parser)
    parser.expect("location")
    given["location"] = location(parser)
    given["properties"] = properties(parser, given["format"]) if parser.accept("table", "properties") else {}
    if parser.is_word("as"):
        parser.refuse("CREATE EXTERNAL TABLE AS is not supported by the local Redshift yet")
    parser.done()
    call = catalog_call("create_external_table", name.schema or "", name.name, given)
    made = finish(context, [call, DONE], kind="create_external_table", main=1)
    return replace(made, alone="CREATE EXTERNAL TABLE")


def _named(parser: Parser, context: Context) -> Name:
    pos = parser.token.start
    name = context.local(parser.name())
    if name.database is not None:
        raise Refused(
            f'cannot create "{name}": objects can be created in the session\'s own database only',
            position=pos,
        )
    if name.schema is None:
        raise Refused(
            f'"{name}" must be qualified by an external schema: the search path is not supported for external tables',
            position=pos,
            sqlstate="42601",
        )
    return name


def _columns(parser: Parser) -> Columns:
    parser.expect_op("(")
    found: Columns = []
    while True:
        name = parser.identifier()
        token = parser.token
        if parser.any_word(("struct", "array", "map")):
            parser.refuse(f"nested data ({token.value.upper()}) is not supported by the local Redshift yet")
        if parser.is_word("string"):
            parser.refuse("type STRING is not supported on Redshift; use VARCHAR")
        kind = parser.type(ddl=True)
        if kind.name not in TYPES:
            parser.refuse(f"an external table cannot have a column of type {kind.name.upper()}", token)
        found.append((name, kind))
        if not parser.accept_op(","):
            break
    parser.expect_op(")")
    return found


def _check_names(columns: Columns, keys: Columns, pos: int) -> None:
    names = [name for name, _ in [*columns, *keys]]
    for name in names:
        if names.count(name) > 1:
            what = (
                "is a partition key too" if name in {key for key, _ in keys} else "specified more than once"
            )
            raise Refused(f'column "{name}" {what}', position=pos, sqlstate="42701")
        if name in dict(PSEUDO_COLUMNS):
            raise Refused(f'a column cannot be named "{name}"', position=pos, sqlstate="42601")
    if len(names) > MOST_COLUMNS:
        raise Refused(f"an external table has at most {MOST_COLUMNS} columns", position=pos, sqlstate="54011")


def described(columns: Columns) -> list[dict[str, Any]]:
    """The columns for the catalog, their types as PostgreSQL's format_type() writes them."""
    long = {"timestamp": "timestamp without time zone"}
    return [
        {"name": name, "type": long.get(kind.name) or pg_type(kind)}
        # Which PostgreSQL's type has no room for.
        | ({"length": kind.length} if kind.name == "varbyte" else {})
        for name, kind in columns
    ]


def _row_format(parser: Parser) -> dict[str, str]:
    if not parser.accept("row", "format"):
        return {}
    if parser.is_word("serde"):
        parser.refuse("ROW FORMAT SERDE is not supported by the local Redshift yet; use ROW FORMAT DELIMITED")
    parser.expect("delimited")
    found = {}
    while parser.any_word(("fields", "lines")):
        what = parser.next().value
        parser.expect("terminated", "by")
        token = parser.token
        text = parser.string()
        if len(text) != 1 or ord(text) > 127:
            parser.refuse(f"{what.upper()} TERMINATED BY takes a single ASCII character", token, "42601")
        found["delimiter" if what == "fields" else "line_end"] = text
    if found.get("line_end", "\n") != "\n":
        parser.refuse("LINES TERMINATED BY other than '\\n' is not supported by the local Redshift yet")
    return found


def file_format(parser: Parser) -> str:
    token = parser.token
    if parser.any_word(_OTHER_FORMATS):
        parser.refuse(
            f"STORED AS {token.value.upper()} is not supported by the local Redshift yet; it reads PARQUET and TEXTFILE"
        )
    if not parser.any_word(("parquet", "textfile")):
        parser.fail()
    return parser.next().value


def location(parser: Parser) -> str:
    """The string behind LOCATION."""
    token = parser.token
    place = parser.string()
    if not _S3.fullmatch(place):
        parser.refuse(
            f"\"{place}\" is no place in Amazon S3: LOCATION takes 's3://bucket/folder/' or the URL of a manifest",
            token,
            "42601",
        )
    return place


def properties(parser: Parser, form: str) -> dict[str, str]:
    """What is not read here is refused: it would change what a query answers."""
    found: dict[str, str] = {}
    parser.expect_op("(")
    while True:
        token = parser.token
        name = parser.string()
        parser.expect_op("=")
        value = parser.string()
        if name not in _PROPERTIES:
            parser.refuse(f"the table property '{name}' is not supported by the local Redshift yet", token)
        allowed = _PROPERTIES[name]
        if name == "compression_type" and form == "parquet":
            allowed = _PARQUET_ONLY
        if allowed is not None and value not in allowed:
            parser.refuse(
                f"the table property '{name}'='{value}' is not supported by the local Redshift: it takes"
                f" {', '.join(allowed)}",
                token,
            )
        if name in _NUMBERS and not value.isdigit():
            parser.refuse(f"the table property '{name}' takes a number", token, "22023")
        found[name] = value
        if not parser.accept_op(","):
            break
    parser.expect_op(")")
    return found


def catalog_call(function: str, *values: object) -> str:
    """A call of one of the catalog's functions."""

    def written(value: object) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return str(value).upper()
        if isinstance(value, str):
            return pg_literal(value)
        return f"{pg_literal(json.dumps(value))}::jsonb"

    return f"SELECT zeroshift.{function}({', '.join(map(written, values))})"
